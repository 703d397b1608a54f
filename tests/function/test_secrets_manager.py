"""The contract with Secrets Manager, on moto, roto, MiniStack and, with --real-aws, a real account; and its faults.

Where the emulators differ from AWS: they are consistent at once, where AWS's reads may lag behind its writes.
"""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws

from mx_token_rotator.errors import CredentialsInvalid, SecretsManagerFailed, TimeIsUp
from mx_token_rotator.secrets_manager import SecretsManager
from mx_token_rotator.settings import Client
from mx_token_rotator.tokens import Credentials, Published
from tests.function.fakes import ACCOUNT, CLIENT_ID, ISSUED_AT, a_refresh_token, a_token, settings
from tools.local import secrets_proxy
from tools.local.lambda_runtime import reserved_port

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

FILLED = {"username": "user", "password": "pass", "client_secret": "secret"}
CLIENT = Client("Web", CLIENT_ID)
NOBODY = Client("Nobody", "Nobody")
Calls = list[tuple[str, dict[str, Any]]]
ANOTHER_VERSION = "11111111-2222-4333-8444-555555555555"


MINISTACK_DIFFERS = {
    "test_whether_a_token_could_be_published_is_found_out_without_a_change": "it drops AWSPREVIOUS if an id is reused",
    "test_empty_credentials_have_no_version": "it gives an empty secret a version",
    "test_a_version_of_the_credentials_that_does_not_exist_is_told": "its message is another one",
    "test_a_version_of_the_credentials_that_appears_late_is_read": "its message is another one",
    "test_a_token_secret_is_created_empty_and_tagged": "it gives an empty secret a version",
}
"""What MiniStack does otherwise than AWS, moto and roto, by the test that shows it."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the contract on each emulator, or on a real account if the flag asks for it."""
    if "client" in metafunc.fixturenames:
        is_real = metafunc.config.getoption("--real-aws")
        metafunc.parametrize("client", ["aws"] if is_real else ["moto", "roto", "ministack"], indirect=True)


@pytest.fixture(scope="module")
def roto() -> Iterator[str]:
    """Run roto; return its address."""
    with secrets_proxy.roto() as port:
        yield f"http://127.0.0.1:{port}"


def endpoint(request: pytest.FixtureRequest) -> str | None:
    """Return the address of the Secrets Manager that is asked for; None for AWS's own."""
    if request.param == "aws":
        return None
    address: str = (
        request.getfixturevalue("roto") if request.param == "roto" else request.getfixturevalue("aws").endpoint
    )
    return address


@pytest.fixture
def client(request: pytest.FixtureRequest) -> Iterator["SecretsManagerClient"]:
    """Return a client of each Secrets Manager."""
    if request.param == "moto":
        with mock_aws():
            yield boto3.client("secretsmanager")
        return
    if request.param == "ministack" and request.node.originalname in MINISTACK_DIFFERS:
        request.applymarker(pytest.mark.xfail(reason=MINISTACK_DIFFERS[request.node.originalname], strict=True))
    yield boto3.client("secretsmanager", endpoint_url=endpoint(request))


@pytest.fixture
def account(client: "SecretsManagerClient", prefix: str) -> Iterator[str]:
    """Create the empty secrets of an account that nobody else has."""
    name = f"{prefix}{uuid.uuid4().hex}/staging"
    secrets = [f"{name}/credentials", f"{name}/tokens/Web", f"{name}/refresh-tokens/Web"]
    for secret in secrets[:2]:
        client.create_secret(Name=secret)
    yield name
    for secret in secrets:
        with suppress(client.exceptions.ResourceNotFoundException):
            client.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)


def no_sleep(seconds: float) -> None:
    """Fail if somebody waits."""
    assert not seconds


@pytest.fixture
def secrets(client: "SecretsManagerClient", account: str) -> SecretsManager:
    """Return that account."""
    return SecretsManager(client, settings(ACCOUNT=account), no_sleep)


def stored(client: "SecretsManagerClient", name: str) -> str:
    """Return a secret's current value."""
    return client.get_secret_value(SecretId=name)["SecretString"]


