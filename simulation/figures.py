"""What an outage costs, for the docs: a table of what is promised, and a picture beside other ways to refresh."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track

from local.document import placed, table
from mx_token_rotator.refresh import Outcome, Request, Rotator
from simulation.apps import App
from simulation.promise import CACHES, DEFAULTS, Promise
from simulation.weather import AWAY, DAY, FAIR, HOUR, MINUTE
from simulation.world import CLIENT_IDS, World

DOCS = Path(__file__).parent.parent / "docs"
CLIENT_ID = CLIENT_IDS[0]
CACHE = CACHES[1]
OUTAGES = [hours * HOUR for hours in range(15)]
PHASES = [(hours + 0.1) * HOUR for hours in range(12)]


class UnheardWorld(World):
    """Nobody listens to what apps report."""

    def report(self, client_id: str, version_id: str) -> None:
        """Hear nothing."""


class TimerWorld(UnheardWorld):
    """A timer that logs in without looking."""

    class story(Rotator):  # noqa: N801  in the place of the product's
        """Takes every request for a forced one."""

        def refresh(self, request: Request) -> Outcome:
            """Refresh, due or not."""
            return super().refresh(replace(request, force=True))


@dataclass(frozen=True)
class Way:
    """A way to keep a token fresh: what it goes by, and how it is drawn."""

    name: str
    promise: Promise
    style: str
    world: type[World]


WAYS = [
    Way("a fixed timer of 12 hours", Promise(check_every=12 * HOUR, check_window=0.0), ":", TimerWorld),
    Way("at expiry", Promise(refresh_at_percent=100), "-.", UnheardWorld),
    Way(
        "minutes before expiry",
        Promise(refresh_at_percent=99, check_every=5 * MINUTE, check_window=0.0),
        "--",
        UnheardWorld,
    ),
    Way("at half of its life (this product)", DEFAULTS, "-", World),
]


def failing(way: Way, outage: float, phase: float) -> tuple[int, int]:
    """Count an app's calls that fail, and all of them, within a day from when movieXchange goes away."""
    world = way.world(int(phase), FAIR, promise=way.promise)
    world.invariants.is_strict = False
    world.put_credentials()
    world.schedule(CLIENT_ID)
    App(world, CLIENT_ID, CACHE, seconds_between_calls=5 * MINUTE).call()
    world.engine.run(DAY + phase)
    world.reads.clear()
    world.failed_reads.clear()
    world.weather.begin(AWAY, world.engine.now, outage)
    world.engine.run(world.engine.now + DAY)
    return world.failed_reads[CACHE], world.reads[CACHE]


def share(way: Way, outage: float) -> float:
    """Tell the share of an app's calls that fail, in percent, over all phases of a token's life."""
    counts = [failing(way, outage, phase) for phase in PHASES]
    return 100 * sum(failed for failed, _ in counts) / sum(calls for _, calls in counts)


def picture(shares: list[list[float]]) -> Figure:
    """Draw a line for each way."""
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes = figure.subplots()
    for way, each in zip(WAYS, shares, strict=True):
        axes.plot([outage / HOUR for outage in OUTAGES], each, way.style, label=way.name, linewidth=2)
    axes.axvline(DEFAULTS.outage(CACHE) / HOUR, color="grey", linewidth=0.8)
    axes.set(
        title="An outage of movieXchange, by how a token is kept fresh",
        xlabel="length of the outage, in hours",
        ylabel="calls that fail within a day, in percent",
        xlim=(0, OUTAGES[-1] / HOUR),
        ylim=(0, None),
    )
    axes.legend()
    return figure


def save(drawn: Figure, path: Path) -> None:
    """Put a picture into an SVG file; the same picture makes the same file."""
    with mpl.rc_context({"svg.hashsalt": "mx-token-rotator", "svg.fonttype": "none"}):
        drawn.savefig(path, metadata={"Date": None, "Creator": None})


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


def draw(console: Console) -> None:
    """Put both into the docs."""
    document = DOCS / "operating.md"
    document.write_text(placed(document.read_text(), "tolerance", tolerance_table()))
    cases = list(product(WAYS, OUTAGES))
    with ProcessPoolExecutor() as pool:
        working = pool.map(share, *zip(*cases, strict=True))
        shares = list(track(working, "Drawing", len(cases), console=console))
    lines = [shares[at : at + len(OUTAGES)] for at in range(0, len(shares), len(OUTAGES))]
    save(picture(lines), DOCS / "outage.svg")
