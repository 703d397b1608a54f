"""A stack with many client IDs: a run that cannot end leaves the rest to the next one, in a fair order."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from mx_token_rotator.transport import Answer
from tests.function.function import Deployment

SIXTY = tuple(f"Client-{number:02}" for number in range(60))
DUE = timedelta(hours=7).total_seconds()  # of 12
SECONDS_EACH = 3.0  # of a log-in; a run has time for twelve until 20 of its 55 seconds are left


@pytest.fixture
def slow(deploying: Callable[..., Deployment], monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """Deploy with sixty client IDs whose tokens are all due, and with a token service that takes its time."""
    deployment = deploying(CLIENT_IDS=",".join(SIXTY))

    def send(method: str, *others: Any, **options: Any) -> Answer:  # noqa: ANN401  as `transport.send` takes it
        deployment.clock.sleep(SECONDS_EACH * (method == "POST"))
        return deployment.mx.send(method, *others, **options)

    deployment.fill()
    deployment.mx.requests.clear()
    deployment.clock.sleep(DUE)
    monkeypatch.setattr(deployment.rotator.module, "send", send)
    return deployment


def test_runs_that_cannot_end_go_on_where_the_last_one_stopped(slow: Deployment) -> None:
    """Each replaces as many as it has time for, and no token twice."""
    replaced = []
    while len(slow.mx.log_ins()) < len(SIXTY):
        replaced.append([each["outcome"] for each in slow.schedule()].count("refreshed"))
        slow.clock.sleep(900)

    assert (replaced, {each.form["client_id"] for each in slow.mx.log_ins()}) == ([12] * 5, set(SIXTY))


def test_no_client_id_is_always_the_first(slow: Deployment) -> None:
    """Each run takes them in another order, so that none waits for the same others each time."""
    firsts = set()
    for _ in range(5):
        slow.mx.requests.clear()
        slow.schedule()
        firsts.add(slow.mx.log_ins()[0].form["client_id"])
        slow.clock.sleep(DUE)

    assert len(firsts) > 1


def test_slow_reads_leave_the_other_client_ids_to_the_next_run(slow: Deployment) -> None:
    """Where a read takes a second, all cannot be read in time; those that were read still get their tokens."""
    events = slow.rotator.module.secrets_manager.meta.events
    events.register("before-call.secretsmanager.GetSecretValue", lambda **_: slow.clock.sleep(1))
    for _ in range(40):
        slow.schedule()
        slow.clock.sleep(60)

    assert {each.form["client_id"] for each in slow.mx.log_ins()} == set(SIXTY)


def test_reads_take_half_of_the_time_at_most(slow: Deployment) -> None:
    """The other half is for log-ins; the last read begins when half of the 55 seconds is gone."""
    events = slow.rotator.module.secrets_manager.meta.events
    events.register("before-call.secretsmanager.GetSecretValue", lambda **_: slow.clock.sleep(0.5))

    assert len(slow.schedule()) == 56
