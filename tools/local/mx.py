"""A movieXchange account on loopback: oauthlib's token endpoint, one resource of MX's API, and one of Vista's OCAPI.

Answers have the shape that was recorded from movieXchange; faults can replace them.
"""

import json
import secrets
import ssl
import time
from base64 import urlsafe_b64encode
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

from tools.local.faults import Fault, send

TOKEN_PATH = "/connect/token"  # noqa: S105  a path
CHAINS_PATH = "/mxs/reference-data/v1/cinema-chains"
SITES_PATH = "/ocapi/v1/sites"

LONGEST_CLIENT_ID = 200  # characters; Vista takes a description of the application
WRONG_PASSWORDS = 5  # ASP.NET Identity's default, as is the next
LOCKED_SECONDS = 300


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
    expires_at: float


class MovieXchangeStandIn:
    """An account that can be changed, and made to fail, while it is served."""

    def __init__(
        self, *, tls: ssl.SSLContext | None = None, port: int = 0, handler: "type[Handler] | None" = None
    ) -> None:
        """Make up the account; with a context, serve it over TLS. Without a port, one that is free is used."""
        self.username = f"user+{secrets.token_urlsafe(9)}@example.org"
        self.password = f"pass+{secrets.token_urlsafe(9)}@"
        self.client_secret = secrets.token_urlsafe(18)
        self.lifetime = 43_200
        """What `expires_in` says, in seconds."""
        self.jwt_lifetime: int | None = None
        """With a number of seconds, access tokens are JWTs whose `exp` says so, and expire then at the latest."""
        self.hands_out_refresh_tokens = False
        self.revokes_older_tokens = False
        """Whether a log-in ends the older tokens of the same client ID."""
        self.locks_out = False
        """Whether five wrong passwords in a row lock the account for five minutes."""
        self.is_licensed = True
        """Whether the account may use the Reference Data API."""
        self.refused_client_ids: set[str] = set()
        self.token_fault: Fault | None = None
        self.api_fault: Fault | None = None
        self.requests: list[Received] = []
        self.access_tokens: dict[str, Issued] = {}
        self.refresh_tokens: dict[str, str] = {}
        self.wrong_passwords = 0
        self.locked_until = 0.0
        self.oauth = LegacyApplicationServer(
            Account(self), token_generator=self._new_access_token, token_expires_in=lambda _: self.lifetime
        )
        self._server = Server(self, tls, port, handler)
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
        """Serve the same account over TLS too; the value is the host with its port."""
        server = Server(self, tls)
        with serving(server):
            yield f"127.0.0.1:{server.server_port}"

    @property
    def url(self) -> str:
        """The address of the token service and of the API."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def credentials(self, **other: str) -> dict[str, str]:
        """Return what the credentials secret has to hold, with other values for some members."""
        return {"username": self.username, "password": self.password, "client_secret": self.client_secret} | other

    def revoke(self, access_token: str) -> None:
        """End a token before it expires."""
        del self.access_tokens[access_token]

    def log_ins(self, client_id: str | None = None) -> int:
        """Count the requests to the token endpoint, of one client ID or of all."""
        forms = [each.form for each in self.requests if each.path == TOKEN_PATH]
        return len([form for form in forms if client_id in {None, form.get("client_id")}])

    def _new_access_token(self, *_: object) -> str:
        if self.jwt_lifetime is None:
            return secrets.token_urlsafe(32)
        now = int(time.time())
        header, payload = {"alg": "RS256", "typ": "JWT"}, {"iat": now, "exp": now + self.jwt_lifetime}
        parts = [json.dumps(each).encode() for each in (header, payload)] + [secrets.token_bytes(32)]
        return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


class Account(RequestValidator):
    """What oauthlib asks about the account: one user, public clients, the password and refresh grants."""

    def __init__(self, stand_in: MovieXchangeStandIn) -> None:
        """Answer for this account."""
        self._account = stand_in

    def client_authentication_required(self, request: Any, *_: Any, **__: Any) -> bool:
        """Ask for no client secret at the token endpoint."""
        return False

    def authenticate_client_id(self, client_id: str | None, request: Any, *_: Any, **__: Any) -> bool:
        """Accept any client ID, as movieXchange does, except those that a test has refused."""
        request.client = request
        return 0 < len(client_id or "") <= LONGEST_CLIENT_ID and client_id not in self._account.refused_client_ids

    def validate_user(self, username: str, password: str, *_: Any, **__: Any) -> bool:
        """Accept the account's user name and password, unless the account is locked."""
        account = self._account
        if account.locked_until > time.time():
            return False
        if (username, password) == (account.username, account.password):
            account.wrong_passwords = 0
            return True
        account.wrong_passwords += 1
        if account.locks_out and account.wrong_passwords >= WRONG_PASSWORDS:
            account.wrong_passwords, account.locked_until = 0, time.time() + LOCKED_SECONDS
        return False

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
        """Accept a refresh token from the client ID that it was issued for."""
        issued_for = self._account.refresh_tokens.get(refresh_token)
        return issued_for is not None and bool(issued_for == request.client_id)

    def save_bearer_token(self, token: Any, request: Any, *_: Any, **__: Any) -> None:
        """Remember what was issued; a refresh token can be used once."""
        account, client_id = self._account, request.client_id
        if account.revokes_older_tokens:
            for older in [text for text, issued in account.access_tokens.items() if issued.client_id == client_id]:
                del account.access_tokens[older]
        lifetimes = [each for each in (token["expires_in"], account.jwt_lifetime) if each is not None]
        account.access_tokens[token["access_token"]] = Issued(client_id, time.time() + min(lifetimes))
        if account.hands_out_refresh_tokens:
            account.refresh_tokens[token["refresh_token"]] = client_id
        account.refresh_tokens.pop(request.refresh_token or "", None)


