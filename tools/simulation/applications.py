"""Applications read a token secret, keep it for a while, call the API, and report what it refuses."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from mx_token_rotator.settings import Client
from tools.simulation import faults as f
from tools.simulation.secrets_manager import Version

if TYPE_CHECKING:
    from tools.simulation.stack import Stack

REPORT_EVERY = 60.0


@dataclass
class Application:
    """An application with a cache, as the docs for readers describe it."""

    stack: "Stack"
    client: Client
    cache: float
    seconds_between_calls: float = 10_800.0
    held: Version | None = None
    read_at: float = float("-inf")
    is_reporting: bool = False

    def run(self) -> None:
        """Call the API now and then."""
        self._call()
        self.stack.engine.later(self.stack.faults.rng.expovariate(1 / self.seconds_between_calls), self.run)

    def _call(self) -> None:
        """Call the API with what is held; if that is refused, read again, and report what is still the same."""
        is_fresh = self.stack.engine.now - self.read_at < self.cache or self._read()
        if self.held is None or not is_fresh:
            return
        self.stack.calls[self.cache] += 1
        if not self._is_accepted(self.held):
            if not self.is_reporting:
                self._report(self.held)
            self.stack.failed_calls[self.cache] += not self._is_accepted(self.held)

    def _report(self, refused: Version) -> None:
        """Report a version every minute while it is published and refused."""
        self._read()
        self.is_reporting = self.held == refused and not self._is_accepted(refused)
        if self.is_reporting:
            self.stack.report(self.client, refused.id)
            self.stack.invariants.reported(self.client, refused)
            self.stack.engine.later(REPORT_EVERY, partial(self._report, refused))

    def _read(self) -> bool:
        """Read the token secret, and return whether it holds a token; Secrets Manager may fail."""
        stack, now = self.stack, self.stack.engine.now
        fails = any(stack.faults.is_on(kind, now) for kind in (f.FAILING, f.READS_THROTTLED))
        secret = None if fails else stack.token_secret(self.client)
        observed = secret.at(now - stack.faults.lag()) if secret else None
        version = observed.current if observed and not observed.is_marked_for_deletion else None
        if version is None or not stack.document(version):
            return False
        self.held, self.read_at = version, now
        return True

    def _is_accepted(self, version: Version) -> bool:
        """Show the token to the API, whose outages are not the token's fault."""
        self.stack.invariants.used(self.client, self.cache, version)
        document = self.stack.document(version)
        return self.stack.account.accepts(document["access_token"], document["client_secret"], self.stack.engine.now)
