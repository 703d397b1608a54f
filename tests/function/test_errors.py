"""Every error says who must act and how, and shows nothing that could be secret."""

import re

import pytest

from mx_token_rotator.errors import RotatorError, TimeIsUp, Unexpected, named

ERRORS = RotatorError.__subclasses__()


def test_the_errors_are_the_documented_ones() -> None:
    """Their names are the reasons of failed outcomes and a metric's dimension."""
    assert [error.__name__ for error in ERRORS] == [
        "SettingsInvalid",
        "RequestInvalid",
        "CredentialsInvalid",
        "CredentialsRejected",
        "TokenRefused",
        "MovieXchangeUnavailable",
        "MovieXchangeMisbehaved",
        "SecretsManagerFailed",
        "Unexpected",
    ]


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_says_who_must_act_and_how(error: type[RotatorError]) -> None:
    """Both are there for every error, and the remedy is made of sentences."""
    raised = error("Something is wrong")

    assert (raised.problem, bool(raised.who), re.fullmatch(r"[A-Z].*\.", raised.remedy) is not None) == (
        "Something is wrong",
        True,
        True,
    )


def test_outages_and_strange_requests_need_no_person() -> None:
    """An outage ends by itself, and a caller sees the error."""
    assert [error.__name__ for error in ERRORS if not error("x").needs_person] == [
        "RequestInvalid",
        "MovieXchangeUnavailable",
    ]


@pytest.mark.parametrize("error", ERRORS)
def test_what_ends_by_itself_needs_no_person(error: type[RotatorError]) -> None:
    """Throttling is not worth a call at night."""
    assert not error("x", ends_by_itself=True).needs_person


def test_a_remedy_can_be_more_precise_than_its_class() -> None:
    """One error has several causes."""
    assert Unexpected("x", remedy="Look there.").remedy == "Look there."


def test_an_error_of_ours_has_its_name_already() -> None:
    """It is returned as it is."""
    error = Unexpected("x")

    assert named(error) is error


def test_any_other_exception_is_told_by_type_and_place_alone() -> None:
    """Its text could contain anything."""
    try:
        int("canary")
    except ValueError as error:
        problem = named(error).problem

    assert re.fullmatch(r"ValueError was raised in test_errors\.py:\d+", problem)


def test_only_the_last_places_are_told() -> None:
    """Three frames find a defect."""

    def fail(depth: int) -> None:
        if not depth:
            raise ValueError
        fail(depth - 1)

    try:
        fail(9)
    except ValueError as error:
        problem = named(error).problem

    assert re.fullmatch(r"ValueError was raised in test_errors\.py:\d+( > test_errors\.py:\d+){2}", problem)


def test_the_end_of_time_is_not_an_exception() -> None:
    """urllib3 and botocore would take one for a socket's and try again."""
    assert not issubclass(TimeIsUp, Exception)
