"""An application for the tests: it calls a stand-in of the API over TLS, and moto's AWS, at times a test chooses."""

import asyncio
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import boto3
import httpx
import requests
from botocore.exceptions import EndpointConnectionError

import moviexchange_auth.httpx
import moviexchange_auth.requests
from moviexchange_auth import TokenSource
from tools.local.mx import CHAINS_PATH, Issued, MovieXchangeStandIn

SECRET = "moviexchange/staging/tokens/_Website"
STARTED = datetime(2026, 11, 24, 2, tzinfo=UTC)
FAR_FUTURE = 10**12
HEADERS = ("Authorization", "MX-Api-Client-Secret")
LIBRARIES = ("requests", "httpx", "httpx under asyncio")


def rfc_3339(moment: datetime) -> str:
    """Write a time as the token document does."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class App:
    """A record of an application's calls of AWS, which can be made to fail, and two clocks."""

    mx: MovieXchangeStandIn
    aws: boto3.Session
    bundle: str = ""
    library: str = ""
    now: datetime = STARTED
    monotonic: float = 5000.0
    calls: list[str] = field(default_factory=list)
    reports: list[dict[str, str]] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    is_aws_down: bool = False
    refuses_reports: bool = False
    before_a_read: Callable[[], None] = lambda: None
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        """Make the secret, still empty, watch the calls, and give the package both clocks."""
        clocks = SimpleNamespace(time=self.clock, monotonic=lambda: self.monotonic)
        self.clocks = patch.object(moviexchange_auth, "time", clocks)
        self.clocks.start()
        self.secrets = self.aws.client("secretsmanager")  # not watched
        self.arn = self.secrets.create_secret(Name=SECRET)["ARN"]
        self.source = self.make_source()
        self.aws.events.register("before-call", self.record)
        self.session.verify, self.session.trust_env = self.bundle, False

    def remove(self) -> None:
        """Leave nothing to the next test."""
        self.clocks.stop()
        self.session.close()
        self.aws.events.unregister("before-call", self.record)
        self.secrets.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)

    def make_source(self, secret_id: str = SECRET, **options: Any) -> TokenSource:  # noqa: ANN401  those of TokenSource
        """Return a TokenSource of this application."""
        return TokenSource(secret_id, **({"client": self.aws} | options))

    def clock(self) -> float:
        """Return the time since the epoch."""
        return self.now.timestamp()

    def advance(self, seconds: float) -> None:
        """Move both clocks on."""
        self.now, self.monotonic = self.now + timedelta(seconds=seconds), self.monotonic + seconds

    def publish(self, access_token: str, *, is_accepted: bool = True, lifetime: timedelta = timedelta(hours=12)) -> str:
        """Put a token document into the secret and return its version; the API accepts the token if `is_accepted`."""
        document = {
            "access_token": access_token,
            "token_type": "Bearer",
            "client_secret": self.mx.client_secret,
            "client_id": "_Website",
            "issued_at": rfc_3339(self.now),
            "expires_at": rfc_3339(self.now + lifetime),
            "credentials_version": "a-version",
            "verified": None,
        }
        if is_accepted:
            self.mx.access_tokens[access_token] = Issued("_Website", FAR_FUTURE)
        return self.put(json.dumps(document))

    def put(self, text: str) -> str:
        """Put a value into the token secret."""
        answer = self.secrets.put_secret_value(SecretId=SECRET, SecretString=text)
        self.calls.clear()
        return answer["VersionId"]

    def record(self, model: Any, params: Any, **_: object) -> None:  # noqa: ANN401  botocore's
        """Record a call of AWS before it is sent, and fail it if AWS is down."""
        self.calls.append(model.name)
        if self.is_aws_down and model.name in {"GetSecretValue", "PutEvents"}:
            raise EndpointConnectionError(endpoint_url="aws")
        if model.name == "PutEvents":
            self.reports += json.loads(params["body"])["Entries"]
            self.urls.append(params["url"])
            if self.refuses_reports:
                raise EndpointConnectionError(endpoint_url="events")
        if model.name == "GetSecretValue":
            self.before_a_read()

    @property
    def host(self) -> str:
        """The API's host, with its port."""
        return urlsplit(self.mx.url).netloc

    @property
    def elsewhere(self) -> str:
        """A URL of another host, which is the same stand-in."""
        return self.mx.url.replace("127.0.0.1", "localhost") + CHAINS_PATH

    def authenticate(self, **options: Any) -> None:  # noqa: ANN401  those of MovieXchangeAuth
        """Make the library's MovieXchangeAuth, for this API unless a test chooses."""
        module: Any = moviexchange_auth.requests if self.library == "requests" else moviexchange_auth.httpx
        self.auth = module.MovieXchangeAuth(self.source, **({"api_hosts": self.host} | options))
        self.session.auth = self.auth

    def call(self, method: str = "GET", url: str = "", **body: Any) -> int:  # noqa: ANN401  the libraries' arguments
        """Call the API with the library, following redirects, and return the status of the answer."""
        url = url or f"{self.mx.url}{CHAINS_PATH}"
        if self.library == "requests":
            return self.session.request(method, url, timeout=10, **body).status_code
        trust = ssl.create_default_context(cafile=self.bundle)
        options: Any = {"auth": self.auth, "verify": trust, "trust_env": False, "follow_redirects": True, "timeout": 10}
        if self.library == "httpx":
            with httpx.Client(**options) as client:
                return client.request(method, url, **body).status_code

        async def call() -> int:
            async with httpx.AsyncClient(**options) as client:
                return (await client.request(method, url, **body)).status_code

        return asyncio.run(call())

    def sent(self) -> list[tuple[str | None, ...]]:
        """Return both headers of each request that arrived."""
        return [tuple(each.headers[name] for name in HEADERS) for each in self.mx.requests]
