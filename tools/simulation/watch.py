"""Whether the alarms ring when they should, going by what happened and not by what the function says of it."""

from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from mx_token_rotator.settings import Client
from tools.simulation.alarms import Alarm, alarms
from tools.simulation.engine import seconds_of
from tools.simulation.faults import HOUR, MINUTE
from tools.simulation.metrics import emitted
from tools.simulation.secrets_manager import Version

if TYPE_CHECKING:
    from tools.simulation.invocation import Invocation
    from tools.simulation.stack import Stack

BROKEN, FAILING, LOW, PERSON = "FunctionBroken", "RefreshFailing", "TokenLifeLow", "ActionRequired"
WITHIN = HOUR
"""How soon TokenLifeLow rings, and within which time three failures ring RefreshFailing (docs, Alarms)."""
FAILURES = 3


class Watch:
    """The alarms of a stack, and the trouble that they should tell of."""

    def __init__(self, stack: "Stack") -> None:
        """Begin without data: TokenLifeLow rings until an hour has data."""
        self._stack = stack
        self.alarms = alarms()
        self.has_rung: set[str] = set()
        self._low_since: float | None = None
        self._checked_at = self._dead_at = 0.0
        self._left_due: deque[float] = deque()

    @property
    def _now(self) -> float:
        return self._stack.engine.now

    def began(self, invocation: "Invocation") -> None:
        """Note which tokens are due when a run begins."""
        invocation.due = {client: version for client, version in self._published() if self._is_due(version)}

    def ended(self, invocation: "Invocation") -> Iterator[str]:
        """Give the alarms their data, and yield which of them should ring and does not."""
        for metric, dimensions, value in emitted(invocation):
            for alarm in self.alarms.values():
                if (alarm.metric, alarm.dimensions) == (metric, frozenset(dimensions)):
                    alarm.add(self._now, value)
        self._observe()
        if any(version and self._is_dead(version) for _, version in self._published()):
            self._dead_at = self._now
        request = invocation.request
        if invocation.was_killed:
            yield from self._should_ring(BROKEN, "the function ended without a result")
            return
        if request is None or request.trial_version:
            return
        if invocation.trouble and not invocation.is_by_hand:
            yield from self._should_ring(PERSON, invocation.trouble)
        if len(request.clients) == len(self._stack.settings.clients):
            self._checked_at = self._now
        if request.scheduled_at:
            yield from self._after_a_scheduled_run(invocation)

    def silence(self) -> Iterator[str]:
        """Yield what rings although nothing went wrong for as long as it takes every alarm to end."""
        ringing = self._observe()
        if not ringing:
            return
        quiet_since = max(self._dead_at, self._stack.faults.last_end(self._now))
        for alarm in ringing:
            is_quiet = self._now - quiet_since > alarm.window + 2 * self._stack.promise.gap
            if is_quiet and not self._is_excused(alarm):
                yield f"{alarm.name} rings in a healthy stack"

    def unchecked(self) -> Iterator[str]:
        """Yield that no token was checked for an hour, and TokenLifeLow does not ring."""
        if self._now - self._checked_at > WITHIN + 2 * MINUTE:
            yield from self._should_ring(LOW, "no token was checked for an hour")

    def _observe(self) -> list[Alarm]:
        ringing = [alarm for alarm in self.alarms.values() if alarm.rings(self._now)]
        self.has_rung.update(alarm.name for alarm in ringing)
        return ringing

    def _should_ring(self, name: str, why: str, since: float | None = None) -> Iterator[str]:
        self._observe()
        if self.alarms[name].rang_at < (self._now if since is None else since):
            yield f"{name} does not ring: {why}"

    def _after_a_scheduled_run(self, invocation: "Invocation") -> Iterator[str]:
        reasons = {each["client_id"]: each["reason"] for each in invocation.outcomes}
        published = dict(self._published())
        left = [client for client, version in invocation.due.items() if published[client] == version]
        if any(reasons.get(client.name) not in {None, "same token", "postponed"} for client in left):
            self._left_due.append(self._now)
        while self._left_due and self._left_due[0] <= self._now - WITHIN:
            self._left_due.popleft()
        if len(self._left_due) >= FAILURES:
            yield from self._should_ring(FAILING, f"{FAILURES} checks within an hour left a token that is due")
        if not self._is_low(invocation):
            self._low_since = None
        elif self._low_since is None:
            self._low_since = invocation.started
        elif self._now - self._low_since > WITHIN:
            yield from self._should_ring(LOW, "a token has been low for an hour", self._low_since)

    def _is_low(self, invocation: "Invocation") -> bool:
        """Return whether a token was expired when a run found it, or is low when it ended."""
        threshold = self.alarms[LOW].threshold
        # TokenLifeRemaining leaves out a token secret that cannot be read: another alarm tells of that.
        read = invocation.refresh.lives if invocation.refresh else None
        return any(
            self._left(version) < threshold or (client in invocation.due and self._left(invocation.due[client]) <= 0)
            for client, version in self._published()
            if read is None or client.name in read
        )

    def _is_excused(self, alarm: Alarm) -> bool:
        """Return whether an alarm may ring although nothing went wrong."""
        promise, is_same = self._stack.promise, self._stack.account.kind == "same"
        return (alarm.name == LOW and (is_same or promise.lifetime < 14 * MINUTE)) or (alarm.name == PERSON and is_same)

    def _published(self) -> Iterator[tuple[Client, Version | None]]:
        for client in self._stack.settings.clients:
            yield client, self._stack.published(client)

    def _is_dead(self, version: Version) -> bool:
        """Return whether a token was ended before its time, which only a report finds out."""
        issued = self._stack.account.tokens.get(self._stack.document(version).get("access_token", ""))
        return issued is not None and issued.is_revoked

    def _is_due(self, version: Version | None) -> bool:
        begin, end = self._times(version)
        return end <= self._now or self._now - begin > self._stack.promise.due_after + MINUTE

    def _left(self, version: Version | None) -> float:
        """Return the share of a token's lifetime that is left, in percent."""
        begin, end = self._times(version)
        return 100 * (end - self._now) / (end - begin)

    def _times(self, version: Version | None) -> tuple[float, float]:
        """Return when a token was issued and when it expires; a value that is not a token counts as expired."""
        document = self._stack.document(version) if version else {}
        return _parsed(document["issued_at"], document["expires_at"]) if document else (-1.0, 0.0)


@lru_cache(1000)
def _parsed(issued_at: str, expires_at: str) -> tuple[float, float]:
    return seconds_of(issued_at), seconds_of(expires_at)
