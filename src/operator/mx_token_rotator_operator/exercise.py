"""The doctor's exercise: it acts on a deployed stack, and says what came of it. Each effect is named before."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

from mx_token_rotator_operator.doctor import UNKNOWN, Aws, Finding, finding
from mx_token_rotator_operator.stack import DeployedStack
from mx_token_rotator_operator.verdicts import Verdict

LONGEST_WAIT = timedelta(minutes=2)
ALARM = "RefreshFailing"


@dataclass(frozen=True)
class Exercise:
    """The steps, for one client ID; `clock` and `sleep` are those of the machine."""

    stack: DeployedStack
    name: str
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]

    def seconds_until(self, is_so: Callable[[], bool]) -> float | None:
        """Look every second until something is so, and return how long that took; None if it took too long."""
        start = self.clock()
        while not is_so():
            if self.clock() - start > LONGEST_WAIT:
                return None
            self.sleep(1)
        return (self.clock() - start).total_seconds()

    def dry_run(self) -> Verdict:
        """Have the function decide."""
        outcomes = self.stack.invoke(dry_run=True)
        return Verdict("; ".join(f"{each['client_id']} {each['reason']}" for each in outcomes))

    def report(self) -> Verdict:
        """Report a version that does not exist, and wait for its line in the log."""
        aws, since = Aws(self.stack, self.clock()), self.clock() - timedelta(minutes=1)
        secret = f"{self.stack.account}/tokens/{self.name}"

        def served() -> int:
            lines = aws.outcomes(since)
            return sum(each.get("client_id") == self.name and each["reason"] == "already replaced" for each in lines)

        earlier, labels = served(), self.stack.labels(secret)
        detail = json.dumps({"version_id": f"doctor-{uuid4().hex}"})
        entry = {"Source": secret, "DetailType": "Access Token Rejected", "Detail": detail}
        if aws.ask("events", "put_events", Entries=[entry])["FailedEntryCount"]:
            return Verdict("EventBridge did not take it", "Try again.")
        seconds = self.seconds_until(lambda: served() > earlier)
        if seconds is None:
            return Verdict("it did not arrive", "See the rules, the queue and the function.")
        if self.stack.labels(secret) != labels:
            return Verdict("the token was replaced meanwhile", "Try again.")
        return Verdict(f"it arrived within {seconds:.0f} s, and changed nothing")

    def refresh(self) -> Verdict:
        """Force a refresh, and wait until the new version is the current one."""
        start, secret = self.clock(), f"{self.stack.account}/tokens/{self.name}"
        (outcome,) = self.stack.invoke(client_id=self.name, force=True)
        is_current = self.seconds_until(lambda: self.stack.labels(secret).get("AWSCURRENT") == outcome["version_id"])
        seen = f"{self.name} {outcome['outcome']} ({outcome['reason']})"
        if is_current is None:
            return Verdict(f"{seen}, but another version is current", "See who else writes the secret.")
        to_do = "The credentials do not work: set-credentials." if "refresh token" in outcome["reason"] else ""
        return Verdict(f"{seen}, to be read after {(self.clock() - start).total_seconds():.1f} s", to_do)

    def alarm(self) -> Verdict:
        """Switch an alarm to ALARM, wait for what its history says of that, and switch it back."""
        aws, since = Aws(self.stack, self.clock()), self.clock() - timedelta(minutes=1)
        alarm = aws.alarms[ALARM]
        name, count = alarm["AlarmName"], len(alarm["AlarmActions"])
        kind = "Action" if count else "StateUpdate"

        def history() -> list[str]:
            # An alarm soon returns to its actual state, so that only its history shows the other one (SetAlarmState).
            asked = {"AlarmName": name, "HistoryItemType": kind, "StartDate": since}
            items = aws.ask("cloudwatch", "describe_alarm_history", **asked)["AlarmHistoryItems"]
            return [each["HistorySummary"] for each in items]

        def switch(state: str) -> None:
            reason = "mx-token-rotator doctor --exercise"
            aws.ask("cloudwatch", "set_alarm_state", AlarmName=name, StateValue=state, StateReason=reason)

        if alarm["StateValue"] == "ALARM":
            return Verdict(f"{ALARM} is in ALARM already", "End what it is about first.")
        earlier = len(history())
        switch("ALARM")
        seconds = self.seconds_until(lambda: len(history()) >= earlier + max(count, 1))
        new = history()[: len(history()) - earlier]
        switch("OK")
        failed = [each for each in new if each.startswith("Failed")]
        if seconds is None or failed:
            return Verdict("; ".join(failed) or "its actions did not run", "See the topics.")
        return Verdict(f"{count} actions ran within {seconds:.0f} s" if count else "it rang, and tells nobody")


STEPS: Mapping[str, tuple[str, Callable[[Exercise], Verdict]]] = {
    "dry run": ("The function decides what a run would do. This changes nothing.", Exercise.dry_run),
    "report": (
        "A report of a version of {name}'s token that does not exist starts a run. This changes nothing.",
        Exercise.report,
    ),
    "refresh": (
        "{name}'s token is replaced. If movieXchange ends older tokens, applications get 401 until they read it.",
        Exercise.refresh,
    ),
    "alarm": (f"The alarm {ALARM} goes to ALARM and back. Whoever has subscribed to it is told.", Exercise.alarm),
}


def run(exercise: Exercise, confirm: Callable[[str], bool]) -> Iterator[Finding]:
    """Take each step whose effect is confirmed."""
    for name, (effect, step) in STEPS.items():
        if confirm(effect.format(name=exercise.name)):
            yield finding(name, partial(step, exercise))
        else:
            yield Finding(name, UNKNOWN, "not done", "")
