"""MovieXchangeAuth: the headers, the hosts that get them, caching, and what happens at a 401."""

import json
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import requests
import trustme
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from moviexchange_auth import MovieXchangeAuth
from tools.local.faults import redirect, status, times
from tools.local.mx import CHAINS_PATH, Issued, MovieXchangeStandIn

NAME = "FooTickets_Website"
SECRET = f"moviexchange/staging/tokens/{NAME}"
STARTED = datetime(2026, 11, 24, 2, tzinfo=UTC)
FAR_FUTURE = 10**12
HEADERS = ("Authorization", "MX-Api-Client-Secret")


def rfc_3339(moment: datetime) -> str:
    """Write a time as the token document does."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class App:
    """An application with a requests session, and a record of its calls of AWS."""

    mx: MovieXchangeStandIn
    aws: boto3.Session
    session: requests.Session
    now: datetime = STARTED
    calls: list[str] = field(default_factory=list)
    reports: list[dict[str, str]] = field(default_factory=list)
    is_aws_down: bool = False
    before_a_read: Any = None
    auth: MovieXchangeAuth = field(init=False)

    def clock(self) -> float:
        """Return the test's time."""
        return self.now.timestamp()

    def publish(self, access_token: str, *, is_accepted: bool = True, lifetime: timedelta = timedelta(hours=12)) -> str:
        """Put a token document into the secret and return its version; the API accepts the token if `is_accepted`."""
        document = {
            "access_token": access_token,
            "token_type": "Bearer",
            "client_secret": self.mx.client_secret,
            "client_id": "Foo Tickets (Web)",
            "issued_at": rfc_3339(self.now),
            "expires_at": rfc_3339(self.now + lifetime),
            "credentials_version": "a-version",
            "verified": None,
        }
        if is_accepted:
            self.mx.access_tokens[access_token] = Issued("Foo Tickets (Web)", FAR_FUTURE)
        return self.put(json.dumps(document))

    def put(self, text: str) -> str:
        """Put a value into the token secret."""
        answer = self.aws.client("secretsmanager").put_secret_value(SecretId=SECRET, SecretString=text)
        self.calls.clear()
        return answer["VersionId"]

    def get(self, url: str = "", **options: Any) -> requests.Response:  # noqa: ANN401  those of requests
        """Call the API."""
        return self.session.get(url or f"{self.mx.url}{CHAINS_PATH}", timeout=10, **options)

    def authorize(self, _: object = None) -> None:
        """Add the headers to a request that is never sent."""
        self.auth(requests.Request("GET", f"{self.mx.url}/").prepare())

    def advance(self, seconds: float) -> None:
        """Move the clock on."""
        self.now += timedelta(seconds=seconds)

    def sent(self) -> list[tuple[str | None, ...]]:
        """Return both headers of each request that arrived."""
        return [tuple(each.headers[name] for name in HEADERS) for each in self.mx.requests]

    def record(self, model: Any, params: Any, **_: object) -> None:  # noqa: ANN401  botocore's
        """Record a call of AWS before it is sent, and fail it if AWS is down."""
        self.calls.append(model.name)
        if model.name == "PutEvents":
            self.reports += json.loads(params["body"])["Entries"]
        if model.name == "GetSecretValue":
            if self.is_aws_down:
                raise EndpointConnectionError(endpoint_url="secretsmanager")
            if self.before_a_read:
                self.before_a_read()


@pytest.fixture
def mx(tls: ssl.SSLContext) -> Iterator[MovieXchangeStandIn]:
    """Run a stand-in of movieXchange's API over TLS."""
    with MovieXchangeStandIn(tls=tls) as stand_in:
        yield stand_in


@pytest.fixture
def app(mx: MovieXchangeStandIn, authority: trustme.CA) -> Iterator[App]:
    """Return an application whose token secret is still empty."""
    with mock_aws(), requests.Session() as session, authority.cert_pem.tempfile() as session.verify:
        aws = boto3.Session()
        aws.client("secretsmanager").create_secret(Name=SECRET)
        app = App(mx, aws, session)
        aws.events.register("before-call", app.record)
        session.trust_env = False  # REQUESTS_CA_BUNDLE would replace this authority
        session.auth = app.auth = MovieXchangeAuth(
            SECRET, api_hosts=[urlsplit(mx.url).netloc], session=aws, clock=app.clock
        )
        yield app


