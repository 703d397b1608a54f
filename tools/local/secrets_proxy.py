"""Secrets Manager on loopback (roto) behind a proxy, whose answers can fail on the wire: the SDK's own retries run."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from tools.local.aws import KEY, REGION
from tools.local.faults import Fault, send, status
from tools.local.lambda_runtime import WITH_ITS_PARENT, reserved_port
from tools.local.mx import serving

AMAZON_JSON = "application/x-amz-json-1.1"
SCOPE = f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/{REGION}/secretsmanager/aws4_request"
"""Roto needs the scope of a signature, and checks no signature."""
READS = {"DescribeSecret", "GetSecretValue"}
UNKNOWN_VERSION = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Call:
    """A request to Secrets Manager."""

    operation: str
    secret: str
    arguments: dict[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, target: str, body: bytes) -> Self:
        """Read a request: the operation is in the header X-Amz-Target."""
        arguments = json.loads(body)
        return cls(target.rpartition(".")[2], arguments.get("SecretId") or arguments.get("Name", ""), arguments)


@dataclass(frozen=True)
class Answer:
    """An answer of Secrets Manager."""

    status: int
    body: bytes = field(repr=False)

    @property
    def document(self) -> dict[str, Any]:
        """The body's members."""
        document: dict[str, Any] = json.loads(self.body)
        return document

    def sent_by(self, handler: BaseHTTPRequestHandler) -> None:
        """Send it."""
        send(handler, self.status, self.body, content_type=AMAZON_JSON)


@dataclass(frozen=True)
class Exchange:
    """A request that has arrived, and is not answered yet."""

    proxy: "SecretsProxy"
    handler: BaseHTTPRequestHandler
    call: Call

    def forward(self) -> Answer:
        """Have Secrets Manager do what is asked, and return its answer."""
        return self.proxy.perform(self.call)


Wire = Callable[[Exchange], None]
"""What becomes of an exchange on the wire."""


def untroubled(exchange: Exchange) -> None:
    """Pass Secrets Manager's answer on."""
    exchange.forward().sent_by(exchange.handler)


def instead(fault: Fault) -> Wire:
    """Fail, and never ask Secrets Manager."""
    return lambda exchange: fault(exchange.handler)


def done_but(fault: Fault) -> Wire:
    """Fail once Secrets Manager has done what was asked."""

    def wire(exchange: Exchange) -> None:
        exchange.forward()
        fault(exchange.handler)

    return wire


def error(code: str, status_code: int) -> Wire:
    """Answer with an error of AWS, whose message quotes what was sent."""

    def wire(exchange: Exchange) -> None:
        document = {"__type": code, "Message": f"The request was {exchange.call.arguments}"}
        status(status_code, json.dumps(document).encode(), AMAZON_JSON)(exchange.handler)

    return wire


def no_answer(handler: BaseHTTPRequestHandler) -> None:
    """Wait until the client gives up."""
    handler.close_connection = True
    handler.rfile.read(1)


def cut_in_half(exchange: Exchange) -> None:
    """Do what was asked, and close the connection in the middle of the answer."""
    answer = exchange.forward()
    exchange.handler.close_connection = True
    half = answer.body[: len(answer.body) // 2]
    send(exchange.handler, answer.status, half, content_type=AMAZON_JSON, content_length=len(answer.body))


def stale(exchange: Exchange) -> None:
    """Answer a read with what was true before the last change of its secret."""
    exchange.proxy.read_before_last_change(exchange.call).sent_by(exchange.handler)


class SecretsProxy(ThreadingHTTPServer):
    """The way to Secrets Manager; `choose` says what becomes of a call."""

    def __init__(self, upstream: int) -> None:
        """Listen in front of the Secrets Manager on this port."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream = upstream
        self.choose: Callable[[Call], Wire] = lambda _: untroubled
        self.asked: list[Call] = []
        """What arrived."""
        self.performed: list[tuple[Call, Answer]] = []
        """What reached Secrets Manager, and what it answered."""
        self._past: dict[str, dict[str, Answer]] = {}

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"

    def perform(self, call: Call) -> Answer:
        """Have Secrets Manager do what is asked; remember what a read of the secret answered before a change."""
        before = {} if call.operation in READS else self._state(call.secret)
        answer = self.ask(call.operation, call.secret, call.arguments)
        self.performed.append((call, answer))
        if before and labels(self._state(call.secret)) != labels(before):
            self._past[call.secret] = before
        return answer

    def ask(self, operation: str, secret: str, arguments: dict[str, Any] | None = None) -> Answer:
        """Ask Secrets Manager past everything that goes wrong."""
        with closing(HTTPConnection("127.0.0.1", self.upstream, timeout=30)) as upstream:
            headers = {"X-Amz-Target": f"secretsmanager.{operation}", "Content-Type": AMAZON_JSON}
            body = json.dumps(arguments or {"SecretId": secret}).encode()
            upstream.request("POST", "/", body, headers | {"Authorization": SCOPE})
            answer = upstream.getresponse()
            return Answer(answer.status, answer.read())

    def read_before_last_change(self, call: Call) -> Answer:
        """Return what a read answered then; a version that was not there yet was not found."""
        past = self._past[call.secret]
        version = call.arguments.get("VersionId")
        if not version:
            return past[call.operation]
        known = past["DescribeSecret"].document.get("VersionIdsToStages", {})
        wanted = version if version in known else UNKNOWN_VERSION
        return self.ask(call.operation, call.secret, call.arguments | {"VersionId": wanted})

    def _state(self, secret: str) -> dict[str, Answer]:
        return {operation: self.ask(operation, secret) for operation in sorted(READS)}

    def handle_error(self, *_: object) -> None:
        """Print nothing about a client that closed its connection."""


def labels(state: dict[str, Answer]) -> tuple[int, object]:
    """Return what a change changes: whether the secret exists, and its versions with their labels."""
    described = state["DescribeSecret"]
    return described.status, described.document.get("VersionIdsToStages")


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: SecretsProxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 30

    def do_POST(self) -> None:
        """Serve one call."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        call = Call.parse(self.headers["X-Amz-Target"], body)
        self.server.asked.append(call)
        self.server.choose(call)(Exchange(self.server, self, call))

    def log_message(self, *_: object) -> None:
        """Print nothing about a request."""


@contextmanager
def roto() -> Iterator[int]:
    """Run a Secrets Manager on a free port of loopback, and give the port; it keeps everything in memory."""
    with ExitStack() as ends:
        port = ends.enter_context(reserved_port())
        binary = shutil.which("roto-server", path=str(Path(sys.executable).parent))
        server = subprocess.Popen(  # noqa: S603  our own command
            [*WITH_ITS_PARENT, str(binary), "--ephemeral", "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        ends.callback(server.communicate)
        ends.callback(server.kill)
        first = server.stdout.readline() if server.stdout else ""
        if "listening" not in first:
            raise OSError(f"roto does not listen: {first}")
        yield port


@contextmanager
def secrets_proxy() -> Iterator[SecretsProxy]:
    """Run an empty Secrets Manager behind a proxy."""
    with roto() as port:
        proxy = SecretsProxy(port)
        with serving(proxy):
            yield proxy
