"""Many years in two minutes, with a table of what was thrown at the rotator and what was lost, and a picture."""

import math
import os
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor

from rich.console import Console
from rich.progress import track
from rich.table import Table

from simulation.figures import draw
from simulation.invariants import Invariant
from simulation.promise import CACHES
from simulation.runner import TOKEN_YEARS, History, live


def table(title: str, columns: tuple[str, str], rows: Iterable[tuple[str, str]]) -> Table:
    """Make a table of two columns, the second one with numbers."""
    made = Table(title=title, title_justify="left")
    made.add_column(columns[0])
    made.add_column(columns[1], justify="right")
    for row in rows:
        made.add_row(*row)
    return made


def tables(total: History, years: int) -> list[Table]:
    """Tell what was thrown, what the function said to it, and what apps lost."""
    thrown = [(kind, f"{count:,}") for kind, count in sorted(total.thrown.items())]
    said = [(end, f"{count:,}") for end, count in total.invocations.most_common()]
    lost = [
        (f"with a cache of {cache / 60:g} min", f"{total.failed_reads[cache]:,} of {total.reads[cache]:,}")
        for cache in CACHES
    ]
    return [
        table(f"Thrown in {years} token-years", ("what", "times"), thrown),
        table("How invocations ended", ("outcome's reason, or error", "times"), said),
        table("Calls of apps that were refused", ("app", "calls"), lost),
    ]


def main() -> int:
    """Live through as many token-years as YEARS says, and give the exit status."""
    console = Console()
    seeds = range(math.ceil(int(os.environ.get("YEARS", "100")) / TOKEN_YEARS))
    total, violations = History(), []
    with ProcessPoolExecutor() as pool:
        for history in track(pool.map(live, seeds), "Simulating", len(seeds), console=console):
            total.add(history)
            if history.violation:
                violations.append((f"seed {history.seed}", history.violation))
    for made in tables(total, len(seeds) * TOKEN_YEARS):
        console.print(made)
    if violations:
        console.print(table("Violations", ("world", "invariant"), violations))
        return 1
    draw(console)
    console.print("Held throughout: " + "; ".join(Invariant) + ".")
    return 0


if __name__ == "__main__":
    sys.exit(main())
