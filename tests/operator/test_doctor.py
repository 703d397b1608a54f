"""The doctor on a deployed stack that is healthy, and that is broken in one place at a time.

MiniStack enforces no IAM and takes no metrics out of logs, so a test denies calls in its place, and puts the metrics.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError
from click.testing import CliRunner, Result

from mx_token_rotator_operator import __main__, doctor, exercise, removal
from mx_token_rotator_operator.__main__ import main
from mx_token_rotator_operator.doctor import OK, UNKNOWN, WRONG, Doctor, Finding
from mx_token_rotator_operator.exercise import STEPS, Exercise
from mx_token_rotator_operator.stack import DeployedStack, RotatorFailed
from mx_token_rotator_operator.verdicts import STORE, Verdict
from tools.local.aws import KEY, PROJECT, REGION, LocalAws, local_aws
from tools.local.mx import MovieXchangeStandIn
from tools.local.stack import UPDATER, WEBSITE, Stack, eventually

SERVICES = {"cloudwatch-logs": "logs", "eventbridge": "events", "secrets-manager": "secretsmanager"}
CHECKS = [*Doctor(DeployedStack(boto3.Session(), "any"), datetime.now(UTC)).checks()]
GUIDE = (PROJECT / "docs" / "operating.md").read_text().split("\n## Prove that it works\n")[1].split("\n## ")[0]


SECURITY = (PROJECT / "docs" / "security.md").read_text()
NEEDS = json.loads(GUIDE.split("```json")[1].split("```")[0])["Statement"][0]["Action"]
"""The permissions that the docs say the doctor needs."""


def finding(look: Callable[[], Iterable[Verdict]], check: str = "a check") -> Finding:
    """Run a check, and return its one finding."""
    (found,) = doctor.look_at(check, look)
    return found


@dataclass
class Examined:
    """A deployed stack, what the doctor found when it was new and when it was healthy, and what it called then."""

    stack: Stack
    topic: str
    session: boto3.Session
    refused: dict[str, str] = field(default_factory=dict)
    """The error code with which AWS refuses the calls of a permission."""
    calls: list[str] = field(default_factory=list)
    unfilled: dict[str, Finding] = field(default_factory=dict)
    healthy: dict[str, Finding] = field(default_factory=dict)
    needed: dict[str, set[str]] = field(default_factory=dict)
    """The permissions that each check of the healthy stack used."""

    def __post_init__(self) -> None:
        """Watch the calls."""
        self.session.events.register("before-call", self.answer)  # type: ignore[arg-type]  # it may answer

    def answer(self, event_name: str, **_: object) -> tuple[object, dict[str, Any]] | None:
        """Note the permission of a call, and refuse it in AWS's place."""
        service, operation = event_name.split(".")[1:]
        self.calls.append(f"{SERVICES.get(service, service)}:{operation}")
        error: dict[str, Any] = {"Error": {"Code": self.refused.get(self.calls[-1], ""), "Message": "what was sent"}}
        return (SimpleNamespace(status_code=400), error) if self.calls[-1] in self.refused else None

    def client(self, service: str) -> Any:  # noqa: ANN401  boto3 makes its clients at run time
        """Make a client of the account."""
        return self.stack.client(service)

    @contextmanager
    def refusing(self, refused: dict[str, str]) -> Iterator[None]:
        """Use the account, while AWS refuses some calls."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", self.stack.aws.endpoint)
            patch.setattr(self, "refused", refused)
            yield

    def look(self, check: str, refused: dict[str, str] | None = None) -> Finding:
        """Make one check, while AWS refuses some calls."""
        with self.refusing(refused or {}):
            checks = Doctor(DeployedStack(self.session, self.stack.name), datetime.now(UTC)).checks()
            return finding(checks[check], check)

    def look_at_all(self) -> dict[str, Finding]:
        """Make every check, and note which permissions each used."""
        found = {}
        for check in CHECKS:
            self.calls.clear()
            found[check] = self.look(check)
            self.needed[check] = {*self.calls}
        return found

    def take_metric(self) -> None:
        """Put the last metric that the function printed, as CloudWatch takes it out of the log."""
        line = [each for each in self.stack.logged("TokenLifeRemaining") if "TokenLifeRemaining" in each][-1]
        dimensions = [{"Name": "Account", "Value": line["Account"]}]
        metric = {"MetricName": "TokenLifeRemaining", "Value": line["TokenLifeRemaining"][0], "Dimensions": dimensions}
        self.client("cloudwatch").put_metric_data(Namespace="MovieXchange", MetricData=[metric])


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    """Run MiniStack for this file alone: there, an error of any function rings the alarms of all stacks."""
    with local_aws() as running:
        yield running


@pytest.fixture(scope="module")
def examined(aws: LocalAws, account_at_mx: MovieXchangeStandIn) -> Examined:
    """Deploy the stack once, with an encrypted topic for alarms, and fill the credentials."""
    sns, kms = (aws.client(each) for each in ("sns", "kms"))
    use = {"Effect": "Allow", "Principal": {"Service": "cloudwatch.amazonaws.com"}, "Resource": "*"}
    policy = {"Statement": [use | {"Action": ["kms:Decrypt", "kms:GenerateDataKey*"]}]}
    key = kms.create_key(Policy=json.dumps(policy))["KeyMetadata"]["Arn"]
    topic = sns.create_topic(Name="examined", Attributes={"KmsMasterKeyId": key})["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="somebody@example.com")
    hosts = {"AuthUrl": account_at_mx.url, "ApiUrl": account_at_mx.url}
    more = {"SecretPrefix": "examined", "CheckEvery": "rate(19 minutes)", "AlarmTopicArn": topic}
    session = boto3.Session(aws_access_key_id=KEY, aws_secret_access_key=KEY, region_name=REGION)
    examined = Examined(Stack(aws, hosts | more, name="mx-token-rotator-examined"), topic, session)
    examined.stack.apply()
    examined.stack.invoke({})
    examined.unfilled = examined.look_at_all()
    examined.stack.replace_credentials(account_at_mx.credentials())
    examined.stack.wait_until_idle()
    examined.take_metric()
    # MiniStack evaluates alarms, and may have missed the metric until now.
    alarm = examined.stack.resource("TokenLifeLow")
    examined.client("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue="OK", StateReason="metrics are there")
    examined.healthy = examined.look_at_all()
    return examined


def test_a_healthy_stack_is_ok(examined: Examined) -> None:
    """In every check."""
    assert {name: each.result for name, each in examined.healthy.items()} == dict.fromkeys(CHECKS, OK)


def disable_schedule(examined: Examined) -> None:
    """Switch the schedule off, as the console does."""
    scheduler = examined.client("scheduler")
    found = scheduler.get_schedule(Name=examined.stack.resource("Schedule"))
    kept = {name: found[name] for name in ("Name", "GroupName", "ScheduleExpression", "FlexibleTimeWindow", "Target")}
    scheduler.update_schedule(**kept, State="DISABLED" if found["State"] == "ENABLED" else "ENABLED")


@contextmanager
def schedule_off(examined: Examined) -> Iterator[None]:
    """Disable the schedule."""
    disable_schedule(examined)
    yield
    disable_schedule(examined)


@contextmanager
def rule_off(examined: Examined) -> Iterator[None]:
    """Disable the rule for reports."""
    name = examined.stack.resource("TokenRejected")
    examined.client("events").disable_rule(Name=name)
    yield
    examined.client("events").enable_rule(Name=name)


@contextmanager
def rule_without_target(examined: Examined) -> Iterator[None]:
    """Remove the target of the rule for new credentials."""
    events, name = examined.client("events"), examined.stack.resource("CredentialsChanged")
    targets = events.list_targets_by_rule(Rule=name)["Targets"]
    events.remove_targets(Rule=name, Ids=[each["Id"] for each in targets])
    yield
    events.put_targets(Rule=name, Targets=targets)


@contextmanager
def paused(examined: Examined) -> Iterator[None]:
    """Disable the event source mapping."""
    mapping = examined.stack.resource("QueueMapping")
    examined.client("lambda").update_event_source_mapping(UUID=mapping, Enabled=False)
    yield
    examined.client("lambda").update_event_source_mapping(UUID=mapping, Enabled=True)


@contextmanager
def concurrency_of_none(examined: Examined) -> Iterator[None]:
    """Reserve no concurrency, which is how people stop a function in a hurry."""
    function = {"FunctionName": examined.stack.name}
    examined.client("lambda").put_function_concurrency(**function, ReservedConcurrentExecutions=0)
    yield
    examined.client("lambda").delete_function_concurrency(**function)


@contextmanager
def backlog(examined: Examined) -> Iterator[None]:
    """Leave a message in the queue for longer than runs take."""
    age = {"MetricName": "ApproximateAgeOfOldestMessage", "Value": 700.0}
    queue = {"Name": "QueueName", "Value": f"{examined.stack.name}.fifo"}
    examined.client("cloudwatch").put_metric_data(Namespace="AWS/SQS", MetricData=[age | {"Dimensions": [queue]}])
    with paused(examined):
        examined.client("sqs").send_message(
            QueueUrl=examined.stack.resource("Queue"), MessageBody='{"scheduled": "<>"}', MessageGroupId="runs"
        )
        yield
    examined.stack.wait_until_idle()


@contextmanager
def password_wrong(examined: Examined) -> Iterator[None]:
    """Store a password that movieXchange rejects."""
    credentials = json.loads(
        examined.client("secretsmanager").get_secret_value(SecretId=examined.stack.credentials_secret)["SecretString"]
    )
    examined.stack.fill_credentials(credentials | {"password": "no-such-thing"})
    eventually(examined.stack.is_rejected)
    examined.stack.wait_until_idle()
    yield
    examined.stack.replace_credentials(credentials)
    examined.stack.wait_until_idle()


@contextmanager
def credentials_deleted(examined: Examined) -> Iterator[None]:
    """Mark the credentials for deletion."""
    secrets, name = examined.client("secretsmanager"), examined.stack.credentials_secret
    secrets.delete_secret(SecretId=name)
    yield
    secrets.restore_secret(SecretId=name)


@contextmanager
def token_deleted(examined: Examined) -> Iterator[None]:
    """Mark a token for deletion."""
    secrets, name = examined.client("secretsmanager"), examined.stack.token_secret(WEBSITE)
    secrets.delete_secret(SecretId=name)
    yield
    secrets.restore_secret(SecretId=name)


@contextmanager
def orphaned(examined: Examined) -> Iterator[None]:
    """Leave the token of a client ID that was removed."""
    secrets, name = examined.client("secretsmanager"), examined.stack.token_secret("Removed")
    secrets.create_secret(Name=name, Tags=[{"Key": removal.TAG, "Value": examined.stack.account}])
    yield
    secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


@contextmanager
def second_stack(examined: Examined) -> Iterator[None]:
    """Deploy another function with the same secrets."""
    function, ours = examined.client("lambda"), examined.stack.variables()
    function.create_function(
        FunctionName="second",
        Runtime="python3.13",
        Role="arn:aws:iam::000000000000:role/second",
        Handler="second.handler",
        Code={"ZipFile": b"PK\x05\x06" + bytes(18)},
        Environment={"Variables": ours},
    )
    yield
    function.delete_function(FunctionName="second")


@contextmanager
def log_level(examined: Examined, level: str = "WARN") -> Iterator[None]:
    """Let the function log warnings alone."""
    function, levels = examined.client("lambda"), {"LogFormat": "JSON", "SystemLogLevel": "INFO"}
    for each in (level, "INFO"):
        logging = levels | {"ApplicationLogLevel": each}
        function.update_function_configuration(FunctionName=examined.stack.name, LoggingConfig=logging)
        if each == level:
            yield


@contextmanager
def broken_function(examined: Examined) -> Iterator[None]:
    """Deploy code that cannot be imported."""
    function, name = examined.client("lambda"), examined.stack.name
    handler = function.get_function_configuration(FunctionName=name)["Handler"]
    function.update_function_configuration(FunctionName=name, Handler="nothing.handler")
    function.invoke(FunctionName=name, Payload="{}")
    yield
    function.update_function_configuration(FunctionName=name, Handler=handler)


@contextmanager
def alarm_deleted(examined: Examined) -> Iterator[None]:
    """Delete an alarm by hand."""
    cloudwatch, name = examined.client("cloudwatch"), examined.stack.resource("RefreshFailing")
    (found,) = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    cloudwatch.delete_alarms(AlarmNames=[name])
    yield
    read_only = ("AlarmArn", "AlarmConfigurationUpdatedTimestamp")
    kept = {each: value for each, value in found.items() if each not in read_only and not each.startswith("State")}
    cloudwatch.put_metric_alarm(**kept)


@contextmanager
def alarm_rings(examined: Examined) -> Iterator[None]:
    """Put an alarm into ALARM."""
    cloudwatch, name = examined.client("cloudwatch"), examined.stack.resource("ActionRequired")
    for state in ("ALARM", "OK"):
        cloudwatch.set_alarm_state(AlarmName=name, StateValue=state, StateReason="a test")
        if state == "ALARM":
            yield


@contextmanager
def actions_off(examined: Examined) -> Iterator[None]:
    """Disable the actions of an alarm."""
    cloudwatch, name = examined.client("cloudwatch"), examined.stack.resource("TokenLifeLow")
    cloudwatch.disable_alarm_actions(AlarmNames=[name])
    yield
    cloudwatch.enable_alarm_actions(AlarmNames=[name])


@contextmanager
def topic_attribute(examined: Examined, name: str, value: str) -> Iterator[None]:
    """Give the topic another attribute."""
    sns = examined.client("sns")
    before = sns.get_topic_attributes(TopicArn=examined.topic)["Attributes"][name]
    for each in (value, before):
        sns.set_topic_attributes(TopicArn=examined.topic, AttributeName=name, AttributeValue=each)
        if each == value:
            yield


@contextmanager
def aws_key(examined: Examined) -> Iterator[None]:
    """Encrypt the topic with the AWS managed key."""
    with topic_attribute(examined, "KmsMasterKeyId", "alias/aws/sns"):
        yield


@contextmanager
def closed_topic(examined: Examined) -> Iterator[None]:
    """Let only the account's own people publish."""
    principal = {"AWS": "arn:aws:iam::000000000000:root"}
    own = {"Effect": "Allow", "Principal": principal, "Action": "sns:Publish", "Resource": examined.topic}
    with topic_attribute(examined, "Policy", json.dumps({"Version": "2012-10-17", "Statement": [own]})):
        yield


