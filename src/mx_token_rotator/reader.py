"""For applications: movieXchange's headers on each request, out of the token secret. No part of the function."""

import json
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from threading import Lock
from typing import Any
from urllib.parse import urljoin

import boto3
import requests
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from requests.auth import AuthBase

from mx_token_rotator.tokens import AccessToken

API_HOSTS = ("api.moviexchange.com", "staging-api.moviexchange.com")
PATIENCE = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})
LOOK_EVERY, PAUSE, REPORT_EVERY = 1.0, 10.0, 60.0  # seconds: at 401s, after a failure, of 401s that stay


@dataclass(frozen=True, repr=False)
class _Version:
    id: str
    headers: dict[str, str]
    ends_at: float


class MovieXchangeAuth(AuthBase):
    """Sets both headers on HTTPS requests to movieXchange's API hosts, and on no others, also after a redirect.

    What was read is kept for `max_age` seconds. While Secrets Manager is away, it is used until its token ends.
    At a 401 the secret is read again: if it has another version, the request is sent once more, unless its body is a
    stream; if not, the rotator is told, and the application gets the 401. Threads may share one of these.
    Raises ValueError or botocore's errors, if there is no valid token at hand.
    """

    def __init__(
        self,
        secret_id: str,
        *,
        api_hosts: Collection[str] = API_HOSTS,
        max_age: float = 300.0,
        session: boto3.Session | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take the secret's name or ARN, and hosts as they stand in a URL, with a port that is not HTTPS's own."""
        make = (session or boto3.Session()).client
        self._secrets_manager, self._events = make("secretsmanager", config=PATIENCE), make("events", config=PATIENCE)
        self._apis = tuple(f"https://{host}/" for host in api_hosts)
        self._secret_id, self._max_age, self._clock = secret_id, max_age, clock
        self._reading = Lock()
        self._version: _Version | None = None
        self._good_until = self._looked_at = self._reported_at = -REPORT_EVERY

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the headers, and watch for what comes of them."""
        if str(request.url).startswith(self._apis):
            version = self._current()
            request.headers.update(version.headers)
            request.register_hook("response", lambda answer, **how: self._watch(version, answer, **how))  # type: ignore[no-untyped-call]
        return request

    def _watch(self, version: _Version, answer: requests.Response, **how: Any) -> requests.Response:  # noqa: ANN401
        request = answer.request
        if answer.is_redirect and not urljoin(answer.url, answer.headers["Location"]).startswith(self._apis):
            for header in version.headers:  # requests would take the client secret along
                request.headers.pop(header, None)
        is_refused = answer.status_code == requests.codes.unauthorized and answer.url.startswith(self._apis)
        newer = self._after_a_401(version) if is_refused else version
        if newer.id == version.id or not isinstance(request.body, str | bytes | None):
            return answer
        _ = answer.content  # so that its connection can be used
        again = request.copy()
        again.headers.update(newer.headers)
        second: requests.Response = answer.connection.send(again, **how)
        second.history.append(answer)
        return second

    def _current(self) -> _Version:
        version = self._version
        if version and self._clock() < min(self._good_until, version.ends_at):
            return version
        with self._reading:
            return self._version if self._version and self._version is not version else self._read(version)

    def _after_a_401(self, refused: _Version) -> _Version:
        with self._reading:
            version, now = self._version or refused, self._clock()
            if version.id == refused.id and now >= self._looked_at + LOOK_EVERY:
                self._looked_at = now
                version = self._read(version, report=version.id)
            return version

    def _read(self, at_hand: _Version | None, report: str = "") -> _Version:
        now = self._clock()
        self._good_until = now + PAUSE  # other threads with a valid token need not wait
        try:
            answer = self._secrets_manager.get_secret_value(SecretId=self._secret_id)
            name, version_id = answer["Name"], answer["VersionId"]
            token = AccessToken.parse(answer.get("SecretString", ""), client_id=name.rpartition("/")[2])
            if token is None:
                raise ValueError(f"{name} holds no token: look for the last error of its rotator")  # noqa: TRY301
            if version_id == report and now >= self._reported_at + REPORT_EVERY:
                self._reported_at = now
                entry: Any = {"Source": name, "DetailType": "Access Token Rejected"}
                self._events.put_events(Entries=[entry | {"Detail": json.dumps({"version_id": report})}])
        except (BotoCoreError, ClientError, ValueError) as failure:
            if at_hand is None or now >= at_hand.ends_at:
                raise
            logging.getLogger(__name__).warning("%s: %s", self._secret_id, type(failure).__name__)
            return at_hand
        self._version = _Version(version_id, token.headers(), token.expires_at.timestamp())
        self._good_until = now + self._max_age
        return self._version
