"""TokenSource in forked processes, as of a server that loads the application first."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import boto3
import pytest

from moviexchange_auth import TokenSource

DOCUMENT = {"access_token": "a-token", "client_secret": "", "expires_at": "2999-01-01T00:00:00Z"}


class SecretsManager(ThreadingHTTPServer):
    """Secrets Manager with one secret; it keeps connections open, and remembers where requests came from."""

    daemon_threads = True

    def __init__(self) -> None:
        """Listen."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.ports: list[int] = []


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: SecretsManager
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer GetSecretValue."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.ports.append(self.client_address[1])
        names = {"Name": "a-secret", "ARN": "its-arn", "VersionId": "a-version"}
        body = json.dumps(names | {"SecretString": json.dumps(DOCUMENT)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def secrets_manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretsManager]:
    """Serve Secrets Manager to every client of this process."""
    with SecretsManager() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def in_children(count: int, ask: Callable[[], object]) -> list[Any]:
    """Fork so many processes, have all of them ask at the same time, and return their answers."""
    answers, begin = [os.pipe() for _ in range(count)], os.pipe()
    children = []
    for _, writer in answers:
        if not (child := os.fork()):
            signal.alarm(200)  # ends it if it waits for a lock of its parent, before pytest-timeout ends the test
            os.close(begin[1])
            os.read(begin[0], 1)  # until the parent closes its end
            try:
                os.write(writer, json.dumps(ask()).encode())
            finally:
                os._exit(0)
        children.append(child)
        os.close(writer)
    for each in begin:
        os.close(each)
    texts = [os.read(reader, 1000) for reader, _ in answers]
    for child, (reader, _) in zip(children, answers, strict=True):
        os.waitpid(child, 0)
        os.close(reader)
    return [json.loads(text or "null") for text in texts]


@pytest.mark.parametrize("client", ["its own", "the application's"])
def test_forked_processes_share_no_connection(secrets_manager: SecretsManager, client: str) -> None:
    """Two processes that use the same one get each other's answers."""
    own = None if client == "its own" else boto3.client("secretsmanager")
    source = TokenSource("a-secret", client=own, max_age=0.0)  # each call reads
    source.token()
    answers = in_children(3, lambda: [source.token().access_token for _ in range(5)])
    source.token()

    assert (answers, [secrets_manager.ports.count(port) for port in dict.fromkeys(secrets_manager.ports)]) == (
        [["a-token"] * 5] * 3,
        [2, 5, 5, 5],
    )
