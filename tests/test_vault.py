"""The vault's contract, the same on moto, on MiniStack and, with --real-aws, on a real account.

Where the emulators are known to differ from AWS: both are consistent at once (AWS is eventually). MiniStack overwrites
a version whose id is used again (AWS and moto refuse). moto lets several versions bear the same label (AWS moves it),
and goes on giving the value from before AWSCURRENT was moved back.
"""

import json
import uuid
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber
from moto import mock_aws

from local.aws import LocalAws
from mx_token_rotator.deadline import Deadline
from mx_token_rotator.errors import CredentialsInvalid, VaultFailed, fill_command
from mx_token_rotator.tokens import Published, SafetyNet
from mx_token_rotator.vault import (
    SecretsManagerVault,
    credentials_secret,
    refresh_token_secret,
    successor,
    token_secret,
)
from tests.fakes import a_refresh_token, a_token

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

FILLED = {"username": "user", "password": "pass", "client_secret": "secret"}
CLIENT_ID = a_token().client_id
ROTATION = "11111111-2222-4333-8444-555555555555"
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
    secrets = [credentials_secret(name), token_secret(name, CLIENT_ID), refresh_token_secret(name, CLIENT_ID)]
    for secret in secrets:
        client.create_secret(Name=secret)
    yield name
    for secret in secrets:
        client.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)


@pytest.fixture
def vault(client: "SecretsManagerClient", account: str) -> SecretsManagerVault:
    """Give the vault of that account."""
    return SecretsManagerVault(client, account, AN_HOUR)


def publish(vault: SecretsManagerVault, *, after: str | None = None, **changes: str) -> str:
    """Publish a token, some of whose members are changed, in time."""
    version_id = vault.publish(a_token(**changes), after=after)
    assert version_id is not None
    return version_id


def test_nothing_is_published_in_an_empty_secret(vault: SecretsManagerVault) -> None:
    """A token secret that was never written holds nothing, which is no error."""
    assert vault.published(CLIENT_ID) is None


def test_a_published_token_is_read_back(vault: SecretsManagerVault) -> None:
    """What is published is what the next tick reads, under the version that publishing gave."""
    version_id = publish(vault)

    assert vault.published(CLIENT_ID) == Published(version_id=version_id, token=a_token())


def test_a_second_publication_replaces_the_first(vault: SecretsManagerVault) -> None:
    """Publishing moves AWSCURRENT to the new version."""
    version_id = publish(vault, access_token="another", after=publish(vault))

    assert vault.published(CLIENT_ID) == Published(version_id=version_id, token=a_token(access_token="another"))


def test_the_replaced_token_stays_as_the_previous_version(
    vault: SecretsManagerVault, client: "SecretsManagerClient", account: str
) -> None:
    """A person can go back to AWSPREVIOUS."""
    publish(vault, access_token="another", after=publish(vault))

    answer = client.get_secret_value(SecretId=token_secret(account, CLIENT_ID), VersionStage="AWSPREVIOUS")
    assert json.loads(answer["SecretString"])["access_token"] == a_token().access_token


def test_of_two_who_read_the_same_version_one_publishes(
    vault: SecretsManagerVault, request: pytest.FixtureRequest
) -> None:
    """The second is too late, and what the first one published stays."""
    if "ministack" in request.node.name:
        pytest.skip("MiniStack overwrites a version whose id is used again; AWS refuses")
    read = publish(vault)
    version_id = publish(vault, access_token="by the first", after=read)
    late = vault.publish(a_token(access_token="by the second"), after=read)

    assert (late, vault.published(CLIENT_ID)) == (
        None,
        Published(version_id=version_id, token=a_token(access_token="by the first")),
    )


@pytest.mark.parametrize("times", [1, 2])
def test_a_token_is_published_after_a_person_went_back(
    vault: SecretsManagerVault, client: "SecretsManagerClient", account: str, times: int
) -> None:
    """The id that follows is taken by then, once for each time that somebody went back."""
    name = token_secret(account, CLIENT_ID)
    read = publish(vault)
    for each in range(times):
        newer = publish(vault, access_token=f"newer-{each}", after=read)
        client.update_secret_version_stage(
            SecretId=name, VersionStage="AWSCURRENT", MoveToVersionId=read, RemoveFromVersionId=newer
        )
    version_id = publish(vault, access_token="newest", after=read)

    assert vault.published(CLIENT_ID) == Published(version_id=version_id, token=a_token(access_token="newest"))


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

    assert vault.credentials_versions().current is None