@pytest.mark.parametrize(
    ("fault", "check", "seen"),
    [
        (schedule_off, "schedule", "the schedule is DISABLED"),
        (rule_off, "rules", "TokenRejected is DISABLED"),
        (rule_without_target, "rules", "CredentialsChanged does not send to the queue"),
        (paused, "log-ins", "paused: the event source mapping is Disabled"),
        (concurrency_of_none, "log-ins", "reserved concurrency is 0"),
        (token_deleted, "tokens", f"examined/staging/tokens/{WEBSITE} is marked for deletion"),
        (backlog, "queue", "1 waiting, oldest 11 min"),
        (password_wrong, "credentials", "examined/staging/credentials has the label REJECTED"),
        (password_wrong, "tokens", f"{WEBSITE}, {UPDATER}: CredentialsRejected"),
        (credentials_deleted, "credentials", "examined/staging/credentials is marked for deletion"),
        (orphaned, "orphans", "no stack has Removed"),
        (second_stack, "other stacks", "mx-token-rotator-examined, second"),
        (log_level, "function", "ApplicationLogLevel WARN"),
        (broken_function, "runs", "1 without a result within an hour"),
        (alarm_deleted, "alarms", "RefreshFailing is deleted"),
        (alarm_rings, "alarms", "ActionRequired has been in ALARM for 0 min"),
        (actions_off, "alarms", "the actions of TokenLifeLow are disabled"),
        (aws_key, "topics", "CloudWatch may not use alias/aws/sns, the key of examined"),
        (closed_topic, "topics", "CloudWatch may not publish to examined"),
    ],
)
def test_what_is_broken_is_named(examined: Examined, fault: Callable[[Examined], Any], check: str, seen: str) -> None:
    """In its check, which is wrong and says what to do."""
    with fault(examined):
        found = examined.look(check)

    assert (found.result, seen in found.seen, found.to_do != "") == (WRONG, True, True)


