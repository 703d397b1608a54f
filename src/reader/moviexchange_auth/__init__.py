"""For applications: the access token that mx-token-rotator keeps in a secret. README.md shows how to use it."""

import asyncio
import json
import os
import random
import re
import time
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from functools import cache, partial, wraps
from logging import INFO, WARNING, getLogger
from threading import Lock
from typing import Any, Concatenate, NoReturn, ParamSpec, TypeVar

import boto3
from botocore.client import BaseClient, Config

_EARLY, _HOLD, _PATIENCE, _MINUTE = 120.0, 10.0, 30.0, 60.0  # seconds
_CONFIG = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})
_HTTPS_URL = re.compile(r"(?ais)https://([a-z0-9_.-]*[a-z0-9_]|\[[0-9a-f:.]+\])(?::(\d+))?([/?#].*)?")
_NAMES, _UNAUTHORIZED = ("authorization", "mx-api-client-secret"), 401
_P = ParamSpec("_P")
_T = TypeVar("_T")
_logger = getLogger(__name__)


class TokenError(Exception):
    """No token has the remaining lifetime that was asked for. The message says why, and what to do."""


class ClientSecretError(TokenError):
    """The token is used with a client secret, so no browser may have it."""


@dataclass(frozen=True)
class Token:
    """A published token, as in `source.token().version`. Its repr shows neither the token nor the client secret."""

    access_token: str = field(repr=False)
    client_secret: str = field(repr=False)
    expires_at: datetime
    version: str

    def headers(self) -> dict[str, str]:
        """Return both headers, or Authorization alone without a client secret, as in `source.token().headers()`."""
        headers = {"Authorization": f"Bearer {self.access_token}", "MX-Api-Client-Secret": self.client_secret}
        return {name: value for name, value in headers.items() if value}


def _parse(answer: dict[str, Any]) -> Token:
    """Read an answer of GetSecretValue. Raises ValueError, whose text has nothing of the secret's value in it."""
    try:
        document = json.loads(answer["SecretString"])
        texts = document["access_token"] + "", document["client_secret"] + ""  # anything else is a TypeError
        return Token(*texts, datetime.strptime(document["expires_at"], "%Y-%m-%dT%H:%M:%S%z"), answer["VersionId"])
    except (ValueError, TypeError, KeyError):
        raise ValueError("it contains no token; look for the last error of mx-token-rotator") from None


def _twin(method: Callable[Concatenate[Any, _P], _T]) -> Callable[Concatenate[Any, _P], Coroutine[Any, Any, _T]]:
    """Make the twin of a method, as in `await source.atoken(min_life=60)`, which does the same in a thread."""

    @wraps(method)
    async def twin(self: "TokenSource", /, *given: _P.args, **named: _P.kwargs) -> _T:
        self._notice_fork()
        self._loop = loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(method, self, *given, **named))

    return twin


