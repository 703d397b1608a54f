"""What the doctor decides: each verdict is a pure function of what AWS answered."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from itertools import takewhile
from typing import Any

from mx_token_rotator_operator.stack import SHOWN, Answer, Outcome, client_names, listed

ANOTHER_STACK = "Name another one with --stack, --region or --profile."
AGAIN = "Remove the stack and deploy it again (docs/operating.md); its secrets stay."
SILENT = "See the schedule, the queue and the function with mx-token-rotator doctor --stack STACK."
STORE = "mx-token-rotator set-credentials --stack STACK"  # the commands print the stack's name for STACK
NO_CHECK = ("failed: RequestInvalid", "kept: dry run", "kept: credentials accepted")  # lines of requests by hand
TELL = "Deploy with AlarmEmail or AlarmTopicArn, or have a rule tell a chat (docs/security.md, Alarms in chat)."
CLOUDWATCH = "cloudwatch.amazonaws.com"
OLDEST_SECONDS = 600  # a message is kept for 15 minutes, and a run takes up to one
HOUR = 3600.0  # seconds


def age(time: str | None, now: datetime) -> float:
    """Return how many seconds ago a time was; endlessly many for None."""
    return (now - datetime.fromisoformat(time)).total_seconds() if time else float("inf")


def span(seconds: float) -> str:
    """Return a length of time in hours or minutes."""
    return f"{seconds / HOUR:.1f} h" if seconds >= HOUR else f"{seconds // 60:.0f} min"


@dataclass(frozen=True)
class Verdict:
    """What was seen, and what to do about it; if there is nothing to do, all is well."""

    seen: str
    to_do: str = ""


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """Join verdicts: those that are wrong, or else all; each text once, and not too many."""
    shown = [each for each in verdicts if each.to_do] or verdicts or [Verdict("none")]
    seen, to_do = [*dict.fromkeys(each.seen for each in shown)], [*dict.fromkeys(each.to_do for each in shown)]
    return Verdict(listed(seen, "; "), " ".join(to_do[:SHOWN]))


def stack(found: Answer | None, where: str) -> Verdict:
    """Judge whether the stack exists, and its last deployment succeeded."""
    if found is None:
        return Verdict(f"there is no stack {where}", ANOTHER_STACK)
    status = found["Stacks"][0]["StackStatus"]
    is_fine = status in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"}
    return Verdict(f"{where}, {status}", "" if is_fine else "See its events: wait, or correct it and deploy again.")


def function(configuration: Answer) -> Iterator[Verdict]:
    """Judge whether the function can start, and keeps INFO: above, Lambda drops metrics, which have no level."""
    states = [configuration["State"], f"update {configuration['LastUpdateStatus']}"]
    reasons = [configuration[name] for name in ("StateReason", "LastUpdateStatusReason") if configuration.get(name)]
    can_start = states == ["Active", "update Successful"]
    yield Verdict(", ".join(states + reasons), "" if can_start else "Wait for its update to end, or deploy again.")
    for name in ("ApplicationLogLevel", "SystemLogLevel"):
        level = configuration["LoggingConfig"].get(name)
        to_do = "" if level in {"INFO", "DEBUG", "TRACE"} else f"Set {name} to INFO, or metrics are lost."
        yield Verdict(f"{name} {level}", to_do)


def sender(name: str, state: str, targets: Iterable[Answer], queue_name: str) -> Verdict:
    """Judge what sends to the queue: the schedule or a rule."""
    if state != "ENABLED":
        return Verdict(f"{name} is {state}", f"Ask who did it (docs/security.md, Who did what), then enable {name}.")
    if queue_name not in [each["Arn"].rpartition(":")[2] for each in targets]:
        return Verdict(f"{name} does not send to the queue", f"Have {name} send to {queue_name} again.")
    return Verdict(f"{name} is enabled")


def queue(waiting: int, ages: Sequence[float]) -> Verdict:
    """Judge the backlog by the ages of its oldest message within an hour, newest first."""
    oldest = ages[0] if waiting and ages else 0.0
    to_do = "Runs fail, or are too slow." if oldest >= OLDEST_SECONDS else ""
    return Verdict(f"{waiting} waiting, oldest {span(oldest)}", to_do)


def runs(last: str | None, errors: Sequence[float], now: datetime) -> Iterator[Verdict]:
    """Judge the time of the last outcome in the log, and the hour's invocations that ended without a result."""
    seen = f"the last one {span(age(last, now))} ago, perhaps by hand" if last else "none within a day"
    yield Verdict(seen, SILENT if age(last, now) > HOUR else "")
    ended = "See docs/operating.md#the-function-does-not-start. This counts for an hour, also after the mend."
    yield Verdict(f"{sum(errors):g} without a result within an hour", ended if any(errors) else "")


