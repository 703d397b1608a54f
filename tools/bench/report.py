"""What was measured, as tables. Pure, but for the template and the pins, which it reads."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from cfnlint.decode.cfn_yaml import load

from tools.bench.cost import DAYS, LIST, PRICES, QUOTAS, Day, Spread, Work, all_healed, cpu_share, day
from tools.bench.imports import CLIENT, OWNERS, REST
from tools.bench.measure import Kind, Measured, Samples, Size, Started
from tools.local.aws import PROJECT
from tools.local.document import table

TITLES = {
    "ours": "ours",
    "ours-compiled": "ours, with bytecode",
    "floor": "floor",
    "floor-same-calls": "floor, same calls",
    "timer": "timer",
    "four-steps": "four steps",
    "every-app": "every app for itself",
}
COUNTS = (1, 10, 100, 1000)
TICKS, REFRESHES, PROCESSES = 96, 4, 10
"""A day and a token: looks every 15 minutes, refreshes at half of 12 hours; and the processes that use the token."""
TIMES: Mapping[str, Mapping[Kind, int]] = {
    "ours": {"cold tick": TICKS - REFRESHES, "cold refresh": REFRESHES},
    "floor": {"cold tick": TICKS - REFRESHES, "cold refresh": REFRESHES},
    "timer": {"cold refresh": TICKS},
    "four-steps": {"cold refresh": REFRESHES},
    "every-app": {"cold refresh": PROCESSES, "refresh": PROCESSES},
}
"""How often each does what in a day, if whatever wakes it finds it cold.

A process of an app lives for a day, and logs in when it starts and after 12 hours.
"""
REFRESH_KINDS: tuple[Kind, ...] = ("cold refresh", "refresh")
A_STACK = 60
"""Client IDs: each declares eight of the 500 resources that CloudFormation takes, and the stack sixteen."""
READS = PROCESSES * 24 * 60 // 5
"""Of a token in a day, by processes that read it every five minutes."""
SCHEDULED = {"ours": TICKS, "floor": TICKS, "timer": TICKS}
"""Secrets Manager takes no money for its own schedule, and an app has none."""
MIB = 1024 * 1024

TEMPLATE: dict[str, Any] = load(str(PROJECT / "template.yaml"))
MEMORY: int = TEMPLATE["Resources"]["Rotator"]["Properties"]["MemorySize"]
MEMORIES = sorted({128, 256, 512, 1024, MEMORY})
STACKS_METRICS = 1
"""TokenRefreshed; TokenRefreshFailed costs for the hours in which something failed."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """All that a run measured."""

    samples: Samples
    """Of all contestants in turns, with a whole CPU."""
    alone: Mapping[int, Mapping[Kind, Sequence[Measured]]]
    """Of ours by memory setting, with its share of a CPU; empty where this machine could not limit it."""
    started: Mapping[str, Started]
    profiles: Mapping[str, Sequence[tuple[Mapping[str, float], Mapping[str, float]]]]
    sizes: Mapping[str, Size]
    archive: int
    peak: int
    healed: Mapping[int, float]
    """Seconds until so many tokens were replaced."""

    def at(self, memory: int) -> Mapping[Kind, Sequence[Measured]]:
        """Give ours with a memory setting: as measured, or as it follows from what a whole CPU takes."""
        share = cpu_share(memory)
        return self.alone.get(memory) or {
            kind: [one.on(share) for one in measured] for kind, measured in self.samples["ours"].items()
        }

    def spread(self, name: str, kind: Kind, what: str) -> Spread:
        """Give the spread of one measurement."""
        return spread(self.samples[name][kind], what)

    def beyond(self, name: str, other: str, kind: Kind) -> Spread:
        """Give the spread of what one takes beyond another in the same turn, in milliseconds."""
        pairs = zip(self.samples[name][kind], self.samples[other][kind], strict=True)
        return Spread.of([one.duration - another.duration for one, another in pairs])

    def inits(self, name: str) -> list[float]:
        """Give INIT of all cold starts, in milliseconds."""
        return [each.init for each in cold_starts(self.samples[name]) if each.init is not None]

    def init(self, name: str) -> Spread:
        """Give the spread of INIT."""
        return Spread.of(self.inits(name))

    def day(self, name: str) -> Day:
        """Give what one token takes a day."""
        measured = self.samples[name]
        return day(
            [(times, work(measured[kind], in_lambda=name != "every-app")) for kind, times in TIMES[name].items()],
            memory=MEMORY,
            scheduled=SCHEDULED.get(name, 0),
        )


Table = Callable[[Results], str]


def cold_starts(measured: Mapping[Kind, Sequence[Measured]]) -> Sequence[Measured]:
    """Give what began with INIT."""
    return [*measured.get("cold tick", []), *measured["cold refresh"]]


def spread(measured: Sequence[Measured], what: str) -> Spread:
    """Give the spread of one measurement."""
    return Spread.of([getattr(each, what) for each in measured])


def work(measured: Sequence[Measured], *, in_lambda: bool = True) -> Work:
    """Take the median of times, and the counts of the last one; what an app does in its own process is not invoked."""
    last = measured[-1]
    return Work(
        billed=median(each.billed for each in measured),
        invocations=last.invocations if in_lambda else 0,
        secrets_calls=len(last.secrets_calls),
        moviexchange_calls=len(last.moviexchange_calls),
        log_ins=last.moviexchange_calls.count("POST /connect/token"),
        log_bytes=last.log_bytes,
    )


def alarms(resources: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Find the alarms among resources of the template."""
    return [
        each["Properties"]
        for each in resources.values()
        if isinstance(each, dict) and each["Type"] == "AWS::CloudWatch::Alarm"
    ]