def fill(client: "SecretsManagerClient", account: str) -> str:
    """Store credentials, and return their version."""
    return client.put_secret_value(SecretId=f"{account}/credentials", SecretString=json.dumps(FILLED))["VersionId"]


def test_a_missing_token_secret_is_told_from_an_empty_one(secrets: SecretsManager) -> None:
    """The missing one has to be created first."""
    assert (secrets.published(NOBODY, ISSUED_AT), secrets.published(CLIENT, ISSUED_AT)) == (None, Published())


def test_a_published_token_is_read_back(secrets: SecretsManager) -> None:
    """The next run reads what was published, under the version that publishing returned."""
    before = secrets.publish(CLIENT, a_token())

    assert (secrets.published(CLIENT, ISSUED_AT), before.token, bool(before.version_id)) == (before, a_token(), True)


def test_the_replaced_token_stays_as_the_previous_version(
    secrets: SecretsManager, client: "SecretsManagerClient", account: str
) -> None:
    """A person can go back to it."""
    first = secrets.publish(CLIENT, a_token())
    secrets.publish(CLIENT, a_token(access_token="another"))
    previous = client.get_secret_value(SecretId=f"{account}/tokens/Web", VersionStage="AWSPREVIOUS")

    assert (previous["VersionId"], previous["SecretString"]) == (first.version_id, first.text)


@pytest.mark.parametrize("value", [{"SecretString": "not JSON"}, {"SecretBinary": b"bytes"}], ids=["text", "binary"])
def test_a_value_of_somebody_else_is_a_version_without_a_token(
    secrets: SecretsManager, client: "SecretsManagerClient", account: str, value: dict[str, Any]
) -> None:
    """It is told from an empty secret."""
    version_id = client.put_secret_value(SecretId=f"{account}/tokens/Web", **value)["VersionId"]

    assert secrets.published(CLIENT, ISSUED_AT) == Published(version_id=version_id, text=value.get("SecretString", ""))


@pytest.mark.parametrize(
    "text", [json.dumps(a_token().document()), '{"access_token":\n "by hand"}'], ids=["ours", "odd"]
)
def test_whether_a_token_could_be_published_is_found_out_without_a_change(
    secrets: SecretsManager, client: "SecretsManagerClient", account: str, text: str
) -> None:
    """No version is spent, no label is moved, and nobody hears of it."""
    name = f"{account}/tokens/Web"
    client.put_secret_value(SecretId=name, SecretString="{}")
    client.put_secret_value(SecretId=name, SecretString=text)
    before = client.describe_secret(SecretId=name)["VersionIdsToStages"]
    published = secrets.published(CLIENT, ISSUED_AT)
    assert published
    secrets.confirm_writable(CLIENT, published)

    assert (client.describe_secret(SecretId=name)["VersionIdsToStages"], stored(client, name)) == (before, text)


def test_a_token_secret_that_cannot_be_written_is_found_out() -> None:
    """It is found out before a log-in, which may end the published token."""
    secrets, called = failing("AccessDeniedException")
    with pytest.raises(SecretsManagerFailed):
        secrets.confirm_writable(CLIENT, Published(version_id=ANOTHER_VERSION, text="value"))

    assert called == [
        (
            "PutSecretValue",
            {"SecretId": f"{ACCOUNT}/tokens/Web", "SecretString": "value", "ClientRequestToken": ANOTHER_VERSION},
        )
    ]


def test_empty_credentials_have_no_version(secrets: SecretsManager) -> None:
    """Nobody has filled them yet."""
    assert secrets.credentials_versions("") == (None, None)


def test_the_version_of_the_credentials_is_the_current_one(
    secrets: SecretsManager, client: "SecretsManagerClient", account: str
) -> None:
    """An announced one that is known is not waited for."""
    first, second = fill(client, account), fill(client, account)

    assert [secrets.credentials_versions(announced) for announced in ("", first, second)] == [(second, None)] * 3


