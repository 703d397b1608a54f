"""A walk through a deployed stack: it is filled, publishes tokens, gets another KMS key, and is proved by `doctor`.

On MiniStack movieXchange is the stand-in on loopback. On a real account it is the service at which the credentials are
valid that `make test-aws` was given.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.aws import needs_iam
from tools.contract.account import Account
from tools.contract.making import DeployedStack, Maker
from tools.local.aws import PROJECT
from tools.local.stack import UPDATER, WEBSITE, StillWaiting, eventually

NAMES = (WEBSITE, UPDATER)
WITHIN = 300.0  # seconds; a run takes a few, what changes in IAM some minutes
NOT_ON_MINISTACK = {
    "metrics": "it takes no metrics out of logs",
    "topics": "nobody is told of alarms there, because it records no action of an alarm, for which doctor would wait",
    "alarm": "the same",
    "alarms": "an error of any function there rings the alarms of all stacks",
}
"""The checks of doctor that MiniStack cannot pass, and why."""
UNTIL_ALARMS_END = 2700.0  # the first scheduled run finds no credentials, so that ActionRequired rings for half an hour


@dataclass(frozen=True)
class Service:
    """A token service, and credentials that it accepts."""

    url: str
    credentials: Mapping[str, str]


@pytest.fixture(scope="module")
def service(account: Account, request: pytest.FixtureRequest) -> Service:
    """Return the stand-in on loopback, or what `make test-aws` was given."""
    if not account.is_real:
        stand_in = request.getfixturevalue("account_at_mx")
        return Service(stand_in.url, stand_in.credentials())
    file = request.config.getoption("--credentials")
    if file is None:
        pytest.skip("make test-aws was not given CREDENTIALS=FILE")
    return Service(request.config.getoption("--stand-in"), json.loads(Path(file).read_text(encoding="utf-8-sig")))


@pytest.fixture(scope="module")
def environment(account: Account, request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the environment of a command that uses the account."""
    inherited = dict(os.environ) if account.is_real else request.getfixturevalue("aws").environment
    return {**inherited, "PYTHONPATH": str(PROJECT / "src" / "operator")}


@pytest.fixture(scope="module")
def stack(make: Maker, service: Service) -> DeployedStack:
    """Deploy with a key and a topic, and fill the credentials."""
    deployed = make.deploy(
        "walk",
        {
            "ClientIds": ",".join(NAMES),
            "KmsKeyArn": make.key("first"),
            "AlarmTopicArn": make.topic("alarms") if make.account.is_real else "none",
            "CheckEvery": "rate(19 minutes)",
            "AuthUrl": service.url,
            "ApiUrl": service.url,
        },
    )
    deployed.fill(service.credentials)
    return deployed


def has_tokens(stack: DeployedStack) -> bool:
    """Return whether a token is published for each client ID."""
    return all(stack.token(name).get("access_token") for name in NAMES)


def key_of(stack: DeployedStack, name: str) -> str | None:
    """Return the key of one of the stack's secrets."""
    described = stack.account.client("secretsmanager").describe_secret(SecretId=f"{stack.secrets}/{name}")
    key: str | None = described.get("KmsKeyId")
    return key


def test_filled_credentials_become_tokens(stack: DeployedStack) -> None:
    """The event of the first value, the rule, the queue, the function, its rights and its way out work together.

    If it fails, the function's log says where it ended; without a log line, look at the queue and the rule.
    """
    assert eventually(lambda: has_tokens(stack), within=WITHIN)


@pytest.fixture
def filled(stack: DeployedStack) -> DeployedStack:
    """Return the stack once its tokens are there."""
    eventually(lambda: has_tokens(stack), within=WITHIN)
    return stack


@pytest.mark.parametrize(("change", "age"), [("another", "60"), ("none", "120")])
def test_another_key_reaches_every_secret(filled: DeployedStack, make: Maker, change: str, age: str) -> None:
    """CloudFormation moves the credentials with the rights of whoever deploys, and the function its token secrets.

    If it fails for the credentials, docs/operating.md asks for too few rights, or with `none` CloudFormation leaves the
    key when the property goes: then the docs must have them moved by hand. If it fails for a token secret, see
    test_a_secret_leaves_a_key_that_denies_the_function.
    """
    parameter = make.key("second") if change == "another" else "none"
    another = None if parameter == "none" else parameter  # DescribeSecret does not name the AWS managed key
    # MiniStack takes an update that changes only a condition for none at all.
    filled.update({"KmsKeyArn": parameter, "MinTokenAgeSeconds": age})
    secrets = ["credentials", *(f"tokens/{name}" for name in NAMES)]

    def is_moved() -> bool:
        """Check the tokens, as a scheduled run does, and return whether all secrets are under the key."""
        outcomes = filled.invoke()
        return {each["outcome"] for each in outcomes} <= {"kept", "refreshed"} and {
            key_of(filled, name) for name in secrets
        } == {another}

    first = is_moved()
    needs_iam(filled.account)

    assert first or eventually(is_moved, within=WITHIN, every=10)


def doctor(stack: DeployedStack, environment: Mapping[str, str], *options: str) -> dict[str, str]:
    """Run `mx-token-rotator doctor` on the stack, and return what it finds besides ok, by its checks."""
    command = [sys.executable, "-m", "mx_token_rotator_operator", "doctor", "--json", "--stack", stack.name]
    region = ["--region", stack.account.region]
    done = subprocess.run([*command, *region, *options], env=environment, capture_output=True, text=True, check=False)  # noqa: S603  our own command
    assert done.stdout, done.stderr
    found = {each["check"]: f"{each['result']}: {each['seen']} {each['to_do']}" for each in json.loads(done.stdout)}
    expected = set() if stack.account.is_real else NOT_ON_MINISTACK.keys()
    return {check: text for check, text in found.items() if not text.startswith("ok: ") and check not in expected}


def test_doctor_finds_nothing_wrong(filled: DeployedStack, environment: Mapping[str, str]) -> None:
    """Every read-only check of a stack that works ends in ok, metrics in CloudWatch included.

    If it fails, the finding says what is wrong: with the stack, or with doctor's reading of what AWS answers.
    """
    findings: list[dict[str, str]] = []

    def is_healthy() -> bool:
        findings.append(doctor(filled, environment))
        return not findings[-1]

    with suppress(StillWaiting):
        eventually(is_healthy, within=UNTIL_ALARMS_END if filled.account.is_real else 0, every=30)

    assert findings[-1] == {}


def test_doctor_exercises_the_stack(filled: DeployedStack, environment: Mapping[str, str]) -> None:
    """A dry run, a report of a made-up version, a forced refresh and an alarm do what doctor says that they do.

    If it fails, the finding says which of them did not.
    """
    assert doctor(filled, environment, "--exercise", "--yes") == {}
