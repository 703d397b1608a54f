"""What a flood of reports does to the scheduled checks behind them in the queue, in virtual time. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import pairwise

RETENTION = 900.0  # seconds; the queue drops what is older
RETRIES = 900.0  # seconds; EventBridge tries for so long to send what the queue throttles
SENDS = 300.0  # a second to a FIFO queue (SQS developer guide, "Amazon SQS message quotas")
CHECK_EVERY = 900.0


@dataclass(frozen=True, kw_only=True)
class Flood:
    """So many different reports a second for so many seconds, which are served one after the other."""

    rate: float
    duration: float
    seconds_each: float

    def longest_gap(self, phase: float) -> float:
        """Return the longest time between two checks, if the flood begins so long after one of them was sent."""
        served, free_at = [-phase], 0.0
        for sent_at, is_check in merge(self._reports(), self._checks(phase)):
            starts_at = max(sent_at, free_at)
            if starts_at - sent_at < RETENTION:
                free_at = starts_at + self.seconds_each
                if is_check:
                    served.append(starts_at)
        return max(later - earlier for earlier, later in pairwise(served))

    def worst_gap(self) -> float:
        """Return the longest gap, whenever in the 15 minutes between two checks the flood begins."""
        return max(self.longest_gap(60.0 * minute) for minute in range(1, 16))

    def _reports(self) -> Iterator[tuple[float, bool]]:
        rate = min(self.rate, SENDS)
        duration = min(self.duration * self.rate / rate, self.duration + RETRIES)
        return ((number / rate, False) for number in range(int(rate * duration)))

    def _checks(self, phase: float) -> Iterator[tuple[float, bool]]:
        end = self.duration + RETRIES + 2 * RETENTION
        return ((number * CHECK_EVERY - phase, True) for number in range(1, int(end / CHECK_EVERY) + 2))
