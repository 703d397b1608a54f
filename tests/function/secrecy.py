"""Canaries in the place of every secret, and what is done with them: the same cases for every entry point."""

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler

from tests.function.fakes import CLIENT_ID
from tests.function.function import queue_event
from tools.local.faults import Fault, answer, cut_off, down, wire


def canary(kind: str) -> str:
    """Make up a secret that is clearly not a real one, and that nothing else resembles."""
    digits = hashlib.sha256(kind.encode()).hexdigest()
    return "-".join(["tweet", *(digits[start : start + 4] for start in range(0, 20, 4))])


KINDS = ("username", "password", "client_secret", "access_token", "refresh_token", "published_token", "stored_token")
CANARIES = {kind: canary(kind) for kind in KINDS}
USERNAME, PASSWORD, CLIENT_SECRET, TOKEN, _, PUBLISHED_TOKEN, STORED_TOKEN = CANARIES.values()
REFUSAL = f"Access to KMS is not allowed. The request was {json.dumps(CANARIES)}"
"""Secrets Manager's message, which quotes what was sent."""

# The documents in the secrets

Document = dict[str, object]

ACCOUNT = "canaries/staging"
TOKENS, REFRESH_TOKENS = f"tokens/{CLIENT_ID}", f"refresh-tokens/{CLIENT_ID}"
VERSION = "11111111-2222-4333-8444-555555555555"
"""The id of the first version of every secret."""
NOW = datetime.now(UTC).replace(microsecond=0)
CREDENTIALS: Document = {"username": USERNAME, "password": PASSWORD, "client_secret": CLIENT_SECRET}
COMMON: Document = {"client_secret": CLIENT_SECRET, "client_id": CLIENT_ID, "credentials_version": VERSION}
STORED: Document = {"refresh_token": STORED_TOKEN, **COMMON}
PUBLISHED: Document = {
    "access_token": PUBLISHED_TOKEN,
    "token_type": "Bearer",
    "issued_at": (NOW - timedelta(hours=1)).isoformat(),
    "expires_at": (NOW + timedelta(hours=11)).isoformat(),
    "verified": None,
    **COMMON,
}
EXPIRED: Document = PUBLISHED | {"issued_at": "2020-01-01T00:00:00Z", "expires_at": "2020-01-01T12:00:00Z"}
NO_PASSWORD: Document = CREDENTIALS | {"password": f"{PASSWORD}\n"}


def spoilt(document: Document) -> Iterator[str | bytes]:
    """Yield a document as somebody may have spoilt it, with secrets in places where nobody expects them."""
    text = json.dumps(document)
    yield from (PASSWORD, json.dumps([document]), json.dumps(text), text[:-3], text.encode(), text.encode("utf-16"))
    yield json.dumps({**document, PASSWORD: CANARIES})
    for member, value in document.items():
        for change in (PASSWORD, CANARIES, f"{value}\n{PASSWORD}", f"{value}\ud800{PASSWORD}"):
            yield json.dumps({**document, member: change})


# What movieXchange answers

GRANT: Document = {"token_type": "Bearer", "expires_in": 43200, **CANARIES}
ERROR: Document = {"error": PASSWORD, "error_description": USERNAME, "errorDescription": USERNAME, **CANARIES}
PAYLOAD = urlsafe_b64encode(json.dumps({"exp": NOW.timestamp() + 9000, "sub": USERNAME}).encode()).decode().rstrip("=")


