"""Many years of it: one world a seed, each with what its seed draws of settings and weather."""

import random
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from unittest.mock import patch

from mx_token_rotator.tokens import AccessToken
from simulation.invariants import Violation
from simulation.promise import Promise
from simulation.weather import FAIR, ROUGH
from simulation.world import CLIENT_IDS, World

DAYS = 365.0
TOKEN_YEARS = len(CLIENT_IDS)
"""How many token-years a world's year is."""

SETTINGS = (
    Promise(),
    Promise(),
    Promise(check_every=1140.0, check_window=600.0),
    Promise(check_every=1140.0, check_window=60.0, refresh_at_percent=60),
    Promise(check_every=1140.0, check_window=300.0),
    Promise(check_every=1140.0, check_window=600.0, refresh_at_percent=30),
    Promise(check_every=1140.0, check_window=0.0, refresh_at_percent=70),
)
"""The defaults, and others that the template allows."""


@dataclass
class History:
    """What came of one world, or of many."""

    seed: int = 0
    thrown: Counter[str] = field(default_factory=Counter)
    invocations: Counter[str] = field(default_factory=Counter)
    reads: Counter[float] = field(default_factory=Counter)
    failed_reads: Counter[float] = field(default_factory=Counter)
    violation: str = ""

    def add(self, other: "History") -> None:
        """Add up."""
        self.thrown += other.thrown
        self.invocations += other.invocations
        self.reads += other.reads
        self.failed_reads += other.failed_reads


def world(seed: int) -> World:
    """Make the world of a seed; every eighth has fair weather."""
    draw = random.Random(f"settings {seed}")  # noqa: S311  a history, no secret
    return World(
        seed,
        FAIR if seed % 8 == 0 else ROUGH,
        promise=draw.choice(SETTINGS),
        keep_refresh_token=draw.choice([False, True]),
        revokes_older=draw.choice([False, True]),
        native_rotation=draw.choice([False, True]),
    )


def live(seed: int, days: float = DAYS) -> History:
    """Live through a world, and tell what came of it."""
    lived = world(seed)
    violation = ""
    try:
        # Reading a token's document is a function of its text, and most ticks read the one before's again.
        with patch.object(AccessToken, "parse", lru_cache(AccessToken.parse)):
            lived.live()
            lived.run(days)
    except Violation as found:
        violation = str(found)
    return History(seed, lived.weather.thrown, lived.invocations, lived.reads, lived.failed_reads, violation)
