"""movieXchange (MX) and Vista's Digital Platform: log in, refresh, try a token, and what the answers mean."""

import base64
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from mx_token_rotator import errors
from mx_token_rotator.settings import Settings
from mx_token_rotator.tokens import AccessToken, Credentials, RefreshToken, json_object
from mx_token_rotator.transport import Answer, World

TRIES = 3
WAITS = (0.5, 1.0)  # seconds before the second and the third try
LONGEST_WAIT = 10.0  # seconds; the next run is soon enough for a longer Retry-After
RECHECK_AFTER = 2.0  # seconds; an API may learn of a new token a little later
DOCUMENTED_LIFETIME = 43_200  # seconds; MX's guide, for an answer without expires_in
LONGEST_LIFETIME = 366 * 24 * 3600  # seconds
USABLE = r"[!-~]{1,16384}"  # hardly a server accepts a longer header
OF_CREDENTIALS, OF_CLIENT_ID = {"invalid_grant", "access_denied"}, {"invalid_client", "unauthorized_client"}
OF_OUTAGES = {"temporarily_unavailable", "server_error", "slow_down"}
OF_REQUEST = {"invalid_request", "unsupported_grant_type", "invalid_scope", "unsupported_response_type"}
KNOWN = OF_CREDENTIALS | OF_CLIENT_ID | OF_OUTAGES | OF_REQUEST  # RFC 6749, sections 4.1.2.1 and 5.2; RFC 8628

Grant = tuple[AccessToken, RefreshToken | None]


@dataclass(frozen=True)
class MovieXchange:
    """The token service and the API of one account."""

    settings: Settings
    world: World

    def log_in(self, client_id: str, credentials: Credentials, *, tries: int = TRIES) -> Grant:
        """Get a token by the password grant (RFC 6749, section 4.3). Raises what `parse_grant` raises."""
        form = {"grant_type": "password", "username": credentials.username, "password": credentials.password}
        try:
            return self._grant(form, tries, client_id, credentials.client_secret, credentials.version_id)
        except errors.CredentialsRejected as rejection:
            rejection.problem += f", read from the secret {self.settings.account}/credentials"
            if spaced := " and ".join(name for name, value in form.items() if value != value.strip(" ")):
                rejection.problem += f"; a space begins or ends {spaced} there"
            raise

    def renew(self, stored: RefreshToken, *, tries: int = TRIES) -> Grant:
        """Get a token by the refresh grant (RFC 6749, section 6). Raises what `parse_grant` raises."""
        form = {"grant_type": "refresh_token", "refresh_token": stored.refresh_token}
        return self._grant(form, tries, stored.client_id, stored.client_secret, stored.credentials_version)

    def verify(self, token: AccessToken, *, is_new: bool = False) -> tuple[bool | None, str]:
        """Try a token at the API, a new one harder; return the verdict, None if there is none, and what was seen."""
        url = self.settings.verification_url(token.client_secret)
        if not url:
            return None, "No token is verified"
        secret = {"MX-Api-Client-Secret": token.client_secret} if token.client_secret else {}
        headers = {"Authorization": f"Bearer {token.access_token}"} | secret
        verdict, seen = judge(self._send(TRIES if is_new else 1, "GET", url, headers, None), url)
        if is_new and verdict is False and self.world.seconds_left() > RECHECK_AFTER:
            self.world.sleep(RECHECK_AFTER)
            verdict, seen = judge(self._send(TRIES, "GET", url, headers, None), url)
        if verdict is None:
            self.world.warn(f"{seen}, which is no verdict on the token")
        return verdict, seen

    def _grant(self, form: dict[str, str], tries: int, client_id: str, client_secret: str, version: str) -> Grant:
        asked_at, url = self.world.clock().replace(microsecond=0), f"{self.settings.auth_url}/connect/token"
        answer = self._send(tries, "POST", url, {}, form | {"client_id": client_id})
        common = {"client_id": client_id, "client_secret": client_secret, "credentials_version": version}
        grant, warnings = parse_grant(answer, asked_at, **common)
        for warning in warnings:
            self.world.warn(warning)
        return grant

    def _send(self, tries: int, *request: Any) -> Answer:  # noqa: ANN401  as `transport.send` takes it
        """Send, and send again what was answered as unavailable or never connected."""
        # Nothing else is sent again: a request that got no answer may have been counted as a log-in.
        answer = self.world.send(*request)
        for wait in WAITS[: tries - 1]:
            pause = max(wait, retry_after(answer.headers.get("Retry-After", ""), self.world.clock()))
            is_retryable = answer.never_connected or (answer.status is not None and is_unavailable(answer))
            if not is_retryable or pause > min(LONGEST_WAIT, self.world.seconds_left()):
                break
            self.world.sleep(pause)
            answer = self.world.send(*request)
        return answer


def judge(answer: Answer, url: str) -> tuple[bool | None, str]:
    """Return what an answer of the API says of the token, None for nothing (a firewall's page), and what was seen."""
    correlation_id = answer.headers.get("Mx-Correlation-Id", "")  # movieXchange's support asks for it
    shown = f", Mx-Correlation-Id {correlation_id}" if re.fullmatch(r"[0-9A-Fa-f-]{1,64}", correlation_id) else ""
    seen = f"The GET of VerifyPath, {url}, got {answer}{shown}"
    is_page = "html" in answer.headers.get("Content-Type", "").lower() or answer.body.lstrip()[:1] == b"<"
    if answer.status in {401, 403} and not is_page:
        return False, seen
    return (True if answer.status is not None and 200 <= answer.status < 300 else None), seen  # noqa: PLR2004


