"""An AWS account for the operator's tool: moto's Secrets Manager, and a function that answers what the test says."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import boto3

from mx_token_rotator_operator import credentials
from mx_token_rotator_operator.stack import DeployedStack

ACCOUNT = "moviexchange/staging"
CREDENTIALS = f"{ACCOUNT}/credentials"
NAMES = ["_Website", "Web"]
VARIABLES = {"ACCOUNT": ACCOUNT, "CLIENT_IDS": "_Website, Web:Foo Tickets (Web),", "KMS_KEY_ARN": "none"}
MAPPING = "12345678-1234-1234-1234-123456789012"

Outcomes = list[dict[str, Any]]


def kept(reason: str) -> Outcomes:
    """Return the outcomes of a check that replaced nothing."""
    return [{"client_id": name, "outcome": "kept", "reason": reason} for name in NAMES]


def failed(*names: str | None, error: str = "the password is wrong") -> Outcomes:
    """Return the outcomes of a check that failed."""
    words = {"error": error, "who": "its owner", "remedy": "Put the right one."}
    return [{"client_id": name, "outcome": "failed", "reason": "CredentialsRejected", **words} for name in names]


@dataclass
class Account:
    """An account in which the function's answers are made up."""

    session: boto3.Session
    answers: Callable[[dict[str, Any]], Outcomes] = lambda _: kept("fresh")
    variables: dict[str, str] = field(default_factory=lambda: dict(VARIABLES))
    others: list[dict[str, str]] = field(default_factory=list)
    """The variables of other functions."""
    logical_id: str = "QueueMapping"
    """Of the stack's only resource."""
    mapping: list[str] = field(default_factory=lambda: ["Enabled"])
    """The states of the event source mapping, one for each look; the last one stays."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """What a command reported on its way."""
    pauses: int = 0
    crash: str = ""
    """What Lambda says of a function that does not finish."""

    def __post_init__(self) -> None:
        """Answer for the services that moto does not emulate here."""
        for service in ("lambda", "cloudformation"):
            self.session.events.register(f"before-call.{service}", self.answer)  # type: ignore[arg-type]  # it may answer

    @property
    def secrets(self) -> Any:  # noqa: ANN401  boto3 makes its clients at run time
        """A client of Secrets Manager."""
        return self.session.client("secretsmanager")

    @property
    def stack(self) -> DeployedStack:
        """The stack as the tool sees it."""
        return DeployedStack(self.session, "mx-token-rotator")

    def answer(self, model: Any, params: Any, **_: object) -> tuple[object, dict[str, Any]]:  # noqa: ANN401  botocore's
        """Answer a call of Lambda or CloudFormation in its place."""
        arn = "arn:aws:lambda:eu-west-1:123456789012:function:mx-token-rotator"
        functions = [
            {"FunctionName": f"function-{place}", "Environment": {"Variables": each}}
            for place, each in enumerate((self.variables, *self.others))
        ]
        bodies: dict[str, dict[str, Any]] = {
            "GetFunctionConfiguration": {"FunctionArn": arn, **functions[0]},
            "ListFunctions": {"Functions": [*functions, {"FunctionName": "another"}]},
            "UpdateEventSourceMapping": {},
            "ListStackResources": {
                "StackResourceSummaries": [{"LogicalResourceId": self.logical_id, "PhysicalResourceId": MAPPING}]
            },
        }
        if model.name == "Invoke":
            self.requests.append(json.loads(params["body"]))
            document = {"errorMessage": self.crash} if self.crash else {"outcomes": self.answers(self.requests[-1])}
            error = {"FunctionError": "Unhandled"} if self.crash else {}
            bodies["Invoke"] = error | {"Payload": BytesIO(json.dumps(document).encode())}
        if model.name == "GetEventSourceMapping":
            bodies[model.name] = {"State": self.mapping.pop(0) if len(self.mapping) > 1 else self.mapping[0]}
        return SimpleNamespace(status_code=200), bodies[model.name]

    def labels(self) -> dict[str, list[str]]:
        """Return the labels of each version of the credentials that has any; moto keeps the others, too."""
        versions = self.secrets.describe_secret(SecretId=CREDENTIALS).get("VersionIdsToStages", {})
        return {version: sorted(labels) for version, labels in versions.items() if labels}

    def current(self) -> str:
        """Return the version of the credentials that is current."""
        return next(version for version, labels in self.labels().items() if "AWSCURRENT" in labels)

    def reject(self, version: str) -> None:
        """Label a version of the credentials as rejected, as the function does."""
        self.secrets.update_secret_version_stage(SecretId=CREDENTIALS, VersionStage="REJECTED", MoveToVersionId=version)

    def publish(self) -> None:
        """Publish another token for each client ID, as the function does."""
        for name in NAMES:
            secret = f"{ACCOUNT}/tokens/{name}"
            with suppress(self.secrets.exceptions.ResourceExistsException):
                self.secrets.create_secret(Name=secret)
            self.secrets.put_secret_value(SecretId=secret, SecretString=json.dumps({"at": str(datetime.now())}))  # noqa: DTZ005  any other text

    def pause(self, _: float) -> None:
        """Count a pause, in place of waiting."""
        self.pauses += 1

    def replace_credentials(self) -> None:
        """Replace the credentials as `set-credentials` does, without waiting."""
        credentials.replace(self.stack, "{}", self.said.append, self.pause)
