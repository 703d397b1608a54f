"""Apps: they read the token secret, keep it for a while, call movieXchange, and report what it refuses."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulation import weather as w
from simulation.invariants import token_in
from simulation.secrets_manager import CURRENT, Version

if TYPE_CHECKING:
    from simulation.world import World


@dataclass
class App:
    """An app with a cache, as the docs for readers tell it to be."""

    world: "World"
    client_id: str
    cache: float
    seconds_between_calls: float = 10_800.0
    held: Version | None = None
    read_at: float = float("-inf")

    def call(self) -> None:
        """Call movieXchange's API; at a 401 read again, and report a version that is still the same."""
        world, now = self.world, self.world.engine.now
        world.engine.later(world.weather.rng.expovariate(1 / self.seconds_between_calls), self.call)
        if now - self.read_at >= self.cache and not self._read():
            return
        if self.held is None:
            return
        world.reads[self.cache] += 1
        if self._is_taken(self.held):
            return
        refused = self.held
        self._read()
        if self.held.id == refused.id:
            world.report(self.client_id, refused.id)
        if not self._is_taken(self.held):
            world.failed_reads[self.cache] += 1

    def _read(self) -> bool:
        """Read the token secret; tell whether there was an answer."""
        world, now = self.world, self.world.engine.now
        if world.weather.is_on(w.BROKEN, now) or world.weather.is_on(w.THROTTLED, now):
            return False
        seen = world.tokens[self.client_id].seen(now - world.weather.lag()).bearer(CURRENT)
        if seen:
            self.held, self.read_at = seen, now
        return True

    def _is_taken(self, version: Version) -> bool:
        """Show the token to movieXchange, whose own outages are no fault of the token's."""
        token = token_in(version)
        self.world.invariants.no_app_holds_an_expired_token(self.cache, self.client_id, version)
        return self.world.account.takes(token.access_token, token.client_secret, self.world.engine.now)
