"""Virtual time: what is due happens in order, and whoever waits is a greenlet."""

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

from greenlet import getcurrent, greenlet

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def moment(seconds: float) -> datetime:
    """Return virtual time as the function knows it."""
    return EPOCH + timedelta(seconds=seconds)


def written(seconds: float) -> str:
    """Write virtual time as the secrets and the schedule have it."""
    return moment(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(text: str) -> float:
    """Read a time as the secrets have it."""
    return (datetime.fromisoformat(text) - EPOCH).total_seconds()


class Engine:
    """A clock that jumps from one event to the next; events of the same time happen in the order of their request."""

    def __init__(self) -> None:
        """Begin at 0 seconds."""
        self.now = 0.0
        self._until = 0.0
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._order = count()

    def at(self, when: float, what: Callable[[], object]) -> None:
        """Have something happen at a time, or now if that is past."""
        heapq.heappush(self._due, (max(when, self.now), next(self._order), what))

    def later(self, seconds: float, what: Callable[[], object]) -> None:
        """Have something happen in so many seconds."""
        self.at(self.now + seconds, what)

    def start(self, what: Callable[[], object]) -> None:
        """Begin something that waits now and then."""
        self.later(0.0, lambda: greenlet(what).switch())

    def wait(self, seconds: float) -> None:
        """Let others go on for so many seconds; only for what was started."""
        then = self.now + seconds
        if then <= self._until and not (self._due and self._due[0][0] <= then):
            self.now = then
            return
        waiting = getcurrent()
        if waiting.parent is None:
            raise RuntimeError
        self.at(then, waiting.switch)
        waiting.parent.switch()

    def run(self, until: float) -> None:
        """Let time pass until then."""
        self._until = until
        while self._due and self._due[0][0] <= until:
            self.now, _, what = heapq.heappop(self._due)
            what()
        self.now = until
