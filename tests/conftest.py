"""What the tests share: movieXchange's stand-in, and an emulated AWS account."""

import fcntl
import os
import ssl
import sys
import threading
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path

import pytest
import trustme
from botocore.loaders import JSONFileLoader

from tests.release import make_release
from tools.contract.account import new_prefix
from tools.local.aws import LocalAws, local_aws
from tools.local.mx import MovieXchangeStandIn

FUNCTION = Path(__file__).parent / "function"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what `make test-aws` passes."""
    parser.addoption("--real-aws", action="store_true", help="run the contract on your AWS account, and nothing else")
    parser.addoption("--prefix", default=new_prefix(), help="the beginning of the name of all that it makes there")
    parser.addoption("--credentials", help="a file with credentials, for the walk through a deployed stack there")
    parser.addoption(
        "--stand-in", default="none", help="the https URL that accepts them; none for movieXchange's staging"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the function's own tests last: they are the quickest, so that several processes end together.

    With the flag, leave the tests that are for a real account: no other gets to see it.
    """
    items.sort(key=lambda item: FUNCTION in item.path.parents)
    if config.getoption("--real-aws"):
        kept = [item for item in items if isinstance(item, pytest.Function) and is_for_a_real_account(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure coverage by the function's own tests alone: it doubles the time of a test.

    In xdist's processes, pytest-cov's own marker pauses one of two measurements.
    """
    if FUNCTION in item.path.parents and not item.get_closest_marker("unmeasured"):
        return (yield)
    measuring, in_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(measuring)
        threading.settrace(in_threads)


def is_for_a_real_account(item: pytest.Function) -> bool:
    """Return whether a test has a real account as its parameter."""
    return hasattr(item, "callspec") and "aws" in item.callspec.params.values()


@pytest.fixture(scope="session")
def prefix(request: pytest.FixtureRequest) -> str:
    """Return the beginning of the names of all that the contract makes."""
    given: str = request.config.getoption("--prefix")
    return given


@pytest.fixture(scope="session", autouse=True)
def models_of_aws_are_read_once() -> Iterator[None]:
    """Share what botocore's sessions read from its files: reading takes most of the time of a new client."""
    read = cache(JSONFileLoader().load_file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", staticmethod(read))
        yield


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
    """Make a release, once for all processes that test, and return the folder with its files."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    clone = folder / "release" / "clone"
    with (folder / "release.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return clone / "dist" if clone.exists() else make_release(clone)