def credentials(described: Answer | None, name: str, region: str) -> Verdict:
    """Judge the credentials secret by its labels."""
    if described is None:
        return Verdict(f"there is no secret {name}", "Create it, or deploy with CreateCredentials at true.")
    primary = described.get("PrimaryRegion", region)
    current = [each for each in described.get("VersionIdsToStages", {}).values() if "AWSCURRENT" in each]
    if primary != region:
        return Verdict(f"{name} is a replica from {primary}", "Deploy the stack there, or promote the replica.")
    if not current:
        return Verdict(f"{name} was never filled", f"Fill it: {STORE}")
    if "REJECTED" in current[0]:
        return Verdict(f"{name} has the label REJECTED, so nothing logs in with it", f"Ask its owner, then: {STORE}")
    return Verdict("filled, not REJECTED")


def token(name: str, lines: Sequence[Outcome], labels: Mapping[str, str], now: datetime) -> Verdict:
    """Judge a token by its lines in the log, oldest first, and its labels."""
    last: Outcome = lines[-1] if lines else {}
    current = [each for each in lines if each.get("version_id") == labels.get("AWSCURRENT") and "expires_at" in each]
    left = -age(current[-1]["expires_at"], now) if current else 0.0
    checked, life = f"{span(age(last.get('logged_at'), now))} ago", f"expires in {span(left)}" if left > 0 else ""
    if last.get("outcome") == "failed":
        # The first failure of a series says why; later ones may say only that nobody logs in any more.
        *_, first = takewhile(lambda each: each["reason"] == last["reason"], reversed(lines))
        times = f"first {span(age(first['logged_at'], now))} ago, last {checked}"
        seen = f"{first['reason']} ({times}): {first['error']}. Who must act: {first['who']}"
        return Verdict(f"{seen}. The token of {name} {life or 'may have expired'}", first["remedy"])
    if age(last.get("logged_at"), now) > HOUR:
        return Verdict("not checked within the last hour", SILENT)
    if not life:
        what = "has expired" if current else "is not in the log"
        return Verdict(f"the published token {what}", "Invoke the function without a payload.")
    # A token that replaced a dead one was published before it was tried: only the line of that run has the verdict.
    known = [verdict for each in current if (verdict := each.get("verified")) is not None]
    verified = {True: "verified", False: "refused", None: "not verified"}[known[-1] if known else None]
    to_do = "The API refused it: check client_secret and VerifyPath." if verified == "refused" else ""
    replaced: Outcome = next((each for each in reversed(lines) if each["outcome"] == "refreshed"), {})
    why = f", replaced {span(age(replaced['logged_at'], now))} ago ({replaced['reason']})" if replaced else ""
    seen = f"version {labels['AWSCURRENT'][:8]} {life}, {verified}{why}"
    return Verdict(f"{seen}, checked {checked} ({last['outcome']}: {last['reason']})", to_do)


def tokens(log: Sequence[Outcome], labels: Mapping[str, Mapping[str, str]], now: datetime) -> Iterator[Verdict]:
    """Judge the tokens; those with the same remedy have one verdict, in the words of the first of them."""
    groups: dict[str, dict[str, Verdict]] = {}
    checks = [each for each in log if not f"{each['outcome']}: {each['reason']}".startswith(NO_CHECK)]
    for name, own in labels.items():
        # Without a client ID a line is about all of them.
        verdict = token(name, [each for each in checks if each.get("client_id", name) == name], own, now)
        groups.setdefault(verdict.to_do or name, {})[name] = verdict
    for those in groups.values():
        first, *_ = those.values()
        yield Verdict(f"{listed([*those])}: {first.seen}", first.to_do)


