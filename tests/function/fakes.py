"""A movieXchange account in memory on a virtual clock, and values for tests."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from mx_token_rotator.settings import Client, Settings
from mx_token_rotator.tokens import AccessToken, Published, RefreshToken
from mx_token_rotator.transport import Answer
from tools.local.stack import DEFAULT_VARIABLES

ACCOUNT = "moviexchange/staging"
CLIENT_ID = "FooTickets_Website"
CREDENTIALS = {"username": "a-user", "password": "a-password", "client_secret": "a-client-secret"}
ISSUED_AT = datetime(2026, 11, 28, 13, 5, tzinfo=UTC)
LIFETIME = timedelta(hours=12)
VARIABLES = {"ACCOUNT": ACCOUNT, "CLIENT_IDS": CLIENT_ID} | DEFAULT_VARIABLES
"""What the stack sets with its defaults and one client ID."""

Fault = Callable[[], Answer]


def a_token(**changes: Any) -> AccessToken:  # noqa: ANN401  any member's value
    """Make a token of 12 hours, with some of its members changed."""
    token = AccessToken(
        access_token="an-access-token",
        client_secret=CREDENTIALS["client_secret"],
        client_id=CLIENT_ID,
        issued_at=ISSUED_AT,
        expires_at=ISSUED_AT + LIFETIME,
        credentials_version="credentials-1",
    )
    return replace(token, **changes)


def published(**changes: Any) -> Published:  # noqa: ANN401  any member's value
    """Make the first published version, whose token has some members changed."""
    return Published(version_id="version-1", token=a_token(**changes))


def a_refresh_token(**changes: Any) -> RefreshToken:  # noqa: ANN401  any member's value
    """Make a refresh token, with some of its members changed."""
    token = RefreshToken(
        refresh_token="a-refresh-token",
        client_secret=CREDENTIALS["client_secret"],
        client_id=CLIENT_ID,
        credentials_version="credentials-1",
    )
    return replace(token, **changes)


def settings(**variables: str) -> Settings:
    """Read the stack's defaults, with some of its variables changed."""
    return Settings.parse(VARIABLES | variables)


CLIENT = Client(CLIENT_ID, CLIENT_ID)


def status(code: int, body: object = None, **headers: str) -> Fault:
    """Make an account answer with a status, and an object as JSON or a text as it stands."""
    content = body.encode() if isinstance(body, str) else b"" if body is None else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda: Answer(host="", status=code, body=content, headers=named)


def in_turn(*faults: Fault | None) -> Callable[[], Answer | None]:
    """Make an account answer with one fault after the other; None is its own answer, as is everything after them."""
    left = list(faults)

    def next_answer() -> Answer | None:
        fault = left.pop(0) if left else None
        return fault() if fault else None

    return next_answer


REFUSED_CONNECTION: Fault = lambda: Answer(host="", trouble="the connection was refused", never_connected=True)  # noqa: E731
WRONG_PASSWORD = status(400, {"error": "invalid_grant"})


@dataclass
class Clock:
    """A clock that moves when somebody sleeps."""

    now: datetime = ISSUED_AT

    def __call__(self) -> datetime:
        """Read the clock."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def monotonic(self) -> float:
        """Read the clock as seconds."""
        return self.now.timestamp()


@dataclass(frozen=True)
class Sent:
    """A request that arrived."""

    at: datetime
    method: str
    url: str
    headers: Mapping[str, str]
    form: Mapping[str, str]


@dataclass
class MovieXchange:
    """A token service and an API, called as `transport.send` is; faults replace their answers."""

    clock: Clock
    password: str = CREDENTIALS["password"]
    client_secret: str = CREDENTIALS["client_secret"]
    lifetime: timedelta = LIFETIME
    ends_older_tokens: bool = False
    issues_refresh_tokens: bool = False
    only_token: str = ""
    """With a text, every log-in issues that same token."""
    token_fault: Callable[[], Answer | None] | None = None
    api_fault: Callable[[], Answer | None] | None = None
    requests: list[Sent] = field(default_factory=list)
    proxies: set[str] = field(default_factory=set)
    issued: int = 0
    alive: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    """The access tokens that were not ended: their client IDs, and when they expire."""
    refresh_tokens: set[str] = field(default_factory=set)

    def send(
        self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None, proxy: str = ""
    ) -> Answer:
        """Answer one request."""
        self.proxies.add(proxy)
        self.requests.append(Sent(self.clock.now, method, url, dict(headers), dict(form or {})))
        fault, own = (self.token_fault, self._issue) if form else (self.api_fault, self._judge)
        answer = (fault() if fault else None) or own(self.requests[-1])
        return replace(answer, host=urlsplit(url).netloc)

    def log_ins(self) -> list[Sent]:
        """List the password grants."""
        return [each for each in self.requests if each.form.get("grant_type") == "password"]

    def gets(self) -> list[Sent]:
        """List the requests to the API."""
        return [each for each in self.requests if each.method == "GET"]

    def accepts(self, document: Mapping[str, Any]) -> bool:
        """Return whether an application's call with what is published would work."""
        _, expires_at = self.alive.get(document["access_token"], ("", self.clock.now))
        return expires_at > self.clock.now and document["client_secret"] == self.client_secret

    def times_out(self) -> Answer:
        """Be a fault: let ten seconds pass without an answer."""
        self.clock.sleep(10)
        return Answer(host="", trouble="no answer in time")

    def _issue(self, sent: Sent) -> Answer:
        form = sent.form
        if form["grant_type"] == "refresh_token":
            is_right = form["refresh_token"] in self.refresh_tokens
            self.refresh_tokens.discard(form["refresh_token"])
        else:
            is_right = (form["username"], form["password"]) == (CREDENTIALS["username"], self.password)
        if not is_right:
            return WRONG_PASSWORD()
        if self.ends_older_tokens:
            self.alive = {token: of for token, of in self.alive.items() if of[0] != form["client_id"]}
        self.issued += 1
        token = self.only_token or f"token-{self.issued}"
        self.alive[token] = (form["client_id"], sent.at + self.lifetime)
        body = {"token_type": "Bearer", "access_token": token, "expires_in": self.lifetime.total_seconds()}
        if self.issues_refresh_tokens:
            body["refresh_token"] = f"refresh-{token}"
            self.refresh_tokens.add(f"refresh-{token}")
        return status(200, body)()

    def _judge(self, sent: Sent) -> Answer:
        shown = {
            "access_token": sent.headers["Authorization"].removeprefix("Bearer "),
            "client_secret": sent.headers.get("MX-Api-Client-Secret", ""),
        }
        return status(200 if self.accepts(shown) else 401)()
