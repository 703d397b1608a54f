"""The function in one process: its real handler after a cold start, on moto's Secrets Manager.

`cold_start` uses real HTTP and the real clock. `Deployment` adds what surrounds the function in AWS: the schedule, the
queue and the rules, all on a virtual clock, with a movieXchange account in memory.
"""

import importlib
import json
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from io import StringIO
from types import ModuleType, SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.backends import get_backend

from tests.function.fakes import ACCOUNT, CLIENT_ID, CREDENTIALS, VARIABLES, Clock, MovieXchange
from tools.local.lambda_runtime import Context
from tools.local.stack import issued_earlier

CREDENTIALS_SECRET = f"{ACCOUNT}/credentials"
TOKEN_SECRET = f"{ACCOUNT}/tokens/{CLIENT_ID}"
REQUEST = {"client_id": CLIENT_ID}
KMS_DENIES = "Access to KMS is not allowed"
MARKED_FOR_DELETION = "You can't perform this operation on the secret because it was marked for deletion."
DEDUPLICATION = timedelta(minutes=5)
RETENTION = timedelta(minutes=15)


@dataclass
class Denial:
    """An operation of Secrets Manager that is refused on secrets with some text in their names."""

    operation: str
    secret: str
    code: str
    message: str
    after: int
    """How many calls are let through first."""
    until: str
    """The operation whose call ends the denial."""


@dataclass
class Rotator:
    """The function after a cold start, with its calls of Secrets Manager and the output of the last invocation."""

    module: ModuleType
    asked: list[tuple[str, str]] = field(default_factory=list)
    """The operations and names of secrets that the last invocation called Secrets Manager with."""
    printed: str = ""
    """What the last invocation printed, which is also printed where pytest captures it."""
    is_silent: bool = False
    reads_directly: bool = False
    """Whether reads are answered from moto's records at once, which takes a fifth of the time."""
    denials: list[Denial] = field(default_factory=list)
    _is_running: bool = False

    @property
    def calls(self) -> list[str]:
        """The operations that the last invocation called Secrets Manager with."""
        return [operation for operation, _ in self.asked]

    def __call__(self, event: object, context: Context | None = None) -> dict[str, Any]:
        """Invoke the function."""
        self.asked.clear()
        output = StringIO()
        # The logger keeps the stream that was standard output at the cold start.
        self.module.logger.logger_handler.stream = output
        logger = logging.getLogger("mx-token-rotator")
        if self.is_silent:  # pytest's own handlers would fill its report
            logger.propagate, logger.handlers = False, [self.module.logger.logger_handler]
        try:
            self._is_running = True
            with pytest_keeps_its_timer(), redirect_stdout(output):
                result: dict[str, Any] = self.module.handler(event, context or Context())
        finally:
            self._is_running = False
            self.printed = output.getvalue()
            if not self.is_silent:
                sys.stdout.write(self.printed)
        return result

    def outcome(self, event: object) -> dict[str, Any]:
        """Invoke the function, and return its only outcome."""
        (outcome,) = self(event)["outcomes"]
        return dict(outcome)

    def answer(self, event: object) -> tuple[str, str]:
        """Invoke the function, and return the outcome and the reason of its only outcome."""
        outcome = self.outcome(event)
        return outcome["outcome"], outcome["reason"]

    def deny(  # noqa: PLR0913  all but the operation have defaults
        self,
        operation: str,
        secret: str = "",
        *,
        code: str = "AccessDeniedException",
        message: str = "denied",
        after: int = 0,
        until: str = "",
    ) -> None:
        """Have Secrets Manager refuse an operation as AWS does; nothing stands for a text that fits."""
        self.denials.append(Denial(operation, secret, code, message, after, until))

    def fill(self, credentials: dict[str, str]) -> str:
        """Store credentials as their owner does, and return their version."""
        client = self.module.secrets_manager
        before = client.describe_secret(SecretId=CREDENTIALS_SECRET).get("VersionIdsToStages", {})
        answer = client.put_secret_value(SecretId=CREDENTIALS_SECRET, SecretString=json.dumps(credentials))
        for version, stages in before.items():  # AWS leaves the label where it is; moto removes it
            if "REJECTED" in stages:
                label = {"VersionStage": "REJECTED", "MoveToVersionId": version}
                client.update_secret_version_stage(SecretId=CREDENTIALS_SECRET, **label)
        return str(answer["VersionId"])

    def rejected(self) -> str | None:
        """Return the version of the credentials that has the label REJECTED."""
        described = self.module.secrets_manager.describe_secret(SecretId=CREDENTIALS_SECRET)
        stages = described.get("VersionIdsToStages", {})
        return next((version for version, labels in stages.items() if "REJECTED" in labels), None)

    def age(self, by: timedelta, client: str = CLIENT_ID) -> str:
        """Have what is published issued so much earlier than it was, and return its new version."""
        return self.put(json.dumps(issued_earlier(self.published(client), by)), client)

    def put(self, text: str, client: str = CLIENT_ID) -> str:
        """Write a token secret."""
        secret = f"{ACCOUNT}/tokens/{client}"
        return str(self.module.secrets_manager.put_secret_value(SecretId=secret, SecretString=text)["VersionId"])

    def version(self, client: str = CLIENT_ID) -> str:
        """Return the version that an application reads, or a made-up one if there is none."""
        return str(self._records(client).default_version_id or "made-up")

    def published(self, client: str = CLIENT_ID) -> dict[str, Any]:
        """Read a token secret as an application does."""
        secret = self._records(client)
        document: dict[str, Any] = json.loads(secret.versions[secret.default_version_id]["secret_string"])
        return document

    def _records(self, client: str) -> Any:  # noqa: ANN401  moto's own
        """Return moto's records of a token secret: an application in a test reads often, and calls take time."""
        return _secrets()[f"{ACCOUNT}/tokens/{client}"]

    def _watch(self, model: Any, params: dict[str, Any], **_: object) -> tuple[Any, dict[str, Any]] | None:  # noqa: ANN401  botocore's model
        """Note a call before it is made; raise what denies it, or return what answers it."""
        if not self._is_running:
            return None
        arguments = json.loads(params["body"])
        name = arguments.get("SecretId", arguments.get("Name"))
        self.asked.append((model.name, name))
        self.denials = [each for each in self.denials if each.until != model.name]
        for denial in self.denials:
            if denial.operation == model.name and denial.secret in name:
                denial.after -= 1
                if denial.after < 0:
                    raise ClientError({"Error": {"Code": denial.code, "Message": denial.message}}, model.name)
        answer = _read(model.name, name, arguments.get("VersionId")) if self.reads_directly else None
        return (SimpleNamespace(status_code=200), answer) if answer else None


