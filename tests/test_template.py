"""What the template says of each resource, parameter and output, written out a second time as it is meant.

A slip in it would be deployed without a word; its policies are held in test_policies.py, and the dashboard's body in
test_dashboard.py, as deployed.
"""

import re
import tomllib
from dataclasses import fields
from typing import Any

import pytest
from cfnlint.decode.cfn_yaml import load

from local.aws import HOUSE
from mx_token_rotator.errors import fill_command
from mx_token_rotator.settings import Settings

TEMPLATE: dict[str, Any] = load(str(HOUSE / "template.yaml"))
PROJECT = tomllib.loads((HOUSE / "pyproject.toml").read_text())["project"]
LOOP = "Fn::ForEach::ClientId"
RESOURCES: dict[str, Any] = TEMPLATE["Resources"] | TEMPLATE["Resources"][LOOP][2]
del RESOURCES[LOOP]
POLICIES = {
    *("RotatorRole", "SchedulerRole", "DeadLettersPolicy", "RulesMayWakeRotator", "SecretsManagerMayWakeRotator"),
    "Reader&{ClientId}",
}
# CloudFormation has no tags for these.
UNTAGGED = {
    *("DeadLettersPolicy", "RulesMayWakeRotator", "SecretsManagerMayWakeRotator", "Reader&{ClientId}"),
    *("Tick&{ClientId}", "Rotation&{ClientId}"),
}


def ref(name: str) -> dict[str, Any]:
    """Write out a reference to a parameter or a resource."""
    return {"Ref": name}


def sub(text: str, *names: dict[str, Any]) -> dict[str, Any]:
    """Write out a text with names in it."""
    return {"Fn::Sub": [text, *names] if names else text}


def arn(name: str) -> dict[str, Any]:
    """Write out a resource's ARN."""
    return {"Fn::GetAtt": [name, "Arn"]}


def given(name: str, then: object, otherwise: object) -> dict[str, Any]:
    """Write out a choice by a condition."""
    return {"Fn::If": [name, then, otherwise]}


def other_than(value: object, parameter: str) -> dict[str, Any]:
    """Write out the condition that a parameter has another value."""
    return {"Fn::Not": [{"Fn::Equals": [ref(parameter), value]}]}


