"""The HTTP session: for a peer that may send anything, for as long as it likes.

An answer is bounded in bytes, and ends when the session is closed, whoever still reads from it. Redirects are not
looked at, cookies are not read, and nothing is taken from the environment.
"""

from contextlib import suppress
from functools import partial
from http.client import HTTPException, HTTPResponse
from io import BufferedReader, RawIOBase
from socket import SHUT_RDWR, SocketIO, socket
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LONGEST_ANSWER = 128 * 1024
"""Bytes of an answer as they come from the socket: its head, its body, and what frames them."""


class _Bounded(RawIOBase):
    """A socket's stream that fails once an answer is too long.

    http.client takes a head of 100 lines of 64 KiB, any number of heads of status 100 before it, and any number of
    trailers. The email package, which reads the head for it, needs time that grows with the square of a Content-Type.
    """

    def __init__(self, stream: SocketIO) -> None:
        self._stream = stream
        self._left = LONGEST_ANSWER

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        count = self._stream.readinto(buffer)
        self._left -= count or 0
        if self._left < 0:
            raise HTTPException
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Sockets:
    """The sockets of a session until it is closed; one that connects only then is shut down at once."""

    def __init__(self) -> None:
        self._open: set[socket] = set()
        self._is_closed = False

    def enter(self, connected: socket) -> None:
        self._open.add(connected)
        if self._is_closed:
            self.close()

    def close(self) -> None:
        self._is_closed = True
        for each in list(self._open):
            with suppress(OSError):  # it may have ended by itself
                # TLS's own shutdown would have who still reads or writes go on in the clear.
                socket.shutdown(each, SHUT_RDWR)


class _Answer(HTTPResponse):
    """An answer that is bounded, and sets no cookies."""

    def __init__(self, sock: socket, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  those of http.client
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = BufferedReader(_Bounded(sock.makefile("rb", buffering=0)))

    def begin(self) -> None:
        super().begin()
        # requests would read them, whatever its policy, and http.cookiejar prints a warning where it cannot.
        del self.headers["Set-Cookie"]


class _Connection(HTTPConnection):
    """A connection that enters its socket."""

    response_class = _Answer

    def __init__(self, *args: Any, sockets: _Sockets, **kwargs: Any) -> None:  # noqa: ANN401  those of urllib3
        super().__init__(*args, **kwargs)
        self._sockets = sockets

    def connect(self) -> None:
        super().connect()
        self._sockets.enter(self.sock)


class _TlsConnection(_Connection, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Adapter(HTTPAdapter):
    """An adapter whose connections end with it."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  those of requests
        super().init_poolmanager(*args, **kwargs)
        self._begin()

    def _begin(self) -> None:
        self._sockets = _Sockets()
        # Whatever else a pool is given goes on to its connections.
        pools = {"http": _Pool, "https": _TlsPool}
        self.poolmanager.pool_classes_by_scheme = {
            scheme: partial(pool, sockets=self._sockets) for scheme, pool in pools.items()
        }

    def close(self) -> None:
        """End every connection, also those that another thread reads from or is about to make."""
        ended = self._sockets
        self._begin()
        super().close()
        ended.close()


class _Session(requests.Session):
    """A session to which no answer is a redirect.

    requests looks into a redirect that is not to be followed all the same, and reads its body without a limit.
    """

    def get_redirect_target(self, _: requests.Response) -> None:
        """See no target."""


def new_session() -> requests.Session:
    """Make a session that takes no redirects, no cookies and no hints from the environment (proxies, netrc, …).

    It can be used again once it was closed, which ends its connections.
    """
    session = _Session()
    session.trust_env = False
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Adapter())
    session.headers.update({"User-Agent": "mx-token-rotator", "Accept": "application/json"})
    return session
