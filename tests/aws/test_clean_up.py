"""The contract leaves nothing behind, however it ends, and touches nothing else."""

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from tests.stack.test_updates import LISTS as EVERYTHING
from tools.contract import __main__ as command_line
from tools.contract import account as accounts
from tools.contract.account import KINDS, PREFIX, Account, clean_up, left, new_prefix
from tools.contract.making import Maker, contract
from tools.local.aws import PROJECT, REGION, LocalAws

NUMBER = "000000000000"
LISTS = [
    *EVERYTHING,
    ("cloudformation", "list_stacks", "StackSummaries[?StackStatus != 'DELETE_COMPLETE'].StackName"),
    ("kms", "list_aliases", "Aliases[].AliasName"),
    ("s3", "list_buckets", "Buckets[].Name"),
    ("sns", "list_topics", "Topics[].TopicArn"),
    ("sns", "list_subscriptions", "Subscriptions[].TopicArn"),
]


class Broken(Exception):  # noqa: N818  the name says what happened
    """A test failed in the middle."""


@pytest.fixture
def emulated(aws: LocalAws) -> Account:
    """Return MiniStack's account."""
    return Account(aws.session, aws.endpoint)


@pytest.fixture
def prefix(emulated: Account) -> Iterator[str]:
    """Return the beginning of the names of one run."""
    own = new_prefix()
    yield own
    clean_up(emulated, own)


def make_one_of_each(make: Maker) -> None:
    """Make what the contract makes; a stack brings its own policy, log group, role and secret."""
    stack = make.deploy("stack", {"ClientIds": "_Website", "KmsKeyArn": make.key("key")})
    make.account.client("iam").attach_role_policy(RoleName=make.role("role"), PolicyArn=stack.resource("ReaderPolicy"))
    make.topic("topic")
    make.rule_into_queue("rule", {"source": ["nobody"]})
    make.account.client("secretsmanager").create_secret(Name=f"{make.prefix}secret")


def in_account(account: Account, prefix: str) -> list[str]:
    """List everything in the account with the prefix anywhere in its name, by lists that are not the contract's."""
    names = [name for service, operation, found in LISTS for name in account.pages(service, operation, found)]
    return [name for name in names if prefix in name]


def kinds(account: Account, prefix: str) -> set[str]:
    """Return of which kinds something has such a name."""
    return {kind for kind in KINDS for each in left(account, prefix) if each.startswith(f"{kind} ")}


def test_a_test_that_fails_in_the_middle_leaves_nothing(emulated: Account, prefix: str) -> None:
    """Neither a stack nor what CloudFormation retains, and nothing of any other kind."""
    seen: set[str] = set()

    def fail_in_the_middle() -> None:
        with contract(emulated, prefix) as make:
            make_one_of_each(make)
            seen.update(kinds(emulated, prefix))
            raise Broken

    with pytest.raises(Broken):
        fail_in_the_middle()

    assert (seen, in_account(emulated, prefix)) == ({*KINDS}, [])


def test_a_key_is_scheduled_for_deletion(emulated: Account, prefix: str) -> None:
    """Its alias goes at once, and the key after the shortest waiting period that KMS allows."""
    with contract(emulated, prefix) as make:
        key = make.key("key")

    assert emulated.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"


def test_what_another_run_made_stays(emulated: Account, prefix: str) -> None:
    """Two people may use one account at the same time."""
    other = new_prefix()
    emulated.client("secretsmanager").create_secret(Name=f"{other}secret")
    clean_up(emulated, prefix)
    seen = kinds(emulated, other)
    clean_up(emulated, other)

    assert seen == {"secret"}