ACCOUNT = "${SecretPrefix}/${Environment}"
TOKEN = "${SecretPrefix}/${Environment}/tokens/${ClientId}"
# A policy relies on how a rule's name begins; the stack's own name could be too long for that.
UNIQUE_ID = {"Fn::Select": [2, {"Fn::Split": ["/", ref("AWS::StackId")]}]}
RULE = {"Id": {"Fn::Select": [0, {"Fn::Split": ["-", UNIQUE_ID]}]}}
KEY = {"KmsKeyId": given("HasKmsKey", ref("KmsKeyArn"), ref("AWS::NoValue"))}
TOPIC = given("HasAlarmTopic", [ref("AlarmTopicArn")], ref("AWS::NoValue"))
ONE_PERIOD = {"EvaluationPeriods": 1, "AlarmActions": TOPIC, "OKActions": TOPIC}
MORE_THAN_NONE = {"Threshold": 0, "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "notBreaching"}


def failures_of(error: str) -> dict[str, Any]:
    """Write out an alarm on one kind of failure."""
    dimensions = [{"Name": "Account", "Value": sub(ACCOUNT)}, {"Name": "Error", "Value": error}]
    metric = {"Namespace": "MovieXchange", "MetricName": "TokenRefreshFailed", "Dimensions": dimensions}
    return metric | {"Statistic": "Sum", "Period": 1800} | MORE_THAN_NONE | ONE_PERIOD


REQUEST = {"Input": sub('{"client_id": "${ClientId}"}')}
REPORT = {
    "InputPathsMap": {"version": "$.detail.version_id"},
    "InputTemplate": sub('{"rejected_version": <version>, "client_id": "${ClientId}"}'),
}
WINDOW = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": ref("CheckWindowMinutes")}
RETRIES = {"RetryPolicy": {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 10}}
KEPT = {"DeadLetterConfig": {"Arn": arn("DeadLetters")}}
ENVIRONMENT = {
    "ACCOUNT": sub(ACCOUNT),
    "CLIENT_IDS": {"Fn::Join": [",", ref("ClientIds")]},
    "REFRESH_AT_PERCENT": ref("RefreshAtPercent"),
    "MIN_TOKEN_AGE_SECONDS": ref("MinTokenAgeSeconds"),
    "VERIFY_PATH": ref("VerifyPath"),
    "KEEP_REFRESH_TOKEN": ref("KeepRefreshToken"),
    "NATIVE_ROTATION": ref("NativeRotation"),
    "WATCH_TOKENS": ref("WatchTokens"),
    "AUTH_URL": given("HasAuthUrl", ref("AuthUrl"), {"Fn::FindInMap": ["Hosts", ref("Environment"), "Auth"]}),
    "API_URL": given("HasApiUrl", ref("ApiUrl"), {"Fn::FindInMap": ["Hosts", ref("Environment"), "Api"]}),
}
PROPERTIES: dict[str, dict[str, Any]] = {
    "Credentials": {"Name": sub(f"{ACCOUNT}/credentials")} | KEY,
    "Token&{ClientId}": {"Name": sub(TOKEN)} | KEY,
    "RefreshToken&{ClientId}": {"Name": sub(f"{ACCOUNT}/refresh-tokens/${{ClientId}}")} | KEY,
    "Rotator": {
        "FunctionName": ref("AWS::StackName"),
        "CodeUri": "src",
        "Handler": "mx_token_rotator.handler.handler",
        "Runtime": "python3.13",
        "Architectures": ["arm64"],
        "MemorySize": 1769,
        "Timeout": 60,
        "Role": arn("RotatorRole"),
        "LoggingConfig": {"LogFormat": "JSON", "LogGroup": ref("RotatorLogs")},
        "Environment": {"Variables": ENVIRONMENT},
        "EventInvokeConfig": {
            "MaximumRetryAttempts": 0,
            "MaximumEventAgeInSeconds": 3600,
            "DestinationConfig": {"OnFailure": {"Type": "SQS", "Destination": arn("DeadLetters")}},
        },
    },
    "RotatorLogs": {"LogGroupName": sub("/aws/lambda/${AWS::StackName}"), "RetentionInDays": ref("LogRetentionDays")},
    "DeadLetters": {"SqsManagedSseEnabled": True, "MessageRetentionPeriod": 14 * 24 * 60 * 60},
    "Schedules": {"Name": ref("AWS::StackName")},
    "Rotation&{ClientId}": {
        "SecretId": sub(TOKEN),
        "RotationLambdaARN": arn("Rotator"),
        "RotateImmediatelyOnUpdate": False,
        "RotationRules": {"ScheduleExpression": "rate(1 day)"},
    },
    "Tick&{ClientId}": {
        "GroupName": ref("Schedules"),
        "ScheduleExpression": ref("CheckEvery"),
        "FlexibleTimeWindow": given("HasWindow", WINDOW, {"Mode": "OFF"}),
        "Target": {"Arn": arn("Rotator"), "RoleArn": arn("SchedulerRole")} | REQUEST | RETRIES | KEPT,
    },
    "CredentialsChanged&{ClientId}": {
        "Name": sub("${Id}-${ClientId}-new", RULE),
        "EventPattern": {
            "source": ["aws.secretsmanager"],
            "detail-type": ["Secret Label Updated"],
            "detail": {"name": [sub(f"{ACCOUNT}/credentials")], "labelUpdated": ["AWSCURRENT"]},
        },
        "Targets": [{"Id": "rotator", "Arn": arn("Rotator")} | REQUEST | KEPT],
    },
    "TokenRejected&{ClientId}": {
        "Name": sub("${Id}-${ClientId}-401", RULE),
        "EventPattern": {
            "source": [sub(TOKEN)],
            "detail-type": ["Access Token Rejected"],
            "detail": {"version_id": [{"exists": True}]},
        },
        "Targets": [{"Id": "rotator", "Arn": arn("Rotator"), "InputTransformer": REPORT} | KEPT],
    },
    "Freshness&{ClientId}": {
        "Namespace": "MovieXchange",
        "MetricName": "TokenSecondsRemaining",
        "Statistic": "Minimum",
        "Period": 1800,
        "Dimensions": [{"Name": "TokenSecret", "Value": sub(TOKEN)}],
        "Threshold": ref("AlarmSecondsRemaining"),
        "ComparisonOperator": "LessThanThreshold",
        "TreatMissingData": "breaching",
    }
    | ONE_PERIOD,
    "RotatorDashboard": {"DashboardName": sub("${AWS::StackName}-${AWS::Region}")},
    "CredentialsRejectedAlarm": failures_of("CredentialsRejected"),
    "VaultFailedAlarm": failures_of("VaultFailed"),
    "DeadLettersAlarm": {
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateNumberOfMessagesVisible",
        "Statistic": "Maximum",
        "Period": 300,
        "Dimensions": [{"Name": "QueueName", "Value": {"Fn::GetAtt": ["DeadLetters", "QueueName"]}}],
    }
    | MORE_THAN_NONE
    | ONE_PERIOD,
}


@pytest.mark.parametrize("name", PROPERTIES)
def test_a_resource_has_these_properties_and_no_others(name: str) -> None:
    """Only what it tells a person of itself is left to the template."""
    properties = RESOURCES[name]["Properties"].items()
    elsewhere = ("Description", "Tags", "DashboardBody")

    assert {key: value for key, value in properties if not key.endswith(elsewhere)} == PROPERTIES[name]


def test_there_is_no_resource_that_no_test_holds() -> None:
    """Each is written out here, or is a policy."""
    assert set(RESOURCES) == set(PROPERTIES) | POLICIES


def tags(name: str) -> dict[str, Any]:
    """Read a resource's tags: SAM writes a function's as a map, CloudFormation those of all others as a list."""
    written = RESOURCES[name]["Properties"].get("Tags", {})
    return dict(written) if isinstance(written, dict) else {each["Key"]: each["Value"] for each in written}


def test_whatever_takes_tags_tells_the_application_and_the_account() -> None:
    """What it is for, and whose it is, is to be seen at each resource and on the bill."""
    tagged = {name: tags(name) for name in set(RESOURCES) - UNTAGGED}

    assert [name for name in tagged if tagged[name] != {"Application": PROJECT["name"], "Account": sub(ACCOUNT)}] == []


def test_each_parameter_is_in_one_group_of_the_console_in_the_order_of_the_template() -> None:
    """The console asks in the order in which `sam deploy --guided` does."""
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]

    assert [name for group in groups for name in group["Parameters"]] == list(TEMPLATE["Parameters"])


