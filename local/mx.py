"""A movieXchange (MX) account on loopback: oauthlib's token endpoint, and one resource of the API.

Answers have the shape that was recorded of movieXchange; faults can be put in their place.
"""

import json
import re
import secrets
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

from oauthlib.oauth2 import LegacyApplicationServer, RequestValidator

from local.faults import Fault, send

CLIENT_ID = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,49}"
CHAINS = [{"id": "1", "name": "Foo Cinemas"}, {"id": "2", "name": "Bar Pictures"}]


@dataclass(frozen=True)
class Received:
    """A request that arrived; its repr shows no secret."""

    method: str
    path: str
    headers: Message = field(repr=False)
    form: dict[str, str] = field(repr=False)


@dataclass
class Issued:
    """An access token that was issued."""

    client_id: str
    ends_at: float


class MovieXchangeStandIn:
    """An account that can be changed and made to fail while it is served."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        """Make up the account; with a context, serve it over TLS."""
        self.username = f"user+{secrets.token_urlsafe(9)}@example.org"
        self.password = f"pass+{secrets.token_urlsafe(9)}@"
        self.client_secret = secrets.token_urlsafe(18)
        self.hands_out_refresh_tokens = False
        self.revokes_older_tokens = False
        self.lifetime = 43_200
        self.token_fault: Fault | None = None
        self.api_fault: Fault | None = None
        self.requests: list[Received] = []
        self.access_tokens: dict[str, Issued] = {}
        self.refresh_tokens: dict[str, str] = {}
        self.oauth = LegacyApplicationServer(Account(self), token_expires_in=lambda _: self.lifetime)
        self._server = Server(self, tls)
        self._scheme = "https" if tls else "http"
        self._serving = serving(self._server)

    def __enter__(self) -> Self:
        """Serve."""
        self._serving.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving."""
        self._serving.__exit__(kind, error, trace)

    @contextmanager
    def another_server(self, tls: ssl.SSLContext) -> Iterator[str]:
        """Serve the same account over TLS too, and give the host."""
        server = Server(self, tls)
        with serving(server):
            yield f"127.0.0.1:{server.server_port}"

    @property
    def url(self) -> str:
        """The address of the authentication host and of the API host."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def credentials(self) -> dict[str, str]:
        """Give what the account's keeper knows."""
        return {"username": self.username, "password": self.password, "client_secret": self.client_secret}

    def revoke(self, access_token: str) -> None:
        """End a token before its time."""
        del self.access_tokens[access_token]

    def log_ins(self, client_id: str | None = None) -> int:
        """Count the requests at the token endpoint, of one client ID or of all."""
        forms = [each.form for each in self.requests if each.path == "/connect/token"]
        return len([form for form in forms if client_id in {None, form.get("client_id")}])


class Account(RequestValidator):
    """What oauthlib asks about the account: one user, public clients, the password and refresh grants."""

    def __init__(self, stand_in: MovieXchangeStandIn) -> None:
        """Answer for this account."""
        self._account = stand_in

    def client_authentication_required(self, request: Any, *_: Any, **__: Any) -> bool:
        """Ask for no client secret at the token endpoint."""
        return False

    def authenticate_client_id(self, client_id: str | None, request: Any, *_: Any, **__: Any) -> bool:
        """Take any client ID of movieXchange's shape."""
        request.client = request
        return re.fullmatch(CLIENT_ID, client_id or "") is not None

    def validate_user(self, username: str, password: str, *_: Any, **__: Any) -> bool:
        """Take the account's user name and password."""
        return (username, password) == (self._account.username, self._account.password)

    def validate_grant_type(self, *_: Any, **__: Any) -> bool:
        """Allow both grants to every client."""
        return True

    def get_default_scopes(self, *_: Any, **__: Any) -> list[str]:
        """Use no scopes."""
        return []

    def validate_scopes(self, *_: Any, **__: Any) -> bool:
        """Use no scopes."""
        return True

    def get_original_scopes(self, *_: Any, **__: Any) -> list[str]:
        """Use no scopes."""
        return []

    def validate_refresh_token(self, refresh_token: str, client: Any, request: Any, *_: Any, **__: Any) -> bool:
        """Take a refresh token from the client ID that it was issued for."""
        issued_for = self._account.refresh_tokens.get(refresh_token)
        return issued_for is not None and bool(issued_for == request.client_id)

    def save_bearer_token(self, token: Any, request: Any, *_: Any, **__: Any) -> None:
        """Keep what was issued; a refresh token that was used is used up."""
        account, client_id = self._account, request.client_id
        if account.revokes_older_tokens:
            for older in [text for text, issued in account.access_tokens.items() if issued.client_id == client_id]:
                del account.access_tokens[older]
        account.access_tokens[token["access_token"]] = Issued(client_id, time.time() + token["expires_in"])
        if account.hands_out_refresh_tokens:
            account.refresh_tokens[token["refresh_token"]] = client_id
        account.refresh_tokens.pop(request.refresh_token or "", None)


