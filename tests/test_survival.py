"""What `make faults` throws, and how it tells what came of it; the faults themselves are thrown in test_stack.py."""

import inspect

import pytest

from local import faults, survival
from local.faults import MALFORMED, Fault
from local.stack import WEBSITE
from local.survival import TRIALS, Survival, Tick, rendered, way_back

NAME = "token endpoint: down"
HOUR = 3600.0


def survived(*ticks: tuple[str, float], app_got: str = "200", well_after: str = "1 tick") -> Survival:
    """Give what came of a fault: of each tick what it said, and the seconds left."""
    return Survival(
        ticks=[Tick(said=said, seconds_left=left) for said, left in ticks], app_got=app_got, well_after=well_after
    )


def test_a_row_tells_once_what_each_tick_said() -> None:
    """Three ticks that were the same are one word, and seconds are whole hours, rounded down."""
    survival_of_one = survived(("`A`", 5 * HOUR - 1), ("`A`", 5 * HOUR - 2), ("`A`", 4 * HOUR))

    assert survival_of_one.cells() == ("`A`", "4", "200", "1 tick")


def test_a_row_tells_what_changed_from_tick_to_tick_in_its_order() -> None:
    """Also where something comes back."""
    survival_of_one = survived(("`A`", 5 * HOUR), ("`B`", 12 * HOUR), ("`A`", 12 * HOUR))

    assert survival_of_one.cells() == ("`A`, then `B`, then `A`", "5, then 12", "200", "1 tick")


def test_a_table_has_a_head_and_a_row_for_each_fault() -> None:
    """In the order in which faults are listed, whichever ended first."""
    last = list(TRIALS)[-1]
    table = rendered({last: survived(("`B`", 0)), NAME: survived(("`A`", HOUR), well_after="force")})

    assert table == (
        "| fault | each tick | hours left | an app's call | well again after |\n"
        "| --- | --- | --- | --- | --- |\n"
        f"| {NAME} | `A` | 1 | 200 | force |\n"
        f"| {last} | `B` | 0 | 200 | 1 tick |\n"
    )


@pytest.mark.parametrize(
    ("remedy", "ticks", "said"),
    [
        ("", 0, "a tick while it lasted"),
        ("", 1, "1 tick"),
        ("", 2, "2 ticks"),
        ("new credentials", 0, "new credentials"),
        ("new credentials", 1, "1 tick after new credentials"),
    ],
)
def test_the_way_back_is_said_in_words(remedy: str, ticks: int, said: str) -> None:
    """What somebody did, and how many ticks after that."""
    assert way_back(remedy, ticks) == said


def test_every_way_to_fail_is_thrown() -> None:
    """Left out are `times`, which puts other faults one after the other, and `wire`, which is for attacks."""
    builders = {
        name
        for name, function in inspect.getmembers(faults, inspect.isfunction)
        if inspect.signature(function).return_annotation == Fault
    }

    assert (builders - vars(survival).keys(), MALFORMED.keys() - survival.AT_TOKEN_ENDPOINT.keys()) == (
        {"times", "wire"},
        set(),
    )


def test_a_tick_is_what_the_schedule_delivers_and_no_more() -> None:
    """A fault must not be survived because somebody insisted."""
    assert survival.sample("tick") == {"client_id": WEBSITE}