class TokenSource:
    """The token in the secret with a name or an ARN, which threads, tasks and forked processes may share.

    A token is kept for `max_age` seconds or a little less, and while Secrets Manager is down until it expires.
    `client` is a session or a client of boto3, a client of aioboto3, or any object with the same two calls.
    Reports go to `event_bus`, a name or an ARN, by default to the default bus of the secret's account and Region.

    >>> TokenSource("moviexchange/staging/tokens/_Website").headers()
    {'Authorization': 'Bearer an-access-token', 'MX-Api-Client-Secret': 'a-client-secret'}
    """

    def __init__(
        self, secret_id: str, *, max_age: float = 300.0, client: object = None, event_bus: str | None = None
    ) -> None:
        """Begin without a token."""
        if not (client is None or hasattr(client, "client") or hasattr(client, "get_secret_value")):
            raise TypeError(f"client is not a session, and has no get_secret_value: {client!r}")
        self.secret_id, self.max_age, self.event_bus, self._client = secret_id, max_age, event_bus, client
        self._loop: Any = None
        self._token: Token | None = None
        self._failure: Exception | None = None
        self._keep_until, self._hold_until, self._report_after, self._pid = 0.0, 0.0, dict[str, float](), 0
        self._notice_fork()

    def headers(self, *, min_life: float = 0.0) -> dict[str, str]:
        """Return headers that are valid for so many seconds, as in `source.headers()`. Raises TokenError."""
        return self.token(min_life=min_life).headers()

    def token(self, *, min_life: float = 0.0) -> Token:
        """Return a token that is valid for so many seconds, as in `source.token(min_life=60)`. Raises TokenError."""
        if token := self._settle(min_life):
            return token
        state = f"expires at {self._token.expires_at:%Y-%m-%dT%H:%M:%SZ}" if self._token else "cannot be read"
        reason = self._failure or "look for the last error of mx-token-rotator"
        raise TokenError(f"The token in the secret {self.secret_id} {state}: {reason}") from self._failure

    def browser_token(self, *, min_life: float = 0.0) -> dict[str, str | bool]:
        """Return JSON; `source.browser_token(min_life=60)["fresh"]` says if so much time is left. Raises TokenError."""
        is_fresh, token = self._settle(min_life) is not None, self.token()
        if token.client_secret:
            raise ClientSecretError(f"The token in {self.secret_id} has a client secret, so no browser may have it")
        until = f"{token.expires_at:%Y-%m-%dT%H:%M:%SZ}"
        return {"access_token": token.access_token, "expires_at": until, "version": token.version, "fresh": is_fresh}

    def refused(self, version: str, *, report: bool = True) -> Token | None:
        """After a 401, read again, and return another token or report this one: `source.refused(token.version)`."""
        newer = self._settle(0.0, version)
        if report and not newer:
            self._report(version)
        return newer

    aheaders = _twin(headers)
    atoken = _twin(token)
    abrowser_token = _twin(browser_token)
    arefused = _twin(refused)

    def __reduce__(self) -> NoReturn:
        """Refuse copies, which would read and report apart."""
        raise TypeError("A TokenSource cannot be copied or pickled: share it, or make another one")

    def _notice_fork(self) -> None:
        """Make what a process cannot have from the one that forked it."""
        if self._pid == os.getpid():
            return
        if self._pid and isinstance(self._client, BaseClient):
            self._client.close()  # its connections; it makes others
        make_client = getattr(self._client, "client", None) or (lambda *of, **how: boto3.Session().client(*of, **how))
        self._client_of = cache(partial(make_client, config=_CONFIG))
        self._pid, self._lock, self._threads = os.getpid(), Lock(), ThreadPoolExecutor(32, "moviexchange-auth")

    def _decide(self, min_life: float, refused: str) -> tuple[Token | None, bool]:
        """Return the kept token if it has so much time left and is not refused, and whether to read the secret."""
        token, now = self._token, time.monotonic()
        left = token.expires_at.timestamp() - time.time() if token and token.version != refused else 0.0
        is_kept = now < self._keep_until and left >= max(min_life, _EARLY)  # the clock may be wrong by so much
        return token if left > 0 and left >= min_life else None, not is_kept and now >= self._hold_until

    def _settle(self, min_life: float, refused: str = "") -> Token | None:
        """Read if need be, and return what `_decide` does. Who has a token does not wait for another caller's read."""
        self._notice_fork()
        usable, is_due = self._decide(min_life, refused)
        if is_due and self._lock.acquire(blocking=not usable):
            try:
                if self._decide(min_life, refused)[1]:  # no other caller has read meanwhile
                    self._read(max(min_life, _EARLY), refused)
            finally:
                self._lock.release()
        return self._decide(min_life, refused)[0]

    def _read(self, min_life: float, refused: str) -> None:
        try:
            answer = self._call("secretsmanager", self.secret_id, "get_secret_value", SecretId=self.secret_id)
            self._token, self._arn, self._name, self._failure = _parse(answer), answer["ARN"], answer["Name"], None
            self._keep_until = time.monotonic() + self.max_age * random.uniform(0.9, 1.0)  # noqa: S311  not a secret
        except Exception as failure:  # noqa: BLE001  an application's client may raise anything
            _logger.warning("The secret %s cannot be read: %s", self.secret_id, failure)
            self._keep_until, self._failure = 0.0, failure.with_traceback(None)  # its frames have the secret's value
        self._hold_until = time.monotonic() + (_HOLD if self._failure or not self._decide(min_life, refused)[0] else 0)

    def _report(self, version: str) -> None:
        with self._lock:
            token, now = self._token, time.monotonic()
            if not token or token.version != version or self._failure or now < self._report_after.get(version, now):
                return
            self._report_after[version] = now + _MINUTE
        bus = self.event_bus or re.sub(":secretsmanager:(.+):secret:.+", r":events:\1:event-bus/default", self._arn)
        entry = {"Source": self._name, "DetailType": "Access Token Rejected", "EventBusName": bus}
        entry["Detail"] = json.dumps({"version_id": version})
        try:
            answer = self._call("events", bus if bus[:4] == "arn:" else self._arn, "put_events", Entries=[entry])
            failure = answer["FailedEntryCount"] and answer["Entries"][0]["ErrorCode"]
        except Exception as error:  # noqa: BLE001  as above
            failure = error
        self._report_after[version] = now + (_HOLD if failure else _MINUTE)
        result = f"cannot be reported: {failure}" if failure else "was reported as refused"
        _logger.log(WARNING if failure else INFO, "Version %s of %s %s", version, self.secret_id, result)

    def _call(self, service: str, place: str, method: str, **arguments: object) -> Any:  # noqa: ANN401  as boto3's
        region = place.split(":")[3] if place.startswith("arn:") else None
        client = self._client if hasattr(self._client, method) else self._client_of(service, region)
        loop, answer = self._loop, getattr(client, method)(**arguments)
        if asyncio.iscoroutine(answer):  # a client of aioboto3 belongs to the loop of the application
            return asyncio.run_coroutine_threadsafe(answer, loop).result(_PATIENCE) if loop else asyncio.run(answer)
        return answer


