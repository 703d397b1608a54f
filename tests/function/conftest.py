"""What the function's tests share: the function after a cold start, alone or with all that surrounds it in AWS."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.function.function import REQUEST, Deployment, Rotator, cold_start, deploy
from tools.local.mx import MovieXchangeStandIn


@pytest.fixture
def rotator(monkeypatch: pytest.MonkeyPatch, mx: MovieXchangeStandIn) -> Iterator[Rotator]:
    """Start the function cold with a movieXchange account on loopback; its credentials secret is empty."""
    with cold_start(mx.url, monkeypatch) as started:
        yield started


@pytest.fixture
def filled(rotator: Rotator, mx: MovieXchangeStandIn) -> Rotator:
    """Start the function with its credentials filled."""
    rotator.fill(mx.credentials())
    return rotator


@pytest.fixture
def fresh(filled: Rotator) -> Rotator:
    """Start the function with a token published."""
    filled(REQUEST)
    return filled


@pytest.fixture
def deploying(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Deployment]]:
    """Return a function that deploys, on a virtual clock, with some of the stack's variables changed."""
    with ExitStack() as stack:
        yield lambda **variables: stack.enter_context(deploy(monkeypatch, **variables))


@pytest.fixture
def deployment(deploying: Callable[..., Deployment]) -> Deployment:
    """Deploy with the stack's defaults and one client ID; the credentials secret is empty."""
    return deploying()


@pytest.fixture
def running(deployment: Deployment) -> Deployment:
    """Deploy, and publish a token."""
    deployment.fill()
    return deployment