def test_credentials_are_read_by_their_version(
    secrets: SecretsManager, client: "SecretsManagerClient", account: str
) -> None:
    """A candidate, or what DescribeSecret named, and nothing that came later."""
    first = fill(client, account)
    client.put_secret_value(SecretId=f"{account}/credentials", SecretString="later")

    assert secrets.credentials(first) == Credentials(**FILLED, version_id=first)


def test_a_version_of_the_credentials_that_does_not_exist_is_told(client: "SecretsManagerClient", account: str) -> None:
    """A trial may name any; a read may lag behind the write for three seconds."""
    waited = list[float]()
    secrets = SecretsManager(client, settings(ACCOUNT=account), waited.append)
    with pytest.raises(CredentialsInvalid, match="is still empty, or has no such version"):
        secrets.credentials(ANOTHER_VERSION)

    assert waited == [0, 1, 2]


def test_a_version_of_the_credentials_that_appears_late_is_read(client: "SecretsManagerClient", account: str) -> None:
    """Right credentials are not to be called empty."""
    version = str(uuid.uuid4())

    def sleep(seconds: float) -> None:
        if seconds == 1:
            value = json.dumps(FILLED)
            client.put_secret_value(SecretId=f"{account}/credentials", SecretString=value, ClientRequestToken=version)

    secrets = SecretsManager(client, settings(ACCOUNT=account), sleep)

    assert secrets.credentials(version).version_id == version


def test_binary_credentials_are_told(secrets: SecretsManager, client: "SecretsManagerClient", account: str) -> None:
    """The AWS CLI stores a file so, under --secret-binary."""
    value = json.dumps(FILLED).encode()
    version_id = client.put_secret_value(SecretId=f"{account}/credentials", SecretBinary=value)["VersionId"]

    with pytest.raises(CredentialsInvalid, match=f"The secret {account}/credentials has a binary value"):
        secrets.credentials(version_id)


def test_the_label_moves_from_version_to_version_and_goes(
    secrets: SecretsManager, client: "SecretsManagerClient", account: str
) -> None:
    """It is on one version at a time, and leaves the other labels."""
    first, second = fill(client, account), fill(client, account)
    seen = []
    for to, of in ((first, None), (second, first), (None, second)):
        secrets.move_rejected(to=to, of=of)
        seen.append(secrets.credentials_versions(""))

    assert seen == [(second, first), (second, second), (second, None)]


@pytest.mark.parametrize(
    ("variables", "tags"),
    [({}, {}), ({"SECRET_TAGS": "Team=Web,Cost=a=b"}, {"Team": "Web", "Cost": "a=b"})],
    ids=["the stack's own", "with SecretTags"],
)
def test_a_token_secret_is_created_empty_and_tagged(
    client: "SecretsManagerClient", account: str, variables: dict[str, str], tags: dict[str, str]
) -> None:
    """Its owner is seen in the console, and by policies."""
    secrets = SecretsManager(client, settings(ACCOUNT=account, **variables), no_sleep)
    secrets.create("tokens", NOBODY)
    described = client.describe_secret(SecretId=f"{account}/tokens/Nobody")
    client.delete_secret(SecretId=f"{account}/tokens/Nobody", ForceDeleteWithoutRecovery=True)

    assert ({each["Key"]: each["Value"] for each in described["Tags"]}, "VersionIdsToStages" in described) == (
        {"mx-token-rotator:account": account} | tags,
        False,
    )


def test_a_secret_that_moves_to_another_key_keeps_its_value_and_its_versions(
    secrets: SecretsManager, client: "SecretsManagerClient", account: str
) -> None:
    """UpdateSecret with KmsKeyId alone makes no version; here the key is the AWS managed one."""
    name = f"{account}/tokens/Web"
    for text in ("before", "now"):
        client.put_secret_value(SecretId=name, SecretString=text)
    before = client.describe_secret(SecretId=name)["VersionIdsToStages"]
    secrets.use_stack_key("tokens", CLIENT)

    assert (client.describe_secret(SecretId=name)["VersionIdsToStages"], stored(client, name)) == (before, "now")


