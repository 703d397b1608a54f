"""What the contract makes in an account: each under a name that `account.clean_up` finds."""

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from tools.contract.account import Account, clean_up, remove_stack
from tools.local.aws import PROJECT
from tools.local.stack import CODE_URI, build, eventually

TEMPLATE = PROJECT / "template.yaml"
ONE_ATTEMPT = Config(read_timeout=70, retries={"total_max_attempts": 1})  # a run takes up to 60 s
PATIENCE = 300.0  # seconds; what IAM, KMS and SQS accept is in force a little later
POLICY = "function"
"""The name of the policy in the function's role."""

Answered = TypeVar("Answered")
Document = Mapping[str, Any]


def once_allowed(call: Callable[[], Answered]) -> Answered:
    """Call until nothing is denied any more, and return the answer: a new role or policy takes a while."""
    answers: list[Answered] = []

    def is_allowed() -> bool:
        try:
            answers.append(call())
        except ClientError as error:
            if not error.response["Error"]["Code"].startswith("AccessDenied"):
                raise
        return bool(answers)

    eventually(is_allowed, within=PATIENCE)
    return answers[0]


@dataclass(frozen=True)
class Maker:
    """Makes resources in an account, all of whose names begin alike."""

    account: Account
    prefix: str

    def key(self, name: str) -> str:
        """Make a KMS key that leaves access to IAM, and return its ARN."""
        client = self.account.client("kms")
        key = client.create_key(Description="contract of mx-token-rotator")["KeyMetadata"]
        client.create_alias(AliasName=f"alias/{self.prefix}{name}", TargetKeyId=key["KeyId"])
        return str(key["Arn"])

    def role(self, name: str, policy: Document | None = None) -> str:
        """Make a role that whoever runs the contract may assume, and return its name."""
        client, root = self.account.client("iam"), f"arn:{self.account.partition}:iam::{self.account.id}:root"
        trust = {"Effect": "Allow", "Principal": {"AWS": root}, "Action": "sts:AssumeRole"}
        document = {"Version": "2012-10-17", "Statement": [trust]}
        client.create_role(RoleName=self.prefix + name, AssumeRolePolicyDocument=json.dumps(document))
        if policy:
            client.put_role_policy(RoleName=self.prefix + name, PolicyName=POLICY, PolicyDocument=json.dumps(policy))
        return self.prefix + name

    def assume(self, role: str) -> Account:
        """Return the same account as a role sees it."""
        sts, arn = self.account.client("sts"), f"arn:{self.account.partition}:iam::{self.account.id}:role/{role}"
        given = once_allowed(lambda: sts.assume_role(RoleArn=arn, RoleSessionName="contract"))["Credentials"]
        session = boto3.Session(
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
            region_name=self.account.region,
        )
        return Account(session, self.account.endpoint)

    def topic(self, name: str) -> str:
        """Make a topic with a queue that subscribes to it, and return its ARN."""
        sns = self.account.client("sns")
        topic: str = sns.create_topic(Name=self.prefix + name)["TopicArn"]
        _, queue = self.queue(name, "sns.amazonaws.com", topic)
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
        return topic

    def rule_into_queue(self, name: str, pattern: Document) -> str:
        """Have events of a pattern sent to a new queue, and return its URL."""
        events = self.account.client("events")
        rule = events.put_rule(Name=self.prefix + name, EventPattern=json.dumps(pattern))["RuleArn"]
        url, arn = self.queue(name, "events.amazonaws.com", rule)
        events.put_targets(Rule=self.prefix + name, Targets=[{"Id": "queue", "Arn": arn}])
        return url

    def queue(self, name: str, sender: str, source: str) -> tuple[str, str]:
        """Make a queue to which a service may send for one resource, and return its URL and its ARN."""
        client = self.account.client("sqs")
        url: str = client.create_queue(QueueName=self.prefix + name)["QueueUrl"]
        arn: str = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        send = {"Effect": "Allow", "Principal": {"Service": sender}, "Action": "sqs:SendMessage", "Resource": arn}
        only = {"Condition": {"ArnEquals": {"aws:SourceArn": source}}}
        policy = {"Version": "2012-10-17", "Statement": [send | only]}
        client.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
        return url, arn

    @cached_property
    def code(self) -> str:
        """The S3 address of the function's archive, which is uploaded once."""
        client = self.account.client("s3")
        bucket = self.prefix + secrets.token_hex(3)  # a deleted bucket's name is not free again at once
        place = {"CreateBucketConfiguration": {"LocationConstraint": self.account.region}}
        # us-east-1 is the one Region that must not be named (CreateBucket's API reference).
        client.create_bucket(Bucket=bucket, **({} if self.account.region == "us-east-1" else place))
        client.upload_file(str(build()), bucket, "function.zip")
        return f"s3://{bucket}/function.zip"

    def deploy(self, name: str, parameters: Mapping[str, str]) -> "DeployedStack":
        """Create a stack of `template.yaml` with CloudFormation alone; its name is its SecretPrefix."""
        stack = DeployedStack(self.account, self.prefix + name)
        template = CODE_URI.sub(self.code, TEMPLATE.read_text())
        stack.run("create_stack", {"SecretPrefix": stack.name, **parameters}, TemplateBody=template)
        return stack


