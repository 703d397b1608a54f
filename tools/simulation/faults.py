"""What goes wrong, and when; drawn from a seed."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

DAY = 86_400.0
HOUR = 3600.0
MINUTE = 60.0

MX_DOWN = "movieXchange cannot be reached"
MX_FAILING = "movieXchange answers 503 now and then"
MX_LIMITING = "movieXchange limits the rate (429, Retry-After)"
MX_NONSENSE = "movieXchange's token service answers nonsense"
MX_SLOW = "movieXchange is slow"
MX_MISTAKEN = "movieXchange rejects the right credentials"
CLIENT_REJECTED = "movieXchange rejects the client IDs"
API_DOWN = "the API gives no verdict (404, 500, a page, a time-out)"
API_UNLICENSED = "the API refuses every token (403)"
API_DIVIDED = "one of the API's two servers refuses every token (401)"
READS_THROTTLED = "Secrets Manager throttles"
FAILING = "Secrets Manager fails now and then"
SLOW = "Secrets Manager is slow"
CREDENTIALS_DENIED = "the credentials cannot be read (AccessDenied)"
TOKENS_DENIED = "tokens cannot be written (AccessDenied)"
KEY_DENIED = "the tokens' KMS key is denied"
LABELS_DENIED = "the label cannot be moved (AccessDenied)"

OF_THE_API = (API_DOWN, API_UNLICENSED)
"""Applications have a working token all the same, as far as the API accepts any."""
STRETCHES = (
    *(MX_DOWN, MX_FAILING, MX_LIMITING, MX_NONSENSE, MX_SLOW, MX_MISTAKEN, CLIENT_REJECTED, *OF_THE_API, API_DIVIDED),
    *(READS_THROTTLED, FAILING, SLOW, CREDENTIALS_DENIED, TOKENS_DENIED, KEY_DENIED, LABELS_DENIED),
)
"""What begins by itself and lasts for minutes or hours."""
LASTING = (API_UNLICENSED, TOKENS_DENIED, KEY_DENIED)
"""What now and then lasts for a day, because a person must end it."""

LOST = "a message is lost"
LATE = "a message is late"
TWICE = "a message is delivered twice"
KILLED = "the function is killed at a call"
LOCKED = "movieXchange locks the account"
UNFIT = "the credentials are not those of movieXchange"
DELETED = "a secret is marked for deletion"
BY_HAND = "a person revokes tokens, or changes a token secret"
INVOKED = "a person invokes the function"
BLOCKED = "the credentials have the label REJECTED"


@dataclass(frozen=True)
class Climate:
    """How often things go wrong."""

    days_between: float = 20.0
    """Days from one stretch of a kind to the next, on average."""
    chance: float = 0.003
    """Of each fault of a single message, invocation or log-in."""
    lagging: float = 0.1
    """Chance that a read lags."""
    longest_lag: float = 2.0
    """Seconds by which a read of Secrets Manager may lag."""


FAIR = Climate(days_between=float("inf"), chance=0.0, lagging=0.0)
ROUGH = Climate()
STORMY = Climate(days_between=3.0, chance=0.01)


@dataclass
class Faults:
    """What goes wrong at a time, what went wrong lately, and how often in all."""

    rng: random.Random
    climate: Climate
    counts: Counter[str] = field(default_factory=Counter)
    note: Callable[[str], None] = lambda _: None
    """Told of each that begins or ends."""
    _until: dict[str, float] = field(default_factory=dict)
    _calm_at: float = float("-inf")
    _since: dict[str, float] = field(default_factory=dict)
    _ended_at: dict[str, float] = field(default_factory=dict)
    _past: list[tuple[float, float, str]] = field(default_factory=list)

    def is_calm(self, now: float) -> bool:
        """Return whether no stretch of known length lasts."""
        return now >= self._calm_at

    def is_on(self, kind: str, now: float) -> bool:
        """Return whether a stretch of this kind lasts."""
        return now < self._until.get(kind, float("-inf"))

    def begin(self, kind: str, now: float, seconds: float = 0.0) -> None:
        """Begin a stretch of known length, or lengthen the one that lasts; a moment's fault has no length."""
        self.counts[kind] += 1
        self._past.append((now, now + seconds, kind))
        self._ended_at[kind] = max(self._ended_at.get(kind, now), now + seconds)
        self.note(f"{kind}, for {seconds / MINUTE:.0f} min" if seconds else kind)
        if seconds:
            self._until[kind] = max(self._until.get(kind, 0.0), now + seconds)
            self._calm_at = max(self._calm_at, now + seconds)

    def set(self, kind: str, now: float, *, on: bool) -> None:
        """Begin or end a stretch whose length is not known beforehand."""
        if on and kind not in self._since:
            self.counts[kind] += 1
            self._since[kind] = now
            self.note(kind)
        elif not on and kind in self._since:
            self._past.append((self._since.pop(kind), now, kind))
            self._ended_at[kind] = now
            self.note(f"no longer: {kind}")

    def between(self, begin: float, end: float) -> list[tuple[float, float, str]]:
        """List what went wrong in a stretch of time, as stretches of it with their kinds."""
        lasting = [(since, end, kind) for kind, since in self._since.items()]
        return [
            (max(since, begin), min(until, end), kind)
            for since, until, kind in [*self._past, *lasting]
            if since <= end and until >= begin
        ]

    def during(self, begin: float, end: float, *ignored: str) -> list[tuple[float, float]]:
        """List the stretches alone, apart from those of some kinds."""
        if self.last_end(end, *ignored) < begin:
            return []
        return [(since, until) for since, until, kind in self.between(begin, end) if kind not in ignored]

    def last_end(self, now: float, *ignored: str) -> float:
        """Return when the last fault ended, apart from some kinds; now if one lasts."""
        ends = (min(until, now) for kind, until in self._ended_at.items() if kind not in ignored)
        lasts = any(kind not in ignored for kind in self._since)
        return now if lasts else max(ends, default=float("-inf"))

    def forget(self, before: float) -> None:
        """Drop what ended long ago."""
        self._past = [each for each in self._past if each[1] >= before]

    def happens(self) -> bool:
        """Draw whether a fault of a moment happens."""
        return self.climate.chance > 0 and self.rng.random() < self.climate.chance

    def lag(self) -> float:
        """Draw by how much a read lags."""
        lags = self.climate.lagging > 0 and self.rng.random() < self.climate.lagging
        return self.rng.uniform(0.0, self.climate.longest_lag) if lags else 0.0

    def length(self) -> float:
        """Draw how long a stretch lasts: mostly minutes, now and then hours."""
        return min(6 * HOUR, self.rng.lognormvariate(3.0, 1.5) * MINUTE)

    def pause(self) -> float:
        """Draw how long it takes until the next stretch of a kind."""
        return self.rng.expovariate(1 / (self.climate.days_between * DAY))