@pytest.mark.parametrize(("check", "seen"), [("tokens", "CredentialsInvalid"), ("metrics", "CloudWatch has no Token")])
def test_a_stack_that_was_never_filled_is_named(examined: Examined, check: str, seen: str) -> None:
    """By its runs' error; MiniStack gives an empty secret a version, which AWS does not."""
    assert (examined.unfilled[check].result, seen in examined.unfilled[check].seen) == (WRONG, True)


@pytest.mark.parametrize("permission", NEEDS)
def test_a_permission_that_is_missing_is_named(examined: Examined, permission: str) -> None:
    """In each check that needs it."""
    denied = {permission: "AccessDeniedException"}
    found = [examined.look(check, denied) for check, needed in examined.needed.items() if permission in needed]

    assert {(each.result, each.to_do) for each in found} == {(UNKNOWN, f"Allow {permission}.")}


def test_the_doctor_calls_what_the_docs_say(examined: Examined) -> None:
    """It reads no secret, and changes nothing; everybody may call GetCallerIdentity."""
    assert set.union(*examined.needed.values()) == {*NEEDS, "sts:GetCallerIdentity"}


def test_a_permission_that_a_step_lacks_is_named(examined: Examined) -> None:
    """By the action of IAM, which differs from the operation."""
    steps = Exercise(DeployedStack(examined.session, examined.stack.name), WEBSITE, datetime.now, lambda _: None)
    with examined.refusing({"lambda:Invoke": "AccessDeniedException"}):
        first = next(exercise.run(steps, lambda _: True))

    assert (first.result, first.to_do) == (UNKNOWN, "Allow lambda:InvokeFunction.")


