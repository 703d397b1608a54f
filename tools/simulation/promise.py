"""How much trouble an application does not notice; computed from the settings."""

from dataclasses import dataclass

INVOCATION = 60.0
"""Seconds: the function's time-out, which also covers reads that lag."""
SCHEDULER = 60.0
"""Seconds by which EventBridge Scheduler may be late (its user guide: 60-second precision)."""
SHORTEST_REFRESH = 840.0
"""Seconds: a younger token is not replaced for its age."""
MIN_TOKEN_AGE = 900.0
"""Seconds: the template's MinTokenAgeSeconds."""
CACHES = (0.0, 300.0, 3600.0)
"""Seconds for which applications keep what they read: not at all, as most caches do, and the longest considered."""


@dataclass(frozen=True)
class Promise:
    """What the stack's parameters and a token's lifetime come to, in seconds."""

    lifetime: float = 43_200.0
    refresh_at_percent: int = 50
    check_every: float = 900.0

    @property
    def gap(self) -> float:
        """The longest time from one check to the next."""
        return self.check_every + SCHEDULER

    @property
    def due_after(self) -> float:
        """A token's age at which it is replaced."""
        return max(SHORTEST_REFRESH, self.lifetime * self.refresh_at_percent / 100)

    def tolerance(self, cache: float) -> float:
        """Return what may go wrong in all before an application with this cache holds an expired token.

        It is the lifetime that is left when a token becomes due, less the wait for the first check and the cache.
        """
        return self.lifetime - self.due_after - self.gap - cache

    def cost(self, troubles: list[tuple[float, float]]) -> float:
        """Add up what went wrong: each stretch with the check that it spoiled, and the wait for the next check."""
        total, ended = INVOCATION, float("-inf")
        for begin, end in sorted(troubles):
            if begin > ended:
                total += self.gap + INVOCATION
            total += max(0.0, end - max(begin, ended))
            ended = max(ended, end)
        return total

    def outage(self, cache: float) -> float:
        """Return the longest single stretch that is tolerated, whenever it begins."""
        return self.tolerance(cache) - self.cost([(0.0, 0.0)])


DEFAULTS = Promise()
"""The template's defaults and a token of 12 hours."""