def _secrets() -> Any:  # noqa: ANN401  moto's own
    return get_backend("secretsmanager")["123456789012"]["eu-west-1"].secrets


def _read(operation: str, name: str, version_id: str | None) -> dict[str, Any] | None:
    """Return what a read of a secret answers, None for what moto has to answer itself."""
    secret = _secrets().get(name)
    version = secret.versions.get(version_id or secret.default_version_id) if secret else None
    if version and operation == "DescribeSecret":
        return {"VersionIdsToStages": {each: list(of["version_stages"]) for each, of in secret.versions.items()}}
    if version and operation == "GetSecretValue":
        return {"VersionId": version["version_id"], "SecretString": version["secret_string"]}
    return None


@contextmanager
def pytest_keeps_its_timer() -> Iterator[None]:
    """Give pytest-timeout back the signal that the function takes for itself."""
    handler, (seconds, _) = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, seconds)


@cache
def _session() -> boto3.Session:
    """Keep botocore's models, whose loading takes most of a cold start."""
    return boto3.Session()


@contextmanager
def cold_start(url: str, environment: pytest.MonkeyPatch, **variables: str) -> Iterator[Rotator]:
    """Start the function cold with these hosts, on an account with an empty credentials secret alone."""
    for name, value in (VARIABLES | {"AUTH_URL": url, "API_URL": url} | variables).items():
        environment.setenv(name, value)
    with mock_aws():
        environment.setattr(boto3, "DEFAULT_SESSION", _session())
        environment.delitem(sys.modules, "mx_token_rotator.handler", raising=False)
        environment.delitem(logging.Logger.manager.loggerDict, "mx-token-rotator", raising=False)
        started = Rotator(importlib.import_module("mx_token_rotator.handler"))
        started.module.secrets_manager.create_secret(Name=CREDENTIALS_SECRET)
        started.module.secrets_manager.meta.events.register("before-call.secretsmanager", started._watch)  # noqa: SLF001  its own
        yield started
        started.module.secrets_manager.close()


@dataclass(frozen=True)
class Ran:
    """An invocation by the queue, and what came of it."""

    at: datetime
    message: dict[str, str]
    outcomes: list[dict[str, Any]]
    printed: str

    def metrics(self) -> dict[str, float]:
        """Return the values of the metrics that the invocation emitted."""
        return {name: value for (name, _), (value, _) in metrics(self.printed).items()}