class Server(ThreadingHTTPServer):
    """The socket, on a port that the system gives."""

    def __init__(self, account: MovieXchangeStandIn, tls: ssl.SSLContext | None) -> None:
        """Listen."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.account = account
        self.stopped = Event()
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def shutdown(self) -> None:
        """Stop serving, and end what still waits."""
        self.stopped.set()
        super().shutdown()

    def handle_error(self, *_: object) -> None:
        """Say nothing of a peer that went away."""


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    """Serve in a thread, which ends with this."""
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_POST(self) -> None:
        """Serve the token endpoint."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        self._receive(dict(parse_qsl(body)))
        account = self.server.account
        if self.path != "/connect/token":
            return send(self, HTTPStatus.NOT_FOUND)
        if account.token_fault:
            return account.token_fault(self)
        headers, answer, status = account.oauth.create_token_response(
            self.path, http_method="POST", body=body, headers={"Content-Type": self.headers["Content-Type"]}
        )
        return self._answer_token(headers, json.loads(answer), status)

    def _answer_token(self, headers: Mapping[str, str], document: dict[str, object], status: int) -> None:
        """Answer in the recorded shape: without scope, and with the cookies of what stands before movieXchange."""
        document.pop("scope", None)
        if not self.server.account.hands_out_refresh_tokens:
            document.pop("refresh_token", None)
        cookies = {"Set-Cookie": "__cf_bm=a-cookie; path=/; HttpOnly"}
        others = {name: value for name, value in headers.items() if name not in {"Content-Type", "Content-Length"}}
        send(self, status, json.dumps(document, separators=(",", ":")).encode(), headers=others | cookies)

    def do_GET(self) -> None:
        """Serve the API."""
        self._receive({})
        account = self.server.account
        if account.api_fault:
            return account.api_fault(self)
        correlation = {"Mx-Correlation-Id": secrets.token_hex(8)}
        if self.path != "/mxs/reference-data/v1/cinema-chains":
            return send(self, HTTPStatus.NOT_FOUND, headers=correlation)
        issued = account.access_tokens.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
        if issued is None or issued.ends_at <= time.time():
            refusal = json.dumps({"errorDescription": "The access token is not valid."}).encode()
            return send(self, HTTPStatus.UNAUTHORIZED, refusal, headers=correlation)
        if self.headers.get("MX-Api-Client-Secret") != account.client_secret:
            refusal = json.dumps({"errorDescription": "The client secret is not valid."}).encode()
            return send(self, HTTPStatus.FORBIDDEN, refusal, headers=correlation)
        return send(self, HTTPStatus.OK, json.dumps(CHAINS).encode(), headers=correlation)

    def _receive(self, form: dict[str, str]) -> None:
        self.server.account.requests.append(Received(self.command, self.path, self.headers, form))

    def log_message(self, *_: object) -> None:
        """Say nothing of a request."""
