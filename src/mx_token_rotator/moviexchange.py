"""movieXchange (MX) over HTTPS: log in, and show a token to the API.

What an answer means is decided by pure functions; one method sends. Bodies are read up to a limit and never repeated
in an error, redirects are never followed, and requests' exceptions end here.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import ClassVar

import requests
from urllib3.exceptions import HTTPError

from mx_token_rotator.deadline import Deadline
from mx_token_rotator.errors import (
    CredentialsRejected,
    MovieXchangeMisbehaved,
    MovieXchangeUnavailable,
    RotatorError,
    TokenRefused,
)
from mx_token_rotator.tokens import AccessToken, Credentials, RefreshToken, TokenResponse

CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0
LONGEST_BODY = 64 * 1024
LONGEST_TOKEN = 16 * 1024  # characters; hardly a server takes a longer header, and either document fits into a secret
DOCUMENTED_LIFETIME = 43_200  # seconds: MX's guide, where an answer leaves out expires_in
PIECE = 8  # characters; so much of a secret is too much
LONGEST_LIFETIME = 366 * 24 * 3600
B64TOKEN = r"[A-Za-z0-9\-._~+/]+=*"  # RFC 6750, section 2.1
VSCHARS = r"[ -~]+"  # RFC 6749, appendix A.17: what a refresh token is made of
REJECTIONS_OF_CLIENT_ID = {"invalid_client", "unauthorized_client"}
REJECTIONS = REJECTIONS_OF_CLIENT_ID | {"invalid_grant"}
OAUTH_ERRORS = REJECTIONS | {"invalid_request", "unsupported_grant_type", "invalid_scope"}  # RFC 6749, section 5.2

Read = Callable[[requests.Response, Deadline], bytes]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back: a status and the body's first bytes, or no status and what was in the way."""

    status: int | None
    body: bytes = field(default=b"", repr=False)
    trouble: str = ""
    retry_after: str = ""
    correlation_id: str = "none"

    @property
    def is_transient(self) -> bool:
        """Whether the same request may do better later: no answer, 408 and 429, or a server's error."""
        return self.status is None or self.status in {408, 429} or self.status >= 500  # noqa: PLR2004

    def __str__(self) -> str:
        """Say what came back, for an error's sentence."""
        return self.trouble or f"HTTP {self.status}"


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a token document says; its lifetime in seconds and its refresh token, None where it leaves them out."""

    access_token: str = field(repr=False)
    lifetime: int | None
    refresh_token: str | None = field(repr=False)


def read_grant(answer: Answer) -> Grant:
    """Take the token endpoint's answer for what it is.

    Raises CredentialsRejected, MovieXchangeUnavailable or MovieXchangeMisbehaved.
    """
    if answer.status != requests.codes.ok:
        raise _refusal(answer)
    if len(answer.body) > LONGEST_BODY:
        raise MovieXchangeMisbehaved(f"The token endpoint's answer is longer than {LONGEST_BODY} bytes")
    document = _json(answer.body)
    if not isinstance(document, dict):
        raise MovieXchangeMisbehaved("The token endpoint's answer is no JSON object")
    access_token, token_type = document.get("access_token"), document.get("token_type")
    if not isinstance(access_token, str) or not re.fullmatch(B64TOKEN, access_token):
        raise MovieXchangeMisbehaved("The answer's access_token is missing, or no token of RFC 6750")
    if len(access_token) > LONGEST_TOKEN:
        raise MovieXchangeMisbehaved(f"The answer's access_token is longer than {LONGEST_TOKEN} characters")
    if not isinstance(token_type, str) or token_type.lower() != "bearer":
        raise MovieXchangeMisbehaved("The answer's token_type is not Bearer")
    return Grant(access_token=access_token, lifetime=_lifetime(document), refresh_token=_refresh_token(document))


def _refusal(answer: Answer) -> RotatorError:
    said = f"The token endpoint answered {answer}"
    if answer.is_transient:
        return MovieXchangeUnavailable(said)
    document = _json(answer.body)
    code = document.get("error") if isinstance(document, dict) else None
    # Any other text could be anything, and is not repeated.
    known = isinstance(code, str) and code in OAUTH_ERRORS
    said = f"{said} with the OAuth error {code}" if known else said
    is_client_error = answer.status is not None and answer.status // 100 == 4  # noqa: PLR2004
    if answer.status == requests.codes.unauthorized or (is_client_error and known and code in REJECTIONS):
        return CredentialsRejected(said, of_client_id=known and code in REJECTIONS_OF_CLIENT_ID)
    return MovieXchangeMisbehaved(said)


def _lifetime(document: dict[str, object]) -> int | None:
    if "expires_in" not in document:
        return None
    seconds = document["expires_in"]
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 1 <= seconds <= LONGEST_LIFETIME:
        raise MovieXchangeMisbehaved("The answer's expires_in is no positive number of seconds that a token can live")
    return int(seconds)


def _refresh_token(document: dict[str, object]) -> str | None:
    """Take the refresh token; one that is none is as good as left out, since the access token is what counts."""
    token = document.get("refresh_token")
    if isinstance(token, str) and re.fullmatch(VSCHARS, token) and len(token) <= LONGEST_TOKEN:
        return token
    return None


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def seconds_to_wait(retry_after: str, now: datetime) -> float:
    """Read a Retry-After header (RFC 9110, section 10.2.3); 0 where there is none that can be read."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return 0.0


