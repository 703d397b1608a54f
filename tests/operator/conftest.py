"""What the tests of the operator's tool share."""

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from tests.operator.account import CREDENTIALS, Account


@pytest.fixture
def account() -> Iterator[Account]:
    """Return an account with a new stack: its credentials are still empty, and no token secret exists."""
    with mock_aws():
        account = Account(boto3.Session())
        account.secrets.create_secret(Name=CREDENTIALS)
        yield account


@pytest.fixture
def filled(account: Account) -> Account:
    """Return an account with credentials, and a token for each client ID."""
    account.secrets.put_secret_value(SecretId=CREDENTIALS, SecretString='{"username": "older"}')
    account.publish()
    return account
