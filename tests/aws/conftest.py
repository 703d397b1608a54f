"""The account that the contract is about: MiniStack, or with --real-aws one of AWS's own."""

from collections.abc import Iterator

import boto3
import pytest

from tools.contract.account import Account
from tools.contract.making import Maker, contract


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on the emulated account, or on a real one if the flag asks for it."""
    if "account" in metafunc.fixturenames:
        which = "aws" if metafunc.config.getoption("--real-aws") else "ministack"
        metafunc.parametrize("account", [which], indirect=True, scope="module")


@pytest.fixture(scope="module")
def account(request: pytest.FixtureRequest) -> Account:
    """Return the account as an administrator sees it."""
    if request.param == "aws":
        return Account(boto3.Session())
    emulated = request.getfixturevalue("aws")
    return Account(emulated.session, emulated.endpoint)


@pytest.fixture(scope="module")
def make(account: Account, prefix: str) -> Iterator[Maker]:
    """Make what a file's tests need, and remove all of it however they end."""
    with contract(account, prefix) as maker:
        yield maker
