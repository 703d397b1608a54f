"""Principals and resources of a deployed stack, with the policies that it gives them, and others for comparison."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from local.aws import REGION
from local.iam import Policy, Principal, Resource
from local.stack import WEBSITE, Stack

WEB = "FooTickets_Web"  # begins as the other one does
ACCOUNT = "000000000000"
ELSEWHERE = "999999999999"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"

ANYTHING: Policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
KEY_OF_THE_ACCOUNT: Policy = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "LeaveItToIam",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
    ],
}
"""A key policy that leaves it to IAM, as KMS gives one by default."""

OWN = ("credentials", f"tokens/{WEBSITE}", f"tokens/{WEB}", f"refresh-tokens/{WEBSITE}")
FOREIGN = (
    "moviexchange/production/credentials",
    f"moviexchange/production/tokens/{WEBSITE}",
    f"moviexchange/production/refresh-tokens/{WEBSITE}",
    "moviexchange/mobile/staging/credentials",
    f"moviexchange/mobile/staging/tokens/{WEBSITE}",
    "moviexchange/staging/credentials-2",
    "moviexchange/staging/credentials/2",
    f"moviexchange/staging/tokens-2/{WEBSITE}",
    f"moviexchange/staging2/tokens/{WEBSITE}",
    f"my-moviexchange/staging/tokens/{WEBSITE}",
)
"""Secrets of other environments and prefixes, and some whose names merely begin or end alike."""


@dataclass(frozen=True)
class Permissions:
    """The principals and the resources of a deployed stack, each with its policies."""

    stack: Stack

    @cached_property
    def callers(self) -> dict[str, Principal]:
        """Those who call AWS by themselves: the stack's roles, apps with a reader policy or none, another account."""
        return {
            "rotator": self._role("RotatorRole"),
            "scheduler": self._role("SchedulerRole"),
            f"reader of {WEBSITE}": self._app("website", self._reader_policy(WEBSITE)),
            f"reader of {WEB}": self._app("web", self._reader_policy(WEB)),
            "stranger": self._app("stranger"),
            "another account": Principal(arn=f"arn:aws:iam::{ELSEWHERE}:role/administrator", policies=(ANYTHING,)),
        }

    @cached_property
    def services(self) -> dict[str, Principal]:
        """Those whom AWS's own services call for."""
        rule, group = self.stack.resource("TokenRejectedFooTicketsWeb"), self.stack.name
        tokens = f"secret:{self.stack.account}/tokens"
        return {
            "a rule of this stack": _service("events", f"rule/{rule}"),
            "a rule of another stack": _service("events", f"rule/x{rule}"),
            "another account's rule": _service("events", f"rule/{rule}", ELSEWHERE),
            "a schedule of this stack": _service("scheduler", f"schedule-group/{group}"),
            "a schedule of another stack": _service("scheduler", f"schedule-group/{group}-2"),
            "another account's schedule": _service("scheduler", f"schedule-group/{group}", ELSEWHERE),
            "a rotation of a token secret": _service("secretsmanager", f"{tokens}/{WEBSITE}-AbCdEf"),
            "a rotation of another secret": _service("secretsmanager", f"{tokens}-2/{WEBSITE}-AbCdEf"),
            "another account's rotation": _service("secretsmanager", f"{tokens}/{WEBSITE}-AbCdEf", ELSEWHERE),
            "any function of this account": _service("lambda", "function:another"),
            "another account's function": _service("lambda", f"function:{group}", ELSEWHERE),
        }

    @cached_property
    def resources(self) -> dict[str, Resource]:
        """The stack's resources, and their like that are not the stack's."""
        name = self.stack.name
        made = {
            "key": Resource(arn=KEY, account=ACCOUNT, policy=KEY_OF_THE_ACCOUNT),
            "another key": Resource(
                arn=KEY.replace("1234abcd", "5678ef01"), account=ACCOUNT, policy=KEY_OF_THE_ACCOUNT
            ),
            "bus": Resource(arn=_arn("events", "event-bus/default"), account=ACCOUNT),
            "another bus": Resource(arn=_arn("events", "event-bus/orders"), account=ACCOUNT),
            "function": Resource(
                arn=_arn("lambda", f"function:{name}"), account=ACCOUNT, policy=self._function_policy()
            ),
            "another function": Resource(arn=_arn("lambda", f"function:{name}-2"), account=ACCOUNT),
            "dead letters": self._queue(),
            "log": Resource(arn=_arn("logs", f"log-group:/aws/lambda/{name}:log-stream:2026"), account=ACCOUNT),
            "another log": Resource(
                arn=_arn("logs", f"log-group:/aws/lambda/{name}-2:log-stream:2026"), account=ACCOUNT
            ),
            "rotator's role": self._assumable("RotatorRole"),
            "scheduler's role": self._assumable("SchedulerRole"),
        }
        own = {name: self._secret(f"{self.stack.account}/{name}") for name in OWN}
        foreign = {
            name: Resource(arn=_arn("secretsmanager", f"secret:{name}-AbCdEf"), account=ACCOUNT) for name in FOREIGN
        }
        return own | foreign | made

    def _role(self, logical_id: str) -> Principal:
        """Give a role with all policies that it has, whatever their names."""
        role = self.stack.client("iam").get_role(RoleName=self.stack.resource(logical_id))["Role"]
        return Principal(arn=role["Arn"], policies=tuple(self._policies(role["RoleName"])))

    def _policies(self, role: str) -> Iterator[Policy]:
        iam = self.stack.client("iam")
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            yield iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for attached in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
            yield self._managed(attached["PolicyArn"])

    def _app(self, name: str, *policies: Policy) -> Principal:
        return Principal(arn=f"arn:aws:iam::{ACCOUNT}:role/{name}", policies=policies)

    def _reader_policy(self, client_id: str) -> Policy:
        return self._managed(f"arn:aws:iam::{ACCOUNT}:policy/{self.stack.name}-{REGION}-{client_id}-reader")

    def _managed(self, arn: str) -> Policy:
        iam = self.stack.client("iam")
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        document: dict[str, Any] = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
        return document

    def _assumable(self, logical_id: str) -> Resource:
        role = self.stack.client("iam").get_role(RoleName=self.stack.resource(logical_id))["Role"]
        return Resource(arn=role["Arn"], account=ACCOUNT, policy=role["AssumeRolePolicyDocument"])

    def _function_policy(self) -> Policy:
        document: dict[str, Any] = json.loads(
            self.stack.client("lambda").get_policy(FunctionName=self.stack.name)["Policy"]
        )
        return document

    def _queue(self) -> Resource:
        attributes = self.stack.client("sqs").get_queue_attributes(
            QueueUrl=self.stack.resource("DeadLetters"), AttributeNames=["QueueArn", "Policy"]
        )["Attributes"]
        return Resource(arn=attributes["QueueArn"], account=ACCOUNT, policy=json.loads(attributes["Policy"]))

    def _secret(self, name: str) -> Resource:
        arn = self.stack.client("secretsmanager").describe_secret(SecretId=name)["ARN"]
        return Resource(arn=arn, account=ACCOUNT)


def _arn(service: str, what: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:{service}:{REGION}:{account}:{what}"


def _service(name: str, source: str, account: str = ACCOUNT) -> Principal:
    told = {"aws:SourceAccount": account, "aws:SourceArn": _arn(name, source, account)}
    return Principal(arn=f"{name}.amazonaws.com", context=told)
