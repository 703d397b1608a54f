"""The handler's time limit: whatever does not answer is interrupted, and the function still says what happened."""

import importlib
import json
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from tests.function.fakes import VARIABLES
from tests.function.function import REQUEST, TOKEN_SECRET, Context, Rotator, logged, pytest_keeps_its_timer, queue_event
from tools.local.faults import Fault, drip, drip_head, slow, status
from tools.local.mx import MovieXchangeStandIn

LIMIT = 0.5
FORCED = REQUEST | {"force": True}
SILENT = slow(30)


def with_limit(seconds: float = LIMIT) -> Context:
    """Make an invocation that is interrupted after so many seconds."""
    context = Context()
    context.seconds_left = 5 + seconds
    return context


@pytest.fixture
def hasty(fresh: Rotator, monkeypatch: pytest.MonkeyPatch) -> Rotator:
    """Start the function with a token published, and let log-ins begin until the end."""
    monkeypatch.setattr("mx_token_rotator.refresh.LOG_IN_SECONDS", 0)
    return fresh


@pytest.fixture
def silence() -> Iterator[str]:
    """Listen, and never answer; the value is the URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def without_secrets_manager(silence: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Start the function cold where Secrets Manager does not answer."""
    for name, value in (VARIABLES | {"AWS_ENDPOINT_URL": silence}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delitem(sys.modules, "mx_token_rotator.handler", raising=False)
    monkeypatch.delitem(logging.Logger.manager.loggerDict, "mx-token-rotator", raising=False)
    module = importlib.import_module("mx_token_rotator.handler")
    with pytest_keeps_its_timer():
        yield module
    module.secrets_manager.close()


def seconds_of(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    began = time.monotonic()
    call()
    return time.monotonic() - began


@pytest.mark.parametrize("fault", [SILENT, drip(0.05, 30), drip_head(0.05, 30)], ids=["silent", "body", "head"])
def test_a_token_service_that_does_not_answer_is_interrupted(
    hasty: Rotator, mx: MovieXchangeStandIn, fault: Fault
) -> None:
    """Also one that sends a byte now and then, which a socket's time-out would never end."""
    mx.token_fault = fault
    outcomes: list[dict[str, str]] = []
    took = seconds_of(lambda: outcomes.extend(hasty(FORCED, with_limit())["outcomes"]))

    assert (outcomes[0]["reason"], "time limit" in outcomes[0]["error"], LIMIT <= took < LIMIT + 1) == (
        "MovieXchangeUnavailable",
        True,
        True,
    )


def test_a_token_is_published_though_its_verification_is_interrupted(hasty: Rotator, mx: MovieXchangeStandIn) -> None:
    """The time that is kept back is enough for that."""
    mx.api_fault = SILENT
    (outcome,) = hasty(FORCED, with_limit())["outcomes"]

    assert (outcome["reason"], hasty.published()["verified"]) == ("forced", None)


def test_an_interrupted_verification_is_a_warning(hasty: Rotator, mx: MovieXchangeStandIn) -> None:
    """It names the URL."""
    mx.api_fault = SILENT
    hasty(FORCED, with_limit())
    warning = logged(hasty.printed)[0]

    assert (warning["level"], mx.url in warning["message"], "time limit" in warning["message"]) == (
        "WARNING",
        True,
        True,
    )


def test_a_secrets_manager_that_does_not_answer_is_interrupted(without_secrets_manager: ModuleType) -> None:
    """The message names what was asked."""
    results: list[dict[str, list[dict[str, str]]]] = []
    took = seconds_of(lambda: results.append(without_secrets_manager.handler({}, with_limit())))
    (outcome,) = results[0]["outcomes"]

    assert (outcome["reason"], TOKEN_SECRET in outcome["error"], LIMIT <= took < LIMIT + 1) == (
        "SecretsManagerFailed",
        True,
        True,
    )


@pytest.mark.parametrize("seconds_left", [5.0, 0.0])
def test_an_invocation_without_time_returns_at_once(fresh: Rotator, seconds_left: float) -> None:
    """It is not raised, whatever it interrupts."""
    assert list(fresh({}, with_limit(seconds_left - 5))) == ["outcomes"]


def test_nothing_is_asked_after_the_time_limit(fresh: Rotator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client IDs that are left come first in the next run."""
    monkeypatch.setattr(signal, "setitimer", lambda *_: None)

    assert (fresh({}, with_limit(0)), fresh.calls) == ({"outcomes": []}, [])


@pytest.mark.parametrize("event", [{}, {"client_id": "mistyped"}])
def test_the_timer_does_not_outlive_the_invocation(fresh: Rotator, event: object) -> None:
    """The next one in the same process is not interrupted."""
    with pytest_keeps_its_timer():
        fresh.module.handler(event, Context())
        left = signal.getitimer(signal.ITIMER_REAL)

    assert left == (0, 0)


def test_the_next_invocation_has_its_own_time(hasty: Rotator, mx: MovieXchangeStandIn) -> None:
    """An interrupted one leaves nothing behind."""
    mx.token_fault = SILENT
    hasty(FORCED, with_limit())
    mx.token_fault = None

    assert hasty.answer(FORCED) == ("refreshed", "forced")


def test_a_new_version_of_the_credentials_loses_its_label_after_an_interruption(
    hasty: Rotator, mx: MovieXchangeStandIn
) -> None:
    """It was not rejected."""
    mx.token_fault = SILENT
    version = hasty.fill(mx.credentials())
    hasty(queue_event(json.dumps({"credentials_changed": version})), with_limit())

    assert hasty.rejected() is None


def test_an_interruption_between_requests_is_named(
    fresh: Rotator, mx: MovieXchangeStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here, while a second try is waited for."""
    mx.token_fault = status(503)
    monkeypatch.setattr(fresh.module.time, "sleep", lambda _: signal.raise_signal(signal.SIGALRM))
    outcome = fresh.outcome(FORCED)

    assert (outcome["reason"], "TimeIsUp" in outcome["error"]) == ("Unexpected", True)