def test_a_request_has_both_headers(app: App) -> None:
    """The API accepts it."""
    app.publish("a-token")

    assert (app.get().status_code, app.sent()) == (200, [("Bearer a-token", app.mx.client_secret)])


def test_an_empty_client_secret_is_not_sent(app: App) -> None:
    """Vista's Digital Platform accepts Authorization alone."""
    app.mx.client_secret = ""
    app.publish("a-token")
    app.get()

    assert app.sent() == [("Bearer a-token", None)]


def test_the_secret_is_read_once(app: App) -> None:
    """The next request uses the kept value."""
    app.publish("a-token")
    app.get()
    app.advance(299)
    app.get()

    assert app.calls == ["GetSecretValue"]


def test_a_new_version_is_read_after_five_minutes(app: App) -> None:
    """The replaced token is valid for longer than that."""
    app.publish("a-token")
    app.get()
    app.publish("another-token")
    app.advance(300)
    app.get()

    assert app.sent()[-1] == ("Bearer another-token", app.mx.client_secret)


def test_a_kept_token_that_has_expired_is_not_used(app: App) -> None:
    """The secret is read before the five minutes are over."""
    app.publish("a-token", lifetime=timedelta(seconds=60))
    app.get()
    app.publish("another-token")
    app.advance(60)
    app.get()

    assert app.sent()[-1] == ("Bearer another-token", app.mx.client_secret)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_another_host_or_scheme_gets_no_header(app: App, scheme: str) -> None:
    """The session may be used for other hosts too."""
    app.publish("a-token")
    with MovieXchangeStandIn() as another:
        url = another.url if scheme == "http" else app.mx.url.replace("127.0.0.1", "localhost")
        app.get(f"{url}{CHAINS_PATH}")
        sent = [each.headers[name] for each in another.requests + app.mx.requests for name in HEADERS]

    assert (sent, app.calls) == ([None, None], [])


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_has_no_header(app: App, code: int) -> None:
    """Neither header leaves the API's hosts."""
    app.publish("a-token")
    elsewhere = app.mx.url.replace("127.0.0.1", "localhost")
    app.mx.api_fault = times(1, redirect(f"{elsewhere}{CHAINS_PATH}", code), then=status(200))
    app.get()

    assert app.sent() == [("Bearer a-token", app.mx.client_secret), (None, None)]


def test_a_redirect_to_an_api_host_has_both_headers(app: App) -> None:
    """The next request is for the API too."""
    app.publish("a-token")
    app.mx.api_fault = times(1, redirect("/elsewhere"), then=status(200))
    app.get()

    assert app.sent() == [("Bearer a-token", app.mx.client_secret)] * 2


def test_after_a_401_the_request_is_repeated_with_a_newer_token(app: App) -> None:
    """The application does not notice, and nothing is reported."""
    app.publish("a-token", is_accepted=False)
    app.authorize()
    app.publish("another-token")
    answer = app.get()

    assert (answer.status_code, [each.status_code for each in answer.history], app.reports) == (200, [401], [])


def test_after_a_401_a_version_that_is_still_current_is_reported(app: App) -> None:
    """The application gets the 401."""
    version = app.publish("a-token", is_accepted=False)
    status_code = app.get().status_code
    entry = {"Source": SECRET, "DetailType": "Access Token Rejected", "Detail": json.dumps({"version_id": version})}

    assert (status_code, app.reports) == (401, [entry])


def test_after_many_401s_the_secret_is_read_once_a_second(app: App) -> None:
    """The replacement takes a moment; it is asked for once meanwhile."""
    app.publish("a-token", is_accepted=False)
    for seconds in (0, 0.5, 0.5):
        app.advance(seconds)
        app.get()

    assert app.calls == ["GetSecretValue", "GetSecretValue", "PutEvents", "GetSecretValue"]


