"""What goes wrong, and when; drawn from a seed."""

import random
from collections import Counter
from dataclasses import dataclass, field

DAY = 86_400.0
HOUR = 3600.0
MINUTE = 60.0

AWAY = "movieXchange is away"
API_AWAY = "movieXchange's API is away"
BROWN_OUT = "movieXchange fails now and then"
RATE_LIMIT = "movieXchange limits the rate (429, Retry-After)"
NONSENSE = "movieXchange answers nonsense"
SLOW = "movieXchange is slow"
MISTAKE = "movieXchange rejects right credentials"
THROTTLED = "Secrets Manager throttles"
BROKEN = "Secrets Manager fails"
DENIED = "the credentials must not be read"
VAULT_SLOW = "Secrets Manager is slow"

STRETCHES = (AWAY, API_AWAY, BROWN_OUT, RATE_LIMIT, NONSENSE, SLOW, MISTAKE, THROTTLED, BROKEN, DENIED, VAULT_SLOW)

LOST = "a wake-up is lost"
LATE = "a wake-up is late"
TWICE = "a wake-up is delivered twice"
CRASH = "an invocation crashes at a call"
UNFIT = "the credentials do not fit movieXchange"
LABELLED = "the credentials are labelled REJECTED"


@dataclass(frozen=True)
class Climate:
    """How often things go wrong."""

    days_between: float = 20.0
    """Days from one stretch of a kind to the next, on average."""
    chance: float = 0.003
    """Of each discrete trouble, at each wake-up or invocation."""
    longest: float = 6 * HOUR
    """Seconds of the longest stretch."""
    longest_lag: float = 2.0
    """Seconds by which a read of Secrets Manager may lag."""
    lagging: float = 0.1
    """Chance that a read lags."""
    skew: float = 3.0
    """Seconds by which an invocation's clock may be off."""


FAIR = Climate(days_between=float("inf"), chance=0.0, lagging=0.0, skew=0.0)
ROUGH = Climate()


@dataclass
class Weather:
    """What goes wrong now, what did lately, and how often in all."""

    rng: random.Random
    climate: Climate
    thrown: Counter[str] = field(default_factory=Counter)
    _until: dict[str, float] = field(default_factory=dict)
    _calm_at: float = float("-inf")
    _since: dict[str, float] = field(default_factory=dict)
    _past: list[tuple[float, float, str | None, str]] = field(default_factory=list)

    def is_calm(self, now: float) -> bool:
        """Tell whether no stretch of known length lasts."""
        return now >= self._calm_at

    def is_on(self, kind: str, now: float) -> bool:
        """Tell whether a stretch of this kind lasts."""
        return now < self._until.get(kind, float("-inf"))

    def begin(self, kind: str, now: float, seconds: float) -> None:
        """Begin a stretch of known length, or lengthen the one that lasts."""
        self.thrown[kind] += 1
        self._until[kind] = max(self._until.get(kind, 0.0), now + seconds)
        self._calm_at = max(self._calm_at, now + seconds)
        self._past.append((now, now + seconds, None, kind))

    def clear(self, now: float) -> None:
        """End all stretches of known length."""
        self._until.clear()
        self._calm_at = now
        self._past = [(begin, min(end, now), whom, kind) for begin, end, whom, kind in self._past]

    def set(self, kind: str, now: float, *, on: bool) -> None:
        """Begin or end a stretch whose length is not known beforehand."""
        if on and kind not in self._since:
            self.thrown[kind] += 1
            self._since[kind] = now
        elif not on and kind in self._since:
            self._past.append((self._since.pop(kind), now, None, kind))

    def strike(self, kind: str, now: float, client_id: str, seconds: float = 0.0) -> None:
        """Note a discrete trouble of one client ID."""
        self.thrown[kind] += 1
        self._past.append((now, now + seconds, client_id, kind))

    def troubles(self, client_id: str, begin: float, end: float) -> list[tuple[float, float]]:
        """List what went wrong for a client ID in a stretch of time; a label is what the rotator made of it."""
        return [(since, until) for since, until, kind in self._stretches(client_id, begin, end) if kind != LABELLED]

    def hindrances(self, client_id: str, begin: float, end: float) -> bool:
        """Tell whether anything went wrong for a client ID but with the credentials."""
        kinds = {kind for *_, kind in self._stretches(client_id, begin, end)}
        return bool(kinds - {LABELLED, UNFIT, MISTAKE})

    def labels(self, client_id: str, begin: float, end: float) -> list[tuple[float, float]]:
        """List when the credentials were labelled in a stretch of time."""
        return [(since, until) for since, until, kind in self._stretches(client_id, begin, end) if kind == LABELLED]

    def _stretches(self, client_id: str, begin: float, end: float) -> list[tuple[float, float, str]]:
        lasting = [(since, end, None, kind) for kind, since in self._since.items()]
        return [
            (max(since, begin), min(until, end), kind)
            for since, until, whom, kind in [*self._past, *lasting]
            if whom in {None, client_id} and since < end and until > begin
        ]

    def forget(self, before: float) -> None:
        """Drop what ended long ago."""
        self._past = [each for each in self._past if each[1] >= before]

    def happens(self) -> bool:
        """Draw whether a discrete trouble strikes."""
        return self.climate.chance > 0 and self.rng.random() < self.climate.chance

    def lag(self) -> float:
        """Draw by how much a read lags."""
        lags = self.climate.lagging > 0 and self.rng.random() < self.climate.lagging
        return self.rng.uniform(0.0, self.climate.longest_lag) if lags else 0.0

    def length(self) -> float:
        """Draw how long a stretch lasts: mostly minutes, now and then hours."""
        return min(self.climate.longest, self.rng.lognormvariate(3.0, 1.5) * MINUTE)

    def pause(self) -> float:
        """Draw how long it takes until the next stretch of a kind."""
        return self.rng.expovariate(1 / (self.climate.days_between * DAY))
