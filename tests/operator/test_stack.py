"""What the operator's tool decides: on moto's Secrets Manager, with a function that answers what the test says."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError
from moto import mock_aws

from mx_token_rotator_operator.stack import CHECKS, PAUSES, DeployedStack, RotatorFailed, token_status

ACCOUNT = "moviexchange/staging"
CREDENTIALS = f"{ACCOUNT}/credentials"
NAMES = ["_Website", "Web"]
VARIABLES = {"ACCOUNT": ACCOUNT, "CLIENT_IDS": "_Website, Web:Foo Tickets (Web),", "KMS_KEY_ARN": "none"}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LABELS = {"AWSCURRENT": "two", "AWSPREVIOUS": "one"}
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"

Outcomes = list[dict[str, Any]]


def line(**members: str | None) -> dict[str, Any]:
    """Return a line of the log: a version that was published at ten, and whose token expires twelve hours later.

    A member that would be null is not there.
    """
    all_members = {
        "client_id": "_Website",
        "outcome": "refreshed",
        "reason": "expiring",
        "version_id": "two",
        "expires_at": "2026-03-01T22:00:00Z",
        "verified": True,
        "logged_at": "2026-03-01T10:00:00+00:00",
        **members,
    }
    return {name: value for name, value in all_members.items() if value is not None}


def kept(reason: str) -> Outcomes:
    """Return the outcomes of a check that replaced nothing."""
    return [{"client_id": name, "outcome": "kept", "reason": reason} for name in NAMES]


def failed(*names: str | None) -> Outcomes:
    """Return the outcomes of a check that failed."""
    words = {"error": "the password is wrong", "who": "its owner", "remedy": "Put the right one."}
    return [{"client_id": name, "outcome": "failed", "reason": "CredentialsRejected", **words} for name in names]


@dataclass
class Aws:
    """An account in which the function's answers are made up."""

    session: boto3.Session
    answers: Callable[[dict[str, Any]], Outcomes] = lambda _: kept("fresh")
    variables: dict[str, str] = field(default_factory=lambda: dict(VARIABLES))
    requests: list[dict[str, Any]] = field(default_factory=list)
    pauses: int = 0
    crash: str = ""
    """What Lambda says of a function that does not finish."""

    @property
    def secrets(self) -> Any:  # noqa: ANN401  boto3 makes its clients at run time
        """A client of Secrets Manager."""
        return self.session.client("secretsmanager")

    @property
    def stack(self) -> DeployedStack:
        """The stack as the tool sees it."""
        return DeployedStack(self.session, "mx-token-rotator")

    def answer(self, model: Any, params: Any, **_: object) -> tuple[object, dict[str, Any]]:  # noqa: ANN401  botocore's
        """Answer a call of Lambda in its place."""
        if model.name == "GetFunctionConfiguration":
            arn = "arn:aws:lambda:eu-west-1:123456789012:function:mx-token-rotator"
            return SimpleNamespace(status_code=200), {"FunctionArn": arn, "Environment": {"Variables": self.variables}}
        self.requests.append(json.loads(params["body"]))
        document = {"errorMessage": self.crash} if self.crash else {"outcomes": self.answers(self.requests[-1])}
        error = {"FunctionError": "Unhandled"} if self.crash else {}
        return SimpleNamespace(status_code=200), error | {"Payload": BytesIO(json.dumps(document).encode())}

    def credentials(self, version: str) -> set[str]:
        """Return the labels of a version of the credentials."""
        return set(self.secrets.describe_secret(SecretId=CREDENTIALS)["VersionIdsToStages"].get(version, []))

    def publish(self) -> None:
        """Publish another token for each client ID, as the function does."""
        for name in NAMES:
            secret = f"{ACCOUNT}/tokens/{name}"
            with suppress(self.secrets.exceptions.ResourceExistsException):
                self.secrets.create_secret(Name=secret)
            self.secrets.put_secret_value(SecretId=secret, SecretString="{}")

    def pause(self, _: float) -> None:
        """Count a pause."""
        self.pauses += 1

    def replace_credentials(self) -> None:
        """Replace the credentials as `set-credentials` does, without waiting."""
        self.stack.replace_credentials("{}", lambda _: None, self.pause)


@pytest.fixture
def aws() -> Iterator[Aws]:
    """Return an account with a new stack: its credentials are still empty, and no token secret exists."""
    with mock_aws():
        account = Aws(boto3.Session())
        account.session.events.register("before-call.lambda", account.answer)  # type: ignore[arg-type]  # it may answer
        account.secrets.create_secret(Name=CREDENTIALS)
        yield account


@pytest.fixture
def filled(aws: Aws) -> Aws:
    """Return an account with credentials, and a token for each client ID."""
    aws.secrets.put_secret_value(SecretId=CREDENTIALS, SecretString='{"username": "older"}')
    aws.publish()
    return aws


