"""What companies demand: a boundary and a path for roles, a VPC, keys of their own, tags, and alarms that arrive.

MiniStack ignores a role's boundary and a function's subnets, so these are read from the translated template.
"""

import json
import re
from typing import Any

import pytest
from cfnlint.decode.cfn_yaml import load

from tools.local.aws import PROJECT, REGION, LocalAws
from tools.local.iam import Principal, Request, Resource, decide
from tools.local.stack import Stack
from tools.local.translated import Resolver, translated

ACCOUNT = "000000000000"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"
EMAIL = "tickets-team@example.com"
VPC = {"SubnetIds": "subnet-1a2b3c4d,subnet-5e6f7a8b", "SecurityGroupIds": "sg-1a2b3c4d,sg-5e6f7a8b"}
EVERYTHING = VPC | {
    "SecretTags": "CostCenter=42,Owner=web",
    "KmsKeyArn": KEY,
    "AlarmEmail": EMAIL,
    "AlarmTopicArn": TOPIC,
    "LogKmsKeyArn": KEY,
    "PermissionsBoundaryArn": BOUNDARY,
    "RolePath": "/apps/tickets/",
    "HttpsProxy": "http://proxy.example.com:3128",
}
NOTHING = dict.fromkeys(EVERYTHING, "none") | {"RolePath": "/"}
ROLES = ("FunctionRole", "ScheduleRole")


@pytest.fixture(scope="module")
def plain() -> dict[str, Any]:
    """Translate the template once; functions and conditions remain in it."""
    return translated(load(str(PROJECT / "template.yaml")), {"ClientIds": "_Website"})


def resolved(plain: dict[str, Any], name: str, prop: str, parameters: dict[str, str]) -> object:
    """Return a property of a resource for these parameters; None if it has none."""
    chosen = {each: value for each, value in plain["Resources"][name]["Properties"].items() if each == prop}
    value: dict[str, object] = Resolver(plain, parameters, {}).resolve(chosen)
    return value.get(prop)


@pytest.mark.parametrize(("parameter", "boundary"), [(BOUNDARY, BOUNDARY), ("none", None)])
def test_each_role_has_the_boundary_or_none(plain: dict[str, Any], parameter: str, boundary: str | None) -> None:
    """A company may refuse to create a role without it."""
    parameters = {"PermissionsBoundaryArn": parameter}

    assert [resolved(plain, role, "PermissionsBoundary", parameters) for role in ROLES] == [boundary] * 2


def test_these_are_all_roles_of_the_stack(plain: dict[str, Any]) -> None:
    """SAM makes none of its own, which would have neither boundary nor path."""
    assert {name for name, each in plain["Resources"].items() if each["Type"] == "AWS::IAM::Role"} == {*ROLES}


@pytest.mark.parametrize(
    ("parameters", "config"),
    [
        (
            VPC,
            {
                "SubnetIds": ["subnet-1a2b3c4d", "subnet-5e6f7a8b"],
                "SecurityGroupIds": ["sg-1a2b3c4d", "sg-5e6f7a8b"],
            },
        ),
        (dict.fromkeys(VPC, "none"), None),
    ],
    ids=["in a VPC", "none"],
)
def test_the_function_runs_in_these_subnets_or_in_none(
    plain: dict[str, Any], parameters: dict[str, str], config: object
) -> None:
    """The texts become lists."""
    assert resolved(plain, "Function", "VpcConfig", parameters) == config


# What the docs ask of a platform team


def documented(name: str) -> dict[str, Any]:
    """Read a statement from the page on deploying, for this AWS account and topic."""
    page = (PROJECT / "docs" / "deploying.md").read_text()
    (text,) = re.findall(rf"^`{name}-statement\.json`\n\n```json\n(.*?)```$", page, re.MULTILINE | re.DOTALL)
    statement: dict[str, Any] = json.loads(text.replace("111122223333", ACCOUNT).replace("TOPIC_ARN", TOPIC))
    return statement


def test_the_documented_statement_for_a_topic_is_that_of_the_stacks_own(plain: dict[str, Any]) -> None:
    """Alarms of this account and no others."""
    document = plain["Resources"]["AlarmTopicPolicy"]["Properties"]["PolicyDocument"]

    assert Resolver(plain, {}, {"AlarmTopic": TOPIC}).resolve(document)["Statement"] == [documented("topic")]


