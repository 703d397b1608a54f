"""The template as written: what a slip in it would deploy without a word.

Its policies are held in test_policies.py, and the dashboard's body in test_dashboard.py.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode.cfn_yaml import load

from mx_token_rotator.events import parse
from mx_token_rotator.settings import HOSTS, Client, Settings
from tests.project.test_docs import anchors
from tests.project.test_structure import VERSION
from tools.local.aws import PROJECT
from tools.local.translated import Resolver

TEXT = (PROJECT / "template.yaml").read_text()
TEMPLATE: dict[str, Any] = load(str(PROJECT / "template.yaml"))
PARAMETERS: dict[str, Any] = TEMPLATE["Parameters"]
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
ACCOUNT = {"Fn::Sub": "${SecretPrefix}/${Environment}"}
LAMBDAS_BYTES = 4096
"""Of a function's environment variables: names and values (Lambda's quota)."""
DESCRIPTION_CHARACTERS = 1024
"""Of an alarm's description (CloudWatch's quota)."""


def properties(name: str) -> dict[str, Any]:
    """Read a resource's properties."""
    read: dict[str, Any] = RESOURCES[name]["Properties"]
    return read


def of_type(kind: str) -> list[str]:
    """Read the names of the resources of one type."""
    return [name for name, each in RESOURCES.items() if each["Type"] == kind]


def arn(name: str) -> dict[str, Any]:
    """Write out a resource's ARN."""
    return {"Fn::GetAtt": [name, "Arn"]}


def test_the_template_stays_small() -> None:
    """It is read from top to bottom by whoever deploys it."""
    assert len(TEXT.splitlines()) <= 650


@pytest.mark.parametrize(
    "absent",
    [
        r"Fn::ForEach|AWS::LanguageExtensions",  # CDK's CfnInclude and parameters changed in the console fail with them
        r"AWS::CloudFormation::Interface|AWS::ServerlessRepo",
        r"(?m)^\s*(- |[\w:]+: )?[&*]\w",  # anchors, which CloudFormation refuses
        r"\bTags:",  # they come from the stack, and reach every resource
    ],
)
def test_the_template_does_without(absent: str) -> None:
    """Each of these breaks a way to deploy it, or says what the stack's owner should say."""
    assert re.findall(absent, TEXT) == []


# Parameters


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_says_what_is_allowed(name: str) -> None:
    """CloudFormation's own message would be the regular expression."""
    assert re.match(r"must be .{10,}", PARAMETERS[name]["ConstraintDescription"])


def test_only_the_client_ids_must_be_given() -> None:
    """Everything else has a default."""
    assert [name for name, each in PARAMETERS.items() if "Default" not in each] == ["ClientIds"]


OWN_HOSTS = ["none", "https://auth.example.org", "https://auth.example.org:8443", "http://127.0.0.1:8080"]
NO_HOSTS = ["", "auth.example.org", "ftp://auth.example.org", "https://", "https://me@example.org", "https://a:b:c"]
NO_HOSTS += ["http://auth.example.org", "http://127.0.0.1.example.org", "https://example.org/a?b", "https://a b"]
PATHS = ["https://vwc.example.com/WSVistaWebClient", "https://vwc.example.com/a/b/"]


