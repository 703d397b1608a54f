"""What would overturn the design if AWS did otherwise than its documentation says, or than we read it.

Each test says what it proves, and what to change if it fails.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from mx_token_rotator.errors import SecretsManagerFailed
from mx_token_rotator.secrets_manager import SecretsManager
from mx_token_rotator.settings import Client
from mx_token_rotator.tokens import Published
from tests.aws import needs_iam
from tests.function.fakes import ISSUED_AT, a_refresh_token, a_token, settings
from tools.contract.account import Account, pause
from tools.contract.making import DeployedStack, Maker, once_allowed
from tools.local.stack import eventually

NAMES = ",".join(f"Contract{number:02}".ljust(50, "_") for number in range(60))
VALUED, EMPTY, MISSING = (Client(name, name) for name in ("Valued", "Empty", "Missing"))
DONE, DENIED = "done", "AccessDeniedException"
WITHIN = 120.0  # seconds; an event takes one or two


@dataclass(frozen=True)
class Scene:
    """A deployed stack that nobody fills, two keys, and a role with the policy of its function."""

    stack: DeployedStack
    old_key: str
    new_key: str
    role: Account

    @property
    def owner(self) -> Any:  # noqa: ANN401  boto3 makes its clients at run time
        """Secrets Manager as an administrator uses it."""
        return self.stack.account.client("secretsmanager")

    @property
    def function(self) -> SecretsManager:
        """Secrets Manager as the function uses it: its code, and its rights."""
        variables = {"ACCOUNT": self.stack.secrets, "KMS_KEY_ARN": self.new_key}
        return SecretsManager(self.role.client("secretsmanager"), settings(**variables), lambda _: None)

    def create(self, kind: str, client: Client, **value: str) -> None:
        """Create a secret under the old key; its name is free again only some time after it was deleted."""
        self.owner.create_secret(Name=f"{self.stack.secrets}/{kind}/{client.name}", KmsKeyId=self.old_key, **value)

    def has_moved(self, kind: str, client: Client) -> bool:
        """Return whether a secret is under the new key, which it is only if the old one denied the function."""
        described = self.owner.describe_secret(SecretId=f"{self.stack.secrets}/{kind}/{client.name}")
        return bool(described["KmsKeyId"] == self.new_key)


@pytest.fixture(scope="module")
def scene(make: Maker) -> Scene:
    """Deploy with sixty client IDs and a key, pause, and give a role the policy of the function."""
    old, new = make.key("old"), make.key("new")
    stack = make.deploy("design", {"ClientIds": NAMES, "KmsKeyArn": new, "CheckEvery": "rate(19 minutes)"})
    pause(make.account, stack.name)  # its runs would only cost sixty secrets
    role = make.assume(make.role("function", stack.function_policy))
    once_allowed(lambda: role.client("secretsmanager").describe_secret(SecretId=f"{stack.secrets}/credentials"))
    return Scene(stack, old, new, role)


def attempt(call: Callable[[], object]) -> str:
    """Make a call, and return the code of its error, or that it was done."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    except SecretsManagerFailed as failure:
        return failure.problem.partition("failed: ")[2]
    return DONE


def test_a_secret_leaves_a_key_that_denies_the_function(scene: Scene) -> None:
    """UpdateSecret with KmsKeyId alone succeeds while the old key is denied, and a value can be put then.

    If it fails, the function cannot heal a changed KmsKeyArn: `use_stack_key` has to go, and the docs must have whoever
    changes the key move every token secret before.
    """
    scene.create("tokens", VALUED, SecretString="an older value")
    before = scene.function.published(VALUED, ISSUED_AT)
    moved = attempt(lambda: scene.function.use_stack_key("tokens", VALUED))
    published = attempt(lambda: scene.function.publish(VALUED, a_token(client_id=VALUED.client_id)))
    after = scene.function.published(VALUED, ISSUED_AT)
    needs_iam(scene.stack.account)

    assert (before, moved, published, bool(after and after.token)) == (
        Published(is_denied_by_kms=True),
        DONE,
        DONE,
        True,
    )


def test_an_empty_secret_leaves_a_key_that_denies_the_function(scene: Scene) -> None:
    """Where there is no value, the denied key shows when the first one is put; the secret is moved then.

    If it fails, an empty token secret under a denied key costs a log-in at each check: have the function look at the
    secret's KmsKeyId before it logs in.
    """
    scene.create("tokens", EMPTY)
    published = attempt(lambda: scene.function.publish(EMPTY, a_token(client_id=EMPTY.client_id)))
    needs_iam(scene.stack.account)

    assert (published, scene.has_moved("tokens", EMPTY)) == (DONE, True)


def test_a_refresh_token_secret_leaves_a_key_that_denies_the_function(scene: Scene) -> None:
    """A refresh token is stored although the one before is under a denied key.

    If it fails, have the function forget a stored refresh token that it cannot read, and say so in the docs.
    """
    scene.create("refresh-tokens", VALUED, SecretString="an older value")
    token = a_refresh_token(client_id=VALUED.client_id)
    scene.function.store_refresh_token(VALUED, token)
    needs_iam(scene.stack.account)

    assert (scene.function.stored_refresh_token(VALUED), scene.has_moved("refresh-tokens", VALUED)) == (token, True)


