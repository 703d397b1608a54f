"""What was measured, as a day's work and a month's bill. Pure."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Self

LIST = json.loads((Path(__file__).parent / "prices.json").read_text())
PRICES: dict[str, float] = {name: each["usd"] for name, each in LIST["prices"].items()}
QUOTAS: dict[str, float] = {name: each["value"] for name, each in LIST["quotas"].items()}

DAYS = 730 / 24
"""Of the month that AWS bills by."""
PLATFORM_LOG = 700
"""Bytes, roughly: what Lambda logs of a cold invocation by itself, which are platform.initStart, .start and .report.

As in the examples of Lambda's Telemetry API schema reference.
"""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The median of what was measured, and the quartiles around it."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Take two values at least."""
        low, median, high = quantiles(values, n=4, method="inclusive")
        return cls(low=low, median=median, high=high)


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one tick or one refresh takes: milliseconds that Lambda bills, and counts."""

    billed: float
    invocations: int
    secrets_calls: int
    moviexchange_calls: int
    log_ins: int
    log_bytes: int


@dataclass(frozen=True, kw_only=True)
class Day:
    """What one token takes a day."""

    secrets_calls: float = 0
    moviexchange_calls: float = 0
    log_ins: float = 0
    invocations: float = 0
    gb_seconds: float = 0
    log_bytes: float = 0
    scheduled: float = 0

    @property
    def calls(self) -> float:
        """Count the calls to the outside."""
        return self.secrets_calls + self.moviexchange_calls

    def bill(self) -> dict[str, float]:
        """Give the lines of a month's bill, in dollars."""
        return {
            "Secrets Manager calls": self.secrets_calls * DAYS * PRICES["secrets_call"],
            "Lambda compute": self.gb_seconds * DAYS * PRICES["lambda_gb_second_arm64"],
            "Lambda requests": self.invocations * DAYS * PRICES["lambda_request"],
            "schedule": self.scheduled * DAYS * PRICES["scheduler_invocation"],
            "logs": self.log_bytes * DAYS * PRICES["log_byte"],
        }


def cpu_share(memory: float) -> float:
    """Give the share of one CPU that a function of so many megabytes has; one thread works, so it is 1 at most."""
    return min(1.0, memory / QUOTAS["megabytes_a_cpu"])


def day(work: Iterable[tuple[int, Work]], *, memory: float, scheduled: int) -> Day:
    """Add up pieces of work, each so many times a day."""
    work = list(work)

    def total(of: Callable[[Work], float]) -> float:
        return sum(times * of(each) for times, each in work)

    return Day(
        secrets_calls=total(lambda each: each.secrets_calls),
        moviexchange_calls=total(lambda each: each.moviexchange_calls),
        log_ins=total(lambda each: each.log_ins),
        invocations=total(lambda each: each.invocations),
        gb_seconds=total(lambda each: each.billed if each.invocations else 0) / 1000 * memory / 1024,
        log_bytes=total(lambda each: each.log_bytes + PLATFORM_LOG * each.invocations),
        scheduled=scheduled,
    )


def all_healed(cold: float, warm: float, count: int, at_once: float) -> float:
    """Say in how many seconds at the least AWS's quotas let so many tokens be replaced, cold at first and then warm.

    So many run at once as there may be environments, and each writes a secret; the last one to write waits for all.
    """
    waves = -(-count // int(at_once))
    return max(cold + (waves - 1) * warm, cold + (count - 1) / QUOTAS["secret_writes_a_second"])
