"""The SQS FIFO queue: one message group, batch size 1 (SQS and Lambda developer guides)."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tools.simulation.engine import Engine

DEDUPLICATION_SECONDS = 300.0
RETENTION_SECONDS = 900.0
VISIBILITY_SECONDS = 360.0


@dataclass
class Message:
    """A message, and how often it was received."""

    body: str
    sent_at: float
    received: int = 0

    def event(self) -> dict[str, Any]:
        """Return what the event source passes to the function."""
        attributes = {"ApproximateReceiveCount": str(self.received)}
        return {"Records": [{"eventSource": "aws:sqs", "body": self.body, "attributes": attributes}]}


@dataclass
class Queue:
    """Delivers one message after the other; `serve` returns whether the function returned."""

    engine: Engine
    serve: Callable[[Message], bool]
    _waiting: deque[Message] = field(default_factory=deque)
    _sent: dict[str, float] = field(default_factory=dict)
    _is_busy: bool = False

    def send(self, body: str) -> None:
        """Take a message, unless the same one was sent within five minutes."""
        now = self.engine.now
        self._sent = {each: at for each, at in self._sent.items() if now - at < DEDUPLICATION_SECONDS}
        if body not in self._sent:
            self._sent[body] = now
            self._waiting.append(Message(body, now))
            self._deliver()

    def _deliver(self) -> None:
        if self._is_busy:
            return
        while self._waiting and self.engine.now - self._waiting[0].sent_at >= RETENTION_SECONDS:
            self._waiting.popleft()
        if self._waiting:
            self._is_busy = True
            self.engine.start(self._serve)

    def _serve(self) -> None:
        message = self._waiting[0]
        message.received += 1
        if self.serve(message):
            self._waiting.popleft()
            self._become_free()
        else:
            self.engine.later(VISIBILITY_SECONDS, self._become_free)

    def _become_free(self) -> None:
        self._is_busy = False
        self._deliver()
