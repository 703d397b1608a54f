"""The pure decisions of a run: whether a token is replaced, and whether rejected credentials are tried again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mx_token_rotator.events import Request
from mx_token_rotator.grants import is_retry_slot
from mx_token_rotator.refresh import decide
from mx_token_rotator.tokens import Published
from tests.function.fakes import CLIENT, ISSUED_AT, LIFETIME, published, settings

QUIET = Request(clients=[CLIENT])
FORCED = Request(clients=[CLIENT], force=True)
REPORTED = Request(clients=[CLIENT], rejected_version="version-1")
REPORTED_BEFORE = Request(clients=[CLIENT], rejected_version="version-0")
EMPTY = Published()
UNREADABLE = Published(version_id="version-1")
DENIED = Published(is_denied_by_kms=True)
TWENTY_MINUTES = published(expires_at=ISSUED_AT + timedelta(minutes=20))
HALF_AN_HOUR = published(expires_at=ISSUED_AT + timedelta(minutes=30))  # the next check is in 15 minutes, or 16
A_LITTLE_MORE = published(expires_at=ISSUED_AT + timedelta(minutes=31))
AN_HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("held", "version", "request_", "age", "decision"),
    [
        (EMPTY, "credentials-1", FORCED, AN_HOUR, (True, "first")),
        (UNREADABLE, "credentials-1", FORCED, AN_HOUR, (True, "unreadable")),
        (DENIED, "credentials-1", QUIET, AN_HOUR, (True, "unreadable")),
        (published(), "credentials-2", FORCED, AN_HOUR, (True, "credentials changed")),
        (published(), "credentials-2", FORCED, LIFETIME, (True, "expiring")),
        (published(), None, QUIET, AN_HOUR, (True, "credentials changed")),
        (published(), "credentials-1", FORCED, LIFETIME, (True, "expiring")),
        (published(), "credentials-1", FORCED, AN_HOUR, (True, "forced")),
        (published(), "credentials-1", QUIET, timedelta(), (False, "fresh")),
        (published(), "credentials-1", QUIET, LIFETIME / 2 - timedelta(seconds=1), (False, "fresh")),
        (published(), "credentials-1", QUIET, LIFETIME / 2, (True, "expiring")),
        (published(), "credentials-1", QUIET, LIFETIME * 2, (True, "expiring")),
        (TWENTY_MINUTES, "credentials-1", QUIET, timedelta(minutes=13, seconds=59), (False, "fresh")),
        (TWENTY_MINUTES, "credentials-1", QUIET, timedelta(minutes=14), (True, "expiring")),
        (HALF_AN_HOUR, "credentials-1", QUIET, timedelta(minutes=13, seconds=59), (False, "fresh")),
        (HALF_AN_HOUR, "credentials-1", QUIET, timedelta(minutes=14), (True, "expiring")),
        (A_LITTLE_MORE, "credentials-1", QUIET, timedelta(minutes=14, seconds=59), (False, "fresh")),
        (A_LITTLE_MORE, "credentials-1", QUIET, timedelta(minutes=15), (True, "expiring")),
        (published(expires_at=ISSUED_AT + AN_HOUR / 6), "credentials-1", QUIET, AN_HOUR / 6, (True, "expiring")),
        (published(), "credentials-1", REPORTED, timedelta(seconds=899), (False, "too young")),
        (published(), "credentials-1", REPORTED, timedelta(seconds=900), (True, "rejected")),
        (published(), "credentials-2", REPORTED, LIFETIME, (True, "rejected")),
        (published(), "credentials-2", REPORTED_BEFORE, LIFETIME, (False, "already replaced")),
        (EMPTY, "credentials-1", REPORTED, AN_HOUR, (False, "already replaced")),
        (DENIED, "credentials-1", REPORTED, AN_HOUR, (False, "already replaced")),
    ],
)
def test_the_first_reason_that_holds_is_given(
    held: Published, version: str | None, request_: Request, age: timedelta, decision: tuple[bool, str]
) -> None:
    """Where several hold, the one that says most about the cause; a report has its own."""
    assert decide(held, version, request_, settings(), ISSUED_AT + age) == decision


@given(
    percent=st.integers(10, 70),
    lifetime=st.timedeltas(timedelta(minutes=1), timedelta(days=366)),
    share=st.floats(0, 2),
    later=st.timedeltas(timedelta(), timedelta(days=366)),
)
def test_a_token_that_is_due_stays_due(percent: int, lifetime: timedelta, share: float, later: timedelta) -> None:
    """No run undoes the reason of the one before."""
    held = published(expires_at=ISSUED_AT + lifetime)
    of = settings(REFRESH_AT_PERCENT=str(percent))
    first, second = (
        decide(held, "credentials-1", QUIET, of, ISSUED_AT + lifetime * share + wait)[0]
        for wait in (timedelta(), later)
    )

    assert second >= first


@given(window=st.integers(0, 1000), minutes=st.integers(1, 19), seconds=st.integers(0, 1139))
def test_three_hours_have_exactly_one_retry(window: int, minutes: int, seconds: int) -> None:
    """Whenever the schedule began, and however often it comes."""
    every = timedelta(minutes=minutes)
    begin = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=3) * window
    times = [begin + timedelta(seconds=seconds) % every + every * number for number in range(180)]

    assert sum(is_retry_slot(time, every) for time in times if time < begin + timedelta(hours=3)) == 1


@pytest.mark.parametrize(("minute", "is_slot"), [(0, True), (14, True), (15, False), (179, False), (180, True)])
def test_the_slot_is_as_long_as_the_schedules_interval(minute: int, *, is_slot: bool) -> None:
    """Every three hours from midnight in UTC."""
    time = datetime(2026, 11, 28, tzinfo=UTC) + timedelta(minutes=minute)

    assert is_retry_slot(time, timedelta(minutes=15)) is is_slot


def test_a_run_that_no_schedule_started_is_no_slot() -> None:
    """Reports, new credentials, and requests by hand."""
    assert not is_retry_slot(None, timedelta(minutes=15))