class MovieXchangeOverHttps:
    """An MX account's two hosts."""

    LONGEST_SEND: ClassVar[float] = 30.0
    """Seconds in which one request and its retries end."""

    WAITS: ClassVar[tuple[float, ...]] = (0.5, 1.0)
    """Seconds before the second and the third try."""

    def __init__(  # noqa: PLR0913  the world at this room's edge, one by one
        self,
        session: requests.Session,
        *,
        auth_url: str,
        api_url: str,
        verify_path: str,
        clock: Callable[[], datetime],
        deadline: Deadline,
        sleep: Callable[[float], None],
        warn: Callable[[str], None],
    ) -> None:
        """Take both hosts, the path of verification (empty: none), and the end of what may be spent here."""
        self._session = session
        self._auth_url = auth_url
        self._api_url = api_url
        self._verify_path = verify_path
        self._clock = clock
        self._deadline = deadline
        self._sleep = sleep
        self._warn = warn
        self._exchanged: set[str] = set()
        """The secrets that were sent or received; either host may repeat them."""

    def log_in(self, client_id: str, credentials: Credentials) -> TokenResponse:
        """Get a token by the password grant (RFC 6749, section 4.3).

        Raises CredentialsRejected, MovieXchangeUnavailable or MovieXchangeMisbehaved.
        """
        return self._grant(
            {"grant_type": "password", "username": credentials.username, "password": credentials.password},
            client_id=client_id,
            client_secret=credentials.client_secret,
            credentials_version=credentials.version_id,
        )

    def renew(self, refresh_token: RefreshToken) -> TokenResponse:
        """Get a token by the refresh grant (RFC 6749, section 6); without a new refresh token the old one stays good.

        Raises CredentialsRejected, MovieXchangeUnavailable or MovieXchangeMisbehaved.
        """
        return self._grant(
            {"grant_type": "refresh_token", "refresh_token": refresh_token.refresh_token},
            client_id=refresh_token.client_id,
            client_secret=refresh_token.client_secret,
            credentials_version=refresh_token.credentials_version,
        )

    def _grant(
        self, form: dict[str, str], *, client_id: str, client_secret: str, credentials_version: str
    ) -> TokenResponse:
        """Ask the token endpoint; a token's life counts from before the request."""
        asked_at = self._clock().replace(microsecond=0)
        request = requests.Request("POST", f"{self._auth_url}/connect/token", data=form | {"client_id": client_id})
        self._exchanged |= {client_secret, *(value for name, value in form.items() if name != "grant_type")}
        grant = read_grant(self._send(request, read=_body))
        self._exchanged |= {grant.access_token, grant.refresh_token or ""}
        if grant.lifetime is None:
            self._warn(f"The answer has no expires_in: movieXchange's documented {DOCUMENTED_LIFETIME} s are taken")
        lifetime = timedelta(seconds=grant.lifetime or DOCUMENTED_LIFETIME)
        goes_with = {"client_id": client_id, "client_secret": client_secret, "credentials_version": credentials_version}
        return TokenResponse(
            access_token=AccessToken(
                access_token=grant.access_token,
                token_type="Bearer",  # noqa: S106  a type, no secret
                issued_at=asked_at,
                expires_at=asked_at + lifetime,
                **goes_with,
            ),
            refresh_token=RefreshToken(refresh_token=grant.refresh_token, **goes_with) if grant.refresh_token else None,
        )

    def verify(self, token: AccessToken) -> bool:
        """Show a token to the API: True where it passed, False where there was no verdict. Raises TokenRefused."""
        if not self._verify_path:
            return True
        request = requests.Request("GET", f"{self._api_url}{self._verify_path}", headers=token.headers())
        answer = self._send(request, read=_nothing)
        self._exchanged |= {token.access_token, token.client_secret}
        correlation_id = _withheld_if_it_repeats(self._exchanged, answer.correlation_id)
        said = f"Verification got {answer} (Mx-Correlation-Id: {correlation_id})"
        if answer.status in {requests.codes.unauthorized, requests.codes.forbidden}:
            raise TokenRefused(said)
        passed = answer.status is not None and answer.status // 100 == 2  # noqa: PLR2004
        if not passed:
            self._warn(f"{said}, which is no verdict on the token")
        return passed

    def _send(self, request: requests.Request, read: Read) -> Answer:
        """Send, and send again what failed in passing, as far as the wait and another try fit into the time."""
        prepared = self._session.prepare_request(request)
        deadline = self._deadline.within(self.LONGEST_SEND)
        answer = self._try(prepared, read, deadline)
        for wait in self.WAITS:
            wait_for = max(wait, seconds_to_wait(answer.retry_after, self._clock()))
            if not answer.is_transient or wait_for >= deadline.seconds_left():
                break
            self._sleep(wait_for)
            answer = self._try(prepared, read, deadline)
        return answer

    def _try(self, request: requests.PreparedRequest, read: Read, deadline: Deadline) -> Answer:
        """Send once; no connection outlives it.

        So whoever was left behind with an answer without end is freed, what else a peer sends is not taken for the
        next answer, and no request meets a connection that the peer has given up since.
        """
        try:
            return deadline.wait_for(lambda: self._ask(request, read, deadline))
        except TimeoutError:
            return Answer(status=None, trouble="nothing in time")
        finally:
            self._session.close()

    def _ask(self, request: requests.PreparedRequest, read: Read, deadline: Deadline) -> Answer:
        timeout = (CONNECT_SECONDS, READ_SECONDS)
        try:
            with self._session.send(request, timeout=timeout, stream=True, allow_redirects=False) as response:
                return Answer(
                    status=response.status_code,
                    body=read(response, deadline),
                    retry_after=response.headers.get("Retry-After", ""),
                    correlation_id=_plain(response.headers.get("Mx-Correlation-Id", "none"))[:64],
                )
        except (requests.RequestException, HTTPError, ValueError, TypeError) as error:
            # The last two come from the email package, which reads the head and trips over some content types
            # (python/cpython issue 134151).
            return Answer(status=None, trouble=f"nothing: {type(error).__name__}")


def _nothing(_: requests.Response, __: Deadline) -> bytes:
    """Read nothing, where the status says it all."""
    return b""


def _body(response: requests.Response, deadline: Deadline) -> bytes:
    """Read a body until it ends or is longer than allowed; one that takes too long is the peer's time-out.

    Half a token document is no answer. A refusal is one, also where its body breaks off.
    """
    body = b""
    try:
        while part := response.raw.read1(LONGEST_BODY + 1 - len(body), decode_content=True):
            body += part
            if deadline.seconds_left() <= 0:
                raise requests.Timeout
    except (requests.RequestException, HTTPError):
        if response.status_code == requests.codes.ok:
            raise
    return body


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]", "", text)


def _withheld_if_it_repeats(secrets: Iterable[str], told: str) -> str:
    """Give what a peer told plainly, unless it has a piece of a secret that the peer knows."""
    known = [_plain(secret) for secret in secrets]
    pieces = (secret[start : start + PIECE] for secret in known for start in range(len(secret) - PIECE + 1))
    return "withheld" if any(piece in told for piece in pieces) else told