@pytest.mark.parametrize(
    ("name", "accepted", "refused"),
    [
        (
            "ClientIds",
            [
                *("_Website", "_Website,_OfflineUpdater", " _Website , _OfflineUpdater ", "4", "a.b+c=d@e-f", "x" * 50),
                *("Web:Foo Tickets (Web)", "_Website,Web:Foo Tickets (Web)", "Web: a:b/c", "Web:" + "x" * 200),
                *(",".join(["x" * 50] * 60), "_Website,", "_Website,_OfflineUpdater, "),
            ],
            [
                *("", ",", ",_Website", "a,,b", "Foo Website", "Foo/Website", 'Foo"', "Foo*", "x" * 51),
                *("Web:", "Web: ", ":Web", "Web:a\nb", "Web:" + "x" * 201, "a:b  ," * 60 + "/"),
            ],
        ),
        (
            "SecretPrefix",
            ["moviexchange", "vista/brand-uk", "a_b.c-d/2/3", "awsmovie", "production/tokens2", "my-staging/tokens"],
            [
                *("", "/moviexchange", "moviexchange/", "movie//xchange", "movie xchange", "*", "aws.moviexchange"),
                *("moviexchange/staging/tokens", "staging/refresh-tokens/mobile", "a/sandbox/tokens/mobile"),
            ],
        ),
        (
            "SecretTags",
            ["none", "Team=Web", "Team=Web,CostCenter=42", "a:b/c=d=e @f", "Empty="],
            ["", "Team", "Team=Web,", "=Web", "aws:x=1", "a=1,aws:x=1", "a=1,b", "Team=<Web>"],
        ),
        (
            "CheckEvery",
            [f"rate({span})" for span in ("1 minute", "2 minutes", "9 minutes", "10 minutes", "19 minutes")],
            [
                *("", "15 minutes", "cron(0 * * * ? *)", "rate(1 hour)", "rate(1 day)", "rate(15 minutes) "),
                *("rate(0 minutes)", "rate(1 minutes)", "rate(2 minute)", "rate(20 minutes)", "rate(100 minutes)"),
            ],
        ),
        (
            "VerifyPath",
            ["auto", "none", "/", "/mxs/reference-data/v1/cinema-chains", "/ocapi/v1/sites?a=b&c=~"],
            ["", "mxs", "https://example.org/", "/a b", "/a\n", "/\N{LATIN SMALL LETTER E WITH ACUTE}"],
        ),
        (
            "KmsKeyArn",
            [
                "none",
                "arn:aws:kms:eu-west-1:0123456789ab:key/1".replace("ab", "01"),
                "arn:aws-cn:kms:x:000000000000:key/mrk-1a",
            ],
            ["", "alias/mine", "arn:aws:kms:x:000000000000:alias/mine", "arn:aws:kms:x:000000000000:key/*"],
        ),
        (
            "AlarmTopicArn",
            ["none", "arn:aws:sns:eu-west-1:000000000000:alarms", "arn:aws-cn:sns:cn-north-1:000000000000:alarms"],
            ["", "alarms", "arn:aws:sns:x:000000000000:", "arn:aws:sqs:x:000000000000:alarms", "arn:aws:sns:x:0:a"],
        ),
        (
            "AlarmEmail",
            ["none", "tickets-team@example.com", "a.b+c_d%e@mail.example.co.uk"],
            [
                "",
                "tickets-team",
                "@example.com",
                "a@b",
                "a@example.com,b@example.com",
                "a b@example.com",
                "a@b@example.com",
            ],
        ),
        (
            "LogKmsKeyArn",
            ["none", "arn:aws:kms:eu-west-1:000000000000:key/1", "arn:aws-cn:kms:x:000000000000:key/mrk-1a"],
            ["", "alias/mine", "arn:aws:kms:x:000000000000:alias/mine", "arn:aws:kms:x:000000000000:key/*"],
        ),
        (
            "PermissionsBoundaryArn",
            [
                *("none", "arn:aws:iam::000000000000:policy/boundary", "arn:aws:iam::aws:policy/PowerUserAccess"),
                "arn:aws-cn:iam::000000000000:policy/platform/boundary+=,.@_-",
            ],
            [
                "",
                "boundary",
                "arn:aws:iam::000000000000:role/boundary",
                "arn:aws:iam::0:policy/a",
                "arn:aws:iam::aws:policy/",
            ],
        ),
        (
            "RolePath",
            ["/", "/apps/", "/apps/tickets-2/"],
            ["", "none", "apps", "/apps", "apps/", "//", "/a b/", "/a*/"],
        ),
        (
            "SubnetIds",
            ["none", "subnet-1a2b3c4d", "subnet-0123456789abcdef0,subnet-0fedcba9876543210"],
            [
                "",
                "subnet-",
                "subnet-1a2b3c4d, subnet-5e6f7a8b",
                "subnet-1a2b3c4d,",
                "none,subnet-1a2b3c4d",
                "sg-1a2b3c4d",
            ],
        ),
        (
            "SecurityGroupIds",
            ["none", "sg-1a2b3c4d", "sg-0123456789abcdef0,sg-0fedcba9876543210"],
            ["", "sg-", "sg-1a2b3c4d, sg-5e6f7a8b", "sg-1a2b3c4d,", "none,sg-1a2b3c4d", "subnet-1a2b3c4d"],
        ),
        (
            "HttpsProxy",
            ["none", "http://proxy.example.com:3128", "https://proxy.example.com:443", "http://10.0.0.1:8080"],
            [
                *("", "proxy.example.com:3128", "http://proxy.example.com", "http://proxy.example.com:3128/"),
                *("http://user:password@proxy.example.com:3128", "socks5://proxy.example.com:1080", "http://a b:1"),
            ],
        ),
        ("AuthUrl", OWN_HOSTS, NO_HOSTS + PATHS),
        ("ApiUrl", OWN_HOSTS + PATHS, NO_HOSTS),
    ],
)
def test_a_parameter_accepts_and_refuses(name: str, accepted: list[str], refused: list[str]) -> None:
    """A wrong value ends a deployment before anything changes."""
    allowed = re.compile(PARAMETERS[name]["AllowedPattern"])

    assert [value for value in accepted + refused if allowed.fullmatch(value)] == accepted