def test_each_parameter_has_a_label_of_its_own_in_the_console() -> None:
    """A person reads words in the place of the parameter's name."""
    labels = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterLabels"]
    words = {label["default"] for label in labels.values()}

    assert (set(labels), len(words)) == (set(TEMPLATE["Parameters"]), len(labels))


def test_the_application_is_described_as_the_project_is() -> None:
    """The metadata for the Serverless Application Repository repeats nothing wrongly."""
    described = TEMPLATE["Metadata"]["AWS::ServerlessRepo::Application"]
    names = {"Name": "name", "Description": "description", "SemanticVersion": "version", "SpdxLicenseId": "license"}

    assert {key: described[key] for key in names} == {key: PROJECT[name] for key, name in names.items()}


@pytest.mark.parametrize(("key", "name"), [("LicenseUrl", "LICENSE"), ("ReadmeUrl", "README.md")])
def test_a_text_of_the_application_is_there(key: str, name: str) -> None:
    """The SAM CLI uploads the file that the metadata names, with each deployment."""
    assert (HOUSE / TEMPLATE["Metadata"]["AWS::ServerlessRepo::Application"][key]).samefile(HOUSE / name)


def test_the_credentials_alone_outlive_the_stack() -> None:
    """What a person filled is kept; what the stack can make again goes with it."""
    kept = {name: (each.get("DeletionPolicy"), each.get("UpdateReplacePolicy")) for name, each in RESOURCES.items()}

    assert {name: policies for name, policies in kept.items() if policies != (None, None)} == {
        "Credentials": ("Retain", "Retain"),
        "Token&{ClientId}": ("Delete", "Delete"),
        "RefreshToken&{ClientId}": ("Delete", "Delete"),
        "RotatorLogs": ("Delete", "Delete"),
        "DeadLetters": ("Delete", "Delete"),
    }


