"""The HTTP session: how much of an answer it reads, and that it ends when it is closed."""

import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event

import pytest
import requests
import trustme
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError

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


def test_nothing_is_taken_from_the_environment(
    session: requests.Session, mx: MovieXchangeStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy and a netrc that somebody set for another purpose are not used."""
    (tmp_path / "netrc").write_text("default login somebody password something\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    session.get(mx.url)

    assert [(each.path, each.headers["Authorization"]) for each in mx.requests] == [("/", None)]


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


def test_tls_that_is_ended_never_goes_on_in_the_clear(
    session: requests.Session, authority: trustme.CA, tls: ssl.SSLContext
) -> None:
    """Who still reads meets an error, not what somebody on the way puts there."""
    is_sent, is_read = Event(), Event()

    def go_on_in_the_clear(server: socket.socket) -> None:
        encrypted = tls.wrap_socket(server.accept()[0], server_side=True)
        encrypted.recv(65_536)
        encrypted.sendall(HEAD + b"\r\n")
        with socket.socket(fileno=encrypted.detach()) as clear:
            clear.sendall(b"in the clear")
            is_sent.set()
            is_read.wait(10)

    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        ThreadPoolExecutor() as peer,
        authority.cert_pem.tempfile() as session.verify,
    ):
        peer.submit(go_on_in_the_clear, server)
        with session.get(f"https://127.0.0.1:{server.getsockname()[1]}", stream=True) as answer:
            is_sent.wait(10)
            session.close()
            with pytest.raises(HTTPError):
                answer.raw.read1(100)
        is_read.set()


def test_a_closed_session_can_be_used_again(session: requests.Session, mx: MovieXchangeStandIn) -> None:
    """It lives as long as the execution environment."""
    session.close()

    assert session.get(mx.url).status_code == 404


def test_a_cookie_is_not_even_read(session: requests.Session, mx: MovieXchangeStandIn) -> None:
    """http.cookiejar warns of this one, and a warning is an error here."""
    mx.api_fault = wire(HEAD + b"Set-Cookie: a=b; expires=1 Jan " + b"9" * 5000 + b"\r\nContent-Length: 0\r\n\r\n")

    assert session.get(mx.url).cookies.get_dict() == {}