def test_a_choice_has_these_values() -> None:
    """The environments are those whose hosts the function knows."""
    choices = {name: each["AllowedValues"] for name, each in PARAMETERS.items() if "AllowedValues" in each}
    del choices["LogRetentionDays"]  # cfn-lint knows them

    assert choices == {
        "Environment": list(HOSTS),
        "CreateCredentials": ["true", "false"],
        "KeepRefreshToken": ["true", "false"],
        "Dashboard": ["true", "false"],
    }


def test_a_number_has_these_bounds() -> None:
    """Beyond them the function would refuse, or an alarm would fire for nothing."""
    bounds = {name: (each.get("MinValue"), each.get("MaxValue")) for name, each in PARAMETERS.items()}

    assert {name: bound for name, bound in bounds.items() if bound != (None, None)} == {
        "RefreshAtPercent": (10, 70),
        "AlarmBelowPercent": (1, 89),
        "MinTokenAgeSeconds": (0, 86_400),
    }


def is_set(parameter: str) -> dict[str, Any]:
    """Write out the condition that a parameter is not `none`."""
    return {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, "none"]}]}


def test_conditions_compare_text_with_text() -> None:
    """With a number or a boolean, a comparison depends on how the parameter was sent."""
    assert TEMPLATE["Conditions"] == {
        "CreatesCredentials": {"Fn::Equals": [{"Ref": "CreateCredentials"}, "true"]},
        "HasKmsKey": is_set("KmsKeyArn"),
        "HasAlarmEmail": is_set("AlarmEmail"),
        "HasAlarmTopic": is_set("AlarmTopicArn"),
        "HasDashboard": {"Fn::Equals": [{"Ref": "Dashboard"}, "true"]},
        "HasLogKmsKey": is_set("LogKmsKeyArn"),
        "HasBoundary": is_set("PermissionsBoundaryArn"),
        "IsInVpc": {"Fn::And": [is_set("SubnetIds"), is_set("SecurityGroupIds")]},
    }


@pytest.mark.parametrize(
    ("subnets", "groups", "is_accepted"),
    [
        ("none", "none", True),
        ("subnet-1a2b3c4d", "sg-1a2b3c4d", True),
        ("subnet-1a2b3c4d", "none", False),
        ("none", "sg-1a2b3c4d", False),
    ],
)
def test_subnets_and_security_groups_go_together(subnets: str, groups: str, *, is_accepted: bool) -> None:
    """CloudFormation refuses one without the other before anything changes, and says so."""
    (assertion,) = TEMPLATE["Rules"]["Network"]["Assertions"]
    parameters = {"SubnetIds": subnets, "SecurityGroupIds": groups}

    assert (Resolver(TEMPLATE, parameters, {}).holds(assertion["Assert"]), assertion["AssertDescription"]) == (
        is_accepted,
        "SubnetIds and SecurityGroupIds go together; set both, or neither",
    )


# The function and its variables


class Recorded(dict[str, str]):
    """Environment variables that know which of them were read."""

    def __init__(self, variables: dict[str, str]) -> None:
        """Begin with none read."""
        super().__init__(variables)
        self.read: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401  as a dictionary's
        """Read a variable."""
        self.read.add(name)
        return super().get(name, default)


