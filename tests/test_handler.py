"""The whole function in one process: its handler, moto's Secrets Manager, and movieXchange over a socket."""

import logging
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler

import pytest

from local.faults import TOKEN, answer, down, status, times
from local.mx import MovieXchangeStandIn
from mx_token_rotator.errors import (
    CredentialsInvalid,
    CredentialsRejected,
    MovieXchangeUnavailable,
    RequestInvalid,
    RotatorError,
    SettingsInvalid,
    TokenRefused,
    VaultFailed,
)
from mx_token_rotator.vault import SecretsManagerVault
from tests.fakes import LIFETIME
from tests.function import ACCOUNT, REQUEST, TOKEN_SECRET, Context, Rotator, logged, metrics


def test_the_first_token_is_published(filled: Rotator) -> None:
    """An empty token secret gets its token."""
    outcome = filled(REQUEST)

    assert (outcome["outcome"], outcome["reason"]) == ("refreshed", "first")


def test_the_published_document_is_what_apps_need(fresh: Rotator, mx: MovieXchangeStandIn) -> None:
    """One read gives an app both headers, and nothing beyond the seven members."""
    document = fresh.published()

    assert (set(document), document["client_secret"]) == (
        {
            "access_token",
            "token_type",
            "client_secret",
            "client_id",
            "issued_at",
            "expires_at",
            "credentials_version",
        },
        mx.client_secret,
    )


def test_a_quiet_tick_reads_twice_and_writes_nothing(fresh: Rotator) -> None:
    """A fresh token costs the two reads that show it fresh."""
    fresh(REQUEST)

    assert fresh.calls == ["GetSecretValue", "DescribeSecret"]


def test_a_quiet_tick_asks_nothing_of_moviexchange(fresh: Rotator, mx: MovieXchangeStandIn) -> None:
    """A fresh token needs no log-in and no verification."""
    before = len(mx.requests)
    fresh(REQUEST)

    assert len(mx.requests) == before


