"""What the tests share: movieXchange's stand-in, AWS on a laptop, and a deployed stack."""

import importlib
import logging
import sys
from collections.abc import Iterator

import pytest
from moto import mock_aws

from local.aws import LocalAws, local_aws
from local.mx import MovieXchangeStandIn
from mx_token_rotator.vault import refresh_token_secret
from tests.function import ACCOUNT, CLIENT_ID, REQUEST, TOKEN_SECRET, Rotator


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the flag for the vault's contract on a real account."""
    parser.addoption("--real-aws", action="store_true", help="also run the vault's contract on your AWS account")


@pytest.fixture(autouse=True)
def no_account_of_yours(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Keep every test away from the person's own AWS account and settings."""
    if request.config.getoption("--real-aws"):
        return
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "POWERTOOLS_SERVICE_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


@pytest.fixture
def mx() -> Iterator[MovieXchangeStandIn]:
    """Run a movieXchange account on loopback."""
    with MovieXchangeStandIn() as stand_in:
        yield stand_in


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    """Run MiniStack for as long as this process tests."""
    with local_aws() as running:
        yield running


@pytest.fixture
def rotator(monkeypatch: pytest.MonkeyPatch, mx: MovieXchangeStandIn) -> Iterator[Rotator]:
    """Start the function cold, in the environment that the stack gives it, with both secrets still empty."""
    variables = {
        "ACCOUNT": ACCOUNT,
        "CLIENT_IDS": CLIENT_ID,
        "REFRESH_AT_PERCENT": "50",
        "MIN_TOKEN_AGE_SECONDS": "0",
        "VERIFY_PATH": "/mxs/reference-data/v1/cinema-chains",
        "KEEP_REFRESH_TOKEN": "false",
        "AUTH_URL": mx.url,
        "API_URL": mx.url,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        monkeypatch.delitem(sys.modules, "mx_token_rotator.handler", raising=False)
        monkeypatch.delitem(logging.Logger.manager.loggerDict, "mx-token-rotator", raising=False)
        started = Rotator(importlib.import_module("mx_token_rotator.handler"))
        for secret in (f"{ACCOUNT}/credentials", TOKEN_SECRET, refresh_token_secret(ACCOUNT, CLIENT_ID)):
            started.module.secrets_manager.create_secret(Name=secret)
        started.module.secrets_manager.meta.events.register(
            "before-call.secretsmanager", lambda model, **_: started.calls.append(model.name)
        )
        yield started
        started.module.session.close()
        started.module.secrets_manager.close()


@pytest.fixture
def filled(rotator: Rotator, mx: MovieXchangeStandIn) -> Rotator:
    """Give the function with its credentials filled."""
    rotator.fill(mx.credentials())
    return rotator


@pytest.fixture
def fresh(filled: Rotator) -> Rotator:
    """Give the function with a token published."""
    filled(REQUEST)
    return filled
