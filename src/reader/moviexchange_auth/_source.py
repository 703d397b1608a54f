"""Keeps a token for threads, tasks and forked processes, with one lock that no caller with a valid token waits for."""

import asyncio
import json
import os
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from functools import partial
from inspect import iscoroutine
from logging import getLogger
from threading import Lock
from typing import Any

import boto3
from botocore.client import BaseClient
from botocore.config import Config

from moviexchange_auth._token import ClientSecretError, Known, Token, parse

AWS_CONFIG = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})
HOLD, PATIENCE, REPORT_INTERVAL = 10.0, 30.0, 60.0  # seconds
logger = getLogger("moviexchange_auth")


@dataclass(eq=False)
class TokenSource:
    """The token in the secret with a name or an ARN, which threads, tasks and forked processes may share.

    A token is kept for `max_age` seconds or a little less, and while Secrets Manager is down until it expires.
    `client` is a session or client of boto3, or any object, also of aioboto3, with get_secret_value and put_events.
    Reports go to `event_bus`, a name or an ARN, by default to the default bus of the secret's account and Region.

    >>> TokenSource("moviexchange/staging/tokens/_Website").headers()
    {'Authorization': 'Bearer an-access-token', 'MX-Api-Client-Secret': 'a-client-secret'}
    """

    secret_id: str
    _: KW_ONLY
    max_age: float = 300.0
    client: Any = field(default=None, repr=False)
    event_bus: str | None = None
    clock: Callable[[], float] = field(default=time.time, repr=False)
    monotonic: Callable[[], float] = field(default=time.monotonic, repr=False)

    def __post_init__(self) -> None:
        """Begin without a token."""
        if not (self.client is None or hasattr(self.client, "client") or hasattr(self.client, "get_secret_value")):
            raise TypeError(f"client is not a session, and has no get_secret_value: {self.client!r}")
        self._known, self._reported = Known(), ("", 0.0)
        self._loop: Any = None
        self._begin()

    def headers(self, *, min_life: float = 0.0) -> dict[str, str]:
        """Return headers that are valid for so many seconds, as in `source.headers()`. Raises TokenError."""
        return self.token(min_life=min_life).headers()

    async def aheaders(self, *, min_life: float = 0.0) -> dict[str, str]:
        """Do what `headers` does, as in `await source.aheaders()`."""
        return (await self.atoken(min_life=min_life)).headers()

    def token(self, *, min_life: float = 0.0) -> Token:
        """Return a token that is valid for so many seconds, as in `source.token(min_life=60)`. Raises TokenError."""
        self._settle(min_life)
        return self._known.hand_out(self.clock(), min_life, self.secret_id)

    async def atoken(self, *, min_life: float = 0.0) -> Token:
        """Do what `token` does, as in `await source.atoken()`."""
        await self._asettle(min_life)
        return self._known.hand_out(self.clock(), min_life, self.secret_id)

    def browser_token(self, *, min_life: float = 0.0) -> dict[str, str | bool]:
        """Return access_token, expires_at, version, and fresh, which says whether it is valid for so many seconds.

        As in `source.browser_token(min_life=3600)["fresh"]`. Raises ClientSecretError, or TokenError.
        """
        self._settle(min_life)
        return self._for_browser(min_life)

    async def abrowser_token(self, *, min_life: float = 0.0) -> dict[str, str | bool]:
        """Do what `browser_token` does, as in `await source.abrowser_token()`."""
        await self._asettle(min_life)
        return self._for_browser(min_life)

    def refused(self, version: str, *, report: bool = True) -> Token | None:
        """After a 401, read again, as in `source.refused(token.version)`, and return another token.

        If there is none, return None, and report the version, at most once a minute.
        """
        self._settle(0.0, version)
        with self._lock:
            known, now, (reported, at) = self._known, self.monotonic(), self._reported
            is_current = known.token is not None and known.token.version == version and known.failure is None
            is_due = report and is_current and (reported != version or now >= at + REPORT_INTERVAL)
            self._reported = (version, now) if is_due else self._reported
        if known.token and is_due:
            self._report(known.token)
        return known.token if known.serves(self.clock(), 0.0, version) else None

    async def arefused(self, version: str, *, report: bool = True) -> Token | None:
        """Do what `refused` does, as in `await source.arefused(token.version)`."""
        newer: Token | None = await self._in_thread(partial(self.refused, version, report=report))
        return newer

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[()]]:
        """Copy or pickle how it was made."""
        if self.client is not None:
            raise TypeError("A TokenSource with a client cannot be copied or pickled: share it, or make another one")
        return partial(TokenSource, **{each.name: getattr(self, each.name) for each in fields(self)}), ()

    def _begin(self) -> None:
        """Make what a process cannot have from the one that forked it."""
        self._pid, self._lock, self._clients = os.getpid(), Lock(), dict[tuple[str, str], Any]()
        self._threads = ThreadPoolExecutor(2, "moviexchange-auth")
        if isinstance(self.client, BaseClient):
            self.client.close()  # its connections; it makes others

    def _needs_read(self, min_life: float, refused: str = "") -> bool:
        if self._pid != os.getpid():
            self._begin()
        return self._known.needs_read(self.clock(), self.monotonic(), min_life, refused)

    def _settle(self, min_life: float, refused: str = "") -> None:
        if not self._needs_read(min_life, refused):
            return
        if self._lock.acquire(blocking=not self._known.serves(self.clock(), min_life, refused)):
            try:
                if self._needs_read(min_life, refused):  # no other caller has read meanwhile
                    self._known = self._read()
                    if self._needs_read(min_life, refused):  # reading did not help
                        self._known = replace(self._known, hold_until=self.monotonic() + HOLD)
            finally:
                self._lock.release()

    async def _asettle(self, min_life: float) -> None:
        if self._needs_read(min_life):
            await self._in_thread(partial(self._settle, min_life))

    async def _in_thread(self, call: Callable[[], Any]) -> Any:  # noqa: ANN401  what the call returns
        self._loop = asyncio.get_running_loop()
        return await self._loop.run_in_executor(self._threads, call)

    def _read(self) -> Known:
        keep = self.max_age * random.uniform(0.9, 1.0)  # noqa: S311  not a secret
        try:
            answer = self._call("secretsmanager", self.secret_id, "get_secret_value", SecretId=self.secret_id)
            return Known(parse(answer, self.secret_id), None, self.monotonic() + keep)
        except Exception as failure:  # noqa: BLE001  an application's client may raise anything
            logger.warning("The secret %s cannot be read: %s", self.secret_id, failure)
            return replace(self._known, failure=failure.with_traceback(None))  # its frames have the secret's value

    def _report(self, token: Token) -> None:
        arn = token.secret_arn.split(":")
        bus = self.event_bus or (
            f"{arn[0]}:{arn[1]}:events:{arn[3]}:{arn[4]}:event-bus/default" if arn[1:] else "default"
        )
        entry = {"Source": token.secret_name, "DetailType": "Access Token Rejected", "EventBusName": bus}
        entry["Detail"] = json.dumps({"version_id": token.version})
        try:
            place = bus if bus.startswith("arn:") else token.secret_arn
            answer = self._call("events", place, "put_events", Entries=[entry])
            failure = answer["FailedEntryCount"] and answer["Entries"][0]["ErrorCode"]
        except Exception as error:  # noqa: BLE001  as above
            failure = error
        if failure:
            self._reported = "", 0.0
            logger.warning("Version %s of %s cannot be reported: %s", token.version, token.secret_name, failure)
        else:
            logger.info("Version %s of %s was reported as refused", token.version, token.secret_name)

    def _call(self, service: str, place: str, method: str, **arguments: object) -> Any:  # noqa: ANN401  as boto3's
        region = place.split(":")[3] if place.startswith("arn:") else None
        if hasattr(self.client, method):
            client = self.client
        elif not (client := self._clients.get((service, str(region)))):
            session: Any = self.client if hasattr(self.client, "client") else boto3.Session()
            client = self._clients[service, str(region)] = session.client(service, region, config=AWS_CONFIG)
        answer = getattr(client, method)(**arguments)
        if not iscoroutine(answer):
            return answer
        if self._loop is None:
            answer.close()
            raise TypeError("the client is asynchronous; call the methods whose names begin with an a")
        return asyncio.run_coroutine_threadsafe(answer, self._loop).result(PATIENCE)

    def _for_browser(self, min_life: float) -> dict[str, str | bool]:
        now = self.clock()
        token = self._known.hand_out(now, 0.0, self.secret_id)
        if token.client_secret:
            raise ClientSecretError(f"The token in {self.secret_id} has a client secret, so no browser may have it")
        until, is_fresh = f"{token.expires_at:%Y-%m-%dT%H:%M:%SZ}", self._known.serves(now, min_life)
        return {"access_token": token.access_token, "expires_at": until, "version": token.version, "fresh": is_fresh}
