"""What each principal may do: the deployed stack's policies against a written-out expectation.

MiniStack gives the statements with their values filled in, as AWS would; it does not enforce them.
"""

import json
from typing import Any

import pytest

from local.aws import LocalAws
from local.stack import WEBSITE, Stack

TOPIC = "arn:aws:sns:eu-west-1:000000000000:alarms"
KEY = "arn:aws:kms:eu-west-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
SECRET = "arn:aws:secretsmanager:eu-west-1:000000000000:secret"
PUBLISH = ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:ListSecretVersionIds"]
PLAIN = "plain/staging"
ENCRYPTED = "moviexchange/mobile/staging"


@pytest.fixture(scope="module")
def plain(aws: LocalAws) -> Stack:
    """Deploy a stack with its defaults."""
    stack = Stack(aws, {"SecretPrefix": "plain"}, name="plain")
    stack.build()
    stack.deploy()
    return stack


@pytest.fixture(scope="module")
def encrypted(aws: LocalAws, plain: Stack) -> Stack:
    """Deploy another account's stack beside it, with every option, and a key and a topic of one's own."""
    parameters = {
        "SecretPrefix": "moviexchange/mobile",
        "KmsKeyArn": KEY,
        "AlarmTopicArn": TOPIC,
        "KeepRefreshToken": "true",
        "NativeRotation": "true",
    }
    stack = Stack(aws, parameters, name=f"not-{plain.name}")
    stack.deploy()
    return stack


def statements(stack: Stack, role: str, policy: str) -> dict[str, Any]:
    """Read a role's inline policy: its statements under their Sids."""
    answer = stack.client("iam").get_role_policy(RoleName=stack.resource(role), PolicyName=policy)
    return by_sid(answer["PolicyDocument"])


def reader_statements(stack: Stack) -> dict[str, Any]:
    """Read a reader policy: its statements under their Sids."""
    arn = f"arn:aws:iam::000000000000:policy/{stack.name}-eu-west-1-{WEBSITE}-reader"
    answer = stack.client("iam").get_policy_version(PolicyArn=arn, VersionId="v1")
    return by_sid(answer["PolicyVersion"]["Document"])


def by_sid(document: dict[str, Any]) -> dict[str, Any]:
    """Index a policy's statements, which all allow."""
    assert {statement["Effect"] for statement in document["Statement"]} == {"Allow"}
    return {
        statement["Sid"]: {name: value for name, value in statement.items() if name not in {"Sid", "Effect"}}
        for statement in document["Statement"]
    }


def rotator_statements(stack: Stack) -> dict[str, Any]:
    """Write out what the rotator of a stack without a key of its own may do."""
    return {
        "ReadCredentials": {
            "Action": ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
            "Resource": f"{SECRET}:{stack.account}/credentials-??????",
        },
        "LabelRejectedCredentials": {
            "Action": "secretsmanager:UpdateSecretVersionStage",
            "Resource": f"{SECRET}:{stack.account}/credentials-??????",
            "Condition": {"StringEquals": {"secretsmanager:VersionStage": "REJECTED"}},
        },
        "ReadAndPublishTokens": {
            "Action": PUBLISH,
            "Resource": f"{SECRET}:{stack.account}/tokens/*-??????",
        },
        "WriteLogs": {
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"arn:aws:logs:eu-west-1:000000000000:log-group:/aws/lambda/{stack.name}:*",
        },
        "KeepFailedRequests": {"Action": "sqs:SendMessage", "Resource": queue_arn(stack)},
    }


def queue_arn(stack: Stack) -> str:
    """Find the dead-letter queue."""
    sqs = stack.client("sqs")
    answer = sqs.get_queue_attributes(QueueUrl=stack.resource("DeadLetters"), AttributeNames=["QueueArn"])
    arn: str = answer["Attributes"]["QueueArn"]
    return arn


def test_the_rotator_may_do_this_and_nothing_else(plain: Stack) -> None:
    """It reads the credentials and tokens, publishes tokens, logs, and keeps failed requests."""
    assert statements(plain, "RotatorRole", "rotator") == rotator_statements(plain)


def through_secrets_manager(action: str, secrets: object) -> dict[str, Any]:
    """Write out the use of the customer managed key by Secrets Manager alone, for these secrets."""
    return {
        "Action": action,
        "Resource": KEY,
        "Condition": {
            "StringEquals": {"kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com"},
            "StringLike": {"kms:EncryptionContext:SecretARN": secrets},
        },
    }


