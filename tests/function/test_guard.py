"""The label REJECTED: which version of the credentials is used to log in, and which is not."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from mx_token_rotator.transport import Answer
from tests.function.fakes import CREDENTIALS, LIFETIME, REFUSED_CONNECTION, WRONG_PASSWORD, Fault, in_turn, status
from tests.function.function import CREDENTIALS_SECRET, Deployment, Rotator, queue_event

BRANDS = ("Brand-A", "Brand-B", "Brand-C")
LABEL = "UpdateSecretVersionStage"
PAGE = status(403, "<html>Attention Required!</html>")

Deploying = Callable[..., Deployment]


@pytest.fixture
def three(deploying: Deploying) -> Deployment:
    """Deploy with three client IDs; the credentials secret is empty."""
    return deploying(CLIENT_IDS=",".join(BRANDS))


@pytest.fixture
def blocked(running: Deployment) -> Deployment:
    """Deploy, publish a token, and store a password that movieXchange rejects; then it is a quarter past one."""
    running.fill(password="mistyped")
    running.mx.requests.clear()
    running.clock.sleep(600)
    return running


def label_during(deployment: Deployment, request: object) -> str | None:
    """Invoke the function, and return the version that had the label when movieXchange was asked."""
    labels: list[str | None] = []

    def note() -> Answer | None:
        labels.append(deployment.rotator.rejected())
        return None

    deployment.mx.token_fault = note
    deployment.rotator(request)
    (label,) = labels
    return label


def refuse_two_labels(rotator: Rotator) -> None:
    """Have Secrets Manager demand the version that has the label, as AWS does and moto does not."""

    def check(params: dict[str, str], **_: object) -> None:
        assert json.loads(params["body"]).get("RemoveFromVersionId") == rotator.rejected()

    rotator.module.secrets_manager.meta.events.register(f"before-call.secretsmanager.{LABEL}", check)


# Put, and taken off


def test_a_new_version_has_the_label_while_it_is_tried(deployment: Deployment) -> None:
    """The guard holds even if the function dies."""
    version = deployment.rotator.fill(CREDENTIALS)

    assert label_during(deployment, {}) == version


def test_a_new_version_loses_the_label_when_it_is_accepted(running: Deployment) -> None:
    """It is proven from then on."""
    assert running.rotator.rejected() is None


def test_a_proven_version_is_not_labelled(running: Deployment) -> None:
    """Two calls less."""
    running.rotator({"force": True})

    assert LABEL not in running.rotator.calls


def test_a_version_is_proven_by_the_token_of_any_client_id(three: Deployment) -> None:
    """Only the first one of a run is tried under the label."""
    three.fill()

    assert three.rotator.calls.count(LABEL) == 2


def test_a_new_version_keeps_the_label_when_it_is_rejected(deployment: Deployment) -> None:
    """Nothing logs in with it."""
    version = deployment.fill(password="mistyped")

    assert deployment.rotator.rejected() == version


@pytest.mark.parametrize("trouble", [status(503), PAGE, REFUSED_CONNECTION, status(400, {"error": "invalid_client"})])
def test_a_new_version_loses_the_label_where_it_was_not_rejected(deployment: Deployment, trouble: Fault) -> None:
    """An outage, a firewall and a refused client ID say nothing of the password."""
    deployment.mx.token_fault = trouble
    deployment.fill()

    assert deployment.rotator.rejected() is None


def test_a_proven_version_is_labelled_when_it_is_rejected(running: Deployment) -> None:
    """The password was changed at movieXchange."""
    running.mx.password = "changed"
    running.rotator({"force": True})

    assert running.rotator.rejected() == running.rotator.published()["credentials_version"]


def test_a_labelled_version_is_tried_again_though_its_token_is_fresh(running: Deployment) -> None:
    """A rejection by mistake is over soon, and then the alarm ends before anybody needs another token."""
    running.mx.password = "changed"
    running.rotator({"force": True})
    running.mx.password = CREDENTIALS["password"]
    running.run_for(timedelta(hours=3))

    assert running.rotator.rejected() is None


@pytest.mark.parametrize("is_right", [True, False])
def test_the_label_moves_from_the_version_before(blocked: Deployment, *, is_right: bool) -> None:
    """Secrets Manager demands the version that had it."""
    refuse_two_labels(blocked.rotator)
    version = blocked.fill(**({} if is_right else {"password": "mistyped again"}))

    assert (blocked.runs[-1].outcomes[0]["outcome"], blocked.rotator.rejected()) == (
        ("refreshed", None) if is_right else ("failed", version)
    )


def test_the_label_stays_if_the_function_dies(deployment: Deployment) -> None:
    """Nobody knows whether the log-in was counted."""

    def die() -> Answer:
        raise KeyboardInterrupt

    version = deployment.rotator.fill(CREDENTIALS)
    deployment.mx.token_fault = die
    with pytest.raises(KeyboardInterrupt):
        deployment.rotator({})

    assert deployment.rotator.rejected() == version


def test_a_label_that_cannot_be_put_allows_no_log_in(three: Deployment) -> None:
    """Of none of the client IDs."""
    three.rotator.deny(LABEL)
    three.fill()

    assert ([each["reason"] for each in three.runs[-1].outcomes], three.mx.log_ins()) == (
        ["SecretsManagerFailed"] * 3,
        [],
    )


def test_a_label_that_cannot_be_taken_off_costs_no_token(deployment: Deployment) -> None:
    """The failure is counted."""
    deployment.rotator.deny(LABEL, after=1)
    deployment.fill()

    assert (deployment.runs[-1].outcomes[0]["outcome"], deployment.runs[-1].metrics()["ActionRequired"]) == (
        "refreshed",
        1,
    )


# Blocked


@pytest.mark.parametrize("message", [{"scheduled": "2026-11-28T14:45:00Z"}, {"credentials_changed": "announced"}])
def test_a_blocked_version_is_not_used(blocked: Deployment, message: dict[str, str]) -> None:
    """Outside its slots, and whatever else happens to the secret."""
    blocked.clock.now += LIFETIME / 2
    answer = blocked.rotator.answer(queue_event(json.dumps(message)))

    assert (answer, blocked.mx.log_ins()) == (("failed", "CredentialsRejected"), [])


def test_a_blocked_version_is_not_used_for_a_report(blocked: Deployment) -> None:
    """An application repeats it every minute."""
    blocked.clock.sleep(3600)
    blocked.mx.alive.clear()
    blocked.report(blocked.rotator.version())
    blocked.deliver()

    assert (blocked.runs[-1].outcomes[0]["reason"], blocked.mx.log_ins()) == ("CredentialsRejected", [])


def test_a_run_by_hand_learns_that_the_version_is_blocked(blocked: Deployment) -> None:
    """Another run may be trying it."""
    outcome = blocked.rotator.outcome({})

    assert ("rejected, or is being tried at this moment" in outcome["error"], blocked.mx.log_ins()) == (True, [])


@pytest.mark.parametrize(
    ("age", "answer"),
    [(timedelta(), ("kept", "dry run: fresh")), (LIFETIME / 2, ("failed", "CredentialsRejected"))],
)
def test_a_dry_run_says_that_the_version_is_blocked_where_a_token_is_due(
    running: Deployment, age: timedelta, answer: tuple[str, str]
) -> None:
    """It logs in nowhere itself."""
    running.mx.token_fault = WRONG_PASSWORD
    running.rotator({"force": True})
    running.clock.now += age

    assert running.rotator.answer({"dry_run": True}) == answer


@pytest.mark.parametrize("is_right", [True, False])
def test_force_uses_a_blocked_version(blocked: Deployment, *, is_right: bool) -> None:
    """The label goes only when it is accepted."""
    label = blocked.rotator.rejected()
    blocked.mx.password = "mistyped" if is_right else "another"
    blocked.rotator({"force": True})

    assert (len(blocked.mx.log_ins()), blocked.rotator.rejected()) == (1, None if is_right else label)


@pytest.mark.parametrize(
    ("scheduled", "log_ins"),
    [
        ("2026-11-28T14:59:59Z", 0),
        ("2026-11-28T15:00:00Z", 1),
        ("2026-11-28T15:14:59Z", 1),
        ("2026-11-28T15:15:00Z", 0),
    ],
)
def test_the_first_scheduled_run_of_three_hours_uses_a_blocked_version(
    blocked: Deployment, scheduled: str, log_ins: int
) -> None:
    """The time that it was scheduled for counts, so that every attempt to deliver it is the same run."""
    blocked.rotator(queue_event(json.dumps({"scheduled": scheduled})))

    assert len(blocked.mx.log_ins()) == log_ins


@pytest.mark.parametrize(("minutes_later", "log_ins"), [(105, 1), (120, 0)])
def test_the_clock_counts_where_an_emulator_leaves_the_placeholder(
    blocked: Deployment, minutes_later: int, log_ins: int
) -> None:
    """From a quarter past one to three o'clock, and to a quarter past three."""
    blocked.clock.now += timedelta(minutes=minutes_later)
    blocked.rotator(queue_event('{"scheduled": "<aws.scheduler.scheduled-time>"}'))

    assert len(blocked.mx.log_ins()) == log_ins


