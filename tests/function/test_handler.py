"""The entry point: what it is asked, what it returns, logs and counts; it never raises."""

import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.function.fakes import ACCOUNT, CLIENT_ID, CREDENTIALS, WRONG_PASSWORD, Fault, in_turn, status
from tests.function.function import (
    CREDENTIALS_SECRET,
    REQUEST,
    TOKEN_SECRET,
    Deployment,
    logged,
    metrics,
    queue_event,
)
from tools.local.aws import PROJECT

ACCOUNT_ALONE = f"Account={ACCOUNT}"
BRANDS = "Brand-A,Brand-B,Brand-C"
HALF_A_LIFE = timedelta(hours=6)
REPORT = {"rejected_version": "made-up", "reported": TOKEN_SECRET}


@pytest.fixture
def three(deploying: Callable[..., Deployment]) -> Deployment:
    """Deploy with three client IDs, and fill the credentials."""
    deployment = deploying(CLIENT_IDS=BRANDS)
    deployment.rotator.fill(CREDENTIALS)
    return deployment


# Requests by hand


@pytest.mark.parametrize("event", [{}, None])
def test_an_empty_request_checks_all(three: Deployment, event: object) -> None:
    """One outcome for each client ID."""
    outcomes = three.rotator(event)["outcomes"]

    assert [(each["client_id"], each["reason"]) for each in outcomes] == [(name, "first") for name in BRANDS.split(",")]


def test_a_request_for_a_client_id_checks_that_one(three: Deployment) -> None:
    """The others are not even read."""
    three.rotator({"client_id": "Brand-B"})

    assert {name for _, name in three.rotator.asked} == {f"{ACCOUNT}/tokens/Brand-B", CREDENTIALS_SECRET}


def test_a_refresh_returns_what_is_published(deployment: Deployment) -> None:
    """All members of an outcome, of which none is secret."""
    deployment.rotator.fill(CREDENTIALS)

    assert deployment.rotator.outcome(REQUEST) == {
        "client_id": CLIENT_ID,
        "outcome": "refreshed",
        "reason": "first",
        "version_id": deployment.rotator.version(),
        "expires_at": "2026-11-29T01:05:00Z",
        "verified": True,
    }


def test_a_fresh_token_is_kept(running: Deployment) -> None:
    """The outcome says what is published."""
    assert running.rotator.outcome(REQUEST) == {
        "client_id": CLIENT_ID,
        "outcome": "kept",
        "reason": "fresh",
        "version_id": running.rotator.version(),
        "expires_at": "2026-11-29T01:05:00Z",
        "verified": True,
    }


def test_a_failure_says_who_must_act_and_what_is_published(running: Deployment) -> None:
    """The reason is the name of the error."""
    running.mx.token_fault = WRONG_PASSWORD
    version = running.rotator.version()
    outcome = running.rotator.outcome(REQUEST | {"force": True})

    assert outcome == {
        "client_id": CLIENT_ID,
        "outcome": "failed",
        "reason": "CredentialsRejected",
        "version_id": version,
        "expires_at": "2026-11-29T01:05:00Z",
        "verified": True,
        "error": "movieXchange (staging-auth.moviexchange.com) rejected the user name or password (HTTP 400, "
        "invalid_grant), read from the secret moviexchange/staging/credentials",
        "who": "the owner of the movieXchange or Vista account",
        "remedy": 'Store the right ones, which are used at once. To try these once more, invoke with {"force": true}.',
    }


def test_force_replaces_a_fresh_token(running: Deployment) -> None:
    """A person may insist."""
    assert running.rotator.answer({"force": True}) == ("refreshed", "forced")


@pytest.mark.parametrize(("force", "reason"), [(False, "dry run: fresh"), (True, "dry run: forced")])
def test_a_dry_run_says_what_a_run_would_do(running: Deployment, *, force: bool, reason: str) -> None:
    """With the other reasons as well."""
    assert running.rotator.answer({"dry_run": True, "force": force}) == ("kept", reason)