@pytest.mark.parametrize(("seconds", "reports"), [(59, 1), (60, 2)])
def test_a_report_is_repeated_after_a_minute(app: App, seconds: float, reports: int) -> None:
    """While the version stays refused, because the rotator does not remember a report."""
    app.publish("a-token", is_accepted=False)
    app.get()
    app.advance(seconds)
    app.get()

    assert len(app.reports) == reports


@pytest.mark.parametrize(
    ("body", "status_code", "arrived"),
    [({"seats": "2"}, 200, [{"seats": "2"}] * 2), (iter([b"seats=2"]), 401, [{}])],
    ids=["a form", "a stream"],
)
def test_a_body_is_sent_again_unless_it_is_a_stream(
    app: App, body: dict[str, str] | Iterator[bytes], status_code: int, arrived: list[dict[str, str]]
) -> None:
    """A stream cannot be read a second time."""
    app.publish("a-token")
    app.authorize()
    app.publish("another-token")
    app.mx.token_fault = times(1, status(401), then=status(200))
    answer = app.session.post(f"{app.mx.url}/connect/token", data=body, timeout=10)

    assert (answer.status_code, [each.form for each in app.mx.requests]) == (status_code, arrived)


def test_the_kept_token_is_used_while_secrets_manager_is_down(app: App) -> None:
    """Secrets Manager is asked again after a while, not with each request."""
    app.publish("a-token")
    app.get()
    app.is_aws_down = True
    app.advance(300)
    answers = [app.get().status_code for _ in range(3)]

    assert (answers, app.calls) == ([200, 200, 200], ["GetSecretValue", "GetSecretValue"])


def test_without_a_valid_token_the_failure_is_raised(app: App) -> None:
    """The kept token has expired, and Secrets Manager is down."""
    app.publish("a-token", lifetime=timedelta(seconds=60))
    app.get()
    app.is_aws_down = True
    app.advance(60)

    with pytest.raises(EndpointConnectionError):
        app.get()


def test_a_published_token_that_has_expired_is_an_error(app: App) -> None:
    """No request is sent with it."""
    app.publish("a-token", lifetime=timedelta(seconds=60))
    app.advance(60)

    with pytest.raises(ValueError, match=f"^The token in the secret {SECRET} has expired. Look for the last error"):
        app.get()


def test_an_empty_secret_is_an_error(app: App) -> None:
    """The rotator has not published a token yet."""
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        app.get()


@pytest.mark.parametrize(
    "text",
    [
        "a-password-by-mistake",
        "[]",
        "{}",
        '{"access_token": 1, "client_secret": "", "expires_at": "2026-11-24T14:00:00Z"}',
        '{"access_token": "a", "client_secret": "", "expires_at": "tomorrow"}',
    ],
)
def test_a_secret_without_a_token_document_is_an_error(app: App, text: str) -> None:
    """The message names the secret and where to look, and has nothing of the value in it."""
    app.put(text)

    with pytest.raises(
        ValueError,
        match=f"^The secret {SECRET} does not contain a token. Look for the last error of mx-token-rotator.$",
    ):
        app.get()


def test_a_thread_with_a_valid_token_does_not_wait_for_another_one_that_reads(app: App) -> None:
    """One thread reads, however long that takes; the others go on."""
    app.publish("a-token")
    app.get()
    app.advance(300)
    is_reading, may_end = Event(), Event()

    def hold_up() -> None:
        is_reading.set()
        may_end.wait(10)

    app.before_a_read = hold_up
    with ThreadPoolExecutor() as threads:
        held_up = threads.submit(app.authorize)
        is_reading.wait(10)
        status_code = app.get().status_code
        is_held_up = not held_up.done()
        may_end.set()

    assert (status_code, is_held_up, app.calls) == (200, True, ["GetSecretValue"] * 2)


def test_many_threads_read_once(app: App) -> None:
    """Those that come while the first token is read use that one."""
    app.publish("a-token")
    with ThreadPoolExecutor(20) as threads:
        list(threads.map(app.authorize, range(20)))

    assert app.calls == ["GetSecretValue"]
