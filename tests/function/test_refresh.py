"""What a run does for each client ID: read, decide, log in, verify, publish."""

import json
import signal
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import boto3
import pytest

from mx_token_rotator.transport import Answer
from tests.function.fakes import (
    ACCOUNT,
    CLIENT_ID,
    CREDENTIALS,
    LIFETIME,
    REFUSED_CONNECTION,
    WRONG_PASSWORD,
    Fault,
    in_turn,
    status,
)
from tests.function.function import (
    CREDENTIALS_SECRET,
    KMS_DENIES,
    MARKED_FOR_DELETION,
    REQUEST,
    TOKEN_SECRET,
    Deployment,
    Rotator,
    metrics,
    queue_event,
)
from tools.local.lambda_runtime import Context

BRANDS = ("Brand-A", "Brand-B", "Brand-C")
KEY = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-4333-8444-555555555555"
REFRESH_TOKEN_SECRET = f"{ACCOUNT}/refresh-tokens/{CLIENT_ID}"
FORCED = REQUEST | {"force": True}
PAGE = status(403, "<html>Attention Required!</html>", Content_Type="text/html")

Deploying = Callable[..., Deployment]


@pytest.fixture
def three(deploying: Deploying) -> Deployment:
    """Deploy with three client IDs, and fill the credentials."""
    deployment = deploying(CLIENT_IDS=",".join(BRANDS))
    deployment.rotator.fill(CREDENTIALS)
    return deployment


@pytest.fixture
def hour_old(running: Deployment) -> Deployment:
    """Deploy, publish a token, and let an hour pass."""
    running.clock.sleep(3600)
    running.mx.requests.clear()
    return running


def report(deployment: Deployment) -> tuple[str, str]:
    """Report the published version, and return the outcome and the reason."""
    deployment.report(deployment.rotator.version())
    deployment.deliver()
    (outcome,) = deployment.runs[-1].outcomes
    return outcome["outcome"], outcome["reason"]


def described(rotator: Rotator, secret: str) -> dict[str, Any]:
    """Describe a secret."""
    return dict(rotator.module.secrets_manager.describe_secret(SecretId=secret))


# Read


def test_a_missing_token_secret_is_created_with_its_tags(deploying: Deploying) -> None:
    """One of ours, and those of SecretTags."""
    deployment = deploying(SECRET_TAGS="Team=web,Cost=17")
    deployment.fill()

    assert described(deployment.rotator, TOKEN_SECRET)["Tags"] == [
        {"Key": "mx-token-rotator:account", "Value": ACCOUNT},
        {"Key": "Team", "Value": "web"},
        {"Key": "Cost", "Value": "17"},
    ]


def test_a_missing_token_secret_is_created_under_the_stacks_key(deploying: Deploying) -> None:
    """KmsKeyArn."""
    deployment = deploying(KMS_KEY_ARN=KEY)
    deployment.fill()

    assert described(deployment.rotator, TOKEN_SECRET)["KmsKeyId"] == KEY


def test_all_token_secrets_are_there_before_the_first_log_in(three: Deployment) -> None:
    """What can fail is tried before a token is spent."""
    three.mx.token_fault = WRONG_PASSWORD
    three.schedule()

    assert three.rotator.calls[:6] == ["GetSecretValue", "CreateSecret"] * 3


def test_a_token_secret_that_cannot_be_created_costs_the_others_nothing(three: Deployment) -> None:
    """Nobody logs in for that one."""
    three.rotator.deny("CreateSecret", "Brand-B")
    three.schedule()

    assert {each.form["client_id"] for each in three.mx.log_ins()} == {"Brand-A", "Brand-C"}


@pytest.mark.parametrize("operation", ["GetSecretValue", "PutSecretValue"])
def test_a_token_secret_that_is_marked_for_deletion_is_an_error_that_says_so(
    hour_old: Deployment, operation: str
) -> None:
    """With the command that restores it, and without a log-in."""
    hour_old.rotator.deny(operation, TOKEN_SECRET, code="InvalidRequestException", message=MARKED_FOR_DELETION)
    outcome = hour_old.rotator.outcome(FORCED)

    assert (
        "marked for deletion" in outcome["error"],
        f"restore-secret --secret-id {TOKEN_SECRET}" in outcome["remedy"],
        hour_old.mx.log_ins(),
    ) == (True, True, [])