class SomethingRemains(Exception):  # noqa: N818  the name says what happened
    """Something that the contract made could not be removed."""


@contextmanager
def contract(account: Account, prefix: str) -> Iterator[Maker]:
    """Give a maker, and remove what it made, however this ends. Raises SomethingRemains."""
    try:
        yield Maker(account, prefix)
    finally:
        remaining = clean_up(account, prefix)
    if remaining:
        raise SomethingRemains("\n".join(remaining))


@dataclass(frozen=True)
class DeployedStack:
    """A deployed stack, as the contract looks at it."""

    account: Account
    name: str

    @property
    def secrets(self) -> str:
        """The first part of the names of its secrets."""
        return f"{self.name}/staging"

    def run(self, operation: str, parameters: Mapping[str, str], **template: Any) -> None:  # noqa: ANN401  arguments
        """Create or update the stack, and wait until that is complete. Raises WaiterError."""
        client = self.account.client("cloudformation")
        listed = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
        getattr(client, operation)(StackName=self.name, Parameters=listed, Capabilities=capabilities, **template)
        wait = {"Delay": 5 if self.account.is_real else 1, "MaxAttempts": 180}
        client.get_waiter(f"stack_{operation.partition('_')[0]}_complete").wait(StackName=self.name, WaiterConfig=wait)

    def update(self, parameters: Mapping[str, str]) -> None:
        """Change some parameters, and keep the others."""
        client = self.account.client("cloudformation")
        (described,) = client.describe_stacks(StackName=self.name)["Stacks"]
        kept = {each["ParameterKey"]: each["ParameterValue"] for each in described["Parameters"]}
        self.run("update_stack", {**kept, **parameters}, UsePreviousTemplate=True)

    def delete(self) -> None:
        """Delete the stack, and wait until it is gone. Raises WaiterError."""
        remove_stack(self.account, self.name)

    def resource(self, logical_id: str) -> str:
        """Return the physical id of one of its resources."""
        client = self.account.client("cloudformation")
        described = client.describe_stack_resource(StackName=self.name, LogicalResourceId=logical_id)
        return str(described["StackResourceDetail"]["PhysicalResourceId"])

    @cached_property
    def function_policy(self) -> Document:
        """The policy of the function's role, as CloudFormation resolved it."""
        role = self.resource("FunctionRole")
        answer = self.account.client("iam").get_role_policy(RoleName=role, PolicyName=POLICY)
        document: Document = answer["PolicyDocument"]
        return document

    def fill(self, credentials: Mapping[str, str]) -> None:
        """Store credentials as their owner does."""
        client = self.account.client("secretsmanager")
        client.put_secret_value(SecretId=f"{self.secrets}/credentials", SecretString=json.dumps(credentials))

    def token(self, name: str) -> dict[str, Any]:
        """Read what is published for a client ID; nothing if there is no token yet."""
        client = self.account.client("secretsmanager")
        try:
            answer = client.get_secret_value(SecretId=f"{self.secrets}/tokens/{name}")
        except client.exceptions.ResourceNotFoundException:
            return {}
        document: dict[str, Any] = json.loads(answer.get("SecretString") or "{}")
        return document

    def invoke(self) -> list[dict[str, Any]]:
        """Have the function check all tokens, and return the outcomes."""
        answer = self.account.client("lambda", ONE_ATTEMPT).invoke(FunctionName=self.name)
        outcomes: list[dict[str, Any]] = json.loads(answer["Payload"].read())["outcomes"]
        return outcomes
