"""The exercise's steps, on an account whose answers the test makes up as AWS documents them.

test_doctor.py takes the same steps on a deployed stack; MiniStack runs no alarm's actions.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore import xform_name

from mx_token_rotator_operator import exercise
from mx_token_rotator_operator.doctor import ALARMS, NOT_DONE, OK, WRONG, Finding
from mx_token_rotator_operator.exercise import STEPS, Exercise
from mx_token_rotator_operator.stack import DeployedStack
from mx_token_rotator_operator.verdicts import STORE
from tools.local.aws import PROJECT

TOPIC = "arn:aws:sns:eu-west-1:123456789012:alarms"
# The texts are those of the article cloudwatch-receive-sns-for-alarm-trigger of AWS re:Post.
DONE = f"Successfully executed action {TOPIC}"
REFUSED = f"Failed to execute action {TOPIC}. Received error: not authorized to perform: SNS:Publish"


FAILED = {"outcome": "failed", "reason": "CredentialsRejected", "error": "the password is wrong"}
FAILED |= {"who": "its owner", "remedy": "Put the right one."}


@dataclass
class Scene:
    """A stack, a log, an event bus and an alarm whose answers are made up, and a clock that the pauses move."""

    session: boto3.Session
    now: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)
    version: str = "one"
    """The current one of the token."""
    outcome: dict[str, Any] = field(default_factory=lambda: {"outcome": "refreshed", "reason": "forced"})
    """What the function answers."""
    lag: int = 0
    """How often a read does not show the new version yet."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    served: Callable[["Scene"], None] = lambda scene: scene.log.append("already replaced")
    """What a report leads to."""
    reports: list[dict[str, Any]] = field(default_factory=list)
    log: list[str] = field(default_factory=lambda: ["fresh", "already replaced"])
    """The reasons in the log."""
    rung: Callable[["Scene"], None] = lambda scene: scene.history.insert(0, DONE)
    """What the alarm leads to."""
    history: list[str] = field(default_factory=lambda: [DONE])
    state: str = "OK"
    states: list[str] = field(default_factory=list)
    """Those to which the alarm was switched."""
    actions: list[str] = field(default_factory=lambda: [TOPIC])
    called: set[str] = field(default_factory=set)
    """The operations that were called."""

    def answer(self, model: Any, params: Any, **_: object) -> tuple[object, dict[str, Any]]:  # noqa: ANN401  botocore's
        """Answer a call in AWS's place."""
        self.called.add("InvokeFunction" if model.name == "Invoke" else model.name)
        body = params["body"] if isinstance(params["body"], dict) else json.loads(params["body"] or "{}")
        answer: dict[str, Any] = getattr(self, f"_{xform_name(model.name)}")(body)
        return SimpleNamespace(status_code=200), answer

    def _get_function_configuration(self, _: object) -> dict[str, Any]:
        return {"Environment": {"Variables": {"ACCOUNT": "moviexchange/staging", "CLIENT_IDS": "_Website"}}}

    def _list_stack_resources(self, _: object) -> dict[str, Any]:
        resources = [
            {"LogicalResourceId": each, "PhysicalResourceId": f"stack-{each}"} for each in (*ALARMS, "QueueMapping")
        ]
        return {"StackResourceSummaries": resources}

    def _describe_secret(self, _: object) -> dict[str, Any]:
        self.lag -= 1
        return {"VersionIdsToStages": {"old" if self.lag >= 0 else self.version: ["AWSCURRENT"]}}

    def _invoke(self, request: dict[str, Any]) -> dict[str, Any]:
        self.requests.append(request)
        outcomes = [{"client_id": "_Website", "version_id": "one", "verified": True} | self.outcome]
        return {"Payload": BytesIO(json.dumps({"outcomes": outcomes}).encode())}

    def _filter_log_events(self, _: object) -> dict[str, Any]:
        lines = [json.dumps({"client_id": "_Website", "outcome": "kept", "reason": each}) for each in self.log]
        return {"events": [{"message": each, "timestamp": 0} for each in lines]}

    def _put_events(self, body: dict[str, Any]) -> dict[str, Any]:
        self.reports += body["Entries"]
        self.served(self)
        return {"FailedEntryCount": 0}

    def _describe_alarms(self, _: object) -> dict[str, Any]:
        alarm = {"AlarmName": f"stack-{exercise.ALARM}", "StateValue": self.state, "AlarmActions": self.actions}
        return {"MetricAlarms": [alarm]}

    def _describe_alarm_history(self, _: object) -> dict[str, Any]:
        return {"AlarmHistoryItems": [{"HistorySummary": each} for each in self.history]}

    def _set_alarm_state(self, body: dict[str, Any]) -> dict[str, Any]:
        self.states.append(body["StateValue"])
        if body["StateValue"] == "ALARM":
            self.rung(self)
        return {}

    def sleep(self, seconds: float) -> None:
        """Move the clock."""
        self.now += timedelta(seconds=seconds)

    def run(self, confirm: Callable[[str], bool]) -> list[Finding]:
        """Take the steps."""
        stack = DeployedStack(self.session, "mx-token-rotator")
        return [*exercise.run(Exercise(stack, "_Website", lambda: self.now, self.sleep), confirm)]

    def take(self, step: str) -> Finding:
        """Take one step."""
        effect = STEPS[step][0].format(name="_Website")
        return next(each for each in self.run(lambda named: named == effect) if each.check == step)


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    """Make the session once, because reading the services' models takes a while."""
    return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="eu-west-1")