def test_no_refresh_token_is_stored_at_first(secrets: SecretsManager) -> None:
    """Its secret does not exist, or was created and never written."""
    missing = secrets.stored_refresh_token(CLIENT)
    secrets.create("refresh-tokens", CLIENT)

    assert (missing, secrets.stored_refresh_token(CLIENT)) == (None, None)


def test_a_refresh_token_is_stored_replaced_and_forgotten(secrets: SecretsManager) -> None:
    """The first one creates its secret."""
    read = []
    for token in (a_refresh_token(), a_refresh_token(refresh_token="another"), None):
        secrets.store_refresh_token(CLIENT, token)
        read.append(secrets.stored_refresh_token(CLIENT))

    assert read == [a_refresh_token(), a_refresh_token(refresh_token="another"), None]


def test_a_secret_that_is_marked_for_deletion_says_so(
    secrets: SecretsManager, client: "SecretsManagerClient", account: str
) -> None:
    """The remedy is the command that restores it."""
    name = f"{account}/tokens/Web"
    client.delete_secret(SecretId=name)
    with pytest.raises(SecretsManagerFailed) as caught:
        secrets.published(CLIENT, ISSUED_AT)

    assert (caught.value.problem, caught.value.remedy, caught.value.needs_person) == (
        f"GetSecretValue of the secret {name} failed: InvalidRequestException (it is marked for deletion)",
        f"Run aws secretsmanager restore-secret --secret-id {name}",
        True,
    )


def answering(
    answer: Callable[[str], tuple[int, dict[str, Any]]], sleep: Callable[[float], None] = no_sleep, **variables: str
) -> tuple[SecretsManager, Calls]:
    """Return an account whose operations are answered by a function of their name, and a list of what is called."""
    called: Calls = []
    client = boto3.client("secretsmanager", config=Config(retries={"total_max_attempts": 1}))

    def note(params: Mapping[str, Any], model: Any, **_: object) -> None:  # noqa: ANN401  botocore's model of the operation
        called.append((model.name, dict(params)))

    def come_first(model: Any, **_: object) -> tuple[SimpleNamespace, dict[str, Any]]:  # noqa: ANN401  the same
        status, answered = answer(model.name)
        return SimpleNamespace(status_code=status), answered

    client.meta.events.register("provide-client-params.secretsmanager", note)
    client.meta.events.register("before-call.secretsmanager", come_first)  # type: ignore[arg-type]  # its value counts
    return SecretsManager(client, settings(**variables), sleep), called


def failing(code: str, message: str = "canary") -> tuple[SecretsManager, Calls]:
    """Return an account in which every operation fails with this code."""
    return answering(lambda _: (400, {"Error": {"Code": code, "Message": message}}))


def failure(call: Callable[[SecretsManager], object], code: str, message: str = "canary") -> SecretsManagerFailed:
    """Return what comes of a call that fails with this code."""
    with pytest.raises(SecretsManagerFailed) as caught:
        call(failing(code, message)[0])
    return caught.value


EACH_CALL: dict[str, Callable[[SecretsManager], object]] = {
    f"GetSecretValue of the secret {ACCOUNT}/tokens/Web": lambda secrets: secrets.published(CLIENT, ISSUED_AT),
    f"GetSecretValue of the secret {ACCOUNT}/credentials": lambda secrets: secrets.credentials(ANOTHER_VERSION),
    f"GetSecretValue of the secret {ACCOUNT}/refresh-tokens/Web": lambda secrets: secrets.stored_refresh_token(CLIENT),
    f"CreateSecret of the secret {ACCOUNT}/tokens/Web": lambda secrets: secrets.create("tokens", CLIENT),
    f"UpdateSecret of the secret {ACCOUNT}/tokens/Web": lambda secrets: secrets.use_stack_key("tokens", CLIENT),
    f"PutSecretValue of the secret {ACCOUNT}/tokens/Web": lambda secrets: secrets.publish(CLIENT, a_token()),
    f"PutSecretValue of the secret {ACCOUNT}/refresh-tokens/Web": lambda secrets: secrets.store_refresh_token(
        CLIENT, None
    ),
    f"DescribeSecret of the secret {ACCOUNT}/credentials": lambda secrets: secrets.credentials_versions(""),
    f"UpdateSecretVersionStage of the secret {ACCOUNT}/credentials": lambda secrets: secrets.move_rejected(
        to=ANOTHER_VERSION, of=None
    ),
}


