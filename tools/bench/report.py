"""What was measured, as tables for docs/performance.md. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from tools.bench.cost import A_STACK, PRICES, bill_table, client_id_table, of_a_client_id, stack_table
from tools.bench.flood import Flood
from tools.bench.scale import Scaled
from tools.bench.scene import Sample
from tools.local.document import table

TITLES = {
    "ours": "ours",
    "floor": "floor",
    "floor_with_get": "floor with a GET",
    "same_calls": "floor, same calls",
    "four_steps": "four steps",
    "every_app": "every app by itself",
}
RATES, FLOODED = (30, 100, 300, 1000), 600.0
WITH_AWS = (0.05, 0.1)  # seconds of a report, if Lambda and SQS add some of their own
MIB, SECRET = 1024 * 1024, PRICES["secret_month"]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The samples of a contestant; those of the same turn have the same index."""

    cold: Sequence[Sample]  # reports
    checks: Sequence[Sample]  # none where each run logs in
    reports: Sequence[Sample]


@dataclass(frozen=True, kw_only=True)
class Results:
    """All that was measured."""

    measured: Mapping[str, Measured]
    scaled: Sequence[Scaled]
    deployed: Scaled
    report: float  # seconds of a made-up report from afar
    report_deployed: float  # the same on MiniStack, through EventBridge and the queue


def over(results: Results, other: str, of: str, what: str) -> list[float]:
    """Return ours as a multiple of another contestant, turn by turn."""
    pairs = zip(getattr(results.measured["ours"], of), getattr(results.measured[other], of), strict=True)
    return [getattr(ours, what) / getattr(others, what) for ours, others in pairs]


def marks(results: Results) -> str:
    """Write which marks are reached."""
    pairs = zip(results.measured["ours"].checks, results.measured["same_calls"].checks, strict=True)
    first, sixty = (next(each for each in results.scaled if each.count == count) for count in (1, A_STACK))
    to_readable = "report to readable token, as a multiple of the floor's with a GET"
    rows: list[tuple[str, float, Sequence[float]]] = [
        ("INIT, as a multiple of the floor's", 1.05, over(results, "floor", "cold", "init")),
        (
            "quiet run of one client ID, ms more than the floor's same calls",
            2,
            [a.duration - b.duration for a, b in pairs],
        ),
        ("each further client ID in it, ms", 6, [1000 * (sixty.quiet - first.quiet) / (sixty.count - first.count)]),
        (f"warm {to_readable}", 1.1, over(results, "floor_with_get", "reports", "readable")),
        (f"cold {to_readable}", 1.1, over(results, "floor_with_get", "cold", "readable")),
        ("bill of a client ID, as a multiple of its secret", 1.1, [sum(of_a_client_id().values()) / SECRET]),
    ]
    verdicts = ("yes" if round(median(values), 2) <= limit else "no" for _, limit, values in rows)
    cells = [(name, f"{limit:.2f}", spread(values, 2), next(verdicts)) for name, limit, values in rows]
    return table(("mark", "at most", "measured", "reached"), cells)


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Write a median, with its quartiles if there are several values."""
    low, middle, high = quantiles(values, n=4, method="inclusive") if len(values) > 1 else (values[0],) * 3
    return f"{middle:,.{digits}f}" + f" ({low:,.{digits}f} to {high:,.{digits}f})" * (len(values) > 1)


def speed(results: Results) -> str:
    """Write how long each contestant takes, and how many calls it makes."""

    def cell(samples: Sequence[Sample], what: str, digits: int = 0) -> str:
        return spread([getattr(each, what) for each in samples], digits) if samples else "none"

    def calls(samples: Sequence[Sample]) -> str:
        at_mx = sum(" " in call for each in samples[-1:] for call in each.calls)
        return f"{len(samples[-1].calls) - at_mx} + {at_mx}" if samples else "none"

    reports = ("warm report: readable", "ended", "calls", "cold report: readable", "ended")
    return table(
        ("ms", "INIT", "quiet run", "calls", *reports),
        [
            (
                TITLES[name],
                cell(each.cold, "init"),
                *(cell(each.checks, "duration", 1), calls(each.checks)),
                *(cell(each.reports, "readable"), cell(each.reports, "ended"), calls(each.reports)),
                *(cell(each.cold, "readable"), cell(each.cold, "ended")),
            )
            for name, each in results.measured.items()
        ],
    )


def scale(results: Results) -> str:
    """Write what many client IDs take."""

    def cells(each: Scaled, note: str) -> tuple[str, ...]:
        new = f"{each.new_credentials:.1f}" + f", {each.replaced_then:,} replaced" * (each.replaced_then < each.count)
        times = (f"{each.quiet:.2f}", f"{each.all_due:.1f}", f"{each.replaced:,}", f"{each.runs():,}", new)
        return f"{each.count:,}{note}", *times, f"{each.memory / MIB:.0f}" if each.memory else "not measured"

    rows = [*((each, "") for each in results.scaled), (results.deployed, ", deployed to MiniStack")]
    times = ("quiet run, s", "all due, s", "replaced in it", "runs until all are", "new credentials, s")
    head = ("client IDs", *times, "memory, MiB")
    return table(head, [cells(*each) for each in rows])


def flood(results: Results) -> str:
    """Write what a flood of reports does to the schedule."""
    times = (results.report, *WITH_AWS)
    floods = [[Flood(rate=rate, duration=FLOODED, seconds_each=each) for each in times] for rate in RATES]
    head = ("different reports a second for ten minutes", *(f"{each * 1000:.0f} ms a report" for each in times))
    rows = [(f"{line[0].rate:,}", *(f"{each.worst_gap() / 60:.0f} min" for each in line)) for line in floods]
    deployed = f"{results.report_deployed * 1000:.0f} ms from `PutEvents` to the end of its run"
    return f"{table(head, rows)}\nOn MiniStack, a report took {deployed}."


TABLES: Mapping[str, Callable[[Results], str]] = {"marks": marks, "speed": speed, "scale": scale, "flood": flood}
COSTS: Mapping[str, Callable[[], str]] = {
    "bill": lambda: bill_table(TITLES),
    "cost of a stack": stack_table,
    "cost of a client ID": client_id_table,
}
