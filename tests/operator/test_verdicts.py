"""What the doctor decides from what AWS answers, which is written as AWS documents it."""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from mx_token_rotator_operator import verdicts
from mx_token_rotator_operator.verdicts import Verdict

REGION = "eu-west-1"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ID = "123456789012"
ALARM_ARN = f"arn:aws:cloudwatch:{REGION}:{ID}:alarm:mx-token-rotator-TokenLifeLow-1"
FACTS = {"aws:sourceaccount": ID, "aws:sourceowner": ID, "aws:sourcearn": ALARM_ARN}
SERVICE = {"Service": "cloudwatch.amazonaws.com"}
PUBLISH = {"Effect": "Allow", "Principal": SERVICE, "Action": "sns:Publish", "Resource": "*"}
# SNS gives a topic this policy if nobody writes one.
DEFAULT = {
    "Effect": "Allow",
    "Principal": {"AWS": "*"},
    "Action": ["SNS:Publish", "SNS:Subscribe", "SNS:Receive"],
    "Resource": "*",
    "Condition": {"StringEquals": {"AWS:SourceOwner": ID}},
}
USE_KEY = {"Effect": "Allow", "Principal": SERVICE, "Action": ["kms:Decrypt", "kms:GenerateDataKey*"], "Resource": "*"}
PARAMETERS = {
    "ClientIds": "_Website,Web:Foo Tickets (Web)",
    "Environment": "staging",
    "RefreshAtPercent": "50",
    "AlarmBelowPercent": "25",
    "MinTokenAgeSeconds": "900",
    "VerifyPath": "auto",
    "ApiUrl": "none",
}


def secret(*labels: str, **members: Any) -> dict[str, Any]:  # noqa: ANN401  DescribeSecret's values
    """Return what DescribeSecret says of credentials whose one version has these labels."""
    return {"VersionIdsToStages": {"one": [*labels]} if labels else {}} | members


def together(found: Iterable[Verdict]) -> Verdict:
    """Join verdicts as the doctor does."""
    return verdicts.together([*found])


def function(**members: str) -> Verdict:
    """Judge a function, whose configuration is a new one's but for these members."""
    levels = {"ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO"} | members
    return together(
        verdicts.function({"State": "Active", "LastUpdateStatus": "Successful", "LoggingConfig": levels} | members)
    )


def runs(last: str, *errors: float) -> Verdict:
    """Judge the runs, of which the last one was at this time."""
    return together(verdicts.runs(f"2026-03-01T{last}:00+00:00", errors, NOON))


def judged(
    *statements: dict[str, Any], key_policy: dict[str, Any] | None = None, confirmed: int = 1, pending: int = 0
) -> Verdict:
    """Judge a topic with these statements in its policy, and perhaps one in its key's."""
    attributes = {
        "TopicArn": f"arn:aws:sns:{REGION}:{ID}:alarms",
        "Policy": json.dumps({"Statement": [*statements]}),
        "SubscriptionsConfirmed": str(confirmed),
        "SubscriptionsPending": str(pending),
        "KmsMasterKeyId": "alias/own",
    }
    return together(verdicts.topic(attributes, {"Statement": [key_policy]} if key_policy else None, FACTS))


def alarm(state: str = "OK", *, enabled: bool = True) -> Verdict:
    """Judge an alarm."""
    found = {"AlarmName": "a-1", "ActionsEnabled": enabled, "StateValue": state}
    since = datetime(2026, 3, 1, 10, 30, tzinfo=UTC)
    return together(verdicts.alarms({"ActionRequired": found | {"StateUpdatedTimestamp": since}}, NOON))


def described(status: str) -> dict[str, Any]:
    """Return what DescribeStacks says."""
    return {"Stacks": [{"StackStatus": status}]}


def chosen(**values: str) -> Verdict:
    """Judge parameters, of which the others are as a new stack has them."""
    return together(verdicts.parameters(PARAMETERS | values, REGION))


