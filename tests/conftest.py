"""What the tests share: movieXchange's stand-in, and an emulated AWS account."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.release import make_release
from tools.local.aws import LocalAws, local_aws
from tools.local.mx import MovieXchangeStandIn


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the flag for the Secrets Manager contract on a real account."""
    parser.addoption("--real-aws", action="store_true", help="run the Secrets Manager contract on your AWS account too")


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


@pytest.fixture(scope="module")
def account_at_mx() -> Iterator[MovieXchangeStandIn]:
    """Run the movieXchange account that a file's deployed stack serves."""
    with MovieXchangeStandIn() as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Make a certificate authority that nobody trusts yet."""
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """Make what a server on loopback needs under that authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    """Run MiniStack for as long as this process tests."""
    with local_aws() as running:
        yield running


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a release, and return the folder with its files."""
    return make_release(tmp_path_factory.mktemp("release") / "clone")
