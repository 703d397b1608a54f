"""The function behind three entry points: in this process, behind the Lambda runtime API, and deployed.

Each is invoked in the same way, and keeps everything that can be seen of the function from outside.
"""

import json
import logging
import time
from abc import ABC, abstractmethod
from base64 import b64decode
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import pytest

from tests.function.function import Rotator, cold_start
from tests.function.leaks import leaks
from tests.function.secrecy import ACCOUNT, CANARIES, CREDENTIALS, REFRESH_TOKENS, REFUSAL, TOKENS, VERSION, Case
from tools.local.aws import REGION
from tools.local.faults import status
from tools.local.lambda_runtime import LambdaRuntime, lambda_runtime
from tools.local.mx import MovieXchangeStandIn, serving
from tools.local.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

VERBOSE = {
    # What the stack's LoggingConfig would set; the runtime gives its root logger this level, and JSON as its format.
    "AWS_LAMBDA_LOG_FORMAT": "JSON",
    "AWS_LAMBDA_LOG_LEVEL": "DEBUG",
    "POWERTOOLS_LOG_LEVEL": "DEBUG",
    "POWERTOOLS_LOGGER_LOG_EVENT": "true",
    "POWERTOOLS_LOGGER_SAMPLE_RATE": "1",
    "POWERTOOLS_DEBUG": "true",
    "POWERTOOLS_DEV": "true",
    "POWERTOOLS_METRICS_DISABLED": "false",  # POWERTOOLS_DEV would disable them
    "POWERTOOLS_TRACE_MIDDLEWARES": "true",
    "PYTHONDEVMODE": "1",
}
"""Everything that an operator can set in the function's environment so that more is logged.

Left out are variables that run other code than the archive's (PYTHONPATH, AWS_LAMBDA_EXEC_WRAPPER) or send the traffic
elsewhere (AWS_ENDPOINT_URL, HTTPS_PROXY, SSLKEYLOGFILE): whoever may set those may read the secrets.
"""


@dataclass(kw_only=True)
class EntryPoint(ABC):
    """The function with one client ID, its secrets and its movieXchange account."""

    mx: MovieXchangeStandIn
    secrets_manager: "SecretsManagerClient"
    variables: dict[str, str] = field(default_factory=dict)
    """Environment variables that differ from the stack's."""
    seen: list[str] = field(default_factory=list)
    """Everything that came out of the function in the last case."""

    @abstractmethod
    def call(self, event: object) -> Any:  # noqa: ANN401  whatever the function returns
        """Invoke the function, keep what it wrote, and return its result."""

    def refuse(self, *operations: str) -> None:
        """Have Secrets Manager refuse at least these operations."""
        raise NotImplementedError

    def happen(self, case: Case) -> str:
        """Arrange a case with nothing left of the last one, invoke the function, and return the outcome's reason."""
        self.mx.token_fault, self.mx.api_fault = case.token_endpoint, case.api
        self.variables = dict(case.variables)
        self.seen.clear()
        for kind in ("credentials", TOKENS, REFRESH_TOKENS):
            with suppress(self.secrets_manager.exceptions.ResourceNotFoundException):
                name = f"{ACCOUNT}/{kind}"
                self.secrets_manager.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
        for kind, value in ({"credentials": CREDENTIALS} | dict(case.secrets)).items():
            self.put(f"{ACCOUNT}/{kind}", json.dumps(value) if isinstance(value, dict) else value)
        if case.refused:
            self.refuse(*case.refused)
        result = self.call(case.event)
        self.seen.append(json.dumps(result))
        (outcome,) = result["outcomes"]
        reason: str = outcome["reason"]
        return reason

    def put(self, name: str, value: str | bytes) -> None:
        """Store the first version of a secret."""
        member = "SecretBinary" if isinstance(value, bytes) else "SecretString"
        version: dict[str, Any] = {"ClientRequestToken": VERSION, member: value}
        self.secrets_manager.create_secret(Name=name)
        self.secrets_manager.put_secret_value(SecretId=name, **version)

    def shows(self, words: str) -> bool:
        """Return whether these words came out."""
        return any(words in text for text in self.seen)

    def leaked(self, secrets: Iterable[str] = CANARIES.values()) -> list[str]:
        """List the pieces of secrets that came out."""
        return leaks("\n".join(self.seen), secrets)


