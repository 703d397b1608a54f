"""How much of what goes wrong an app does not notice; computed from the settings."""

from dataclasses import dataclass

INVOCATION = 60.0
"""Seconds: the function's time-out, which also covers clocks that differ and reads that lag."""

MIN_TOKEN_AGE = 900.0
"""Seconds: the template's MinTokenAgeSeconds."""

CACHES = (0.0, 300.0, 3600.0)
"""Seconds for which apps keep what they read: not at all, as most caches do, and the longest that is promised for."""


@dataclass(frozen=True)
class Promise:
    """What the stack's parameters and a token's life come to; all in seconds."""

    lifetime: float = 43_200.0
    refresh_at_percent: int = 50
    check_every: float = 900.0
    check_window: float = 300.0

    @property
    def gap(self) -> float:
        """The longest time from one look at a token to the next."""
        return self.check_every + self.check_window

    @property
    def due_after(self) -> float:
        """A token's age at which it is replaced."""
        return self.lifetime * self.refresh_at_percent / 100

    def tolerance(self, cache: float) -> float:
        """Tell what may go wrong in all before an app with this cache holds an expired token.

        It is the life that is left when a token becomes due, less the wait for the first look and the cache.
        """
        return self.lifetime - self.due_after - self.gap - cache

    def cost(self, troubles: list[tuple[float, float]]) -> float:
        """Add up what went wrong: each stretch with the look that it spoiled, and the wait for the look after it."""
        total, ended = INVOCATION, float("-inf")
        for begin, end in sorted(troubles):
            if begin > ended:
                total += self.gap + INVOCATION
            total += max(0.0, end - max(begin, ended))
            ended = max(ended, end)
        return total

    def outage(self, cache: float) -> float:
        """Tell the longest single stretch that is tolerated, whenever it begins."""
        return self.tolerance(cache) - self.cost([(0.0, 0.0)])


DEFAULTS = Promise()
"""What the template's defaults and a token of 12 hours come to."""