def current(aws: Aws) -> str:
    """Return the version of the credentials that is current; moto's GetSecretValue does not notice a moved label."""
    versions: dict[str, list[str]] = aws.secrets.describe_secret(SecretId=CREDENTIALS)["VersionIdsToStages"]
    return next(version for version, labels in versions.items() if "AWSCURRENT" in labels)


def test_new_credentials_are_tried_as_a_candidate_and_then_made_current(filled: Aws) -> None:
    """With the first client ID; the check at the end says whether every token comes from them."""
    labels = []
    before = current(filled)

    def answers(request: dict[str, Any]) -> Outcomes:
        labels.append(filled.credentials(request.get("credentials_version") or current(filled)))
        return kept("credentials accepted" if "credentials_version" in request else "fresh")

    filled.answers = answers
    filled.replace_credentials()
    after = current(filled)
    trial = {"client_id": "_Website", "credentials_version": after}

    assert (filled.requests, labels, after != before) == (
        [trial, {}],
        [{"CANDIDATE"}, {"CANDIDATE", "AWSCURRENT"}],
        True,
    )


def test_credentials_that_are_refused_do_not_become_current(filled: Aws) -> None:
    """The message says so, after why they were refused."""
    before = current(filled)
    filled.answers = lambda _: failed("_Website")
    with pytest.raises(RotatorFailed, match=r"the password is wrong\n(.|\n)*The current credentials stay as they were"):
        filled.replace_credentials()

    assert current(filled) == before


def test_the_first_credentials_are_current_at_once(aws: Aws) -> None:
    """There are none that they could replace, so they are not tried before."""
    aws.replace_credentials()

    assert (aws.requests, aws.credentials(current(aws))) == ([{}], {"AWSCURRENT"})


@pytest.mark.parametrize("pauses", [0, 3])
def test_the_tokens_are_checked_once_the_started_run_has_replaced_them(filled: Aws, pauses: int) -> None:
    """A check during that run would log in a second time, or find the new credentials blocked."""

    def pause(_: float) -> None:
        filled.pauses += 1
        if filled.pauses == pauses:
            filled.publish()

    def answers(request: dict[str, Any]) -> Outcomes:
        if request and not pauses:
            filled.publish()
        return kept("fresh")

    filled.answers = answers
    filled.stack.replace_credentials("{}", lambda _: None, pause)

    assert (filled.pauses, len(filled.requests)) == (pauses, 2)


def test_the_tokens_are_checked_if_no_run_replaces_them(filled: Aws) -> None:
    """Half a minute later, so that the check does what the run should have done."""
    filled.replace_credentials()

    assert (filled.pauses, filled.requests[-1]) == (PAUSES, {})


def test_what_a_check_postpones_is_checked_again(filled: Aws) -> None:
    """A run has no time for many client IDs at once."""
    reasons = iter(["credentials accepted", "postponed", "postponed", "fresh"])
    filled.answers = lambda _: kept(next(reasons))
    filled.replace_credentials()

    assert filled.requests[1:] == [{}] * 3


def test_what_is_always_postponed_is_an_error(filled: Aws) -> None:
    """It names the client IDs."""
    filled.answers = lambda _: kept("postponed")
    with pytest.raises(RotatorFailed, match=r"^_Website, Web: there was no time left"):
        filled.replace_credentials()

    assert len(filled.requests) == 1 + CHECKS


def test_current_credentials_are_tried_by_their_version(filled: Aws) -> None:
    """As any other version would be."""
    filled.stack.try_credentials("Web")

    assert filled.requests == [{"client_id": "Web", "credentials_version": current(filled)}]


def test_empty_credentials_are_not_tried(aws: Aws) -> None:
    """The message names the secret and the command that fills it."""
    with pytest.raises(RotatorFailed, match=f"^The secret {CREDENTIALS} is still empty.\nWhat to do: set-credentials"):
        aws.stack.try_credentials("Web")


def test_a_failure_says_what_happened_who_must_act_and_how(aws: Aws) -> None:
    """Once for all client IDs that failed in the same way."""
    aws.answers = lambda _: failed(*NAMES)

    with pytest.raises(
        RotatorFailed,
        match=r"^_Website, Web: the password is wrong\nWho must act: its owner\nWhat to do: Put the right one.$",
    ):
        aws.stack.invoke()


def test_a_failure_of_the_whole_stack_has_its_name(aws: Aws) -> None:
    """The function could not tell which client IDs there are."""
    aws.answers = lambda _: failed(None)

    with pytest.raises(RotatorFailed, match=r"^mx-token-rotator: "):
        aws.stack.invoke()


def test_a_function_that_does_not_finish_is_an_error(aws: Aws) -> None:
    """The message says where to look."""
    aws.crash = "Task timed out after 60.00 seconds"

    with pytest.raises(
        RotatorFailed, match=r"did not finish: Task timed out after 60.00 seconds\nWhat to do: look at its log.$"
    ):
        aws.stack.invoke()