@pytest.fixture
def scene(session: boto3.Session) -> Iterator[Scene]:
    """Return an account in which every step succeeds."""
    scene = Scene(session)
    session.events.register("before-call", scene.answer)  # type: ignore[arg-type]  # it may answer
    yield scene
    session.events.unregister("before-call", scene.answer)  # type: ignore[arg-type]  # the same


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_succeeds_is_ok(scene: Scene, step: str) -> None:
    """It says what came of it."""
    assert scene.take(step).result == OK


def test_each_effect_is_named_before_anything_happens(scene: Scene) -> None:
    """Nothing happens without a yes, and what was not done is not ok."""
    asked: list[str] = []

    def decline(effect: str) -> bool:
        asked.append(effect)
        return False

    found = scene.run(decline)

    assert (
        [effect.format(name="_Website") for effect, _ in STEPS.values()] == asked,
        {each.result for each in found},
        [scene.requests, scene.reports, scene.states],
    ) == (True, {NOT_DONE}, [[], [], []])


def test_a_dry_run_asks_for_decisions_alone(scene: Scene) -> None:
    """The function changes nothing then."""
    scene.take("dry run")

    assert scene.requests == [{"dry_run": True}]


def test_a_dry_run_that_fails_is_wrong(scene: Scene) -> None:
    """It says what to do."""
    scene.outcome = FAILED
    found = scene.take("dry run")

    assert (found.result, found.to_do) == (WRONG, "Put the right one.")


def test_a_report_is_one_of_an_application(scene: Scene) -> None:
    """Of a version that cannot exist, and of another one each time, because equal messages count once."""
    scene.take("report")
    scene.take("report")
    versions = {json.loads(each["Detail"])["version_id"] for each in scene.reports}

    assert ({each["Source"] for each in scene.reports}, len(versions)) == ({"moviexchange/staging/tokens/_Website"}, 2)


def test_a_report_that_does_not_arrive_is_wrong(scene: Scene) -> None:
    """After a minute; a line of an earlier report does not count."""
    scene.served = lambda _: None
    found = scene.take("report")

    assert (found.result, found.seen) == (WRONG, "no run served it within a minute")


def test_a_report_that_changed_something_is_wrong(scene: Scene) -> None:
    """A token was replaced at the same time, or because of it."""

    def served(scene: Scene) -> None:
        scene.log.append("already replaced")
        scene.version = "another"

    scene.served = served

    assert scene.take("report").seen == "it arrived, but the token was replaced meanwhile"


def test_a_refresh_says_how_long_it_took_until_the_token_can_be_read(scene: Scene) -> None:
    """Reads may lag behind writes."""
    scene.lag = 1

    assert scene.take("refresh").seen == "_Website refreshed (forced), can be read after 2.0 s"


def test_a_refresh_that_fails_is_wrong(scene: Scene) -> None:
    """In the function's own words."""
    scene.outcome = FAILED

    assert scene.take("refresh").result == WRONG


def test_a_refresh_by_the_stored_refresh_token_is_wrong(scene: Scene) -> None:
    """The credentials do not work."""
    scene.outcome["reason"] = "forced, by refresh token"

    assert scene.take("refresh").to_do == f"The credentials do not work: {STORE}"


def test_a_refresh_that_cannot_be_read_is_wrong(scene: Scene) -> None:
    """Somebody else wrote the secret."""
    scene.version = "another"

    assert scene.take("refresh").seen == "_Website refreshed (forced), but another version is current"


def test_the_alarm_is_switched_back(scene: Scene) -> None:
    """Whatever its history says."""
    scene.rung = lambda _: None
    scene.take("alarm")

    assert scene.states == ["ALARM", "OK"]


@pytest.mark.parametrize(
    ("rung", "seen"),
    [
        (lambda scene: scene.history.insert(0, REFUSED), REFUSED),
        (lambda _: None, "its history shows nothing within a minute"),
    ],
)
def test_an_alarm_that_does_not_reach_its_topic_is_wrong(
    scene: Scene, rung: Callable[[Scene], None], seen: str
) -> None:
    """In CloudWatch's own words, if there are any."""
    scene.rung = rung
    found = scene.take("alarm")

    assert (found.result, found.seen) == (WRONG, seen)


def test_an_action_that_failed_before_the_exercise_does_not_count(scene: Scene) -> None:
    """The topic may have been mended since."""
    scene.history = [REFUSED]

    assert scene.take("alarm").result == OK


def test_an_alarm_that_tells_nobody_is_wrong(scene: Scene) -> None:
    """It rings, and that is all."""
    scene.actions.clear()

    assert scene.take("alarm").to_do.startswith("No topic is told. Deploy with AlarmEmail")


def test_an_alarm_that_rings_already_is_left_alone(scene: Scene) -> None:
    """Its actions run only when its state changes."""
    scene.state = "ALARM"
    found = scene.take("alarm")

    assert (found.result, scene.states) == (WRONG, [])


def test_the_docs_have_what_the_exercise_calls(scene: Scene) -> None:
    """Besides what every check needs."""
    guide = (PROJECT / "docs" / "operating.md").read_text().split("\n## Prove that it works\n")[1].split("\n## ")[0]
    checks, steps = (set(re.findall(r"\w+:(\w+)", each)) for each in guide.split("It needs "))
    scene.run(lambda _: True)

    assert scene.called - checks == steps
