"""A token's life with the template's defaults: all well, and the longest outage that an application does not notice."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pictures.shapes import SMALL
from pictures.wakeups import TEMPLATE
from simulation.figures import clock
from simulation.promise import CACHES, DEFAULTS
from simulation.weather import HOUR, MINUTE

CACHE = CACHES[1]
ALARM = float(TEMPLATE["Parameters"]["AlarmSecondsRemaining"]["Default"])
"""Seconds of life left below which the alarm rings."""
END = DEFAULTS.lifetime
DUE = DEFAULTS.due_after
LOOKED = DUE + DEFAULTS.gap
"""A token's age, in seconds, at the first look after it is due, at the latest."""
BACK = LOOKED + DEFAULTS.outage(CACHE)
"""Its age when movieXchange is back, if it goes away just before that look."""
BEYOND = END + 1.2 * HOUR

TOKEN, NEXT, WAIT, AWAY, CACHED = "lightblue", "palegreen", "gold", "mistyrose", "silver"
ROWS = ("at worst", "all is well", "this token")
"""From below."""


def bar(axes: Axes, row: str, ages: tuple[float, float], color: str, label: str = "") -> None:
    """Draw what lasts from one age of the token to another, with what it is in its middle."""
    at, (begin, end) = ROWS.index(row), ages
    axes.barh(at, (end - begin) / HOUR, 0.6, begin / HOUR, color=color, edgecolor="dimgrey", linewidth=0.8)
    axes.text((begin + end) / 2 / HOUR, at, label, ha="center", va="center_baseline", **SMALL)


def mark(axes: Axes, age: float, *lines: str) -> None:
    """Draw a line through all rows at an age of the token, with what happens then above it."""
    axes.vlines(age / HOUR, -0.5, len(ROWS) - 0.65, color="dimgrey", linewidth=1, linestyle=":", zorder=0)
    for at, line in enumerate(reversed(lines)):
        axes.text(age / HOUR, len(ROWS) - 0.55 + 0.24 * at, line, ha="center", **SMALL)


def draw_bars(axes: Axes) -> None:
    """Draw the three rows; what takes too little time to bear its name is in the legend."""
    bar(axes, "this token", (0, DUE), TOKEN, "each look keeps it")
    bar(axes, "this token", (DUE, END), TOKEN, "valid still; the next look replaces it")
    bar(axes, "all is well", (DUE, LOOKED), WAIT)
    bar(axes, "all is well", (LOOKED, LOOKED + CACHE), CACHED)
    bar(axes, "all is well", (LOOKED + CACHE, BEYOND), NEXT, "the app has the next token")
    bar(axes, "at worst", (DUE, LOOKED), WAIT)
    bar(axes, "at worst", (LOOKED, BACK), AWAY, f"movieXchange is away for {clock(BACK - LOOKED)}")
    bar(axes, "at worst", (BACK, END - CACHE), WAIT)
    bar(axes, "at worst", (END - CACHE, END), CACHED)
    bar(axes, "at worst", (END, BEYOND), NEXT)


def picture() -> Figure:
    """Draw it, from the token's issue until after its end."""
    figure = Figure(figsize=(7.5, 2.8))
    axes = figure.add_axes((0.1, 0.16, 0.885, 0.84))
    draw_bars(axes)
    mark(axes, 0, "issued")
    mark(axes, DUE, f"{DEFAULTS.refresh_at_percent} %:", "due")
    mark(axes, END - ALARM, f"{ALARM / HOUR:g} h left:", "alarm rings")
    mark(axes, END, "expires")
    axes.legend(
        [Patch(facecolor=WAIT, edgecolor="dimgrey"), Patch(facecolor=CACHED, edgecolor="dimgrey")],
        [f"next look: within {DEFAULTS.gap / MINUTE:g} minutes", f"the app's cache: {CACHE / MINUTE:g} minutes"],
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