def test_a_failure_to_remove_something_is_told_and_costs_the_rest_nothing(
    emulated: Account, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name and AWS's reason, for whoever has to remove it."""

    def refuse(_: Account, __: str) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DeleteTopic")

    make = Maker(emulated, prefix)
    topic = make.topic("topic")
    make.role("role")
    with monkeypatch.context() as patched:
        patched.setitem(KINDS, "topic", (KINDS["topic"][0], refuse))
        remaining = clean_up(emulated, prefix, sleep=lambda _: None)

    assert remaining == [f"topic {topic}: An error occurred (AccessDenied) when calling the DeleteTopic operation: no"]


def test_what_appears_while_the_rest_is_removed_is_removed_too(
    emulated: Account, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function may create a secret while its stack is deleted."""
    secrets = emulated.client("secretsmanager")
    found, remove = KINDS["role"]

    def remove_slowly(account: Account, name: str) -> None:
        remove(account, name)
        secrets.create_secret(Name=f"{prefix}late")

    Maker(emulated, prefix).role("role")
    monkeypatch.setitem(KINDS, "role", (found, remove_slowly))

    assert clean_up(emulated, prefix, sleep=lambda _: None) == []


# The command


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, aws: LocalAws) -> list[list[str]]:
    """Point the command at MiniStack, and note with which arguments it runs pytest, which leaves a secret and fails."""
    calls: list[list[str]] = []

    def run(arguments: list[str]) -> int:
        calls.append(arguments)
        prefix = arguments[arguments.index("--prefix") + 1]
        Account(aws.session, aws.endpoint).client("secretsmanager").create_secret(Name=f"{prefix}secret")
        return 1

    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
    monkeypatch.setattr(boto3, "Session", lambda: aws.session)
    monkeypatch.setattr(accounts, "PAUSE", 0)
    monkeypatch.setattr(pytest, "main", run)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    return calls


def invoke(answer: str, *arguments: str) -> Result:
    """Run the command, and answer its question."""
    return CliRunner().invoke(command_line.main, arguments, input=f"{answer}\n")


def test_it_says_where_it_acts_and_what_that_costs_and_needs_a_yes(ran: list[list[str]]) -> None:
    """Nothing is made before."""
    result = invoke("n")
    texts = [f"AWS account {NUMBER}, Region {REGION}", "costs about 0.10 dollars", f"begin with {PREFIX}"]

    assert ([text for text in texts if text not in result.output], result.exit_code, ran) == ([], 1, [])


def test_what_the_tests_leave_is_removed_and_their_status_is_the_commands(
    ran: list[list[str]], emulated: Account
) -> None:
    """Also if they fail."""
    result = invoke("y")

    assert (len(ran), result.exit_code, kinds(emulated, PREFIX)) == (1, 1, set())


def test_it_names_the_host_that_gets_the_password(ran: list[list[str]], tmp_path: Path) -> None:
    """It is movieXchange's staging, unless a stand-in is given."""
    file = tmp_path / "credentials.json"
    file.write_text("{}")
    outputs = [
        invoke("n", "--credentials", str(file), *more).output for more in ((), ("--stand-in", "https://mx.example.com"))
    ]

    assert (["movieXchange's staging" in each for each in outputs], "https://mx.example.com" in outputs[1], ran) == (
        [True, False],
        True,
        [],
    )


def test_clean_removes_what_killed_runs_left(ran: list[list[str]], emulated: Account, prefix: str) -> None:
    """It lists it, and asks."""
    Maker(emulated, prefix).role("role")
    result = invoke("y", "--clean")

    assert (f"role {prefix}role" in result.output, kinds(emulated, PREFIX), ran) == (True, set(), [])


def test_an_account_that_cannot_be_used_is_told(ran: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no traceback."""
    monkeypatch.setattr(boto3, "Session", partial(boto3.session.Session, region_name=None))
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    result = invoke("y")

    assert (result.exit_code, "cannot be used: You must specify a region" in result.output, ran) == (1, True, [])


def test_no_other_test_gets_to_see_a_real_account() -> None:
    """With the flag, pytest leaves those that have a real account as their parameter."""
    asked = ["--real-aws", "--collect-only", "-q", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *asked, *command_line.QUESTIONS]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)  # noqa: S603  our own command
    collected = [line for line in done.stdout.splitlines() if "::" in line]

    assert (len(collected) > 20, [line for line in collected if not re.search(r"\[aws\b", line)]) == (True, [])
