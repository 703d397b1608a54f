"""A deployed stack as the operator's tool sees it."""

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError

from mx_token_rotator_operator.stack import LOOKS, DeployedStack, RotatorFailed, listed
from tests.operator.account import NAMES, Account, failed


def test_a_failure_says_what_happened_who_must_act_and_how(account: Account) -> None:
    """Once for all client IDs that failed in the same way."""
    account.answers = lambda _: failed(*NAMES)

    with pytest.raises(
        RotatorFailed,
        match=r"^_Website, Web: the password is wrong\nWho must act: its owner\nWhat to do: Put the right one.$",
    ):
        account.stack.invoke()


def test_a_failure_of_the_whole_stack_has_its_name(account: Account) -> None:
    """The function could not tell which client IDs there are."""
    account.answers = lambda _: failed(None)

    with pytest.raises(RotatorFailed, match=r"^mx-token-rotator: "):
        account.stack.invoke()


def test_a_function_that_does_not_finish_is_an_error(account: Account) -> None:
    """The message says where to look."""
    account.crash = "Task timed out after 60.00 seconds"

    with pytest.raises(
        RotatorFailed, match=r"did not finish: Task timed out after 60.00 seconds\nWhat to do: look at its log.$"
    ):
        account.stack.invoke()


def test_an_invocation_is_not_repeated() -> None:
    """Each one may log in."""
    attempts = []

    def fail(**_: object) -> None:
        attempts.append(1)
        raise ConnectTimeoutError(endpoint_url="lambda")

    session = boto3.Session()
    session.events.register("before-send.lambda.Invoke", fail)
    with pytest.raises(ConnectTimeoutError):
        DeployedStack(session, "mx-token-rotator").invoke()

    assert len(attempts) == 1


def test_another_function_of_that_name_is_not_taken_for_ours(account: Account) -> None:
    """The message says how to name the stack."""
    account.variables.clear()

    with pytest.raises(RotatorFailed, match=r"is not a token rotator's, or you(.|\n)*What to do: name the stack with"):
        _ = account.stack.names


def test_another_stack_is_not_paused(account: Account) -> None:
    """It has no event source mapping of ours."""
    account.logical_id = "Bucket"

    with pytest.raises(RotatorFailed, match=r"^The stack mx-token-rotator is not a token rotator's."):
        account.stack.switch("Disabled", account.pause)


@pytest.mark.parametrize(("states", "pauses"), [(["Disabled"], 0), (["Disabling", "Disabling", "Disabled"], 2)])
def test_a_pause_begins_when_lambda_says_so(account: Account, states: list[str], pauses: int) -> None:
    """It takes AWS some time."""
    account.mapping = states
    account.stack.switch("Disabled", account.pause)

    assert account.pauses == pauses


def test_a_pause_that_does_not_begin_is_an_error(account: Account) -> None:
    """Nobody waits for ever."""
    account.mapping = ["Disabling"]
    with pytest.raises(RotatorFailed, match=r"^The event source mapping \S+ is not Disabled yet.\nWhat to do: "):
        account.stack.switch("Disabled", account.pause)

    assert account.pauses == LOOKS


@pytest.mark.parametrize(
    ("names", "text"),
    [(["a"], "a"), (["a", "b", "c", "d"], "a, b, c, d"), (["a", "b", "c", "d", "e"], "a, b, c, d and 1 more")],
)
def test_many_names_are_counted(names: list[str], text: str) -> None:
    """A stack may have sixty long ones."""
    assert listed(names) == text
