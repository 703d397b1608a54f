"""A stack that is updated in place with every option, set back, removed, and deployed again.

MiniStack takes an update in which nothing but a condition's value changes for no change at all. So all options are set
in one update, and set back in another.
"""

from dataclasses import dataclass
from typing import Any

import pytest

from tools.local.aws import REGION, LocalAws
from tools.local.mx import SITES_PATH, MovieXchangeStandIn
from tools.local.stack import UPDATER, WEBSITE, Stack

KEY = f"arn:aws:kms:{REGION}:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
LOG_KEY = f"arn:aws:kms:{REGION}:000000000000:key/5678ef01-12ab-34cd-56ef-1234567890ab"
EMAIL = "tickets-team@example.com"
TOPIC = f"arn:aws:sns:{REGION}:000000000000:alarms"
# A parameter that `sam deploy` does not get keeps its value, so each is passed every time.
OFF = {
    "SecretTags": "none",
    "CheckEvery": "rate(19 minutes)",
    "RefreshAtPercent": "50",
    "AlarmBelowPercent": "25",
    "MinTokenAgeSeconds": "900",
    "VerifyPath": "none",
    "KeepRefreshToken": "false",
    "KmsKeyArn": "none",
    "AlarmEmail": "none",
    "AlarmTopicArn": "none",
    "Dashboard": "true",
    "LogRetentionDays": "30",
    "LogKmsKeyArn": "none",
    "PermissionsBoundaryArn": "none",
    "SubnetIds": "none",
    "SecurityGroupIds": "none",
    "HttpsProxy": "none",
    "ApiUrl": "none",
}
ON = {
    "SecretTags": "Team=Web,CostCenter=42",
    "CheckEvery": "rate(18 minutes)",
    "RefreshAtPercent": "40",
    "AlarmBelowPercent": "20",
    "MinTokenAgeSeconds": "60",
    "VerifyPath": SITES_PATH,
    "KeepRefreshToken": "true",
    "KmsKeyArn": KEY,
    "AlarmEmail": EMAIL,
    "AlarmTopicArn": TOPIC,
    "Dashboard": "false",
    "LogRetentionDays": "7",
    "LogKmsKeyArn": LOG_KEY,
    "PermissionsBoundaryArn": "arn:aws:iam::000000000000:policy/boundary",
    "SubnetIds": "subnet-1a2b3c4d,subnet-5e6f7a8b",
    "SecurityGroupIds": "sg-1a2b3c4d",
    "HttpsProxy": "http://proxy.example.com:3128",
}
VARIABLES = {
    "SecretTags": "SECRET_TAGS",
    "CheckEvery": "CHECK_EVERY",
    "RefreshAtPercent": "REFRESH_AT_PERCENT",
    "MinTokenAgeSeconds": "MIN_TOKEN_AGE_SECONDS",
    "VerifyPath": "VERIFY_PATH",
    "KeepRefreshToken": "KEEP_REFRESH_TOKEN",
    "KmsKeyArn": "KMS_KEY_ARN",
    "HttpsProxy": "MOVIEXCHANGE_PROXY",
    "ApiUrl": "API_URL",
}
LISTS = [
    ("secretsmanager", "list_secrets", "SecretList[].Name"),
    ("lambda", "list_functions", "Functions[].FunctionName"),
    ("iam", "list_roles", "Roles[].RoleName"),
    ("iam", "list_policies", "Policies[].PolicyName"),
    ("events", "list_rules", "Rules[].Name"),
    ("scheduler", "list_schedules", "Schedules[].Name"),
    ("sns", "list_topics", "Topics[].TopicArn"),
    ("sns", "list_subscriptions", "Subscriptions[].SubscriptionArn"),
    ("sqs", "list_queues", "QueueUrls[]"),
    ("cloudwatch", "describe_alarms", "MetricAlarms[].AlarmName"),
    ("cloudwatch", "list_dashboards", "DashboardEntries[].DashboardName"),
    ("logs", "describe_log_groups", "logGroups[].logGroupName"),
]


@dataclass(frozen=True)
class Snapshot:
    """What exists after a deployment."""

    account: set[tuple[str, str]]
    """Everything in the AWS account: operations that list it, and names."""

    resources: dict[str, str]
    """The physical ids of the stack's resources by their logical ids."""

    variables: dict[str, str]
    """The function's environment variables."""

    options: dict[str, object]
    """What each option does that is not one of the function's variables."""

    tokens: dict[str, dict[str, Any] | None]


def in_account(stack: Stack) -> set[tuple[str, str]]:
    """List everything in the AWS account."""
    return {
        (operation, name)
        for service, operation, names in LISTS
        for name in stack.client(service).get_paginator(operation).paginate().search(names)
    }


def options(stack: Stack) -> dict[str, object]:
    """Return what options do outside of the function."""
    schedule = stack.client("scheduler").get_schedule(Name=stack.resource("Schedule"))
    groups = stack.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{stack.name}")["logGroups"]
    credentials = stack.client("secretsmanager").describe_secret(SecretId=stack.credentials_secret)
    role = stack.client("iam").get_role_policy(RoleName=stack.resource("FunctionRole"), PolicyName="function")
    alarms = stack.alarms()
    return {
        "CheckEvery": schedule["ScheduleExpression"],
        "AlarmBelowPercent": [
            str(int(each["Threshold"])) for each in alarms if each["MetricName"].endswith("Remaining")
        ],
        "AlarmEmail": subscribed(stack),
        "AlarmTopicArn": {TOPIC for alarm in alarms if TOPIC in alarm["AlarmActions"]},
        "KmsKeyArn": (credentials.get("KmsKeyId"), KEY in str(role)),
        "Dashboard": "TokenDashboard" in stack.resources(),
        "LogRetentionDays": [group["retentionInDays"] for group in groups],
        "LogKmsKeyArn": [group.get("kmsKeyId") for group in groups],
        "SubnetIds": "ec2:CreateNetworkInterface" in str(role),
    }


