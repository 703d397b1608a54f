"""Loopback made far away: a proxy that waits before it passes a request on, and counts what passes."""

import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tools.local.mx import serving


class Far(ThreadingHTTPServer):
    """A server on a port that the system gives, so many seconds away from whoever calls it."""

    request_queue_size = 128
    calls: list[str]
    waits: int
    """How often the way was taken."""
    to_connect: int
    """How often a connection takes it: TCP's handshake, and one of TLS 1.3."""

    def __init__(self, target: str, seconds: float, tls: ssl.SSLContext | None = None) -> None:
        """Stand before an address that speaks HTTP; with a context, speak TLS to those who call."""
        super().__init__(("127.0.0.1", 0), Passing)
        self.host = urlsplit(target).netloc
        self.seconds = seconds
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server_port}"
        self.to_connect = 2 if tls else 1
        self.forget()
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def forget(self) -> None:
        """Count anew."""
        self.calls, self.waits = [], 0

    def wait(self) -> None:
        """Let the way to and fro pass once."""
        self.waits += 1
        time.sleep(self.seconds)

    def handle_error(self, *_: object) -> None:
        """Say nothing of a peer that went away."""


class Passing(BaseHTTPRequestHandler):
    """One connection, whose requests each take the way once."""

    server: Far
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 60

    def handle(self) -> None:
        """Serve what comes by this connection."""
        for _ in range(self.server.to_connect):
            self.server.wait()
        super().handle()

    def do_GET(self) -> None:
        """Take a request of movieXchange's API."""
        self._pass()

    def do_POST(self) -> None:
        """Take a log-in, or a request of AWS."""
        self._pass()

    def _pass(self) -> None:
        """Pass a request on, and its answer back."""
        name = self.headers.get("X-Amz-Target", f"{self.command} {self.path}").removeprefix("secretsmanager.")
        self.server.calls.append(name)
        self.server.wait()
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        # Not one for all requests: whoever is called gives up a connection that idles, and a call would come twice.
        with closing(HTTPConnection(self.server.host, timeout=60)) as onward:
            onward.request(self.command, self.path, body, dict(self.headers))
            answer = onward.getresponse()
            content = answer.read()
        self.send_response_only(answer.status)
        for header, value in answer.getheaders():
            if header.lower() not in {"transfer-encoding", "content-length", "connection"}:
                self.send_header(header, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing of a request."""


@contextmanager
def away(target: str, seconds: float, tls: ssl.SSLContext | None = None) -> Iterator[Far]:
    """Serve as far away as that."""
    server = Far(target, seconds, tls)
    with serving(server):
        yield server