def variables(values: dict[str, str]) -> Recorded:
    """Resolve the function's environment variables, for these values of parameters and the defaults of the others."""
    resolved = Resolver(TEMPLATE, values, {}).resolve(properties("Function")["Environment"]["Variables"])
    return Recorded({name: str(value) for name, value in resolved.items()})


def longest() -> Iterator[tuple[str, str]]:
    """Write out each parameter at its longest, as far as the function reads it."""
    for name, each in PARAMETERS.items():
        if "AllowedValues" in each:
            yield name, max(map(str, each["AllowedValues"]), key=len)
        elif "MaxValue" in each:
            yield name, str(each["MaxValue"])
        elif "MaxLength" in each:
            yield name, "x" * each["MaxLength"]
        elif name == "CheckEvery":
            yield name, "rate(19 minutes)"


def test_the_variables_fit_with_sixty_client_ids() -> None:
    """Lambda refuses more than 4 KB, and no emulator does."""
    client_ids = ",".join(f"{number:0>50}" for number in range(60))
    sizes = [len(name) + len(value) for name, value in variables(dict(longest()) | {"ClientIds": client_ids}).items()]

    assert (len(client_ids), sum(sizes) <= LAMBDAS_BYTES) == (PARAMETERS["ClientIds"]["MaxLength"], True)


def test_the_longest_value_of_each_variable_is_known() -> None:
    """A parameter without a MaxLength would count as its default."""
    unbounded = set(PARAMETERS) - {name for name, _ in longest()}
    given = json.dumps(properties("Function")["Environment"])

    assert {name for name in unbounded if f'"{name}"' in given} == set()


def test_the_function_reads_the_variables_that_the_stack_sets() -> None:
    """Each setting has its variable, and there is no variable that nobody reads."""
    environment = variables({"ClientIds": "_Website"})
    Settings.parse(environment)

    assert environment.read == set(environment)


def test_the_function_has_these_properties() -> None:
    """Lambda drops metrics, which are lines without a level, unless the level is INFO."""
    assert {name: each for name, each in properties("Function").items() if name != "Environment"} == {
        "FunctionName": {"Ref": "AWS::StackName"},
        "Description": {"Fn::Sub": "Keeps the movieXchange access tokens of ${SecretPrefix}/${Environment} fresh."},
        "CodeUri": "dist/run make package first/../function.zip",
        "Handler": "mx_token_rotator.handler.handler",
        "Runtime": "python3.13",
        "Architectures": ["arm64"],
        "MemorySize": 1769,
        "Timeout": 60,
        "Role": arn("FunctionRole"),
        "LoggingConfig": {
            "LogGroup": {"Ref": "FunctionLogs"},
            "LogFormat": "JSON",
            "ApplicationLogLevel": "INFO",
            "SystemLogLevel": "INFO",
        },
        "VpcConfig": {
            "Fn::If": [
                "IsInVpc",
                {
                    "SubnetIds": {"Fn::Split": [",", {"Ref": "SubnetIds"}]},
                    "SecurityGroupIds": {"Fn::Split": [",", {"Ref": "SecurityGroupIds"}]},
                },
                {"Ref": "AWS::NoValue"},
            ]
        },
        "EventInvokeConfig": {"MaximumRetryAttempts": 0},
    }


# What starts a run


def test_the_queue_keeps_runs_apart_and_old_ones_away() -> None:
    """Its visibility timeout is six times the function's; a message is not kept longer than a later schedule needs."""
    assert properties("Queue") == {
        "QueueName": {"Fn::Sub": "${AWS::StackName}.fifo"},
        "FifoQueue": True,
        "ContentBasedDeduplication": True,
        "SqsManagedSseEnabled": True,
        "MessageRetentionPeriod": 15 * 60,
        "VisibilityTimeout": 6 * properties("Function")["Timeout"],
    }


def test_the_function_gets_one_message_at_a_time() -> None:
    """With one message group, Lambda then runs it once at a time."""
    assert properties("QueueMapping") == {
        "EventSourceArn": arn("Queue"),
        "FunctionName": {"Ref": "Function"},
        "BatchSize": 1,
    }


def test_the_schedule_does_not_wait_or_repeat_for_long() -> None:
    """A flexible window would delay it, and an attempt after 15 minutes would do what the next one does."""
    assert {name: each for name, each in properties("Schedule").items() if name not in {"Target", "Description"}} == {
        "ScheduleExpression": {"Ref": "CheckEvery"},
        "FlexibleTimeWindow": {"Mode": "OFF"},
    }


