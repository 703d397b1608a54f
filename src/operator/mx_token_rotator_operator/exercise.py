"""The doctor's exercise: it acts on a deployed stack, and says what came of it. Each effect is named before."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

from mx_token_rotator_operator.doctor import NOT_DONE, Doctor, Finding, look_at
from mx_token_rotator_operator.stack import DeployedStack, wait_until
from mx_token_rotator_operator.verdicts import STORE, TELL, Verdict

ALARM = "RefreshFailing"
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Exercise:
    """The steps, for one client ID; `clock` and `sleep` are the machine's."""

    stack: DeployedStack
    name: str
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]

    def dry_run(self) -> Verdict:
        """Have the function decide."""
        return Verdict("; ".join(f"{each['client_id']} {each['reason']}" for each in self.stack.invoke(dry_run=True)))

    def report(self) -> Verdict:
        """Report a version that does not exist, and wait for its line in the log."""
        start, secret = self.clock(), f"{self.stack.account}/tokens/{self.name}"

        def served() -> int:
            log = self.stack.log(start - MINUTE)
            return sum(each.get("client_id") == self.name and each["reason"] == "already replaced" for each in log)

        labels, earlier = self.stack.labels(secret), served()
        detail = json.dumps({"version_id": f"doctor-{uuid4().hex}"})
        entry = {"Source": secret, "DetailType": "Access Token Rejected", "Detail": detail}
        self.stack.call("events", "put_events", Entries=[entry])
        if not wait_until(lambda: served() > earlier, self.sleep):
            return Verdict("no run served it within a minute", "See the rules, the queue and the function.")
        if self.stack.labels(secret) != labels:
            return Verdict("it arrived, but the token was replaced meanwhile", "Try again.")
        return Verdict(f"it arrived within {(self.clock() - start).total_seconds():.1f} s, and changed nothing")

    def refresh(self) -> Verdict:
        """Force a refresh, and wait until the new version can be read."""
        start, secret = self.clock(), f"{self.stack.account}/tokens/{self.name}"
        (outcome,) = self.stack.invoke(client_id=self.name, force=True)
        version_id, seen = outcome["version_id"], f"{self.name} {outcome['outcome']} ({outcome['reason']})"
        if not wait_until(lambda: self.stack.labels(secret).get("AWSCURRENT") == version_id, self.sleep):
            return Verdict(f"{seen}, but another version is current", "See who else writes the secret.")
        to_do = f"The credentials do not work: {STORE}" if "refresh token" in outcome["reason"] else ""
        return Verdict(f"{seen}, can be read after {(self.clock() - start).total_seconds():.1f} s", to_do)

    def alarm(self) -> Verdict:
        """Switch an alarm to ALARM, wait for what its history says of that, and switch it back."""
        since, call = self.clock() - MINUTE, partial(self.stack.call, "cloudwatch")
        alarm = Doctor(self.stack, since).alarms[ALARM]
        name, actions = alarm["AlarmName"], alarm["AlarmActions"]
        if alarm["StateValue"] == "ALARM":
            return Verdict(f"{ALARM} is in ALARM already", "End what it is about first.")

        def history() -> list[str]:
            # An alarm soon returns to its actual state: "typically only visible" in its history (SetAlarmState).
            items = call("describe_alarm_history", AlarmName=name, HistoryItemType="Action", StartDate=since)
            return [each["HistorySummary"] for each in items["AlarmHistoryItems"]]

        switch, earlier = partial(call, "set_alarm_state", AlarmName=name, StateReason="an exercise"), len(history())
        try:
            switch(StateValue="ALARM")
            is_told = wait_until(lambda: len(history()) >= earlier + len(actions), self.sleep)
            new = history()[: len(history()) - earlier]
        finally:
            switch(StateValue="OK")
        if failed := [each for each in new if each.startswith("Failed")]:
            return Verdict("; ".join(failed), "See the topics.")
        if not is_told:
            return Verdict("its history shows nothing within a minute", "See the alarms and the topics.")
        to_do = "" if actions else f"No topic is told. {TELL}"
        return Verdict(f"{ALARM} ran {len(actions)} actions: see whether a message arrived", to_do)


STEPS: Mapping[str, tuple[str, Callable[[Exercise], Verdict]]] = {
    "dry run": ("The function says what a run would do. Nothing changes.", Exercise.dry_run),
    "report": ("A report of a version of {name} that does not exist starts a run. Nothing changes.", Exercise.report),
    "refresh": ("The token of {name} is replaced; applications may get 401 until they read it.", Exercise.refresh),
    "alarm": (f"The alarm {ALARM} goes to ALARM and back. Whoever subscribed to it is told.", Exercise.alarm),
}


def run(exercise: Exercise, confirm: Callable[[str], bool]) -> Iterator[Finding]:
    """Take each step whose effect is confirmed."""
    for name, (effect, step) in STEPS.items():
        declined = [Finding(name, NOT_DONE, "nothing was changed", "")]
        is_meant = confirm(effect.format(name=exercise.name))
        yield from look_at(name, partial(map, step, [exercise])) if is_meant else declined
