"""TokenSource over real sockets, with MiniStack: another Region, another account."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import boto3
import pytest

from moviexchange_auth import TokenSource
from tools.local.aws import LocalAws

FAR_FUTURE = "2999-01-01T00:00:00Z"
ANOTHER_ACCOUNT = "444455556666"  # MiniStack takes an access key of twelve digits for an account


@pytest.fixture(autouse=True)
def endpoint(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every client use MiniStack."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint)


def session(region: str, account: str = "test") -> boto3.Session:
    """Return a session of an account in a Region."""
    return boto3.Session(aws_access_key_id=account, aws_secret_access_key="test", region_name=region)


def publish(where: boto3.Session, content: str = "a-token", name: str = "") -> tuple[str, str]:
    """Make a token secret; return its name and its ARN."""
    document = {"access_token": content, "client_secret": "", "expires_at": FAR_FUTURE}
    name = name or f"reader/staging/tokens/{uuid4().hex}"
    made = where.client("secretsmanager").create_secret(Name=name, SecretString=json.dumps(document))
    return name, made["ARN"]


def reported(where: boto3.Session, name: str) -> Callable[[], dict[str, Any]]:
    """Catch the reports of a token secret; return what waits for one."""
    queues, events, rule = where.client("sqs"), where.client("events"), f"reports-{uuid4().hex}"
    queue = queues.create_queue(QueueName=rule)["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name=rule, EventPattern=json.dumps({"source": [name], "detail-type": ["Access Token Rejected"]}))
    events.put_targets(Rule=rule, Targets=[{"Id": "queue", "Arn": arn}])

    def receive() -> dict[str, Any]:
        (message,) = queues.receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"]
        event: dict[str, Any] = json.loads(message["Body"])
        return event

    return receive


def test_a_secret_in_another_region_is_read_and_reported_there() -> None:
    """Its ARN says where; the application's own Region has neither."""
    stack = session("eu-central-1")
    name, arn = publish(stack)
    receive = reported(stack, name)
    source = TokenSource(arn, client=session("us-east-1"))
    version = source.token().version
    source.refused(version)
    event = receive()

    assert (event["detail"], event["region"]) == ({"version_id": version}, "eu-central-1")


def test_a_replica_is_read_near_by_and_reported_where_the_stack_is() -> None:
    """By the ARN of the stack's event bus."""
    stack, near_by = session("eu-west-1"), session("us-east-1")
    name, arn = publish(stack)
    publish(near_by, "a-replica", name)
    receive = reported(stack, name)
    source = TokenSource(
        name,
        client=near_by,
        event_bus=f"{arn.partition('secretsmanager')[0]}events:eu-west-1:{arn.split(':')[4]}:event-bus/default",
    )
    token = source.token()
    source.refused(token.version)

    assert (token.access_token, receive()["detail"]) == ("a-replica", {"version_id": token.version})


def test_a_secret_in_another_account_is_read_with_a_session_of_that_account() -> None:
    """As after AssumeRole. The report goes to that account's bus."""
    stack = session("eu-west-1", ANOTHER_ACCOUNT)
    name, arn = publish(stack)
    receive = reported(stack, name)
    source = TokenSource(arn, client=stack)
    source.refused(source.token().version)

    assert (arn.split(":")[4], receive()["account"]) == (ANOTHER_ACCOUNT, ANOTHER_ACCOUNT)
