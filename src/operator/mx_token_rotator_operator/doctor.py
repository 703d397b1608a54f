"""The doctor: proves that a deployed stack works, and says what to do if it does not. It changes nothing."""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, partial
from textwrap import fill
from typing import Any

from botocore.exceptions import ClientError

from mx_token_rotator_operator import __version__, removal, verdicts
from mx_token_rotator_operator.stack import DeployedStack, Outcome, RotatorFailed, listed
from mx_token_rotator_operator.status import outcomes, token_status
from mx_token_rotator_operator.verdicts import Answer, Verdict, together

OK, WRONG, UNKNOWN = "ok", "wrong", "could not look"
HOUR = timedelta(hours=1)
ALARMS = ("TokenLifeLow", "ActionRequired", "RefreshFailing", "FunctionBroken")
MISSING = re.compile("NotFound|NonExistent|ValidationError")  # the last is CloudFormation's for a stack
NEEDS = """
    cloudformation:DescribeStacks cloudformation:ListStackResources cloudwatch:DescribeAlarms cloudwatch:GetMetricData
    events:DescribeRule events:ListTargetsByRule kms:DescribeKey kms:GetKeyPolicy lambda:GetEventSourceMapping
    lambda:GetFunctionConfiguration lambda:ListFunctions logs:FilterLogEvents scheduler:GetSchedule
    secretsmanager:DescribeSecret secretsmanager:ListSecrets sns:GetTopicAttributes sqs:GetQueueAttributes
"""
EXERCISE_NEEDS = "lambda:InvokeFunction events:PutEvents cloudwatch:SetAlarmState cloudwatch:DescribeAlarmHistory"


