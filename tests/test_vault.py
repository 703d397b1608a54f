"""The vault's contract, the same on moto, on MiniStack and, with --real-aws, on a real account.

Where the emulators are known to differ from AWS: both overwrite a version whose id is used again (AWS refuses), and
both are consistent at once (AWS is eventually).
"""

import json
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber
from moto import mock_aws

from local.aws import LocalAws
from mx_token_rotator.deadline import Deadline
from mx_token_rotator.errors import CredentialsInvalid, VaultFailed, fill_command
from mx_token_rotator.tokens import Published
from mx_token_rotator.vault import SecretsManagerVault, credentials_secret, token_secret
from tests.fakes import a_token

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

FILLED = {"username": "user", "password": "pass", "client_secret": "secret"}
CLIENT_ID = a_token().client_id
AN_HOUR = Deadline(lambda: 3600.0)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the contract on each Secrets Manager that there is, and on a real account where the flag asks for it."""
    if "client" in metafunc.fixturenames:
        real = ["aws"] if metafunc.config.getoption("--real-aws") else []
        metafunc.parametrize("client", ["moto", "ministack", *real], indirect=True)


@pytest.fixture
def client(request: pytest.FixtureRequest) -> Iterator["SecretsManagerClient"]:
    """Give a client of each Secrets Manager that there is."""
    if request.param == "moto":
        with mock_aws():
            yield boto3.client("secretsmanager")
    elif request.param == "ministack":
        aws: LocalAws = request.getfixturevalue("aws")
        yield aws.session.client("secretsmanager", endpoint_url=aws.endpoint)
    else:
        yield boto3.client("secretsmanager")


@pytest.fixture
def account(client: "SecretsManagerClient") -> Iterator[str]:
    """Make the empty secrets of an account that nobody else has."""
    name = f"mx-token-rotator-test-{uuid.uuid4().hex}/staging"
    secrets = [credentials_secret(name), token_secret(name, CLIENT_ID)]
    for secret in secrets:
        client.create_secret(Name=secret)
    yield name
    for secret in secrets:
        client.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)


@pytest.fixture
def vault(client: "SecretsManagerClient", account: str) -> SecretsManagerVault:
    """Give the vault of that account."""
    return SecretsManagerVault(client, account, AN_HOUR)


def test_nothing_is_published_in_an_empty_secret(vault: SecretsManagerVault) -> None:
    """A token secret that was never written holds nothing, which is no error."""
    assert vault.published(CLIENT_ID) is None


def test_a_published_token_is_read_back(vault: SecretsManagerVault) -> None:
    """What is published is what the next tick reads, under the version that publishing gave."""
    version_id = vault.publish(a_token())

    assert vault.published(CLIENT_ID) == Published(version_id=version_id, token=a_token())


def test_a_second_publication_replaces_the_first(vault: SecretsManagerVault) -> None:
    """Publishing moves AWSCURRENT to the new version."""
    vault.publish(a_token())
    version_id = vault.publish(a_token(access_token="another"))

    assert vault.published(CLIENT_ID) == Published(version_id=version_id, token=a_token(access_token="another"))


def test_the_replaced_token_stays_as_the_previous_version(
    vault: SecretsManagerVault, client: "SecretsManagerClient", account: str
) -> None:
    """A person can go back to AWSPREVIOUS."""
    vault.publish(a_token())
    vault.publish(a_token(access_token="another"))

    answer = client.get_secret_value(SecretId=token_secret(account, CLIENT_ID), VersionStage="AWSPREVIOUS")
    assert json.loads(answer["SecretString"])["access_token"] == a_token().access_token


@pytest.mark.parametrize("value", [{"SecretString": "no JSON"}, {"SecretBinary": b"bytes"}], ids=["text", "binary"])
def test_an_unreadable_value_is_a_version_without_a_token(
    vault: SecretsManagerVault, client: "SecretsManagerClient", account: str, value: dict[str, str]
) -> None:
    """Something that the rotator did not write is told from nothing."""
    version_id = client.put_secret_value(SecretId=token_secret(account, CLIENT_ID), **value)["VersionId"]

    assert vault.published(CLIENT_ID) == Published(version_id=version_id, token=None)


def test_empty_credentials_have_no_version(vault: SecretsManagerVault, request: pytest.FixtureRequest) -> None:
    """Before a person fills the credentials there is nothing to compare with."""
    if "ministack" in request.node.name:
        pytest.skip("MiniStack gives a secret that was made without a value a version; AWS gives it none")

    assert vault.credentials_version() is None


def test_the_version_of_the_credentials_is_the_current_one(
    vault: SecretsManagerVault, client: "SecretsManagerClient", account: str
) -> None:
    """New credentials are seen from their version's id."""
    for _ in range(2):
        answer = client.put_secret_value(SecretId=credentials_secret(account), SecretString=json.dumps(FILLED))

    assert vault.credentials_version() == answer["VersionId"]


