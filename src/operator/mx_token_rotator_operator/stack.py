"""A deployed stack: its function and its secrets' labels. No secret's value is read: only the function reads them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config

ONE_ATTEMPT = Config(read_timeout=70, retries={"total_max_attempts": 1})  # a run takes up to 60 s; a repetition logs in
PAUSE, LOOKS = 2.0, 30  # seconds between two looks at what takes a while, and looks
SHOWN = 3  # names in a message; the others are counted
Outcome = Mapping[str, Any]


class RotatorFailed(Exception):  # noqa: N818  the name says what happened
    """Something is wrong; the message says what, and perhaps who must act and how."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        """Take what is wrong, and what to do."""
        super().__init__(f"{problem}\nWhat to do: {remedy}" if remedy else problem)


def failure(outcome: Outcome) -> str:
    """Return a failed outcome in words."""
    return f"{outcome['error']}\nWho must act: {outcome['who']}\nWhat to do: {outcome['remedy']}"


def listed(names: Sequence[str]) -> str:
    """Return names for a message, which stays short however many there are."""
    more = len(names) - SHOWN
    return f"{', '.join(names[:SHOWN])} and {more} more" if more > 0 else ", ".join(names)


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
    def function(self) -> Mapping[str, Any]:
        """The configuration of the function, which has the stack's name."""
        return self.session.client("lambda").get_function_configuration(FunctionName=self.name)

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

    @cached_property
    def resources(self) -> dict[str, str]:
        """The physical id of each resource by its logical id."""
        pages = self.session.client("cloudformation").get_paginator("list_stack_resources")
        summaries = [each for page in pages.paginate(StackName=self.name) for each in page["StackResourceSummaries"]]
        found = {each["LogicalResourceId"]: each.get("PhysicalResourceId", "") for each in summaries}
        if "QueueMapping" not in found:
            raise RotatorFailed(f"The stack {self.name} is not a token rotator's.", "name it with --stack.")
        return found

    @cached_property
    def _description(self) -> Mapping[str, Any]:
        return self.session.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"][0]

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The stack's parameters."""
        return {each["ParameterKey"]: each["ParameterValue"] for each in self._description.get("Parameters", [])}

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs."""
        return {each["OutputKey"]: each["OutputValue"] for each in self._description.get("Outputs", [])}

    @cached_property
    def secrets_manager(self) -> Any:  # noqa: ANN401  boto3 makes its clients at run time
        """A client of Secrets Manager."""
        return self.session.client("secretsmanager")

    def labels(self, secret: str) -> dict[str, str]:
        """Return the version that has each label; none where the secret is empty, or was not created yet."""
        client = self.secrets_manager
        try:
            versions = client.describe_secret(SecretId=secret).get("VersionIdsToStages", {})
        except client.exceptions.ResourceNotFoundException:
            return {}
        return {label: version for version, labels in versions.items() for label in labels}

    def token_labels(self) -> dict[str, dict[str, str]]:
        """Return the labels of each token secret by the name of its client ID."""
        return {name: self.labels(f"{self.account}/tokens/{name}") for name in self.names}

    def invoke(self, **request: str | bool) -> list[Outcome]:
        """Invoke the function, and return the outcomes, none of which is a failure."""
        client = self.session.client("lambda", config=ONE_ATTEMPT)
        answer = client.invoke(FunctionName=self.name, Payload=json.dumps(request))
        document = json.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            what = document.get("errorMessage", "no message")
            raise RotatorFailed(f"The function {self.name} did not finish: {what}", "look at its log.")
        outcomes: list[Outcome] = document["outcomes"]
        names: dict[str, list[str]] = {}
        for each in outcomes:
            if each["outcome"] == "failed":
                names.setdefault(failure(each), []).append(each["client_id"] or self.name)
        if names:
            raise RotatorFailed("\n".join(f"{listed(those)}: {text}" for text, those in names.items()))
        return outcomes

    def mapping_state(self) -> str:
        """Return the state of what starts the function from the queue, such as Enabled or Disabled."""
        client = self.session.client("lambda")
        return client.get_event_source_mapping(UUID=self.resources["QueueMapping"])["State"]

    def switch(self, state: str, sleep: Callable[[float], None]) -> None:
        """Have the function started from the queue, or no longer: `state` is Enabled or Disabled."""
        mapping = self.resources["QueueMapping"]
        self.session.client("lambda").update_event_source_mapping(UUID=mapping, Enabled=state == "Enabled")
        if not wait_until(lambda: self.mapping_state() == state, sleep):
            raise RotatorFailed(f"The event source mapping {mapping} is not {state} yet.", "look at status later.")
