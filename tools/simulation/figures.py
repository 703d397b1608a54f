"""What an outage costs, for the docs: the table of what is promised, and a diagram beside other ways to refresh."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from matplotlib.figure import Figure

from tools.diagrams.colors import BLUE, FAINT, GREEN, ORANGE, PAPER, RED, Color, save
from tools.local.aws import PROJECT
from tools.local.document import placed, table
from tools.simulation.applications import Application
from tools.simulation.faults import DAY, FAIR, HOUR, MINUTE, MX_DOWN
from tools.simulation.promise import CACHES, DEFAULTS, Promise
from tools.simulation.stack import CLIENTS, Stack

DOCS = PROJECT / "docs"
CLIENT = CLIENTS[0]
CACHE = CACHES[1]
OUTAGES = [hours * HOUR for hours in range(15)]
PHASES = [(hours + 0.1) * HOUR for hours in range(0, 12, 2)]


class WithoutReports(Stack):
    """A stack whose applications report nothing."""

    def report(self, *_: object) -> None:
        """Send nothing."""


class Timer(WithoutReports):
    """A timer that logs in without looking."""

    def schedule(self) -> None:
        """Replace the token, whatever its age."""
        self.engine.later(self.promise.check_every, self.schedule)
        self.invoke({"client_id": CLIENT.name, "force": True})


@dataclass(frozen=True)
class Way:
    """A way to keep a token fresh: what it goes by, and how it is drawn."""

    name: str
    promise: Promise
    style: str
    color: Color
    stack: type[Stack]


WAYS = [
    Way("a fixed timer of 12 hours", Promise(check_every=12 * HOUR), ":", ORANGE, Timer),
    Way("at expiry", Promise(refresh_at_percent=100), "-.", RED, WithoutReports),
    Way("minutes before expiry", Promise(refresh_at_percent=99, check_every=5 * MINUTE), "--", GREEN, WithoutReports),
    Way("at half of its lifetime (this product)", DEFAULTS, "-", BLUE, Stack),
]


def failing(way: Way, outage: float, phase: float) -> tuple[int, int]:
    """Count an application's calls that fail, and all of them, within a day from the beginning of an outage."""
    stack = way.stack(int(phase), FAIR, promise=way.promise)
    stack.invariants.is_strict = False
    stack.put_credentials()
    stack.schedule()
    Application(stack, CLIENT, CACHE, seconds_between_calls=5 * MINUTE).run()
    stack.engine.run(DAY + phase)
    stack.calls.clear()
    stack.failed_calls.clear()
    stack.faults.begin(MX_DOWN, stack.engine.now, outage)
    stack.engine.run(stack.engine.now + DAY)
    return stack.failed_calls[CACHE], stack.calls[CACHE]


def share(way: Way, outage: float) -> float:
    """Return the share of an application's calls that fail, in percent, over all phases of a token's lifetime."""
    counts = [failing(way, outage, phase) for phase in PHASES]
    return 100 * sum(failed for failed, _ in counts) / sum(calls for _, calls in counts)


def shares() -> list[list[float]]:
    """Return the shares of each way, by the length of the outage."""
    cases = list(product(WAYS, OUTAGES))
    with ProcessPoolExecutor() as pool:
        every = list(pool.map(share, *zip(*cases, strict=True)))
    return [every[at : at + len(OUTAGES)] for at in range(0, len(every), len(OUTAGES))]


def diagram(lines: list[list[float]]) -> Figure:
    """Draw a line for each way."""
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes = figure.subplots()
    for way, each in zip(WAYS, lines, strict=True):
        axes.plot(
            [outage / HOUR for outage in OUTAGES], each, way.style, color=way.color.light, label=way.name, linewidth=2
        )
    longest = DEFAULTS.outage(CACHE)
    label = f"{clock(longest)}: the longest outage that no application notices"
    axes.axvline(longest / HOUR, 0, 0.62, color=FAINT.light, label=label, linewidth=0.8)
    axes.set(
        title="An outage of movieXchange, by how a token is kept fresh",
        xlabel="length of the outage, in hours",
        ylabel="calls that fail within a day, in percent",
        xlim=(0, OUTAGES[-1] / HOUR),
        ylim=(0, None),
    )
    axes.legend(facecolor=PAPER.light, edgecolor=PAPER.light, framealpha=1)
    return figure


def clock(seconds: float) -> str:
    """Write seconds as hours and minutes, rounded down."""
    hours, minutes = divmod(int(seconds // MINUTE), 60)
    return f"{hours} h {minutes:02} min"


def tolerance_table() -> str:
    """Write out what is promised."""
    rows = [
        (f"{cache / MINUTE:g} minutes", clock(DEFAULTS.tolerance(cache)), clock(DEFAULTS.outage(cache)))
        for cache in CACHES
    ]
    return table(("cache of the app", "in all", "one outage"), rows)


def write(docs: Path = DOCS) -> None:
    """Write the table and the diagram into the docs."""
    document = docs / "reference.md"
    document.write_text(placed(document.read_text(), "tolerance", tolerance_table()))
    save(diagram(shares()), docs / "outage.svg")