def test_a_condition_holds_when_its_parameter_is_set() -> None:
    """Nothing, or no minutes, is the same as not set."""
    assert TEMPLATE["Conditions"] == {
        "HasWindow": other_than(0, "CheckWindowMinutes"),
        "KeepsRefreshToken": {"Fn::Equals": [ref("KeepRefreshToken"), "true"]},
        "RotatesNatively": {"Fn::Equals": [ref("NativeRotation"), "true"]},
        "HasKmsKey": other_than("", "KmsKeyArn"),
        "HasAlarmTopic": other_than("", "AlarmTopicArn"),
        "WatchesTokens": {"Fn::Equals": [ref("WatchTokens"), "true"]},
        "HasDashboard": {"Fn::Equals": [ref("Dashboard"), "true"]},
        "HasAuthUrl": other_than("", "AuthUrl"),
        "HasApiUrl": other_than("", "ApiUrl"),
    }


def test_an_option_that_is_off_does_without_these_resources_and_no_others() -> None:
    """All else is there whatever is switched; the alarms of the stack are, where those of its tokens are not."""
    assert {name: each["Condition"] for name, each in RESOURCES.items() if "Condition" in each} == {
        "RefreshToken&{ClientId}": "KeepsRefreshToken",
        "SecretsManagerMayWakeRotator": "RotatesNatively",
        "Rotation&{ClientId}": "RotatesNatively",
        "Freshness&{ClientId}": "WatchesTokens",
        "RotatorDashboard": "HasDashboard",
    }


def test_each_environment_has_its_hosts_at_moviexchange() -> None:
    """Credentials of one environment are never sent to the other's hosts."""
    assert TEMPLATE["Mappings"]["Hosts"] == {
        "production": {"Auth": "https://auth.moviexchange.com", "Api": "https://api.moviexchange.com"},
        "staging": {"Auth": "https://staging-auth.moviexchange.com", "Api": "https://staging-api.moviexchange.com"},
    }


def test_the_stack_sets_what_the_function_reads() -> None:
    """Each setting has its variable, and there is no variable that nobody reads."""
    variables = RESOURCES["Rotator"]["Properties"]["Environment"]["Variables"]

    assert set(variables) == {field.name.upper() for field in fields(Settings)}


def test_the_stack_puts_out_what_a_person_needs_next() -> None:
    """Where to fill the credentials, what to invoke, where failures lie, and each app's policy."""
    outputs = dict(TEMPLATE["Outputs"])
    each_client_id = outputs.pop("Fn::ForEach::ReaderPolicy")[2]

    assert {name: output["Value"] for name, output in (outputs | each_client_id).items()} == {
        "CredentialsSecret": sub(f"{ACCOUNT}/credentials"),
        "FillCredentials": sub(fill_command(f"{ACCOUNT}/credentials")),
        "FunctionName": ref("Rotator"),
        "DeadLetterQueueUrl": ref("DeadLetters"),
        "ReaderPolicy&{ClientId}": sub(
            "arn:${AWS::Partition}:iam::${AWS::AccountId}:policy/${AWS::StackName}-${AWS::Region}-${ClientId}-reader"
        ),
    }