OF_A_TOKEN = alarms(TEMPLATE["Resources"]["Fn::ForEach::ClientId"][2])
OF_THE_STACK = alarms(TEMPLATE["Resources"])
METRICS_OF_A_TOKEN = len({alarm["MetricName"] for alarm in OF_A_TOKEN})


def told(spread: Spread, digits: int = 0) -> str:
    """Write a median with its quartiles."""
    return f"{spread.median:,.{digits}f} ({spread.low:,.{digits}f} to {spread.high:,.{digits}f})"


def watching(name: str) -> float:
    """Give what a token's alarm and metric cost a month."""
    ours = len(OF_A_TOKEN) * PRICES["alarm_month"] + METRICS_OF_A_TOKEN * PRICES["metric_month"]
    return ours if name == "ours" else 0.0


def of_the_stacks(name: str, count: int) -> float:
    """Give what so many tokens share a month: the credentials' secret, and what watches over each stack of ours."""
    ours = len(OF_THE_STACK) * PRICES["alarm_month"] + STACKS_METRICS * PRICES["metric_month"]
    return -(-count // A_STACK) * (PRICES["secret_month"] + ours) if name == "ours" else PRICES["secret_month"]


def kept(name: str) -> float:
    """Give what keeping the token costs a month."""
    return 0.0 if name == "every-app" else PRICES["secret_month"]


def times_to_reach(results: Results) -> Iterator[tuple[str, int, float, Spread]]:
    """Give each mark that is a time: its name, the digits to write, its limit, and what was measured."""
    ours, same, floor = "ours", "floor-same-calls", "floor"
    inits = zip(results.inits(ours), results.inits(floor), strict=True)
    reports = {name: results.spread(name, "cold refresh", "wall") for name in (ours, same, floor)}
    yield "INIT, over the floor's", 2, 1.1, Spread.of([one / other for one, other in inits])
    yield "quiet tick, ms beyond the floor's same calls", 1, 2, results.beyond(ours, same, "tick")
    yield "refresh, ms beyond the floor's same calls", 1, 5, results.beyond(ours, same, "refresh")
    yield (
        "cold report to fresh token, ms; at most the floor's with the same calls",
        0,
        reports[same].median,
        reports[ours],
    )
    yield (
        "cold report to fresh token, ms; at most the floor's with the fewest calls",
        0,
        reports[floor].median,
        reports[ours],
    )


def counts_to_reach(results: Results) -> Iterator[tuple[str, int, float, float]]:
    """Give each other mark in the same way."""
    last = {kind: each[-1] for kind, each in results.samples["ours"].items()}
    calls = {kind: len(each.secrets_calls) + len(each.moviexchange_calls) for kind, each in last.items()}
    bill = PRICES["secret_month"] + sum(results.day("ours").bill().values())
    yield "outside calls of a quiet tick", 0, 2, calls["tick"]
    yield "outside calls of a refresh", 0, 6, calls["refresh"]
    yield "package as it ships, MiB", 2, 2, results.archive / MIB
    yield "bill a token without metric and alarm, over its secret's storage", 2, 1.2, bill / PRICES["secret_month"]
    yield "custom metrics a token", 0, 1, METRICS_OF_A_TOKEN
    yield "alarms a token", 0, 1, len(OF_A_TOKEN)


def marks(results: Results) -> str:
    """Tell which marks are reached, and how far the others are."""
    return table(
        ("mark", "at most", "measured", "reached"),
        [
            *(
                (name, f"{limit:,.{digits}f}", told(value, digits), verdict(value.median, limit, digits))
                for name, digits, limit, value in times_to_reach(results)
            ),
            *(
                (name, f"{limit:.{digits}f}", f"{value:.{digits}f}", verdict(value, limit, digits))
                for name, digits, limit, value in counts_to_reach(results)
            ),
        ],
    )


def verdict(value: float, limit: float, digits: int) -> str:
    """Say whether a value is within its limit, and how far beyond it is otherwise."""
    return "yes" if round(value, digits) <= limit else f"no, by {value - limit:,.{digits}f}"


def cold(results: Results) -> str:
    """Tell of cold starts and packages."""
    floor = results.init("floor").median
    return table(
        (
            "",
            "INIT, ms",
            "over the floor's",
            "memory after INIT, MiB",
            "modules",
            "files",
            "unpacked, KiB",
            "zipped, KiB",
        ),
        [
            (
                title,
                told(results.init(name)),
                f"{results.init(name).median / floor:.2f}",
                f"{results.started[name].memory / MIB:.0f}",
                str(results.started[name].modules),
                str(results.sizes[name].files),
                f"{results.sizes[name].unpacked / 1024:,.0f}",
                f"{results.sizes[name].zipped / 1024:,.0f}",
            )
            for name, title in TITLES.items()
        ],
    )


def profile(results: Results) -> str:
    """Tell what INIT is made of, and what ours puts off until its first log-in."""

    def column(name: str, part: int) -> list[float]:
        times = [median(each[part].get(owner, 0.0) for each in results.profiles[name]) for owner in owners]
        return [*times, sum(times)]

    owners = (*OWNERS, REST, CLIENT)
    columns = [column("ours", 0), column("floor", 0), column("ours", 1)]
    return table(
        ("ms", "INIT of ours", "INIT of the floor", "ours, at the first log-in"),
        [(owner, *(f"{each:.0f}" for each in row)) for owner, *row in zip((*owners, "sum"), *columns, strict=True)],
    )


def warm(results: Results) -> str:
    """Tell how long ticks, refreshes and the way from a report to a fresh token take."""

    def cells(name: str, kind: Kind) -> tuple[str, str]:
        if kind not in results.samples[name]:
            return "none", ""
        spread, floor = results.spread(name, kind, "duration"), results.spread("floor", kind, "duration")
        return told(spread, 1), f"{spread.median / floor.median:.2f}"

    return table(
        (
            *("", "quiet tick, ms", "over the floor's", "refresh, ms", "over the floor's"),
            *("report to fresh token, warm, ms", "the same, cold, ms"),
        ),
        [
            (
                title,
                *cells(name, "tick"),
                *cells(name, "refresh"),
                told(results.spread(name, "refresh", "wall")),
                told(results.spread(name, "cold refresh", "wall")),
            )
            for name, title in TITLES.items()
        ],
    )


def calls(results: Results) -> str:
    """Count calls and log-ins."""

    def made(name: str, kind: Kind) -> str:
        if kind not in results.samples[name]:
            return "none"
        last = results.samples[name][kind][-1]
        return str(len(last.secrets_calls) + len(last.moviexchange_calls))

    return table(
        ("", "outside calls: a quiet tick", "a refresh", "a day", "log-ins a day"),
        [
            (
                TITLES[name],
                made(name, "tick"),
                made(name, "refresh"),
                f"{results.day(name).calls:.0f}",
                f"{results.day(name).log_ins:.0f}",
            )
            for name in TIMES
        ],
    )


def growth(results: Results) -> str:
    """Tell how a day's work grows with the client IDs."""
    days = {name: results.day(name) for name in TIMES}
    return table(
        ("client IDs: outside calls, log-ins, GB-seconds a day", *(f"{count:,}" for count in COUNTS)),
        [
            (
                TITLES[name],
                *(
                    f"{count * each.calls:,.0f}, {count * each.log_ins:,.0f}, {count * each.gb_seconds:,.1f}"
                    for count in COUNTS
                ),
            )
            for name, each in days.items()
        ],
    )


def healing(results: Results) -> str:
    """Tell how long it takes until all tokens of a stack are replaced."""
    cold, warm = (results.spread("ours", kind, "wall").median / 1000 for kind in REFRESH_KINDS)
    quotas = ("concurrent_invocations", "concurrent_invocations_of_a_new_account")
    return table(
        (
            "client IDs, all reported at once",
            "here, s",
            *(f"on AWS at the least, {QUOTAS[name]:,} at once, s" for name in quotas),
        ),
        [
            (
                f"{count:,}",
                f"{results.healed[count]:.1f}" if count in results.healed else "not tried",
                *(f"{all_healed(cold, warm, count, QUOTAS[name]):.1f}" for name in quotas),
            )
            for count in COUNTS
        ],
    )


def bill(results: Results) -> str:
    """Write the bill of each contestant, line by line."""
    bills = {name: {"the token's secret": kept(name)} | results.day(name).bill() for name in TIMES}
    lines = [(line, *(f"{each[line]:.4f}" for each in bills.values())) for line in bills["ours"]]
    bare = {name: sum(each.values()) for name, each in bills.items()}
    altogether = {name: cost + watching(name) for name, cost in bare.items()}
    return table(
        ("USD a token and month", *(TITLES[name] for name in TIMES)),
        [
            *lines,
            ("sum", *(f"**{cost:.3f}**" for cost in bare.values())),
            (
                f"{METRICS_OF_A_TOKEN} metric and {len(OF_A_TOKEN)} alarm",
                *(f"{watching(name):.2f}" if watching(name) else "none" for name in TIMES),
            ),
            *(
                (
                    f"all, if there are {count:,}",
                    *(f"{altogether[name] + of_the_stacks(name, count) / count:.3f}" for name in TIMES),
                )
                for count in COUNTS
            ),
            (
                f"beside it: {READS:,} reads a day",
                *(f"{READS * DAYS * PRICES['secrets_call']:.2f}" if kept(name) else "none" for name in TIMES),
            ),
        ],
    )


def compute(results: Results, memory: int, times: Mapping[Kind, int]) -> float:
    """Give what a token's compute costs a month with a memory setting, if it is so much a day."""
    measured = results.at(memory)
    each = [(count, work(measured[kind])) for kind, count in times.items()]
    return day(each, memory=memory, scheduled=0).bill()["Lambda compute"]


def memory(results: Results) -> str:
    """Tell what each memory setting does to ours."""
    how = (
        "Measured with the CPU limited to that share (cgroups)."
        if results.alone
        else "By the documented proportion from what a whole CPU takes: this machine could not limit it."
    )
    all_warm: Mapping[Kind, int] = {"tick": TICKS - REFRESHES, "refresh": REFRESHES}

    def cells(size: int) -> tuple[str, ...]:
        measured = results.at(size)
        return (
            told(spread(cold_starts(measured), "init")),
            told(spread(measured["cold refresh"], "wall")),
            told(spread(measured["tick"], "duration")),
            told(spread(measured["refresh"], "duration")),
            *(f"{compute(results, size, times):.4f}" for times in (TIMES["ours"], all_warm)),
        )

    return (
        f"{how}\nThe most memory that its process had was {results.peak / MIB:.0f} MiB; MemorySize is {MEMORY}.\n\n"
        + table(
            (
                *("MemorySize, MB", "share of a CPU", "INIT, ms", "report to fresh token, cold, ms", "quiet tick, ms"),
                *("refresh, ms", "compute, USD a month, all cold", "all warm"),
            ),
            [(str(size), f"{cpu_share(size):.2f}", *cells(size)) for size in MEMORIES],
        )
    )


def conditions(cpu: str, system: str, python: str, date: str) -> str:
    """Tell where and when this was measured, with what, and at which prices."""
    pins = {
        name: version
        for file in ("requirements/emulator.txt", "requirements/sam.txt", "src/requirements.txt")
        for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", (PROJECT / file).read_text(), re.MULTILINE)
    }
    named = ("boto3", "requests", "awslambdaric", "aws-sam-cli", "ministack")
    return (
        f"- {date}, on {cpu}, {system}, Python {python}\n"
        f"- {', '.join(f'{name} {pins[name]}' for name in named)}\n"
        f"- prices of {LIST['date']} in {LIST['region']}, from [bench/prices.json](../bench/prices.json)\n"
    )


TABLES: tuple[Table, ...] = (
    *(marks, cold, profile, warm, calls),
    *(bill, growth, healing, memory),
)