def test_each_option_lets_the_rotator_do_this_more_and_nothing_else(encrypted: Stack) -> None:
    """A key adds what reading and publishing take, a safety net its secrets, and rotation two labels of tokens."""
    written = [f"{SECRET}:{ENCRYPTED}/tokens/*-??????", f"{SECRET}:{ENCRYPTED}/refresh-tokens/*-??????"]

    assert statements(encrypted, "RotatorRole", "rotator") == rotator_statements(encrypted) | {
        "KeepRefreshTokens": {"Action": PUBLISH, "Resource": f"{SECRET}:{ENCRYPTED}/refresh-tokens/*-??????"},
        "FinishRotations": {
            "Action": "secretsmanager:UpdateSecretVersionStage",
            "Resource": f"{SECRET}:{ENCRYPTED}/tokens/*-??????",
            "Condition": {"StringEquals": {"secretsmanager:VersionStage": ["AWSCURRENT", "AWSPENDING"]}},
        },
        "DecryptSecrets": through_secrets_manager(
            "kms:Decrypt", [f"{SECRET}:{ENCRYPTED}/credentials-??????", *written]
        ),
        "EncryptTokens": through_secrets_manager("kms:GenerateDataKey", written),
    }


def test_the_rotator_has_no_managed_policy(plain: Stack) -> None:
    """SAM's own role would bear one that writes to every log group."""
    answer = plain.client("iam").list_attached_role_policies(RoleName=plain.resource("RotatorRole"))

    assert answer["AttachedPolicies"] == []


def test_the_scheduler_may_wake_the_rotator_and_nothing_else(plain: Stack) -> None:
    """It invokes one function, and keeps what it could not deliver."""
    assert statements(plain, "SchedulerRole", "scheduler") == {
        "WakeRotator": {
            "Action": "lambda:InvokeFunction",
            "Resource": f"arn:aws:lambda:eu-west-1:000000000000:function:{plain.name}",
        },
        "KeepUndeliveredTicks": {"Action": "sqs:SendMessage", "Resource": queue_arn(plain)},
    }


def trust(stack: Stack, role: str) -> list[dict[str, Any]]:
    """Read who may take a role, and when."""
    answer = stack.client("iam").get_role(RoleName=stack.resource(role))
    found: list[dict[str, Any]] = answer["Role"]["AssumeRolePolicyDocument"]["Statement"]
    return found


def test_lambda_alone_takes_the_rotators_role(plain: Stack) -> None:
    """The role's trust names the service and the account, and nobody else."""
    assert trust(plain, "RotatorRole") == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": "000000000000"}},
        }
    ]


def test_the_scheduler_takes_its_role_for_this_stacks_schedules_alone(plain: Stack) -> None:
    """The role's trust is tied to the account and to the stack's own group of schedules."""
    assert trust(plain, "SchedulerRole") == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "scheduler.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {
                    "aws:SourceAccount": "000000000000",
                    "aws:SourceArn": f"arn:aws:scheduler:eu-west-1:000000000000:schedule-group/{plain.name}",
                }
            },
        }
    ]


def reader(account: str) -> dict[str, Any]:
    """Write out what a reader may do."""
    secret = f"{account}/tokens/{WEBSITE}"
    return {
        "ReadToken": {
            "Action": ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
            "Resource": f"{SECRET}:{secret}-??????",
        },
        "ReportTokenRejected": {
            "Action": "events:PutEvents",
            "Resource": "arn:aws:events:eu-west-1:000000000000:event-bus/default",
            "Condition": {
                "ForAllValues:StringEquals": {
                    "events:source": secret,
                    "events:detail-type": "Access Token Rejected",
                },
                "Null": {"events:source": "false", "events:detail-type": "false"},
            },
        },
    }


def test_a_reader_may_do_two_things(plain: Stack) -> None:
    """It reads its token, and reports it rejected."""
    assert reader_statements(plain) == reader(PLAIN)


def test_a_reader_may_use_the_customer_managed_key_for_its_token_alone(encrypted: Stack) -> None:
    """With a key there is one statement more, tied to Secrets Manager and to this token."""
    assert reader_statements(encrypted) == reader(ENCRYPTED) | {
        "DecryptToken": through_secrets_manager("kms:Decrypt", f"{SECRET}:{ENCRYPTED}/tokens/{WEBSITE}-??????")
    }


