"""For applications: add the headers of a published token to each request to movieXchange's or Vista's API."""

import json
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any
from urllib.parse import urljoin

import boto3
import requests
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from requests.auth import AuthBase

__all__ = ["MovieXchangeAuth"]

API_HOSTS = ("api.moviexchange.com", "staging-api.moviexchange.com")
AWS_CONFIG = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})
READ_INTERVAL_AT_401, READ_INTERVAL_AFTER_FAILURE, REPORT_INTERVAL = 1.0, 10.0, 60.0  # seconds


@dataclass(frozen=True, repr=False)
class _Token:
    version_id: str
    headers: dict[str, str]
    expires_at: float

    @classmethod
    def parse(cls, text: str, *, version_id: str, secret: str) -> "_Token":
        """Parse a token secret's value. Raises ValueError, whose message has nothing of the value in it."""
        try:
            document = json.loads(text)
            headers = {"Authorization": "Bearer " + document["access_token"]}
            # Vista's Digital Platform has no client secret: the value is empty, and Authorization is sent alone.
            if client_secret := document["client_secret"]:
                headers["MX-Api-Client-Secret"] = client_secret
            expires_at = datetime.strptime(document["expires_at"], "%Y-%m-%dT%H:%M:%S%z").timestamp()
        except (ValueError, TypeError, KeyError):
            raise ValueError(
                f"The secret {secret} does not contain a token. Look for the last error of mx-token-rotator."
            ) from None
        return cls(version_id, headers, expires_at)


class MovieXchangeAuth(AuthBase):
    """Add the token's headers to HTTPS requests to the API hosts, and to no others, also after a redirect.

    The secret's value is kept for `max_age` seconds. While Secrets Manager is unavailable, the kept token is used until
    it expires. After a 401 the secret is read again. If it has another version, the request is repeated once, unless
    its body is a stream. If not, the version is reported to mx-token-rotator, at most once a minute, and the
    application gets the 401. Threads may share an instance.

    A request raises ValueError or an exception of botocore's if no valid token can be had.
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
        """Accept the token secret's name or ARN, and the hosts as in a URL, with the port unless it is 443."""
        make_client = (session or boto3.Session()).client
        self._secrets_manager = make_client("secretsmanager", config=AWS_CONFIG)
        self._events = make_client("events", config=AWS_CONFIG)
        self._api_urls = tuple(f"https://{host}/" for host in api_hosts)
        self._secret_id, self._max_age, self._clock = secret_id, max_age, clock
        self._lock = Lock()
        self._token: _Token | None = None
        self._keep_until = self._read_at_401 = self._reported_at = -REPORT_INTERVAL

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the headers, and a hook that handles a 401."""
        if str(request.url).startswith(self._api_urls):
            token = self._current_token()
            request.headers.update(token.headers)
            request.register_hook("response", lambda answer, **how: self._handle(token, answer, **how))  # type: ignore[no-untyped-call]
        return request

    def _handle(self, token: _Token, answer: requests.Response, **how: Any) -> requests.Response:  # noqa: ANN401
        request = answer.request
        if answer.is_redirect and not urljoin(answer.url, answer.headers["Location"]).startswith(self._api_urls):
            for header in token.headers:  # requests itself would remove Authorization only
                request.headers.pop(header, None)
        is_refused = answer.status_code == requests.codes.unauthorized and answer.url.startswith(self._api_urls)
        newer = self._token_after_401(token) if is_refused else token
        if newer.version_id == token.version_id or not isinstance(request.body, str | bytes | None):
            return answer
        _ = answer.content  # read to its end, so that the connection can be reused
        repeated = request.copy()
        for header in token.headers:
            repeated.headers.pop(header, None)
        repeated.headers.update(newer.headers)
        second: requests.Response = answer.connection.send(repeated, **how)
        second.history.append(answer)
        return second

    def _current_token(self) -> _Token:
        token = self._token
        if token and self._clock() < min(self._keep_until, token.expires_at):
            return token
        with self._lock:
            token = self._token if self._token and self._token is not token else self._read(token)
        if self._clock() >= token.expires_at:
            raise ValueError(
                f"The token in the secret {self._secret_id} has expired. Look for the last error of mx-token-rotator."
            )
        return token

    def _token_after_401(self, refused: _Token) -> _Token:
        with self._lock:
            token, now = self._token or refused, self._clock()
            if token.version_id == refused.version_id and now >= self._read_at_401 + READ_INTERVAL_AT_401:
                self._read_at_401 = now
                token = self._read(token, refused_version=token.version_id)
            return token

    def _read(self, kept: _Token | None, refused_version: str = "") -> _Token:
        """Read the secret, and report a refused version that is still current. Return `kept` if reading fails."""
        now = self._clock()
        self._keep_until = now + READ_INTERVAL_AFTER_FAILURE  # meanwhile other threads use the token that they have
        try:
            answer = self._secrets_manager.get_secret_value(SecretId=self._secret_id)
            name, version_id = answer["Name"], answer["VersionId"]
            token = _Token.parse(answer.get("SecretString", ""), version_id=version_id, secret=name)
            if version_id == refused_version and now >= self._reported_at + REPORT_INTERVAL:
                self._reported_at = now
                entry: Any = {"Source": name, "DetailType": "Access Token Rejected"}
                self._events.put_events(Entries=[entry | {"Detail": json.dumps({"version_id": version_id})}])
        except (BotoCoreError, ClientError, ValueError) as failure:
            if kept is None or now >= kept.expires_at:
                raise
            logging.getLogger(__name__).warning("%s: %s", self._secret_id, type(failure).__name__)
            return kept
        self._token = token
        self._keep_until = now + self._max_age
        return token
