"""What was measured, as a day's work and a month's bill. Pure."""

import json
from collections.abc import Mapping, Sequence
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
"""Bytes, roughly: what Lambda logs of a cold invocation by itself (platform.initStart, .start, .report)."""


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
    """What one tick or one refresh takes: milliseconds on a whole CPU, those of them that are waited, and counts."""

    duration: float
    waited: float
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


def grown(duration: float, waited: float, share: float) -> float:
    """Say how long something takes on a share of a CPU: who waits needs none."""
    return waited + max(0.0, duration - waited) / share


def day(times: Mapping[str, int], each: Mapping[str, Work], *, init: float, memory: float, scheduled: int) -> Day:
    """Add up so many pieces of work of each kind, each of which starts cold where `init` is what that takes."""
    share = cpu_share(memory)
    milliseconds = sum(
        count * (grown(init, 0, share) + grown(each[kind].duration, each[kind].waited, share))
        for kind, count in times.items()
        if each[kind].invocations
    )
    return Day(
        secrets_calls=sum(count * each[kind].secrets_calls for kind, count in times.items()),
        moviexchange_calls=sum(count * each[kind].moviexchange_calls for kind, count in times.items()),
        log_ins=sum(count * each[kind].log_ins for kind, count in times.items()),
        invocations=sum(count * each[kind].invocations for kind, count in times.items()),
        gb_seconds=milliseconds / 1000 * memory / 1024,
        log_bytes=sum(
            count * (each[kind].log_bytes + PLATFORM_LOG * each[kind].invocations) for kind, count in times.items()
        ),
        scheduled=scheduled,
    )


def all_healed(one: float, count: int) -> float:
    """Say in how many seconds AWS's quotas let so many tokens be replaced at once, if one takes `one` second.

    So many run at once as there may be environments, and each writes a secret; the last one to write waits for all.
    """
    waves = -(-count // int(QUOTAS["concurrent_invocations"]))
    return max(one * waves, one + (count - 1) / QUOTAS["secret_writes_a_second"])
