"""An AWS account, real or emulated, and what the contract made there.

The name of everything that the contract makes begins with one prefix. So a run that was killed is cleaned up like any
other: by listing what has such a name.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tools.local.stack import StillWaiting, eventually

PREFIX = "mx-rotator-contract-"
PASSES, PAUSE = 12, 15.0  # seconds
LONGEST_RUN = 60.0  # seconds; the function's time-out
KEY_DAYS = 7  # the shortest waiting period before a KMS key is deleted (ScheduleKeyDeletion's API reference)


def new_prefix() -> str:
    """Return the beginning of the names of one run."""
    return f"{PREFIX}{secrets.token_hex(3)}-"


@dataclass(frozen=True)
class Account:
    """An AWS account in one Region; the endpoint is None for AWS itself."""

    session: boto3.Session
    endpoint: str | None = None
    _clients: dict[tuple[str, Config | None], Any] = field(default_factory=dict, repr=False, compare=False)
    """Those that were made; making one takes a while."""

    @property
    def is_real(self) -> bool:
        """Return whether IAM and KMS decide there."""
        return self.endpoint is None

    @property
    def region(self) -> str:
        """The Region."""
        return str(self.session.region_name)

    @cached_property
    def caller(self) -> str:
        """The ARN of whoever acts."""
        return str(self.client("sts").get_caller_identity()["Arn"])

    @property
    def id(self) -> str:
        """The account's number."""
        return self.caller.split(":")[4]

    @property
    def partition(self) -> str:
        """What ARNs begin with after `arn`, such as aws-cn in China."""
        return self.caller.split(":")[1]

    def client(self, service: Any, config: Config | None = None) -> Any:  # noqa: ANN401  boto3 makes its clients at run time
        """Return a client."""
        if (service, config) not in self._clients:
            self._clients[service, config] = self.session.client(service, endpoint_url=self.endpoint, config=config)
        return self._clients[service, config]

    def pages(self, service: str, operation: str, found: str, **asked: Any) -> list[Any]:  # noqa: ANN401  the same
        """Return everything that an operation lists at this JMESPath."""
        pages = self.client(service).get_paginator(operation).paginate(**asked)
        return [each for each in pages.search(found) if each is not None]


# What there is of each kind, and how one of it is removed.


def _stacks(account: Account, prefix: str) -> list[str]:
    found = "StackSummaries[?StackStatus != 'DELETE_COMPLETE'].StackName"
    return [name for name in account.pages("cloudformation", "list_stacks", found) if name.startswith(prefix)]


def pause(account: Account, stack: str) -> None:
    """Have the function of a stack start no more runs from its queue, and wait until none is under way."""
    resource = partial(account.client("cloudformation").describe_stack_resource, StackName=stack)
    ids = [
        resource(LogicalResourceId=each)["StackResourceDetail"]["PhysicalResourceId"]
        for each in ("QueueMapping", "Queue")
    ]
    account.client("lambda").update_event_source_mapping(UUID=ids[0], Enabled=False)
    served = "ApproximateNumberOfMessagesNotVisible"
    asked = partial(account.client("sqs").get_queue_attributes, QueueUrl=ids[1], AttributeNames=[served])
    eventually(lambda: asked()["Attributes"][served] == "0", within=LONGEST_RUN)


def remove_stack(account: Account, name: str) -> None:
    """Delete a stack, and wait until it is gone. Raises WaiterError.

    No run is under way then, since a run creates the secrets that it misses.
    """
    with suppress(ClientError, StillWaiting):  # a stack that was not created may lack what is paused
        pause(account, name)
    client = account.client("cloudformation")
    client.delete_stack(StackName=name)
    wait = {"Delay": 5 if account.is_real else 1, "MaxAttempts": 180}
    client.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig=wait)


def _rules(account: Account, prefix: str) -> list[str]:
    return account.pages("events", "list_rules", "Rules[].Name", NamePrefix=prefix)


def _remove_rule(account: Account, name: str) -> None:
    client = account.client("events")
    targets = [each["Id"] for each in client.list_targets_by_rule(Rule=name)["Targets"]]
    if targets:
        client.remove_targets(Rule=name, Ids=targets)
    client.delete_rule(Name=name)


def _queues(account: Account, prefix: str) -> list[str]:
    return account.pages("sqs", "list_queues", "QueueUrls[]", QueueNamePrefix=prefix)


def _remove_queue(account: Account, url: str) -> None:
    account.client("sqs").delete_queue(QueueUrl=url)


def _topics(account: Account, prefix: str) -> list[str]:
    arns = account.pages("sns", "list_topics", "Topics[].TopicArn")
    return [arn for arn in arns if arn.rpartition(":")[2].startswith(prefix)]


def _remove_topic(account: Account, arn: str) -> None:
    account.client("sns").delete_topic(TopicArn=arn)