def test_a_dry_run_names_its_client_id(running: Deployment) -> None:
    """Whoever asks for several knows which one it was."""
    assert running.rotator.outcome({"dry_run": True})["client_id"] == CLIENT_ID


def test_a_dry_run_of_a_new_stack_changes_nothing(deployment: Deployment) -> None:
    """No secret is created, no label is put, and nobody logs in."""
    deployment.rotator.fill(CREDENTIALS)
    deployment.rotator({"dry_run": True})

    assert (deployment.rotator.calls, deployment.mx.requests) == (["GetSecretValue", "DescribeSecret"], [])


def test_a_dry_run_says_that_the_credentials_cannot_be_described(running: Deployment) -> None:
    """A person who asks learns of it, whatever the token."""
    running.rotator.deny("DescribeSecret")

    assert running.rotator.answer({"dry_run": True}) == ("failed", "SecretsManagerFailed")


# A trial of credentials


def trial(deployment: Deployment, **changes: str) -> dict[str, Any]:
    """Store credentials that are not current, as an operator does before a change of the password."""
    client = deployment.rotator.module.secrets_manager
    text = json.dumps(CREDENTIALS | changes)
    stored = client.put_secret_value(SecretId=CREDENTIALS_SECRET, SecretString=text, VersionStages=["CANDIDATE"])
    return REQUEST | {"credentials_version": stored["VersionId"]}


def test_a_trial_of_right_credentials_accepts_them(running: Deployment) -> None:
    """Log in, and verify the token."""
    assert running.rotator.answer(trial(running)) == ("kept", "credentials accepted")


def test_a_trial_names_its_client_id(running: Deployment) -> None:
    """Whoever asks for several knows which one it was."""
    assert running.rotator.outcome(trial(running))["client_id"] == CLIENT_ID


def test_a_trial_whose_token_is_refused_says_what_the_api_answered(running: Deployment) -> None:
    """The URL and the status tell a wrong client secret from a wrong parameter."""
    error = running.rotator.outcome(trial(running, client_secret="mistyped"))["error"]

    assert error.startswith("The GET of VerifyPath, ")


def test_a_trial_of_accepted_credentials_publishes_nothing(running: Deployment) -> None:
    """The published token still works."""
    before = running.rotator.version()
    running.rotator(trial(running))

    assert running.rotator.version() == before


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"password": "mistyped"}, "CredentialsRejected"), ({"client_secret": "mistyped"}, "TokenRefused")],
)
def test_a_trial_of_wrong_credentials_fails(running: Deployment, changes: dict[str, str], reason: str) -> None:
    """A wrong client secret shows when the token is verified."""
    assert running.rotator.answer(trial(running, **changes)) == ("failed", reason)


def test_a_trial_of_a_version_that_does_not_exist_fails(running: Deployment) -> None:
    """An operator mistyped it."""
    request = REQUEST | {"credentials_version": "11111111-2222-4333-8444-555555555555"}

    assert running.rotator.answer(request) == ("failed", "CredentialsInvalid")


def test_a_trial_that_ends_the_published_token_publishes_its_own(running: Deployment) -> None:
    """Otherwise applications would have none that works."""
    running.mx.ends_older_tokens = True
    outcome = running.rotator.outcome(trial(running))

    assert (running.mx.accepts(running.rotator.published()), outcome["outcome"], outcome["verified"]) == (
        True,
        "refreshed",
        True,
    )


def test_a_trial_without_a_verdict_publishes_nothing(running: Deployment) -> None:
    """The new token is not known to be better."""
    before = running.rotator.version()
    running.mx.ends_older_tokens, running.mx.api_fault = True, in_turn(status(404))
    running.rotator(trial(running))

    assert running.rotator.version() == before


