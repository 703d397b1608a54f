"""Canaries in every secret field, over every error: none gets out by any way that there is."""

import json
import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from botocore.exceptions import ClientError

from local.faults import MALFORMED, Fault, answer, down, raw, status
from local.mx import MovieXchangeStandIn
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
from mx_token_rotator.moviexchange import Answer, Grant
from mx_token_rotator.tokens import Credentials
from tests.fakes import ISSUED_AT, LIFETIME, a_refresh_token, a_token, published
from tests.function import ACCOUNT, REQUEST, Rotator

CANARIES = {
    "username": "canary-username",
    "password": "canary-password",
    "client_secret": "canary-client-secret",
    "access_token": "canary-access-token",
    "refresh_token": "canary-refresh-token",
}
TOLD = {"error_description": "canary-username", **CANARIES}
ECHO = json.dumps({"error": "canary-password", **TOLD}).encode()
KNOWN_ECHO = json.dumps({"error": "invalid_grant", **TOLD}).encode()


@dataclass
class Scene:
    """The function with canaries planted, and what a case may change."""

    rotator: Rotator
    mx: MovieXchangeStandIn
    monkeypatch: pytest.MonkeyPatch

    def token_endpoint(self, fault: Fault) -> None:
        """Have the token endpoint answer this."""
        self.mx.token_fault = fault


