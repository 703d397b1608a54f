"""The drawn tree of errors is the tree of errors, and each says who must act and how."""

import re

import pytest

from mx_token_rotator import errors
from mx_token_rotator.errors import CredentialsInvalid, RotatorError, fill_command

LEAVES = [error for error in RotatorError.__subclasses__() if not error.__name__.startswith("_")]


def test_the_tree_is_drawn_as_it_is() -> None:
    """The module's docstring shows every error with who must act, in order."""
    drawn = re.findall(r"^[├└]── (\w+) +(.+)$", errors.__doc__ or "", re.MULTILINE)

    assert drawn == [(error.__name__, error.who.replace("nobody", "nobody: the next tick")) for error in LEAVES]


def test_the_tree_has_one_root_and_no_twigs() -> None:
    """Whoever catches RotatorError has caught them all."""
    assert [twig for error in LEAVES for twig in error.__subclasses__() if not twig.__name__.startswith("_")] == []


@pytest.mark.parametrize("error", [error for error in LEAVES if error is not CredentialsInvalid])
def test_an_error_says_what_is_wrong_who_must_act_and_how(error: type[RotatorError]) -> None:
    """One line for Lambda's answer and for the dead-letter queue."""
    assert str(error("Something is wrong")) == f"Something is wrong. Who must act: {error.who}. {error.remedy}"


@pytest.mark.parametrize("error", [error for error in LEAVES if error is not CredentialsInvalid])
def test_a_remedy_is_one_sentence(error: type[RotatorError]) -> None:
    """It ends with its only full stop."""
    assert re.fullmatch(r"[^.]+(\.[a-z][^.]*)*\.", error.remedy)


def test_the_remedy_of_invalid_credentials_is_the_command_that_fills_them() -> None:
    """It ends with the command, ready to be copied."""
    error = CredentialsInvalid("The secret is still empty", "moviexchange/staging/credentials")

    assert str(error).endswith(": " + fill_command("moviexchange/staging/credentials"))