@pytest.mark.parametrize(
    ("statement", "service", "log", "is_allowed"),
    [
        ("topic-key", "cloudwatch", "none", True),
        ("topic-key", "events", "none", False),
        ("log-key", f"logs.{REGION}", "mx-token-rotator", True),
        ("log-key", f"logs.{REGION}", "another", False),
        ("log-key", "logs.eu-central-1", "mx-token-rotator", False),
    ],
)
def test_a_documented_statement_lets_a_service_use_a_key(
    statement: str, service: str, log: str, *, is_allowed: bool
) -> None:
    """CloudWatch for a topic, and CloudWatch Logs for the function's log alone."""
    policy = {"Version": "2012-10-17", "Statement": [documented(statement)]}
    key = Resource(arn=KEY, account=ACCOUNT, policy=policy)
    context = {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/{log}"}
    caller = Principal(arn=f"{service}.amazonaws.com")
    requests = [
        Request(action=action, resource=key, context=context) for action in ("kms:Decrypt", "kms:GenerateDataKey")
    ]

    assert decide((caller, request) for request in requests) == [is_allowed] * 2


# A stack with all of it


@pytest.fixture(scope="module")
def strict(aws: LocalAws) -> Stack:
    """Deploy a stack with all of it at once."""
    stack = Stack(aws, {"SecretPrefix": "strict", "CheckEvery": "rate(19 minutes)"} | EVERYTHING, "strict")
    stack.apply()
    return stack


def paths(stack: Stack) -> set[str]:
    """Return the paths of the stack's roles and of its managed policy."""
    iam = stack.client("iam")
    roles = [iam.get_role(RoleName=stack.resource(role))["Role"] for role in ROLES]
    return {each["Path"] for each in (*roles, iam.get_policy(PolicyArn=stack.output("ReaderPolicyArn"))["Policy"])}


def test_roles_and_the_readers_policy_have_the_path(strict: Stack) -> None:
    """Read back from IAM."""
    assert paths(strict) == {"/apps/tickets/"}


def test_the_log_is_encrypted_with_the_key(strict: Stack) -> None:
    """Read back from CloudWatch Logs."""
    groups = strict.client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/strict")["logGroups"]

    assert [each["kmsKeyId"] for each in groups] == [KEY]


def test_the_proxy_is_for_the_function_and_not_for_the_aws_sdk(strict: Stack) -> None:
    """Botocore would send the calls of AWS through HTTPS_PROXY, too."""
    proxies = {name: value for name, value in strict.variables().items() if "PROXY" in name}

    assert proxies == {"MOVIEXCHANGE_PROXY": "http://proxy.example.com:3128"}


def test_alarms_go_to_the_stacks_topic_and_to_the_companys(strict: Stack) -> None:
    """When they ring, and when they end."""
    both = {strict.resource("AlarmTopic"), TOPIC}

    assert [({*each["AlarmActions"]}, {*each["OKActions"]}) for each in strict.alarms()] == [(both, both)] * 4


def test_the_address_is_subscribed_to_the_stacks_topic(strict: Stack) -> None:
    """It gets a message with the link that confirms this."""
    answer = strict.client("sns").list_subscriptions_by_topic(TopicArn=strict.resource("AlarmTopic"))

    assert [(each["Protocol"], each["Endpoint"]) for each in answer["Subscriptions"]] == [("email", EMAIL)]


def test_cloudwatch_may_publish_to_the_stacks_topic(strict: Stack) -> None:
    """For alarms of this account; the topic has no key that CloudWatch could not use."""
    topic = strict.resource("AlarmTopic")
    attributes = strict.client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]
    (statement,) = json.loads(attributes["Policy"])["Statement"]

    assert (statement["Principal"], statement["Resource"], statement["Condition"], "KmsMasterKeyId" in attributes) == (
        {"Service": "cloudwatch.amazonaws.com"},
        topic,
        {
            "StringEquals": {"aws:SourceAccount": ACCOUNT},
            "ArnLike": {"aws:SourceArn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:*"},
        },
        False,
    )


def test_the_deployment_says_that_the_address_must_be_confirmed(strict: Stack) -> None:
    """It is in what `sam deploy` prints at its end."""
    said = strict.output("AlarmsGoTo")

    assert [part in said for part in (EMAIL, "Subscription Confirmation", TOPIC)] == [True] * 3


def test_the_function_creates_secrets_with_the_companys_tags(strict: Stack) -> None:
    """At its first check, before there are credentials; a company may refuse to create what lacks them."""
    strict.invoke({})
    described = strict.client("secretsmanager").describe_secret(SecretId=strict.token_secret(strict.names[0]))

    assert {"CostCenter": "42", "Owner": "web"}.items() <= {
        each["Key"]: each["Value"] for each in described["Tags"]
    }.items()


def test_what_is_set_back_leaves_nothing(strict: Stack) -> None:
    """Roles and policy are made again at the usual place, and nobody is told of alarms."""
    Stack(strict.aws, strict.parameters | NOTHING, strict.name).apply()
    groups = strict.client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/strict")["logGroups"]

    assert (
        paths(strict),
        [each.get("kmsKeyId") for each in groups],
        [each["AlarmActions"] for each in strict.alarms()],
        strict.variables()["MOVIEXCHANGE_PROXY"],
        strict.output("AlarmsGoTo").startswith("Nobody."),
    ) == ({"/"}, [None], [[]] * 4, "none", True)