def test_a_token_secret_whose_key_is_denied_is_moved_to_the_stacks_key(
    hour_old: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody changed KmsKeyArn, and the function may not use the old key: its version is replaced."""
    monkeypatch.setenv("KMS_KEY_ARN", KEY)
    hour_old.rotator.deny("GetSecretValue", TOKEN_SECRET, message=KMS_DENIES, until="UpdateSecret")
    answer = hour_old.rotator.answer({})

    assert (answer, described(hour_old.rotator, TOKEN_SECRET)["KmsKeyId"]) == (("refreshed", "unreadable"), KEY)


def test_an_empty_token_secret_whose_key_is_denied_is_moved_to_the_stacks_key(deployment: Deployment) -> None:
    """Reading an empty secret uses no key, so that only the first write finds out."""
    deployment.rotator.deny("PutSecretValue", TOKEN_SECRET, message=KMS_DENIES, until="UpdateSecret")
    deployment.fill()

    assert (deployment.runs[-1].outcomes[0]["reason"], len(deployment.mx.log_ins())) == ("first", 1)


@pytest.mark.parametrize(
    ("later", "answer"),
    [(1, ("kept", "already replaced")), (0, ("failed", "TokenRefused"))],
    ids=["later", "not later"],
)
def test_a_refused_token_does_not_replace_one_that_was_issued_later(
    hour_old: Deployment, later: int, answer: tuple[str, str]
) -> None:
    """Two requests by hand overlap, and movieXchange ends older tokens at a log-in."""
    rotator, mx = hour_old.rotator, hour_old.mx
    issued_at = (hour_old.clock.now + timedelta(seconds=later)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def another_run() -> Answer:
        if len(mx.gets()) == 1:
            other = json.dumps(rotator.published() | {"issued_at": issued_at})
            rotator.module.secrets_manager.put_secret_value(SecretId=TOKEN_SECRET, SecretString=other)
        return status(401)()

    mx.requests.clear()
    mx.api_fault = another_run
    outcome = rotator.outcome(FORCED)

    assert (outcome["client_id"], outcome["outcome"], outcome["reason"]) == (CLIENT_ID, *answer)


def test_a_token_secret_that_cannot_be_moved_costs_no_log_in(hour_old: Deployment) -> None:
    """A token could not be published there."""
    hour_old.rotator.deny("GetSecretValue", TOKEN_SECRET, message=KMS_DENIES)
    hour_old.rotator.deny("UpdateSecret", message=KMS_DENIES)

    assert (hour_old.rotator.answer({}), hour_old.mx.log_ins()) == (("failed", "SecretsManagerFailed"), [])


def test_a_dry_run_moves_no_secret_to_another_key(hour_old: Deployment) -> None:
    """It says what a run would find."""
    hour_old.rotator.deny("GetSecretValue", TOKEN_SECRET, message=KMS_DENIES)
    answer = hour_old.rotator.answer({"dry_run": True})

    assert (answer, "UpdateSecret" in hour_old.rotator.calls) == (("kept", "dry run: unreadable"), False)


def test_a_message_about_denied_credentials_names_both_causes(running: Deployment) -> None:
    """AWS says the same of a secret that does not exist."""
    running.rotator.deny("DescribeSecret", CREDENTIALS_SECRET)
    error = running.rotator.outcome({"force": True})["error"]

    assert (CREDENTIALS_SECRET in error, "role" in error, "does not exist" in error) == (True, True, True)


def test_empty_credentials_are_invalid(deployment: Deployment) -> None:
    """The stack makes the secret, and a person fills it."""
    assert deployment.rotator.answer({}) == ("failed", "CredentialsInvalid")


def test_credentials_that_are_a_replica_are_invalid(deployment: Deployment) -> None:
    """A replica refuses every write, labels included; the message names the Region of its primary."""
    deployment.rotator.module.secrets_manager.delete_secret(
        SecretId=CREDENTIALS_SECRET, ForceDeleteWithoutRecovery=True
    )
    boto3.client("secretsmanager", region_name="us-east-1").create_secret(
        Name=CREDENTIALS_SECRET, SecretString=json.dumps(CREDENTIALS), AddReplicaRegions=[{"Region": "eu-west-1"}]
    )
    outcome = deployment.rotator.outcome({})

    assert (outcome["reason"], "us-east-1" in outcome["error"]) == ("CredentialsInvalid", True)


@pytest.mark.parametrize(("visible_after", "waited"), [(0, 0), (1, 1), (2, 3), (9, 3)])
def test_announced_credentials_are_waited_for_three_seconds_at_most(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, visible_after: int, waited: int
) -> None:
    """Reads of Secrets Manager may lag behind its writes."""
    version = deployment.rotator.fill(CREDENTIALS)
    client = deployment.rotator.module.secrets_manager
    lagging = [{"VersionIdsToStages": {"older": ["AWSCURRENT"]}}] * visible_after
    describe = client.describe_secret
    monkeypatch.setattr(client, "describe_secret", lambda **of: lagging.pop() if lagging else describe(**of))
    before = deployment.clock.now
    deployment.rotator(queue_event(json.dumps({"credentials_changed": version})))

    assert (deployment.clock.now - before).total_seconds() == waited


# Decide


@pytest.mark.parametrize(
    "text",
    [
        "junk",
        "[]",
        '{"access_token": "x"}',
        json.dumps({"client_id": "another"}),
    ],
)
def test_what_is_no_document_of_ours_is_replaced(running: Deployment, text: str) -> None:
    """Whoever wrote it."""
    running.rotator.put(text)

    assert running.rotator.answer({}) == ("refreshed", "unreadable")


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"client_id": "another"}, ("refreshed", "unreadable")),
        ({"issued_at": "2026-11-28T13:10:01Z"}, ("refreshed", "unreadable")),
        ({"issued_at": "2026-11-28T13:10:00Z"}, ("kept", "fresh")),
        ({"credentials_version": "older"}, ("refreshed", "credentials changed")),
    ],
)
def test_a_document_that_was_changed_is_judged_by_its_members(
    running: Deployment, changes: dict[str, str], answer: tuple[str, str]
) -> None:
    """One for another client ID, and one from more than five minutes in the future, are not trusted."""
    running.rotator.put(json.dumps(running.rotator.published() | changes))

    assert running.rotator.answer({}) == answer


@pytest.mark.parametrize(
    ("age", "answer"),
    [(LIFETIME / 2 - timedelta(seconds=1), ("kept", "fresh")), (LIFETIME / 2, ("refreshed", "expiring"))],
)
def test_a_token_is_replaced_at_half_of_its_lifetime(
    running: Deployment, age: timedelta, answer: tuple[str, str]
) -> None:
    """RefreshAtPercent is 50."""
    running.clock.now += age

    assert running.rotator.answer({}) == answer


def test_the_stack_says_which_share_of_a_lifetime_that_is(
    hour_old: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour is a twelfth."""
    monkeypatch.setenv("REFRESH_AT_PERCENT", "10")
    hour_old.clock.sleep(3600 / 5)

    assert hour_old.rotator.answer({}) == ("refreshed", "expiring")


def test_a_report_of_a_young_token_is_not_served(running: Deployment) -> None:
    """An application that reports wrongly cannot use up the versions of a day."""
    running.clock.sleep(899)

    assert report(running) == ("kept", "too young")


def test_the_stack_says_what_is_young(running: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """MinTokenAgeSeconds."""
    monkeypatch.setenv("MIN_TOKEN_AGE_SECONDS", "0")
    running.mx.alive.clear()

    assert report(running) == ("refreshed", "rejected")


@pytest.mark.parametrize("is_running", [True, False])
def test_a_report_of_another_version_is_a_reason_for_nothing(deployment: Deployment, *, is_running: bool) -> None:
    """Even where a check would find a reason."""
    deployment.rotator.fill(CREDENTIALS)
    if is_running:
        deployment.schedule()
        deployment.clock.now += LIFETIME
    deployment.report("made-up")
    deployment.deliver()

    assert deployment.runs[-1].outcomes[0]["reason"] == "already replaced"


def test_a_report_of_a_version_that_the_api_accepts_is_not_served(hour_old: Deployment) -> None:
    """One GET, and no log-in."""
    assert (report(hour_old), len(hour_old.mx.gets()), hour_old.mx.log_ins()) == (("kept", "still accepted"), 1, [])


@pytest.mark.parametrize("api", [status(401), status(403), status(404), status(500), PAGE])
def test_a_report_that_the_api_does_not_contradict_is_served(hour_old: Deployment, api: Fault) -> None:
    """A refusal, or no verdict, on the published token; the new one is accepted."""
    hour_old.mx.api_fault = in_turn(api)

    assert report(hour_old) == ("refreshed", "rejected")


def test_a_report_of_a_version_that_is_unreadable_is_served(hour_old: Deployment) -> None:
    """There is no token to show to the API."""
    hour_old.rotator.put("junk")

    assert report(hour_old) == ("refreshed", "rejected")


def test_a_report_is_served_where_tokens_are_not_verified(
    hour_old: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """VerifyPath is none."""
    monkeypatch.setenv("VERIFY_PATH", "none")

    assert (report(hour_old), hour_old.mx.gets()) == (("refreshed", "rejected"), [])


# Log in


def test_a_log_in_uses_the_version_that_was_described(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if another one becomes current in between."""
    version = deployment.rotator.fill(CREDENTIALS)
    client = deployment.rotator.module.secrets_manager
    describe = client.describe_secret

    def describe_before_a_change(**of: str) -> Any:  # noqa: ANN401  boto3's answer
        answer = describe(**of)
        client.put_secret_value(SecretId=CREDENTIALS_SECRET, SecretString=json.dumps(CREDENTIALS | {"password": "new"}))
        return answer

    monkeypatch.setattr(client, "describe_secret", describe_before_a_change)
    deployment.rotator({})

    assert (deployment.mx.log_ins()[0].form["password"], deployment.rotator.published()["credentials_version"]) == (
        CREDENTIALS["password"],
        version,
    )


def waits(deployment: Deployment) -> list[float]:
    """Return the seconds between the requests."""
    times = [each.at for each in deployment.mx.requests]
    return [(later - earlier).total_seconds() for earlier, later in pairwise(times)]


@pytest.mark.parametrize(
    ("faults", "waited"),
    [
        ([status(503)], [0.5, 0]),
        ([status(503), status(429)], [0.5, 1, 0]),
        ([REFUSED_CONNECTION, REFUSED_CONNECTION], [0.5, 1, 0]),
        ([status(503), status(503), status(503)], [0.5, 1]),
        ([status(503, Retry_After="7")], [7, 0]),
        ([status(429, Retry_After="10"), status(503)], [10, 1, 0]),
        ([status(503, Retry_After="11")], []),
        ([status(503, Retry_After="Sat, 28 Nov 2026 14:05:04 GMT")], [4, 0]),
        ([status(403, "<html>")], []),
    ],
)
def test_a_log_in_is_tried_three_times_at_most(hour_old: Deployment, faults: list[Fault], waited: list[float]) -> None:
    """After 0.5 and 1 s, or what Retry-After says up to ten seconds; the last request is the verification."""
    hour_old.mx.token_fault = in_turn(*faults)
    hour_old.rotator(FORCED)

    assert waits(hour_old) == waited


def test_a_log_in_without_an_answer_is_not_tried_again(hour_old: Deployment) -> None:
    """It may have been counted as an attempt."""
    hour_old.mx.token_fault = hour_old.mx.times_out
    hour_old.rotator(FORCED)

    assert len(hour_old.mx.log_ins()) == 1


def test_a_reported_token_is_a_log_in_that_is_tried_twice(hour_old: Deployment) -> None:
    """An application repeats its report."""
    hour_old.mx.token_fault, hour_old.mx.api_fault = status(503), status(401)
    report(hour_old)

    assert len(hour_old.mx.log_ins()) == 2


@pytest.mark.parametrize(
    ("seconds_left", "request_", "answer"),
    [
        (25.0, FORCED, ("refreshed", "forced")),
        (24.9, FORCED, ("kept", "postponed")),
        (24.9, REQUEST, ("kept", "fresh")),
    ],
)
def test_no_log_in_begins_in_the_last_twenty_seconds(
    running: Deployment, seconds_left: float, request_: dict[str, Any], answer: tuple[str, str]
) -> None:
    """Five more are kept back to report."""
    context = Context()
    context.seconds_left = seconds_left
    (outcome,) = running.rotator(request_, context)["outcomes"]

    assert (outcome["outcome"], outcome["reason"]) == answer


@pytest.mark.parametrize(("seconds_left", "reasons"), [(5.5, ["fresh"]), (5.0, [])])
def test_a_client_id_is_checked_until_the_time_is_up(
    running: Deployment, monkeypatch: pytest.MonkeyPatch, seconds_left: float, reasons: list[str]
) -> None:
    """Nothing has to interrupt what would come after it."""
    monkeypatch.setattr(signal, "setitimer", lambda *_: None)
    context = Context()
    context.seconds_left = seconds_left

    assert [each["reason"] for each in running.rotator({}, context)["outcomes"]] == reasons


def test_what_is_left_is_served_by_the_next_run(three: Deployment) -> None:
    """Verifying the first token takes the time of the others."""
    context = Context()
    context.seconds_left = 30.0
    three.mx.api_fault = in_turn(three.mx.times_out)
    reasons = sorted(each["reason"] for each in three.rotator({}, context)["outcomes"])
    three.rotator({})

    assert (reasons, sorted(each.form["client_id"] for each in three.mx.log_ins())) == (
        ["first", "postponed", "postponed"],
        ["Brand-A", "Brand-B", "Brand-C"],
    )


def test_a_client_id_that_ends_every_run_leaves_the_others_their_turn(
    three: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server's error that one client ID always gets stops the log-ins of a run, but not those of all runs."""

    def send(method: str, url: str, headers: dict[str, str], form: dict[str, str] | None, **_: str) -> Answer:
        is_odd = form and form["client_id"] == "Brand-A"
        return Answer(host="", status=500) if is_odd else three.mx.send(method, url, headers, form)

    monkeypatch.setattr(three.rotator.module, "send", send)
    three.run_for(timedelta(hours=3))

    assert [name for name in BRANDS if three.rotator.version(name) == "made-up"] == ["Brand-A"]


# Verify


@pytest.mark.parametrize("api", [status(404), status(500), REFUSED_CONNECTION, PAGE])
def test_a_token_without_a_verdict_is_published(hour_old: Deployment, api: Fault) -> None:
    """A log-in may have ended the old one."""
    hour_old.mx.api_fault = api
    answer = hour_old.rotator.answer(FORCED)

    assert (answer, hour_old.rotator.published()["verified"]) == (("refreshed", "forced"), None)


def test_a_new_token_that_is_refused_is_tried_again_two_seconds_later(hour_old: Deployment) -> None:
    """An API may learn of it a little later."""
    hour_old.mx.api_fault = in_turn(status(401))
    answer = hour_old.rotator.answer(FORCED)

    assert (answer, waits(hour_old), hour_old.rotator.published()["verified"]) == (
        ("refreshed", "forced"),
        [0, 2],
        True,
    )


def test_a_refused_token_does_not_replace_one_that_is_accepted(hour_old: Deployment) -> None:
    """The published one is shown as well."""
    before = hour_old.rotator.version()
    hour_old.mx.api_fault = in_turn(status(401), status(401))
    answer = hour_old.rotator.answer(FORCED)

    assert (answer, hour_old.rotator.version()) == (("failed", "TokenRefused"), before)


def test_a_refused_token_replaces_one_of_the_same_credentials_without_a_verdict(hour_old: Deployment) -> None:
    """It is alive and has the same rights; the published one may have been ended by the log-in."""
    hour_old.mx.api_fault = in_turn(status(401), status(401), status(500))
    hour_old.rotator(FORCED)

    assert hour_old.rotator.published()["access_token"] == list(hour_old.mx.alive)[-1]


def test_a_refused_token_does_not_replace_one_of_other_credentials_without_a_verdict(hour_old: Deployment) -> None:
    """The new client secret may be wrong."""
    before = hour_old.rotator.version()
    hour_old.mx.api_fault = in_turn(status(401), status(401), status(500))
    hour_old.fill(client_secret="mistyped")

    assert hour_old.rotator.version() == before


def tokens_at_each_get(deployment: Deployment, *answers: Fault) -> list[str]:
    """Have the API answer so in turn, and return a list that gets the token that is published at each GET."""
    seen, answer = list[str](), in_turn(*answers)

    def api() -> Answer | None:
        seen.append(deployment.rotator.published()["access_token"])
        return answer()

    deployment.mx.api_fault = api
    return seen


def test_a_reported_token_that_is_dead_is_replaced_before_the_new_one_is_tried(hour_old: Deployment) -> None:
    """Applications wait for nothing else."""
    dead = hour_old.rotator.published()["access_token"]
    seen = tokens_at_each_get(hour_old, status(401), status(200))
    report(hour_old)

    assert seen == [dead, hour_old.rotator.published()["access_token"]]


def test_an_expired_token_is_replaced_before_the_new_one_is_tried(hour_old: Deployment) -> None:
    """The API may be slow to answer after an outage."""
    hour_old.clock.now += LIFETIME
    seen = tokens_at_each_get(hour_old, status(200))
    hour_old.schedule()

    assert seen == [hour_old.rotator.published()["access_token"]]


def test_a_token_that_replaced_a_dead_one_is_verified_by_the_run_alone(hour_old: Deployment) -> None:
    """The verdict would be one more version, of which Secrets Manager keeps about 100 a day."""
    hour_old.mx.api_fault = in_turn(status(401))
    report(hour_old)
    (outcome,) = hour_old.runs[-1].outcomes

    assert (outcome["verified"], hour_old.rotator.published()["verified"]) == (True, None)


def test_a_token_that_replaced_a_dead_one_is_published_again_if_it_is_refused(hour_old: Deployment) -> None:
    """With `verified` false, so that each check tries it again."""
    hour_old.mx.api_fault = status(401)
    report(hour_old)

    assert (hour_old.rotator.calls.count("PutSecretValue"), hour_old.rotator.published()["verified"]) == (3, False)


@pytest.mark.parametrize(("age", "puts"), [(44, 2), (45, 3)])
def test_a_dead_token_waits_for_the_verdict_on_the_next_one_if_it_was_soon_dead(
    running: Deployment, age: int, puts: int
) -> None:
    """Two versions for each report would be more than Secrets Manager keeps; the first call writes nothing."""
    running.clock.sleep(age * 60)
    running.mx.api_fault = status(401)
    report(running)

    assert running.rotator.calls.count("PutSecretValue") == puts


def test_a_report_that_the_api_contradicts_says_so_in_the_secret(hour_old: Deployment) -> None:
    """The token was published before a verdict."""
    hour_old.mx.api_fault = in_turn(status(401))
    report(hour_old)
    hour_old.clock.sleep(3600)

    assert (report(hour_old), hour_old.rotator.published()["verified"]) == (("kept", "still accepted"), True)


@pytest.mark.parametrize("is_running", [True, False])
def test_a_refused_token_is_published_where_there_is_none_better(deployment: Deployment, *, is_running: bool) -> None:
    """With `verified` false; the outcome is a failure all the same."""
    deployment.rotator.fill(CREDENTIALS)
    if is_running:
        deployment.rotator({})
    deployment.mx.api_fault = status(403)
    outcome = deployment.rotator.outcome(FORCED)

    assert (outcome["reason"], outcome["verified"], deployment.rotator.published()["access_token"]) == (
        "TokenRefused",
        False,
        list(deployment.mx.alive)[-1],
    )


def test_a_reported_token_that_was_refused_is_not_shown_again(hour_old: Deployment) -> None:
    """It is shown once, before the log-in; the new one is tried twice."""
    hour_old.mx.api_fault = status(401)
    report(hour_old)

    assert [each.method for each in hour_old.mx.requests] == ["GET", "POST", "GET", "GET"]


def test_a_token_that_has_expired_is_not_shown_to_the_api(hour_old: Deployment) -> None:
    """It is worse than the new one, whatever the API says."""
    hour_old.clock.now += LIFETIME
    hour_old.mx.api_fault = status(401)
    hour_old.schedule()

    assert [each.method for each in hour_old.mx.requests] == ["POST", "GET", "GET"]


def test_a_refusal_names_the_url_the_status_and_the_parameter(deployment: Deployment) -> None:
    """An account that is not licensed for Reference Data learns what to set."""
    deployment.mx.api_fault = status(403)
    deployment.rotator.fill(CREDENTIALS)
    outcome = deployment.rotator.outcome({})
    text = f"{outcome['error']} {outcome['remedy']}"

    assert [
        each in text
        for each in ("https://staging-api.moviexchange.com/mxs/reference-data/v1/cinema-chains", "403", "VerifyPath")
    ] == [True] * 3


def test_a_wrong_client_secret_keeps_the_tokens_and_ends_the_log_ins(three: Deployment) -> None:
    """The new version of the credentials keeps its label."""
    three.schedule()
    three.mx.requests.clear()
    version = three.fill(client_secret="mistyped")

    assert (
        [each["reason"] for each in three.runs[-1].outcomes],
        len(three.mx.log_ins()),
        three.rotator.rejected(),
        all(three.mx.accepts(three.rotator.published(each)) for each in BRANDS),
    ) == (["TokenRefused"] * 3, 1, version, True)


def test_a_wrong_client_secret_is_told_for_each_client_id(three: Deployment) -> None:
    """What the API answered to the first token is also why the others were not asked for."""
    three.schedule()
    three.fill(client_secret="mistyped")

    assert [each["error"].partition(",")[0] for each in three.runs[-1].outcomes] == ["The GET of VerifyPath"] * 3


def test_a_refused_token_of_the_same_credentials_puts_no_label(hour_old: Deployment) -> None:
    """They worked before."""
    hour_old.mx.api_fault = in_turn(status(401), status(401))
    hour_old.rotator(FORCED)

    assert hour_old.rotator.rejected() is None


@pytest.fixture
def unverified(deployment: Deployment) -> Deployment:
    """Deploy, and publish a token that the API refuses."""
    deployment.mx.api_fault = status(403)
    deployment.fill()
    deployment.clock.sleep(900)
    deployment.mx.requests.clear()
    return deployment


@pytest.mark.parametrize(
    ("api", "answer", "verified"),
    [
        (None, ("kept", "fresh"), True),
        (status(404), ("kept", "fresh"), False),
        (status(403), ("failed", "TokenRefused"), False),
    ],
)
def test_a_token_that_was_refused_is_tried_again_without_a_log_in(
    unverified: Deployment, api: Fault | None, answer: tuple[str, str], *, verified: bool
) -> None:
    """Until somebody acts, each check fails."""
    unverified.mx.api_fault = api
    (outcome,) = unverified.schedule()

    assert ((outcome["outcome"], outcome["reason"]), outcome["verified"]) == (answer, verified)


@pytest.mark.parametrize(("age", "verified"), [(44, False), (45, True)])
def test_a_later_verdict_is_published_once_a_token_is_three_times_as_old_as_it_must_be_for_a_report(
    unverified: Deployment, age: int, *, verified: bool
) -> None:
    """Until then the outcome alone has it; an API that changes its mind must not use up the versions of a day."""
    unverified.mx.api_fault = None
    unverified.clock.sleep((age - 15) * 60)
    (outcome,) = unverified.schedule()

    assert (outcome["verified"], unverified.rotator.published()["verified"]) == (True, verified)


def test_a_token_that_is_still_refused_is_told_with_what_the_api_answered(unverified: Deployment) -> None:
    """The URL and the status are there as they were at first."""
    (outcome,) = unverified.schedule()

    assert outcome["error"].startswith("The GET of VerifyPath, ")


def test_trying_a_refused_token_again_is_one_request(unverified: Deployment) -> None:
    """A GET."""
    unverified.schedule()

    assert [each.method for each in unverified.mx.requests] == ["GET"]


def test_force_replaces_a_token_that_was_refused(unverified: Deployment) -> None:
    """A person may insist."""
    unverified.mx.api_fault = None

    assert unverified.rotator.answer(FORCED) == ("refreshed", "forced")


# Publish


def test_a_refresh_is_one_more_read_and_one_write(hour_old: Deployment) -> None:
    """The first write finds out, without a change, whether the second is allowed."""
    hour_old.rotator(FORCED)

    assert hour_old.rotator.asked == [
        ("GetSecretValue", TOKEN_SECRET),
        ("DescribeSecret", CREDENTIALS_SECRET),
        ("PutSecretValue", TOKEN_SECRET),
        ("GetSecretValue", CREDENTIALS_SECRET),
        ("PutSecretValue", TOKEN_SECRET),
    ]


def test_the_document_has_what_applications_need(hour_old: Deployment) -> None:
    """Nothing else, so that one read gives both headers and the times."""
    version = hour_old.rotator.fill(CREDENTIALS)
    hour_old.rotator({})

    assert hour_old.rotator.published() == {
        "access_token": list(hour_old.mx.alive)[-1],
        "token_type": "Bearer",
        "client_secret": CREDENTIALS["client_secret"],
        "client_id": CLIENT_ID,
        "issued_at": "2026-11-28T14:05:00Z",
        "expires_at": "2026-11-29T02:05:00Z",
        "credentials_version": version,
        "verified": True,
    }


@pytest.mark.parametrize(
    ("later", "answer"), [(0, ("kept", "same token")), (839, ("kept", "same token")), (840, ("refreshed", "forced"))]
)
def test_the_same_token_is_written_again_if_it_expires_fourteen_minutes_later(
    deployment: Deployment, later: int, answer: tuple[str, str]
) -> None:
    """MovieXchange may hand out a token twice, and prolong it."""
    deployment.mx.only_token = "the-only-one"
    deployment.fill()
    deployment.clock.sleep(later)

    assert deployment.rotator.answer(FORCED) == answer


def test_the_same_token_is_not_written_again_though_the_api_refuses_it(deployment: Deployment) -> None:
    """An application that reports it all the time cannot use up the versions of a day."""
    deployment.mx.only_token, deployment.mx.api_fault = "the-only-one", status(401)
    deployment.fill()
    deployment.clock.sleep(900)
    deployment.mx.lifetime -= timedelta(seconds=900)
    before = deployment.rotator.version()
    report(deployment)

    assert deployment.rotator.version() == before


def test_the_same_token_is_written_again_with_another_client_secret(deployment: Deployment) -> None:
    """Applications need it."""
    deployment.mx.only_token = "the-only-one"
    deployment.fill()
    deployment.mx.client_secret = "changed"
    deployment.fill(client_secret="changed")

    assert deployment.rotator.published()["client_secret"] == "changed"


def test_the_same_token_is_written_again_with_another_version_of_the_credentials(deployment: Deployment) -> None:
    """Otherwise the next check would log in again."""
    deployment.mx.only_token = "the-only-one"
    deployment.fill()
    deployment.fill()

    assert deployment.rotator.answer({}) == ("kept", "fresh")


def test_a_write_that_fails_after_a_log_in_ends_the_log_ins(three: Deployment) -> None:
    """A policy may deny the others as well."""
    three.rotator.deny("PutSecretValue")
    outcomes = three.schedule()

    assert ([each["reason"] for each in outcomes], len(three.mx.log_ins())) == (["SecretsManagerFailed"] * 3, 1)


def test_a_write_that_is_denied_is_found_out_before_the_log_in(hour_old: Deployment) -> None:
    """A log-in may end the published token."""
    hour_old.rotator.deny("PutSecretValue")

    assert (hour_old.rotator.answer(FORCED), hour_old.mx.log_ins()) == (("failed", "SecretsManagerFailed"), [])


def test_whether_a_write_is_allowed_is_not_asked_once_the_log_ins_have_ended(three: Deployment) -> None:
    """The first client ID's log-in is rejected; the others only fail."""
    three.schedule()
    three.mx.token_fault = WRONG_PASSWORD
    three.rotator({"force": True})

    assert three.rotator.calls.count("PutSecretValue") == 1


# Stored refresh tokens


@pytest.fixture
def keeping(deploying: Deploying) -> Deployment:
    """Deploy with KeepRefreshToken, publish a token, and store a refresh token."""
    deployment = deploying(KEEP_REFRESH_TOKEN="true")
    deployment.mx.issues_refresh_tokens = True
    deployment.fill()
    deployment.mx.requests.clear()
    return deployment


@pytest.fixture
def due(keeping: Deployment) -> Deployment:
    """Have the published token due, and the password changed at movieXchange."""
    keeping.clock.now += LIFETIME / 2
    keeping.mx.password = "changed"
    return keeping


def grants(deployment: Deployment) -> list[str]:
    """List the grants that movieXchange was asked for."""
    return [each.form["grant_type"] for each in deployment.mx.requests if each.form]


def stored(deployment: Deployment) -> dict[str, str]:
    """Read the stored refresh token."""
    answer = deployment.rotator.module.secrets_manager.get_secret_value(SecretId=REFRESH_TOKEN_SECRET)
    document: dict[str, str] = json.loads(answer["SecretString"])
    return document


def test_a_refresh_token_is_stored_with_what_it_goes_with(keeping: Deployment) -> None:
    """In a secret of its own, which the function creates."""
    assert stored(keeping) == {
        "refresh_token": next(iter(keeping.mx.refresh_tokens)),
        "client_secret": CREDENTIALS["client_secret"],
        "client_id": CLIENT_ID,
        "credentials_version": keeping.rotator.published()["credentials_version"],
    }


def test_a_refresh_tokens_secret_has_the_tag_too(keeping: Deployment) -> None:
    """An operator finds what the function created."""
    assert described(keeping.rotator, REFRESH_TOKEN_SECRET)["Tags"] == [
        {"Key": "mx-token-rotator:account", "Value": ACCOUNT}
    ]


def test_a_refresh_token_is_stored_before_the_access_token_is_published(keeping: Deployment) -> None:
    """A crash in between costs neither."""
    keeping.rotator(FORCED)

    assert [secret for operation, secret in keeping.rotator.asked if operation == "PutSecretValue"][-2:] == [
        REFRESH_TOKEN_SECRET,
        TOKEN_SECRET,
    ]


def test_no_refresh_token_is_stored_by_default(deployment: Deployment) -> None:
    """KeepRefreshToken is false."""
    deployment.mx.issues_refresh_tokens = True
    deployment.fill()

    assert REFRESH_TOKEN_SECRET not in {secret for _, secret in deployment.rotator.asked}


def test_a_refresh_token_renews_a_token_that_is_due(due: Deployment) -> None:
    """The password grant comes first."""
    (outcome,) = due.schedule()

    assert (outcome["outcome"], outcome["reason"], grants(due)) == (
        "refreshed",
        "expiring, by refresh token",
        ["password", "refresh_token"],
    )


def test_a_renewal_counts_the_failure_of_the_credentials(due: Deployment) -> None:
    """A person must act all the same."""
    due.schedule()

    assert {*due.runs[-1].metrics()} == {"TokenLifeRemaining", "TokenRefreshed", "TokenRefreshFailed", "ActionRequired"}


def test_a_log_in_that_brings_no_refresh_token_leaves_the_stored_one(keeping: Deployment) -> None:
    """MovieXchange may hand one out only now and then."""
    before = stored(keeping)
    keeping.mx.issues_refresh_tokens = False
    keeping.rotator(FORCED)

    assert stored(keeping) == before


def test_refresh_tokens_renew_again_and_again(due: Deployment) -> None:
    """Each answer brings the next one, and the credentials are not tried outside their slots."""
    for _ in range(3):
        due.clock.now += LIFETIME / 2 + timedelta(minutes=15)
        (outcome,) = due.schedule()

    assert (outcome["reason"], grants(due).count("refresh_token")) == ("expiring, by refresh token", 3)


@pytest.mark.parametrize("text", ["junk", ""])
def test_a_refresh_token_renews_where_the_credentials_cannot_be_read(keeping: Deployment, text: str) -> None:
    """They may be unusable in other ways than by a rejection."""
    keeping.clock.now += LIFETIME / 2
    keeping.rotator.deny("GetSecretValue", CREDENTIALS_SECRET, message=text)

    assert keeping.schedule()[0]["reason"] == "expiring, by refresh token"


def test_a_refresh_token_serves_a_report(keeping: Deployment) -> None:
    """The published token is refused, and so is the password."""
    keeping.clock.sleep(3600)
    keeping.mx.alive.clear()
    keeping.mx.password = "changed"

    assert report(keeping) == ("refreshed", "rejected, by refresh token")


@pytest.mark.parametrize("is_forced", [True, False])
def test_a_refresh_token_is_not_used_for_a_token_that_is_not_due(keeping: Deployment, *, is_forced: bool) -> None:
    """Neither by force nor for other credentials."""
    if is_forced:
        keeping.mx.password = "changed"
        keeping.rotator(FORCED)
    else:
        keeping.fill(password="mistyped")

    assert grants(keeping) == ["password"]


def test_a_refresh_token_is_not_used_once_the_parameter_is_false(
    due: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was stored before stays where it is."""
    monkeypatch.setenv("KEEP_REFRESH_TOKEN", "false")
    due.schedule()

    assert grants(due) == ["password"]


def test_a_refresh_token_is_not_used_in_an_outage(due: Deployment) -> None:
    """It would meet the same."""
    due.mx.token_fault = status(503)
    due.schedule()

    assert set(grants(due)) == {"password"}


def test_a_refresh_token_that_is_refused_is_forgotten(due: Deployment) -> None:
    """It is not tried again, and the outcome has the credentials' error."""
    due.mx.refresh_tokens.clear()
    (outcome,) = due.schedule()

    assert (outcome["reason"], stored(due)) == ("CredentialsRejected", {})


def test_a_refresh_token_that_is_refused_fails_as_the_credentials_do(due: Deployment) -> None:
    """Nobody can act on a refresh token."""
    due.mx.refresh_tokens.clear()
    outcomes = [due.schedule()[0]]
    due.clock.sleep(900)
    outcomes += due.schedule()

    assert ([each["who"] for each in outcomes], grants(due)) == (
        ["the owner of the movieXchange or Vista account"] * 2,
        ["password", "refresh_token"],
    )


@pytest.mark.parametrize("trouble", [status(400, {"error": "invalid_client"}), status(503)])
def test_a_refresh_token_survives_what_is_no_refusal_of_it(due: Deployment, trouble: Fault) -> None:
    """A client ID that is refused, and an outage."""
    due.mx.token_fault = in_turn(WRONG_PASSWORD, trouble, trouble, trouble)
    before = stored(due)
    due.schedule()

    assert stored(due) == before


def test_an_outage_at_a_renewal_is_the_outcome(due: Deployment) -> None:
    """The failure of the credentials is counted too."""
    due.mx.token_fault = in_turn(WRONG_PASSWORD, status(403, "<html>"))
    (outcome,) = due.schedule()

    assert (outcome["reason"], {name for _, name in metrics(due.runs[-1].printed) if "Error" in name}) == (
        "MovieXchangeMisbehaved",
        {
            f"Account={ACCOUNT}, Error=CredentialsRejected",
            f"Account={ACCOUNT}, Error=MovieXchangeMisbehaved",
        },
    )


def test_an_outage_at_a_renewal_ends_the_renewals(deploying: Deploying) -> None:
    """The others would meet the same."""
    three = deploying(CLIENT_IDS=",".join(BRANDS), KEEP_REFRESH_TOKEN="true")
    three.mx.issues_refresh_tokens = True
    three.fill()
    three.clock.now += LIFETIME / 2
    three.mx.requests.clear()
    three.mx.token_fault = in_turn(WRONG_PASSWORD, status(403, "<html>"))
    three.schedule()

    assert grants(three) == ["password", "refresh_token"]


def test_a_refresh_token_that_cannot_be_stored_costs_no_token(keeping: Deployment) -> None:
    """The failure is counted."""
    keeping.rotator.deny("PutSecretValue", REFRESH_TOKEN_SECRET)
    keeping.clock.now += LIFETIME / 2
    (outcome,) = keeping.schedule()

    assert (outcome["outcome"], keeping.runs[-1].metrics()["TokenRefreshFailed"]) == ("refreshed", 1)


def test_a_stored_value_that_is_no_refresh_token_is_not_used(due: Deployment) -> None:
    """The outcome has the credentials' error."""
    due.rotator.module.secrets_manager.put_secret_value(SecretId=REFRESH_TOKEN_SECRET, SecretString="junk")
    (outcome,) = due.schedule()

    assert (outcome["reason"], grants(due)) == ("CredentialsRejected", ["password"])
