"""A token's lifetime with the template's defaults: without faults, and with the longest outage that nobody notices."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from tools.diagrams.colors import BLUE_FILL, FAINT, GOLD_FILL, GREEN_FILL, RED_FILL, SILVER_FILL, Color
from tools.diagrams.flow import TEMPLATE
from tools.diagrams.shapes import SMALL
from tools.simulation.faults import HOUR, MINUTE
from tools.simulation.figures import clock
from tools.simulation.promise import CACHES, DEFAULTS

CACHE = CACHES[1]
ALARM = DEFAULTS.lifetime * (1 - TEMPLATE["Parameters"]["AlarmBelowPercent"]["Default"] / 100)
"""A token's age, in seconds, at which the alarm rings."""
END, DUE = DEFAULTS.lifetime, DEFAULTS.due_after
CHECKED = DUE + DEFAULTS.gap
"""Its age at the first check after it is due, at the latest."""
RECOVERED = CHECKED + DEFAULTS.outage(CACHE)
"""Its age when movieXchange recovers, if it goes down just before that check."""
BEYOND = END + 1.2 * HOUR

TOKEN, NEXT, WAIT, DOWN, CACHED = BLUE_FILL, GREEN_FILL, GOLD_FILL, RED_FILL, SILVER_FILL
ROWS = ("longest outage", "without faults", "this token")
"""From below."""


def bar(axes: Axes, row: str, ages: tuple[float, float], color: Color, label: str = "") -> None:
    """Draw what lasts from one age of the token to another, with its name in its middle."""
    at, (begin, end) = ROWS.index(row), ages
    axes.barh(at, (end - begin) / HOUR, 0.6, begin / HOUR, color=color.light, edgecolor=FAINT.light, linewidth=0.8)
    axes.text((begin + end) / 2 / HOUR, at, label, ha="center", va="center_baseline", **SMALL)


def mark(axes: Axes, age: float, *lines: str) -> None:
    """Draw a line through all rows at an age of the token, with what happens then above it."""
    axes.vlines(age / HOUR, -0.5, len(ROWS) - 0.65, color=FAINT.light, linewidth=1, linestyle=":", zorder=0)
    for at, line in enumerate(reversed(lines)):
        axes.text(age / HOUR, len(ROWS) - 0.55 + 0.24 * at, line, ha="center", **SMALL)


def draw_bars(axes: Axes) -> None:
    """Draw the three rows; what takes too little time to be named is in the legend."""
    bar(axes, "this token", (0, DUE), TOKEN, "each check keeps it")
    bar(axes, "this token", (DUE, END), TOKEN, "still valid; the next check replaces it")
    bar(axes, "without faults", (DUE, CHECKED), WAIT)
    bar(axes, "without faults", (CHECKED, CHECKED + CACHE), CACHED)
    bar(axes, "without faults", (CHECKED + CACHE, BEYOND), NEXT, "the application has the next token")
    bar(axes, "longest outage", (DUE, CHECKED), WAIT)
    bar(axes, "longest outage", (CHECKED, RECOVERED), DOWN, f"movieXchange is down for {clock(RECOVERED - CHECKED)}")
    bar(axes, "longest outage", (RECOVERED, END - CACHE), WAIT)
    bar(axes, "longest outage", (END - CACHE, END), CACHED)
    bar(axes, "longest outage", (END, BEYOND), NEXT)


def diagram() -> Figure:
    """Draw it, from the token's issue until after its end."""
    figure = Figure(figsize=(7.5, 2.8))
    axes = figure.add_axes((0.15, 0.16, 0.835, 0.84))
    draw_bars(axes)
    mark(axes, 0, "issued")
    mark(axes, DUE, f"{DEFAULTS.refresh_at_percent} %:", "due")
    mark(axes, ALARM, f"{100 * (1 - ALARM / END):g} % left:", "alarm")
    mark(axes, END, "expires")
    axes.legend(
        [Patch(facecolor=WAIT.light, edgecolor=FAINT.light), Patch(facecolor=CACHED.light, edgecolor=FAINT.light)],
        [
            f"next check: within {DEFAULTS.gap / MINUTE:g} minutes",
            f"the application's cache: {CACHE / MINUTE:g} minutes",
        ],
        loc="center",
        bbox_to_anchor=(DUE / 2 / HOUR, 0.5),
        bbox_transform=axes.transData,
        fontsize=8.5,
        frameon=False,
    )
    axes.set(xlim=(-0.6, BEYOND / HOUR), ylim=(-0.5, len(ROWS) - 0.05))
    axes.set_xlabel("age of the token, in hours", **SMALL)
    axes.set_xticks(range(13))
    axes.set_yticks(range(len(ROWS)), ROWS)
    axes.tick_params(left=False, labelsize=8.5)
    axes.spines[["left", "right", "top"]].set_visible(False)
    return figure
