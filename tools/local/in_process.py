"""The function in this process, for one account: the real handler, whose Secrets Manager is behind a proxy that fails.

Its clock is virtual, so that nobody waits; its HTTP, and botocore's retries and time-outs, are real.
"""

import importlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import StringIO
from itertools import count
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
import botocore.endpoint

from tools.local.aws import KEY, REGION
from tools.local.faults import status
from tools.local.lambda_runtime import Context, reserved_port
from tools.local.mx import CHAINS_PATH, MovieXchangeStandIn
from tools.local.secrets_proxy import AMAZON_JSON, Call, SecretsProxy, Wire, instead, secrets_proxy, untroubled
from tools.local.stack import DEFAULT_VARIABLES, UPDATER, WEBSITE

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

NAMES = (WEBSITE, UPDATER)
CHECK_EVERY = timedelta(minutes=15)
BEGIN = datetime(2026, 1, 1, 0, 15, tzinfo=UTC)  # a quarter of an hour after the slot of a scheduled retry
VARIABLES = DEFAULT_VARIABLES | {
    "AWS_ACCESS_KEY_ID": KEY,
    "AWS_SECRET_ACCESS_KEY": KEY,
    "AWS_DEFAULT_REGION": REGION,
    "CLIENT_IDS": ",".join(NAMES),
}
GET_TOKEN, GET_CREDENTIALS = "GetSecretValue of a token", "GetSecretValue of the credentials"
DESCRIBE, CREATE, CHANGE_KEY = "DescribeSecret of the credentials", "CreateSecret of a token", "UpdateSecret of a token"
TRY_TO_WRITE, PUBLISH = "PutSecretValue of the value that is there", "PutSecretValue of a new token"
LABEL, UNLABEL = "UpdateSecretVersionStage, adding REJECTED", "UpdateSecretVersionStage, removing REJECTED"
KMS_DENIES = json.dumps({"__type": "AccessDeniedException", "Message": "Access to KMS is not allowed"}).encode()


@dataclass(frozen=True)
class Trouble:
    """What a request meets with on the wire, which may be that no answer comes, or that nobody listens."""

    wire: Wire
    patience: float | None = None
    """Seconds that the client waits for an answer that never comes, instead of its own ten."""
    is_refused: bool = False