def test_the_credentials_are_read_with_their_version(
    vault: SecretsManagerVault, client: "SecretsManagerClient", account: str
) -> None:
    """The version that is published with a token is that of the credentials that were used."""
    answer = client.put_secret_value(SecretId=credentials_secret(account), SecretString=json.dumps(FILLED))

    assert vault.credentials().version_id == answer["VersionId"]


def test_empty_credentials_say_how_to_fill_them(vault: SecretsManagerVault, account: str) -> None:
    """The remedy is the very command."""
    with pytest.raises(CredentialsInvalid) as caught:
        vault.credentials()

    assert fill_command(credentials_secret(account)) in caught.value.remedy


def test_a_secret_that_is_gone_is_told_from_an_empty_one(client: "SecretsManagerClient") -> None:
    """Nobody logs in for a token that cannot be published."""
    vault = SecretsManagerVault(client, "nobody/staging", AN_HOUR)

    with pytest.raises(
        VaultFailed, match=r"GetSecretValue of nobody/staging/tokens/\w+ failed: ResourceNotFoundException"
    ):
        vault.published(CLIENT_ID)


@pytest.fixture
def stubbed() -> Iterator[tuple[SecretsManagerVault, Stubber]]:
    """Give a vault whose Secrets Manager answers what a test says."""
    answering = boto3.client("secretsmanager")
    with Stubber(answering) as stubber:
        yield SecretsManagerVault(answering, "moviexchange/staging", AN_HOUR), stubber


def test_a_version_without_a_value_is_no_value_yet(stubbed: tuple[SecretsManagerVault, Stubber]) -> None:
    """MiniStack gives one to a secret that was made without a value; AWS gives it no version at all."""
    vault, stubber = stubbed
    stubber.add_response("get_secret_value", {"VersionId": "v" * 32})

    assert vault.published(CLIENT_ID) is None


@pytest.mark.parametrize(
    "code",
    ["AccessDeniedException", "DecryptionFailure", "InternalServiceError", "InvalidRequestException", "Throttling"],
)
def test_a_failure_names_operation_secret_and_code_alone(
    stubbed: tuple[SecretsManagerVault, Stubber], code: str
) -> None:
    """AWS's message may quote what was sent, so it is not repeated."""
    vault, stubber = stubbed
    stubber.add_client_error("put_secret_value", code, "Value 'canary' failed to satisfy constraint")

    with pytest.raises(VaultFailed) as caught:
        vault.publish(a_token())

    assert caught.value.problem == f"PutSecretValue of moviexchange/staging/tokens/{CLIENT_ID} failed: {code}"


def test_a_secrets_manager_out_of_reach_is_a_failure_too() -> None:
    """What botocore itself raises is named by its class."""
    client = boto3.client(
        "secretsmanager",
        endpoint_url="http://127.0.0.1:1",
        config=Config(connect_timeout=1, retries={"total_max_attempts": 1}),
    )

    with pytest.raises(VaultFailed, match="EndpointConnectionError"):
        SecretsManagerVault(client, "moviexchange/staging", AN_HOUR).credentials_version()


def test_a_call_ends_with_the_invocation() -> None:
    """A failure that is raised is counted; an invocation that Lambda ends is not."""
    vault = SecretsManagerVault(boto3.client("secretsmanager"), "moviexchange/staging", Deadline(lambda: 0.0))

    with pytest.raises(VaultFailed, match="DescribeSecret of moviexchange/staging/credentials failed: TimeoutError"):
        vault.credentials_version()
