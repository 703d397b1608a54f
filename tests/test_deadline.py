"""The invocation's end: how it moves, and that nobody waits beyond it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event, current_thread

import pytest

from mx_token_rotator import deadline
from mx_token_rotator.deadline import Deadline


@pytest.fixture
def never() -> Iterator[Event]:
    """Give what does not happen before the test is over."""
    event = Event()
    yield event
    event.set()


def test_what_is_kept_back_is_not_left() -> None:
    """An earlier deadline leaves less."""
    assert Deadline(lambda: 60.0).earlier_by(5.0).seconds_left() == 55.0


@pytest.mark.parametrize(("left", "within"), [(60.0, 30.0), (20.0, 20.0), (-1.0, -1.0)])
def test_the_sooner_of_two_ends_counts(left: float, within: float) -> None:
    """What may take 30 seconds ends with the invocation if that is sooner."""
    assert Deadline(lambda: left).within(30.0).seconds_left() == within


def test_a_nearer_end_comes_nearer() -> None:
    """The seconds of a part count from when it began."""
    left = iter([60.0, 50.0])
    part = Deadline(lambda: next(left)).within(30.0)

    assert part.seconds_left() == 20.0


def test_an_answer_in_time_is_given() -> None:
    """Waiting changes nothing for those who answer."""
    assert Deadline(lambda: 60.0).wait_for(lambda: "answer") == "answer"


def test_what_a_call_raises_is_raised() -> None:
    """Nor for those who fail."""
    with pytest.raises(ZeroDivisionError):
        Deadline(lambda: 60.0).wait_for(lambda: 1 / 0)


def test_nobody_is_waited_for_beyond_the_end(never: Event) -> None:
    """Who has not answered by then is left behind."""
    ended: list[bool] = []
    with pytest.raises(TimeoutError):
        Deadline(lambda: 0.1).wait_for(lambda: ended.append(never.wait(30)))

    assert ended == []


@pytest.fixture
def callers(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadPoolExecutor]:
    """Give the threads that calls are made in: two at most."""
    with ThreadPoolExecutor(max_workers=2) as callers:
        monkeypatch.setattr(deadline, "CALLERS", callers)
        yield callers


@pytest.mark.usefixtures("callers")
def test_threads_serve_one_call_after_the_other() -> None:
    """An execution environment that serves for days does not fill up with them."""
    threads = {Deadline(lambda: 60.0).wait_for(current_thread) for _ in range(20)}

    assert len(threads) <= 2


def test_what_did_not_begin_in_time_never_begins(callers: ThreadPoolExecutor, never: Event) -> None:
    """Where every thread is left behind with another call, there is none for this one."""
    begun: list[str] = []
    for _ in range(2):
        callers.submit(never.wait, 30)
    with pytest.raises(TimeoutError):
        Deadline(lambda: 0.1).wait_for(lambda: begun.append("late"))
    never.set()
    callers.shutdown()

    assert begun == []


def test_nothing_is_begun_after_the_end(never: Event) -> None:
    """A call that nobody could wait for is not made."""
    with pytest.raises(TimeoutError):
        Deadline(lambda: 0.0).wait_for(never.set)

    assert not never.is_set()