def test_the_version_of_the_credentials_is_the_current_one(
    vault: SecretsManagerVault, client: "SecretsManagerClient", account: str
) -> None:
    """New credentials are seen from their version's id."""
    for _ in range(2):
        answer = client.put_secret_value(SecretId=credentials_secret(account), SecretString=json.dumps(FILLED))

    assert vault.credentials_versions().current == answer["VersionId"]


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


def test_the_label_rejected_moves_from_version_to_version(
    vault: SecretsManagerVault, client: "SecretsManagerClient", account: str
) -> None:
    """It is on one version at a time, and leaves the others' labels."""
    first, second = (
        client.put_secret_value(SecretId=credentials_secret(account), SecretString=json.dumps(FILLED))["VersionId"]
        for _ in range(2)
    )
    vault.label_rejected(first, instead_of=None)
    vault.label_rejected(second, instead_of=first)

    versions = vault.credentials_versions()
    assert (versions.current, versions.rejected, versions.labelled >= {first, second}) == (second, second, True)


def test_the_label_rejected_can_be_taken_away(
    vault: SecretsManagerVault, client: "SecretsManagerClient", account: str
) -> None:
    """What movieXchange takes after all bears it no more."""
    answer = client.put_secret_value(SecretId=credentials_secret(account), SecretString=json.dumps(FILLED))
    vault.label_rejected(answer["VersionId"], instead_of=None)
    vault.label_rejected(None, instead_of=answer["VersionId"])

    assert vault.credentials_versions().rejected is None


def test_a_version_is_dated_by_secrets_manager(vault: SecretsManagerVault) -> None:
    """The day that it tells is the day on which it was made."""
    began = vault.rotation_began(CLIENT_ID, publish(vault))

    assert began is not None
    assert abs(began - datetime.now(UTC)) < timedelta(days=1)


def test_a_version_that_is_not_there_has_no_date(vault: SecretsManagerVault) -> None:
    """No rotation began with it."""
    assert vault.rotation_began(CLIENT_ID, ROTATION) is None


def test_a_rotations_version_takes_the_place_of_what_was_published(
    vault: SecretsManagerVault, client: "SecretsManagerClient", account: str
) -> None:
    """Apps read the same token under the version that Secrets Manager waits for."""
    vault.copy(a_token(), ROTATION, instead_of=publish(vault))

    answer = client.get_secret_value(SecretId=token_secret(account, CLIENT_ID), VersionStage="AWSCURRENT")
    assert (answer["VersionId"], answer["SecretString"]) == (ROTATION, a_token().document())


def test_a_rotations_version_does_not_take_the_place_of_what_came_since(vault: SecretsManagerVault) -> None:
    """Its token is not the newest any more."""
    first = publish(vault)
    second = publish(vault, access_token="another", after=first)

    assert (vault.copy(a_token(), ROTATION, instead_of=first), vault.published(CLIENT_ID)) == (
        False,
        Published(version_id=second, token=a_token(access_token="another")),
    )


def test_a_rotations_version_that_has_another_token_is_left(
    vault: SecretsManagerVault, request: pytest.FixtureRequest
) -> None:
    """A step that comes again after another publication finds it overtaken."""
    if "ministack" in request.node.name:
        pytest.skip("MiniStack overwrites a version whose id is used again; AWS refuses")
    vault.copy(a_token(), ROTATION, instead_of=publish(vault))
    newer = publish(vault, access_token="another", after=ROTATION)
    vault.unstage(CLIENT_ID, ROTATION)

    assert vault.copy(a_token(access_token="another"), ROTATION, instead_of=newer) is False


def test_a_rotations_version_is_pending_until_that_is_taken_away(vault: SecretsManagerVault) -> None:
    """Secrets Manager begins no other before; to take it away twice is no failure."""
    vault.copy(a_token(), ROTATION, instead_of=publish(vault))
    before = vault.pending(CLIENT_ID)
    for _ in range(2):
        vault.unstage(CLIENT_ID, ROTATION)

    assert (before, vault.pending(CLIENT_ID)) == (ROTATION, None)