@pytest.mark.parametrize(
    "target",
    [properties("Schedule")["Target"], *(properties(rule)["Targets"][0] for rule in of_type("AWS::Events::Rule"))],
    ids=["schedule", *of_type("AWS::Events::Rule")],
)
def test_everything_goes_to_the_queue_in_one_message_group(target: dict[str, Any]) -> None:
    """What could not be delivered for 15 minutes is given up."""
    assert (target["Arn"], target["SqsParameters"], target["RetryPolicy"]) == (
        arn("Queue"),
        {"MessageGroupId": "runs"},
        {"MaximumEventAgeInSeconds": 900},
    )


@pytest.mark.parametrize(
    ("rule", "pattern"),
    [
        (
            "CredentialsChanged",
            {
                "source": ["aws.secretsmanager"],
                "detail-type": ["Secret Label Updated"],
                "detail": {
                    "name": [{"Fn::Sub": "${SecretPrefix}/${Environment}/credentials"}],
                    "labelUpdated": ["AWSCURRENT"],
                },
            },
        ),
        (
            "TokenRejected",
            {
                "source": [{"prefix": {"Fn::Sub": "${SecretPrefix}/${Environment}/tokens/"}}],
                "detail-type": ["Access Token Rejected"],
                "detail": {"version_id": [{"exists": True}]},
            },
        ),
    ],
)
def test_a_rule_matches_this_stacks_events(rule: str, pattern: dict[str, Any]) -> None:
    """The function labels the credentials too, with another label than AWSCURRENT."""
    assert properties(rule)["EventPattern"] == pattern


def transformed(rule: str, event: dict[str, Any]) -> str:
    """Write out what a rule sends for an event, as EventBridge does: values that are text in quotation marks."""
    transformer = properties(rule)["Targets"][0]["InputTransformer"]
    text: str = transformer["InputTemplate"]
    for name, path in transformer["InputPathsMap"].items():
        value: Any = event
        for part in path.removeprefix("$.").split("."):
            value = value[part]
        text = text.replace(f"<{name}>", f'"{value}"')
    return text


def body(sample: str) -> Any:  # noqa: ANN401  JSON
    """Read the message of a sample of an event from the queue."""
    (record,) = json.loads((PROJECT / "events" / f"{sample}.json").read_text())["Records"]
    return json.loads(record["body"])


@pytest.mark.parametrize(
    ("sample", "sent"),
    [
        (
            "scheduled",
            properties("Schedule")["Target"]["Input"].replace("<aws.scheduler.scheduled-time>", "2026-11-24T15:00:00Z"),
        ),
        (
            "credentials-changed",
            transformed("CredentialsChanged", {"detail": {"versionId": "3c9e5a10-7b42-4f0e-8c1d-6a2b9f4d8e01"}}),
        ),
        (
            "token-rejected",
            transformed(
                "TokenRejected",
                {
                    "source": "moviexchange/staging/tokens/_Website",
                    "detail": {"version_id": "b7a4f1c2-0d53-4c1e-9a55-3f1f8d1c2e77"},
                },
            ),
        ),
    ],
)
def test_a_sample_is_what_the_stack_sends(sample: str, sent: str) -> None:
    """The samples are for the Lambda console, to be sent as they stand."""
    assert body(sample) == json.loads(sent)


@pytest.mark.parametrize("sample", sorted((PROJECT / "events").iterdir()), ids=lambda path: path.stem)
def test_the_function_understands_a_sample(sample: Path) -> None:
    """Each is for MX's own example of a client ID, or for all."""
    clients = [Client.parse("_Website")]
    request = parse(
        json.loads(sample.read_text()), clients, "moviexchange/staging", datetime(2026, 11, 24, 15, tzinfo=UTC)
    )

    assert list(request.clients if request else []) == clients


def test_an_application_cannot_report_another_ones_token() -> None:
    """IAM decides on the event's source, so the source counts whatever the application puts into the version."""
    forged = 'x", "reported": "moviexchange/staging/tokens/_OfflineUpdater'
    event = {"source": "moviexchange/staging/tokens/_Website", "detail": {"version_id": forged}}

    assert json.loads(transformed("TokenRejected", event))["reported"] == "moviexchange/staging/tokens/_Website"


