"""What an application has in one line: both headers, for the API alone, and what it does at a 401."""

import json
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
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

from local.faults import redirect, status, times
from local.mx import Issued, MovieXchangeStandIn
from mx_token_rotator.reader import MovieXchangeAuth
from mx_token_rotator.tokens import AccessToken
from tests.fakes import a_token

SECRET = "moviexchange/staging/tokens/FooTickets_Website"
CHAINS = "/mxs/reference-data/v1/cinema-chains"
BEGAN = datetime(2026, 11, 24, 2, tzinfo=UTC)
FOR_EVER = 10**12
HEADERS = ("Authorization", "MX-Api-Client-Secret")


@dataclass
class App:
    """An application with a session of its own, and what it asks of AWS."""

    mx: MovieXchangeStandIn
    aws: boto3.Session
    session: requests.Session
    now: datetime = BEGAN
    calls: list[str] = field(default_factory=list)
    reported: list[dict[str, str]] = field(default_factory=list)
    is_away: bool = False
    before_a_read: Any = None
    auth: MovieXchangeAuth = field(init=False)

    def clock(self) -> float:
        """Tell the time."""
        return self.now.timestamp()

    def publish(self, access_token: str, *, is_good: bool = True, lifetime: timedelta = timedelta(hours=12)) -> str:
        """Publish a token as the rotator does, and give its version; movieXchange takes it if it is good."""
        token: AccessToken = a_token(access_token=access_token, client_secret=self.mx.client_secret)
        text = replace(token, issued_at=self.now, expires_at=self.now + lifetime).document()
        if is_good:
            self.mx.access_tokens[access_token] = Issued("FooTickets_Website", FOR_EVER)
        return self.put(text)

    def put(self, text: str) -> str:
        """Put a value into the token secret."""
        answer = self.aws.client("secretsmanager").put_secret_value(SecretId=SECRET, SecretString=text)
        self.calls.clear()
        return answer["VersionId"]

    def get(self, url: str = "", **how: Any) -> requests.Response:  # noqa: ANN401  those of requests
        """Call the API."""
        return self.session.get(url or f"{self.mx.url}{CHAINS}", timeout=10, **how)

    def sign(self, _: object = None) -> None:
        """Have a request signed that is never sent."""
        self.auth(requests.Request("GET", f"{self.mx.url}/").prepare())

    def later(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def sent(self) -> list[tuple[str | None, ...]]:
        """Give both headers of each request that arrived."""
        return [tuple(each.headers[name] for name in HEADERS) for each in self.mx.requests]

    def witness(self, model: Any, params: Any, **_: object) -> None:  # noqa: ANN401  botocore's
        """See a call of AWS on its way."""
        self.calls.append(model.name)
        if model.name == "PutEvents":
            self.reported += json.loads(params["body"])["Entries"]
        if model.name == "GetSecretValue":
            if self.is_away:
                raise EndpointConnectionError(endpoint_url="secretsmanager")
            if self.before_a_read:
                self.before_a_read()


@pytest.fixture
def mx(tls: ssl.SSLContext) -> Iterator[MovieXchangeStandIn]:
    """Run movieXchange's API over TLS."""
    with MovieXchangeStandIn(tls=tls) as stand_in:
        yield stand_in


@pytest.fixture
def app(mx: MovieXchangeStandIn, authority: trustme.CA) -> Iterator[App]:
    """Give an application whose token secret is still empty."""
    with mock_aws(), requests.Session() as session, authority.cert_pem.tempfile() as session.verify:
        aws = boto3.Session()
        aws.client("secretsmanager").create_secret(Name=SECRET)
        app = App(mx, aws, session)
        aws.events.register("before-call", app.witness)
        session.trust_env = False  # a bundle of the person's own would take the place of this one
        session.auth = app.auth = MovieXchangeAuth(
            SECRET, api_hosts=[urlsplit(mx.url).netloc], session=aws, clock=app.clock
        )
        yield app


def test_a_call_bears_both_headers(app: App) -> None:
    """MovieXchange takes it."""
    app.publish("a-token")

    assert (app.get().status_code, app.sent()) == (200, [("Bearer a-token", app.mx.client_secret)])


def test_the_secret_is_read_once(app: App) -> None:
    """What was read serves the next call."""
    app.publish("a-token")
    app.get()
    app.later(299)
    app.get()

    assert app.calls == ["GetSecretValue"]


def test_a_change_is_noticed_after_five_minutes(app: App) -> None:
    """The replaced token is good for longer than that."""
    app.publish("a-token")
    app.get()
    app.publish("another-token")
    app.later(300)
    app.get()

    assert app.sent()[-1] == ("Bearer another-token", app.mx.client_secret)


def test_a_token_that_has_ended_is_not_used(app: App) -> None:
    """Its end is known, and the secret is read before it is time."""
    app.publish("a-token", lifetime=timedelta(seconds=60))
    app.get()
    app.publish("another-token")
    app.later(60)
    app.get()

    assert app.sent()[-1] == ("Bearer another-token", app.mx.client_secret)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_another_host_or_scheme_is_told_nothing(app: App, scheme: str) -> None:
    """The session may be used for other hosts too."""
    app.publish("a-token")
    with MovieXchangeStandIn() as another:
        url = another.url if scheme == "http" else app.mx.url.replace("127.0.0.1", "localhost")
        app.get(f"{url}{CHAINS}")
        sent = [each.headers[name] for each in another.requests + app.mx.requests for name in HEADERS]

    assert (sent, app.calls) == ([None, None], [])


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_takes_nothing_along(app: App, code: int) -> None:
    """Neither header leaves movieXchange's API."""
    app.publish("a-token")
    elsewhere = app.mx.url.replace("127.0.0.1", "localhost")
    app.mx.api_fault = times(1, redirect(f"{elsewhere}{CHAINS}", code), then=status(200))
    app.get()

    assert app.sent() == [("Bearer a-token", app.mx.client_secret), (None, None)]


def test_a_redirect_within_the_api_takes_both_along(app: App) -> None:
    """The next request is for the API too."""
    app.publish("a-token")
    app.mx.api_fault = times(1, redirect("/elsewhere"), then=status(200))
    app.get()

    assert app.sent() == [("Bearer a-token", app.mx.client_secret)] * 2


def test_at_a_401_a_token_that_was_replaced_is_tried(app: App) -> None:
    """The application does not notice, and nothing is reported."""
    app.publish("a-token", is_good=False)
    app.sign()
    app.publish("another-token")
    answer = app.get()

    assert (answer.status_code, [each.status_code for each in answer.history], app.reported) == (200, [401], [])


def test_at_a_401_a_token_that_is_still_there_is_reported(app: App) -> None:
    """The application gets the 401, and the rotator hears which version it was."""
    version = app.publish("a-token", is_good=False)
    status_code = app.get().status_code
    entry = {"Source": SECRET, "DetailType": "Access Token Rejected", "Detail": json.dumps({"version_id": version})}

    assert (status_code, app.reported) == (401, [entry])


def test_many_401s_are_looked_into_once_a_second(app: App) -> None:
    """The rotator needs a moment, and is told once in it."""
    app.publish("a-token", is_good=False)
    for seconds in (0, 0.5, 0.5):
        app.later(seconds)
        app.get()

    assert app.calls == ["GetSecretValue", "GetSecretValue", "PutEvents", "GetSecretValue"]


def test_a_401_that_stays_is_reported_again_after_a_minute(app: App) -> None:
    """A report is not remembered."""
    app.publish("a-token", is_good=False)
    for seconds in (0, 59, 1):
        app.later(seconds)
        app.get()

    assert len(app.reported) == 2


@pytest.mark.parametrize(
    ("body", "status_code", "arrived"),
    [({"seats": "2"}, 200, [{"seats": "2"}] * 2), (iter([b"seats=2"]), 401, [{}])],
    ids=["a form", "a stream"],
)
def test_a_body_is_sent_again_unless_it_is_a_stream(
    app: App, body: dict[str, str] | Iterator[bytes], status_code: int, arrived: list[dict[str, str]]
) -> None:
    """What was read from a stream may be gone."""
    app.publish("a-token")
    app.sign()
    app.publish("another-token")
    app.mx.token_fault = times(1, status(401), then=status(200))
    answer = app.session.post(f"{app.mx.url}/connect/token", data=body, timeout=10)

    assert (answer.status_code, [each.form for each in app.mx.requests]) == (status_code, arrived)


def test_while_secrets_manager_is_away_the_token_at_hand_serves(app: App) -> None:
    """It is asked again after a pause, and not at each call."""
    app.publish("a-token")
    app.get()
    app.is_away = True
    app.later(300)
    answers = [app.get().status_code for _ in range(3)]

    assert (answers, app.calls) == ([200, 200, 200], ["GetSecretValue", "GetSecretValue"])


def test_without_a_valid_token_the_failure_is_told(app: App) -> None:
    """There is nothing to serve."""
    app.publish("a-token", lifetime=timedelta(seconds=60))
    app.get()
    app.is_away = True
    app.later(60)

    with pytest.raises(EndpointConnectionError):
        app.get()


def test_a_secret_that_is_still_empty_is_told(app: App) -> None:
    """The rotator has not published yet."""
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        app.get()


def test_a_secret_that_holds_no_token_is_told_without_its_value(app: App) -> None:
    """The message names the secret and who knows more."""
    app.put("a-password-by-mistake")

    with pytest.raises(ValueError, match=f"^{SECRET} holds no token: look for the last error of its rotator$"):
        app.get()


def test_who_has_a_valid_token_does_not_wait_for_another_reader(app: App) -> None:
    """One thread reads, however long that takes; the others go on."""
    app.publish("a-token")
    app.get()
    app.later(300)
    is_reading, may_end = Event(), Event()

    def hold_up() -> None:
        is_reading.set()
        may_end.wait(10)

    app.before_a_read = hold_up
    with ThreadPoolExecutor() as threads:
        held_up = threads.submit(app.sign)
        is_reading.wait(10)
        status_code = app.get().status_code
        is_held_up = not held_up.done()
        may_end.set()

    assert (status_code, is_held_up, app.calls) == (200, True, ["GetSecretValue"] * 2)


def test_many_threads_read_once(app: App) -> None:
    """Who comes while the first token is read takes that one."""
    app.publish("a-token")
    with ThreadPoolExecutor(20) as threads:
        list(threads.map(app.sign, range(20)))

    assert app.calls == ["GetSecretValue"]
