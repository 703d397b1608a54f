"""A deployed stack: its function and its secrets' labels. No secret's value is read: only the function reads them."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import Any

import boto3
import click
from botocore.config import Config
from botocore.exceptions import ClientError

ONE_ATTEMPT = Config(read_timeout=70, retries={"total_max_attempts": 1})  # a run takes up to 60 s; a repetition logs in
PAUSE, LOOKS = 2.0, 30  # seconds between two looks at what takes a while, and looks
OUTCOMES = '{ $.outcome = "refreshed" || $.outcome = "kept" || $.outcome = "failed" }'
SHOWN = 4  # names in a message; the others are counted
MISSING = re.compile("NotFound|NonExistent|ValidationError")  # the last is CloudFormation's for a stack
YOURS = re.compile("ExpiredToken|InvalidClientTokenId|UnrecognizedClient")  # of whoever runs the tool
Answer = Mapping[str, Any]
Outcome = Answer


class RotatorFailed(click.ClickException):
    """Something is wrong; the message says what, and perhaps who must act and how."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        """Take what is wrong, and what to do."""
        super().__init__(f"{problem}\nWhat to do: {remedy}" if remedy else problem)


def listed(names: Sequence[str], between: str = ", ") -> str:
    """Return names for a message, which stays short however many there are."""
    more = len(names) - SHOWN
    return between.join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def client_names(client_ids: str) -> list[str]:
    """Return the names in a value of the parameter ClientIds."""
    return [entry.partition(":")[0].strip() for entry in client_ids.split(",") if entry.strip()]


def wait_until(is_so: Callable[[], bool], sleep: Callable[[float], None]) -> bool:
    """Wait up to a minute until something is so, and return whether it is."""
    for _ in range(LOOKS):
        if is_so():
            return True
        sleep(PAUSE)
    return False


@dataclass(frozen=True)
class DeployedStack:
    """A stack, whose function has its name. Its members raise RotatorFailed, and exceptions of botocore's."""

    session: boto3.Session
    name: str

    @cached_property
    def client(self) -> Callable[..., Any]:
        """Make a client of a service, once."""
        return cache(self.session.client)

    def call(self, service: str, operation: str, *, or_none: bool = False, **arguments: Any) -> Any:  # noqa: ANN401  boto3's
        """Call an operation, and return all of its answer, perhaps None. A refusal has the permission as its note."""
        client = self.client(service, config=ONE_ATTEMPT if operation == "invoke" else None)
        try:
            if client.can_paginate(operation):
                return client.get_paginator(operation).paginate(**arguments).build_full_result()
            return getattr(client, operation)(**arguments)
        except ClientError as error:
            if or_none and MISSING.search(error.response["Error"]["Code"]):
                return None
            error.add_note(f"{service}:{error.operation_name}{'Function' if operation == 'invoke' else ''}")
            raise

    @cached_property
    def function(self) -> Mapping[str, Any]:
        """The configuration of the function, which has the stack's name."""
        return dict(self.call("lambda", "get_function_configuration", FunctionName=self.name))

    @property
    def variables(self) -> Mapping[str, str]:
        """The function's environment variables, none of which is secret."""
        variables: Mapping[str, str] = self.function.get("Environment", {}).get("Variables", {})
        if "ACCOUNT" not in variables:
            wrong = f"The function {self.name} is not a token rotator's, or you may not decrypt its variables."
            raise RotatorFailed(wrong, "name the stack with --stack.")
        return variables

    @property
    def account(self) -> str:
        """SecretPrefix/Environment, the first part of every secret's name."""
        return self.variables["ACCOUNT"]

    @property
    def credentials_secret(self) -> str:
        """The name of the secret with the user name and password."""
        return f"{self.account}/credentials"

    @property
    def names(self) -> list[str]:
        """The names of the stack's client IDs, in the order of its parameter ClientIds."""
        return client_names(self.variables["CLIENT_IDS"])

    def require(self, *names: str | bool | None) -> None:
        """Raise RotatorFailed if one of these is not a client ID's name."""
        if unknown := [str(name) for name in names if name and name not in self.names]:
            raise RotatorFailed(f"{', '.join(unknown)}: the names of the client IDs are {', '.join(self.names)}.")

    @cached_property
    def resources(self) -> dict[str, str]:
        """The physical id of each resource by its logical id."""
        summaries = self.call("cloudformation", "list_stack_resources", StackName=self.name)["StackResourceSummaries"]
        found = {each["LogicalResourceId"]: each.get("PhysicalResourceId", "") for each in summaries}
        if "QueueMapping" not in found:
            raise RotatorFailed(f"The stack {self.name} is not a token rotator's.", "name it with --stack.")
        return found

    def described(self, kind: str) -> dict[str, str]:
        """Return what the stack has of a kind: Output or Parameter."""
        (found,) = self.call("cloudformation", "describe_stacks", StackName=self.name)["Stacks"]
        return {each[f"{kind}Key"]: each[f"{kind}Value"] for each in found.get(f"{kind}s", [])}

    def rotators(self, account: str) -> dict[str, Mapping[str, str]]:
        """Return the variables of each function that has this account's secrets in the same AWS account and Region."""
        functions = self.call("lambda", "list_functions")["Functions"]
        found = {each["FunctionName"]: each.get("Environment", {}).get("Variables", {}) for each in functions}
        return {name: each for name, each in found.items() if each.get("ACCOUNT") == account}

    def secret(self, name: str) -> Answer | None:
        """Return what Secrets Manager says of a secret, None if there is none."""
        found: Answer | None = self.call("secretsmanager", "describe_secret", or_none=True, SecretId=name)
        if found and "DeletedDate" in found:
            keep = f"aws secretsmanager restore-secret --secret-id {name}"
            raise RotatorFailed(f"The secret {name} is marked for deletion.", keep)
        return found

    def labels(self, secret: str) -> dict[str, str]:
        """Return the version that has each label; none where the secret is empty, or was not created yet."""
        versions = (self.secret(secret) or {}).get("VersionIdsToStages", {})
        return {label: version for version, labels in versions.items() for label in labels}

    def token_labels(self) -> dict[str, dict[str, str]]:
        """Return the labels of each token secret by the name of its client ID."""
        return {name: self.labels(f"{self.account}/tokens/{name}") for name in self.names}

    def invoke(self, **request: str | bool) -> list[Outcome]:
        """Invoke the function, and return the outcomes, none of which is a failure."""
        self.require(request.get("client_id"))
        answer = self.call("lambda", "invoke", FunctionName=self.name, Payload=json.dumps(request))
        document = json.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            what = document.get("errorMessage", "no message")
            raise RotatorFailed(f"The function {self.name} did not finish: {what}", "look at its log.")
        outcomes: list[Outcome] = document["outcomes"]
        names: dict[str, list[str]] = {}
        for each in outcomes:
            if each["outcome"] == "failed":
                text = f"{each['error']}\nWho must act: {each['who']}\nWhat to do: {each['remedy']}"
                names.setdefault(text, []).append(each["client_id"] or self.name)
        if names:
            raise RotatorFailed("\n".join(f"{listed(those)}: {text}" for text, those in names.items()))
        return outcomes

    def log(self, since: datetime) -> list[Outcome]:
        """Return the outcomes from the log, oldest first, each with the time of its line."""
        chosen: dict[str, Any] = {"filterPattern": OUTCOMES, "startTime": int(since.timestamp() * 1000)}
        events = self.call("logs", "filter_log_events", logGroupName=f"/aws/lambda/{self.name}", **chosen)["events"]
        own = [each for each in events if '"outcome":' in each["message"]]  # MiniStack ignores the pattern
        times = [datetime.fromtimestamp(each["timestamp"] // 1000, UTC).isoformat() for each in own]
        return [json.loads(each["message"]) | {"logged_at": time} for each, time in zip(own, times, strict=True)]

    def mapping_state(self) -> str:
        """Return the state of what starts the function from the queue, such as Enabled or Disabled."""
        return str(self.call("lambda", "get_event_source_mapping", UUID=self.resources["QueueMapping"])["State"])

    def switch(self, state: str, sleep: Callable[[float], None]) -> None:
        """Have the function started from the queue, or no longer: `state` is Enabled or Disabled."""
        mapping = self.resources["QueueMapping"]
        self.call("lambda", "update_event_source_mapping", UUID=mapping, Enabled=state == "Enabled")
        if not wait_until(lambda: self.mapping_state() == state, sleep):
            raise RotatorFailed(f"The event source mapping {mapping} is not {state} yet.", "look at status later.")
