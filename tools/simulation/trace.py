"""What happened in a history, in one page: when, what, and what the function decided. Nothing in it is secret."""

from collections import deque
from typing import TYPE_CHECKING

from tools.simulation.engine import Engine, written

if TYPE_CHECKING:
    from tools.simulation.invocation import Invocation

PAGE = 50
"""Lines of a page."""


class Trace:
    """The last lines of a history; equal ones that follow each other are one."""

    def __init__(self, engine: Engine) -> None:
        """Begin with an empty page."""
        self._engine = engine
        self._lines: deque[tuple[float, str, int]] = deque(maxlen=PAGE)

    def note(self, what: str) -> None:
        """Add what happens now."""
        times = 1
        if self._lines and self._lines[-1][1] == what:
            times += self._lines.pop()[2]
        self._lines.append((self._engine.now, what, times))

    def ended(self, invocation: "Invocation") -> None:
        """Add what an invocation was asked to do, what it called, and what it decided."""
        request = invocation.request
        asked = "a request that cannot be understood"
        if request:
            options = {
                "scheduled": request.scheduled_at is not None,
                f"credentials {request.announced_version}": request.announced_version,
                f"report of {request.rejected_version}": request.rejected_version,
                f"trial of {request.trial_version}": request.trial_version,
                "force": request.force,
                "dry run": request.dry_run,
            }
            asked = ", ".join(name for name, is_given in options.items() if is_given) or "check"
        by_hand = "by hand, " * invocation.is_by_hand
        decided = "; ".join(f"{each['client_id']} {each['outcome']}: {each['reason']}" for each in invocation.outcomes)
        calls = [call for call in invocation.calls if not call.startswith(("get_", "describe_"))]
        called = f" [{', '.join(calls)}]" if calls else ""
        self.note(f"{by_hand}{asked}{called} -> {'killed' if invocation.was_killed else decided or 'nothing to do'}")

    def page(self) -> list[str]:
        """Return the page."""
        return [f"{written(at)}  {what}{f'  ({times} times)' if times > 1 else ''}" for at, what, times in self._lines]
