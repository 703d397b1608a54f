"""What the doctor decides: each verdict is a pure function of what AWS answered."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from mx_token_rotator_operator.stack import SHOWN, listed
from mx_token_rotator_operator.status import HOUR, Status, age, span

ANOTHER_STACK = "Name another one with --stack, --region or --profile."
AGAIN = "Remove the stack and deploy it again; its secrets stay."
CLOUDWATCH = "cloudwatch.amazonaws.com"
BACKLOG, OLDEST_SECONDS = 15, 600  # a message is kept for 15 minutes, and a run takes up to one
TOKEN_SECONDS = 43_200  # the lifetime of movieXchange's tokens
Answer = Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What was seen, and what to do about it; if there is nothing to do, all is well."""

    seen: str
    to_do: str = ""


def together(verdicts: Iterable[Verdict]) -> Verdict:
    """Join verdicts: those that are wrong, or else all; each text once, and not too many."""
    each = [*verdicts]
    shown = [one for one in each if one.to_do] or each
    seen, to_do = [*dict.fromkeys(one.seen for one in shown)], [*dict.fromkeys(one.to_do for one in shown)]
    more = [f"and {len(seen) - SHOWN} more"] if len(seen) > SHOWN else []
    return Verdict("; ".join(seen[:SHOWN] + more), " ".join(to_do[:SHOWN]))


def stack(found: Answer | None, where: str) -> Verdict:
    """Judge whether the stack exists, and its last deployment succeeded."""
    if found is None:
        return Verdict(f"there is no stack {where}", ANOTHER_STACK)
    status = found["Stacks"][0]["StackStatus"]
    is_fine = status in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"}
    return Verdict(f"{where}, {status}", "" if is_fine else "See its events: wait, or correct it and deploy again.")


def version(deployed: str, ours: str) -> Verdict:
    """Compare the deployed version with this tool's."""
    to_do = "" if deployed == ours else "Install this tool from the version that is deployed."
    return Verdict(f"{deployed} is deployed, this tool is {ours}", to_do)


def function(configuration: Answer) -> Verdict:
    """Judge whether the function can start, and keeps INFO: above, Lambda drops metrics, which have no level."""
    states = [configuration["State"], f"update {configuration['LastUpdateStatus']}"]
    reasons = [configuration[name] for name in ("StateReason", "LastUpdateStatusReason") if configuration.get(name)]
    can_start = states == ["Active", "update Successful"]
    found = [Verdict(", ".join(states + reasons), "" if can_start else "Wait if it is updated; else deploy again.")]
    for name in ("ApplicationLogLevel", "SystemLogLevel"):
        level = configuration["LoggingConfig"].get(name)
        to_do = "" if level in {"INFO", "DEBUG", "TRACE"} else f"Set {name} to INFO, or metrics are lost."
        found.append(Verdict(f"{name} {level}", to_do))
    return together(found)


def sender(name: str, state: str, targets: Iterable[Answer], queue_name: str) -> Verdict:
    """Judge what sends to the queue: the schedule or a rule."""
    if state != "ENABLED":
        return Verdict(f"{name} is {state}", f"Enable {name}.")
    if queue_name not in [each["Arn"].rpartition(":")[2] for each in targets]:
        return Verdict(f"{name} does not send to the queue", f"Have {name} send to {queue_name} again.")
    return Verdict(f"{name} is enabled")


def queue(mapping: str, waiting: int, oldest_seconds: float) -> Verdict:
    """Judge the state of the event source mapping, which `pause` disables, and the backlog."""
    paused = "" if mapping == "Enabled" else "Log-ins are paused. Go on with: mx-token-rotator resume"
    is_late = waiting >= BACKLOG or (waiting and oldest_seconds >= OLDEST_SECONDS)
    late = Verdict(
        f"{waiting} waiting, oldest {span(oldest_seconds)}", "Runs fail, or are too slow." if is_late else ""
    )
    return together([Verdict(f"event source mapping {mapping}", paused), late])