class Server(ThreadingHTTPServer):
    """The socket, by default on a port that the system chooses."""

    def __init__(
        self,
        account: MovieXchangeStandIn,
        tls: ssl.SSLContext | None,
        port: int = 0,
        handler: "type[Handler] | None" = None,
    ) -> None:
        """Listen."""
        super().__init__(("127.0.0.1", port), handler or Handler)
        self.account = account
        self.stopped = Event()
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def shutdown(self) -> None:
        """Stop serving, and end the faults that still wait."""
        self.stopped.set()
        super().shutdown()

    def handle_error(self, *_: object) -> None:
        """Print nothing about a client that closed its connection."""


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    """Serve in a thread until the context ends."""
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
    disable_nagle_algorithm = True  # an answer is written in two parts, and the second one would wait
    timeout = 30

    def do_POST(self) -> None:
        """Serve the token endpoint."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        self._record(dict(parse_qsl(body)))
        account = self.server.account
        if self.path != TOKEN_PATH:
            return send(self, HTTPStatus.NOT_FOUND)
        if account.token_fault:
            return account.token_fault(self)
        headers, answer, status = account.oauth.create_token_response(
            self.path, http_method="POST", body=body, headers={"Content-Type": self.headers["Content-Type"]}
        )
        return self._answer_token(headers, json.loads(answer), status)

    def _answer_token(self, headers: Mapping[str, str], document: dict[str, object], status: int) -> None:
        """Answer in the recorded shape: without scope, and with a cookie of the proxy in front of movieXchange."""
        document.pop("scope", None)
        if not self.server.account.hands_out_refresh_tokens:
            document.pop("refresh_token", None)
        cookies = {"Set-Cookie": "__cf_bm=a-cookie; path=/; HttpOnly"}
        others = {name: value for name, value in headers.items() if name not in {"Content-Type", "Content-Length"}}
        send(self, status, json.dumps(document, separators=(",", ":")).encode(), headers=others | cookies)

    def do_GET(self) -> None:
        """Serve movieXchange's API, and OCAPI, which may have a path in front of it."""
        self._record({})
        account = self.server.account
        if account.api_fault:
            return account.api_fault(self)
        if self.path == CHAINS_PATH:
            return self._answer_api([{"id": "1", "name": "Foo Cinemas"}], self._refusal() or self._refusal_of_chains())
        if self.path.endswith(SITES_PATH):
            return self._answer_api({"sites": [{"id": "1", "name": "Foo Cinema"}]}, self._refusal())
        return send(self, HTTPStatus.NOT_FOUND, headers={"Mx-Correlation-Id": secrets.token_hex(8)})

    def _refusal(self) -> tuple[HTTPStatus, str] | None:
        issued = self.server.account.access_tokens.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
        if issued is None or issued.expires_at <= time.time():
            return HTTPStatus.UNAUTHORIZED, "The access token is not valid."
        return None

    def _refusal_of_chains(self) -> tuple[HTTPStatus, str] | None:
        account = self.server.account
        if self.headers.get("MX-Api-Client-Secret") != account.client_secret:
            return HTTPStatus.FORBIDDEN, "The client secret is not valid."
        if not account.is_licensed:
            return HTTPStatus.FORBIDDEN, "The account is not licensed for Reference Data."
        return None

    def _answer_api(self, document: object, refusal: tuple[HTTPStatus, str] | None) -> None:
        status, answer = (refusal[0], {"errorDescription": refusal[1]}) if refusal else (HTTPStatus.OK, document)
        send(self, status, json.dumps(answer).encode(), headers={"Mx-Correlation-Id": secrets.token_hex(8)})

    def _record(self, form: dict[str, str]) -> None:
        self.server.account.requests.append(Received(self.command, self.path, self.headers, form))

    def log_message(self, *_: object) -> None:
        """Print nothing about a request."""