@pytest.mark.parametrize(("asked", "call"), EACH_CALL.items(), ids=EACH_CALL)
def test_a_failure_names_operation_secret_and_code_alone(asked: str, call: Callable[[SecretsManager], object]) -> None:
    """AWS's message may quote what was sent."""
    assert failure(call, "InvalidRequestException").problem == f"{asked} failed: InvalidRequestException"


@pytest.mark.parametrize(
    ("code", "needs_person"),
    [
        ("ThrottlingException", False),
        ("TooManyRequestsException", False),
        ("RequestLimitExceeded", False),
        ("InternalServiceError", False),
        ("InternalFailure", False),
        ("ServiceUnavailable", False),
        ("503", False),
        ("AccessDeniedException", True),
        ("InvalidRequestException", True),
        ("LimitExceededException", True),
        ("UnrecognizedClientException", True),
        ("400", True),
    ],
)
def test_only_what_lasts_needs_a_person(code: str, *, needs_person: bool) -> None:
    """Throttling and an outage of Secrets Manager end by themselves."""
    for call in EACH_CALL.values():
        assert failure(call, code).needs_person is needs_person


def test_half_an_answer_is_none() -> None:
    """An empty one, for which botocore takes it, would say that there are no credentials."""
    client: Any = SimpleNamespace(describe_secret=lambda **_: {"ResponseMetadata": {}})
    with pytest.raises(SecretsManagerFailed, match="got no answer: IncompleteReadError"):
        SecretsManager(client, settings(), no_sleep).credentials_versions("")


@pytest.mark.parametrize("call", EACH_CALL.values(), ids=EACH_CALL)
def test_what_passes_says_so(call: Callable[[SecretsManager], object]) -> None:
    """Nobody has to compare policies because of throttling."""
    assert failure(call, "ThrottlingException").remedy.startswith("The next run tries again.")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("AccessDeniedException", "Access to KMS is not allowed"),
        ("DecryptionFailure", "Secrets Manager can't decrypt the protected secret text using the provided key."),
        ("InvalidRequestException", "You can't access a secret whose KMS key is disabled"),
    ],
)
def test_a_token_secret_whose_key_is_denied_is_not_an_empty_one(code: str, message: str) -> None:
    """It can be moved to the stack's key."""
    secrets, _ = failing(code, message)

    assert secrets.published(CLIENT, ISSUED_AT) == Published(is_denied_by_kms=True)


@pytest.mark.parametrize(
    "asked", [asked for asked in EACH_CALL if "SecretValue" not in asked or "credentials" in asked]
)
def test_a_denied_key_is_told_with_its_remedy(asked: str) -> None:
    """The role's policy may be right, and the key's wrong."""
    failed = failure(EACH_CALL[asked], "AccessDeniedException", "Access to KMS is not allowed")

    assert (failed.problem, failed.remedy, failed.kind) == (
        f"{asked} failed: AccessDeniedException (its KMS key)",
        "Let the function's role use the secret's KMS key, and enable the key.",
        "key",
    )


@pytest.mark.parametrize("asked", EACH_CALL)
def test_a_role_with_kms_in_its_name_that_is_denied_is_not_a_denied_key(asked: str) -> None:
    """The message quotes the role's name; another key would change nothing."""
    message = "User: arn:aws:sts::123456789012:assumed-role/KMS/mx-token-rotator is not authorized to perform this"

    assert failure(EACH_CALL[asked], "AccessDeniedException", message).kind == ""


@pytest.mark.parametrize("asked", EACH_CALL)
def test_a_denied_access_to_the_credentials_names_both_causes(asked: str) -> None:
    """A policy for a name with a suffix denies a secret that does not exist."""
    causes = " (the function's role may not, or the secret does not exist)" if "credentials" in asked else ""

    assert failure(EACH_CALL[asked], "AccessDeniedException").problem.endswith(f"AccessDeniedException{causes}")