def runs(last: str | None, errors: Sequence[float], now: datetime) -> Verdict:
    """Judge the time of the last outcome in the log, and the hour's invocations that ended without a result."""
    seen = f"the last one {span(age(last, now))} ago" if last else "none within a day"
    late = Verdict(seen, "See the schedule, the queue and the function." if age(last, now) > HOUR else "")
    ended = "Look for errorType, or a status of timeout or error, in the function's log." if any(errors) else ""
    return together([late, Verdict(f"{sum(errors):g} without a result within an hour", ended)])


def credentials(described: Answer | None, name: str, region: str) -> Verdict:
    """Judge the credentials secret by its labels."""
    if described is None:
        return Verdict(f"there is no secret {name}", "Create it, or deploy with CreateCredentials at true.")
    primary = described.get("PrimaryRegion", region)
    current = [each for each in described.get("VersionIdsToStages", {}).values() if "AWSCURRENT" in each]
    if "DeletedDate" in described:
        return Verdict(f"{name} is to be deleted", f"aws secretsmanager restore-secret --secret-id {name}")
    if primary != region:
        return Verdict(f"{name} is a replica from {primary}", "Deploy the stack there, or promote the replica.")
    if not current:
        return Verdict(f"{name} was never filled", "Fill it with: mx-token-rotator set-credentials")
    to_do = "Store the right ones with set-credentials, or try these again with refresh NAME."
    return Verdict(f"{name} is REJECTED", to_do) if "REJECTED" in current[0] else Verdict("filled, not REJECTED")


def token(name: str, status: Status, now: datetime) -> Verdict:
    """Judge a client ID's token by what the log and its labels say."""
    if failure := status["failure"]:
        seen = f"{name}: {failure['reason']} since {span(age(failure['logged_at'], now))}: {failure['error']}"
        return Verdict(seen, f"{failure['remedy']} ({failure['who']})")
    if not status["seconds_left"]:
        what = "is not in the log" if status["seconds_left"] is None else "has expired"
        return Verdict(f"{name}: the published token {what}", "Invoke the function without a payload.")
    verified = {True: "verified", False: "refused", None: "not verified"}[status["verified"]]
    to_do = "The API refused it: check client_secret and VerifyPath." if verified == "refused" else ""
    checked = f"{status['last_check']}, {span(age(status['checked_at'], now))} ago"
    return Verdict(f"{name} {checked}, {verified}, {span(status['seconds_left'])} left", to_do)


def orphans(names: Collection[str]) -> Verdict:
    """Judge the client IDs whose secrets are there, and that no stack has any more."""
    to_do = "Delete their secrets with: mx-token-rotator remove-token --orphans"
    return Verdict(f"no stack has {listed(sorted(names))}", to_do) if names else Verdict("none")


def others(account: str, functions: Sequence[str]) -> Verdict:
    """Judge the functions that have an account's secrets."""
    to_do = "Remove a stack, or deploy it with another SecretPrefix." if len(functions) > 1 else ""
    return Verdict(f"{account} belongs to {listed(functions)}", to_do)


def metrics(lives: Sequence[float]) -> Verdict:
    """Judge whether CloudWatch took the metrics of the last hour out of the log."""
    if lives:
        return Verdict(f"at least {min(lives):.0f} percent of a lifetime was left within an hour")
    to_do = "If there was a run, see the log level. The first metrics take some minutes."
    return Verdict("CloudWatch has no TokenLifeRemaining of the last hour", to_do)


def alarm(name: str, found: Answer | None) -> Verdict:
    """Judge whether an alarm exists, is not in ALARM, and may tell somebody."""
    if found is None:
        return Verdict(f"{name} is deleted", AGAIN)
    if not found["ActionsEnabled"]:
        to_do = f"aws cloudwatch enable-alarm-actions --alarm-names {found['AlarmName']}"
        return Verdict(f"the actions of {name} are disabled", to_do)
    if found["StateValue"] == "ALARM":
        return Verdict(f"{name} is in ALARM", "Do what docs/operating.md says of this alarm.")
    return Verdict("none is in ALARM")


