"""Canaries in every secret field, and what is done with them: the same cases for every door."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

from local.faults import MALFORMED, Fault, answer, down, raw, status, wire
from mx_token_rotator.errors import (
    CredentialsInvalid,
    CredentialsRejected,
    MovieXchangeMisbehaved,
    MovieXchangeUnavailable,
    RequestInvalid,
    RotatorError,
    SettingsInvalid,
    TokenRefused,
    VaultFailed,
)
from mx_token_rotator.vault import credentials_secret, token_secret
from tests.doors import Door
from tests.fakes import LIFETIME
from tests.function import CLIENT_ID, REQUEST


def canary(name: str) -> str:
    """Make up a secret that nobody takes for a real one, and that nothing else resembles."""
    digits = hashlib.sha256(name.encode()).hexdigest()
    return "-".join(["tweet", *(digits[start : start + 4] for start in range(0, 20, 4))])


CANARIES = {
    name: canary(name)
    for name in (
        *("username", "password", "client_secret", "access_token", "refresh_token", "another"),
        "rotation_token",  # Secrets Manager's own, in a step's event
    )
}
CREDENTIALS = {name: CANARIES[name] for name in ("username", "password", "client_secret")}
GRANT = {"token_type": "Bearer", **CANARIES, "expires_in": 43200}
NO_RETRY = {"Retry-After": "3600"}
ECHO = json.dumps({"error": CANARIES["password"], "error_description": CANARIES["username"], **CANARIES}).encode()
KNOWN_ECHO = json.dumps({"error": "invalid_grant", "error_description": CANARIES["username"], **CANARIES}).encode()


def broken_head(code: int, body: bytes = b"") -> Fault:
    """Answer with a line in the head that is no header, and with headers that repeat secrets around it."""
    echoes = "".join(f"X-{name}: {secret}\r\n" for name, secret in CANARIES.items())
    head = f"HTTP/1.1 {code} {CANARIES['password']}\r\n{echoes}{CANARIES['username']}\r\n{echoes}\r\n"
    return wire(head.encode() + body)


def plant(door: Door) -> None:
    """Put the canaries into the credentials, and have movieXchange issue and repeat them."""
    door.mx.token_fault = answer(GRANT)
    door.mx.api_fault = status(200, ECHO)
    door.fill(CREDENTIALS)


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is asked of the function in which circumstances, and what comes: an error's name, or a reason."""

    name: str
    comes: str
    arrange: Callable[[Door], None] = plant
    request: Callable[[Door], object] = lambda _: REQUEST


def token_endpoint(fault: Fault) -> Callable[[Door], None]:
    """Have the token endpoint answer this."""

    def arrange(door: Door) -> None:
        door.mx.token_fault = fault

    return arrange


def api(fault: Fault) -> Callable[[Door], None]:
    """Have the API answer this."""

    def arrange(door: Door) -> None:
        door.mx.api_fault = fault

    return arrange


def setting(name: str) -> Callable[[Door], None]:
    """Set a variable to a secret by mistake."""

    def arrange(door: Door) -> None:
        door.variables[name] = CANARIES["password"]

    return arrange


def credentials(document: object) -> Callable[[Door], None]:
    """Put something else into the credentials secret."""

    def arrange(door: Door) -> None:
        door.put(credentials_secret(door.account), document if isinstance(document, str) else json.dumps(document))

    return arrange


def no_verdict_on_another(door: Door) -> None:
    """Have the API fail when a token is published already, and another one was had."""
    door.ask(REQUEST)
    door.mx.token_fault = answer({**GRANT, "access_token": CANARIES["another"]})
    door.mx.api_fault = status(500, ECHO, headers=NO_RETRY)


def refresh_grant(fault: Fault) -> Callable[[Door], None]:
    """Have a refresh token kept, the credentials spoilt, the token old, and the refresh grant answered with this."""

    def arrange(door: Door) -> None:
        door.variables["KEEP_REFRESH_TOKEN"] = "true"
        door.ask(REQUEST)
        door.age(LIFETIME)
        door.fill({**CREDENTIALS, "password": ""})
        door.mx.token_fault = fault

    return arrange


def name_of(error: type[RotatorError]) -> str:
    """Give the name under which an error comes out."""
    return error.__name__


