"""A stack that is updated in place, with every option switched on and off again, and then removed.

MiniStack differs from AWS where nothing but a condition's value changes: it takes that for no change at all. So all
options are switched in one update, with a client ID beside them, and switched back in another.
"""

from dataclasses import dataclass
from typing import Any

import pytest

from local.aws import REGION, LocalAws
from local.stack import UPDATER, WEBSITE, Stack

ADDED = "FooTickets_Kiosk"
# A parameter that `sam deploy` is not given keeps its value, so each is given every time.
OFF = {
    "CheckWindowMinutes": "5",
    "KeepRefreshToken": "false",
    "NativeRotation": "false",
    "KmsKeyArn": "''",
    "AlarmTopicArn": "''",
    "WatchTokens": "false",
    "Dashboard": "true",
}
ON = {
    "CheckWindowMinutes": "0",
    "KeepRefreshToken": "true",
    "NativeRotation": "true",
    "KmsKeyArn": f"arn:aws:kms:{REGION}:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "AlarmTopicArn": f"arn:aws:sns:{REGION}:000000000000:alarms",
    "WatchTokens": "true",
    "Dashboard": "false",
}
LISTS = [
    ("secretsmanager", "list_secrets", "SecretList[].Name"),
    ("lambda", "list_functions", "Functions[].FunctionName"),
    ("iam", "list_roles", "Roles[].RoleName"),
    ("iam", "list_policies", "Policies[].PolicyName"),
    ("events", "list_rules", "Rules[].Name"),
    ("scheduler", "list_schedules", "Schedules[].Name"),
    ("scheduler", "list_schedule_groups", "ScheduleGroups[].Name"),
    ("sqs", "list_queues", "QueueUrls[]"),
    ("cloudwatch", "describe_alarms", "MetricAlarms[].AlarmName"),
    ("cloudwatch", "list_dashboards", "DashboardEntries[].DashboardName"),
    ("logs", "describe_log_groups", "logGroups[].logGroupName"),
]


@dataclass(frozen=True)
class Seen:
    """What is there after a deployment."""

    account: set[tuple[str, str]]
    """All that the AWS account has, whosever it is: operations that list it, and names."""

    resources: dict[str, str]
    """The physical ids of the stack's resources under their logical ids."""

    options: dict[str, object]
    """What each option makes of the stack."""

    tokens: dict[str, str]
    """The versions that are published for the client IDs that are there from first to last."""


def in_account(stack: Stack) -> set[tuple[str, str]]:
    """List all that the AWS account has."""
    return {
        (operation, name)
        for service, operation, names in LISTS
        for name in stack.client(service).get_paginator(operation).paginate().search(names)
    }


def options(stack: Stack) -> dict[str, object]:
    """Read what each option makes of the stack."""
    scheduler, secrets, account = stack.client("scheduler"), stack.client("secretsmanager"), in_account(stack)
    role = stack.client("iam").get_role_policy(RoleName=stack.resource("RotatorRole"), PolicyName="rotator")
    schedule = scheduler.get_schedule(Name=stack.resource("TickFooTicketsWebsite"), GroupName=stack.name)
    names = (f"{stack.account}/credentials", stack.token_secret(WEBSITE))
    return {
        "CheckWindowMinutes": schedule["FlexibleTimeWindow"].get("MaximumWindowInMinutes", 0),
        "KeepRefreshToken": ("list_secrets", f"{stack.account}/refresh-tokens/{WEBSITE}") in account,
        # MiniStack knows no rotation schedules.
        "NativeRotation": (
            stack.variables()["NATIVE_ROTATION"],
            "FinishRotations" in str(role),
            "secretsmanager.amazonaws.com" in str(stack.client("lambda").get_policy(FunctionName=stack.name)),
        ),
        "KmsKeyArn": {secrets.describe_secret(SecretId=name).get("KmsKeyId", "AWS's own") for name in names},
        "AlarmTopicArn": {topic for alarm in stack.alarms() for topic in alarm["AlarmActions"]},
        "WatchTokens": (
            stack.variables()["WATCH_TOKENS"],
            "TokenSecondsRemaining" in {alarm["MetricName"] for alarm in stack.alarms()},
        ),
        "Dashboard": ("list_dashboards", f"{stack.name}-{REGION}") in account,
    }


