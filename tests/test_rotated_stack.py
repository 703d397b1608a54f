"""A stack with NativeRotation: Secrets Manager's four steps against the deployed function.

MiniStack has no rotation schedules, and its RotateSecret copies the value and calls nobody. So the tests play Secrets
Manager's part as AWS's guide tells it: it makes a version without a value, labels it AWSPENDING, and invokes the
function with each step in turn.
"""

import time
import uuid
from typing import Any

import pytest
from cfnlint.decode.cfn_yaml import load

from local.aws import LocalAws
from local.faults import status
from local.mx import MovieXchangeStandIn
from local.stack import WEBSITE, Stack, eventually

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")


@pytest.fixture(scope="module")
def stack(aws: LocalAws, account_at_mx: MovieXchangeStandIn) -> Stack:
    """Deploy a stack that has Secrets Manager rotate, with its credentials filled."""
    parameters = {
        "SecretPrefix": "rotated",
        "NativeRotation": "true",
        "MinTokenAgeSeconds": "0",
        "AuthUrl": account_at_mx.url,
        "ApiUrl": account_at_mx.url,
    }
    stack = Stack(aws, parameters, name="rotated")
    stack.build()
    stack.deploy()
    stack.replace_credentials(account_at_mx.credentials())
    return stack


class SecretsManager:
    """What Secrets Manager does of a rotation of the website's token secret."""

    def __init__(self, stack: Stack) -> None:
        """Begin one, in another second than that of the last publication: MiniStack's dates are whole seconds."""
        self.stack = stack
        self.client = stack.client("secretsmanager")
        self.secret = stack.token_secret(WEBSITE)
        published_at = self.client.get_secret_value(SecretId=self.secret)["CreatedDate"].timestamp()
        eventually(lambda: time.time() >= published_at + 1, within=5)
        self.version_id = str(uuid.uuid4())
        self.client.put_secret_value(
            SecretId=self.secret, ClientRequestToken=self.version_id, VersionStages=["AWSPENDING"]
        )

    def call(self, *steps: str) -> list[dict[str, Any]]:
        """Invoke the function with steps."""
        arn = self.client.describe_secret(SecretId=self.secret)["ARN"]
        event = {"SecretId": arn, "ClientRequestToken": self.version_id}
        return [self.stack.invoke(event | {"Step": step}) for step in steps]

    def labels(self) -> dict[str, str]:
        """Read which version bears which label."""
        stages = self.client.describe_secret(SecretId=self.secret)["VersionIdsToStages"]
        return {label: version for version, labels in stages.items() for label in labels}


@pytest.fixture
def rotation(stack: Stack) -> SecretsManager:
    """Begin a rotation."""
    return SecretsManager(stack)


def test_nothing_but_the_rotation_schedules_is_left_out_for_ministack(stack: Stack) -> None:
    """What is tested is the template that a person deploys, with one looped resource less."""
    built, deployed = (
        load(str(stack.aws.folder / "build" / name)) for name in ("template.yaml", "without-rotation-schedules.yaml")
    )
    del built["Resources"]["Fn::ForEach::ClientId"][2]["Rotation&{ClientId}"]

    assert deployed == built


def test_four_steps_rotate_a_token_secret(rotation: SecretsManager) -> None:
    """Secrets Manager finds its version current, and nothing pending."""
    rotation.call(*STEPS)

    labels = rotation.labels()
    assert (labels["AWSCURRENT"], "AWSPENDING" in labels) == (rotation.version_id, False)


def test_an_app_uses_the_token_that_a_rotation_brought(rotation: SecretsManager) -> None:
    """It is another one, and movieXchange takes it."""
    before = rotation.stack.token(WEBSITE)
    rotation.call(*STEPS)
    now = rotation.stack.token(WEBSITE)

    assert before is not None
    assert now is not None
    assert (now["access_token"] == before["access_token"], rotation.stack.call_api(WEBSITE)) == (False, 200)


def test_a_rotation_logs_in_once_whatever_comes_again(
    rotation: SecretsManager, account_at_mx: MovieXchangeStandIn
) -> None:
    """Secrets Manager tries all steps again if it heard nothing of one."""
    before = account_at_mx.log_ins()
    rotation.call(*STEPS[:2], *STEPS, *STEPS)

    assert account_at_mx.log_ins() == before + 1


def test_a_report_that_comes_between_two_steps_is_served_and_leaves_nothing_pending(rotation: SecretsManager) -> None:
    """EventBridge's way and Secrets Manager's at the same time do no harm."""
    rotation.call("createSecret")
    rotation.stack.report_rejected(WEBSITE, rotation.version_id)
    eventually(lambda: rotation.labels()["AWSCURRENT"] != rotation.version_id, within=30)
    current = rotation.labels()["AWSCURRENT"]
    rotation.call("setSecret", "testSecret", "finishSecret")

    assert rotation.labels() == {"AWSCURRENT": current, "AWSPREVIOUS": rotation.version_id}


def test_a_rotation_that_failed_leaves_what_is_published_and_nothing_pending(
    rotation: SecretsManager, account_at_mx: MovieXchangeStandIn
) -> None:
    """Apps keep their token, and the next rotation can begin."""
    before = rotation.labels()
    account_at_mx.token_fault = status(403)
    (error,) = rotation.call("createSecret")
    account_at_mx.token_fault = None

    assert ("errorMessage" in error, rotation.labels() | {"AWSPENDING": rotation.version_id}) == (True, before)


def test_a_token_secret_of_another_stack_is_refused(rotation: SecretsManager) -> None:
    """Whoever may invoke the function reaches no other secret by it."""
    arn = rotation.client.create_secret(Name=f"another/tokens/{WEBSITE}")["ARN"]
    event = {"Step": "createSecret", "SecretId": arn, "ClientRequestToken": rotation.version_id}

    assert "The member SecretId is" in rotation.stack.invoke(event)["errorMessage"]