def test_the_function_moves_the_label_rejected_and_no_other(scene: Scene) -> None:
    """UpdateSecretVersionStage is allowed under the condition on secretsmanager:VersionStage, for REJECTED alone.

    If it is denied, drop the condition, and say in docs/security.md that the function can choose the current version.
    If AWSCURRENT can be moved, the condition protects nothing: say the same.
    """
    name = f"{scene.stack.secrets}/credentials"
    first, second = (scene.owner.put_secret_value(SecretId=name, SecretString=text)["VersionId"] for text in ("1", "2"))
    client = scene.role.client("secretsmanager")
    current = {"VersionStage": "AWSCURRENT", "MoveToVersionId": first, "RemoveFromVersionId": second}
    seen = [
        attempt(lambda: scene.function.move_rejected(to=second, of=None)),
        attempt(lambda: scene.function.move_rejected(to=None, of=second)),
        attempt(lambda: client.update_secret_version_stage(SecretId=name, **current)),
    ]
    needs_iam(scene.stack.account)

    assert seen == [DONE, DONE, DENIED]


def test_a_missing_token_secret_is_told_from_a_denied_one_and_created(scene: Scene) -> None:
    """Policies for `tokens/*` match a secret that does not exist yet, and CreateSecret with tags and a key is allowed.

    If reading is denied, take AccessDeniedException for a missing secret as well. If creating is denied, find out in
    CloudTrail which permission was asked for, and add it to the template and to tests/stack/test_policies.py.
    """
    found = scene.function.published(MISSING, ISSUED_AT)
    scene.function.create("tokens", MISSING)

    assert (found, scene.function.published(MISSING, ISSUED_AT)) == (None, Published())


def test_a_secret_outside_of_the_stack_is_denied(scene: Scene, make: Maker) -> None:
    """The function's policy gives nothing beyond the names of its stack.

    If it fails, the template's Resource patterns match more than they should.
    """
    client, name = scene.role.client("secretsmanager"), f"{make.prefix}outside/staging/tokens/Probe"
    seen = [
        attempt(lambda: client.create_secret(Name=name)),
        attempt(lambda: client.get_secret_value(SecretId=name)),
        attempt(lambda: client.put_secret_value(SecretId=f"{scene.stack.secrets}/credentials", SecretString="{}")),
    ]
    needs_iam(scene.stack.account)

    assert seen == [DENIED] * 3


def test_sixty_long_client_ids_fit_into_the_functions_variables(scene: Scene) -> None:
    """Lambda accepts the variables of a stack with sixty names of 50 characters: they have 4 KB in all.

    If the stack could not be created, lower MaxLength of ClientIds in the template, and the number in the docs.
    """
    client = scene.stack.account.client("lambda")
    variables = client.get_function_configuration(FunctionName=scene.stack.name)["Environment"]["Variables"]

    assert variables["CLIENT_IDS"] == NAMES


def heard(account: Account, queue: str, secret: str) -> bool:
    """Return whether an event about a secret is in a queue, and empty the queue."""
    client = account.client("sqs")
    messages = client.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=5).get("Messages", [])
    for each in messages:
        client.delete_message(QueueUrl=queue, ReceiptHandle=each["ReceiptHandle"])
    return secret in [json.loads(each["Body"])["detail"]["name"] for each in messages]


def test_the_first_value_of_an_empty_secret_sends_an_event(scene: Scene, make: Maker) -> None:
    """`Secret Label Updated` comes when AWSCURRENT gets its first version, so that filled credentials are used at once.

    If it fails, the first tokens wait for the next scheduled run: the README has to tell who fills the credentials to
    invoke the function.
    """
    names = [f"{make.prefix}events/{name}" for name in ("control", "first")]
    detail = {"name": [{"prefix": f"{make.prefix}events/"}], "labelUpdated": ["AWSCURRENT"]}
    pattern = {"source": ["aws.secretsmanager"], "detail-type": ["Secret Label Updated"], "detail": detail}
    queue = make.rule_into_queue("events", pattern)
    for name in names:
        scene.owner.create_secret(Name=name)

    def is_working() -> bool:
        """Return whether the rule and the queue pass on the second and later values."""
        scene.owner.put_secret_value(SecretId=names[0], SecretString="control")
        return heard(scene.stack.account, queue, names[0])

    eventually(is_working, within=WITHIN)
    scene.owner.put_secret_value(SecretId=names[1], SecretString="first")

    assert eventually(lambda: heard(scene.stack.account, queue, names[1]), within=WITHIN)


def test_a_stack_whose_reader_policy_is_attached_can_be_deleted(scene: Scene, make: Maker) -> None:
    """The stack goes, and the policy stays with the role of an application. It is the last test: the stack is gone.

    If it fails, `sam delete` fails for everybody who uses tags: remove ReaderPolicy from the template.
    """
    arn, iam = scene.stack.resource("ReaderPolicy"), scene.stack.account.client("iam")
    iam.attach_role_policy(RoleName=make.role("application"), PolicyArn=arn)
    scene.stack.delete()

    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
