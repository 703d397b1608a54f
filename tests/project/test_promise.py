"""What the docs promise in hours and minutes, for the template's defaults."""

from pathlib import Path

import pytest

from mx_token_rotator.tokens import SHORTEST_REFRESH as SHORTEST
from tools.diagrams.colors import save
from tools.diagrams.flow import RESOURCES, TEMPLATE
from tools.local.aws import PROJECT
from tools.local.document import placed
from tools.simulation.faults import FAIR, HOUR, MINUTE, MX_DOWN
from tools.simulation.figures import OUTAGES, WAYS, Way, diagram, failing, tolerance_table
from tools.simulation.promise import CACHES, DEFAULTS, INVOCATION, MIN_TOKEN_AGE, SHORTEST_REFRESH, Promise
from tools.simulation.sqs import RETENTION_SECONDS, VISIBILITY_SECONDS
from tools.simulation.stack import Stack


def test_the_settings_are_those_of_the_template_and_the_code() -> None:
    """What is promised is promised to who changes nothing."""
    defaults = {name: each.get("Default") for name, each in TEMPLATE["Parameters"].items()}
    queue = RESOURCES["Queue"]["Properties"]

    assert (
        defaults["RefreshAtPercent"],
        defaults["CheckEvery"],
        defaults["MinTokenAgeSeconds"],
        RESOURCES["Function"]["Properties"]["Timeout"],
        (queue["MessageRetentionPeriod"], queue["VisibilityTimeout"]),
        SHORTEST.total_seconds(),
    ) == (
        DEFAULTS.refresh_at_percent,
        f"rate({DEFAULTS.check_every / MINUTE:g} minutes)",
        MIN_TOKEN_AGE,
        INVOCATION,
        (RETENTION_SECONDS, VISIBILITY_SECONDS),
        SHORTEST_REFRESH,
    )


def test_the_docs_promise_what_the_settings_come_to() -> None:
    """The table is the one that is computed."""
    reference = (PROJECT / "docs" / "reference.md").read_text()

    assert placed(reference, "tolerance", tolerance_table()) == reference


def test_the_readme_promises_as_many_hours() -> None:
    """Its sentence names the whole hours of the longest outage."""
    words = ["no", "one", "two", "three", "four", "five", "six"]

    assert (
        f"[{words[int(DEFAULTS.outage(CACHES[1]) // HOUR)]} hours](docs/reference.md#what-is-tolerated)"
        in (PROJECT / "README.md").read_text()
    )


def test_a_stretch_of_trouble_costs_the_wait_for_the_next_check_too() -> None:
    """Two that overlap are one; each spoils a check."""
    troubles = [(0.0, 100.0), (50.0, 200.0), (5000.0, 5000.0)]

    assert DEFAULTS.cost(troubles) == 200 + 2 * (DEFAULTS.gap + MINUTE) + MINUTE


@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize("promise", [DEFAULTS, Promise(check_every=300.0, refresh_at_percent=30)])
@pytest.mark.parametrize("begins_after", [0.0, 0.5, 1.0])
def test_the_longest_outage_that_is_promised_costs_no_token(
    promise: Promise, cache: float, begins_after: float
) -> None:
    """Whenever it begins, between the last check of a token that is not due and the first of one that is."""
    lived = Stack(1, FAIR, promise=promise)
    lived.live()
    lived.engine.run(promise.due_after + begins_after * promise.gap)
    lived.faults.begin(MX_DOWN, lived.engine.now, promise.outage(cache))
    lived.run(1)

    assert lived.failed_calls[cache] == 0


@pytest.mark.parametrize(("way", "is_noticed"), list(zip(WAYS, [True, True, True, False], strict=True)))
def test_an_outage_at_the_worst_moment_is_noticed_unless_a_token_is_replaced_early(
    way: Way, *, is_noticed: bool
) -> None:
    """Four hours that begin shortly before a token expires."""
    failed, _ = failing(way, outage=4 * HOUR, phase=11 * HOUR)

    assert (failed > 0) is is_noticed


def test_the_same_outages_make_the_same_diagram(tmp_path: Path) -> None:
    """Byte for byte, so that a change of the file means a change of the logic."""
    path, drawn = tmp_path / "a.svg", []
    for _ in range(2):
        save(diagram([[float(at) for at in range(len(OUTAGES))]] * len(WAYS)), path)
        drawn.append(path.read_bytes())

    assert drawn[0] == drawn[1]
