"""The HTTP session: how much of an answer it reads, and that it ends when it is closed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event

import pytest
import requests
from urllib3.connection import HTTPConnection

from local.faults import Fault, wire
from local.mx import MovieXchangeStandIn
from local.stack import eventually
from mx_token_rotator.session import LONGEST_ANSWER, new_session

HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """Give the session that the function uses."""
    with new_session() as made:
        yield made


def answer_of(length: int) -> Fault:
    """Answer with so many bytes, the head among them."""
    head = HEAD + b"Connection: close\r\nContent-Length: 100000\r\nPadding: "
    padding = b"x" * (length - len(head) - 4 - 100_000)
    return wire(head + padding + b"\r\n\r\n" + b"x" * 100_000)


def test_nothing_is_taken_from_the_environment(session: requests.Session) -> None:
    """A proxy or a netrc that somebody set for another purpose is not used."""
    assert session.trust_env is False


def test_an_answer_of_the_longest_length_is_read(session: requests.Session, mx: MovieXchangeStandIn) -> None:
    """To its last byte."""
    mx.api_fault = answer_of(LONGEST_ANSWER)

    assert len(session.get(mx.url).content) == 100_000


def test_an_answer_of_a_byte_more_is_not(session: requests.Session, mx: MovieXchangeStandIn) -> None:
    """Whatever the byte is for."""
    mx.api_fault = answer_of(LONGEST_ANSWER + 1)

    with pytest.raises(requests.RequestException):
        session.get(mx.url)


def test_each_answer_may_be_as_long(session: requests.Session, mx: MovieXchangeStandIn) -> None:
    """A session is not used up."""
    mx.api_fault = answer_of(LONGEST_ANSWER)

    assert [len(session.get(mx.url).content) for _ in range(2)] == [100_000, 100_000]


def test_who_still_reads_is_freed_when_the_session_is_closed(
    session: requests.Session, mx: MovieXchangeStandIn
) -> None:
    """The peer would go on for ever."""
    mx.api_fault = wire(HEAD, b"x", interval=0.05)
    with ThreadPoolExecutor() as reader:
        reading = reader.submit(session.get, mx.url)

        def ended() -> bool:
            session.close()
            return reading.done()

        assert eventually(ended, within=10)


def test_who_connects_after_the_session_is_closed_sends_nothing(
    session: requests.Session, mx: MovieXchangeStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was left behind while it looked up a name or shook hands, and nobody would free it from the peer."""
    mx.api_fault = wire(HEAD, b"x", interval=0.05)
    is_under_way, is_closed, connect = Event(), Event(), HTTPConnection.connect

    def connect_late(connection: HTTPConnection) -> None:
        is_under_way.set()
        is_closed.wait(10)
        connect(connection)

    monkeypatch.setattr(HTTPConnection, "connect", connect_late)
    with ThreadPoolExecutor() as reader:
        reading = reader.submit(session.get, mx.url)
        is_under_way.wait(10)
        session.close()
        is_closed.set()
        ended, _ = wait([reading], timeout=10)
        session.close()

    assert (ended, mx.requests) == ({reading}, [])


def test_a_closed_session_can_be_used_again(session: requests.Session, mx: MovieXchangeStandIn) -> None:
    """It lives as long as the execution environment."""
    session.close()

    assert session.get(mx.url).status_code == 404


def test_a_cookie_is_not_even_read(session: requests.Session, mx: MovieXchangeStandIn) -> None:
    """http.cookiejar warns of this one, and a warning is an error here."""
    mx.api_fault = wire(HEAD + b"Set-Cookie: a=b; expires=1 Jan " + b"9" * 5000 + b"\r\nContent-Length: 0\r\n\r\n")

    assert session.get(mx.url).cookies.get_dict() == {}
