"""The same function behind three doors: in this process, behind the Lambda runtime API, and deployed.

Each is asked in the same way, and tells everything that can be seen of it from outside.
"""

import json
import traceback
from abc import ABC, abstractmethod
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from local.faults import status
from local.lambda_runtime import LambdaRuntime, lambda_runtime
from local.mx import MovieXchangeStandIn, serving
from local.stack import Stack, eventually, issued_earlier
from mx_token_rotator.errors import RotatorError
from mx_token_rotator.vault import credentials_secret, refresh_token_secret, token_secret
from tests.function import CLIENT_ID, Rotator, metrics

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

VERBOSE = {
    # What the stack's LoggingConfig would set; the runtime gives its root logger this level, and JSON as its format.
    "AWS_LAMBDA_LOG_FORMAT": "JSON",
    "AWS_LAMBDA_LOG_LEVEL": "DEBUG",
    "POWERTOOLS_LOG_LEVEL": "DEBUG",
    "POWERTOOLS_LOGGER_LOG_EVENT": "true",
    "POWERTOOLS_DEBUG": "true",
    "POWERTOOLS_DEV": "true",
    "POWERTOOLS_METRICS_DISABLED": "false",  # POWERTOOLS_DEV would disable them
    "POWERTOOLS_TRACE_MIDDLEWARES": "true",
    "POWERTOOLS_TRACER_CAPTURE_RESPONSE": "true",
    "POWERTOOLS_TRACER_CAPTURE_ERROR": "true",
}
"""Everything that an operator can set in the function's environment so that more is said.

Left out are variables that run other code than the package's (PYTHONPATH, AWS_LAMBDA_EXEC_WRAPPER,
BOTOCORE_EXPERIMENTAL__PLUGINS) or send the traffic elsewhere (AWS_ENDPOINT_URL, HTTPS_PROXY, SSLKEYLOGFILE): who may
set those may read the secrets. http.client's debuglevel, which prints requests, has no variable.
"""


@dataclass
class Door(ABC):
    """The function with its secrets and its movieXchange account, and what a case may change."""

    mx: MovieXchangeStandIn
    secrets_manager: "SecretsManagerClient"
    account: str
    refusal: str
    variables: dict[str, str] = field(default_factory=dict)
    """Environment variables that differ from the stack's."""
    seen: list[str] = field(default_factory=list)
    """Everything that came out since the case began."""

    @abstractmethod
    def ask(self, request: object) -> str:
        """Invoke the function, keep what is to be seen, and give the outcome's reason, or the error's name."""

    @abstractmethod
    def have_secrets_manager_refuse(self) -> None:
        """Have Secrets Manager refuse with the door's refusal what it is asked to put, or everything."""

    def put(self, secret: str, text: str) -> None:
        """Put a secret's value."""
        self.secrets_manager.put_secret_value(SecretId=secret, SecretString=text)

    def fill(self, credentials: Mapping[str, str]) -> None:
        """Put credentials as their keeper does."""
        self.put(credentials_secret(self.account), json.dumps(credentials))

    def age(self, by: timedelta) -> None:
        """Have what is published issued so much earlier than it was."""
        published = self.secrets_manager.get_secret_value(SecretId=token_secret(self.account, CLIENT_ID))
        aged = issued_earlier(json.loads(published["SecretString"]), by)
        self.put(token_secret(self.account, CLIENT_ID), json.dumps(aged))

    def empty(self) -> None:
        """Make the secrets anew, without a value, and forget what was seen and set."""
        for secret in (
            credentials_secret(self.account),
            token_secret(self.account, CLIENT_ID),
            refresh_token_secret(self.account, CLIENT_ID),
        ):
            with suppress(self.secrets_manager.exceptions.ResourceNotFoundException):
                self.secrets_manager.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
            self.secrets_manager.create_secret(Name=secret)
        self.variables.clear()
        self.seen.clear()


@dataclass(kw_only=True)
class InProcess(Door):
    """The handler in this process, on moto; what is seen is the exception with its chain, prints, and all loggers."""

    rotator: Rotator
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    caplog: pytest.LogCaptureFixture

    def ask(self, request: object) -> str:
        """Call the handler."""
        for name, value in self.variables.items():
            self.monkeypatch.setenv(name, value)
        try:
            outcome = self.rotator(request)
        except RotatorError as error:
            came, seen = type(error).__name__, everything_about(error)
        else:
            came, seen = outcome["reason"], json.dumps(outcome)
        self.seen += [seen, *self.capsys.readouterr(), self.caplog.text]
        self.caplog.clear()
        return came

    def have_secrets_manager_refuse(self) -> None:
        """Stand in for its answer."""

        def refuse(**_: object) -> None:
            raise ClientError({"Error": {"Code": "ValidationException", "Message": self.refusal}}, "PutSecretValue")

        self.secrets_manager.meta.events.register("before-call.secretsmanager.PutSecretValue", refuse)