def test_a_trial_tries_a_token_that_is_refused_again(running: Deployment) -> None:
    """An API may learn of it a little later."""
    running.mx.api_fault = in_turn(status(401))

    assert running.rotator.answer(trial(running)) == ("kept", "credentials accepted")


def test_a_trial_on_a_new_stack_creates_nothing(deployment: Deployment) -> None:
    """There is no published token to look after."""
    deployment.rotator.fill(CREDENTIALS)

    assert (deployment.rotator.answer(trial(deployment)), "CreateSecret" in deployment.rotator.calls) == (
        ("kept", "credentials accepted"),
        False,
    )


@pytest.mark.parametrize("password", [CREDENTIALS["password"], "mistyped"])
def test_a_trial_counts_no_metric(running: Deployment, password: str) -> None:
    """Its caller sees what came of it."""
    running.rotator(trial(running, password=password))

    assert metrics(running.rotator.printed) == {}


def test_a_trial_neither_heeds_nor_moves_the_label(running: Deployment) -> None:
    """The label says something about the current version alone."""
    current = running.fill(password="mistyped")
    answer = running.rotator.answer(trial(running))

    assert (answer, running.rotator.rejected()) == (("kept", "credentials accepted"), current)


def test_a_trial_of_wrong_credentials_puts_no_label(running: Deployment) -> None:
    """The version may be corrected before it becomes current."""
    running.rotator(trial(running, password="mistyped"))

    assert running.rotator.rejected() is None


# Messages of the queue


def test_a_schedule_checks_all(three: Deployment) -> None:
    """The same as an empty request by hand."""
    assert [each["reason"] for each in three.schedule()] == ["first"] * 3


def test_new_credentials_replace_all_tokens(three: Deployment) -> None:
    """The rule on their secret starts the run."""
    three.schedule()
    three.fill()

    assert [each["reason"] for each in three.runs[-1].outcomes] == ["credentials changed"] * 3


def test_a_report_replaces_the_version_that_it_names(running: Deployment) -> None:
    """The API refuses it too."""
    running.clock.sleep(3600)
    running.mx.alive.clear()
    running.report(running.rotator.version())
    running.deliver()

    assert [(each["outcome"], each["reason"]) for each in running.runs[-1].outcomes] == [("refreshed", "rejected")]


def test_a_report_checks_the_client_id_that_its_source_names(three: Deployment) -> None:
    """The others are not even read."""
    three.rotator(queue_event(json.dumps({"rejected_version": "x", "reported": f"{ACCOUNT}/tokens/Brand-B"})))

    assert {name for _, name in three.rotator.asked} == {f"{ACCOUNT}/tokens/Brand-B", CREDENTIALS_SECRET}


def test_of_two_sources_the_last_counts(three: Deployment) -> None:
    """EventBridge does not escape the version that an application sent; what it adds itself stands last."""
    body = (
        f'{{"rejected_version": "x", "reported": "{ACCOUNT}/tokens/Brand-A", "reported": "{ACCOUNT}/tokens/Brand-B"}}'
    )
    (outcome,) = three.rotator(queue_event(body))["outcomes"]

    assert outcome["client_id"] == "Brand-B"


def test_a_report_that_is_delivered_again_is_dropped(running: Deployment) -> None:
    """Its first delivery has ended a run."""
    result = running.rotator(queue_event(json.dumps(REPORT), deliveries=2))

    assert (result, running.rotator.calls) == ({"outcomes": []}, [])


def test_a_schedule_that_is_delivered_again_is_served(running: Deployment) -> None:
    """The run that it started first may not have ended."""
    body = json.dumps({"scheduled": "2026-11-28T13:15:00Z"})

    assert len(running.rotator(queue_event(body, deliveries=2))["outcomes"]) == 1


# What cannot be understood