@dataclass(kw_only=True)
class InProcess(EntryPoint):
    """The handler in this process, on moto, with every logger at DEBUG."""

    rotator: Rotator
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    caplog: pytest.LogCaptureFixture

    @classmethod
    def of(cls, rotator: Rotator, mx: MovieXchangeStandIn, request: pytest.FixtureRequest) -> Self:
        """Invoke a started function in a test."""
        fixtures = {name: request.getfixturevalue(name) for name in ("monkeypatch", "capsys", "caplog")}
        return cls(mx=mx, secrets_manager=rotator.module.secrets_manager, rotator=rotator, **fixtures)

    def call(self, event: object) -> Any:  # noqa: ANN401
        """Call the handler."""
        for name, value in self.variables.items():
            self.monkeypatch.setenv(name, value)
        with self.caplog.at_level(logging.DEBUG):
            result = self.rotator(event)
        self.rotator.denials.clear()
        self.seen += [self.rotator.printed, *self.capsys.readouterr(), self.caplog.text]
        self.caplog.clear()
        return result

    def refuse(self, *operations: str) -> None:
        """Stand in for Secrets Manager's answer."""
        for operation in operations:
            self.rotator.deny(operation, message=REFUSAL)


@contextmanager
def cold_start_verbosely(url: str) -> Iterator[Rotator]:
    """Start the function cold in this process; it does not wait between its tries."""
    verbose = {name: VERBOSE[name] for name in ("POWERTOOLS_LOG_LEVEL", "POWERTOOLS_LOGGER_LOG_EVENT")}
    variables = verbose | {"ACCOUNT": ACCOUNT, "KEEP_REFRESH_TOKEN": "true", "AWS_DEFAULT_REGION": REGION}
    with pytest.MonkeyPatch.context() as environment, cold_start(url, environment, **variables) as rotator:
        rotator.is_silent = True
        environment.setattr(rotator.module, "time", SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: None))
        yield rotator


@dataclass(kw_only=True)
class BehindTheRuntime(EntryPoint):
    """The archive's code behind the Lambda runtime API, set by environment variables to log all that it can."""

    stack: Stack
    refusing_secrets_manager: str
    running: ExitStack
    handler: str = "mx_token_rotator.handler.handler"
    runtime: LambdaRuntime | None = None
    runs_with: dict[str, str] = field(default_factory=dict)
    read: int = 0

    def refuse(self, *_: str) -> None:
        """Put another Secrets Manager, which refuses everything, in the place of MiniStack's."""
        self.variables["AWS_ENDPOINT_URL_SECRETS_MANAGER"] = self.refusing_secrets_manager

    def call(self, event: object) -> Any:  # noqa: ANN401
        """Invoke it, in another execution environment if the variables have changed."""
        endpoint = {"AWS_ENDPOINT_URL": self.stack.aws.endpoint}
        wanted = self.stack.variables() | endpoint | VERBOSE | self.variables
        if self.runtime is None or wanted != self.runs_with:
            self.running.close()
            started = lambda_runtime(self.stack.package, wanted, handler=self.handler)
            self.runtime, self.runs_with, self.read = self.running.enter_context(started), wanted, 0
        result = self.runtime.invoke(event)
        printed = self.runtime.printed()
        self.seen.append(printed[self.read :])
        self.read = len(printed)
        return result


@dataclass(kw_only=True)
class Deployed(EntryPoint):
    """The deployed function with the stack's own log level."""

    stack: Stack
    read: int = 0

    def call(self, event: object) -> Any:  # noqa: ANN401
        """Invoke it by hand, asking for the log's tail."""
        answer = self.stack.client("lambda").invoke(
            FunctionName=self.stack.name, Payload=json.dumps(event), LogType="Tail"
        )
        self.seen.append(b64decode(answer["LogResult"]).decode())
        self.read_log()
        return json.loads(answer["Payload"].read())

    def send(self, message: str) -> None:
        """Put a message into the queue, and wait until it has been served."""
        queue = self.stack.resource("Queue")
        self.stack.client("sqs").send_message(QueueUrl=queue, MessageBody=message, MessageGroupId="account")
        self.stack.wait_until_idle()
        self.read_log()

    def read_log(self) -> None:
        """Keep what is new in the log group, the metrics among it."""
        lines = self.stack.log_lines()
        self.seen += lines[self.read :]
        self.read = len(lines)


@contextmanager
def refusing_secrets_manager() -> Iterator[str]:
    """Run a Secrets Manager on loopback that refuses everything; the value is its address."""
    body = json.dumps({"__type": "AccessDeniedException", "message": REFUSAL}).encode()
    refusal = status(400, body, content_type="application/x-amz-json-1.1")

    class Refusing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            refusal(self)

        def log_message(self, *_: object) -> None:
            """Print nothing about a request."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}"