def _origin_of(url: str) -> str:
    """Return host:port of an HTTPS URL, and nothing for any other, or where parsers might disagree."""
    found = _HTTPS_URL.fullmatch(url)
    return f"{found[1].lower()}:{int(found[2] or 443)}" if found else ""


def _sign(request: Any, token: Token | None) -> Any:  # noqa: ANN401  of either library
    """Replace the headers of a token by those of another or of none, and return the request."""
    for name in _NAMES:
        request.headers.pop(name, None)
    request.headers.update(token.headers() if token else {})
    return request


def _can_resend(bodies: Iterable[Any], position: Any = 0) -> bool:  # noqa: ANN401  of either library
    """Rewind the files among bodies, and return whether all can be sent again."""
    try:
        return all(isinstance(each, str | bytes | bytearray | None) or each.seek(position) != -1 for each in bodies)
    except (AttributeError, TypeError, OSError):  # a stream
        return False


@dataclass(eq=False)
class _HostRules:
    secret: str | TokenSource
    _: KW_ONLY
    api_hosts: str | Iterable[str] = ("api.moviexchange.com", "staging-api.moviexchange.com")
    event_bus: str | None = None
    should_report: Callable[[Any], bool] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.secret, TokenSource) and self.event_bus:
            raise TypeError("Give event_bus to the TokenSource")
        secret, hosts = self.secret, [self.api_hosts] if isinstance(self.api_hosts, str) else self.api_hosts
        self.source = secret if isinstance(secret, TokenSource) else TokenSource(secret, event_bus=self.event_bus)
        urls = [text.strip() if "://" in text else f"https://{text.strip()}" for text in hosts]
        if not urls or not all(found and found[3] in {None, "/"} for found in map(_HTTPS_URL.fullmatch, urls)):
            raise ValueError(f"api_hosts are names of HTTPS hosts, such as api.example.com, and not {self.api_hosts!r}")
        self._origins, self._accepted_until = set(map(_origin_of, urls)), dict[tuple[str, str], float]()

    def _is_api(self, url: str) -> bool:
        if (origin := _origin_of(url)) not in self._origins:
            _logger.debug("No headers for %s: api_hosts are %s", origin or "HTTP", self._origins)
        return origin in self._origins

    def _verdict(self, token: Token | None, answer: Any) -> bool | None:  # noqa: ANN401  of either library
        """Return None unless the answer refuses this token, and otherwise whether that is a reason to report it."""
        if token is None or answer.request.headers.get("Authorization") != token.headers()["Authorization"]:
            return None
        key, now = (_origin_of(str(answer.request.url)), token.version), time.monotonic()
        if answer.status_code in range(200, 300):
            self._accepted_until[key] = now + _MINUTE
        if answer.status_code != _UNAUTHORIZED:
            return None
        return now >= self._accepted_until.get(key, now) and (not self.should_report or self.should_report(answer))