def test_an_invocation_is_not_repeated() -> None:
    """A repetition could log in again."""
    session, attempts = boto3.Session(), []

    def fail(**_: object) -> None:
        attempts.append(1)
        raise ConnectTimeoutError(endpoint_url="lambda")

    session.events.register("before-send.lambda.Invoke", fail)
    with pytest.raises(ConnectTimeoutError):
        DeployedStack(session, "mx-token-rotator").invoke()

    assert len(attempts) == 1


@pytest.mark.parametrize("kind", ["tokens", "refresh-tokens"])
def test_the_secrets_of_a_removed_client_id_can_be_restored_for_a_week(aws: Aws, kind: str) -> None:
    """A refresh token is one more secret that opens the account."""
    for each in ("tokens", "refresh-tokens"):
        aws.secrets.create_secret(Name=f"{ACCOUNT}/{each}/Removed")
    secret = f"{ACCOUNT}/{kind}/Removed"
    day = aws.stack.remove_token("Removed")[secret]
    aws.secrets.restore_secret(SecretId=secret)

    assert (datetime.fromisoformat(day).replace(tzinfo=UTC) - datetime.now(UTC)).days in {5, 6, 7}


def test_the_token_of_a_client_id_in_use_is_not_removed(filled: Aws) -> None:
    """Nor is it called by its movieXchange client ID."""
    with pytest.raises(RotatorFailed, match=r"^Web is still in use.\nWhat to do: first remove it from"):
        filled.stack.remove_token("Web")


def test_a_token_that_does_not_exist_is_not_removed(aws: Aws) -> None:
    """A mistyped name is not taken for success."""
    with pytest.raises(RotatorFailed, match=f"^There is no secret {ACCOUNT}/tokens/Wbe"):
        aws.stack.remove_token("Wbe")


@pytest.mark.parametrize("key", ["none", KEY])
def test_the_policy_for_readers_decrypts_only_with_the_stacks_key(aws: Aws, key: str) -> None:
    """In the encryption context of that token, and through Secrets Manager."""
    aws.variables["KMS_KEY_ARN"] = key
    decrypt = [each for each in aws.stack.reader_policy("Web")["Statement"] if each["Action"] == "kms:Decrypt"]
    secret = f"arn:aws:secretsmanager:eu-west-1:123456789012:secret:{ACCOUNT}/tokens/Web-??????"
    conditions = {
        "StringEquals": {"kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com"},
        "StringLike": {"kms:EncryptionContext:SecretARN": secret},
    }

    assert [(each["Resource"], each["Condition"]) for each in decrypt] == ([(KEY, conditions)] if key == KEY else [])


def test_there_is_no_policy_for_a_name_that_the_stack_does_not_have(aws: Aws) -> None:
    """The message lists those that it has."""
    with pytest.raises(RotatorFailed, match=r"^Wbe is not one of the stack's client IDs: _Website, Web.$"):
        aws.stack.reader_policy("Wbe")


def test_a_token_expires_when_its_line_says() -> None:
    """In whole seconds."""
    assert token_status("_Website", [line()], LABELS, NOON)["seconds_left"] == 10 * 3600


def test_a_token_that_has_expired_has_no_seconds_left() -> None:
    """Not less than none."""
    status = token_status("_Website", [line(expires_at="2026-03-01T11:00:00Z")], LABELS, NOON)

    assert status["seconds_left"] == 0


@pytest.mark.parametrize("members", [{"version_id": "one"}, {"expires_at": None}, {"client_id": "Web"}])
def test_a_line_about_something_else_does_not_say_when_a_token_expires(members: dict[str, str | None]) -> None:
    """Another version, a document that could not be read, another client ID."""
    assert token_status("_Website", [line(**members)], LABELS, NOON)["seconds_left"] is None


def test_a_token_was_replaced_when_it_was_last_refreshed() -> None:
    """Later checks that kept it do not count."""
    log = [
        line(reason="first", version_id="one"),
        line(),
        line(outcome="kept", reason="fresh", logged_at="2026-03-01T11:00:00+00:00"),
    ]
    status = token_status("_Website", log, LABELS, NOON)

    assert (status["reason"], status["replaced_at"]) == ("expiring", "2026-03-01T10:00:00+00:00")


@pytest.mark.parametrize(
    ("name", "reason", "last_check"),
    [
        ("_Website", "TokenRefused", "failed: TokenRefused"),
        (None, "SettingsInvalid", "failed: SettingsInvalid"),
        (None, "RequestInvalid", "refreshed: expiring"),
    ],
)
def test_the_last_check_may_have_failed(name: str | None, reason: str, last_check: str) -> None:
    """For the client ID, or for the whole stack; a request that was mistyped by hand is no check."""
    log = [line(), line(client_id=name, outcome="failed", reason=reason)]

    assert token_status("_Website", log, LABELS, NOON)["last_check"] == last_check