@pytest.mark.parametrize(
    "event",
    [
        [],
        "canary",
        {"force": "canary"},
        {"force": 1},
        {"dry_run": None},
        {"forced": "canary"},
        {"client_id": "canary"},
        {"client_id": None},
        {"client_id": ["canary"]},
        REQUEST | {"credentials_version": "canary\n"},
        REQUEST | {"credentials_version": 17},
        REQUEST | {"credentials_version": "x"},
        REQUEST | {"credentials_version": "x" * 32, "force": True},
        {"credentials_version": "x" * 32},
        {"Records": []},
        {"Records": None},
        {"Records": [{"body": "{}"}]},
        {"Records": queue_event("{}")["Records"] * 2},
        queue_event("canary"),
        queue_event("[]"),
        queue_event("[" * 100_000),
        queue_event("{}"),
        queue_event('{"scheduled": 1}'),
        queue_event('{"scheduled": "2026-11-28T13:15:00Z", "force": true}'),
        queue_event('{"credentials_changed": ""}'),
        queue_event(json.dumps(REPORT | {"rejected_version": "x" * 65})),
        queue_event(json.dumps(REPORT | {"reported": f"another/staging/tokens/{CLIENT_ID}"})),
        queue_event(json.dumps(REPORT | {"reported": f"{ACCOUNT}/tokens/canary"})),
        queue_event(json.dumps(REPORT | {"reported": None})),
    ],
)
def test_what_cannot_be_understood_is_one_failure_and_no_call(running: Deployment, event: object) -> None:
    """It belongs to no client ID."""
    outcome = running.rotator.outcome(event)

    assert (outcome["client_id"], outcome["reason"], running.rotator.calls) == (None, "RequestInvalid", [])


