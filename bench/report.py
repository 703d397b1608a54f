"""What was measured, as tables. Pure, but for the template and the pins, which it reads."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from cfnlint.decode.cfn_yaml import load

from bench.cost import LIST, PRICES, Day, Spread, Work, all_healed, cpu_share, day, grown
from bench.measure import Measured, Samples, Size, Started
from local.aws import HOUSE
from local.document import table

TITLES = {
    "ours": "ours",
    "floor": "floor",
    "floor-same-calls": "floor, same calls",
    "timer": "timer",
    "four-steps": "four steps",
    "every-app": "every app for itself",
}
COUNTS = (1, 10, 100, 1000)
MEMORIES = (128, 256, 512, 1024, 1769)
TICKS, REFRESHES, PROCESSES = 96, 4, 10
"""A day and a token: looks every 15 minutes, refreshes at half of 12 hours; and the processes that use the token."""
TIMES = {
    "ours": {"tick": TICKS - REFRESHES, "refresh": REFRESHES},
    "floor": {"tick": TICKS - REFRESHES, "refresh": REFRESHES},
    "timer": {"refresh": TICKS},
    "four-steps": {"refresh": REFRESHES},
    "every-app": {"cold": PROCESSES, "refresh": PROCESSES},
}
"""How often each does what in a day: a process of an app lives for a day, and logs in when it starts and after 12 h."""
SCHEDULED = {"ours": TICKS, "floor": TICKS, "timer": TICKS}
"""Secrets Manager takes no money for its own schedule, and an app has none."""
MIB = 1024 * 1024

TEMPLATE: dict[str, Any] = load(str(HOUSE / "template.yaml"))
MEMORY: int = TEMPLATE["Resources"]["Rotator"]["Properties"]["MemorySize"]
STACKS_METRICS = 1
"""TokenRefreshed; TokenRefreshFailed costs for the hours in which something failed."""


@dataclass(frozen=True, kw_only=True)
class Starved:
    """Ours with a memory setting, in milliseconds."""

    init: float
    cold: float
    tick: float
    refresh: float


@dataclass(frozen=True, kw_only=True)
class Results:
    """All that a run measured."""

    samples: Samples
    started: Mapping[str, Started]
    sizes: Mapping[str, Size]
    archive: int
    peak: int
    healed: Mapping[int, float]
    """Seconds until so many tokens were replaced."""
    starved: Mapping[int, Starved]
    """By memory setting, measured; empty where this machine could not limit the CPU."""

    def spread(self, name: str, kind: str, what: str) -> Spread:
        """Give the spread of one measurement."""
        return Spread.of([getattr(each, what) for each in self.samples[name][kind]])

    def init(self, name: str) -> Spread:
        """Give the spread of INIT."""
        return self.spread(name, "cold", "init")

    def day(self, name: str) -> Day:
        """Give what one token takes a day, if whatever wakes it finds it cold."""
        return day(
            TIMES[name],
            {kind: work(each, in_lambda=name != "every-app") for kind, each in self.samples[name].items()},
            init=self.init(name).median,
            memory=MEMORY,
            scheduled=SCHEDULED.get(name, 0),
        )


Table = Callable[[Results], str]


def work(measured: Sequence[Measured], *, in_lambda: bool) -> Work:
    """Take the medians of times, and the counts of the last one; what an app does in its own process is not invoked."""
    last = measured[-1]
    return Work(
        duration=median(each.duration for each in measured),
        waited=median(each.waited for each in measured),
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
    return f"{spread.median:.{digits}f} ({spread.low:.{digits}f} to {spread.high:.{digits}f})"


def watching(name: str) -> float:
    """Give what a token's alarm and metric cost a month."""
    ours = len(OF_A_TOKEN) * PRICES["alarm_month"] + METRICS_OF_A_TOKEN * PRICES["metric_month"]
    return ours if name == "ours" else 0.0


def of_the_stack(name: str) -> float:
    """Give what all tokens share a month: the credentials' secret, and what watches over the stack."""
    ours = len(OF_THE_STACK) * PRICES["alarm_month"] + STACKS_METRICS * PRICES["metric_month"]
    return PRICES["secret_month"] + (ours if name == "ours" else 0.0)


def kept(name: str) -> float:
    """Give what keeping the token costs a month."""
    return 0.0 if name == "every-app" else PRICES["secret_month"]


def marks(results: Results) -> str:
    """Tell which marks are reached, and how far the others are."""
    ours, floor = "ours", "floor-same-calls"

    def of(name: str, kind: str, what: str) -> float:
        return results.spread(name, kind, what).median

    def beyond(kind: str) -> float:
        return of(ours, kind, "duration") - of(floor, kind, "duration")

    calls = {
        kind: len(last.secrets_calls) + len(last.moviexchange_calls)
        for kind, each in results.samples[ours].items()
        for last in each[-1:]
    }
    bill = PRICES["secret_month"] + sum(results.day(ours).bill().values())
    rows: list[tuple[str, float, float, str]] = [
        ("INIT, over the floor's", results.init(ours).median / results.init("floor").median, 1.10, "{:.2f}"),
        ("quiet tick, beyond the floor's same calls", beyond("tick"), 2, "{:.1f} ms"),
        ("refresh, beyond the floor's same calls", beyond("refresh"), 5, "{:.1f} ms"),
        ("outside calls of a quiet tick", calls["tick"], 2, "{:.0f}"),
        ("outside calls of a refresh", calls["refresh"], 6, "{:.0f}"),
        ("package as it ships", results.archive / MIB, 2, "{:.2f} MiB"),
        ("bill a token, over its secret's storage", bill / PRICES["secret_month"], 1.2, "{:.2f}"),
        ("custom metrics a token", METRICS_OF_A_TOKEN, 1, "{:.0f}"),
        ("alarms a token", len(OF_A_TOKEN), 1, "{:.0f}"),
        (
            "report to fresh token, cold; at most a cold start and refresh of the floor with the same calls",
            of(ours, "cold", "wall"),
            of(floor, "cold", "wall"),
            "{:.0f} ms",
        ),
    ]
    return table(
        ("mark", "at most", "measured", "reached"),
        [
            (name, form.format(limit), form.format(value), verdict(value, limit, form))
            for name, value, limit, form in rows
        ],
    )