def everything_about(error: BaseException) -> str:
    """Write out an exception: its traceback with its chain, and each exception in the chain with its attributes."""
    parts = traceback.format_exception(error)
    link: BaseException | None = error
    while link:
        parts += [str(link), repr(link), repr(link.args), repr(vars(link))]
        link = link.__cause__ or link.__context__
    return "\n".join(parts)


@dataclass(kw_only=True)
class Apart(Door):
    """The package in a process of its own, told by environment variables to say everything that it can."""

    stack: Stack
    stacks_variables: Mapping[str, str]
    runs_with: Mapping[str, str] = field(default_factory=dict)

    @abstractmethod
    def start_with(self, variables: Mapping[str, str]) -> None:
        """Have the next invocation start cold, with these variables."""

    def all_variables(self) -> dict[str, str]:
        """Give the stack's variables, those that make it say more, and what the case has changed of them."""
        return {**self.stacks_variables, **VERBOSE, **self.variables}

    def prepare(self) -> None:
        """Start cold where the variables have changed."""
        wanted = self.all_variables()
        if wanted != self.runs_with:
            self.start_with(wanted)
            self.runs_with = wanted

    def have_secrets_manager_refuse(self) -> None:
        """Put another Secrets Manager in the place of MiniStack's, at the address that is the door's refusal."""
        self.variables["AWS_ENDPOINT_URL_SECRETS_MANAGER"] = self.refusal


@dataclass(kw_only=True)
class BehindTheRuntime(Apart):
    """The package behind the Lambda runtime API; what is seen is its answer, and all that was printed."""

    ends: ExitStack
    runtime: LambdaRuntime | None = None
    read: int = 0

    def all_variables(self) -> dict[str, str]:
        """Add MiniStack's address, and Python's development mode."""
        return {"AWS_ENDPOINT_URL": self.stack.aws.endpoint, "PYTHONDEVMODE": "1", **super().all_variables()}

    def start_with(self, variables: Mapping[str, str]) -> None:
        """Begin another execution environment."""
        self.ends.close()
        self.runtime = self.ends.enter_context(lambda_runtime(self.stack.package, variables))
        self.read = 0

    def ask(self, request: object) -> str:
        """Invoke it."""
        self.prepare()
        assert self.runtime is not None
        answer = self.runtime.invoke(request)
        printed = self.runtime.printed()
        self.seen += [json.dumps(answer), printed[self.read :]]
        self.read = len(printed)
        came: str = answer.get("errorType") or answer["reason"]
        return came


@dataclass(kw_only=True)
class Deployed(Apart):
    """The deployed function; what is seen is its answer with the log's tail, and what came to the log group."""

    read: int = 0

    def start_with(self, variables: Mapping[str, str]) -> None:
        """Change the function's configuration."""
        self.stack.client("lambda").update_function_configuration(
            FunctionName=self.stack.name, Environment={"Variables": dict(variables)}
        )

    def ask(self, request: object) -> str:
        """Invoke it, and wait."""
        self.prepare()
        answer = self.stack.client("lambda").invoke(
            FunctionName=self.stack.name, Payload=json.dumps(request), LogType="Tail"
        )
        text = answer["Payload"].read().decode()
        lines = self.stack.log_lines()
        printed = "\n".join(lines[self.read :])
        self.read = len(lines)
        self.seen += [text, b64decode(answer["LogResult"]).decode(), printed]
        # MiniStack names every error Runtime.HandlerError.
        came: str = json.loads(text).get("reason") or metrics(printed)["TokenRefreshFailed"][0]["Error"]
        return came

    def dead_letter(self, request: object) -> str:
        """Invoke it as EventBridge does, and give the letter that comes of it, without the request itself."""
        self.prepare()
        self.stack.client("lambda").invoke(
            FunctionName=self.stack.name, Payload=json.dumps(request), InvocationType="Event"
        )
        sqs, queue = self.stack.client("sqs"), self.stack.resource("DeadLetters")
        (letter,) = eventually(lambda: sqs.receive_message(QueueUrl=queue).get("Messages"), within=30)
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=letter["ReceiptHandle"])
        return json.dumps(json.loads(letter["Body"]) | {"requestPayload": "left out"})


@contextmanager
def refusing(message: str) -> Iterator[str]:
    """Run a Secrets Manager on loopback that refuses everything with this message, and give its address."""
    body = json.dumps({"__type": "ValidationException", "message": message}).encode()
    refusal = status(400, body, content_type="application/x-amz-json-1.1")

    class Refusing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            refusal(self)

        def log_message(self, *_: object) -> None:
            """Say nothing of a request."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}"
