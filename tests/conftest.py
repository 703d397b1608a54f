"""What the tests share: movieXchange's stand-in, AWS on a laptop, and a deployed stack."""

import ssl
import tracemalloc
from collections.abc import Iterator

import pytest
import trustme

from local.aws import LocalAws, local_aws
from local.mx import MovieXchangeStandIn
from tests.doors import InProcess
from tests.function import ACCOUNT, REQUEST, Rotator, cold_start
from tests.secrecy import CANARIES


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


@pytest.fixture(scope="module")
def account_at_mx() -> Iterator[MovieXchangeStandIn]:
    """Run the movieXchange account that a file's deployed stack serves; its answers are those that were recorded."""
    with MovieXchangeStandIn() as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Make a certificate authority that nobody trusts yet."""
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """Give what it takes to serve on loopback under that authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    """Run MiniStack for as long as this process tests."""
    with local_aws() as running:
        yield running


@pytest.fixture
def rotator(monkeypatch: pytest.MonkeyPatch, mx: MovieXchangeStandIn) -> Iterator[Rotator]:
    """Start the function cold, in the environment that the stack gives it, with both secrets still empty."""
    with cold_start(mx.url, monkeypatch) as started:
        yield started


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


@pytest.fixture(scope="module")
def warm_mx() -> Iterator[MovieXchangeStandIn]:
    """Run one movieXchange account for all tests of a file."""
    with MovieXchangeStandIn() as stand_in:
        stand_in.hands_out_refresh_tokens = True
        yield stand_in


@pytest.fixture(scope="module")
def warm(warm_mx: MovieXchangeStandIn) -> Iterator[Rotator]:
    """Start the function once for all tests of a file, with a token published and a refresh token kept."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        with cold_start(warm_mx.url, environment) as started:
            environment.setenv("KEEP_REFRESH_TOKEN", "true")
            environment.setattr(started.module.time, "sleep", lambda _: None)
            started.fill(warm_mx.credentials())
            started(REQUEST)
            yield started


@pytest.fixture
def traced() -> Iterator[None]:
    """Count what is allocated."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.fixture
def in_process(
    rotator: Rotator,
    mx: MovieXchangeStandIn,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> InProcess:
    """Start the function cold in this process, with a root logger that says everything."""
    monkeypatch.setattr(rotator.module.time, "sleep", lambda _: None)
    caplog.set_level("DEBUG")
    return InProcess(
        mx=mx,
        secrets_manager=rotator.module.secrets_manager,
        account=ACCOUNT,
        refusal=str(CANARIES),
        rotator=rotator,
        monkeypatch=monkeypatch,
        capsys=capsys,
        caplog=caplog,
    )