def test_a_wrong_variable_is_one_failure_and_no_call(running: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names it."""
    monkeypatch.delenv("API_URL")
    outcome = running.rotator.outcome(REQUEST)

    assert (outcome["client_id"], outcome["reason"], "API_URL" in outcome["error"], running.rotator.calls) == (
        None,
        "SettingsInvalid",
        True,
        [],
    )


@pytest.mark.parametrize(("account", "counted"), [(None, "unknown"), ("", "unknown"), ("wrong", "wrong")])
def test_wrong_settings_are_counted(
    running: Deployment, monkeypatch: pytest.MonkeyPatch, account: str | None, counted: str
) -> None:
    """CloudWatch accepts no empty dimension."""
    monkeypatch.delenv("ACCOUNT") if account is None else monkeypatch.setenv("ACCOUNT", account)
    running.schedule()

    assert ("TokenRefreshFailed", f"Account={counted}, Error=SettingsInvalid") in metrics(running.runs[-1].printed)


def break_down(*_: object, **__: object) -> object:
    """Fail with a text that could be a secret."""
    raise ValueError("canary")


def test_a_defect_is_named_by_its_type_and_place(running: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a developer needs."""
    monkeypatch.setattr(running.rotator.module, "send", break_down)
    outcome = running.rotator.outcome({"force": True})

    assert (outcome["reason"], bool(re.search(r"ValueError .*test_handler\.py:\d+", outcome["error"]))) == (
        "Unexpected",
        True,
    )


@pytest.mark.parametrize("broken", ["send", "Settings"])
def test_the_text_of_a_defect_appears_nowhere(
    running: Deployment, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """It could contain anything."""
    monkeypatch.setattr(running.rotator.module, broken, break_down)
    monkeypatch.setattr(break_down, "parse", break_down, raising=False)
    result = running.rotator({"force": True})

    assert ("Unexpected" in str(result), "canary" in f"{result}{running.rotator.printed}") == (True, False)


def test_a_defect_costs_one_client_id_its_token(three: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are served."""

    def send(method: str, url: str, headers: dict[str, str], form: dict[str, str] | None, **_: str) -> object:
        return break_down() if form and form["client_id"] == "Brand-A" else three.mx.send(method, url, headers, form)

    three.schedule()
    monkeypatch.setattr(three.rotator.module, "send", send)

    assert [each["outcome"] for each in three.rotator({"force": True})["outcomes"]] == [
        "failed",
        "refreshed",
        "refreshed",
    ]


# Metrics


def test_a_refresh_is_counted_with_the_lifetime_that_is_left_after_it(running: Deployment) -> None:
    """Under exactly the account, in the namespace that the alarms listen to."""
    running.clock.sleep(3600)
    running.rotator({"force": True})

    assert metrics(running.rotator.printed) == {
        ("TokenLifeRemaining", ACCOUNT_ALONE): (100, "Percent"),
        ("TokenRefreshed", ACCOUNT_ALONE): (1, "Count"),
    }


def test_a_first_token_has_all_of_its_lifetime_left(running: Deployment) -> None:
    """What was there before, nothing, does not count."""
    assert running.runs[-1].metrics()["TokenLifeRemaining"] == 100


def test_metrics_are_in_the_namespace_of_the_alarms(running: Deployment) -> None:
    """MovieXchange."""
    assert '"Namespace":"MovieXchange"' in running.runs[-1].printed


def test_a_failure_is_counted_for_the_account_and_with_its_error(running: Deployment) -> None:
    """One set of dimensions for the alarm, the other for the dashboard."""
    running.clock.now += HALF_A_LIFE
    running.mx.token_fault = WRONG_PASSWORD
    running.schedule()

    assert metrics(running.runs[-1].printed) == {
        ("TokenLifeRemaining", ACCOUNT_ALONE): (50, "Percent"),
        ("TokenRefreshFailed", ACCOUNT_ALONE): (1, "Count"),
        ("TokenRefreshFailed", f"{ACCOUNT_ALONE}, Error=CredentialsRejected"): (1, "Count"),
        ("ActionRequired", ACCOUNT_ALONE): (1, "Count"),
    }


def test_the_lowest_value_of_a_run_is_emitted_once(three: Deployment) -> None:
    """One token in three has three quarters of its lifetime left."""
    three.schedule()
    three.rotator.age(HALF_A_LIFE / 2, "Brand-B")
    three.rotator({})

    assert metrics(three.rotator.printed)["TokenLifeRemaining", ACCOUNT_ALONE] == (75, "Percent")


def test_the_refreshes_of_a_run_are_one_metric(three: Deployment) -> None:
    """Its value is how many there were."""
    three.schedule()

    assert metrics(three.runs[-1].printed)["TokenRefreshed", ACCOUNT_ALONE] == (3, "Count")


def test_an_error_is_counted_once_a_run(three: Deployment) -> None:
    """However many client IDs it concerns."""
    three.mx.token_fault = status(503)
    three.schedule()

    assert three.runs[-1].printed.count('"Error":"MovieXchangeUnavailable"') == 1


def test_nothing_published_has_no_lifetime_left(deployment: Deployment) -> None:
    """Until the credentials are filled, 0 is emitted."""
    deployment.schedule()

    assert metrics(deployment.runs[-1].printed)["TokenLifeRemaining", ACCOUNT_ALONE] == (0, "Percent")


def test_a_token_that_expired_before_it_was_checked_counts_as_expired(running: Deployment) -> None:
    """Applications had none, though the run publishes one."""
    running.clock.now += timedelta(hours=13)
    running.schedule()

    assert metrics(running.runs[-1].printed)["TokenLifeRemaining", ACCOUNT_ALONE] == (0, "Percent")


def test_a_token_that_cannot_be_read_has_no_lifetime_to_emit(running: Deployment) -> None:
    """Missing data raises the alarm."""
    running.rotator.deny("GetSecretValue", "/tokens/")
    running.schedule()

    assert ("TokenLifeRemaining", ACCOUNT_ALONE) not in metrics(running.runs[-1].printed)


def test_a_run_for_a_report_counts_as_no_check(running: Deployment) -> None:
    """Many reports may keep scheduled runs waiting, and the alarm must hear that nothing checks all tokens."""
    running.report(running.rotator.version())
    running.deliver()

    assert ("TokenLifeRemaining", ACCOUNT_ALONE) not in metrics(running.runs[-1].printed)


@pytest.mark.parametrize("name", ["POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE"])
def test_the_environment_changes_no_dimension(running: Deployment, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """An alarm hears no other set."""
    monkeypatch.setenv(name, "canary")
    running.schedule()

    assert (set(metrics(running.runs[-1].printed)), "canary" in running.runs[-1].printed) == (
        {("TokenLifeRemaining", ACCOUNT_ALONE)},
        False,
    )


@pytest.mark.parametrize(
    ("trouble", "is_needed"),
    [
        (WRONG_PASSWORD, True),
        (status(400, {"error": "invalid_client"}), True),
        (status(403, "<html>"), True),
        (status(503), False),
        (status(429), False),
    ],
)
def test_an_answer_needs_a_person_unless_it_may_be_another_by_itself(
    deployment: Deployment, trouble: Fault, *, is_needed: bool
) -> None:
    """Outages and limits of the rate end without anybody."""
    deployment.mx.token_fault = trouble
    deployment.fill()

    assert ("ActionRequired" in deployment.runs[-1].metrics()) is is_needed


@pytest.mark.parametrize(
    ("code", "is_needed"),
    [("AccessDeniedException", True), ("ThrottlingException", False), ("InternalServiceError", False)],
)
def test_a_denial_needs_a_person_and_throttling_does_not(running: Deployment, code: str, *, is_needed: bool) -> None:
    """Secrets Manager's own troubles end by themselves."""
    running.rotator.deny("GetSecretValue", "/tokens/", code=code)
    running.schedule()

    assert ("ActionRequired" in running.runs[-1].metrics()) is is_needed


def test_a_message_that_cannot_be_understood_needs_nobody(running: Deployment) -> None:
    """An application sent it, and no owner of the stack can correct it."""
    running.queue.send(REPORT | {"rejected_version": ""})
    running.deliver()

    assert running.runs[-1].metrics() == {"TokenRefreshFailed": 1}


def test_a_wrong_variable_needs_a_person(running: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever deployed the stack."""
    monkeypatch.delenv("API_URL")
    running.schedule()

    assert running.runs[-1].metrics() == {"TokenRefreshFailed": 1, "ActionRequired": 1}


def test_a_failure_by_hand_is_counted_and_needs_nobody_else(running: Deployment) -> None:
    """The caller sees the error."""
    running.mx.token_fault = WRONG_PASSWORD
    running.rotator({"force": True})

    assert {name for name, _ in metrics(running.rotator.printed)} == {"TokenLifeRemaining", "TokenRefreshFailed"}


def test_a_request_that_cannot_be_understood_rings_no_alarm(running: Deployment) -> None:
    """Only its sender can correct it, such as an application whose client ID was removed: alarms have no `Error`."""
    running.rotator({"client_id": "mistyped"})

    assert set(metrics(running.rotator.printed)) == {("TokenRefreshFailed", f"Account={ACCOUNT}, Error=RequestInvalid")}


def test_moviexchange_is_called_through_the_proxy(deploying: Callable[..., Deployment]) -> None:
    """The token service and the API."""
    deployment = deploying(MOVIEXCHANGE_PROXY="http://proxy.example.com:3128")
    deployment.fill()

    assert (len(deployment.mx.requests), deployment.mx.proxies) == (2, {"http://proxy.example.com:3128"})


# Log lines


def test_an_outcome_is_logged_with_its_members_at_the_top(running: Deployment) -> None:
    """Logs Insights can ask for each of them."""
    running.clock.sleep(3 * 3600)
    outcome = running.rotator.outcome({})
    (line,) = logged(running.rotator.printed)

    assert ({name: line[name] for name in outcome}, line["message"], line["level"], line["life_remaining"]) == (
        outcome,
        "kept: fresh",
        "INFO",
        75,
    )


def test_a_failure_is_logged_as_an_error_with_its_message(deployment: Deployment) -> None:
    """And with who must act; what is null is left out."""
    (outcome,) = deployment.schedule()
    (line,) = logged(deployment.runs[-1].printed)

    assert ({name: line.get(name) for name in outcome}, line["message"], line["level"]) == (
        outcome,
        f"The secret {CREDENTIALS_SECRET} is still empty",
        "ERROR",
    )


def test_a_failure_that_costs_no_token_is_a_line_of_its_own(deployment: Deployment) -> None:
    """Here, a label that could be put and not be taken off."""
    deployment.rotator.deny("UpdateSecretVersionStage", after=1)
    deployment.fill()
    lines = logged(deployment.runs[-1].printed)

    assert [(line["level"], line["reason"]) for line in lines] == [("INFO", "first"), ("ERROR", "SecretsManagerFailed")]


def test_a_warning_is_a_line_of_its_own(running: Deployment) -> None:
    """The API had no verdict on the token."""
    running.mx.api_fault = status(404)
    running.rotator({"force": True})

    assert [line["level"] for line in logged(running.rotator.printed)] == ["WARNING", "INFO"]


def test_a_line_has_the_name_of_the_service_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, deploying: Callable[..., Deployment]
) -> None:
    """Queries of the log rely on it."""
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "canary")
    running = deploying()
    running.rotator({})

    assert logged(running.rotator.printed)[0]["service"] == "mx-token-rotator"


def test_a_line_has_a_time_that_lambda_reads(running: Deployment) -> None:
    """Lambda takes a line without an RFC 3339 timestamp for one of level INFO."""
    (line,) = logged(running.runs[-1].printed)

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+[+-]\d\d:\d\d", line["timestamp"])


def test_an_event_is_not_logged_even_if_the_environment_asks_for_it(
    running: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """POWERTOOLS_LOGGER_LOG_EVENT does not undo log_event=False."""
    monkeypatch.setenv("POWERTOOLS_LOGGER_LOG_EVENT", "true")
    running.rotator({"force": "canary"})

    assert "canary" not in running.rotator.printed


@pytest.mark.usefixtures("deployment")
@pytest.mark.parametrize("name", ["botocore.endpoint", "botocore.parsers", "urllib3.connectionpool"])
def test_libraries_do_not_write_what_they_send(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG they write bodies; the function's own level does not reach them."""
    caplog.set_level(logging.DEBUG)

    assert not logging.getLogger(name).isEnabledFor(logging.DEBUG)


# Cost


def test_a_run_without_a_refresh_is_two_reads(running: Deployment) -> None:
    """And no request to movieXchange."""
    running.mx.requests.clear()
    running.rotator({})

    assert (running.rotator.calls, running.mx.requests) == (["GetSecretValue", "DescribeSecret"], [])


def test_the_credentials_are_described_once_a_run(three: Deployment) -> None:
    """However many client IDs there are."""
    three.schedule()

    assert three.rotator.calls.count("DescribeSecret") == 1


def test_the_client_of_secrets_manager_has_short_time_outs(deployment: Deployment) -> None:
    """Three tries outlast a moment of throttling; two of them fit into what is left after a log-in, if both hang."""
    config = deployment.rotator.module.secrets_manager.meta.config

    assert (config.connect_timeout, config.read_timeout, config.retries) == (
        3,
        10,
        {"mode": "standard", "total_max_attempts": 3},
    )


def test_importing_the_handler_loads_no_requests() -> None:
    """It takes a third of a second of each cold start, and most runs send nothing."""
    code = "import sys, mx_token_rotator.handler; print('requests' in sys.modules)"
    environment = {"PYTHONPATH": str(PROJECT / "src" / "function"), "AWS_DEFAULT_REGION": "eu-west-1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)  # noqa: S603  our own

    assert done.stdout == "False\n"