def verdict(value: float, limit: float, form: str) -> str:
    """Say whether a value is within its limit, and how far beyond it is otherwise."""
    return "yes" if value <= limit else f"no, by {form.format(value - limit)}"


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


def warm(results: Results) -> str:
    """Tell how long ticks, refreshes and the way from a report to a fresh token take."""

    def cells(name: str, kind: str) -> tuple[str, str]:
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
                told(results.spread(name, "cold", "wall")),
            )
            for name, title in TITLES.items()
        ],
    )


def calls(results: Results) -> str:
    """Count calls and log-ins."""

    def counted(name: str, kind: str) -> str:
        if kind not in results.samples[name]:
            return "none"
        last = results.samples[name][kind][-1]
        return str(len(last.secrets_calls) + len(last.moviexchange_calls))

    return table(
        ("", "outside calls: a quiet tick", "a refresh", "a day", "log-ins a day"),
        [
            (
                TITLES[name],
                counted(name, "tick"),
                counted(name, "refresh"),
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
    one = curve(results)[MEMORY].cold / 1000
    return table(
        ("client IDs, all reported at once", "here, s", "on AWS by its quotas, s"),
        [
            (
                f"{count:,}",
                f"{results.healed[count]:.1f}" if count in results.healed else "not tried",
                f"{all_healed(one, count):.1f}",
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
                    f"all, with its share of the stack, of {count:,}",
                    *(f"{altogether[name] + of_the_stack(name) / count:.3f}" for name in TIMES),
                )
                for count in COUNTS
            ),
        ],
    )


def curve(results: Results) -> Mapping[int, Starved]:
    """Give ours with each memory setting: as measured, or by the documented proportion."""
    if results.starved:
        return results.starved
    each = {kind: work(measured, in_lambda=True) for kind, measured in results.samples["ours"].items()}
    init = results.init("ours").median
    start = results.spread("ours", "cold", "wall").median - each["cold"].duration

    def at(share: float) -> Starved:
        times = {kind: grown(one.duration, one.waited, share) for kind, one in each.items()}
        return Starved(
            init=init / share,
            cold=start / share + times["cold"],
            tick=times["tick"],
            refresh=times["refresh"],
        )

    return {memory: at(cpu_share(memory)) for memory in sorted({*MEMORIES, MEMORY})}


def month(size: int, times: Starved, *, is_cold: bool) -> float:
    """Give what a token's compute costs a month with a memory setting; every tick starts cold, or none."""
    count = TIMES["ours"]
    spent = count["tick"] * times.tick + count["refresh"] * times.refresh + is_cold * TICKS * times.init
    return Day(gb_seconds=spent / 1000 * size / 1024).bill()["Lambda compute"]


def memory(results: Results) -> str:
    """Tell what each memory setting does to ours."""
    how = (
        "Measured with the CPU limited to that share (cgroups)."
        if results.starved
        else "By the documented proportion from what was measured on a whole CPU, which this machine could not limit."
    )

    return (
        f"{how}\nThe most memory that its process had was {results.peak / MIB:.0f} MiB; MemorySize is {MEMORY}.\n\n"
        + table(
            (
                *("MemorySize, MB", "share of a CPU", "INIT, ms", "report to fresh token, cold, ms", "quiet tick, ms"),
                *("refresh, ms", "compute, USD a month, all cold", "all warm"),
            ),
            [
                (
                    str(size),
                    f"{cpu_share(size):.2f}",
                    *(f"{value:,.0f}" for value in (times.init, times.cold, times.tick, times.refresh)),
                    *(f"{month(size, times, is_cold=is_cold):.4f}" for is_cold in (True, False)),
                )
                for size, times in curve(results).items()
            ],
        )
    )


def conditions(cpu: str, system: str, python: str, date: str) -> str:
    """Tell where and when this was measured, with what, and at which prices."""
    pins = {
        name: version
        for file in ("requirements/emulator.txt", "requirements/sam.txt", "src/requirements.txt")
        for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", (HOUSE / file).read_text(), re.MULTILINE)
    }
    named = ("boto3", "requests", "awslambdaric", "aws-sam-cli", "ministack")
    return (
        f"- {date}, on {cpu}, {system}, Python {python}\n"
        f"- {', '.join(f'{name} {pins[name]}' for name in named)}\n"
        f"- prices of {LIST['date']} in {LIST['region']}, from [bench/prices.json](../bench/prices.json)\n"
    )
