"""The stack's dashboard as it looks after a few eventful days, drawn from simulated metrics for the docs."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from statistics import mean
from textwrap import shorten

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from mx_token_rotator.errors import RotatorError
from mx_token_rotator.tokens import AccessToken
from simulation import weather as w
from simulation.engine import moment
from simulation.figures import DOCS, save
from simulation.invocation import Invocation
from simulation.weather import DAY, FAIR, HOUR
from simulation.world import CLIENT_IDS, World

DAYS = 4
PERIOD = 1800.0
"""Seconds: of the dashboard's graphs, and of the alarm."""
ALARM = 10_800.0
"""Seconds: the template's AlarmSecondsRemaining."""
ERRORS_SHOWN = 8
STATISTICS: dict[str, Callable[[list[float]], float]] = {"average": mean, "longest": max}
"""Of the durations."""


@dataclass
class Emitted:
    """What the function emits and logs, by periods of the dashboard's graphs."""

    life: dict[str, dict[float, float]] = field(default_factory=lambda: defaultdict(dict))
    """The shortest life left, in seconds, of each client ID's token."""
    reasons: Counter[str] = field(default_factory=Counter)
    """How often a token was replaced for each reason."""
    failures: dict[str, Counter[float]] = field(default_factory=lambda: defaultdict(Counter))
    """How often the function failed with each error."""
    durations: dict[float, list[float]] = field(default_factory=lambda: defaultdict(list))
    """How long its invocations took, in seconds."""
    errors: list[tuple[float, str, RotatorError]] = field(default_factory=list)
    """When it failed, for which client ID, and with what."""


class WatchedWorld(World):
    """A stack whose metrics and errors are kept."""

    def __init__(self) -> None:
        """Make it, in fair weather."""
        super().__init__(1, FAIR)
        self.emitted = Emitted()

    def ended(self, invocation: Invocation) -> None:
        """Keep what the handler emits and logs at the end of an invocation."""
        super().ended(invocation)
        emitted, client_id, now = self.emitted, invocation.request.client_id, self.engine.now
        period = now // PERIOD * PERIOD
        current = self.tokens[client_id].current
        token = AccessToken.parse(current.text, client_id=client_id) if current else None
        if token:
            left = token.seconds_left(moment(now))
            emitted.life[client_id][period] = min(left, emitted.life[client_id].get(period, left))
        emitted.durations[period].append(now - invocation.started)
        if invocation.outcome and invocation.outcome.outcome == "refreshed":
            emitted.reasons[invocation.outcome.reason] += 1
        if isinstance(invocation.raised, RotatorError):
            emitted.failures[type(invocation.raised).__name__][period] += 1
            emitted.errors.append((now, client_id, invocation.raised))


def eventful_days() -> Emitted:
    """Live through an outage, a mistyped password and revoked tokens."""
    world = WatchedWorld()
    world.invariants.is_strict = False
    world.live()
    world.engine.at(DAY, partial(world.weather.begin, w.AWAY, DAY, 5 * HOUR))
    world.engine.at(2.5 * DAY, partial(world.put_credentials, password="mistyped"))  # noqa: S106  made up
    world.engine.at(2.5 * DAY + HOUR, world.put_credentials)
    world.engine.at(3.4 * DAY, world.revoke)
    world.engine.run(DAYS * DAY)
    return world.emitted


def in_order(values: dict[float, float]) -> tuple[list[float], list[float]]:
    """Give the days, and the values, of what happened period by period."""
    periods = sorted(values)
    return [period / DAY for period in periods], [values[period] for period in periods]


def draw_life(axes: Axes, emitted: Emitted) -> None:
    """Draw a saw-tooth for each client ID, and the alarm's threshold."""
    for client_id in CLIENT_IDS:
        days, seconds = in_order(emitted.life[client_id])
        axes.plot(days, seconds, label=client_id)
    axes.axhspan(0, ALARM, color="tab:red", alpha=0.1)
    axes.axhline(ALARM, color="tab:red", linewidth=0.8, label="alarm")
    axes.set(ylabel="seconds", xlabel="days", xlim=(0, DAYS), ylim=(0, None))
    axes.legend(loc="lower right")


def draw_reasons(axes: Axes, emitted: Emitted) -> None:
    """Draw a bar for each reason."""
    reasons, counts = zip(*emitted.reasons.most_common(), strict=True)
    axes.bar(reasons, counts)


def draw_failures(axes: Axes, emitted: Emitted) -> None:
    """Draw the errors, one on top of the other."""
    below: Counter[float] = Counter()
    for error, counts in sorted(emitted.failures.items()):
        days, failures = in_order(dict(counts))
        axes.bar(days, failures, PERIOD / DAY, [below[period] for period in sorted(counts)], label=error)
        below += counts
    axes.set(ylabel="failures in half an hour", xlim=(0, DAYS), ylim=(0, None))
    axes.legend(loc="upper left")


def draw_duration(axes: Axes, emitted: Emitted) -> None:
    """Draw what an invocation takes on average, and at most."""
    for label, statistic in STATISTICS.items():
        days, seconds = in_order({period: statistic(each) for period, each in emitted.durations.items()})
        axes.plot(days, [1000 * each for each in seconds], label=label)
    axes.set(ylabel="milliseconds", xlabel="days", xlim=(0, DAYS), ylim=(0, None))
    axes.legend()


def draw_errors(axes: Axes, emitted: Emitted) -> None:
    """Write the last errors into a table."""
    rows = [
        [f"{moment(when):%d %b %H:%M}", client_id, type(error).__name__, shorten(error.problem, 40)]
        for when, client_id, error in emitted.errors[: -ERRORS_SHOWN - 1 : -1]
    ]
    axes.axis("off")
    table = axes.table(
        rows,
        colLabels=["@timestamp", "client_id", "failure", "problem"],
        colWidths=[0.16, 0.11, 0.23, 0.5],
        cellLoc="left",
        bbox=Bbox.unit(),
    )
    table.auto_set_font_size(False)  # noqa: FBT003  matplotlib's own way
    table.set_fontsize(7)


PANELS = {
    "Life left of each token": draw_life,
    "Refreshes by reason": draw_reasons,
    "Failures by error": draw_failures,
    "Duration": draw_duration,
    "Last errors": draw_errors,
}
"""What draws each widget of the dashboard."""


def picture(emitted: Emitted) -> Figure:
    """Draw the dashboard: the first widget is as wide as it is, two of the others share a row."""
    figure = Figure(figsize=(12, 9), layout="constrained")
    grid = figure.add_gridspec(3, 2)
    places = [grid[0, :], grid[1, 0], grid[1, 1], grid[2, 0], grid[2, 1]]
    for place, (title, draw) in zip(places, PANELS.items(), strict=True):
        axes = figure.add_subplot(place, title=title)
        draw(axes, emitted)
    return figure


if __name__ == "__main__":
    save(picture(eventful_days()), DOCS / "dashboard.svg")
