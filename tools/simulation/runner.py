"""Many histories: one stack for each seed, with the settings, the movieXchange and the faults that its seed draws."""

import random
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from unittest.mock import patch

from mx_token_rotator import tokens
from mx_token_rotator.tokens import AccessToken
from tools.simulation.faults import FAIR, ROUGH, STORMY
from tools.simulation.invariants import Violation
from tools.simulation.promise import SHORTEST_REFRESH, Promise
from tools.simulation.stack import CLIENTS, Stack

DAYS = 365.0
TOKEN_YEARS = len(CLIENTS)
"""How many token-years a history of a year is."""
KINDS = ("keeps", "ends", "repeats", "same")
PROMISES = (
    Promise(),
    Promise(),
    Promise(check_every=1140.0, refresh_at_percent=30),
    Promise(check_every=300.0, refresh_at_percent=70),
    Promise(lifetime=600.0),
    Promise(lifetime=1800.0),
    Promise(lifetime=3600.0),
    Promise(lifetime=14_400.0),
    Promise(lifetime=86_400.0),
)
"""The defaults, other settings that the template allows, and other lifetimes."""


@dataclass
class History:
    """What came of one stack, or of many."""

    seed: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    calls: Counter[float] = field(default_factory=Counter)
    failed_calls: Counter[float] = field(default_factory=Counter)
    deeds: Counter[str] = field(default_factory=Counter)
    alarms: Counter[str] = field(default_factory=Counter)
    violation: str = ""
    trace: list[str] = field(default_factory=list)

    def add(self, other: "History") -> None:
        """Add up."""
        self.faults += other.faults
        self.reasons += other.reasons
        self.deeds += other.deeds
        self.alarms += other.alarms
        self.calls += other.calls
        self.failed_calls += other.failed_calls


def stack(seed: int) -> Stack:
    """Deploy the stack of a seed."""
    draw = random.Random(f"settings {seed}")  # noqa: S311  a history, no secret
    promise = draw.choice(PROMISES)
    return Stack(
        seed,
        draw.choice([FAIR, STORMY, STORMY, *[ROUGH] * 5]),
        promise=promise,
        keep_refresh_token=draw.choice([False, True]),
        # A token that is issued again is published again only if its end moved by 15 minutes.
        kind=draw.choice(KINDS if promise.lifetime > SHORTEST_REFRESH else KINDS[:2]),
        locks=draw.choice([True, False]),
        verify_path=draw.choice(["auto", "auto", "auto", ""]),
        has_client_secret=draw.random() < 0.8,  # noqa: PLR2004  most
    )


def live(seed: int, days: float = DAYS) -> History:
    """Let a stack live, and return what came of it."""
    lived, violation = stack(seed), ""
    try:
        # Most runs read the documents that the run before has read.
        with (
            patch.object(tokens, "json_object", lru_cache(tokens.json_object)),
            patch.object(AccessToken, "document", lru_cache(AccessToken.document)),
        ):
            lived.live()
            lived.run(days)
    except Violation as found:
        violation = str(found)
    return History(
        seed=seed,
        faults=lived.faults.counts,
        reasons=lived.reasons,
        calls=lived.calls,
        failed_calls=lived.failed_calls,
        deeds=lived.deeds,
        alarms=Counter(lived.invariants.watch.has_rung),
        violation=violation,
        trace=lived.trace.page(),
    )