ARRANGED: list[tuple[str, Callable[[Door], None], str]] = [
    *[
        (f"{variable} that is a secret", setting(variable), name_of(SettingsInvalid))
        for variable in (
            "AUTH_URL",
            "API_URL",
            "VERIFY_PATH",
            "REFRESH_AT_PERCENT",
            "MIN_TOKEN_AGE_SECONDS",
            "KEEP_REFRESH_TOKEN",
        )
    ],
    ("CLIENT_IDS that are a secret", setting("CLIENT_IDS"), name_of(RequestInvalid)),
    (
        "incomplete credentials",
        credentials({name: CANARIES[name] for name in ("username", "password")}),
        name_of(CredentialsInvalid),
    ),
    ("credentials without JSON", credentials(CANARIES["password"]), name_of(CredentialsInvalid)),
    (
        "a client secret for no header",
        credentials({**CREDENTIALS, "client_secret": CANARIES["client_secret"] + "\n"}),
        name_of(CredentialsInvalid),
    ),
    ("a 200 that is no grant", token_endpoint(raw(ECHO)), name_of(MovieXchangeMisbehaved)),
    ("a 401 that repeats them", token_endpoint(status(401, ECHO)), name_of(CredentialsRejected)),
    ("a 400 that repeats them", token_endpoint(status(400, ECHO)), name_of(MovieXchangeMisbehaved)),
    ("an OAuth error that repeats them", token_endpoint(status(400, KNOWN_ECHO)), name_of(CredentialsRejected)),
    ("a firewall's page", token_endpoint(status(403, ECHO)), name_of(MovieXchangeMisbehaved)),
    ("a server's error", token_endpoint(status(500, ECHO, headers=NO_RETRY)), name_of(MovieXchangeUnavailable)),
    ("no answer", token_endpoint(down()), name_of(MovieXchangeUnavailable)),
    ("no HTTP", token_endpoint(wire(ECHO)), name_of(MovieXchangeUnavailable)),
    ("a broken head", token_endpoint(broken_head(400, ECHO)), name_of(MovieXchangeMisbehaved)),
    (
        "a refused token",
        api(status(403, ECHO, headers={"Mx-Correlation-Id": "c0ffee"})),
        name_of(TokenRefused),
    ),
    (
        "a correlation id that repeats the token",
        api(status(403, ECHO, headers={"Mx-Correlation-Id": CANARIES["access_token"]})),
        name_of(TokenRefused),
    ),
    (
        "a correlation id that repeats the client secret",
        api(status(403, ECHO, headers={"Mx-Correlation-Id": f"id={CANARIES['client_secret']}"})),
        name_of(TokenRefused),
    ),
    ("a vault that repeats them", lambda door: door.have_secrets_manager_refuse(), name_of(VaultFailed)),
    *[(name, token_endpoint(fault), name_of(MovieXchangeMisbehaved)) for name, fault in MALFORMED.items()],
    ("a first token", lambda _: None, "first"),
    ("a token with a broken head", token_endpoint(broken_head(200, json.dumps(GRANT).encode())), "first"),
    (
        "no expires_in",
        token_endpoint(answer({name: value for name, value in GRANT.items() if name != "expires_in"})),
        "first",
    ),
    ("no verdict, published", api(status(500, ECHO, headers=NO_RETRY)), "first"),
    ("no verdict but a broken head", api(broken_head(404, ECHO)), "first"),
    (
        "a refresh token that is used",
        refresh_grant(answer({**GRANT, "access_token": CANARIES["another"]})),
        "refresh grant: expiring",
    ),
    ("a refresh token that is refused", refresh_grant(status(400, KNOWN_ECHO)), name_of(CredentialsInvalid)),
    (
        "a refresh token and a server's error",
        refresh_grant(status(500, ECHO, headers=NO_RETRY)),
        name_of(MovieXchangeUnavailable),
    ),
]


def step(name: str, version_id: str = "11111111-2222-4333-8444-555555555555") -> Callable[[Door], object]:
    """Ask for a step of a rotation of the door's token secret, as Secrets Manager does."""
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:{}-AbCdEf"
    return lambda door: {
        "Step": name,
        "SecretId": arn.format(token_secret(door.account, CLIENT_ID)),
        "ClientRequestToken": version_id,
        "RotationToken": CANARIES["rotation_token"],
    }


def rotated_and(arrange: Callable[[Door], None]) -> Callable[[Door], None]:
    """Have Secrets Manager rotate a published token, movieXchange issue another, and arrange something else then."""

    def both(door: Door) -> None:
        door.variables["NATIVE_ROTATION"] = "true"
        door.ask(REQUEST)
        door.mx.token_fault = answer({**GRANT, "access_token": CANARIES["another"]})
        arrange(door)

    return both


CREATE = step("createSecret")
ROTATIONS: list[tuple[str, Callable[[Door], None], Callable[[Door], object], str]] = [
    ("another token", rotated_and(lambda _: None), CREATE, "rotation"),
    ("a later step", rotated_and(lambda _: None), step("finishSecret"), "fresh"),
    ("credentials for a step", rotated_and(lambda _: None), step(CANARIES["password"]), name_of(RequestInvalid)),
    (
        "credentials for a version",
        rotated_and(lambda _: None),
        step("createSecret", f"{CANARIES['password']}="),
        name_of(RequestInvalid),
    ),
    ("a step where there is none", lambda _: None, CREATE, name_of(RequestInvalid)),
    (
        "a 401 that repeats them",
        rotated_and(token_endpoint(status(401, ECHO))),
        CREATE,
        name_of(CredentialsRejected),
    ),
    (
        "a refused token",
        rotated_and(api(status(403, ECHO, headers={"Mx-Correlation-Id": CANARIES["another"]}))),
        CREATE,
        name_of(TokenRefused),
    ),
    (
        "a vault that repeats them",
        rotated_and(lambda door: door.have_secrets_manager_refuse()),
        CREATE,
        name_of(VaultFailed),
    ),
]


def planted_and(arrange: Callable[[Door], None]) -> Callable[[Door], None]:
    """Plant the canaries, and arrange something else then."""

    def both(door: Door) -> None:
        plant(door)
        arrange(door)

    return both


CASES = [
    *(Case(name=name, arrange=planted_and(arrange), comes=comes) for name, arrange, comes in ARRANGED),
    Case(
        name="a wrong request",
        request=lambda _: {**REQUEST, "force": CANARIES["password"]},
        comes=name_of(RequestInvalid),
    ),
    Case(
        name="credentials for a request",
        request=lambda _: {**REQUEST, "rejected_version": CREDENTIALS},
        comes=name_of(RequestInvalid),
    ),
    Case(
        name="no verdict, kept",
        arrange=planted_and(no_verdict_on_another),
        request=lambda _: {**REQUEST, "force": True},
        comes="unverified",
    ),
    *(
        Case(name=f"a rotation: {name}", arrange=planted_and(arrange), request=request, comes=comes)
        for name, arrange, request, comes in ROTATIONS
    ),
]

ONE_FOR_EACH = list({case.comes: case for case in reversed(CASES)}.values())
"""The first case of each error and of each reason."""