def alarms(found: Mapping[str, Answer | None], now: datetime) -> Iterator[Verdict]:
    """Judge whether each alarm exists, is not in ALARM, and may tell somebody."""
    for name, alarm in found.items():
        if alarm is None:
            yield Verdict(f"{name} is deleted", AGAIN)
        elif not alarm["ActionsEnabled"]:
            to_do = f"aws cloudwatch enable-alarm-actions --alarm-names {alarm['AlarmName']}"
            yield Verdict(f"the actions of {name} are disabled", to_do)
        elif alarm["StateValue"] == "ALARM":
            seen = f"{name} has been in ALARM for {span(age(str(alarm['StateUpdatedTimestamp']), now))}"
            yield Verdict(seen, f"See docs/operating.md#alarm-{name.lower()}. It ends within an hour after the mend.")
        else:
            yield Verdict(f"{name} is not in ALARM")


def topic(attributes: Answer, key_policy: Answer | None, facts: Mapping[str, str]) -> Iterator[Verdict]:
    """Judge whether a topic of the alarms lets CloudWatch publish, and somebody listens; it may have no key."""
    confirmed, pending = (int(attributes[f"Subscriptions{each}"]) for each in ("Confirmed", "Pending"))
    name = attributes["TopicArn"].rpartition(":")[2]
    yield Verdict(f"CloudWatch may publish to {name}")
    if not allows(json.loads(attributes["Policy"]), "sns:Publish", {CLOUDWATCH, "*"}, facts):
        yield Verdict(f"CloudWatch may not publish to {name}", f"Let {CLOUDWATCH} use sns:Publish in its policy.")
    uses = ("kms:Decrypt", "kms:GenerateDataKey")
    if key_policy is not None and not all(allows(key_policy, each, {CLOUDWATCH}, facts) for each in uses):
        seen = f"CloudWatch may not use {attributes['KmsMasterKeyId']}, the key of {name}"
        to_do = f"Use a key of your own whose policy lets {CLOUDWATCH} use {uses[0]} and {uses[1]}*, or none."
        yield Verdict(seen, to_do)
    if pending or not confirmed:
        to_do = "Follow the link in the e-mail from AWS; if none came, subscribe somebody."
        yield Verdict(f"{confirmed} subscriptions of {name} are confirmed, {pending} are not", to_do)


def allows(policy: Answer, action: str, principals: Collection[str], facts: Mapping[str, str]) -> bool:
    """Tell whether a policy allows an action to one of these principals; `facts` are condition keys in lower case."""

    def several(one_or_more: Any) -> list[Any]:  # noqa: ANN401  IAM's JSON has either
        return one_or_more if isinstance(one_or_more, list) else [one_or_more]

    effects = set()
    for statement in several(policy.get("Statement", [])):
        who, effect = statement.get("Principal", {}), statement["Effect"]
        named = {who} if isinstance(who, str) else {name for each in who.values() for name in several(each)}
        is_action = any(fnmatchcase(action.lower(), each.lower()) for each in several(statement.get("Action", [])))
        # A condition on a key that is not a fact counts as met by an Allow, not by a Deny.
        met = [
            any(fnmatchcase(facts[key.lower()], each) for each in several(values)) != ("Not" in operator)
            if key.lower() in facts
            else effect == "Allow"
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        ]
        if named & {*principals} and is_action and all(met):
            effects.add(effect)
    return effects == {"Allow"}


def parameters(chosen: Mapping[str, str], region: str) -> Iterator[Verdict]:
    """Look for parameters that contradict each other."""
    is_set = {name for name, value in chosen.items() if value != "none"}
    due, verify = int(chosen["RefreshAtPercent"]), chosen["VerifyPath"]
    arns = is_set & {"KmsKeyArn", "LogKmsKeyArn", "AlarmTopicArn"}
    elsewhere = sorted(name for name in arns if chosen[name].split(":")[3] != region)
    has_host = "ApiUrl" in is_set or chosen["Environment"] != "sandbox"
    wrong = {
        "ClientIds has a name twice": len({*(names := client_names(chosen["ClientIds"]))}) < len(names),
        f"AlarmBelowPercent must be less than {100 - due}": int(chosen["AlarmBelowPercent"]) >= 100 - due,
        "with MinTokenAgeSeconds no report ever counts": int(chosen["MinTokenAgeSeconds"]) >= 12 * HOUR * due / 100,
        "VerifyPath needs ApiUrl": verify.startswith("/") and not has_host,
        "ApiUrl is for VerifyPath, which is none": "ApiUrl" in is_set and verify == "none",
        f"{', '.join(elsewhere)} must be in {region}": bool(elsewhere),
    }
    yield Verdict("no contradiction" if has_host and verify != "none" else "no token is verified")
    yield from (Verdict(text, "Change the parameters.") for text, is_wrong in wrong.items() if is_wrong)