def test_nothing_is_kept_in_an_empty_secret(vault: SecretsManagerVault) -> None:
    """A refresh-token secret that was never written holds none, which is no error."""
    assert vault.safety_net(CLIENT_ID) == SafetyNet(version_id=None, refresh_token=None)


def test_a_refresh_token_that_is_kept_is_read_back(vault: SecretsManagerVault) -> None:
    """With all that it takes to use it."""
    vault.keep(a_refresh_token(), after=None)

    assert vault.safety_net(CLIENT_ID).refresh_token == a_refresh_token()


def test_a_refresh_token_can_be_forgotten(vault: SecretsManagerVault) -> None:
    """Its secret then holds none."""
    vault.keep(a_refresh_token(), after=None)
    vault.forget(CLIENT_ID, after=vault.safety_net(CLIENT_ID).version_id)

    assert vault.safety_net(CLIENT_ID).refresh_token is None


def test_a_newer_refresh_token_is_not_forgotten_in_the_place_of_the_one_that_was_refused(
    vault: SecretsManagerVault, request: pytest.FixtureRequest
) -> None:
    """Another invocation kept it meanwhile."""
    if "ministack" in request.node.name:
        pytest.skip("MiniStack overwrites a version whose id is used again; AWS refuses")
    vault.keep(a_refresh_token(), after=None)
    refused = vault.safety_net(CLIENT_ID).version_id
    vault.keep(a_refresh_token(refresh_token="newer"), after=refused)
    vault.forget(CLIENT_ID, after=refused)

    assert vault.safety_net(CLIENT_ID).refresh_token == a_refresh_token(refresh_token="newer")


def test_a_refresh_token_is_kept_though_another_invocation_forgot_the_one_before(
    vault: SecretsManagerVault,
) -> None:
    """Who was refused meanwhile knew nothing of the new one."""
    vault.keep(a_refresh_token(), after=None)
    used = vault.safety_net(CLIENT_ID).version_id
    vault.forget(CLIENT_ID, after=used)
    vault.keep(a_refresh_token(refresh_token="newer"), after=used)

    assert vault.safety_net(CLIENT_ID).refresh_token == a_refresh_token(refresh_token="newer")


def test_a_refused_refresh_token_that_a_person_went_back_to_is_forgotten_again(
    vault: SecretsManagerVault, client: "SecretsManagerClient", account: str
) -> None:
    """The version that forgot it the first time is there, and would be taken for this one."""
    name = refresh_token_secret(account, CLIENT_ID)
    vault.keep(a_refresh_token(), after=None)
    refused = vault.safety_net(CLIENT_ID).version_id or ""
    vault.forget(CLIENT_ID, after=refused)
    forgot = vault.safety_net(CLIENT_ID).version_id or ""
    client.update_secret_version_stage(
        SecretId=name, VersionStage="AWSCURRENT", MoveToVersionId=refused, RemoveFromVersionId=forgot
    )
    vault.forget(CLIENT_ID, after=refused)

    assert vault.safety_net(CLIENT_ID).refresh_token is None


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
    stubber.add_response("get_secret_value", {"VersionId": "v" * 32, "CreatedDate": datetime(2026, 11, 24, tzinfo=UTC)})

    assert vault.published(CLIENT_ID) is None


def test_a_list_that_does_not_know_the_taken_version_is_too_old_to_go_by(
    stubbed: tuple[SecretsManagerVault, Stubber],
) -> None:
    """Reads lag behind writes: AWSCURRENT where it was says nothing if the version that took it is not there yet."""
    vault, stubber = stubbed
    stubber.add_client_error("put_secret_value", "ResourceExistsException")
    stubber.add_response(
        "list_secret_version_ids", {"Versions": [{"VersionId": "v" * 32, "VersionStages": ["AWSCURRENT"]}]}
    )

    assert vault.publish(a_token(), after="v" * 32) is None