@pytest.mark.parametrize("trouble", [status(503), PAGE])
def test_an_older_label_stays_through_an_outage(blocked: Deployment, trouble: Fault) -> None:
    """It goes only when movieXchange accepts the version."""
    label = blocked.rotator.rejected()
    blocked.mx.token_fault = trouble
    blocked.rotator({"force": True})

    assert blocked.rotator.rejected() == label


def test_a_blocked_version_fails_all_client_ids_without_a_log_in(three: Deployment) -> None:
    """One labelled version, three tokens to replace."""
    three.fill(password="mistyped")
    three.mx.requests.clear()
    three.clock.sleep(600)

    assert ([each["reason"] for each in three.schedule()], three.mx.log_ins()) == (["CredentialsRejected"] * 3, [])


def test_tokens_that_are_fresh_are_kept_though_their_credentials_are_blocked(running: Deployment) -> None:
    """The rejection was a mistake, or the next log-in will show it."""
    running.mx.token_fault = in_turn(WRONG_PASSWORD)
    running.rotator({"force": True})

    assert running.rotator.answer({}) == ("kept", "fresh")


# What ends the log-ins of a run


@pytest.mark.parametrize(
    ("trouble", "reason", "log_ins"),
    [
        (WRONG_PASSWORD, "CredentialsRejected", 1),
        (status(401), "CredentialsRejected", 1),
        (PAGE, "MovieXchangeMisbehaved", 1),
        (status(503), "MovieXchangeUnavailable", 3),
    ],
)
@pytest.mark.parametrize("is_first_day", [True, False])
def test_what_concerns_all_client_ids_ends_the_log_ins(
    three: Deployment, trouble: Fault, reason: str, log_ins: int, *, is_first_day: bool
) -> None:
    """Unavailable is the only answer that is tried again, for one client ID."""
    if not is_first_day:
        three.fill()
        three.mx.requests.clear()
    three.mx.token_fault = trouble
    three.fill()

    assert ([each["reason"] for each in three.runs[-1].outcomes], len(three.mx.log_ins())) == ([reason] * 3, log_ins)


