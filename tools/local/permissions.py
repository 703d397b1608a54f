"""Principals and resources of a stack with the policies that its template gives them, and others for comparison."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from cfnlint.decode.cfn_yaml import load

from mx_token_rotator_operator.policy import reader_policy
from tools.local.aws import PROJECT, REGION
from tools.local.iam import Policy, Principal, Resource
from tools.local.translated import ACCOUNT_ID, STACK_NAME, Resolver, translated

WEBSITE = "_Website"
WEB = "_Web"  # begins like the other one
OTHER_ACCOUNT_ID = "999999999999"
SUFFIX = "-AbCdEf"
TAG = "aws:PrincipalTag/MovieXchangeClientId"
TOPIC = f"{STACK_NAME}-AlarmTopic-1A2B3C"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT_ID}:key/1234abcd-12ab-34cd-56ef-1234567890ab"

ANYTHING: Policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
KEY_POLICY: Policy = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "AllowIamPolicies",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT_ID}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
    ],
}
"""The key policy that KMS gives a new key: IAM policies of the account decide."""

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
"""Secrets of other environments and prefixes, and some whose names only begin or end like one of the stack's."""


class Permissions:
    """The principals and the resources of a stack, each with its policies."""

    account = "moviexchange/staging"

    def __init__(self, parameters: Mapping[str, str]) -> None:
        """Translate the template for a stack with two client IDs and these parameters."""
        template = translated(load(str(PROJECT / "template.yaml")), {"ClientIds": f"{WEBSITE},{WEB}", **parameters})
        self._key = parameters.get("KmsKeyArn")
        self._resources: dict[str, Any] = template["Resources"]
        self._resolver = Resolver(template, parameters, self._references())

    @cached_property
    def callers(self) -> dict[str, Principal]:
        """The stack's roles, applications with each of the reader policies or none, and another account."""
        return {
            "the function": self._role("FunctionRole"),
            "the schedule": self._role("ScheduleRole"),
            f"written-out policy for `{WEBSITE}`": app(
                reader_policy(self.account, [WEBSITE], REGION, ACCOUNT_ID, self._key)
            ),
            f"`ReaderPolicy`, tag `{WEB}`": self.tagged({TAG: WEB}),
            "no policy": app(),
            "another account": Principal(arn=f"arn:aws:iam::{OTHER_ACCOUNT_ID}:role/admin", policies=(ANYTHING,)),
        }

    @cached_property
    def tags(self) -> dict[str, Principal]:
        """Applications with the tag-based reader policy, whose roles or sessions have different tags."""
        return {
            "no tag": self.tagged({}),
            "empty tag": self.tagged({TAG: ""}),
            "tag `_We`": self.tagged({TAG: "_We"}),
            f"tag `{WEBSITE}`": self.tagged({TAG: WEBSITE}),
            f"tag `{WEBSITE}`, session tag `{WEB}`": self.tagged({TAG: WEBSITE}, {TAG: WEB}),
        }

    @cached_property
    def services(self) -> dict[str, Principal]:
        """AWS services, and the resources for which they act."""
        return {
            "rule `CredentialsChanged`": _service("events", f"rule/{STACK_NAME}-CredentialsChanged-1A2B3C"),
            "rule `TokenRejected`": _service("events", f"rule/{STACK_NAME}-TokenRejected-1A2B3C"),
            "another rule": _service("events", "rule/another"),
            "another account's rule": _service(
                "events", f"rule/{STACK_NAME}-TokenRejected-1A2B3C", account_id=OTHER_ACCOUNT_ID
            ),
            "a schedule of the account": _service("scheduler", "schedule-group/default"),
            "another account's schedule": _service("scheduler", "schedule-group/default", account_id=OTHER_ACCOUNT_ID),
            "a function of the account": _service("lambda", "function:another"),
            "an alarm of the account": _service("cloudwatch", "alarm:another"),
            "another account's alarm": _service("cloudwatch", "alarm:another", account_id=OTHER_ACCOUNT_ID),
        }

    @cached_property
    def resources(self) -> dict[str, Resource]:
        """The stack's resources, and similar ones that are not the stack's."""
        names = {name: f"{self.account}/{name}" for name in OWN} | {name: name for name in FOREIGN}
        secrets = {short: secret(name) for short, name in names.items()}
        return secrets | {
            "key": Resource(arn=KEY, account=ACCOUNT_ID, policy=KEY_POLICY),
            "another key": Resource(arn=KEY.replace("1234abcd", "5678ef01"), account=ACCOUNT_ID, policy=KEY_POLICY),
            "bus": _resource("events", "event-bus/default"),
            "another bus": _resource("events", "event-bus/orders"),
            "queue": _resource("sqs", f"{STACK_NAME}.fifo", self._property("QueuePolicy", "PolicyDocument")),
            "another queue": _resource("sqs", f"{STACK_NAME}-2.fifo"),
            "function": _resource("lambda", f"function:{STACK_NAME}"),
            "another function": _resource("lambda", f"function:{STACK_NAME}-2"),
            "log": _resource("logs", f"log-group:/aws/lambda/{STACK_NAME}:log-stream:2026"),
            "another log": _resource("logs", f"log-group:/aws/lambda/{STACK_NAME}-2:log-stream:2026"),
            "function's role": self._assumable("FunctionRole"),
            "schedule's role": self._assumable("ScheduleRole"),
            "topic": _resource("sns", TOPIC, self._property("AlarmTopicPolicy", "PolicyDocument")),
            "another topic": _resource("sns", f"{TOPIC}-2"),
            "network interface": _resource("ec2", "network-interface/eni-1a2b3c4d"),
            "subnet": _resource("ec2", "subnet/subnet-1a2b3c4d"),
        }

    @property
    def sources(self) -> set[str]:
        """Return what gives permissions: the stack's roles, policies and permissions, and managed policies of roles."""
        kinds = ("Role", "Policy", "Permission")
        found = {name: each for name, each in self._resources.items() if each["Type"].endswith(kinds)}
        managed = {
            str(arn) for each in found.values() for arn in each.get("Properties", {}).get("ManagedPolicyArns", [])
        }
        return found.keys() | managed

    def tagged(self, role_tags: dict[str, str], session_tags: dict[str, str] | None = None) -> Principal:
        """Return an application with the tag-based policy; a session tag takes precedence over the role's tag."""
        return app(self._property("ReaderPolicy", "PolicyDocument"), context=role_tags | (session_tags or {}))

    def _references(self) -> dict[str, str]:
        """Return the names and ARNs that the stack's resources would have."""
        arns = {
            "Credentials": secret(f"{self.account}/credentials").arn,
            "Queue": _arn("sqs", f"{STACK_NAME}.fifo"),
            "Function": _arn("lambda", f"function:{STACK_NAME}"),
            "FunctionLogs": _arn("logs", f"log-group:/aws/lambda/{STACK_NAME}:*"),
            "AlarmTopic": _arn("sns", TOPIC),
            **{role: f"arn:aws:iam::{ACCOUNT_ID}:role/{role}" for role in ("FunctionRole", "ScheduleRole")},
            **{
                rule: _arn("events", f"rule/{STACK_NAME}-{rule}-1A2B3C")
                for rule in ("CredentialsChanged", "TokenRejected")
            },
        }
        names = {
            "FunctionLogs": f"/aws/lambda/{STACK_NAME}",
            "Function": STACK_NAME,
            "Credentials": arns["Credentials"],
            "AlarmTopic": arns["AlarmTopic"],
        }
        return names | {f"{name}.Arn": arn for name, arn in arns.items()}

    def _property(self, logical_id: str, name: str) -> Any:  # noqa: ANN401  a property of a template may be anything
        return self._resolver.resolve(self._resources[logical_id]["Properties"][name])

    def _role(self, logical_id: str) -> Principal:
        """Return a role with its inline policies."""
        policies = tuple(each["PolicyDocument"] for each in self._property(logical_id, "Policies"))
        return Principal(arn=f"arn:aws:iam::{ACCOUNT_ID}:role/{logical_id}", policies=policies)

    def _assumable(self, logical_id: str) -> Resource:
        policy = self._property(logical_id, "AssumeRolePolicyDocument")
        return Resource(arn=f"arn:aws:iam::{ACCOUNT_ID}:role/{logical_id}", account=ACCOUNT_ID, policy=policy)


def app(*policies: Policy, context: Mapping[str, str] | None = None) -> Principal:
    """Return an application's role with these policies."""
    return Principal(arn=f"arn:aws:iam::{ACCOUNT_ID}:role/app", policies=policies, context=context or {})


def secret(name: str) -> Resource:
    """Return a secret of this name, with the suffix that Secrets Manager adds to its ARN."""
    return _resource("secretsmanager", f"secret:{name}{SUFFIX}")


def without_suffix(resource: Resource) -> Resource:
    """Return a secret as it is before it exists: Secrets Manager has not added the suffix yet."""
    return replace(resource, arn=resource.arn.removesuffix(SUFFIX))


def _arn(service: str, name: str, account_id: str = ACCOUNT_ID) -> str:
    return f"arn:aws:{service}:{REGION}:{account_id}:{name}"


def _resource(service: str, name: str, policy: Policy | None = None) -> Resource:
    return Resource(arn=_arn(service, name), account=ACCOUNT_ID, policy=policy)


def _service(name: str, source: str, *, account_id: str = ACCOUNT_ID) -> Principal:
    context = {"aws:SourceAccount": account_id, "aws:SourceArn": _arn(name, source, account_id)}
    return Principal(arn=f"{name}.amazonaws.com", context=context)
