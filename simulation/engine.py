"""Virtual time: what is due happens, in order, and whoever waits is a greenlet of its own."""

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

from greenlet import getcurrent, greenlet

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def moment(seconds: float) -> datetime:
    """Tell virtual time as the product does."""
    return EPOCH + timedelta(seconds=seconds)


class Engine:
    """A clock that stands still but for what is due; at the same time, in the order in which it was asked for."""

    def __init__(self) -> None:
        """Begin at 0 seconds."""
        self.now = 0.0
        self._until = 0.0
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._order = count()
        self._idle: list[greenlet] = []

    def at(self, when: float, what: Callable[[], object]) -> None:
        """Have something happen at a time, or now if that is past."""
        heapq.heappush(self._due, (max(when, self.now), next(self._order), what))

    def later(self, seconds: float, what: Callable[[], object]) -> None:
        """Have something happen in so many seconds."""
        self.at(self.now + seconds, what)

    def wait(self, seconds: float) -> None:
        """Let others go on, if there is anything for them to do, and come back in so many seconds.

        Nobody but a greenlet may wait.
        """
        then = self.now + seconds
        if then <= self._until and not (self._due and self._due[0][0] <= then):
            self.now = then
            return
        waiting = getcurrent()
        hub = waiting.parent
        if hub is None:
            raise RuntimeError
        self.at(then, waiting.switch)
        hub.switch()

    def run(self, until: float) -> None:
        """Let time pass until then."""
        self._until = until
        while self._due and self._due[0][0] <= until:
            self.now, _, what = heapq.heappop(self._due)
            what()
        self.now = until

    def start(self, what: Callable[[], object]) -> None:
        """Begin something that waits now and then; it goes on by itself."""
        worker = self._idle.pop() if self._idle else greenlet(self._work)
        worker.switch(what)

    def _work(self, what: Callable[[], object]) -> None:
        """Do one thing after the other, since to make a greenlet takes longer than most of what it does."""
        worker = getcurrent()
        while worker.parent:
            what()
            self._idle.append(worker)
            what = worker.parent.switch()