@dataclass(frozen=True)
class Finding:
    """What a check came to."""

    check: str
    result: str
    seen: str
    to_do: str

    def __str__(self) -> str:
        """Return it in words, on lines of 80 columns."""
        text = f"{self.check}: {self.seen} ... {self.result}" + (f": {self.to_do}" if self.to_do else "")
        return fill(text, 80, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def finding(check: str, look: Callable[[], Verdict]) -> Finding:
    """Run a check. Whatever goes wrong in it is its finding, so that the others go on."""
    try:
        verdict = look()
    except ClientError as error:
        operation, code = error.operation_name, error.response["Error"]["Code"]
        if MISSING.search(code):
            return Finding(check, WRONG, f"{operation} does not find it", verdicts.AGAIN)
        is_denied = "AccessDenied" in code or "Authorization" in code
        needed = re.findall(rf"\S+:{operation}\w*", NEEDS + EXERCISE_NEEDS) if is_denied else []
        return Finding(check, UNKNOWN, f"{operation}: {code}", f"needs {needed[0]}" if needed else "Try again.")
    except RotatorFailed as failed:
        seen, _, to_do = str(failed).partition("\nWhat to do: ")
        return Finding(check, WRONG, seen, to_do)
    except Exception as error:  # noqa: BLE001  an odd answer must not hide the other checks
        return Finding(check, UNKNOWN, f"{type(error).__name__}: {error}", "See whether the versions are the same.")
    return Finding(check, WRONG if verdict.to_do else OK, verdict.seen, verdict.to_do)


@dataclass(frozen=True)
class Aws:
    """What AWS answers about a stack; it is asked when a check needs it."""

    stack: DeployedStack
    now: datetime

    def ask(self, service: Any, operation: str, **arguments: Any) -> Any:  # noqa: ANN401  boto3's answers have no types
        """Call an operation, and return its answer, of all pages."""
        client = self.stack.session.client(service)
        if client.can_paginate(operation):
            return client.get_paginator(operation).paginate(**arguments).build_full_result()
        return getattr(client, operation)(**arguments)

    def find(self, service: Any, operation: str, **arguments: Any) -> Any:  # noqa: ANN401  the same
        """Call an operation, and return its answer, or None if there is no such thing."""
        try:
            return self.ask(service, operation, **arguments)
        except ClientError as error:
            if MISSING.search(error.response["Error"]["Code"]):
                return None
            raise

    def metric(self, statistic: str, namespace: str, name: str, **dimensions: str) -> list[float]:
        """Return a metric's values within the last hour, newest first."""
        listed = [{"Name": dimension, "Value": value} for dimension, value in dimensions.items()]
        metric = {"Namespace": namespace, "MetricName": name, "Dimensions": listed}
        query = {"Id": "asked", "MetricStat": {"Metric": metric, "Period": 300, "Stat": statistic}}
        span = {"StartTime": self.now - HOUR, "EndTime": self.now}
        answer = self.ask("cloudwatch", "get_metric_data", MetricDataQueries=[query], **span)
        values: list[float] = answer["MetricDataResults"][0]["Values"]
        return values

    @cached_property
    def log(self) -> Sequence[Outcome]:
        """The outcomes of the last day, oldest first."""
        return outcomes(self.stack, self.now - 24 * HOUR)

    @cached_property
    def alarms(self) -> dict[str, Answer]:
        """The stack's alarms that exist, by logical id."""
        names = {self.stack.resources[each]: each for each in ALARMS}
        found = self.ask("cloudwatch", "describe_alarms", AlarmNames=[*names])["MetricAlarms"]
        return {names[each["AlarmName"]]: each for each in found}

    @property
    def region(self) -> str:
        """The Region in which everything is."""
        return self.stack.session.region_name

    @property
    def queue(self) -> str:
        """The queue's name."""
        return self.stack.resources["Queue"].rpartition("/")[2]


def schedule(aws: Aws) -> Verdict:
    """Look at the schedule."""
    found = aws.ask("scheduler", "get_schedule", Name=aws.stack.resources["Schedule"])
    return verdicts.sender("the schedule", found["State"], [found["Target"]], aws.queue)


def rule(aws: Aws, logical_id: str) -> Verdict:
    """Look at a rule."""
    name = aws.stack.resources[logical_id]
    state = aws.ask("events", "describe_rule", Name=name)["State"]
    targets = aws.ask("events", "list_targets_by_rule", Rule=name)["Targets"]
    return verdicts.sender(logical_id, state, targets, aws.queue)


def queue(aws: Aws) -> Verdict:
    """Look at the queue, and at what passes it to the function."""
    asked = {"QueueUrl": aws.stack.resources["Queue"], "AttributeNames": ["ApproximateNumberOfMessages"]}
    (waiting,) = aws.ask("sqs", "get_queue_attributes", **asked)["Attributes"].values()
    ages = aws.metric("Maximum", "AWS/SQS", "ApproximateAgeOfOldestMessage", QueueName=aws.queue)
    return verdicts.queue(aws.stack.mapping_state(), int(waiting), ages[0] if ages else 0.0)


def tokens(aws: Aws) -> Verdict:
    """Look at each token."""
    labels = aws.stack.token_labels()
    statuses = {name: token_status(name, aws.log, each, aws.now) for name, each in labels.items()}
    return together(verdicts.token(name, each, aws.now) for name, each in statuses.items())


def orphans(aws: Aws) -> Verdict:
    """Look for secrets of this account's removed client IDs."""
    account = aws.stack.account
    left = sorted(removal.names_with_secrets(aws.stack, account) - removal.names_in_use(aws.stack, account))
    to_do = "Delete their secrets with: mx-token-rotator remove-token --orphans"
    return Verdict(f"no stack has {listed(left)}", to_do) if left else Verdict("none")


def others(aws: Aws) -> Verdict:
    """Look for another function with the same secrets."""
    found = {
        each["FunctionName"]: each.get("Environment", {}) for each in aws.ask("lambda", "list_functions")["Functions"]
    }
    names = [name for name, each in found.items() if each.get("Variables", {}).get("ACCOUNT") == aws.stack.account]
    to_do = "Remove a stack, or deploy it with another SecretPrefix." if len(names) > 1 else ""
    return Verdict(f"{aws.stack.account} belongs to {listed(names)}", to_do)


def topics(aws: Aws) -> Verdict:
    """Look at what the alarms tell."""
    alarms = {arn: each["AlarmArn"] for each in aws.alarms.values() for arn in each["AlarmActions"] if ":sns:" in arn}
    mute = ", ".join(name for name, each in aws.alarms.items() if not each["AlarmActions"])
    silence = [Verdict(f"nobody is told of {mute}", "Deploy with AlarmEmail or AlarmTopicArn.")] if mute else []
    return together([*(topic(aws, *each) for each in alarms.items()), *silence])


def topic(aws: Aws, arn: str, alarm_arn: str) -> Verdict:
    """Look at a topic and its key."""
    found, key, policy = aws.find("sns", "get_topic_attributes", TopicArn=arn), {}, "{}"
    if found is None:
        return Verdict(f"there is no topic {arn}", "Deploy with an AlarmTopicArn that exists.")
    key_id = found["Attributes"].get("KmsMasterKeyId")
    if key_id == "alias/aws/sns":
        key = {"KeyManager": "AWS"}
    elif key_id:
        key = aws.ask("kms", "describe_key", KeyId=key_id)["KeyMetadata"]
        policy = aws.ask("kms", "get_key_policy", KeyId=key["Arn"], PolicyName="default")["Policy"]
    facts = dict.fromkeys(("aws:sourceaccount", "aws:sourceowner"), alarm_arn.split(":")[4])
    return verdicts.topic(found["Attributes"], key, json.loads(policy), facts | {"aws:sourcearn": alarm_arn})


CHECKS: Mapping[str, Callable[[Aws], Verdict]] = {
    "stack": lambda aws: verdicts.stack(
        aws.find("cloudformation", "describe_stacks", StackName=aws.stack.name),
        f"{aws.stack.name} in {aws.region} of account {aws.ask('sts', 'get_caller_identity')['Account']}",
    ),
    "version": lambda aws: verdicts.version(aws.stack.outputs.get("Version", "another version"), __version__),
    "parameters": lambda aws: verdicts.parameters(aws.stack.parameters, aws.region),
    "function": lambda aws: verdicts.function(aws.stack.function),
    "schedule": schedule,
    "rules": lambda aws: together(rule(aws, each) for each in ("CredentialsChanged", "TokenRejected")),
    "queue": queue,
    "runs": lambda aws: verdicts.runs(
        aws.log[-1]["logged_at"] if aws.log else None,
        aws.metric("Sum", "AWS/Lambda", "Errors", FunctionName=aws.stack.name),
        aws.now,
    ),
    "credentials": lambda aws: verdicts.credentials(
        aws.find("secretsmanager", "describe_secret", SecretId=aws.stack.credentials_secret),
        aws.stack.credentials_secret,
        aws.region,
    ),
    "tokens": tokens,
    "orphans": orphans,
    "other stacks": others,
    "metrics": lambda aws: verdicts.metrics(
        aws.metric("Minimum", "MovieXchange", "TokenLifeRemaining", Account=aws.stack.account)
    ),
    "alarms": lambda aws: together(verdicts.alarm(name, aws.alarms.get(name)) for name in ALARMS),
    "topics": topics,
}


def run(deployed: DeployedStack, now: datetime) -> Iterator[Finding]:
    """Make each check in turn; none but the first if there is no such stack."""
    aws = Aws(deployed, now)
    for name, check in CHECKS.items():
        found = finding(name, partial(check, aws))
        yield found
        if found.to_do == verdicts.ANOTHER_STACK:
            return


def exit_code(findings: Collection[Finding]) -> int:
    """Return 1 if something is wrong, 3 if something could not be looked at, and 0 if all is well."""
    results = {each.result for each in findings}
    return 1 if WRONG in results else 3 if UNKNOWN in results else 0
