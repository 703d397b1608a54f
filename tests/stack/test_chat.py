"""examples/chat/template.yaml: which events its rules match, and what they post, on the emulated AWS."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint
from cfnlint.decode.cfn_yaml import load

from tests.stack.documented import FUNCTION_ROLE, blocks
from tools.local.aws import PROJECT, REGION, LocalAws
from tools.local.stack import eventually
from tools.local.translated import ACCOUNT_ID, Resolver

FILE = PROJECT / "examples" / "chat" / "template.yaml"
TEMPLATE: dict[str, Any] = load(str(FILE))
STACK: dict[str, Any] = load(str(PROJECT / "template.yaml"))
PARAMETERS = {"FunctionRoleArn": FUNCTION_ROLE, "SlackWorkspaceId": "T0", "SlackChannelId": "C0"}
ALARMS = {name: each["Properties"] for name, each in STACK["Resources"].items() if each["Type"].endswith("::Alarm")}
TEXT = 'First look for "ERROR".\nSee docs/operating.md.'


def alarm_event(name: str, state: str = "ALARM") -> dict[str, Any]:
    """Write out an event as CloudWatch sends it ("Alarm events and EventBridge" in its user guide)."""
    return {
        "version": "0",
        "id": "c4c1c1c9-6542-e61b-6ef0-8c4d36933a92",
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": ACCOUNT_ID,
        "time": "2026-11-24T15:00:00Z",
        "region": REGION,
        "resources": [f"arn:aws:cloudwatch:{REGION}:{ACCOUNT_ID}:alarm:{name}"],
        "detail": {
            "alarmName": name,
            "configuration": {"description": TEXT, "metrics": []},
            "previousState": {"value": "OK", "reason": "no breach", "timestamp": "2026-11-24T14:00:00.000+0000"},
            "state": {"value": state, "reason": "Threshold Crossed", "timestamp": "2026-11-24T15:00:00.000+0000"},
        },
    }


OF_FUNCTION = {
    "type": "AssumedRole",
    "arn": f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/FunctionRole/mx-token-rotator",
    "sessionContext": {"sessionIssuer": {"type": "Role", "arn": FUNCTION_ROLE}},
}
OF_ROLE = {
    "type": "AssumedRole",
    "arn": f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/admin/mx-token-rotator",
    "sessionContext": {"sessionIssuer": {"type": "Role", "arn": f"arn:aws:iam::{ACCOUNT_ID}:role/admin"}},
}
OF_USER = {"type": "IAMUser", "arn": f"arn:aws:iam::{ACCOUNT_ID}:user/admin", "userName": "admin"}
NAME = "moviexchange/staging/credentials"
ARN = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT_ID}:secret:{NAME}-AbCdEf"


def read_event(identity: dict[str, Any], secret: str, name: str = "GetSecretValue") -> dict[str, Any]:
    """Write out an event as CloudTrail sends it to EventBridge."""
    return alarm_event("") | {
        "source": "aws.secretsmanager",
        "detail-type": "AWS API Call via CloudTrail",
        "detail": {
            "eventSource": "secretsmanager.amazonaws.com",
            "eventName": name,
            "eventTime": "2026-11-24T15:00:00Z",
            "sourceIPAddress": "192.0.2.1",
            "userIdentity": identity,
            "requestParameters": {"secretId": secret},
        },
    }


MINE = "mx-token-rotator-ActionRequired-1A2B3C4D5E6F"
MATCHES = [
    *(("AlarmChanged", alarm_event(f"mx-token-rotator-{name}-1A2B3C"), True) for name in ALARMS),
    ("AlarmChanged", alarm_event(MINE, "OK"), True),
    ("AlarmChanged", alarm_event(MINE, "INSUFFICIENT_DATA"), False),
    ("AlarmChanged", alarm_event("mx-token-rotator-production-ActionRequired-1A2B3C"), False),
    ("AlarmChanged", alarm_event("another-alarm"), False),
    ("AlarmChanged", alarm_event(MINE) | {"detail-type": "CloudWatch Alarm Configuration Change"}, False),
    ("CredentialsRead", read_event(OF_ROLE, NAME), True),
    ("CredentialsRead", read_event(OF_ROLE, ARN), True),
    ("CredentialsRead", read_event(OF_USER, ARN.removesuffix("-AbCdEf")), True),
    ("CredentialsRead", read_event(OF_FUNCTION, NAME), False),
    ("CredentialsRead", read_event(OF_ROLE, "moviexchange/production/credentials"), False),
    ("CredentialsRead", read_event(OF_ROLE, "moviexchange/staging/tokens/_Website"), False),
    ("CredentialsRead", read_event(OF_ROLE, NAME, "DescribeSecret"), False),
]


@pytest.mark.parametrize(("rule", "event", "is_matched"), MATCHES)
def test_a_rule_matches_the_events_of_this_stack(
    aws: LocalAws, rule: str, event: dict[str, Any], *, is_matched: bool
) -> None:
    """Neither those of a stack whose name begins like it, nor the function's own reads."""
    pattern = Resolver(TEMPLATE, PARAMETERS, {}).resolve(TEMPLATE["Resources"][rule]["Properties"]["EventPattern"])
    events = aws.client("events")
    answer = events.test_event_pattern(EventPattern=json.dumps(pattern), Event=json.dumps(event))

    assert answer["Result"] is is_matched