def test_a_quiet_tick_loads_nothing_for_moviexchange(fresh: Rotator, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a log-in needs is loaded for a log-in, so that a cold start is short."""
    rooms = {"mx_token_rotator.moviexchange", "mx_token_rotator.session"}
    for room in rooms:
        monkeypatch.delitem(sys.modules, room)
    fresh.module.session.cache_clear()
    fresh(REQUEST)

    assert rooms & sys.modules.keys() == set()


def test_a_refresh_adds_a_read_and_a_write(fresh: Rotator) -> None:
    """A refresh reads the credentials, and publishes with one call."""
    fresh({**REQUEST, "force": True})

    assert fresh.calls == ["GetSecretValue", "DescribeSecret", "GetSecretValue", "PutSecretValue"]


def test_a_refresh_logs_in_once_and_verifies_once(fresh: Rotator, mx: MovieXchangeStandIn) -> None:
    """A refresh is two requests to movieXchange."""
    mx.requests.clear()
    fresh({**REQUEST, "force": True})

    assert [(each.method, each.path) for each in mx.requests] == [
        ("POST", "/connect/token"),
        ("GET", "/mxs/reference-data/v1/cinema-chains"),
    ]


def test_a_reported_token_is_replaced(fresh: Rotator) -> None:
    """An app that saw its token refused gets another."""
    outcome = fresh(REQUEST)
    outcome = fresh({**REQUEST, "rejected_version": outcome["version_id"]})

    assert (outcome["outcome"], outcome["reason"]) == ("refreshed", "rejected")


def test_new_credentials_are_used_at_once(fresh: Rotator, mx: MovieXchangeStandIn) -> None:
    """A new version of the credentials is seen, and used."""
    fresh.fill(mx.credentials())
    outcome = fresh(REQUEST)

    assert (outcome["outcome"], outcome["reason"]) == ("refreshed", "credentials changed")


def test_a_dry_run_publishes_nothing(fresh: Rotator) -> None:
    """A dry run logs in and verifies, and leaves what is published."""
    before = fresh.published()
    fresh({**REQUEST, "force": True, "dry_run": True})

    assert fresh.published() == before


def test_the_stacks_share_of_a_life_decides_when_a_token_is_due(
    fresh: Rotator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RefreshAtPercent reaches the rules: a fifth of a life is too much of it here."""
    monkeypatch.setenv("REFRESH_AT_PERCENT", "10")
    fresh.age(LIFETIME / 5)

    assert fresh(REQUEST)["reason"] == "expiring"


def test_the_stacks_age_decides_when_a_report_counts(fresh: Rotator, monkeypatch: pytest.MonkeyPatch) -> None:
    """MinTokenAgeSeconds reaches the rules."""
    monkeypatch.setenv("MIN_TOKEN_AGE_SECONDS", "900")
    version_id = fresh(REQUEST)["version_id"]

    assert fresh({**REQUEST, "rejected_version": version_id})["reason"] == "too young"


def test_each_host_gets_what_is_for_it(
    filled: Rotator, mx: MovieXchangeStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The credentials go to the authentication host, and token and client secret to the API host under VerifyPath."""
    with MovieXchangeStandIn() as api:
        monkeypatch.setenv("API_URL", api.url)
        monkeypatch.setenv("VERIFY_PATH", "/another")
        filled(REQUEST)

    assert ([each.path for each in mx.requests], [each.path for each in api.requests]) == (
        ["/connect/token"],
        ["/another"],
    )


def test_a_moment_of_trouble_is_waited_out(
    filled: Rotator, mx: MovieXchangeStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its tries the function sleeps."""
    slept: list[float] = []
    monkeypatch.setattr(filled.module.time, "sleep", slept.append)
    mx.token_fault = times(1, status(503), then=answer(TOKEN))
    mx.api_fault = status(200)
    filled(REQUEST)

    assert slept == [0.5]


def test_a_warning_is_logged(filled: Rotator, mx: MovieXchangeStandIn, capsys: pytest.CaptureFixture[str]) -> None:
    """What movieXchange leaves out can be found in the log."""
    mx.token_fault = answer({"token_type": "Bearer", "access_token": "an-access-token"})
    mx.api_fault = status(200)
    filled(REQUEST)
    (warning,) = (line for line in logged(capsys.readouterr().out) if line["level"] == "WARNING")

    assert warning["message"].startswith("The answer has no expires_in")


def test_times_are_those_of_the_clock(filled: Rotator) -> None:
    """A token is issued between the beginning and the end of its invocation, in whole seconds."""
    before = datetime.now(UTC).replace(microsecond=0)
    filled(REQUEST)

    assert before <= datetime.fromisoformat(filled.published()["issued_at"]) <= datetime.now(UTC)


def test_a_quiet_tick_emits_the_life_left_and_nothing_else(fresh: Rotator, capsys: pytest.CaptureFixture[str]) -> None:
    """A custom metric costs about as much as a secret, so none is emitted without need."""
    capsys.readouterr()
    fresh(REQUEST)

    assert set(metrics(capsys.readouterr().out)) == {"TokenSecondsRemaining"}


def test_a_refresh_emits_the_life_left_and_its_count(filled: Rotator, capsys: pytest.CaptureFixture[str]) -> None:
    """Each metric bears exactly the dimensions that the alarms listen to."""
    filled(REQUEST)

    assert metrics(capsys.readouterr().out) == {
        "TokenSecondsRemaining": ({"TokenSecret": TOKEN_SECRET}, pytest.approx(43200, abs=120), "Seconds"),
        "TokenRefreshed": ({"Account": ACCOUNT}, 1, "Count"),
    }


def test_a_failed_refresh_still_emits_the_life_left(
    fresh: Rotator, mx: MovieXchangeStandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    """The alarm on a token's life hears of failed invocations too."""
    mx.password = "changed"
    capsys.readouterr()
    with pytest.raises(CredentialsRejected):
        fresh({**REQUEST, "force": True})

    assert metrics(capsys.readouterr().out) == {
        "TokenSecondsRemaining": ({"TokenSecret": TOKEN_SECRET}, pytest.approx(43200, abs=120), "Seconds"),
        "TokenRefreshFailed": ({"Account": ACCOUNT, "Error": "CredentialsRejected"}, 1, "Count"),
    }


@pytest.fixture
def unwatched(filled: Rotator, monkeypatch: pytest.MonkeyPatch) -> Rotator:
    """Give the function of a stack that does without its tokens' metrics and alarms."""
    monkeypatch.setenv("WATCH_TOKENS", "false")
    return filled


def test_a_refresh_that_nobody_watches_emits_its_count_alone(
    unwatched: Rotator, capsys: pytest.CaptureFixture[str]
) -> None:
    """The life left costs as much as a secret, and has no alarm to hear it."""
    unwatched(REQUEST)

    assert metrics(capsys.readouterr().out) == {"TokenRefreshed": ({"Account": ACCOUNT}, 1, "Count")}


def test_a_failure_that_nobody_watches_emits_its_count_alone(
    unwatched: Rotator, mx: MovieXchangeStandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    """The alarms of the stack hear of it as ever."""
    mx.password = "changed"
    with pytest.raises(CredentialsRejected):
        unwatched(REQUEST)

    assert metrics(capsys.readouterr().out) == {
        "TokenRefreshFailed": ({"Account": ACCOUNT, "Error": "CredentialsRejected"}, 1, "Count"),
    }


def test_rejected_credentials_are_tried_once(fresh: Rotator, mx: MovieXchangeStandIn) -> None:
    """The next tick sees their label, and says the same without a log-in."""
    mx.password = "changed"
    fresh.age(LIFETIME / 2)
    for _ in range(2):
        with pytest.raises(CredentialsRejected):
            fresh(REQUEST)

    assert (mx.log_ins(), fresh.calls) == (2, ["GetSecretValue", "DescribeSecret"])


def test_new_credentials_are_tried_whatever_became_of_those_before(fresh: Rotator, mx: MovieXchangeStandIn) -> None:
    """A label stays with its version."""
    mx.password = "changed"
    with pytest.raises(CredentialsRejected):
        fresh({**REQUEST, "force": True})
    fresh.fill(mx.credentials())

    assert fresh(REQUEST)["reason"] == "credentials changed"


STEP = {
    "SecretId": f"arn:aws:secretsmanager:eu-west-1:123456789012:secret:{TOKEN_SECRET}-AbCdEf",
    "ClientRequestToken": "11111111-2222-4333-8444-555555555555",
}


@pytest.fixture
def rotating(fresh: Rotator, monkeypatch: pytest.MonkeyPatch) -> Rotator:
    """Give the function of a stack that has Secrets Manager rotate."""
    monkeypatch.setenv("NATIVE_ROTATION", "true")
    return fresh


def test_the_first_step_of_a_rotation_refreshes_the_token(rotating: Rotator) -> None:
    """The outcome tells of the version that Secrets Manager waits for."""
    outcome = rotating(STEP | {"Step": "createSecret"})

    assert (outcome["outcome"], outcome["reason"], outcome["version_id"]) == (
        "refreshed",
        "rotation",
        STEP["ClientRequestToken"],
    )


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        (
            "createSecret",
            [
                *("ListSecretVersionIds", "GetSecretValue", "DescribeSecret", "GetSecretValue", "PutSecretValue"),
                *("PutSecretValue", "UpdateSecretVersionStage"),
            ],
        ),
        ("setSecret", ["GetSecretValue"]),
        ("testSecret", ["GetSecretValue"]),
    ],
)
def test_a_step_makes_these_calls(rotating: Rotator, name: str, calls: list[str]) -> None:
    """The first one does it all; when the rotation began, it is told by the list of versions."""
    rotating(STEP | {"Step": name})

    assert rotating.calls == calls


def test_the_last_step_takes_a_label_away_and_looks(rotating: Rotator) -> None:
    """It is over."""
    rotating(STEP | {"Step": "createSecret"})
    rotating(STEP | {"Step": "finishSecret"})

    assert rotating.calls == ["UpdateSecretVersionStage", "GetSecretValue"]


@pytest.mark.parametrize("name", ["createSecret", "finishSecret"])
def test_a_step_emits_what_a_request_does(rotating: Rotator, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The life that is left with each step, and a refresh with the first."""
    capsys.readouterr()
    rotating(STEP | {"Step": name})

    assert set(metrics(capsys.readouterr().out)) == {"TokenSecondsRemaining"} | (
        {"TokenRefreshed"} if name == "createSecret" else set()
    )


def test_a_step_that_fails_is_counted(
    rotating: Rotator, mx: MovieXchangeStandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    """Secrets Manager and the alarms hear of it."""
    mx.password = "changed"
    capsys.readouterr()
    with pytest.raises(CredentialsRejected):
        rotating(STEP | {"Step": "createSecret"})

    assert metrics(capsys.readouterr().out)["TokenRefreshFailed"][0]["Error"] == "CredentialsRejected"


def test_a_step_is_no_request_where_secrets_manager_does_not_rotate(fresh: Rotator) -> None:
    """It is off by default."""
    with pytest.raises(RequestInvalid, match="unknown member"):
        fresh(STEP | {"Step": "createSecret"})


def test_a_refresh_looks_for_a_rotation_to_end_where_secrets_manager_rotates(rotating: Rotator) -> None:
    """One call more, for what a rotation that broke off may have left."""
    rotating({**REQUEST, "force": True})

    assert rotating.calls == [
        *("GetSecretValue", "DescribeSecret", "GetSecretValue", "PutSecretValue"),
        "ListSecretVersionIds",
    ]


@pytest.fixture
def netted(filled: Rotator, mx: MovieXchangeStandIn, monkeypatch: pytest.MonkeyPatch) -> Rotator:
    """Give the function with a token that is due, a refresh token that is kept, and a password that was changed."""
    monkeypatch.setenv("KEEP_REFRESH_TOKEN", "true")
    mx.hands_out_refresh_tokens = True
    filled(REQUEST)
    filled.age(LIFETIME / 2)
    mx.password = "changed"
    return filled


def test_a_refresh_token_outlives_the_password(netted: Rotator) -> None:
    """Apps get another token, and the outcome says how."""
    outcome = netted(REQUEST)

    assert (outcome["outcome"], outcome["reason"]) == ("refreshed", "refresh grant: expiring")


def test_a_refresh_token_can_be_used_again_and_again(netted: Rotator) -> None:
    """Each answer brings the next one."""
    for _ in range(3):
        netted.age(LIFETIME / 2)
        outcome = netted(REQUEST)

    assert outcome["reason"] == "refresh grant: expiring"


def test_the_rejection_is_counted_though_the_token_was_refreshed(
    netted: Rotator, capsys: pytest.CaptureFixture[str]
) -> None:
    """The alarm on rejected credentials rings: a person must act."""
    capsys.readouterr()
    netted(REQUEST)

    assert metrics(capsys.readouterr().out) == {
        "TokenSecondsRemaining": ({"TokenSecret": TOKEN_SECRET}, pytest.approx(43200, abs=120), "Seconds"),
        "TokenRefreshFailed": ({"Account": ACCOUNT, "Error": "CredentialsRejected"}, 1, "Count"),
        "TokenRefreshed": ({"Account": ACCOUNT}, 1, "Count"),
    }


def test_a_refresh_token_that_is_refused_is_used_no_more(netted: Rotator, mx: MovieXchangeStandIn) -> None:
    """It is forgotten, and only the credentials' error is left."""
    mx.refresh_tokens.clear()
    for _ in range(2):
        with pytest.raises(CredentialsRejected):
            netted(REQUEST)

    assert [each.form["grant_type"] for each in mx.requests if each.method == "POST"] == [
        "password",
        "password",
        "refresh_token",
    ]


def test_an_unknown_life_is_not_emitted(fresh: Rotator, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the token secret cannot be read, missing data rings the alarm."""
    fresh.module.secrets_manager.delete_secret(SecretId=TOKEN_SECRET)
    capsys.readouterr()
    with pytest.raises(VaultFailed):
        fresh(REQUEST)

    assert set(metrics(capsys.readouterr().out)) == {"TokenRefreshFailed"}


def test_nothing_published_has_no_life_left(rotator: Rotator, capsys: pytest.CaptureFixture[str]) -> None:
    """An account that nobody filled reports 0, and so does a token that cannot be read."""
    with pytest.raises(CredentialsInvalid):
        rotator(REQUEST)

    assert metrics(capsys.readouterr().out)["TokenSecondsRemaining"] == ({"TokenSecret": TOKEN_SECRET}, 0, "Seconds")


def test_the_outcome_is_logged_without_its_wrapping(filled: Rotator, capsys: pytest.CaptureFixture[str]) -> None:
    """A log line bears each member of the outcome, so that Logs Insights can ask for it."""
    outcome = filled(REQUEST)
    line = logged(capsys.readouterr().out)[-1]

    assert ({name: line[name] for name in outcome}, line["message"]) == (outcome, "refreshed: first")


def test_a_log_line_bears_a_time_that_lambda_reads(filled: Rotator, capsys: pytest.CaptureFixture[str]) -> None:
    """Lambda takes a line without an RFC 3339 timestamp to be of level INFO, whatever its own level."""
    filled(REQUEST)
    line = logged(capsys.readouterr().out)[-1]

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+[+-]\d\d:\d\d", line["timestamp"])


def test_a_failure_is_logged_with_who_must_act_and_how(rotator: Rotator, capsys: pytest.CaptureFixture[str]) -> None:
    """The log says what a person needs, without a stack trace."""
    with pytest.raises(CredentialsInvalid) as caught:
        rotator(REQUEST)
    line = logged(capsys.readouterr().out)[-1]

    assert (line["error"], line["who"], line["remedy"]) == ("CredentialsInvalid", caught.value.who, caught.value.remedy)


def test_a_bug_is_counted_under_its_own_name(
    fresh: Rotator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is no error of the house is raised and counted all the same."""
    monkeypatch.setattr(fresh.module, "Rotator", None)
    capsys.readouterr()
    with pytest.raises(TypeError):
        fresh(REQUEST)

    assert metrics(capsys.readouterr().out)["TokenRefreshFailed"] == (
        {"Account": ACCOUNT, "Error": "TypeError"},
        1,
        "Count",
    )


def test_wrong_settings_touch_nothing(fresh: Rotator, mx: MovieXchangeStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing variable ends the invocation before any call."""
    monkeypatch.delenv("API_URL")
    before = len(mx.requests)
    with pytest.raises(SettingsInvalid, match="API_URL"):
        fresh(REQUEST)

    assert (fresh.calls, len(mx.requests)) == ([], before)


@pytest.mark.parametrize("account", [None, "", " ", "canary pass word"])
def test_settings_with_a_wrong_account_are_counted_without_it(
    rotator: Rotator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], account: str | None
) -> None:
    """CloudWatch takes no empty dimension, and a wrong value is told nowhere."""
    monkeypatch.delenv("ACCOUNT") if account is None else monkeypatch.setenv("ACCOUNT", account)
    with pytest.raises(SettingsInvalid):
        rotator(REQUEST)

    assert metrics(capsys.readouterr().out)["TokenRefreshFailed"][0]["Account"] == "unknown"


def test_a_wrong_request_touches_nothing(fresh: Rotator) -> None:
    """A client ID of another stack ends the invocation before any call."""
    with pytest.raises(RequestInvalid, match="client_id"):
        fresh({"client_id": "SomebodyElse"})

    assert fresh.calls == []


def test_an_event_is_not_logged_even_when_the_environment_asks_for_it(
    fresh: Rotator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """POWERTOOLS_LOGGER_LOG_EVENT does not undo log_event=False."""
    monkeypatch.setenv("POWERTOOLS_LOGGER_LOG_EVENT", "true")
    capsys.readouterr()
    with pytest.raises(RequestInvalid):
        fresh({**REQUEST, "force": "canary"})

    assert "canary" not in capsys.readouterr().out


def test_what_is_left_of_the_invocation_bounds_it(fresh: Rotator) -> None:
    """The function ends itself before Lambda does, with time to say so."""
    context = Context()
    context.seconds_left = 5

    with pytest.raises(VaultFailed, match=r"GetSecretValue of \S+ failed: TimeoutError"):
        fresh(REQUEST, context)


def test_an_api_that_takes_all_its_time_leaves_enough_to_publish(filled: Rotator, mx: MovieXchangeStandIn) -> None:
    """The API is not asked again, and a first token without a verdict is published."""
    context = Context()

    def hang_up_late(handler: BaseHTTPRequestHandler) -> None:
        context.seconds_left = filled.module.SPARE_SECONDS + SecretsManagerVault.LONGEST_CALL - 0.1
        down()(handler)

    mx.api_fault = hang_up_late

    filled(REQUEST, context)

    assert ([each.method for each in mx.requests], filled.calls[-1]) == (["POST", "GET"], "PutSecretValue")


@pytest.mark.usefixtures("rotator")
@pytest.mark.parametrize("name", ["botocore.endpoint", "botocore.parsers", "urllib3.connectionpool"])
def test_libraries_do_not_write_what_they_send(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG they write bodies; the function's own level does not reach them."""
    caplog.set_level(logging.DEBUG)

    assert not logging.getLogger(name).isEnabledFor(logging.DEBUG)


def test_the_client_is_patient_for_so_long_and_no_longer(rotator: Rotator) -> None:
    """The client has the time-outs and the retry mode that the vault's longest call is made of."""
    config = rotator.module.secrets_manager.meta.config

    assert (config.connect_timeout, config.read_timeout, config.retries) == (
        3,
        10,
        {"mode": "standard", "total_max_attempts": 2},
    )


def test_the_longest_call_is_what_the_client_can_take(rotator: Rotator) -> None:
    """Each try may take both time-outs; in between, botocore's standard mode waits for a second at most."""
    config = rotator.module.secrets_manager.meta.config
    tries = config.retries["total_max_attempts"]

    assert tries * (config.connect_timeout + config.read_timeout) + 1 == SecretsManagerVault.LONGEST_CALL


def test_an_invocation_forgets_the_one_before(fresh: Rotator, capsys: pytest.CaptureFixture[str]) -> None:
    """A warm function does not log a failure under the client ID of an earlier request."""
    capsys.readouterr()
    with pytest.raises(RequestInvalid):
        fresh({})

    assert "client_id" not in logged(capsys.readouterr().out)[-1]


def test_one_cold_start_makes_one_client_and_one_session(fresh: Rotator) -> None:
    """Clients and sessions live as long as the execution environment."""
    before = (fresh.module.secrets_manager, fresh.module.session())
    fresh({**REQUEST, "force": True})

    assert (fresh.module.secrets_manager, fresh.module.session()) == before


def a_wrong_password(mx: MovieXchangeStandIn) -> None:
    """Have movieXchange reject the credentials."""
    mx.password = "changed"


def another_client_secret(mx: MovieXchangeStandIn) -> None:
    """Have movieXchange refuse the new token."""
    mx.client_secret = "changed"


def a_broken_token_endpoint(mx: MovieXchangeStandIn) -> None:
    """Have movieXchange fail."""
    mx.token_fault = status(500)


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (a_wrong_password, CredentialsRejected),
        (another_client_secret, TokenRefused),
        (a_broken_token_endpoint, MovieXchangeUnavailable),
    ],
)
def test_trouble_at_moviexchange_leaves_what_is_published(
    fresh: Rotator,
    mx: MovieXchangeStandIn,
    monkeypatch: pytest.MonkeyPatch,
    trouble: Callable[[MovieXchangeStandIn], None],
    error: type[RotatorError],
) -> None:
    """Each failure is raised under its name, and costs no token."""
    monkeypatch.setattr(fresh.module.time, "sleep", lambda _: None)
    before = fresh.published()
    trouble(mx)
    with pytest.raises(error):
        fresh({**REQUEST, "force": True})

    assert fresh.published() == before
