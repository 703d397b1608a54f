"""What the docs promise in hours and minutes, for the template's defaults."""

import re

from local.aws import HOUSE
from pictures.wakeups import RESOURCES, TEMPLATE
from simulation.figures import clock
from simulation.promise import CACHES, DEFAULTS, INVOCATION, MIN_TOKEN_AGE
from simulation.weather import HOUR, MINUTE


def test_the_settings_are_the_defaults_of_the_template() -> None:
    """What is promised is promised to who changes nothing."""
    defaults = {name: each.get("Default") for name, each in TEMPLATE["Parameters"].items()}

    assert (
        defaults["RefreshAtPercent"],
        defaults["CheckEvery"],
        defaults["CheckWindowMinutes"],
        defaults["MinTokenAgeSeconds"],
        RESOURCES["Rotator"]["Properties"]["Timeout"],
    ) == (
        DEFAULTS.refresh_at_percent,
        f"rate({DEFAULTS.check_every / MINUTE:g} minutes)",
        DEFAULTS.check_window / MINUTE,
        MIN_TOKEN_AGE,
        INVOCATION,
    )


def test_the_docs_tell_when_a_token_is_replaced_as_the_settings_do() -> None:
    """In hours, and in minutes for the look."""
    life, due, gap = DEFAULTS.lifetime / HOUR, DEFAULTS.due_after / HOUR, DEFAULTS.gap / MINUTE
    said = (
        f"lives for {life:g} hours and is replaced after {due:g}, at the first look, which is at most {gap:g} minutes"
    )

    assert said in (HOUSE / "docs" / "operating.md").read_text()


def test_the_docs_tell_what_a_reader_has_when_an_alarm_rings_as_the_settings_do() -> None:
    """What is tolerated in all, less what passes until the alarm rings; or the life that is left, less the wait."""
    text = (HOUSE / "docs" / "operating.md").read_text().split("# Which alarm comes first\n")[1].split("\n## ")[0]
    tolerance, left = DEFAULTS.tolerance(CACHES[1]), DEFAULTS.lifetime - DEFAULTS.due_after - CACHES[1]
    trying = RESOURCES["Tick&{ClientId}"]["Properties"]["Target"]["RetryPolicy"]["MaximumEventAgeInSeconds"]
    period = RESOURCES["Freshness&{ClientId}"]["Properties"]["Period"]
    threshold = TEMPLATE["Parameters"]["AlarmSecondsRemaining"]["Default"]
    failed = tolerance - 10 * MINUTE
    ends = [failed] * 3 + [failed - trying, left - 2.5 * HOUR, threshold - DEFAULTS.gap - period - CACHES[1]]

    assert re.findall(r"(\d h \d\d min) \|$", text, re.MULTILINE) == [clock(end) for end in ends]
