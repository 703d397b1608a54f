"""What must really occur in enough years: trouble that never came was never survived."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tools.simulation import faults as f
from tools.simulation.alarms import alarms

if TYPE_CHECKING:
    from tools.simulation.runner import History

SURE_FROM = 30
"""Token-years in which everything is sure that happens to nearly every stack."""
ALL_FROM = 100
"""Token-years in which everything occurs."""
FAULTS = {
    *(*f.STRETCHES, f.LOST, f.LATE, f.TWICE, f.KILLED, f.LOCKED, f.UNFIT, f.DELETED, f.BY_HAND, f.INVOKED, f.BLOCKED),
}
ERRORS = {
    *("CredentialsInvalid", "CredentialsRejected", "TokenRefused"),
    *("MovieXchangeUnavailable", "MovieXchangeMisbehaved", "SecretsManagerFailed"),
}
REFRESHED = {"first", "unreadable", "credentials changed", "expiring", "forced", "rejected", "credentials accepted"}
KEPT = {
    *("fresh", "too young", "already replaced", "still accepted", "same token", "postponed", "credentials accepted"),
    *(f"dry run: {reason}" for reason in ("fresh", "expiring")),
}
BY_REFRESH_TOKEN = {f"{reason}, by refresh token" for reason in ("expiring", "rejected")}
REASONS = {
    *(f"failed: {error}" for error in ERRORS),
    *(f"refreshed: {reason}" for reason in REFRESHED | BY_REFRESH_TOKEN),
    *(f"kept: {reason}" for reason in KEPT),
}
SELDOM = {
    *("kept: postponed", "kept: same token", "kept: dry run: expiring", "refreshed: credentials accepted"),
    *(f"refreshed: {reason}" for reason in BY_REFRESH_TOKEN),
}
"""What needs a kind of stack that not every ten seeds draw, or two troubles at a time."""


def missing(total: "History", years: int) -> Iterator[str]:
    """Yield what should have occurred in so many token-years, and did not."""
    if years < SURE_FROM:
        return
    expected = FAULTS | REASONS | {f"ALARM: {name}" for name in alarms()}
    occurred = {*total.faults, *total.reasons, *(f"ALARM: {name}" for name in total.alarms)}
    yield from sorted(expected - occurred - (SELDOM if years < ALL_FROM else set()))