@dataclass
class Queue:
    """An SQS FIFO queue with one message group, which delivers one message at a time."""

    clock: Clock
    deduplicates: bool = True
    waiting: list[tuple[datetime, str]] = field(default_factory=list)
    accepted: dict[str, datetime] = field(default_factory=dict)

    def send(self, message: dict[str, str]) -> None:
        """Accept a message, unless an equal one was accepted within five minutes."""
        body, now = json.dumps(message), self.clock.now
        if self.deduplicates and now - self.accepted.get(body, now - DEDUPLICATION) < DEDUPLICATION:
            return
        self.accepted[body] = now
        self.waiting.append((now, body))

    def messages(self) -> Iterator[str]:
        """Deliver each message that is not too old."""
        while self.waiting:
            sent_at, body = self.waiting.pop(0)
            if self.clock.now - sent_at < RETENTION:
                yield body


@dataclass
class Deployment:
    """The function with its queue, its schedule and its rules, and a movieXchange account, on one virtual clock."""

    rotator: Rotator
    clock: Clock
    mx: MovieXchange
    queue: Queue
    runs: list[Ran] = field(default_factory=list)

    def fill(self, **changes: str) -> str:
        """Store credentials; the rule on their secret starts a run."""
        version = self.rotator.fill(CREDENTIALS | changes)
        self.queue.send({"credentials_changed": version})
        self.deliver()
        return version

    def report(self, version_id: str, client: str = CLIENT_ID) -> None:
        """Report a version as an application does; the rule sends it to the queue."""
        self.queue.send({"rejected_version": version_id, "reported": f"{ACCOUNT}/tokens/{client}"})

    def schedule(self) -> list[dict[str, Any]]:
        """Start a scheduled run, and return its outcomes."""
        self.queue.send({"scheduled": f"{self.clock.now:%Y-%m-%dT%H:%M:%SZ}"})
        self.deliver()
        return self.runs[-1].outcomes

    def deliver(self) -> None:
        """Run the function once for each message of the queue."""
        for body in self.queue.messages():
            at, result = self.clock.now, self.rotator(queue_event(body))
            self.runs.append(Ran(at, json.loads(body), result["outcomes"], self.rotator.printed))

    def run_for(self, duration: timedelta, *, each_minute: Callable[[], object] = lambda: None) -> None:
        """Let time pass: minute by minute what applications do, and a scheduled run at each quarter of an hour."""
        self.rotator.reads_directly = True
        minute, end = self.clock.now.replace(second=0, microsecond=0), self.clock.now + duration
        while (minute := minute + timedelta(minutes=1)) <= end:
            self.clock.now = max(self.clock.now, minute)
            each_minute()
            if minute.minute % 15 == 0:
                self.queue.send({"scheduled": f"{minute:%Y-%m-%dT%H:%M:%SZ}"})
            self.deliver()
        self.rotator.reads_directly = False


def queue_event(body: str, *, deliveries: int = 1) -> dict[str, Any]:
    """Make the event of Lambda's event source mapping for one message."""
    attributes = {"ApproximateReceiveCount": str(deliveries), "MessageGroupId": "all"}
    return {"Records": [{"messageId": "1", "eventSource": "aws:sqs", "body": body, "attributes": attributes}]}


@contextmanager
def deploy(environment: pytest.MonkeyPatch, **variables: str) -> Iterator[Deployment]:
    """Start the function cold on a virtual clock, with the stack's defaults and some variables changed."""
    with cold_start("none", environment, **variables) as rotator:
        clock = Clock()
        mx = MovieXchange(clock)
        rotator.is_silent = True
        environment.setattr(rotator.module, "utc_now", clock)
        environment.setattr(rotator.module, "time", clock)
        environment.setattr(rotator.module, "send", mx.send)
        yield Deployment(rotator, clock, mx, Queue(clock))


def metrics(printed: str) -> dict[tuple[str, str], tuple[float, str]]:
    """Read metrics out of what the function printed: the value and unit under each name and set of dimensions."""
    found = {}
    for document in (json.loads(line) for line in printed.splitlines() if '"CloudWatchMetrics"' in line):
        (directive,) = document["_aws"]["CloudWatchMetrics"]
        (names,) = directive["Dimensions"]
        (metric,) = directive["Metrics"]
        (value,) = document[metric["Name"]]
        dimensions = ", ".join(f"{name}={document[name]}" for name in sorted(names))
        found[metric["Name"], dimensions] = (value, metric["Unit"])
    return found


def logged(printed: str) -> list[dict[str, Any]]:
    """Read log lines out of what the function printed."""
    return [document for line in printed.splitlines() if "_aws" not in (document := json.loads(line))]