@pytest.fixture
def scene(rotator: Rotator, mx: MovieXchangeStandIn, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Plant the canaries at movieXchange and in the credentials."""
    mx.username, mx.password, mx.client_secret = (CANARIES[name] for name in ("username", "password", "client_secret"))
    mx.token_fault = answer({"token_type": "Bearer", **CANARIES, "expires_in": 43200})
    mx.api_fault = status(200, ECHO)
    rotator.fill(mx.credentials())
    monkeypatch.setattr(rotator.module.time, "sleep", lambda _: None)
    return Scene(rotator, mx, monkeypatch)


def wrong_setting(scene: Scene) -> None:
    """Set a variable to a secret by mistake."""
    scene.monkeypatch.setenv("AUTH_URL", CANARIES["password"])


def incomplete_credentials(scene: Scene) -> None:
    """Leave out one member."""
    scene.rotator.fill({name: CANARIES[name] for name in ("username", "password")})


def credentials_without_json(scene: Scene) -> None:
    """Put the password alone."""
    secrets = scene.rotator.module.secrets_manager
    secrets.put_secret_value(SecretId=f"{ACCOUNT}/credentials", SecretString=CANARIES["password"])


def client_secret_for_no_header(scene: Scene) -> None:
    """Put a client secret with a line break."""
    scene.rotator.fill({**scene.mx.credentials(), "client_secret": "canary-client-secret\n"})


def echoing_vault(scene: Scene) -> None:
    """Have Secrets Manager repeat what was sent, as its validation does."""

    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": "ValidationException", "Message": str(CANARIES)}}, "PutSecretValue")

    scene.rotator.module.secrets_manager.meta.events.register("before-call.secretsmanager.PutSecretValue", refuse)


def refused_token(scene: Scene) -> None:
    """Have the API refuse the new token, and repeat it."""
    scene.mx.api_fault = status(403, ECHO, headers={"Mx-Correlation-Id": "c0ffee"})


def no_lifetime(scene: Scene) -> None:
    """Leave out expires_in."""
    scene.token_endpoint(answer({"token_type": "Bearer", **CANARIES}))


def no_verdict(scene: Scene) -> None:
    """Have the API fail, and repeat what it was sent."""
    scene.mx.api_fault = status(500, ECHO)


def no_verdict_on_another(scene: Scene) -> None:
    """Have the API fail when a token is published already, and another one was had."""
    scene.rotator(REQUEST)
    scene.token_endpoint(
        answer({"token_type": "Bearer", **CANARIES, "access_token": "canary-another", "expires_in": 43200})
    )
    no_verdict(scene)


def token_endpoint(fault: Fault) -> Callable[[Scene], None]:
    """Have the token endpoint answer this."""
    return lambda scene: scene.token_endpoint(fault)


CASES: list[tuple[str, Callable[[Scene], None], object, type[RotatorError]]] = [
    ("a wrong setting", wrong_setting, REQUEST, SettingsInvalid),
    ("a wrong request", lambda _: None, {**REQUEST, "force": "canary-password"}, RequestInvalid),
    ("incomplete credentials", incomplete_credentials, REQUEST, CredentialsInvalid),
    ("credentials without JSON", credentials_without_json, REQUEST, CredentialsInvalid),
    ("a client secret for no header", client_secret_for_no_header, REQUEST, CredentialsInvalid),
    ("rejected credentials", token_endpoint(raw(ECHO)), REQUEST, MovieXchangeMisbehaved),
    ("a 401 that repeats them", token_endpoint(status(401, ECHO)), REQUEST, CredentialsRejected),
    ("a 400 that repeats them", token_endpoint(status(400, ECHO)), REQUEST, MovieXchangeMisbehaved),
    ("an OAuth error that repeats them", token_endpoint(status(400, KNOWN_ECHO)), REQUEST, CredentialsRejected),
    ("a firewall's page", token_endpoint(status(403, ECHO)), REQUEST, MovieXchangeMisbehaved),
    ("a server's error", token_endpoint(status(500, ECHO)), REQUEST, MovieXchangeUnavailable),
    ("no answer", token_endpoint(down()), REQUEST, MovieXchangeUnavailable),
    ("a refused token", refused_token, REQUEST, TokenRefused),
    ("a vault that repeats them", echoing_vault, REQUEST, VaultFailed),
    *[(name, token_endpoint(fault), REQUEST, MovieXchangeMisbehaved) for name, fault in MALFORMED.items()],
]


def everything_about(error: BaseException) -> str:
    """Write out an exception: its traceback with its chain, and each exception in the chain with its attributes."""
    parts = traceback.format_exception(error)
    link: BaseException | None = error
    while link:
        parts += [str(link), repr(link), repr(link.args), repr(vars(link))]
        link = link.__cause__ or link.__context__
    return "\n".join(parts)


@pytest.mark.parametrize(
    ("arrange", "request_", "error"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_no_error_gives_a_secret_away(
    scene: Scene,
    capsys: pytest.CaptureFixture[str],
    arrange: Callable[[Scene], None],
    request_: object,
    error: type[RotatorError],
) -> None:
    """Neither the exception with its chain nor anything that was printed bears a canary."""
    arrange(scene)
    with pytest.raises(error) as caught:
        scene.rotator(request_)
    printed = capsys.readouterr()

    assert "canary" not in everything_about(caught.value) + printed.out + printed.err


def test_each_error_of_the_table_is_among_the_cases() -> None:
    """No error of the tree is left out above."""
    assert {error for *_, error in CASES} == {
        error for error in RotatorError.__subclasses__() if not error.__name__.startswith("_")
    }


@pytest.mark.parametrize(
    ("arrange", "request_", "reason"),
    [
        (lambda _: None, REQUEST, "first"),
        (no_lifetime, REQUEST, "first"),
        (no_verdict, REQUEST, "first"),
        (no_verdict_on_another, {**REQUEST, "force": True}, "unverified"),
    ],
    ids=["a first token", "no expires_in", "no verdict, published", "no verdict, kept"],
)
def test_a_refresh_gives_no_secret_away(
    scene: Scene,
    capsys: pytest.CaptureFixture[str],
    arrange: Callable[[Scene], None],
    request_: object,
    reason: str,
) -> None:
    """Neither the outcome nor logs, warnings and metrics of a success bear a canary."""
    arrange(scene)
    outcome = scene.rotator(request_)
    printed = capsys.readouterr()

    assert (outcome["reason"], "canary" in json.dumps(outcome) + printed.out + printed.err) == (reason, False)


def test_a_refresh_token_is_kept_and_used_in_secret(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a refresh by the refresh grant nor the rejection that it makes up for bears a canary."""
    scene.monkeypatch.setenv("KEEP_REFRESH_TOKEN", "true")
    scene.rotator(REQUEST)
    scene.rotator.age(LIFETIME)
    scene.rotator.fill({**scene.mx.credentials(), "password": ""})
    outcome = scene.rotator(REQUEST)
    printed = capsys.readouterr()

    assert (
        outcome["reason"].startswith("refresh grant"),
        "canary" in json.dumps(outcome) + printed.out + printed.err,
    ) == (True, False)


def test_a_root_logger_that_says_everything_gives_no_secret_away(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """At DEBUG, botocore and urllib3 write bodies; Lambda can set that level for all."""
    caplog.set_level(logging.DEBUG)
    scene.rotator(REQUEST)

    assert "canary" not in caplog.text


@pytest.mark.parametrize(
    "value",
    [
        Credentials(
            username="canary", password="canary", client_secret="canary", version_id="v1", created_at=ISSUED_AT
        ),
        a_token(access_token="canary", client_secret="canary"),
        a_refresh_token(refresh_token="canary", client_secret="canary"),
        published(access_token="canary", client_secret="canary"),
        Answer(status=200, body=b"canary"),
        Grant(access_token="canary", lifetime=43200, refresh_token="canary"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_repr_shows_a_secret(value: object) -> None:
    """What a debugger or an assertion prints is harmless."""
    assert "canary" not in repr(value)