@pytest.mark.parametrize("loop", [TEMPLATE["Resources"][LOOP], TEMPLATE["Outputs"]["Fn::ForEach::ReaderPolicy"]])
def test_each_client_id_has_its_own(loop: list[Any]) -> None:
    """What is made for one is made for all."""
    assert loop[:2] == ["ClientId", ref("ClientIds")]


HOSTS = (
    ["", "https://auth.example.org", "https://auth.example.org:8443", "http://127.0.0.1:8080", "http://localhost"],
    [
        *("auth.example.org", "ftp://auth.example.org", "https://", "https://example.org/auth"),
        *("https://me@example.org", "http://auth.example.org", "http://127.0.0.1.example.org", "https://a:b:c"),
    ],
)


@pytest.mark.parametrize(
    ("name", "taken", "refused"),
    [
        (
            "ClientIds",
            ["FooTickets_Website", "Foo.Tickets-2", "4", "x" * 50],
            ["", "_Foo", ".Foo", "-Foo", "Foo Website", "Foo/Website", 'Foo"', "Foo*", "x" * 51],
        ),
        (
            "SecretPrefix",
            [
                "moviexchange",
                "moviexchange/mobile",
                "a_b.c-d/2/3",
                "awsmovie",
                "production/tokens2",
                "my-staging/tokens",
            ],
            [
                *("", "/moviexchange", "moviexchange/", "movie//xchange", "movie xchange", "*", "aws.moviexchange"),
                *("moviexchange/staging/tokens", "staging/refresh-tokens/mobile", "a/b/production/tokens/mobile"),
            ],
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
            ["", "/", "/mxs/reference-data/v1/cinema-chains", "/mxs?a=b&c=~"],
            ["mxs", "https://example.org/", "/a b", "/a\n", "/\N{LATIN SMALL LETTER E WITH ACUTE}"],
        ),
        (
            "KmsKeyArn",
            ["", "arn:aws:kms:eu-west-1:000000000000:key/12-ab", "arn:aws-cn:kms:cn-north-1:000000000000:key/mrk-1a"],
            ["alias/mine", "arn:aws:kms:eu-west-1:000000000000:alias/mine", "arn:aws:kms:eu-west-1:000000000000:key/*"],
        ),
        (
            "AlarmTopicArn",
            ["", "arn:aws:sns:eu-west-1:000000000000:alarms", "arn:aws-cn:sns:cn-north-1:000000000000:alarms"],
            [
                *("alarms", "arn:aws:sns:eu-west-1:000000000000:", "arn:aws:sqs:eu-west-1:000000000000:alarms"),
                *("arn:aws:sns:eu-west-1:000000000000:*", "arn:aws:sns:eu-west-1:000000000000:alarms:subscription"),
            ],
        ),
        ("AuthUrl", *HOSTS),
        ("ApiUrl", *HOSTS),
    ],
)
def test_a_parameter_takes_these_values_and_refuses_those(name: str, taken: list[str], refused: list[str]) -> None:
    """A wrong value is told before anything is deployed; in a list, each part is looked at."""
    allowed = re.compile(TEMPLATE["Parameters"][name]["AllowedPattern"])

    assert [value for value in taken + refused if allowed.fullmatch(value)] == taken


def test_a_number_or_a_length_has_these_bounds() -> None:
    """Beyond them the function would refuse, or AWS, or the alarm would ring for nothing."""
    limits = ("MinValue", "MaxValue", "MaxLength")
    bounds = {name: [each[limit] for limit in limits if limit in each] for name, each in TEMPLATE["Parameters"].items()}

    assert {name: bound for name, bound in bounds.items() if bound} == {
        "SecretPrefix": [100],
        "CheckWindowMinutes": [0, 10],
        "RefreshAtPercent": [10, 90],
        "MinTokenAgeSeconds": [0, 86_400],
        "AlarmSecondsRemaining": [1],
    }