def echo(code: int, body: object = ERROR, *, correlation_id: str = TOKEN) -> Fault:
    """Answer with secrets in the status text, in the headers, in a line of the head that is none, and in the body."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [
        f"HTTP/1.1 {code} {PASSWORD}",
        f"Content-Length: {len(content)}",
        f"Content-Type: application/json; charset={USERNAME}",
        f"Mx-Correlation-Id: {correlation_id}",
        f"Location: http://{USERNAME}:{PASSWORD}@{CLIENT_SECRET}.example/{TOKEN}",
        f"Set-Cookie: {USERNAME}={PASSWORD}",
        f"WWW-Authenticate: Bearer error={PASSWORD}",
        "Retry-After: 3600",  # no second try, and no wait
        f"{PASSWORD} {CLIENT_SECRET}",
        f"{PASSWORD}: {CLIENT_SECRET}",
    ]
    return wire("\r\n".join([*head, "", ""]).encode() + content)


def only_published(handler: BaseHTTPRequestHandler) -> None:
    """Accept the published token alone."""
    echo(200 if PUBLISHED_TOKEN in handler.headers["Authorization"] else 403)(handler)


GRANTED, ACCEPTED = answer(GRANT), echo(200)
NO_HTTP = wire(f"{PASSWORD}\r\n{CANARIES}".encode())
CHUNKED = wire(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{PASSWORD}\r\n{CANARIES}\r\n".encode())


# The cases


def report(version: str, secret: str = f"{ACCOUNT}/{TOKENS}") -> str:
    """Return the message of a report."""
    return json.dumps({"rejected_version": version, "reported": secret})


def trial(version: str) -> Document:
    """Return the request to try a version of the credentials."""
    return {"client_id": CLIENT_ID, "credentials_version": version}


REPORT = queue_event(report(VERSION))


@dataclass(frozen=True)
class Case:
    """What the function is asked to do in which circumstances, and the reason of the outcome."""

    name: str = ""
    reason: str = ""
    event: object = field(default_factory=dict)
    token_endpoint: Fault = GRANTED
    api: Fault = ACCEPTED
    secrets: Mapping[str, str | bytes | Document] = field(default_factory=dict)
    """What is stored under each kind of secret, where it is not just canaries as credentials."""
    variables: Mapping[str, str] = field(default_factory=dict)
    refused: tuple[str, ...] = ()
    """The operations that Secrets Manager refuses."""


REQUEST_INVALID, SETTINGS_INVALID, CREDENTIALS_INVALID = "RequestInvalid", "SettingsInvalid", "CredentialsInvalid"
MISBEHAVED, UNAVAILABLE, FAILED = "MovieXchangeMisbehaved", "MovieXchangeUnavailable", "SecretsManagerFailed"
REJECTED, REFUSED = "CredentialsRejected", "TokenRefused"
IS_PUBLISHED, IS_EXPIRED, IS_UNVERIFIED = (
    {TOKENS: each} for each in (PUBLISHED, EXPIRED, PUBLISHED | {"verified": False})
)
IS_STORED = {"credentials": NO_PASSWORD, REFRESH_TOKENS: STORED}

CASES = [
    # Of the token endpoint
    Case("a token", "first", {}, echo(200, GRANT)),
    Case("a JWT", "first", {}, echo(200, GRANT | {"access_token": f"{TOKEN}.{PAYLOAD}.{TOKEN}"})),
    Case("a token without a lifetime", "first", {}, answer(GRANT | {"expires_in": None})),
    Case("a token for twenty years", "first", {}, answer(GRANT | {"expires_in": 631138518})),
    Case("a refresh token with a line break", "first", {}, answer(GRANT | {"refresh_token": f"{PASSWORD}\n"})),
    Case("a token with a line break", MISBEHAVED, {}, answer(GRANT | {"access_token": f"{PASSWORD}\n"})),
    Case("a secret as lifetime", MISBEHAVED, {}, answer(GRANT | {"expires_in": PASSWORD})),
    Case("a secret as type", MISBEHAVED, {}, answer(GRANT | {"token_type": PASSWORD})),
    Case("no token", MISBEHAVED, {}, echo(200, ERROR | {"access_token": None})),
    Case("a list", MISBEHAVED, {}, echo(200, [GRANT])),
    Case("JSON that is cut off", MISBEHAVED, {}, echo(200, json.dumps(GRANT).encode()[:-3])),
    Case("a redirect", MISBEHAVED, {}, echo(302)),
    Case("a page", MISBEHAVED, {}, echo(403, f"<html>{CANARIES}</html>".encode())),
    Case("invalid_request", MISBEHAVED, {}, echo(400, ERROR | {"error": "invalid_request"})),
    Case("words of its own", REJECTED, {}, echo(400)),
    Case("a bare 401", REJECTED, {}, echo(401, b"")),
    Case("invalid_grant", REJECTED, {}, echo(400, ERROR | {"error": "invalid_grant"})),
    Case("invalid_client", REJECTED, {}, echo(400, ERROR | {"error": "invalid_client"})),
    Case("an outage", UNAVAILABLE, {}, echo(503)),
    Case("no answer", UNAVAILABLE, {}, down()),
    Case("half an answer", UNAVAILABLE, {}, cut_off(200, {"Set-Cookie": PASSWORD})),
    Case("no HTTP", UNAVAILABLE, {}, NO_HTTP),
    Case("a secret as the status", UNAVAILABLE, {}, wire(f"HTTP/1.1 {PASSWORD}\r\n\r\n".encode())),
    Case("a secret as the size of a chunk", UNAVAILABLE, {}, CHUNKED),
    Case("a renewal", "first, by refresh token", {}, echo(200, GRANT), secrets=IS_STORED),
    Case(
        "a refused renewal", CREDENTIALS_INVALID, {}, echo(400, ERROR | {"error": "invalid_grant"}), secrets=IS_STORED
    ),
    Case("a renewal in an outage", UNAVAILABLE, {}, echo(503), secrets=IS_STORED),
    # Of the API
    Case("a new token is refused", REFUSED, api=echo(403)),
    Case("a new token gets no verdict", "first", api=echo(500)),
    Case("a new token gets a redirect", "first", api=echo(307)),
    Case("a new token gets no HTTP", "first", api=NO_HTTP),
    Case("only the published token is accepted", REFUSED, {"force": True}, api=only_published, secrets=IS_PUBLISHED),
    Case("a reported token is accepted", "still accepted", REPORT, secrets=IS_PUBLISHED),
    Case("a reported token is refused", REFUSED, REPORT, api=echo(401), secrets=IS_PUBLISHED),
    Case("an unverified token is refused", REFUSED, api=echo(401), secrets=IS_UNVERIFIED),
    Case("an expired token is replaced", "expiring", secrets=IS_EXPIRED),
    Case("a token is fresh", "fresh", secrets=IS_PUBLISHED),
    Case("tried credentials are accepted", "credentials accepted", trial(VERSION), secrets=IS_PUBLISHED),
    Case("tried credentials are rejected", REJECTED, trial(VERSION), echo(401)),
    Case("a dry run", "dry run: first", {"dry_run": True}),
    # Of requests
    Case("a text", REQUEST_INVALID, PASSWORD),
    Case("a list", REQUEST_INVALID, [CREDENTIALS]),
    Case("the credentials", REQUEST_INVALID, CREDENTIALS),
    Case("a secret as a member", REQUEST_INVALID, {PASSWORD: True}),
    Case("a secret as an option", REQUEST_INVALID, {"force": PASSWORD}),
    Case("a secret as a client ID", REQUEST_INVALID, {"client_id": PASSWORD}),
    Case("the credentials as a client ID", REQUEST_INVALID, {"client_id": CREDENTIALS}),
    Case("a secret as a version and more", REQUEST_INVALID, trial(f"{PASSWORD}=")),
    Case("secrets as a version", CREDENTIALS_INVALID, trial(f"{PASSWORD}.{USERNAME}")),
    Case("a secret as a message", REQUEST_INVALID, queue_event(PASSWORD)),
    Case("the credentials as a message", REQUEST_INVALID, queue_event(json.dumps(CREDENTIALS))),
    Case("a secret as a reported secret", REQUEST_INVALID, queue_event(report(VERSION, PASSWORD))),
    Case("a secret as a reported version and more", REQUEST_INVALID, queue_event(report(f"{PASSWORD}="))),
    Case("a secret as a reported version", "already replaced", queue_event(report(PASSWORD))),
    Case("a secret as a new version", "first", queue_event(json.dumps({"credentials_changed": PASSWORD}))),
    # Of Secrets Manager
    Case("reading is refused", FAILED, refused=("GetSecretValue",)),
    Case("reading labels is refused", FAILED, refused=("DescribeSecret",)),
    Case("creating is refused", FAILED, refused=("CreateSecret",)),
    Case("writing is refused", FAILED, refused=("PutSecretValue",)),
    Case("moving a label is refused", FAILED, refused=("UpdateSecretVersionStage",)),
    Case("changing the key is refused", FAILED, secrets=IS_PUBLISHED, refused=("GetSecretValue", "UpdateSecret")),
    # Of variables that were set to a secret by mistake
    Case("a password in a URL", SETTINGS_INVALID, variables={"AUTH_URL": f"https://{USERNAME}:{PASSWORD}@example.com"}),
    *(
        Case(f"a secret as {variable}", SETTINGS_INVALID, variables={variable: PASSWORD})
        for variable in (
            *("CHECK_EVERY", "REFRESH_AT_PERCENT", "MIN_TOKEN_AGE_SECONDS", "VERIFY_PATH", "KEEP_REFRESH_TOKEN"),
            *("KMS_KEY_ARN", "SECRET_TAGS", "AUTH_URL", "API_URL", "MOVIEXCHANGE_PROXY"),
        )
    ),
]

ONE_FOR_EACH = list({case.reason: case for case in reversed(CASES)}.values())
"""The first case of each reason."""

SPOILT = [
    Case("a time", event=queue_event(json.dumps({"scheduled": PASSWORD}))),
    *(Case("credentials", secrets={"credentials": text}) for text in spoilt(CREDENTIALS)),
    *(Case("a published token", secrets={TOKENS: text}) for text in spoilt(PUBLISHED)),
    *(Case("a reported token", event=REPORT, api=echo(401), secrets={TOKENS: text}) for text in spoilt(PUBLISHED)),
    *(
        Case("a refresh token", api=only_published, secrets=IS_STORED | IS_EXPIRED | {REFRESH_TOKENS: text})
        for text in spoilt(STORED)
    ),
]
"""What is not as it should be, with whatever outcome."""