# What stays, and what is left out


def test_what_a_person_filled_or_attached_outlives_the_stack() -> None:
    """What the stack can make again is deleted with it; what a failed first deployment made is too."""
    kept = {name: (each.get("DeletionPolicy"), each.get("UpdateReplacePolicy")) for name, each in RESOURCES.items()}

    assert {name: policies for name, policies in kept.items() if policies != (None, None)} == {
        "Credentials": ("RetainExceptOnCreate", "Retain"),
        "ReaderPolicy": ("RetainExceptOnCreate", "Retain"),
        "Queue": ("Delete", "Delete"),
        "FunctionLogs": ("Delete", "Delete"),
    }


def test_an_option_decides_over_these_resources_and_no_others() -> None:
    """All else is there whatever is switched."""
    assert {name: each["Condition"] for name, each in RESOURCES.items() if "Condition" in each} == {
        "Credentials": "CreatesCredentials",
        "AlarmTopic": "HasAlarmEmail",
        "AlarmSubscription": "HasAlarmEmail",
        "AlarmTopicPolicy": "HasAlarmEmail",
        "TokenDashboard": "HasDashboard",
    }


def test_no_role_or_policy_has_a_name() -> None:
    """So CAPABILITY_IAM is enough, and a policy that outlives its stack is in nobody's way."""
    named = {"RoleName", "ManagedPolicyName"}

    assert [name for name, each in RESOURCES.items() if named & set(each.get("Properties", {}))] == []


@pytest.mark.parametrize("name", [*of_type("AWS::IAM::Role"), *of_type("AWS::IAM::ManagedPolicy")])
def test_every_role_and_policy_has_the_companys_path(name: str) -> None:
    """Where a company demands one, it demands it everywhere."""
    assert properties(name)["Path"] == {"Ref": "RolePath"}


@pytest.mark.parametrize("name", of_type("AWS::IAM::Role"))
def test_every_role_has_the_companys_boundary(name: str) -> None:
    """A role without it could not be created."""
    assert properties(name)["PermissionsBoundary"] == {
        "Fn::If": ["HasBoundary", {"Ref": "PermissionsBoundaryArn"}, {"Ref": "AWS::NoValue"}]
    }


# Alarms and outputs


def alarm(metric: str, namespace: str = "MovieXchange", **others: object) -> dict[str, Any]:
    """Write out an alarm on any count of a metric within half an hour."""
    dimension = {"Name": "Account", "Value": ACCOUNT}
    if namespace == "AWS/Lambda":
        dimension = {"Name": "FunctionName", "Value": {"Ref": "Function"}}
    topics = [
        {"Fn::If": ["HasAlarmEmail", {"Ref": "AlarmTopic"}, {"Ref": "AWS::NoValue"}]},
        {"Fn::If": ["HasAlarmTopic", {"Ref": "AlarmTopicArn"}, {"Ref": "AWS::NoValue"}]},
    ]
    return {
        "Namespace": namespace,
        "MetricName": metric,
        "Dimensions": [dimension],
        "Statistic": "Sum",
        "Period": 1800,
        "EvaluationPeriods": 1,
        "Threshold": 0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        "AlarmActions": topics,
        "OKActions": topics,
    } | others


ALARMS = {
    "TokenLifeLow": alarm(
        "TokenLifeRemaining",
        Statistic="Minimum",
        EvaluationPeriods=2,
        DatapointsToAlarm=2,
        Threshold={"Ref": "AlarmBelowPercent"},
        ComparisonOperator="LessThanThreshold",
        TreatMissingData="breaching",
    ),
    "ActionRequired": alarm("ActionRequired"),
    "RefreshFailing": alarm(
        "TokenRefreshFailed", Period=3600, Threshold=3, ComparisonOperator="GreaterThanOrEqualToThreshold"
    ),
    "FunctionBroken": alarm("Errors", namespace="AWS/Lambda"),
}


@pytest.mark.parametrize("name", of_type("AWS::CloudWatch::Alarm"))
def test_an_alarm_watches_this(name: str) -> None:
    """An alarm on a metric or a set of dimensions that nothing emits would never fire."""
    assert {key: value for key, value in properties(name).items() if key != "AlarmDescription"} == ALARMS[name]


