"""Loopback made as far away as AWS and movieXchange are, with every call noted."""

import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit

from tools.local.mx import serving


class Call(NamedTuple):
    """A call that was answered: the operation of Secrets Manager, or the request line, and when (perf_counter)."""

    name: str
    answered_at: float


class Far(ThreadingHTTPServer):
    """A server in front of another one. A handshake and an answer each take a fixed time, at least."""

    request_queue_size = 128

    def __init__(self, target: str, seconds: float, tls: ssl.SSLContext | None = None) -> None:
        """Stand before an address that speaks HTTP; with a context, speak TLS."""
        super().__init__(("127.0.0.1", 0), Passing)
        self.host, self.seconds, self.calls = urlsplit(target).netloc, seconds, list[Call]()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server_port}"
        self.handshakes = 2 if tls else 1  # TCP's, and one of TLS 1.3
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, *_: object) -> None:
        """Print nothing about a client that closed its connection."""


class Passing(BaseHTTPRequestHandler):
    """One connection."""

    server: Far
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 60

    def handle(self) -> None:
        """Serve what comes by this connection."""
        time.sleep(self.server.handshakes * self.server.seconds)
        super().handle()

    def do_GET(self) -> None:
        """Take a request of the API."""
        self.do_POST()

    def do_POST(self) -> None:
        """Pass a log-in or a call of AWS on, and its answer back after the time that this takes from afar."""
        due = time.perf_counter() + self.server.seconds
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        # A connection for each, since one that idles would be closed by the other side.
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
        time.sleep(max(0.0, due - time.perf_counter()))
        name = self.headers.get("X-Amz-Target", f"{self.command} {self.path}").removeprefix("secretsmanager.")
        self.server.calls.append(Call(name, time.perf_counter()))  # what is in wbufsize is sent after this

    def log_message(self, *_: object) -> None:
        """Print nothing about a request."""


@contextmanager
def away(target: str, seconds: float, tls: ssl.SSLContext | None = None) -> Iterator[Far]:
    """Serve a target from as far away as that."""
    with serving(server := Far(target, seconds, tls)):
        yield server
