"""What the reader's tests share. A file has one stand-in and one moto, in which each test makes its secret again."""

import ssl
from collections.abc import Iterator

import boto3
import pytest
import trustme
from moto import mock_aws

from tests.reader.app import LIBRARIES, App
from tools.local.mx import MovieXchangeStandIn


@pytest.fixture(scope="module")
def account() -> Iterator[boto3.Session]:
    """Return a session of an emulated account."""
    with mock_aws():
        yield boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="eu-west-1")


@pytest.fixture(scope="module")
def api(tls: ssl.SSLContext) -> Iterator[MovieXchangeStandIn]:
    """Serve the stand-in over TLS."""
    with MovieXchangeStandIn(tls=tls) as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def bundle(authority: trustme.CA) -> Iterator[str]:
    """Return a file with the certificate authority of the stand-in."""
    with authority.cert_pem.tempfile() as path:
        yield path


def emptied(api: MovieXchangeStandIn) -> MovieXchangeStandIn:
    """Return the stand-in as if it were new."""
    api.token_fault = api.api_fault = None
    api.client_secret = "a-client-secret"
    api.requests.clear()
    api.access_tokens.clear()
    return api


@pytest.fixture
def core(account: boto3.Session, api: MovieXchangeStandIn) -> Iterator[App]:
    """Return an application that uses a TokenSource alone, and whose token secret is still empty."""
    app = App(emptied(api), account)
    yield app
    app.remove()


@pytest.fixture(params=LIBRARIES)
def app(request: pytest.FixtureRequest, account: boto3.Session, api: MovieXchangeStandIn, bundle: str) -> Iterator[App]:
    """Return an application with each library in turn, whose token secret is still empty."""
    app = App(emptied(api), account, bundle, request.param)
    app.authenticate()
    yield app
    app.remove()
