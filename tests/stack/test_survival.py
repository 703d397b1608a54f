"""What `make faults` tries, and how it writes what came of it; the faults themselves are tried in test_stack.py."""

import inspect

import pytest

from tools.local import faults, survival
from tools.local.faults import MALFORMED, Fault
from tools.local.survival import TRIALS, Check, Result, rendered, way_back

NAME = "token endpoint: down"


def result(*checks: tuple[str, float], application_got: str = "200", recovered_after: str = "1 check") -> Result:
    """Return what came of a fault: of each check its reason, and the percent of the lifetime left."""
    return Result(
        checks=[Check(reason=reason, life_remaining=life) for reason, life in checks],
        application_got=application_got,
        recovered_after=recovered_after,
    )


def test_a_row_has_once_what_each_check_said() -> None:
    """Three equal checks are one word, and percentages are rounded up, so that a few minutes change nothing."""
    cells = result(("A", 41.6), ("A", 41.3), ("A", 41.1)).cells()

    assert cells == ("`A`", "42 %", "200", "1 check")


def test_a_row_has_what_changed_from_check_to_check_in_its_order() -> None:
    """Also where something comes back."""
    cells = result(("A", 42), ("B", 99.9), ("A", 99.8)).cells()

    assert cells == ("`A`, then `B`, then `A`", "42 %, then 100 %", "200", "1 check")


def test_a_table_has_a_head_and_a_row_for_each_fault() -> None:
    """In the order in which faults are listed, whichever ended first."""
    last = list(TRIALS)[-1]
    table = rendered({last: result(("B", 0)), NAME: result(("A", 42), recovered_after="force")})

    assert table == (
        "| fault | each check | lifetime left | an application's call | recovered after |\n"
        "| --- | --- | --- | --- | --- |\n"
        f"| {NAME} | `A` | 42 % | 200 | force |\n"
        f"| {last} | `B` | 0 % | 200 | 1 check |\n"
    )


@pytest.mark.parametrize(
    ("remedy", "checks", "words"),
    [
        ("", 0, "a check while it lasted"),
        ("", 1, "1 check"),
        ("", 2, "2 checks"),
        ("new credentials", 0, "new credentials"),
        ("new credentials", 1, "1 check after new credentials"),
    ],
)
def test_the_way_back_is_said_in_words(remedy: str, checks: int, words: str) -> None:
    """What somebody did, and how many checks after that."""
    assert way_back(remedy, checks) == words


def test_every_way_to_fail_is_tried() -> None:
    """Except `times`, which combines other faults, and `wire`, which is for attacks."""
    builders = {
        name
        for name, function in inspect.getmembers(faults, inspect.isfunction)
        if inspect.signature(function).return_annotation == Fault
    }

    assert (builders - vars(survival).keys(), MALFORMED.keys() - survival.AT_TOKEN_ENDPOINT.keys()) == (
        {"times", "wire"},
        set(),
    )