def rules_of(stack: Stack) -> str:
    """Write out the pattern that this stack's rules have in common, and no other's."""
    names = [stack.resource(f"{kind}FooTicketsWebsite") for kind in ("CredentialsChanged", "TokenRejected")]
    (begin,) = {name.removesuffix(f"{WEBSITE}-{kind}") for name, kind in zip(names, ("new", "401"), strict=True)}
    return f"arn:aws:events:eu-west-1:000000000000:rule/{begin}*"


def may_wake(stack: Stack, service: str, sources: str) -> dict[str, Any]:
    """Write out that a service may invoke the rotator, for these sources of this account."""
    return {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": f"arn:aws:lambda:eu-west-1:000000000000:function:{stack.name}",
        "Condition": {
            "StringEquals": {"AWS:SourceAccount": "000000000000"},
            "ArnLike": {"AWS:SourceArn": sources},
        },
    }


def wakers(stack: Stack) -> list[dict[str, Any]]:
    """Read the function's own policy: its statements without their Sids, which AWS makes up, by service."""
    document = json.loads(stack.client("lambda").get_policy(FunctionName=stack.name)["Policy"])
    found = [{key: value for key, value in each.items() if key != "Sid"} for each in document["Statement"]]
    return sorted(found, key=lambda statement: statement["Principal"]["Service"])


def test_this_stacks_rules_alone_may_wake_the_rotator(plain: Stack) -> None:
    """The function's own policy is tied to EventBridge, the account, and rules of this stack."""
    assert wakers(plain) == [may_wake(plain, "events", rules_of(plain))]


def test_with_rotation_secrets_manager_may_wake_the_rotator_for_this_stacks_tokens_alone(encrypted: Stack) -> None:
    """The function's own policy has one statement more, tied to the account and to token secrets of this stack."""
    assert wakers(encrypted) == [
        may_wake(encrypted, "events", rules_of(encrypted)),
        may_wake(encrypted, "secretsmanager", f"{SECRET}:{ENCRYPTED}/tokens/*"),
    ]


def test_this_stacks_rules_alone_may_write_to_its_dead_letter_queue(plain: Stack) -> None:
    """The queue's policy is tied to EventBridge, the account, and rules of this stack."""
    sqs = plain.client("sqs")
    answer = sqs.get_queue_attributes(QueueUrl=plain.resource("DeadLetters"), AttributeNames=["Policy"])

    assert json.loads(answer["Attributes"]["Policy"])["Statement"] == [
        {
            "Sid": "KeepUndeliveredEvents",
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue_arn(plain),
            "Condition": {
                "StringEquals": {"aws:SourceAccount": "000000000000"},
                "ArnLike": {"aws:SourceArn": rules_of(plain)},
            },
        }
    ]


@pytest.mark.parametrize("name", ["credentials", f"tokens/{WEBSITE}", f"refresh-tokens/{WEBSITE}"])
def test_the_secrets_are_under_the_customer_managed_key(encrypted: Stack, name: str) -> None:
    """Credentials and tokens of both kinds alike."""
    secret = encrypted.client("secretsmanager").describe_secret(SecretId=f"{ENCRYPTED}/{name}")

    assert secret["KmsKeyId"] == KEY


def told(stack: Stack) -> list[list[str]]:
    """Read which topics each alarm of a stack tells, of trouble and of its end."""
    return [topics for alarm in stack.alarms() for topics in (alarm["AlarmActions"], alarm["OKActions"])]


def test_each_alarm_tells_the_topic_that_is_given(encrypted: Stack) -> None:
    """Two client IDs make five alarms, and each tells of trouble and of its end."""
    assert told(encrypted) == [[TOPIC]] * 10


def test_without_a_topic_an_alarm_tells_nobody(plain: Stack) -> None:
    """The alarms are there all the same, to be looked at."""
    assert told(plain) == [[]] * 10


def test_without_the_option_nothing_of_the_safety_net_is_deployed(plain: Stack) -> None:
    """No secret is there that nobody asked for."""
    secrets = plain.client("secretsmanager").list_secrets(Filters=[{"Key": "name", "Values": [PLAIN]}])["SecretList"]

    assert [secret["Name"] for secret in secrets if "refresh" in secret["Name"]] == []