@pytest.mark.parametrize("code", ["invalid_client", "unauthorized_client"])
def test_a_refused_client_id_costs_the_others_nothing(three: Deployment, code: str) -> None:
    """One log-in for each."""
    three.mx.token_fault = in_turn(status(400, {"error": code}))
    three.fill()

    assert (sorted(each["reason"] for each in three.runs[-1].outcomes), len(three.mx.log_ins())) == (
        ["CredentialsRejected", "first", "first"],
        3,
    )


def test_a_refused_client_id_is_one_log_in_a_check(deployment: Deployment) -> None:
    """There is no label for it; movieXchange takes any client ID."""
    deployment.mx.token_fault = status(400, {"error": "invalid_client"})
    deployment.fill()
    for _ in range(4):
        deployment.clock.sleep(900)
        deployment.schedule()

    assert len(deployment.mx.log_ins()) == 5


def test_an_error_that_ends_the_log_ins_is_the_outcome_of_each_client_id(three: Deployment) -> None:
    """And counted once."""
    three.fill(password="mistyped")
    errors = {each["error"] for each in three.runs[-1].outcomes}

    assert (len(errors), three.runs[-1].metrics()["TokenRefreshFailed"]) == (1, 1)


@pytest.mark.parametrize("text", ["", "junk"])
def test_credentials_that_cannot_be_used_are_not_labelled(three: Deployment, text: str) -> None:
    """Nobody has tried them."""
    if text:
        client = three.rotator.module.secrets_manager
        client.put_secret_value(SecretId=CREDENTIALS_SECRET, SecretString=text)
    outcomes = three.schedule()

    assert ([each["reason"] for each in outcomes], LABEL in three.rotator.calls) == (["CredentialsInvalid"] * 3, False)


def test_where_the_labels_cannot_be_read_nobody_logs_in(running: Deployment) -> None:
    """The current version may be blocked; even a fresh token fails, so that somebody acts."""
    running.mx.requests.clear()
    running.rotator.deny("DescribeSecret", CREDENTIALS_SECRET)

    assert ([each["reason"] for each in running.schedule()], running.mx.log_ins()) == (["SecretsManagerFailed"], [])
