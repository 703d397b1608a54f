"""The handler's time limit: whatever does not answer is interrupted, and the function still says what happened."""

import importlib
import json
import logging
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from threading import Thread
from types import ModuleType, SimpleNamespace
from unittest.mock import Mock, call

import pytest

from tests.function.fakes import VARIABLES
from tests.function.function import REQUEST, TOKEN_SECRET, Rotator, logged, pytest_keeps_its_timer, queue_event
from tools.local.faults import Fault, drip, drip_head, slow, status
from tools.local.lambda_runtime import Context
from tools.local.mx import MovieXchangeStandIn

FORCED = REQUEST | {"force": True}
SILENT = slow(30)


@dataclass
class Limit:
    """The time limit, which comes when a request has arrived, however long the function takes until then."""

    is_over: bool = False

    def monotonic(self) -> float:
        """Read the clock that says how much time is left."""
        return time.monotonic() + (60 if self.is_over else 0)

    def come(self) -> None:
        """Be over a moment later."""
        self.is_over = True
        signal.setitimer(signal.ITIMER_REAL, 0.05)

    def during(self, fault: Fault) -> Fault:
        """Come while a fault goes on."""

        def arrived(handler: BaseHTTPRequestHandler) -> None:
            self.come()
            fault(handler)

        return arrived


@pytest.fixture
def limit() -> Limit:
    """Make a time limit."""
    return Limit()


@pytest.fixture
def limited(fresh: Rotator, limit: Limit, monkeypatch: pytest.MonkeyPatch) -> Rotator:
    """Start the function with a token published, under this limit."""
    monkeypatch.setattr(fresh.module, "time", SimpleNamespace(monotonic=limit.monotonic, sleep=time.sleep))
    return fresh


def with_seconds(left: float) -> Context:
    """Make an invocation with so many seconds left."""
    context = Context()
    context.seconds_left = left
    return context


@pytest.fixture
def silence(limit: Limit) -> Iterator[str]:
    """Listen, and never answer; the value is the URL. The limit comes with the first connection."""

    def accept() -> None:
        with suppress(OSError):
            connections.append(listening.accept())
            limit.come()

    connections: list[tuple[socket.socket, object]] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    for connection, _ in connections:
        connection.close()


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


@pytest.mark.parametrize("fault", [SILENT, drip(0.05, 30), drip_head(0.05, 30)], ids=["silent", "body", "head"])
def test_a_token_service_that_does_not_answer_is_interrupted(
    limited: Rotator, limit: Limit, mx: MovieXchangeStandIn, fault: Fault
) -> None:
    """Also one that sends a byte now and then, which a socket's time-out would never end."""
    mx.token_fault = limit.during(fault)
    outcome = limited.outcome(FORCED)

    assert (outcome["reason"], "time limit" in outcome["error"]) == ("MovieXchangeUnavailable", True)


def test_a_token_is_published_though_its_verification_is_interrupted(
    limited: Rotator, limit: Limit, mx: MovieXchangeStandIn
) -> None:
    """The time that is kept back is enough for that."""
    mx.api_fault = limit.during(SILENT)

    assert (limited.outcome(FORCED)["reason"], limited.published()["verified"]) == ("forced", None)


def test_an_interrupted_verification_is_a_warning(limited: Rotator, limit: Limit, mx: MovieXchangeStandIn) -> None:
    """It names the URL."""
    mx.api_fault = limit.during(SILENT)
    limited(FORCED)
    warning = logged(limited.printed)[0]

    assert (warning["level"], mx.url in warning["message"], "time limit" in warning["message"]) == (
        "WARNING",
        True,
        True,
    )


def test_a_secrets_manager_that_does_not_answer_is_interrupted(without_secrets_manager: ModuleType) -> None:
    """The message names what was asked."""
    (outcome,) = without_secrets_manager.handler({}, Context())["outcomes"]

    assert (outcome["reason"], TOKEN_SECRET in outcome["error"], "TimeIsUp" in outcome["error"]) == (
        "SecretsManagerFailed",
        True,
        True,
    )


def test_five_seconds_are_kept_back(fresh: Rotator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what is left to an invocation; the timer is stopped afterwards."""
    monkeypatch.setattr(signal, "setitimer", timer := Mock())
    fresh.module.handler({}, with_seconds(42))

    assert timer.call_args_list == [call(signal.ITIMER_REAL, 37), call(signal.ITIMER_REAL, 0)]


@pytest.mark.parametrize("seconds_left", [5.0, 0.0])
def test_an_invocation_without_time_returns_at_once(fresh: Rotator, seconds_left: float) -> None:
    """It is not raised, whatever it interrupts."""
    assert list(fresh({}, with_seconds(seconds_left))) == ["outcomes"]


def test_nothing_is_asked_after_the_time_limit(fresh: Rotator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client IDs that are left come first in the next run."""
    monkeypatch.setattr(signal, "setitimer", lambda *_: None)

    assert (fresh({}, with_seconds(5)), fresh.calls) == ({"outcomes": []}, [])


@pytest.mark.parametrize("event", [{}, {"client_id": "mistyped"}])
def test_the_timer_does_not_outlive_the_invocation(fresh: Rotator, event: object) -> None:
    """The next one in the same process is not interrupted."""
    with pytest_keeps_its_timer():
        fresh.module.handler(event, Context())
        left = signal.getitimer(signal.ITIMER_REAL)

    assert left == (0, 0)


def test_the_next_invocation_has_its_own_time(limited: Rotator, limit: Limit, mx: MovieXchangeStandIn) -> None:
    """An interrupted one leaves nothing behind."""
    mx.token_fault = limit.during(SILENT)
    limited(FORCED)
    mx.token_fault = None

    assert limited.answer(FORCED) == ("refreshed", "forced")


def test_a_new_version_of_the_credentials_loses_its_label_after_an_interruption(
    limited: Rotator, limit: Limit, mx: MovieXchangeStandIn
) -> None:
    """It was not rejected."""
    mx.token_fault = limit.during(SILENT)
    version = limited.fill(mx.credentials())
    limited(queue_event(json.dumps({"credentials_changed": version})))

    assert limited.rejected() is None


def test_an_interruption_between_requests_is_named(
    fresh: Rotator, mx: MovieXchangeStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here, while a second try is waited for."""
    mx.token_fault = status(503)
    monkeypatch.setattr(fresh.module.time, "sleep", lambda _: signal.raise_signal(signal.SIGALRM))
    outcome = fresh.outcome(FORCED)

    assert (outcome["reason"], "TimeIsUp" in outcome["error"]) == ("Unexpected", True)