@pytest.mark.parametrize("name", of_type("AWS::CloudWatch::Alarm"))
def test_an_alarm_says_where_what_happened_and_what_to_do_first(name: str) -> None:
    """CloudWatch sends its description along; whoever is woken by it may have many accounts."""
    assert re.fullmatch(
        r"\$\{SecretPrefix\}/\$\{Environment\} in the AWS account \$\{AWS::AccountId\}: .+\n"
        r"First look for .+ in the log group /aws/lambda/\$\{AWS::StackName\}.+\n"
        r"Read on: docs/operating\.md#[a-z-]+",
        properties(name)["AlarmDescription"]["Fn::Sub"],
    )


@pytest.mark.parametrize("name", of_type("AWS::CloudWatch::Alarm"))
def test_an_alarm_names_its_own_section_of_the_docs(name: str) -> None:
    """A link to a heading that was renamed would lead to the top of a long page."""
    ((page, anchor),) = re.findall(r"(docs/\S+)#(\S+)", properties(name)["AlarmDescription"]["Fn::Sub"])

    assert (anchor == f"alarm-{name.lower()}", anchor in anchors(PROJECT / page)) == (True, True)


@pytest.mark.parametrize("name", of_type("AWS::CloudWatch::Alarm"))
def test_the_longest_description_of_an_alarm_fits(name: str) -> None:
    """CloudWatch refuses a longer one, and no emulator does."""
    names = {"AWS::StackName": "x" * 64} | dict(longest())

    assert len(Resolver(TEMPLATE, names, {}).resolve(properties(name)["AlarmDescription"])) <= DESCRIPTION_CHARACTERS


def test_no_alarm_watches_a_queue() -> None:
    """The metrics of a queue that is usually empty arrive late, or not at all."""
    namespaces = {properties(name)["Namespace"] for name in of_type("AWS::CloudWatch::Alarm")}

    assert namespaces == {"MovieXchange", "AWS/Lambda"}


def test_the_topic_of_the_stack_is_not_encrypted_with_the_key_that_cloudwatch_may_not_use() -> None:
    """An alarm could not be published to it, and nobody would notice."""
    assert "Properties" not in RESOURCES["AlarmTopic"]


def told(**parameters: str) -> str:
    """Resolve the output that says who is told of alarms."""
    resolved: str = Resolver(TEMPLATE, parameters, {}).resolve(TEMPLATE["Outputs"]["AlarmsGoTo"]["Value"])
    return resolved


EMAIL = "tickets-team@example.com"
TOPIC = "arn:aws:sns:eu-west-1:000000000000:alarms"
CONFIRM = f"{EMAIL}, once somebody opens the link in the e-mail AWS Notification - Subscription Confirmation."


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "Nobody. Deploy with AlarmEmail or AlarmTopicArn, or look at the alarms yourself."),
        ({"AlarmEmail": EMAIL}, CONFIRM),
        ({"AlarmTopicArn": TOPIC}, TOPIC),
        ({"AlarmEmail": EMAIL, "AlarmTopicArn": TOPIC}, f"{CONFIRM} {TOPIC}"),
    ],
)
def test_an_output_says_who_is_told_of_alarms(parameters: dict[str, str], said: str) -> None:
    """Also if nobody is, or if an address has yet to be confirmed."""
    assert told(**parameters).strip() == said


def test_the_outputs_are_what_a_person_needs_next() -> None:
    """Which secret to fill and how, what to invoke, where tokens are, who is told, and the applications' policy."""
    assert {name: output["Value"] for name, output in TEMPLATE["Outputs"].items() if name != "AlarmsGoTo"} == {
        "CredentialsSecret": {"Fn::Sub": "${SecretPrefix}/${Environment}/credentials"},
        "FillCredentials": {
            "Fn::Sub": "aws secretsmanager put-secret-value --secret-id ${SecretPrefix}/${Environment}/credentials "
            "--secret-string file://credentials.json"
        },
        "FunctionName": {"Ref": "Function"},
        "QueueUrl": {"Ref": "Queue"},
        "TokenSecrets": {"Fn::Sub": "${SecretPrefix}/${Environment}/tokens/"},
        "ReaderPolicyArn": {"Ref": "ReaderPolicy"},
        "Version": VERSION,
    }
