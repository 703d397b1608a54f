"""A movieXchange account in memory, and the session by which the product reaches it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import requests
from requests.structures import CaseInsensitiveDict

LIFETIME = 43_200.0
NONSENSE = [
    b"<html>Checking your browser</html>",
    b'{"token_type":"Bearer"',
    b'{"token_type":"mac","access_token":"a","expires_in":43200}',
    b'{"token_type":"Bearer","access_token":"a","expires_in":-1}',
    b"[]",
    b"",
]


@dataclass(frozen=True)
class Reply:
    """An answer over HTTP."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Issued:
    """An access token that the account gave out."""

    client_id: str
    ends_at: float
    revoked: bool = False
    passed: bool = False
    """Whether the API ever took it."""


@dataclass
class Account:
    """User name and password, client secret, and what was issued on them."""

    password: str = "password-0"  # noqa: S105  made up
    client_secret: str = "client-secret-0"  # noqa: S105  made up
    revokes_older: bool = False
    tokens: dict[str, Issued] = field(default_factory=dict)
    refresh_tokens: dict[str, str] = field(default_factory=dict)
    numbers: Any = field(default_factory=count)

    def log_in(self, form: dict[str, str], now: float) -> Reply:
        """Answer at the token endpoint (RFC 6749, sections 4.3, 5 and 6); a refresh token is used up by its use."""
        client_id = form["client_id"]
        if form["grant_type"] == "password":
            known = form["password"] == self.password
        else:
            known = self.refresh_tokens.pop(form["refresh_token"], None) == client_id
        if not known:
            return Reply(400, b'{"error":"invalid_grant"}')
        if self.revokes_older:
            for issued in self.tokens.values():
                issued.revoked = issued.revoked or issued.client_id == client_id
        number = next(self.numbers)
        self.tokens[f"token-{number}"] = Issued(client_id, now + LIFETIME)
        self.refresh_tokens[f"refresh-{number}"] = client_id
        document = {
            "token_type": "Bearer",
            "access_token": f"token-{number}",
            "expires_in": int(LIFETIME),
            "refresh_token": f"refresh-{number}",
        }
        # The recorded answer has no refresh token, and a lifetime may be left out.
        for member, every in (("refresh_token", 3), ("expires_in", 50)):
            if number % every == every - 1:
                del document[member]
        return Reply(200, json.dumps(document).encode())

    def takes(self, access_token: str, client_secret: str, now: float) -> bool:
        """Tell whether the API takes both headers."""
        issued = self.tokens.get(access_token)
        is_live = issued is not None and not issued.revoked and now < issued.ends_at
        return is_live and client_secret == self.client_secret

    def call(self, access_token: str, client_secret: str, now: float) -> Reply:
        """Answer at the API."""
        if self.takes(access_token, client_secret, now):
            self.tokens[access_token].passed = True
            return Reply(200, b"[]")
        return Reply(401)

    def forget_ended(self, now: float) -> None:
        """Drop what ended long ago."""
        ended = [token for token, issued in self.tokens.items() if issued.ends_at < now - 2 * LIFETIME]
        for token in ended:
            del self.tokens[token]


class Session(requests.Session):
    """The session of the product's room, whose requests are answered in memory."""

    def __init__(self, ask: Callable[[requests.Request], Reply]) -> None:
        """Take the way to the account."""
        super().__init__()
        self._ask = ask

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Leave a request as it is: nothing of it is written to a socket."""
        prepared = Prepared()
        prepared.request = request
        return prepared

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # noqa: ANN401  as its parent
        """Have it answered. Raises requests.ConnectionError where nobody does."""
        if not isinstance(request, Prepared):
            raise TypeError
        reply = self._ask(request.request)
        response = requests.Response()
        response.status_code = reply.status
        response.headers = CaseInsensitiveDict(reply.headers)
        response.raw = Body(reply.body)
        return response


class Prepared(requests.PreparedRequest):
    """A request that was not prepared."""

    request: requests.Request


class Body:
    """A body as urllib3 gives it."""

    def __init__(self, body: bytes) -> None:
        """Give these bytes once."""
        self._left = body

    def read1(self, _: int, *, decode_content: bool) -> bytes:
        """Read what is left."""
        read, self._left = self._left, b""
        return read if decode_content else b""

    def release_conn(self) -> None:
        """Give nothing back."""

    def close(self) -> None:
        """Close nothing."""

    def __enter__(self) -> Self:
        """Read within a context."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave it."""


def path_of(request: requests.Request) -> str:
    """Tell what is asked for."""
    return urlsplit(str(request.url)).path