def retry_after(header: str, now: datetime) -> float:
    """Return the seconds that a Retry-After header asks for (RFC 9110, section 10.2.3); 0 if it cannot be read."""
    try:
        return max(0.0, (parsedate_to_datetime(header) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return float(header[:9]) if header.isascii() and header.isdigit() else 0.0


def parse_grant(answer: Answer, asked_at: datetime, **common: Any) -> tuple[Grant, list[str]]:  # noqa: ANN401
    """Return the tokens, with the members `common` in both, and warnings. Raises what `refusal` returns."""
    document, service = json_object(answer.body) or {}, f"movieXchange ({answer.host})"
    if answer.status is None or answer.status // 100 != 2 or _code(document):  # noqa: PLR2004
        raise refusal(answer)
    token, token_type, refresh_token = (document.get(each) for each in ("access_token", "token_type", "refresh_token"))
    if not isinstance(token, str) or not re.fullmatch(USABLE, token):
        raise errors.MovieXchangeMisbehaved(f"{service} gave no JSON object with a usable access_token ({answer})")
    if token_type and str(token_type).strip().lower() != "bearer":
        raise errors.MovieXchangeMisbehaved(f"{service} issued a token whose token_type is not Bearer")
    if not isinstance(refresh_token, str) or not re.fullmatch(r"[ -~]{1,16384}", refresh_token):  # RFC 6749, A.17
        refresh_token = None
    exp, expires_in, warnings = jwt_expiry(token, asked_at), document.get("expires_in"), []
    seconds = DOCUMENTED_LIFETIME if expires_in is None else _seconds(expires_in)
    if seconds < 1:
        raise errors.MovieXchangeMisbehaved(f"{service} issued a token whose expires_in is not a positive number")
    if expires_in is None and not exp:
        warnings = [f"{service} sent no expires_in: the documented {seconds} s are assumed"]
    if seconds > LONGEST_LIFETIME:
        warnings = [f"{service} sent an expires_in of more than 366 days: 366 days are assumed"]
    end = asked_at + timedelta(seconds=min(seconds, LONGEST_LIFETIME))
    expires_at = end if exp is None else exp if expires_in is None else min(end, exp)
    access_token = AccessToken(access_token=token, issued_at=asked_at, expires_at=expires_at, **common)
    return (access_token, RefreshToken(refresh_token=refresh_token, **common) if refresh_token else None), warnings


def refusal(answer: Answer) -> errors.RotatorError:
    """Classify an answer that issues no token: by its OAuth error code whatever the status, else by the status."""
    document, status, service = json_object(answer.body), answer.status or 0, f"movieXchange ({answer.host})"
    code = _code(document or {})
    seen = f"({answer}, {code})" if code else f"({answer})"
    if is_unavailable(answer):
        return errors.MovieXchangeUnavailable(f"{service} is unavailable {seen}")
    if code in OF_CLIENT_ID:
        remedy = "Correct ClientIds and deploy again, or ask movieXchange or Vista about this client ID."
        return errors.CredentialsRejected(f"{service} rejected the client ID {seen}", kind="client ID", remedy=remedy)
    says_why = document and any(document.get(each) for each in ("error", "error_description", "errorDescription"))
    is_refusal = status // 100 == 4 and document is not None and (says_why or status not in {403, 404, 405})  # noqa: PLR2004
    if code in OF_CREDENTIALS or (not code and (status == 401 or is_refusal)):  # noqa: PLR2004
        return errors.CredentialsRejected(f"{service} rejected the user name or password {seen}")
    return errors.MovieXchangeMisbehaved(f"{service} gave neither a token nor a refusal {seen}")


def is_unavailable(answer: Answer) -> bool:
    """Return whether the same request may succeed later."""
    if code := _code(json_object(answer.body) or {}):
        return code in OF_OUTAGES
    if answer.status is None:
        return not answer.is_untrusted
    return answer.status in {408, 425, 429} or answer.status // 100 in {1, 5}


def jwt_expiry(token: str, now: datetime) -> datetime | None:
    """Return the plausible `exp` of a token that is a JWT (RFC 7519, section 4.1.4); no signature is checked."""
    try:
        _, payload, _ = token.split(".")
        exp = (json_object(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))) or {}).get("exp", 0)
    except ValueError:
        return None
    earliest, latest = now.timestamp() + 60, now.timestamp() + LONGEST_LIFETIME
    is_plausible = type(exp) in {int, float} and earliest <= exp <= latest
    return datetime.fromtimestamp(int(exp), tz=now.tzinfo) if is_plausible else None


def _seconds(expires_in: Any) -> int:  # noqa: ANN401
    """Return whole seconds from a number, or from a text that is one; 0 if it is neither."""
    text = str(expires_in).strip()
    return int(min(float(text), LONGEST_LIFETIME + 1)) if re.fullmatch(r"[0-9]+(\.[0-9]*)?(e\+[0-9]+)?", text) else 0


def _code(document: dict[str, Any]) -> str:
    """Return the OAuth error code if it is a known one; any other text could be anything."""
    error = document.get("error")
    code = error.strip().lower() if isinstance(error, str) else ""
    return code if code in KNOWN else ""
