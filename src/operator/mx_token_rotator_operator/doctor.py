"""The doctor: proves that a deployed stack works, and says what to do if it does not. It changes nothing."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, partial
from textwrap import fill
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from mx_token_rotator_operator import __version__, removal, verdicts
from mx_token_rotator_operator.stack import MISSING, YOURS, Answer, DeployedStack, Outcome, RotatorFailed, listed
from mx_token_rotator_operator.verdicts import Verdict

OK, WRONG, UNKNOWN, NOT_DONE = "ok", "wrong", "could not look", "not done"
RESERVED = "ReservedConcurrentExecutions"
HOUR = timedelta(hours=1)
ALARMS = ("TokenLifeLow", "ActionRequired", "RefreshFailing", "FunctionBroken")
STATUS = ("stack", "schedule", "log-ins", "credentials", "tokens", "alarms")  # the checks of the command status
Check = Callable[[], Iterable[Verdict]]


@dataclass(frozen=True)
class Finding:
    """What a check came to."""

    check: str
    result: str
    seen: str
    to_do: str

    def __str__(self) -> str:
        """Return it in words, on lines of 80 columns."""
        parts = [f"[{self.result}] {self.check}: {self.seen}", *[f"    What to do: {self.to_do}"] * bool(self.to_do)]
        folded = partial(fill, width=80, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
        return "\n".join(map(folded, parts))


def look_at(check: str, look: Check, *, apart: bool = False) -> Iterator[Finding]:
    """Run a check, which has one finding, or apart several. What goes wrong in it is one, so that others go on."""
    try:
        found = [*look()]
        for each in found if apart else [verdicts.together(found)]:
            yield Finding(check, WRONG if each.to_do else OK, each.seen, each.to_do)
    except ClientError as error:
        operation, code = error.operation_name, error.response["Error"]["Code"]
        if YOURS.search(code):
            raise
        if MISSING.search(code):
            yield Finding(check, WRONG, f"{operation} does not find it", verdicts.AGAIN)
        else:
            needed = getattr(error, "__notes__", []) if re.search("AccessDenied|Authorization", code) else []
            yield Finding(check, UNKNOWN, f"{operation}: {code}", f"Allow {needed[0]}." if needed else "Try again.")
    except RotatorFailed as failed:
        seen, _, to_do = str(failed).partition("\nWhat to do: ")
        yield Finding(check, WRONG, seen, to_do)
    except (NoCredentialsError, NoRegionError):
        raise
    except Exception as error:  # noqa: BLE001  an odd answer must not hide the other checks
        to_do = "Check the network." if isinstance(error, BotoCoreError) else "See whether the versions are the same."
        yield Finding(check, UNKNOWN, f"{type(error).__name__}: {error}", to_do)


@dataclass(frozen=True)
class Doctor:
    """The checks of a stack; AWS is asked when a check needs it."""

    stack: DeployedStack
    now: datetime

    def checks(self) -> Mapping[str, Check]:
        """Return the checks by their names."""
        stack = self.stack
        return {
            "stack": self._stack,
            "version": self._version,
            "parameters": lambda: verdicts.parameters(stack.described("Parameter"), stack.session.region_name),
            "function": lambda: verdicts.function(stack.function),
            "schedule": self._schedule,
            "rules": lambda: map(self._rule, ("CredentialsChanged", "TokenRejected")),
            "log-ins": self._log_ins,
            "queue": self._queue,
            "runs": self._runs,
            "credentials": self._credentials,
            "tokens": lambda: verdicts.tokens(self.log, stack.token_labels(), self.now),
            "orphans": self._orphans,
            "other stacks": self._others,
            "metrics": self._metrics,
            "alarms": lambda: verdicts.alarms({each: self.alarms.get(each) for each in ALARMS}, self.now),
            "topics": self._topics,
        }

    def findings(self, *chosen: str) -> Iterator[Finding]:
        """Make each check in turn, or the chosen ones with their findings apart."""
        checks = self.checks()
        for name in chosen or checks:
            yield from look_at(name, checks[name], apart=bool(chosen))

    @cached_property
    def log(self) -> Sequence[Outcome]:
        """The outcomes of the last day, oldest first."""
        return self.stack.log(self.now - 24 * HOUR)

    @cached_property
    def alarms(self) -> dict[str, Answer]:
        """The stack's alarms that exist, by logical id."""
        names = {self.stack.resources[each]: each for each in ALARMS}
        found = self.stack.call("cloudwatch", "describe_alarms", AlarmNames=[*names])["MetricAlarms"]
        return {names[each["AlarmName"]]: each for each in found}

    def _metric(self, statistic: str, namespace: str, name: str, dimension: str, of: str) -> list[float]:
        metric = {"Namespace": namespace, "MetricName": name, "Dimensions": [{"Name": dimension, "Value": of}]}
        query = [{"Id": "asked", "MetricStat": {"Metric": metric, "Period": 300, "Stat": statistic}}]
        hour: dict[str, Any] = {"StartTime": self.now - HOUR, "EndTime": self.now}
        answer = self.stack.call("cloudwatch", "get_metric_data", MetricDataQueries=query, **hour)
        return list(answer["MetricDataResults"][0]["Values"])  # newest first

    def _stack(self) -> Iterator[Verdict]:
        found = self.stack.call("cloudformation", "describe_stacks", or_none=True, StackName=self.stack.name)
        account_id = self.stack.call("sts", "get_caller_identity")["Account"]  # which needs no permission
        where = f"{self.stack.name} in {self.stack.session.region_name} of account {account_id}"
        yield verdicts.stack(found, where)

    def _version(self) -> Iterator[Verdict]:
        deployed = self.stack.described("Output").get("Version", "another version")
        to_do = "" if deployed == __version__ else "Install this tool from the version that is deployed."
        yield Verdict(f"{deployed} is deployed, this tool is {__version__}", to_do)

    def _schedule(self) -> Iterator[Verdict]:
        found = self.stack.call("scheduler", "get_schedule", Name=self.stack.resources["Schedule"])
        yield verdicts.sender("the schedule", found["State"], [found["Target"]], f"{self.stack.name}.fifo")

    def _rule(self, logical_id: str) -> Verdict:
        name = self.stack.resources[logical_id]
        state = self.stack.call("events", "describe_rule", Name=name)["State"]
        targets = self.stack.call("events", "list_targets_by_rule", Rule=name)["Targets"]
        return verdicts.sender(logical_id, state, targets, f"{self.stack.name}.fifo")

    def _log_ins(self) -> Iterator[Verdict]:
        state = self.stack.mapping_state()
        to_do = "" if state == "Enabled" else "Ask who paused it, then mx-token-rotator resume --stack STACK"
        yield Verdict(f"paused: the event source mapping is {state}" if to_do else "not paused", to_do)
        if self.stack.call("lambda", "get_function_concurrency", FunctionName=self.stack.name).get(RESERVED) == 0:
            yield Verdict("reserved concurrency is 0", "aws lambda delete-function-concurrency --function-name STACK")

    def _queue(self) -> Iterator[Verdict]:
        url, wanted = self.stack.resources["Queue"], "ApproximateNumberOfMessages"
        found = self.stack.call("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=[wanted])["Attributes"]
        name = f"{self.stack.name}.fifo"
        ages = self._metric("Maximum", "AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", name)
        yield verdicts.queue(int(found[wanted]), ages)

    def _runs(self) -> Iterator[Verdict]:
        errors = self._metric("Sum", "AWS/Lambda", "Errors", "FunctionName", self.stack.name)
        return verdicts.runs(self.log[-1]["logged_at"] if self.log else None, errors, self.now)

    def _credentials(self) -> Iterator[Verdict]:
        name = self.stack.credentials_secret
        yield verdicts.credentials(self.stack.secret(name), name, self.stack.session.region_name)

    def _orphans(self) -> Iterator[Verdict]:
        names = sorted({*removal.orphans(self.stack, self.stack.account).values()})
        to_do = "Delete their secrets: mx-token-rotator remove-token --orphans --stack STACK"
        yield Verdict(f"no stack has {listed(names)}", to_do) if names else Verdict("none")

    def _others(self) -> Iterator[Verdict]:
        names = [*self.stack.rotators(self.stack.account)]
        to_do = "Remove a stack, or deploy it with another SecretPrefix." if len(names) > 1 else ""
        yield Verdict(f"{self.stack.account} belongs to {listed(names)}", to_do)

    def _metrics(self) -> Iterator[Verdict]:
        none = Verdict("CloudWatch has no TokenLifeRemaining of an hour", "Wait some minutes, then see the log level.")
        lives = self._metric("Minimum", "MovieXchange", "TokenLifeRemaining", "Account", self.stack.account)
        yield Verdict(f"at least {min(lives):.0f} percent of a lifetime was left within an hour") if lives else none

    def _topics(self) -> Iterator[Verdict]:
        alarms = self.alarms.items()
        topics = {arn: each["AlarmArn"] for _, each in alarms for arn in each["AlarmActions"] if ":sns:" in arn}
        for arn, alarm_arn in topics.items():
            yield from self._topic(arn, alarm_arn)
        if mute := [name for name, each in alarms if not each["AlarmActions"]]:
            yield Verdict(f"no topic is told of {', '.join(mute)}", verdicts.TELL)

    def _topic(self, arn: str, alarm_arn: str) -> Iterable[Verdict]:
        found = self.stack.call("sns", "get_topic_attributes", or_none=True, TopicArn=arn)
        if found is None:
            return [Verdict(f"there is no topic {arn}", "Deploy with an AlarmTopicArn that exists.")]
        key_id, policy = found["Attributes"].get("KmsMasterKeyId"), None
        if key_id == "alias/aws/sns":
            policy = {}  # AWS's own, which does not name CloudWatch
        elif key_id:
            key_arn = self.stack.call("kms", "describe_key", KeyId=key_id)["KeyMetadata"]["Arn"]
            policy = json.loads(self.stack.call("kms", "get_key_policy", KeyId=key_arn, PolicyName="default")["Policy"])
        facts = dict.fromkeys(("aws:sourceaccount", "aws:sourceowner"), alarm_arn.split(":")[4])
        return verdicts.topic(found["Attributes"], policy, facts | {"aws:sourcearn": alarm_arn})