@pytest.mark.parametrize("asked", [asked for asked in EACH_CALL if "credentials" in asked])
def test_missing_credentials_are_told_with_their_remedy(asked: str) -> None:
    """The stack was deployed with CreateCredentials=false."""
    message = "Secrets Manager can't find the specified secret."
    failed = failure(EACH_CALL[asked], "ResourceNotFoundException", message)

    assert (failed.kind, failed.remedy) == (
        "missing",
        "Create the secret, or deploy the stack with CreateCredentials=true.",
    )


def test_a_name_that_is_scheduled_for_deletion_cannot_be_created() -> None:
    """CloudFormation deletes secrets at once, but not in an instant."""
    message = "You can't create this secret because a secret with this name is already scheduled for deletion."
    failed = failure(lambda secrets: secrets.create("tokens", CLIENT), "InvalidRequestException", message)

    assert failed.problem.endswith("InvalidRequestException (it is marked for deletion)")


def test_a_refresh_token_is_not_stored_where_its_secret_cannot_be_written() -> None:
    """Only a missing secret is created."""
    secrets, called = failing("AccessDeniedException")
    with pytest.raises(SecretsManagerFailed):
        secrets.store_refresh_token(CLIENT, a_refresh_token())

    assert [operation for operation, _ in called] == ["PutSecretValue"]


PUTS: dict[str, Callable[[SecretsManager], object]] = {
    "tokens": lambda secrets: secrets.publish(CLIENT, a_token()),
    "refresh-tokens": lambda secrets: secrets.store_refresh_token(CLIENT, a_refresh_token()),
}


@pytest.mark.parametrize(
    ("code", "message", "mends"),
    [
        ("AccessDeniedException", "Access to KMS is not allowed", "UpdateSecret"),
        ("ResourceNotFoundException", "Secrets Manager can't find the specified secret.", "CreateSecret"),
    ],
)
@pytest.mark.parametrize("kind", PUTS)
def test_a_value_is_put_again_once_what_stood_in_its_way_is_mended(
    kind: str, code: str, message: str, mends: str
) -> None:
    """The key is one that the function may not use any more, or somebody deleted the secret."""
    refusal = 400, {"Error": {"Code": code, "Message": message}}
    secrets, called = answering(lambda _: refusal if len(called) == 1 else (200, {"VersionId": ANOTHER_VERSION}))
    PUTS[kind](secrets)

    assert [operation for operation, _ in called] == ["PutSecretValue", mends, "PutSecretValue"]


def test_a_refresh_token_whose_key_is_denied_is_none() -> None:
    """It must not hide why it was wanted."""
    secrets, _ = failing("AccessDeniedException", "Access to KMS is not allowed")

    assert secrets.stored_refresh_token(CLIENT) is None


def test_a_version_without_a_value_is_an_empty_secret() -> None:
    """MiniStack gives one to a secret that was created without a value; AWS gives it no version at all."""
    secrets, _ = answering(lambda _: (200, {"VersionId": ANOTHER_VERSION}))

    assert secrets.published(CLIENT, ISSUED_AT) == Published()


KEY = "arn:aws:kms:eu-west-1:123456789012:key/1"


@pytest.mark.parametrize(("key", "sent"), [("none", ""), (KEY, KEY)])
def test_a_token_secret_moves_to_the_stacks_key(key: str, sent: str) -> None:
    """An empty text means the AWS managed key (UpdateSecret's API reference)."""
    secrets, called = answering(lambda _: (200, {}), KMS_KEY_ARN=key)
    secrets.use_stack_key("tokens", CLIENT)

    assert called == [("UpdateSecret", {"SecretId": f"{ACCOUNT}/tokens/Web", "KmsKeyId": sent})]