def test_the_rule_on_reads_gets_events_that_only_read() -> None:
    """EventBridge leaves GetSecretValue out of a rule that is merely enabled."""
    state = TEMPLATE["Resources"]["CredentialsRead"]["Properties"]["State"]

    assert state == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"


def test_no_alarm_of_the_stack_has_a_name_of_its_own() -> None:
    """So CloudFormation names it by the stack and the logical id, as the rule expects."""
    assert [name for name, properties in ALARMS.items() if "AlarmName" in properties] == []


def test_cfn_lint_finds_nothing_in_the_example() -> None:
    """Neither errors nor warnings nor hints."""
    arguments = ManualArgs(include_checks=["I"], regions=["eu-west-1", "us-east-1"])

    assert lint(FILE.read_text(), config=arguments) == []


def test_the_documented_command_sets_every_parameter() -> None:
    """Those with a default, too, because they name the reader's stack."""
    (command,) = (each for each in blocks() if "examples/chat/template.yaml" in each)
    overrides = command.partition("--parameter-overrides ")[2].split()

    assert {each.partition("=")[0] for each in overrides} == TEMPLATE["Parameters"].keys()


@dataclass(frozen=True)
class Posting:
    """The example without its Slack channel, which no emulator has, and a queue in the channel's place."""

    aws: LocalAws
    queue: str

    def post(self, event: dict[str, Any]) -> dict[str, Any]:
        """Put an event, and return the notification that the channel would get."""
        self.aws.client("events").put_events(
            Entries=[
                {
                    "DetailType": event["detail-type"],
                    "Detail": json.dumps(event["detail"]),
                    "Source": own(event["source"]),
                }
            ]
        )
        (message,) = eventually(self._received)
        notification: dict[str, Any] = json.loads(json.loads(message["Body"])["Message"])
        return notification

    def _received(self) -> list[Any]:
        sqs = self.aws.client("sqs")
        messages: list[Any] = sqs.receive_message(QueueUrl=self.queue, VisibilityTimeout=60).get("Messages", [])
        return messages


def own(source: str) -> str:
    """Return a source that one may put events of: those of AWS's services may not be put, on MiniStack either."""
    return source.replace("aws.", "own.")


@pytest.fixture(scope="module")
def posting(aws: LocalAws) -> Iterator[Posting]:
    """Deploy the example for sources that a test may use; of the states of a rule, MiniStack knows only ENABLED."""
    kept = {name: each for name, each in TEMPLATE["Resources"].items() if not name.startswith("Channel")}
    for rule in ("AlarmChanged", "CredentialsRead"):
        properties = kept[rule]["Properties"]
        pattern = properties["EventPattern"]
        changed = {"EventPattern": {**pattern, "source": [own(each) for each in pattern["source"]]}, "State": "ENABLED"}
        kept[rule] = {**kept[rule], "Properties": properties | changed}
    cloudformation = aws.client("cloudformation")
    sns = aws.client("sns")
    sqs = aws.client("sqs")
    cloudformation.create_stack(
        StackName="chat",
        TemplateBody=json.dumps({**TEMPLATE, "Resources": kept}),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in PARAMETERS.items()],
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName="chat", WaiterConfig={"Delay": 1})
    topic = cloudformation.describe_stack_resource(StackName="chat", LogicalResourceId="Topic")
    queue = sqs.create_queue(QueueName="chat")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic["StackResourceDetail"]["PhysicalResourceId"], Protocol="sqs", Endpoint=arn)
    yield Posting(aws, queue)
    cloudformation.delete_stack(StackName="chat")


def test_an_alarm_is_posted_with_its_text(posting: Posting) -> None:
    """Quotation marks and line breaks of the text do no harm; what belongs to one alarm is one thread."""
    assert posting.post(alarm_event(MINE)) == {
        "version": "1.0",
        "source": "custom",
        "content": {"textType": "client-markdown", "title": f"ALARM: {MINE}", "description": TEXT},
        "metadata": {"threadId": MINE},
    }


def test_a_read_of_the_credentials_is_posted_with_who_it_was(posting: Posting) -> None:
    """And from where and when."""
    assert posting.post(read_event(OF_USER, NAME))["content"] == {
        "textType": "client-markdown",
        "title": "The credentials of moviexchange/staging were read, or somebody tried to",
        "description": f"{OF_USER['arn']} called GetSecretValue from 192.0.2.1 at 2026-11-24T15:00:00Z. "
        "Only the function needs to.",
    }
