"""The invocation's end: nothing is begun after it, and nothing is waited for beyond it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self, TypeVar

Answer = TypeVar("Answer")

CALLERS = ThreadPoolExecutor(max_workers=32)
"""The threads of calls that are waited for; each takes the next call once its own has ended, so few ever start.

One that was left behind ends by its own call's time-outs; only if all are at once does the next call wait in vain.
"""


@dataclass(frozen=True)
class Deadline:
    """A moment, told by the seconds that are left until it."""

    seconds_left: Callable[[], float]

    def earlier_by(self, seconds: float) -> Self:
        """Keep so many seconds back."""
        return type(self)(lambda: self.seconds_left() - seconds)

    def within(self, seconds: float) -> Self:
        """End in so many seconds from now, or with this deadline if that is sooner."""
        return self.earlier_by(max(0.0, self.seconds_left() - seconds))

    def wait_for(self, call: Callable[[], Answer]) -> Answer:
        """Call, and wait for the answer until the deadline. Raises TimeoutError, and whatever the call raises.

        A socket's time-out begins anew with each byte and each address, and looking up a name has none. So the call is
        made in a thread, and who has not answered by then is left behind.
        """
        seconds = self.seconds_left()
        if seconds <= 0:
            raise TimeoutError
        answer = CALLERS.submit(call)
        try:
            return answer.result(timeout=seconds)
        finally:
            # Where every thread was left behind, the call has not begun, and must not begin later.
            answer.cancel()