@pytest.mark.parametrize(("key", "sent"), [("none", {}), (KEY, {"KmsKeyId": KEY})])
@pytest.mark.parametrize("kind", ["tokens", "refresh-tokens"])
def test_a_secret_is_created_with_the_stacks_key(key: str, kind: str, sent: dict[str, str]) -> None:
    """Without one, the AWS managed key encrypts."""
    secrets, called = answering(lambda _: (200, {}), KMS_KEY_ARN=key)
    secrets.create(kind, NOBODY)
    description = f"movieXchange {kind} of Nobody, written by mx-token-rotator alone"
    tags = [{"Key": "mx-token-rotator:account", "Value": ACCOUNT}]

    assert called == [
        ("CreateSecret", {"Name": f"{ACCOUNT}/{kind}/Nobody", "Description": description, "Tags": tags} | sent)
    ]


@pytest.mark.parametrize(("seen_after", "slept"), [(0, [0]), (1, [0, 1]), (2, [0, 1, 2]), (9, [0, 1, 2])])
def test_an_announced_version_is_waited_for(seen_after: int, slept: list[float]) -> None:
    """Reads may lag behind the event; after three looks, what is seen counts."""
    looks = iter(range(9))
    waited: list[float] = []

    def stages(_: str) -> tuple[int, dict[str, Any]]:
        old = {"old": ["AWSCURRENT", "REJECTED"]}
        new = {"old": ["AWSPREVIOUS", "REJECTED"], "new": ["AWSCURRENT"]}
        return 200, {"VersionIdsToStages": new if next(looks) >= seen_after else old}

    secrets, _ = answering(stages, sleep=waited.append)

    assert (secrets.credentials_versions("new"), waited) == (("old" if seen_after > 2 else "new", "old"), slept)


def test_a_replica_of_the_credentials_is_refused() -> None:
    """It refuses every write, labels included."""
    with mock_aws():
        boto3.client("secretsmanager", region_name="us-east-1").create_secret(
            Name=f"{ACCOUNT}/credentials", SecretString="{}", AddReplicaRegions=[{"Region": "eu-west-1"}]
        )
        secrets = SecretsManager(boto3.client("secretsmanager"), settings(), no_sleep)
        with pytest.raises(CredentialsInvalid) as caught:
            secrets.credentials_versions("")

    assert (caught.value.problem, caught.value.remedy) == (
        f"{ACCOUNT}/credentials is a replica of a secret in us-east-1",
        "Deploy the stack in that Region, or promote the replica to a secret of its own.",
    )


def test_a_primary_with_replicas_is_used() -> None:
    """DescribeSecret names its own Region."""
    with mock_aws():
        client = boto3.client("secretsmanager")
        created = client.create_secret(
            Name=f"{ACCOUNT}/credentials", SecretString="{}", AddReplicaRegions=[{"Region": "us-east-1"}]
        )
        secrets = SecretsManager(client, settings(), no_sleep)

        assert secrets.credentials_versions("") == (created["VersionId"], None)


def test_a_secrets_manager_that_cannot_be_reached_is_told() -> None:
    """Exceptions of botocore's own are named by their class, and end by themselves."""
    once = Config(connect_timeout=1, retries={"total_max_attempts": 1})
    with reserved_port() as port:
        client = boto3.client("secretsmanager", endpoint_url=f"http://127.0.0.1:{port}", config=once)
        with pytest.raises(SecretsManagerFailed) as caught:
            SecretsManager(client, settings(), no_sleep).credentials_versions("")

    assert (caught.value.problem, caught.value.needs_person) == (
        f"DescribeSecret of the secret {ACCOUNT}/credentials got no answer: EndpointConnectionError",
        False,
    )


def test_a_call_that_the_time_limit_ends_is_told() -> None:
    """It is not tried again."""

    def interrupt(_: str) -> tuple[int, dict[str, Any]]:
        raise TimeIsUp

    secrets, called = answering(interrupt)
    with pytest.raises(SecretsManagerFailed) as caught:
        secrets.credentials_versions("")

    assert (caught.value.problem, len(called)) == (
        f"DescribeSecret of the secret {ACCOUNT}/credentials got no answer: TimeIsUp",
        1,
    )