def subscribed(stack: Stack) -> set[str]:
    """Return who is told when an alarm of the stack rings, and when it ends."""
    sns = stack.client("sns")
    subscriptions = [
        each for page in sns.get_paginator("list_subscriptions").paginate() for each in page["Subscriptions"]
    ]
    topics = [{*alarm["AlarmActions"]} & {*alarm["OKActions"]} for alarm in stack.alarms()]
    return {each["Endpoint"] for each in subscriptions if each["TopicArn"] in set.intersection(*topics)}


def snapshot(stack: Stack) -> Snapshot:
    """Return what exists."""
    return Snapshot(
        account=in_account(stack),
        resources=stack.resources(),
        variables=stack.variables(),
        options=options(stack),
        tokens=stack.tokens(),
    )


@pytest.fixture(scope="module")
def history(aws: LocalAws, account_at_mx: MovieXchangeStandIn) -> dict[str, Any]:
    """Deploy a stack, set every option, set them back, remove the stack, and deploy it again; look each time."""
    mx, own = account_at_mx, {"SecretPrefix": "updated", "AuthUrl": account_at_mx.url}

    def stack(options: dict[str, str]) -> Stack:
        return Stack(aws, own | options, name="updated")

    off, on = stack(OFF), stack(ON | {"ApiUrl": mx.url})
    again = stack(OFF | {"CreateCredentials": "false"})
    seen: dict[str, Any] = {"mx": mx, "stack": again, "before": in_account(off)}
    off.apply()
    off.replace_credentials(mx.credentials())
    off.wait_until_idle()
    seen["first"] = snapshot(off)
    for when, each in (("on", on), ("off", off)):
        each.apply()
        seen[when] = snapshot(each)
    off.delete()
    seen["removed"] = in_account(off)
    again.apply()
    seen["again"] = snapshot(again)
    return seen


@pytest.mark.parametrize(("parameter", "variable"), VARIABLES.items())
def test_an_option_of_the_function_is_set_and_set_back(history: dict[str, Any], parameter: str, variable: str) -> None:
    """The function gets the parameter as it stands, `none` included."""
    on = (ON | {"ApiUrl": history["mx"].url})[parameter]

    assert [history[when].variables[variable] for when in ("first", "on", "off")] == [
        OFF[parameter],
        on,
        OFF[parameter],
    ]


@pytest.mark.parametrize(
    ("option", "off", "on"),
    [
        ("CheckEvery", OFF["CheckEvery"], ON["CheckEvery"]),
        ("AlarmBelowPercent", ["25"], ["20"]),
        ("AlarmEmail", set(), {EMAIL}),
        ("AlarmTopicArn", set(), {TOPIC}),
        ("KmsKeyArn", (None, False), (KEY, True)),
        ("Dashboard", True, False),
        ("LogRetentionDays", [30], [7]),
        ("LogKmsKeyArn", [None], [LOG_KEY]),
        ("SubnetIds", False, True),
    ],
)
def test_an_option_of_the_stack_is_set_and_set_back(
    history: dict[str, Any], option: str, off: object, on: object
) -> None:
    """An update does what a new stack would have done."""
    assert [history[when].options[option] for when in ("first", "on", "off")] == [off, on, off]


def test_published_tokens_stay_whatever_is_set(history: dict[str, Any]) -> None:
    """Applications read the same version before, in between, afterwards, and from the stack that was deployed again."""
    assert history["first"].tokens == history["on"].tokens == history["off"].tokens == history["again"].tokens


def test_an_update_replaces_no_resource(history: dict[str, Any]) -> None:
    """What was there keeps its identity; only the dashboard goes, because the option says so."""
    first, on = (set(history[when].resources.items()) for when in ("first", "on"))

    assert first - on == {("TokenDashboard", f"updated-{REGION}")}


def test_options_that_are_set_back_leave_nothing(history: dict[str, Any]) -> None:
    """The stack, and the account, are what they were before."""
    first, off = history["first"], history["off"]

    assert (off.resources, off.account) == (first.resources, first.account)


def test_a_removed_stack_leaves_its_secrets_and_the_policy_of_its_readers(history: dict[str, Any]) -> None:
    """The policy may be attached to a role of another stack, and cannot be deleted then."""
    policy = history["first"].resources["ReaderPolicy"].rpartition("/")[2]

    assert history["removed"] ^ history["before"] == {
        ("list_policies", policy),
        ("list_secrets", "updated/staging/credentials"),
        ("list_secrets", f"updated/staging/tokens/{WEBSITE}"),
        ("list_secrets", f"updated/staging/tokens/{UPDATER}"),
    }


def test_a_stack_that_is_deployed_again_uses_the_credentials_that_were_kept(history: dict[str, Any]) -> None:
    """With CreateCredentials=false, it serves at once."""
    outcomes = history["stack"].invoke({"force": True})

    assert [each["outcome"] for each in outcomes] == ["refreshed", "refreshed"]