@dataclass
class Plan:
    """The requests that meet with a trouble: so many of one kind of call."""

    kind: str = ""
    trouble: Trouble = field(default_factory=lambda: Trouble(untroubled))
    left: int = 0
    met: int = 0

    def spend(self) -> Wire:
        """Have one more request meet with it."""
        self.left, self.met = self.left - 1, self.met + 1
        return self.trouble.wire


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What came of one check of all client IDs."""

    reasons: tuple[str, ...]
    """What it said, without repetition: an outcome with its reason, or an error."""
    log_ins: int
    lost_log_ins: int
    """Log-ins whose token nobody can read."""
    requests: int
    """Requests to Secrets Manager, those that were refused included."""
    application_got: tuple[str, ...]
    """The statuses of the API for the published tokens, without repetition; `nothing` where none is published."""
    needs_person: bool
    """Whether it counted as ActionRequired."""
    printed: str = field(repr=False)
    """What it printed and returned."""


@dataclass
class Account:
    """A movieXchange account with its secrets, and the function that serves it."""

    name: str
    module: ModuleType
    proxy: SecretsProxy
    mx: MovieXchangeStandIn
    nobody: str
    """An address at which nobody listens."""
    person: "SecretsManagerClient"
    plan: Plan = field(default_factory=Plan)
    now: datetime = BEGIN
    denies_kms: bool = False
    """Whether reading the tokens is denied by their KMS key, until their secrets get another one."""
    _published: dict[str, str] = field(default_factory=dict)
    """The versions that were published when the last check began."""

    # What people and applications do

    def fill(self, **changes: str) -> str:
        """Store credentials, and return their version."""
        value = json.dumps(self.mx.credentials(**changes))
        return self.person.put_secret_value(SecretId=f"{self.name}/credentials", SecretString=value)["VersionId"]

    def is_rejected(self) -> bool:
        """Return whether a version of the credentials has the label REJECTED."""
        stages = self.proxy.ask("DescribeSecret", f"{self.name}/credentials").document.get("VersionIdsToStages", {})
        return any("REJECTED" in labels for labels in stages.values())

    def versions(self) -> dict[str, str]:
        """Return the published version under each name, or an empty text."""
        return {name: str(self._token(name).get("VersionId", "")) for name in NAMES}

    def call_api(self, name: str) -> str:
        """Call the API as an application does, and return the status."""
        text = self._token(name).get("SecretString")
        if not text:
            return "nothing"
        token = json.loads(text)
        headers = {"Authorization": f"Bearer {token['access_token']}", "MX-Api-Client-Secret": token["client_secret"]}
        try:
            with urlopen(Request(self.mx.url + CHAINS_PATH, headers=headers), timeout=30) as answer:  # noqa: S310  the stand-in's address
                return str(answer.status)
        except HTTPError as refusal:
            with refusal:
                return str(refusal.code)

    def written(self) -> set[str]:
        """Return every version of a token secret that was written."""
        return {
            answer.document["VersionId"]
            for call, answer in self.proxy.performed
            if call.operation == "PutSecretValue" and self._is_token(call) and answer.status == 200  # noqa: PLR2004
        }

    def _token(self, name: str) -> dict[str, Any]:
        return self.proxy.ask("GetSecretValue", f"{self.name}/tokens/{name}").document

    def _is_token(self, call: Call) -> bool:
        return call.secret.startswith(f"{self.name}/tokens/")

    # What the function does

    def check(self) -> Checked:
        """Let the time until the next scheduled run pass, and run."""
        self.now += CHECK_EVERY
        return self.invoke({"scheduled": self.now.isoformat()})

    def invoke(self, message: dict[str, str]) -> Checked:
        """Have the queue deliver a message to the function, after a cold start of its client."""
        log_ins, asked, met, written = self.mx.log_ins(), len(self.proxy.asked), self.plan.met, self.written()
        self._published, output = self.versions(), StringIO()
        self.module.logger.logger_handler.stream = output
        client = boto3.client("secretsmanager", endpoint_url=self.proxy.url, config=self.module.limits)
        client.meta.events.register("before-send.secrets-manager", self._before_send)
        record = {"body": json.dumps(message), "attributes": {"ApproximateReceiveCount": "1"}}
        with (
            patch.object(self.module, "secrets_manager", client),
            patch.object(self.module, "utc_now", lambda: self.now),
            patch.dict(os.environ, {"ACCOUNT": self.name}),
            redirect_stdout(output),
        ):
            outcomes = self.module.handler({"Records": [record]}, Context())["outcomes"]
        client.close()
        log_ins = self.mx.log_ins() - log_ins
        refused = (self.plan.met - met) * self.plan.trouble.is_refused
        return Checked(
            reasons=tuple(sorted({reason_of(each) for each in outcomes})),
            log_ins=log_ins,
            lost_log_ins=log_ins - len(self.written() - written),
            requests=len(self.proxy.asked) - asked + refused,
            application_got=tuple(sorted({self.call_api(name) for name in NAMES})),
            needs_person='"ActionRequired"' in output.getvalue(),
            printed=output.getvalue() + json.dumps(outcomes),
        )

    # What goes wrong

    def choose(self, call: Call) -> Wire:
        """Say what becomes of a request that has arrived."""
        if self._is_planned(call):
            return self.plan.spend()
        moved = {each.secret for each, _ in self.proxy.performed if each.operation == "UpdateSecret"}
        if self.denies_kms and call.operation == "GetSecretValue" and self._is_token(call) and call.secret not in moved:
            return instead(status(400, KMS_DENIES, AMAZON_JSON))
        return untroubled

    def _before_send(self, request: Any, **_: object) -> None:  # noqa: ANN401  botocore's AWSPreparedRequest, whose types lag
        """Prepare what only the client's side can meet with; botocore emits this before each of its tries."""
        is_planned = self._is_planned(Call.parse(request.headers["X-Amz-Target"].decode(), request.body))
        patience = self.plan.trouble.patience if is_planned else None
        request.context["read_timeout"] = patience or self.module.limits.read_timeout
        if is_planned and self.plan.trouble.is_refused:
            self.plan.spend()
            request.url = self.nobody

    def _is_planned(self, call: Call) -> bool:
        return self.plan.left > 0 and self.plan.kind == kind_of(call, self._published.values())


def reason_of(outcome: dict[str, Any]) -> str:
    """Return an error's name, or an outcome with its reason."""
    return outcome["reason"] if outcome["outcome"] == "failed" else f"{outcome['outcome']}: {outcome['reason']}"


def kind_of(call: Call, published: Iterable[str]) -> str:
    """Name a call of the function by what it is for."""
    match call.operation:
        case "GetSecretValue" | "DescribeSecret":
            return f"{call.operation} of {'the credentials' if call.secret.endswith('/credentials') else 'a token'}"
        case "PutSecretValue":
            return TRY_TO_WRITE if call.arguments["ClientRequestToken"] in published else PUBLISH
        case "UpdateSecretVersionStage":
            return LABEL if "MoveToVersionId" in call.arguments else UNLABEL
    return f"{call.operation} of a token"


def no_sleep(_seconds: float) -> None:
    """Return at once."""


@contextmanager
def accounts() -> Iterator[Callable[[], Account]]:
    """Load the function, and give what makes an account for it; each has an empty credentials secret alone.

    movieXchange ends the older tokens of a client ID at each log-in, which is the worst that it could do.
    """
    with ExitStack() as ends:
        mx = ends.enter_context(MovieXchangeStandIn())
        mx.revokes_older_tokens = True
        proxy = ends.enter_context(secrets_proxy())
        nobody = f"http://127.0.0.1:{ends.enter_context(reserved_port())}/"
        ends.enter_context(patch.dict(os.environ, VARIABLES | {"AUTH_URL": mx.url, "API_URL": mx.url}))
        module = importlib.import_module("mx_token_rotator.handler")
        ends.enter_context(patch.object(module, "time", SimpleNamespace(sleep=no_sleep, monotonic=time.monotonic)))
        ends.enter_context(patch.object(botocore.endpoint, "time", SimpleNamespace(sleep=no_sleep)))
        person = boto3.client("secretsmanager", endpoint_url=proxy.url)
        ends.callback(person.close)
        numbers = count(1)

        def account() -> Account:
            made = Account(f"faults-{next(numbers)}/staging", module, proxy, mx, nobody, person)
            proxy.choose = made.choose
            person.create_secret(Name=f"{made.name}/credentials")
            return made

        yield account