def look(stack: Stack) -> Seen:
    """See what is there."""
    cloudformation, secrets = stack.client("cloudformation"), stack.client("secretsmanager")
    summaries = cloudformation.list_stack_resources(StackName=stack.name)["StackResourceSummaries"]
    return Seen(
        account=in_account(stack),
        resources={each["LogicalResourceId"]: each["PhysicalResourceId"] for each in summaries},
        options=options(stack),
        tokens={
            each: secrets.get_secret_value(SecretId=stack.token_secret(each))["VersionId"]
            for each in (WEBSITE, UPDATER)
        },
    )


def updated(aws: LocalAws, parameters: dict[str, str], *client_ids: str) -> Stack:
    """Give the same stack with other parameters; no tick comes in between."""
    quiet = {"SecretPrefix": "updated", "CheckEvery": "'rate(19 minutes)'"}
    return Stack(aws, quiet | parameters, name="updated", client_ids=client_ids)


@pytest.fixture(scope="module")
def life(aws: LocalAws) -> dict[str, Any]:
    """Deploy a stack, switch everything on, switch it off again, and remove the stack; look each time."""
    stack = updated(aws, OFF, WEBSITE, UPDATER)
    seen: dict[str, Any] = {"before": in_account(stack)}
    stack.build()
    stack.deploy()
    for client_id in (WEBSITE, UPDATER):
        stack.client("secretsmanager").put_secret_value(SecretId=stack.token_secret(client_id), SecretString="{}")
    seen["first"] = look(stack)
    updated(aws, ON, WEBSITE, UPDATER, ADDED).deploy()
    seen["on"] = look(stack)
    stack.deploy()
    seen["off"] = look(stack)
    stack.delete()
    seen["after"] = in_account(stack)
    return seen


@pytest.mark.parametrize(
    ("option", "off", "on"),
    [
        ("CheckWindowMinutes", 5, 0),
        ("KeepRefreshToken", False, True),
        ("NativeRotation", ("false", False, False), ("true", True, True)),
        ("KmsKeyArn", {"AWS's own"}, {ON["KmsKeyArn"]}),
        ("AlarmTopicArn", set(), {ON["AlarmTopicArn"]}),
        ("WatchTokens", ("false", False), ("true", True)),
        ("Dashboard", True, False),
    ],
)
def test_an_option_is_switched_on_and_off(life: dict[str, Any], option: str, off: object, on: object) -> None:
    """An update does what a new stack would have done."""
    assert [life[when].options[option] for when in ("first", "on", "off")] == [off, on, off]


def test_published_tokens_stay_whatever_is_switched(life: dict[str, Any]) -> None:
    """Applications read the same version before, in between and afterwards."""
    assert life["first"].tokens == life["on"].tokens == life["off"].tokens


def test_an_update_replaces_no_resource(life: dict[str, Any]) -> None:
    """What was there keeps its identity; the dashboard alone is gone, since it was switched off."""
    first, on = (set(life[when].resources.items()) for when in ("first", "on"))

    assert first - on == {("RotatorDashboard", f"updated-{REGION}")}


def test_an_added_client_id_has_all_that_the_others_have(life: dict[str, Any]) -> None:
    """What there is for one client ID is there for the new one, and nothing of it was there before."""
    of_website, of_added = (
        [name.removesuffix(suffix) for name in sorted(life["on"].resources) if name.endswith(suffix)]
        for suffix in ("FooTicketsWebsite", "FooTicketsKiosk")
    )

    assert of_website == of_added


def test_what_is_switched_off_or_taken_out_leaves_nothing(life: dict[str, Any]) -> None:
    """The stack, and the account, are again what they were before."""
    first, off = life["first"], life["off"]

    assert (off.resources, off.account) == (first.resources, first.account)


def test_a_removed_stack_leaves_the_credentials_alone(life: dict[str, Any]) -> None:
    """No orphan is left but the secret that a person filled."""
    assert life["after"] ^ life["before"] == {("list_secrets", "updated/staging/credentials")}
