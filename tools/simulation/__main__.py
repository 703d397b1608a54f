"""Lets stacks live through many years, with tables of what went wrong and what it cost, or replays one of them."""

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
from tools.simulation.sometimes import missing


def table(title: str, columns: tuple[str, str], rows: Iterable[tuple[str, str]]) -> Table:
    """Return a table of two columns, the second one with numbers."""
    made = Table(title=title, title_justify="left")
    made.add_column(columns[0])
    made.add_column(columns[1], justify="right")
    for row in rows:
        made.add_row(*row)
    return made


def tables(total: History, years: int) -> list[Table]:
    """Return what went wrong, what the function answered, which alarms rang, and which calls of applications failed."""
    faults = [(kind, f"{count:,}") for kind, count in sorted(total.faults.items())]
    reasons = [(reason, f"{count:,}") for reason, count in total.reasons.most_common()]
    failed = [
        (f"with a cache of {cache / 60:g} min", f"{total.failed_calls[cache]:,} of {total.calls[cache]:,}")
        for cache in CACHES
    ]
    return [
        table(f"What went wrong in {years} token-years", ("fault", "times"), faults),
        table(
            "What people did", ("deed", "times"), [(deed, f"{count:,}") for deed, count in sorted(total.deeds.items())]
        ),
        table("Outcomes", ("outcome", "times"), reasons),
        table("Alarms", ("alarm", "stacks"), [(alarm, str(stacks)) for alarm, stacks in sorted(total.alarms.items())]),
        table("Calls of applications that were refused", ("application", "calls"), failed),
    ]


def replay(console: Console, seed: int) -> int:
    """Print the end of a seed's history, which is what led to its violation if it has one; return the exit status."""
    history = live(seed)
    for line in history.trace:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    found = history.violation or f"Seed {seed} violates nothing in a year."
    console.print(found, markup=False, highlight=False, soft_wrap=True)
    return bool(history.violation)


def simulate(console: Console, years: int) -> int:
    """Run the seeds of so many token-years, and return the exit status."""
    seeds = range(math.ceil(years / TOKEN_YEARS))
    total, violations = History(), []
    with ProcessPoolExecutor() as pool:
        for history in track(pool.map(live, seeds), "Simulating", len(seeds), console=console):
            total.add(history)
            if history.violation:
                violations.append((f"make simulate SEED={history.seed}", history.violation))
    for made in tables(total, len(seeds) * TOKEN_YEARS):
        console.print(made)
    if violations:
        console.print(table("Violations", ("replay with", "invariant"), violations))
        return 1
    if never := list(missing(total, len(seeds) * TOKEN_YEARS)):
        console.print("Never occurred, so that nothing shows that it is survived: " + "; ".join(never) + ".")
        return 1
    write()
    console.print("Held throughout: " + "; ".join(Invariant) + ".")
    return 0


def main() -> int:
    """Replay the history of SEED, or run as many token-years as YEARS says; return the exit status."""
    console, seed = Console(), os.environ.get("SEED", "")
    return replay(console, int(seed)) if seed else simulate(console, int(os.environ.get("YEARS", "30")))


if __name__ == "__main__":
    sys.exit(main())
