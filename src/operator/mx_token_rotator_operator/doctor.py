"""The doctor: proves that a deployed stack works, and says what to do if it does not. It changes nothing."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from textwrap import fill
from typing import Any

from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError

from mx_token_rotator_operator import __version__, removal, verdicts
from mx_token_rotator_operator.stack import DeployedStack, Outcome, RotatorFailed
from mx_token_rotator_operator.status import outcomes, token_status
from mx_token_rotator_operator.verdicts import Answer, Verdict, together

OK, WRONG, UNKNOWN = "ok", "wrong", "could not look"
HOUR = timedelta(hours=1)
ALARMS = ("TokenLifeLow", "ActionRequired", "RefreshFailing", "FunctionBroken")
MISSING = re.compile("NotFound|NonExistent|ValidationError")  # the last is CloudFormation's for a stack
YOURS = re.compile("ExpiredToken|InvalidClientTokenId|UnrecognizedClient")  # of whoever runs the tool
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
    """Run a check. What goes wrong in it is its finding, so that the others go on; without a log-in none can."""
    try:
        verdict = look()
    except ClientError as error:
        operation, code = error.operation_name, error.response["Error"]["Code"]
        if YOURS.search(code):
            raise
        if MISSING.search(code):
            return Finding(check, WRONG, f"{operation} does not find it", verdicts.AGAIN)
        is_denied = "AccessDenied" in code or "Authorization" in code
        needed = re.findall(rf"\S+:{operation}\w*", NEEDS + EXERCISE_NEEDS) if is_denied else []
        return Finding(check, UNKNOWN, f"{operation}: {code}", f"needs {needed[0]}" if needed else "Try again.")
    except RotatorFailed as failed:
        seen, _, to_do = str(failed).partition("\nWhat to do: ")
        return Finding(check, WRONG, seen, to_do)
    except (NoCredentialsError, NoRegionError):
        raise
    except Exception as error:  # noqa: BLE001  an odd answer must not hide the other checks
        return Finding(check, UNKNOWN, f"{type(error).__name__}: {error}", "See whether the versions are the same.")
    return Finding(check, WRONG if verdict.to_do else OK, verdict.seen, verdict.to_do)


@dataclass(frozen=True)
class Doctor:
    """The checks of a stack; AWS is asked when a check needs it."""

    stack: DeployedStack
    now: datetime

    def checks(self) -> Mapping[str, Callable[[], Verdict]]:
        """Return the checks by their names."""
        stack, region = self.stack, self.stack.session.region_name
        return {
            "stack": self._stack,
            "version": lambda: verdicts.version(stack.outputs.get("Version", "another version"), __version__),
            "parameters": lambda: verdicts.parameters(stack.parameters, region),
            "function": lambda: verdicts.function(stack.function),
            "schedule": self._schedule,
            "rules": lambda: together(self._rule(each) for each in ("CredentialsChanged", "TokenRejected")),
            "queue": self._queue,
            "runs": self._runs,
            "credentials": self._credentials,
            "tokens": self._tokens,
            "orphans": self._orphans,
            "other stacks": self._others,
            "metrics": self._metrics,
            "alarms": lambda: together(verdicts.alarm(name, self.alarms.get(name)) for name in ALARMS),
            "topics": self._topics,
        }

    def ask(self, service: Any, operation: str, *, or_none: bool = False, **arguments: Any) -> Any:  # noqa: ANN401  boto3's
        """Call an operation, and return its answer, of all pages; perhaps None if there is no such thing."""
        client = self.stack.session.client(service)
        try:
            if client.can_paginate(operation):
                return client.get_paginator(operation).paginate(**arguments).build_full_result()
            return getattr(client, operation)(**arguments)
        except ClientError as error:
            if or_none and MISSING.search(error.response["Error"]["Code"]):
                return None
            raise

    def metric(self, statistic: str, namespace: str, name: str, dimension: str, of: str) -> list[float]:
        """Return a metric's values within the last hour, newest first."""
        metric = {"Namespace": namespace, "MetricName": name, "Dimensions": [{"Name": dimension, "Value": of}]}
        query = [{"Id": "asked", "MetricStat": {"Metric": metric, "Period": 300, "Stat": statistic}}]
        start, end = self.now - HOUR, self.now
        answer = self.ask("cloudwatch", "get_metric_data", MetricDataQueries=query, StartTime=start, EndTime=end)
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

    def _stack(self) -> Verdict:
        found = self.ask("cloudformation", "describe_stacks", or_none=True, StackName=self.stack.name)
        account_id = self.ask("sts", "get_caller_identity")["Account"]  # which needs no permission
        return verdicts.stack(found, f"{self.stack.name} in {self.stack.session.region_name} of account {account_id}")

    def _schedule(self) -> Verdict:
        found = self.ask("scheduler", "get_schedule", Name=self.stack.resources["Schedule"])
        return verdicts.sender("the schedule", found["State"], [found["Target"]], f"{self.stack.name}.fifo")

    def _rule(self, logical_id: str) -> Verdict:
        name = self.stack.resources[logical_id]
        state = self.ask("events", "describe_rule", Name=name)["State"]
        targets = self.ask("events", "list_targets_by_rule", Rule=name)["Targets"]
        return verdicts.sender(logical_id, state, targets, f"{self.stack.name}.fifo")

    def _queue(self) -> Verdict:
        url, wanted = self.stack.resources["Queue"], "ApproximateNumberOfMessages"
        found = self.ask("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=[wanted])["Attributes"]
        ages = self.metric(
            "Maximum", "AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", f"{self.stack.name}.fifo"
        )
        return verdicts.queue(self.stack.mapping_state(), int(found[wanted]), ages[0] if ages else 0.0)

    def _runs(self) -> Verdict:
        errors = self.metric("Sum", "AWS/Lambda", "Errors", "FunctionName", self.stack.name)
        return verdicts.runs(self.log[-1]["logged_at"] if self.log else None, errors, self.now)

    def _credentials(self) -> Verdict:
        name = self.stack.credentials_secret
        found = self.ask("secretsmanager", "describe_secret", or_none=True, SecretId=name)
        return verdicts.credentials(found, name, self.stack.session.region_name)

    def _tokens(self) -> Verdict:
        labels = self.stack.token_labels()
        statuses = {name: token_status(name, self.log, each, self.now) for name, each in labels.items()}
        return together(verdicts.token(name, each, self.now) for name, each in statuses.items())

    def _orphans(self) -> Verdict:
        account = self.stack.account
        return verdicts.orphans(
            removal.names_with_secrets(self.stack, account) - removal.names_in_use(self.stack, account)
        )

    def _others(self) -> Verdict:
        found = {each["FunctionName"]: each for each in self.ask("lambda", "list_functions")["Functions"]}
        accounts = {
            name: each.get("Environment", {}).get("Variables", {}).get("ACCOUNT") for name, each in found.items()
        }
        return verdicts.others(
            self.stack.account, [name for name, each in accounts.items() if each == self.stack.account]
        )

    def _metrics(self) -> Verdict:
        lives = self.metric("Minimum", "MovieXchange", "TokenLifeRemaining", "Account", self.stack.account)
        return verdicts.metrics(lives)

    def _topics(self) -> Verdict:
        arns = {
            arn: each["AlarmArn"] for each in self.alarms.values() for arn in each["AlarmActions"] if ":sns:" in arn
        }
        mute = ", ".join(name for name, each in self.alarms.items() if not each["AlarmActions"])
        silence = [Verdict(f"nobody is told of {mute}", "Deploy with AlarmEmail or AlarmTopicArn.")] if mute else []
        return together([*(self._topic(*each) for each in arns.items()), *silence] or [Verdict("there are none")])

    def _topic(self, arn: str, alarm_arn: str) -> Verdict:
        found = self.ask("sns", "get_topic_attributes", or_none=True, TopicArn=arn)
        if found is None:
            return Verdict(f"there is no topic {arn}", "Deploy with an AlarmTopicArn that exists.")
        key_id, policy = found["Attributes"].get("KmsMasterKeyId"), None
        if key_id == "alias/aws/sns":
            policy = {}  # AWS's own, which does not name CloudWatch
        elif key_id:
            key_arn = self.ask("kms", "describe_key", KeyId=key_id)["KeyMetadata"]["Arn"]
            policy = json.loads(self.ask("kms", "get_key_policy", KeyId=key_arn, PolicyName="default")["Policy"])
        facts = dict.fromkeys(("aws:sourceaccount", "aws:sourceowner"), alarm_arn.split(":")[4])
        return verdicts.topic(found["Attributes"], policy, facts | {"aws:sourcearn": alarm_arn})


def run(doctor: Doctor) -> Iterator[Finding]:
    """Make each check in turn; none but the first if there is no such stack."""
    for name, check in doctor.checks().items():
        found = finding(name, check)
        yield found
        if found.to_do == verdicts.ANOTHER_STACK:
            return
