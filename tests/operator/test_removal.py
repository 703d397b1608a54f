"""Token secrets that no stack has any more, and what is deleted of them."""

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from mx_token_rotator_operator import removal
from tests.operator.account import ACCOUNT, VARIABLES, Account

TAG = "mx-token-rotator:account"


def create(account: Account, name: str, *, of: str = ACCOUNT, **arguments: Any) -> None:  # noqa: ANN401  of the API
    """Create a secret with the tag that the function gives it."""
    account.secrets.create_secret(Name=name, SecretString="{}", Tags=[{"Key": TAG, "Value": of}], **arguments)


@pytest.mark.parametrize(
    "others", [[], [VARIABLES | {"CLIENT_IDS": "Api"}], [VARIABLES | {"ACCOUNT": "another/staging"}]]
)
def test_a_name_is_in_use_if_any_stack_of_the_account_has_it(account: Account, others: list[dict[str, str]]) -> None:
    """Two stacks may share the secrets by mistake."""
    account.others = others
    names = {"_Website", "Web"} | ({"Api"} if others and others[0]["ACCOUNT"] == ACCOUNT else set())

    assert removal.names_in_use(account.stack, ACCOUNT) == names


def test_orphans_are_found_by_the_tag_of_the_account(account: Account) -> None:
    """Token and refresh-token secrets count, and no others; a client ID that a stack has is none."""
    create(account, f"{ACCOUNT}/tokens/Web")
    create(account, f"{ACCOUNT}/tokens/Old")
    create(account, f"{ACCOUNT}/refresh-tokens/Older")
    create(account, f"{ACCOUNT}/tokens/Foreign", of="moviexchange/staging-2")
    create(account, f"{ACCOUNT}/other/Kind")
    create(account, "moviexchange/production/tokens/Elsewhere")
    account.secrets.create_secret(Name=f"{ACCOUNT}/tokens/Untagged")

    assert set(removal.orphans(account.stack, ACCOUNT).values()) == {"Old", "Older"}


def test_many_secrets_are_found(account: Account) -> None:
    """Secrets Manager lists a hundred of them at a time."""
    names = {f"Old{place}" for place in range(120)}
    for name in names:
        create(account, f"{ACCOUNT}/tokens/{name}")

    assert set(removal.orphans(account.stack, ACCOUNT).values()) == names


def test_both_secrets_of_a_name_are_orphans(account: Account) -> None:
    """A refresh token is one more secret that opens the account."""
    create(account, f"{ACCOUNT}/tokens/Old")
    create(account, f"{ACCOUNT}/refresh-tokens/Old")

    assert removal.orphans(account.stack, ACCOUNT) == {
        f"{ACCOUNT}/tokens/Old": "Old",
        f"{ACCOUNT}/refresh-tokens/Old": "Old",
    }


def test_a_replica_is_no_orphan(account: Account) -> None:
    """The stack of its own Region may still have the client ID."""
    elsewhere = boto3.client("secretsmanager", region_name="eu-central-1")
    elsewhere.create_secret(
        Name=f"{ACCOUNT}/tokens/Old",
        SecretString="{}",
        Tags=[{"Key": TAG, "Value": ACCOUNT}],
        AddReplicaRegions=[{"Region": "eu-west-1"}],
    )

    assert removal.orphans(account.stack, ACCOUNT) == {}


def test_a_secret_that_is_marked_for_deletion_is_no_orphan(account: Account) -> None:
    """A second deletion would say nothing new."""
    create(account, f"{ACCOUNT}/tokens/Old")
    account.secrets.delete_secret(SecretId=f"{ACCOUNT}/tokens/Old")

    assert removal.orphans(account.stack, ACCOUNT) == {}


def test_a_removed_secret_can_be_restored_for_a_week(account: Account) -> None:
    """The day is the one that AWS names."""
    create(account, f"{ACCOUNT}/tokens/Old")
    day = removal.remove(account.stack, f"{ACCOUNT}/tokens/Old", [])
    account.secrets.restore_secret(SecretId=f"{ACCOUNT}/tokens/Old")

    assert (datetime.fromisoformat(day).replace(tzinfo=UTC) - datetime.now(UTC)).days in {5, 6, 7}


def test_replicas_are_removed_before_the_secret(account: Account) -> None:
    """AWS refuses to delete a secret that has any."""
    create(account, f"{ACCOUNT}/tokens/Old", AddReplicaRegions=[{"Region": "eu-central-1"}])
    removal.remove(account.stack, f"{ACCOUNT}/tokens/Old", ["eu-central-1"])
    elsewhere = boto3.client("secretsmanager", region_name="eu-central-1")

    assert elsewhere.list_secrets()["SecretList"] == []
