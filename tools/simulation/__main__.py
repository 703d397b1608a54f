"""Lets stacks live through many years, with tables of what went wrong and what it cost, and draws an outage."""

import math
import os
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor

from rich.console import Console
from rich.progress import track
from rich.table import Table

from tools.simulation.figures import write
from tools.simulation.invariants import Invariant
from tools.simulation.promise import CACHES
from tools.simulation.runner import TOKEN_YEARS, History, live


def table(title: str, columns: tuple[str, str], rows: Iterable[tuple[str, str]]) -> Table:
    """Return a table of two columns, the second one with numbers."""
    made = Table(title=title, title_justify="left")
    made.add_column(columns[0])
    made.add_column(columns[1], justify="right")
    for row in rows:
        made.add_row(*row)
    return made


def tables(total: History, years: int) -> list[Table]:
    """Return what went wrong, what the function answered, and which calls of applications failed."""
    faults = [(kind, f"{count:,}") for kind, count in sorted(total.faults.items())]
    reasons = [(reason, f"{count:,}") for reason, count in total.reasons.most_common()]
    failed = [
        (f"with a cache of {cache / 60:g} min", f"{total.failed_calls[cache]:,} of {total.calls[cache]:,}")
        for cache in CACHES
    ]
    return [
        table(f"What went wrong in {years} token-years", ("fault", "times"), faults),
        table("Outcomes", ("outcome", "times"), reasons),
        table("Calls of applications that were refused", ("application", "calls"), failed),
    ]


def main() -> int:
    """Run as many token-years as YEARS says, from the seed SEED on, and return the exit status."""
    console, first = Console(), int(os.environ.get("SEED", "0"))
    seeds = range(first, first + math.ceil(int(os.environ.get("YEARS", "30")) / TOKEN_YEARS))
    total, violations = History(), []
    with ProcessPoolExecutor() as pool:
        for history in track(pool.map(live, seeds), "Simulating", len(seeds), console=console):
            total.add(history)
            if history.violation:
                violations.append((f"seed {history.seed}", history.violation))
    for made in tables(total, len(seeds) * TOKEN_YEARS):
        console.print(made)
    if violations:
        console.print(table("Violations", ("history", "invariant"), violations))
        return 1
    write()
    console.print("Held throughout: " + "; ".join(Invariant) + ".")
    return 0


if __name__ == "__main__":
    sys.exit(main())
