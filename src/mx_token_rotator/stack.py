"""A deployed stack, as its operator looks at it and acts on it; not shipped to Lambda.

No secret's value is read: the function's log tells what is published, and the function itself uses the credentials.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config

from mx_token_rotator.deadline import Deadline
from mx_token_rotator.settings import Settings
from mx_token_rotator.vault import credentials_secret, token_secret

OUTCOMES = '{ $.outcome = "refreshed" || $.outcome = "kept" }'
ONCE = Config(read_timeout=70, retries={"total_max_attempts": 1})  # the function ends after 60 s; another try logs in
REMEDIES = {
    "refresh grant": "The credentials do not work, and a refresh token stands in for them: put the right ones.",
    "unverified": "movieXchange's API gave no verdict on the new token: look at ApiUrl, VerifyPath and the network.",
}
Outcome = Mapping[str, Any]


class InvocationFailed(Exception):  # noqa: N818  the name says what is wrong
    """The function failed; bears what it said: the problem, who must act, and the remedy."""


def explained(outcome: Outcome) -> tuple[str, str]:
    """Say what came of a forced request, and the remedy; an empty one where nobody must act."""
    client_id, reason = outcome["client_id"], outcome["reason"]
    said = f"The token of {client_id} was {outcome['outcome']}, and ends {outcome['expires_at']}"
    if reason.startswith("dry run"):
        said = f"movieXchange gives {client_id} a token; nothing was published"
    return f"{said} ({reason}).", next((remedy for word, remedy in REMEDIES.items() if word in reason), "")


def token_status(log: Sequence[Outcome], versions: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """Tell of a token what its log tells, oldest line first; None where it does not, as of a version put by hand."""
    current = [line for line in log if line["version_id"] == versions.get("AWSCURRENT") and line["expires_at"]]
    left = (datetime.fromisoformat(current[-1]["expires_at"]) - now).total_seconds() if current else None
    replaced = next((line for line in reversed(log) if line["outcome"] == "refreshed"), {})
    return {
        "seconds_left": None if left is None else max(0, int(left)),
        "replaced_at": replaced.get("timestamp"),
        "reason": replaced.get("reason"),
        "versions": versions,
    }


@dataclass(frozen=True)
class DeployedStack:
    """A stack by its name, which its function bears, and the session to use. Every method raises botocore's errors."""

    session: boto3.Session
    name: str

    @cached_property
    def settings(self) -> Settings:
        """What the stack tells its function. Raises SettingsInvalid."""
        function = self.session.client("lambda").get_function_configuration(FunctionName=self.name)
        return Settings.parse(function.get("Environment", {}).get("Variables", {}))

    def invoke(self, **request: str | bool) -> Outcome:
        """Invoke the function, and give its outcome. Raises InvocationFailed."""
        answer = self.session.client("lambda", config=ONCE).invoke(FunctionName=self.name, Payload=json.dumps(request))
        document: dict[str, Any] = json.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            raise InvocationFailed(document["errorMessage"])
        return document

    def replace_credentials(self, text: str, deadline: Deadline, sleep: Callable[[float], None]) -> list[str]:
        """Put credentials, have each token looked at until it is another, and tell whose. Raises InvocationFailed."""
        before, secret = self._versions(), credentials_secret(self.settings.account)
        self.session.client("secretsmanager").put_secret_value(SecretId=secret, SecretString=text)
        for client_id, versions in before.items():
            while (outcome := self.invoke(client_id=client_id))["version_id"] == versions.get("AWSCURRENT"):
                if deadline.seconds_left() <= 0:
                    raise InvocationFailed(f"{client_id} still has the token that it had: {outcome['reason']}")
                sleep(2.0)
        return list(before)

    def statuses(self, now: datetime) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
        """Tell of each client ID's token, and the state of the alarms that are no client ID's alone."""
        start, group = int((now - timedelta(days=1)).timestamp() * 1000), f"/aws/lambda/{self.name}"
        logs = self.session.client("logs").get_paginator("filter_log_events")
        pages = logs.paginate(logGroupName=group, filterPattern=OUTCOMES, startTime=start)
        messages = [event["message"] for page in pages for event in page["events"]]
        log = [json.loads(each) for each in messages if '"outcome":' in each]  # MiniStack filters nothing
        tokens, alarms = {}, self._alarms()
        for client_id, versions in self._versions().items():
            token = token_status([line for line in log if line["client_id"] == client_id], versions, now)
            alarm = alarms.pop("Freshness" + "".join(filter(str.isalnum, client_id)), None)
            tokens[client_id] = token | {"alarm": alarm}
        return tokens, alarms

    def _versions(self) -> dict[str, dict[str, str]]:
        told, secrets = {}, self.session.client("secretsmanager")
        for client_id in sorted(self.settings.client_ids):
            described = secrets.describe_secret(SecretId=token_secret(self.settings.account, client_id))
            stages = described.get("VersionIdsToStages", {})
            told[client_id] = {label: version for version, labels in stages.items() for label in labels}
        return told

    def _alarms(self) -> dict[str, str]:
        stacks = self.session.client("cloudformation").get_paginator("list_stack_resources")
        resources = [each for page in stacks.paginate(StackName=self.name) for each in page["StackResourceSummaries"]]
        alarms = [each for each in resources if each["ResourceType"] == "AWS::CloudWatch::Alarm"]
        names = {each["PhysicalResourceId"]: each["LogicalResourceId"] for each in alarms}
        # No stack has more alarms than one call gives.
        told = self.session.client("cloudwatch").describe_alarms(AlarmNames=[*names], MaxRecords=100)
        return {names[each["AlarmName"]]: each["StateValue"] for each in told["MetricAlarms"]}