def topic(attributes: Answer, key_policy: Answer | None, facts: Mapping[str, str]) -> Verdict:
    """Judge whether a topic of the alarms lets CloudWatch publish, and somebody listens; it may have no key."""
    confirmed, pending = (int(attributes[f"Subscriptions{each}"]) for each in ("Confirmed", "Pending"))
    name, found = attributes["TopicArn"].rpartition(":")[2], []
    if not allows(json.loads(attributes["Policy"]), "sns:Publish", {CLOUDWATCH, "*"}, facts):
        to_do = f"Let {CLOUDWATCH} use sns:Publish in its policy."
        found.append(Verdict(f"CloudWatch may not publish to {name}", to_do))
    uses = ("kms:Decrypt", "kms:GenerateDataKey")
    if key_policy is not None and not all(allows(key_policy, each, {CLOUDWATCH}, facts) for each in uses):
        seen = f"CloudWatch may not use {attributes['KmsMasterKeyId']}, the key of {name}"
        to_do = f"Use a key of your own whose policy lets {CLOUDWATCH} use {uses[0]} and {uses[1]}*, or none."
        found.append(Verdict(seen, to_do))
    if pending or not confirmed:
        to_do = "Follow the link in the e-mail from AWS; if none came, subscribe somebody."
        found.append(Verdict(f"{confirmed} subscriptions of {name} are confirmed, {pending} are not", to_do))
    return together(found or [Verdict(f"CloudWatch may publish to {name}")])


def allows(policy: Answer, action: str, principals: Collection[str], facts: Mapping[str, str]) -> bool:
    """Tell whether a resource's policy allows an action to one of these principals.

    `facts` are condition keys in lower case. A condition on another key counts as met by an Allow, not by a Deny.
    """

    def several(one_or_more: Any) -> list[Any]:  # noqa: ANN401  IAM's JSON has either
        return one_or_more if isinstance(one_or_more, list) else [one_or_more]

    effects = set()
    for statement in several(policy.get("Statement", [])):
        who, effect = statement.get("Principal", {}), statement["Effect"]
        named = {who} if isinstance(who, str) else {name for each in who.values() for name in several(each)}
        patterns = [each.lower() for each in several(statement.get("Action", []))]
        met = [
            any(fnmatchcase(facts[key.lower()], each) for each in several(values)) != ("Not" in operator)
            if key.lower() in facts
            else effect == "Allow"
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        ]
        if named & {*principals} and any(fnmatchcase(action.lower(), each) for each in patterns) and all(met):
            effects.add(effect)
    return effects == {"Allow"}


def parameters(chosen: Mapping[str, str], region: str) -> Verdict:
    """Look for parameters that contradict each other."""
    is_set = {name for name, value in chosen.items() if value != "none"}
    due, verify = int(chosen["RefreshAtPercent"]), chosen["VerifyPath"]
    arns = is_set & {"KmsKeyArn", "LogKmsKeyArn", "AlarmTopicArn"}
    elsewhere = sorted(name for name in arns if chosen[name].split(":")[3] != region)
    has_host = "ApiUrl" in is_set or chosen["Environment"] != "sandbox"
    wrong = {
        f"AlarmBelowPercent must be less than {100 - due}": int(chosen["AlarmBelowPercent"]) >= 100 - due,
        "with MinTokenAgeSeconds no report ever counts": int(chosen["MinTokenAgeSeconds"]) >= TOKEN_SECONDS * due / 100,
        "SubnetIds and SecurityGroupIds need each other": len(is_set & {"SubnetIds", "SecurityGroupIds"}) == 1,
        "VerifyPath needs ApiUrl": verify.startswith("/") and not has_host,
        "ApiUrl is for VerifyPath, which is none": "ApiUrl" in is_set and verify == "none",
        f"{', '.join(elsewhere)} must be in {region}": bool(elsewhere),
    }
    found = [Verdict(text, "Change the parameters.") for text, is_wrong in wrong.items() if is_wrong]
    return together(found or [Verdict("no contradiction" if has_host and verify != "none" else "no token is verified")])