def _buckets(account: Account, prefix: str) -> list[str]:
    names = [each["Name"] for each in account.client("s3").list_buckets()["Buckets"]]
    return [name for name in names if name.startswith(prefix)]


def _remove_bucket(account: Account, name: str) -> None:
    client = account.client("s3")
    for key in account.pages("s3", "list_objects_v2", "Contents[].Key", Bucket=name):
        client.delete_object(Bucket=name, Key=key)
    client.delete_bucket(Bucket=name)


def _secrets(account: Account, prefix: str) -> list[str]:
    filters = [{"Key": "name", "Values": [prefix]}]
    names = account.pages("secretsmanager", "list_secrets", "SecretList[].Name", Filters=filters)
    return [name for name in names if name.startswith(prefix)]


def _remove_secret(account: Account, name: str) -> None:
    account.client("secretsmanager").delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def _roles(account: Account, prefix: str) -> list[str]:
    return [name for name in account.pages("iam", "list_roles", "Roles[].RoleName") if name.startswith(prefix)]


def _remove_role(account: Account, name: str) -> None:
    client = account.client("iam")
    for arn in account.pages("iam", "list_attached_role_policies", "AttachedPolicies[].PolicyArn", RoleName=name):
        client.detach_role_policy(RoleName=name, PolicyArn=arn)
    for policy in account.pages("iam", "list_role_policies", "PolicyNames[]", RoleName=name):
        client.delete_role_policy(RoleName=name, PolicyName=policy)
    client.delete_role(RoleName=name)


def _policies(account: Account, prefix: str) -> list[str]:
    """List the managed policies that a deleted stack leaves behind."""
    arns = account.pages("iam", "list_policies", "Policies[].Arn", Scope="Local")
    return [arn for arn in arns if arn.rpartition("/")[2].startswith(prefix)]


def _remove_policy(account: Account, arn: str) -> None:
    client = account.client("iam")
    for version in account.pages(
        "iam", "list_policy_versions", "Versions[?!IsDefaultVersion].VersionId", PolicyArn=arn
    ):
        client.delete_policy_version(PolicyArn=arn, VersionId=version)
    client.delete_policy(PolicyArn=arn)


def _keys(account: Account, prefix: str) -> list[str]:
    """List aliases: a key has no name of its own."""
    names = account.pages("kms", "list_aliases", "Aliases[].AliasName")
    return [name for name in names if name.startswith(f"alias/{prefix}")]


def _remove_key(account: Account, alias: str) -> None:
    client = account.client("kms")
    key = client.describe_key(KeyId=alias)["KeyMetadata"]
    if key["KeyState"] != "PendingDeletion":
        client.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=KEY_DAYS)
    client.delete_alias(AliasName=alias)


def _logs(account: Account, prefix: str) -> list[str]:
    """List the logs that a function wrote while its stack was being deleted."""
    return account.pages(
        "logs", "describe_log_groups", "logGroups[].logGroupName", logGroupNamePrefix=f"/aws/lambda/{prefix}"
    )


def _remove_log(account: Account, name: str) -> None:
    account.client("logs").delete_log_group(logGroupName=name)


Found = Callable[[Account, str], list[str]]
Remove = Callable[[Account, str], None]
KINDS: dict[str, tuple[Found, Remove]] = {
    "stack": (_stacks, remove_stack),  # first, since its function creates secrets
    "rule": (_rules, _remove_rule),
    "queue": (_queues, _remove_queue),
    "topic": (_topics, _remove_topic),
    "bucket": (_buckets, _remove_bucket),
    "secret": (_secrets, _remove_secret),
    "role": (_roles, _remove_role),  # before the policies that are attached to it
    "policy": (_policies, _remove_policy),
    "KMS key": (_keys, _remove_key),  # after the secrets that are under it
    "log group": (_logs, _remove_log),
}


def left(account: Account, prefix: str) -> Iterator[str]:
    """List what has such a name, kind by kind."""
    for kind, (found, _) in KINDS.items():
        for name in found(account, prefix):
            yield f"{kind} {name}"


def remove_all(account: Account, prefix: str) -> dict[str, str]:
    """Try to remove everything that has such a name, and return why what failed did so."""
    failed = {}
    for kind, (found, remove) in KINDS.items():
        for name in found(account, prefix):
            try:
                remove(account, name)
            except (ClientError, BotoCoreError) as error:
                failed[f"{kind} {name}"] = str(error)
    return failed


def clean_up(account: Account, prefix: str, sleep: Callable[[float], None] = time.sleep) -> list[str]:
    """Remove everything that has such a name, and return what remains, each with the reason if there is one.

    AWS lists some deletions late, and a function may create a secret while its stack is deleted: hence several passes.
    """
    for _ in range(PASSES):
        failed = remove_all(account, prefix)
        if not (remaining := [*left(account, prefix)]):
            return []
        sleep(PAUSE if account.is_real else PAUSE / 100)
    return [f"{each}: {failed.get(each, 'it is still listed')}" for each in remaining]