def test_one_check_does_not_stop_the_others(examined: Examined) -> None:
    """Whatever goes wrong in it."""
    with examined.refusing({"cloudformation:ListStackResources": "AccessDenied"}):
        findings = Doctor(DeployedStack(examined.session, examined.stack.name), datetime.now(UTC)).findings()
        found = {each.check: each.result for each in findings}

    assert ([*found], found["schedule"], found["tokens"]) == (CHECKS, UNKNOWN, OK)


def test_another_version_is_named(examined: Examined, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tool may not know what that one does."""
    monkeypatch.setattr(doctor, "__version__", "0.0.0")

    assert examined.look("version").result == WRONG


def test_parameters_that_contradict_each_other_are_named(examined: Examined, monkeypatch: pytest.MonkeyPatch) -> None:
    """The template cannot compare numbers, so that such a stack can be deployed."""
    with examined.refusing({}):
        chosen = DeployedStack(examined.session, examined.stack.name).described("Parameter")
    monkeypatch.setattr(DeployedStack, "described", lambda *_: chosen | {"AlarmBelowPercent": "50"})
    found = examined.look("parameters")

    assert (found.result, found.seen) == (WRONG, "AlarmBelowPercent must be less than 50")


def test_a_topic_that_was_deleted_is_named(examined: Examined) -> None:
    """Its alarms tell nobody."""
    found = examined.look("topics", {"sns:GetTopicAttributes": "NotFound"})

    assert (found.result, found.seen) == (WRONG, f"there is no topic {examined.topic}")


def test_alarms_without_a_topic_are_named(examined: Examined, monkeypatch: pytest.MonkeyPatch) -> None:
    """With both ways to tell somebody: a topic, and a rule for a chat, which the docs have."""
    monkeypatch.setattr(Doctor, "alarms", {"TokenLifeLow": {"AlarmArn": "", "AlarmActions": []}})
    found = examined.look("topics")
    heading = found.to_do.rpartition(", ")[2].removesuffix(").")

    assert (found.seen, "AlarmEmail" in found.to_do, f"\n## {heading}\n" in SECURITY) == (
        "no topic is told of TokenLifeLow",
        True,
        True,
    )


# What AWS answers does not matter


@pytest.mark.parametrize(
    ("code", "result", "to_do"),
    [
        ("AuthorizationError", UNKNOWN, "Allow lambda:ListFunctions."),
        (
            "ResourceNotFoundException",
            WRONG,
            "Remove the stack and deploy it again (docs/operating.md); its secrets stay.",
        ),
        (
            "AWS.SimpleQueueService.NonExistentQueue",
            WRONG,
            "Remove the stack and deploy it again (docs/operating.md); its secrets stay.",
        ),
        ("ThrottlingException", UNKNOWN, "Try again."),
    ],
)
def test_a_call_that_aws_refuses_is_a_finding(code: str, result: str, to_do: str) -> None:
    """By its error code; its message may repeat what was sent."""

    def look() -> list[Verdict]:
        error = ClientError({"Error": {"Code": code, "Message": "what was sent"}}, "ListFunctions")
        error.add_note("lambda:ListFunctions")
        raise error

    found = finding(look)

    assert (found.result, found.to_do, "what was sent" in str(found)) == (result, to_do, False)


@pytest.mark.parametrize(
    "error", [ClientError({"Error": {"Code": "ExpiredToken"}}, "ListFunctions"), NoCredentialsError(), NoRegionError()]
)
def test_what_stops_every_check_is_said_once(error: Exception) -> None:
    """By the command, as for each other command."""

    def look() -> list[Verdict]:
        raise error

    with pytest.raises(type(error)):
        finding(look)


def test_a_defect_of_a_check_is_a_finding() -> None:
    """The others go on."""
    assert finding(lambda: [Verdict({"Schedule": ""}["Queue"])]).seen == "KeyError: 'Queue'"


def test_what_the_stack_says_of_itself_is_a_finding() -> None:
    """With its remedy."""

    def look() -> list[Verdict]:
        raise RotatorFailed("It is no rotator.", "name it.")

    assert finding(look) == Finding("a check", WRONG, "It is no rotator.", "name it.")


def test_a_check_may_have_several_findings() -> None:
    """The status has a line for each token."""
    seen = [Verdict(str(place)) for place in range(60)]

    assert [each.seen for each in doctor.look_at("a check", lambda: seen, apart=True)] == [each.seen for each in seen]


# The command


@pytest.fixture
def run(examined: Examined) -> Callable[..., Result]:
    """Return a function that runs the command, and answers no to each question."""
    environment = {"AWS_ENDPOINT_URL": examined.stack.aws.endpoint, "AWS_CONFIG_FILE": os.devnull}

    def on_the_stack(*arguments: str, command: str = "doctor") -> Result:
        arguments = (command, "--stack", examined.stack.name, *arguments)
        return CliRunner().invoke(main, arguments, input="n\n" * len(STEPS), env=environment)

    return on_the_stack


Look = Callable[[], list[Verdict]]


def looks(*looks: Look) -> Callable[[object], dict[str, Look]]:
    """Return checks that do this in place of the doctor's."""
    return lambda _: {f"check {number}": look for number, look in enumerate(looks)}


def well() -> list[Verdict]:
    """Find nothing to do."""
    return [Verdict("something")]


def wrong() -> list[Verdict]:
    """Find something to do."""
    return [Verdict("something else", "Mend it.")]


def denied() -> list[Verdict]:
    """Be denied a look."""
    error = ClientError({"Error": {"Code": "AccessDeniedException", "Message": ""}}, "ListFunctions")
    error.add_note("lambda:ListFunctions")
    raise error


def test_the_command_prints_a_line_for_each_check(run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins with the result; below it is what to do or to allow."""
    monkeypatch.setattr(Doctor, "checks", looks(well, wrong, denied))

    assert run().stdout.splitlines() == [
        "[ok] check 0: something",
        "[wrong] check 1: something else",
        "    What to do: Mend it.",
        "[could not look] check 2: ListFunctions: AccessDeniedException",
        "    What to do: Allow lambda:ListFunctions.",
    ]


def test_what_to_do_is_a_command_for_the_stack_that_was_named(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decision behind it knows no stack."""
    monkeypatch.setattr(Doctor, "checks", looks(lambda: [Verdict("it is empty", STORE)]))

    assert " ".join(run().stdout.split()).endswith("mx-token-rotator set-credentials --stack mx-token-rotator-examined")


@pytest.mark.parametrize(
    ("checks", "code"), [([well], 0), ([well, denied], 3), ([denied, wrong, well], 1), ([well, wrong], 1)]
)
def test_the_exit_code_is_for_scripts(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, checks: list[Look], code: int
) -> None:
    """Something wrong counts more than something unknown."""
    monkeypatch.setattr(Doctor, "checks", looks(*checks))

    assert run().exit_code == code


def test_in_json_each_check_is_an_object(run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    """For scripts."""
    monkeypatch.setattr(Doctor, "checks", looks(well))

    assert json.loads(run("--json").stdout) == [{"check": "check 0", "result": OK, "seen": "something", "to_do": ""}]


def test_the_exercise_takes_each_step(
    examined: Examined, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """MiniStack runs no alarm's actions, so that one is wrong."""
    monkeypatch.setattr(__main__, "sleep", lambda _: examined.stack.wait_until_idle())
    found = {each["check"]: each["result"] for each in json.loads(run("--exercise", "--yes", "--json").stdout)}

    assert {name: found.get(name) for name in STEPS} == dict.fromkeys(STEPS, OK) | {"alarm": WRONG}


def test_the_exercise_names_each_effect_and_does_nothing_without_a_yes(
    examined: Examined, run: Callable[..., Result]
) -> None:
    """For the client ID that is named."""
    before = examined.stack.tokens()
    shown = run("--exercise", "--name", UPDATER).stderr

    assert ([effect.format(name=UPDATER) in shown for effect, _ in STEPS.values()], examined.stack.tokens()) == (
        [True] * len(STEPS),
        before,
    )


def test_an_exercise_that_is_declined_ends_calmly(run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    """It says that nothing was changed, and the exit code is that of the checks."""
    monkeypatch.setattr(Doctor, "checks", looks(well))
    result = run("--exercise")
    said = [line for line in result.stdout.splitlines() if "[not done]" in line]

    assert (said, result.exit_code) == ([f"[not done] {step}: nothing was changed" for step in STEPS], 0)


def test_the_exercise_is_for_a_client_id_that_the_stack_has(run: Callable[..., Result]) -> None:
    """A report of another one would not arrive."""
    assert (
        run("--exercise", "--name", "Wbe").stderr
        == f"Error: Wbe: the names of the client IDs are {WEBSITE}, {UPDATER}.\n"
    )


@pytest.mark.parametrize("command", ["doctor", "status"])
def test_a_wrong_region_is_named_and_ends_the_checks(run: Callable[..., Result], command: str) -> None:
    """With the account, which may be the wrong one."""
    result = run("--region", "us-east-1", command=command)

    assert (result.exit_code, result.stdout.splitlines()) == (
        1,
        [
            "[wrong] stack: there is no stack mx-token-rotator-examined in us-east-1 of",
            "    account 000000000000",
            "    What to do: Name another one with --stack, --region or --profile.",
        ],
    )


def test_there_is_no_exercise_without_a_stack(run: Callable[..., Result]) -> None:
    """No client ID is known then."""
    result = run("--exercise", "--yes", "--region", "us-east-1")

    assert (result.exit_code, result.stderr.partition(" in ")[0]) == (
        3,
        "Error: There is no stack mx-token-rotator-examined",
    )


def test_the_help_says_the_exit_codes(run: Callable[..., Result]) -> None:
    """Also that of what could not be looked at."""
    shown = " ".join(run("--help").stdout.split())

    assert (re.findall(r"\b\d\b", shown.split("Exit codes: ")[1]), "Exit code 3 if something could not" in shown) == (
        ["0", "1", "2", "3"],
        True,
    )


# The docs


def plain(text: str) -> str:
    """Return a text without its numbers, version ids and line ends."""
    return re.sub(r"\bversion [0-9a-f]{8}\b|[\d.]*\d", "N", " ".join(text.split()))


def test_the_docs_show_what_the_doctor_prints(examined: Examined) -> None:
    """Of a healthy stack, but for the stack's name and the numbers."""
    shown = (
        "\n".join(map(str, examined.healthy.values())).replace("-examined", "").replace("examined/", "moviexchange/")
    )
    sample = GUIDE.split("```")[3]

    assert plain(sample) == plain(shown.replace("to examined", "to alarms"))


def test_what_the_doctor_prints_fits_in_80_columns(examined: Examined) -> None:
    """Only a long name or ARN stays in one piece."""
    lines = "\n".join(map(str, examined.healthy.values())).splitlines()

    assert max(map(len, lines)) <= 80


def test_the_docs_have_each_step_of_the_exercise() -> None:
    """Under its name."""
    assert re.findall(r"^\| `([a-z ]+)` \|", GUIDE, re.MULTILINE) == [*STEPS]