@pytest.mark.parametrize(
    "verdict",
    [
        verdicts.stack(described("UPDATE_COMPLETE"), "here"),
        function(),
        function(ApplicationLogLevel="DEBUG"),
        runs("11:50", 0.0, 0.0),
        runs("11:50"),
        verdicts.sender("the schedule", "ENABLED", [{"Arn": "arn:aws:sqs:::queue.fifo"}], "queue.fifo"),
        verdicts.queue(0, []),
        verdicts.queue(3, [60.0, 3000.0]),
        verdicts.queue(0, [3000.0]),
        verdicts.credentials(secret("AWSCURRENT"), "credentials", REGION),
        verdicts.credentials(secret("AWSCURRENT", PrimaryRegion=REGION), "credentials", REGION),
        verdicts.credentials(
            {"VersionIdsToStages": {"one": ["AWSPREVIOUS", "REJECTED"], "two": ["AWSCURRENT"]}}, "credentials", REGION
        ),
        alarm(),
        alarm("INSUFFICIENT_DATA"),
        judged(PUBLISH),
        judged(DEFAULT),
        judged(PUBLISH | {"Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:cloudwatch:*:{ID}:alarm:*"}}}),
        judged(PUBLISH | {"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}),
        judged(
            PUBLISH,
            PUBLISH | {"Effect": "Deny", "Principal": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        ),
        judged(PUBLISH, key_policy=USE_KEY),
        chosen(),
        chosen(Environment="sandbox"),
        chosen(SubnetIds="subnet-1", SecurityGroupIds="sg-1"),
        chosen(KmsKeyArn=f"arn:aws:kms:{REGION}:{ID}:key/1"),
    ],
    ids=lambda verdict: verdict.seen,
)
def test_nothing_is_to_do_where_all_is_well(verdict: Verdict) -> None:
    """However AWS says it."""
    assert verdict.to_do == ""


@pytest.mark.parametrize(
    ("verdict", "seen", "to_do"),
    [
        (verdicts.stack(None, "a in b"), "there is no stack a in b", "Name another one"),
        (verdicts.stack(described("UPDATE_ROLLBACK_COMPLETE"), "a"), "a, UPDATE_ROLLBACK_COMPLETE", "deploy again"),
        (verdicts.stack(described("UPDATE_IN_PROGRESS"), "a"), "UPDATE_IN_PROGRESS", "wait"),
        (function(State="Failed", StateReason="its key"), "Failed, .*, its key$", "deploy again"),
        (function(State="Inactive"), "Inactive", "Wait"),
        (
            function(LastUpdateStatus="Failed", LastUpdateStatusReason="no subnet"),
            "update Failed, no subnet$",
            "deploy again",
        ),
        (function(ApplicationLogLevel="WARN"), "^ApplicationLogLevel WARN$", "Set Appl.* to INFO"),
        (function(SystemLogLevel="ERROR"), "^SystemLogLevel ERROR$", "Set System.* to INFO"),
        (together(verdicts.runs(None, [], NOON)), "none within a day", "See the schedule"),
        (runs("10:00"), "2.0 h ago", "See the schedule"),
        (runs("11:50", 0.0, 2.0), "^2 without a result", "#the-function-does-not-start.*counts for an hour"),
        (
            verdicts.sender("the schedule", "DISABLED", [], "q"),
            "the schedule is DISABLED",
            "Ask who did it .*, then enable the schedule",
        ),
        (verdicts.sender("TokenRejected", "ENABLED", [], "q"), "does not send", "Have TokenRejected send to q"),
        (verdicts.queue(1, [600.0, 60.0]), "1 waiting, oldest 10 min", "Runs fail"),
        (verdicts.credentials(None, "a/credentials", REGION), "there is no secret a/credentials", "CreateCredentials"),
        (verdicts.credentials(secret(), "a/credentials", REGION), "never filled", "set-credentials"),
        (verdicts.credentials(secret("AWSPREVIOUS"), "a/credentials", REGION), "never filled", "set-credentials"),
        (verdicts.credentials(secret("AWSCURRENT", "REJECTED"), "a", REGION), "a has the label REJECTED", "set-cred"),
        (
            verdicts.credentials(secret("AWSCURRENT", PrimaryRegion="us-east-1"), "a", REGION),
            "replica from us-east-1",
            "Deploy the stack there",
        ),
    ],
)
def test_what_is_wrong_is_named_with_what_to_do(verdict: Verdict, seen: str, to_do: str) -> None:
    """By the words that the docs use."""
    assert (bool(re.search(seen, verdict.seen)), bool(re.search(to_do, verdict.to_do))) == (True, True)


@pytest.mark.parametrize(
    ("verdict", "seen", "to_do"),
    [
        (together(verdicts.alarms({"TokenLifeLow": None}, NOON)), "TokenLifeLow is deleted", "deploy it again"),
        (alarm("ALARM"), "ActionRequired has been in ALARM for 1.5 h", "docs/operating.md"),
        (alarm(enabled=False), "actions of ActionRequired are disabled", "enable-alarm-actions --alarm-names a-1$"),
    ],
)
def test_an_alarm_that_is_wrong_is_named(verdict: Verdict, seen: str, to_do: str) -> None:
    """By its logical id, as the docs do."""
    assert (seen in verdict.seen, bool(re.search(to_do, verdict.to_do))) == (True, True)


def test_what_to_do_at_two_alarms_is_said_of_each() -> None:
    """It has its section, and rings on for a while after the mend."""
    rings = {"AlarmName": "a-1", "ActionsEnabled": True, "StateValue": "ALARM", "StateUpdatedTimestamp": NOON}
    verdict = together(verdicts.alarms(dict.fromkeys(("TokenLifeLow", "RefreshFailing"), rings), NOON))

    assert re.findall(r"#[a-z-]+\. It ends within an hour", verdict.to_do) == [
        "#alarm-tokenlifelow. It ends within an hour",
        "#alarm-refreshfailing. It ends within an hour",
    ]


NOT_OURS = {"Condition": {"StringEquals": {"aws:SourceAccount": "210987654321"}}}


@pytest.mark.parametrize(
    ("verdict", "seen"),
    [
        (judged(), "may not publish to alarms"),
        (judged(PUBLISH | {"Principal": {"AWS": f"arn:aws:iam::{ID}:root"}}), "may not publish"),
        (judged(PUBLISH | {"Principal": {"Service": ["events.amazonaws.com"]}}), "may not publish"),
        (judged(PUBLISH | {"Action": "sns:Subscribe"}), "may not publish"),
        (judged(PUBLISH | NOT_OURS), "may not publish"),
        (judged(DEFAULT | NOT_OURS), "may not publish"),
        (judged(PUBLISH | {"Condition": {"ArnNotLike": {"aws:SourceArn": ALARM_ARN}}}), "may not publish"),
        (judged(PUBLISH, PUBLISH | {"Effect": "Deny", "Principal": "*"}), "may not publish"),
        (judged(PUBLISH, key_policy=USE_KEY | {"Action": "kms:Decrypt"}), "may not use alias/own, the key of alarms"),
        (judged(PUBLISH, key_policy=USE_KEY | {"Principal": {"AWS": "*"}}), "may not use alias/own, the key of alarms"),
        (judged(PUBLISH, pending=1), "1 subscriptions of alarms are confirmed, 1 are not"),
        (judged(PUBLISH, confirmed=0), "0 subscriptions of alarms are confirmed"),
    ],
)
def test_a_topic_that_tells_nobody_is_named(verdict: Verdict, seen: str) -> None:
    """With what its policy, its key or its subscriptions lack."""
    assert (seen in verdict.seen, verdict.to_do != "") == (True, True)


@pytest.mark.parametrize(
    ("values", "seen"),
    [
        ({"AlarmBelowPercent": "50"}, "AlarmBelowPercent must be less than 50"),
        ({"RefreshAtPercent": "70", "AlarmBelowPercent": "30"}, "AlarmBelowPercent must be less than 30"),
        ({"MinTokenAgeSeconds": "21600"}, "with MinTokenAgeSeconds no report ever counts"),
        ({"ClientIds": "_Website, Web:Foo Tickets (Web),Web"}, "ClientIds has a name twice"),
        ({"VerifyPath": "/users", "Environment": "sandbox"}, "VerifyPath needs ApiUrl"),
        ({"VerifyPath": "none", "ApiUrl": "https://api.example.com"}, "ApiUrl is for VerifyPath, which is none"),
        ({"KmsKeyArn": f"arn:aws:kms:us-east-1:{ID}:key/1"}, "KmsKeyArn must be in eu-west-1"),
        (
            {"AlarmTopicArn": f"arn:aws:sns:us-east-1:{ID}:alarms", "KmsKeyArn": f"arn:aws:kms:{REGION}:{ID}:key/1"},
            "AlarmTopicArn must be in eu-west-1",
        ),
    ],
)
def test_parameters_that_contradict_each_other_are_named(values: dict[str, str], seen: str) -> None:
    """Each by its name."""
    assert (chosen(**values).seen, chosen(**values).to_do) == (seen, "Change the parameters.")


@pytest.mark.parametrize("values", [{"Environment": "sandbox"}, {"VerifyPath": "none"}])
def test_tokens_that_are_not_verified_are_no_error_but_said(values: dict[str, str]) -> None:
    """Vista's sandbox has no API of movieXchange."""
    assert chosen(**values) == Verdict("no token is verified")


def test_sixty_tokens_are_a_short_verdict() -> None:
    """The first ones stand for all."""
    found = verdicts.together([Verdict(f"{each} expired", "See why.") for each in range(60)])

    assert found == Verdict("0 expired; 1 expired; 2 expired; 3 expired and 56 more", "See why.")


def test_what_is_well_is_not_said_beside_what_is_wrong() -> None:
    """Only what somebody must do counts then."""
    assert verdicts.together([Verdict("well"), Verdict("wrong", "Mend it.")]) == Verdict("wrong", "Mend it.")


def test_no_verdict_at_all_is_said() -> None:
    """As of the topics of alarms that have none."""
    assert verdicts.together([]) == Verdict("none")