def test_a_long_list_of_versions_is_read_to_its_end(stubbed: tuple[SecretsManagerVault, Stubber]) -> None:
    """Secrets Manager gives it in pages; also versions without labels count, which went from hand to hand."""
    vault, stubber = stubbed
    read, taken = "v" * 32, successor("v" * 32, 0)
    asked = {"SecretId": token_secret("moviexchange/staging", CLIENT_ID), "IncludeDeprecated": True, "MaxResults": 100}
    current = {"VersionId": read, "VersionStages": ["AWSCURRENT"]}
    stubber.add_client_error("put_secret_value", "ResourceExistsException")
    stubber.add_response("list_secret_version_ids", {"Versions": [current], "NextToken": "page-2"}, asked)
    stubber.add_response(
        "list_secret_version_ids", {"Versions": [{"VersionId": taken}]}, asked | {"NextToken": "page-2"}
    )
    stubber.add_response("put_secret_value", {"VersionId": successor(read, 1)})

    assert vault.publish(a_token(), after=read) == successor(read, 1)


@pytest.mark.parametrize(("bearer", "raised"), [("v" * 32, False), ("w" * 32, True)])
def test_a_label_that_somebody_else_put_first_is_no_failure(
    stubbed: tuple[SecretsManagerVault, Stubber], bearer: str, *, raised: bool
) -> None:
    """Two client IDs may see the same credentials rejected at the same time."""
    vault, stubber = stubbed
    stubber.add_client_error("update_secret_version_stage", "InvalidParameterException")
    stubber.add_response("describe_secret", {"VersionIdsToStages": {bearer: ["AWSCURRENT", "REJECTED"]}})

    with pytest.raises(VaultFailed) if raised else nullcontext():
        vault.label_rejected("v" * 32, instead_of=None)


def test_a_pending_version_that_stays_is_a_failure(stubbed: tuple[SecretsManagerVault, Stubber]) -> None:
    """The next rotation cannot begin."""
    vault, stubber = stubbed
    stubber.add_client_error("update_secret_version_stage", "AccessDeniedException")
    stubber.add_response(
        "list_secret_version_ids", {"Versions": [{"VersionId": ROTATION, "VersionStages": ["AWSPENDING"]}]}
    )

    with pytest.raises(VaultFailed, match="UpdateSecretVersionStage"):
        vault.unstage(CLIENT_ID, ROTATION)


@pytest.mark.parametrize(("current", "copied"), [(ROTATION, True), ("w" * 32, False), ("v" * 32, None)])
def test_after_a_call_without_an_answer_it_counts_where_awscurrent_is(
    stubbed: tuple[SecretsManagerVault, Stubber], current: str, *, copied: bool | None
) -> None:
    """It may have been moved all the same; where it was is a failure."""
    vault, stubber = stubbed
    made = {"VersionId": current, "SecretString": "another's", "CreatedDate": datetime(2026, 11, 24, tzinfo=UTC)}
    stubber.add_response("put_secret_value", {"VersionId": ROTATION})
    stubber.add_client_error("update_secret_version_stage", "InternalServiceError")
    stubber.add_response("get_secret_value", made)

    with nullcontext() if copied is not None else pytest.raises(VaultFailed):
        assert vault.copy(a_token(), ROTATION, instead_of="v" * 32) is copied


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
        vault.publish(a_token(), after=None)

    assert caught.value.problem == f"PutSecretValue of moviexchange/staging/tokens/{CLIENT_ID} failed: {code}"


def test_a_secrets_manager_out_of_reach_is_a_failure_too() -> None:
    """What botocore itself raises is named by its class."""
    client = boto3.client(
        "secretsmanager",
        endpoint_url="http://127.0.0.1:1",
        config=Config(connect_timeout=1, retries={"total_max_attempts": 1}),
    )

    with pytest.raises(VaultFailed, match="EndpointConnectionError"):
        SecretsManagerVault(client, "moviexchange/staging", AN_HOUR).credentials_versions()


def test_a_call_ends_with_the_invocation() -> None:
    """A failure that is raised is counted; an invocation that Lambda ends is not."""
    vault = SecretsManagerVault(boto3.client("secretsmanager"), "moviexchange/staging", Deadline(lambda: 0.0))

    with pytest.raises(VaultFailed, match="DescribeSecret of moviexchange/staging/credentials failed: TimeoutError"):
        vault.credentials_versions()
