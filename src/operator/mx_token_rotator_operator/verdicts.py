"""What the doctor decides: each verdict is a pure function of what AWS answered."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

TAG = "mx-token-rotator:account"
ANOTHER_STACK = "Name another one with --stack, --region or --profile."
AGAIN = "Remove the stack and deploy it again; its secrets stay."
CLOUDWATCH = "cloudwatch.amazonaws.com"
BACKLOG, OLDEST_SECONDS = 15, 600  # a message is kept for 15 minutes, and a run takes up to one
TOKEN_SECONDS = 43_200  # the lifetime of movieXchange's tokens
LONGEST_GAP = timedelta(minutes=25)  # CheckEvery is at most 19
SHOWN = 4  # texts of one verdict
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
    seen, to_do = (list(dict.fromkeys(texts)) for texts in ([one.seen for one in shown], [one.to_do for one in shown]))
    more = [f"and {len(seen) - SHOWN} more"] if len(seen) > SHOWN else []
    return Verdict("; ".join(seen[:SHOWN] + more), " ".join(to_do[:SHOWN]))


def span(time: timedelta) -> str:
    """Return a span of time in hours and minutes."""
    hours, minutes = divmod(int(time.total_seconds()) // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def stack(found: Answer | None, where: str) -> Verdict:
    """Judge whether the stack exists, and its last deployment succeeded."""
    if found is None:
        return Verdict(f"there is no stack {where}", ANOTHER_STACK)
    status, to_do = found["Stacks"][0]["StackStatus"], "See its events, correct what failed, and deploy again."
    if status in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"}:
        to_do = ""
    elif status.endswith("IN_PROGRESS"):
        to_do = "Wait until the deployment has ended."
    return Verdict(f"{where}, {status}", to_do)


def version(deployed: str, ours: str) -> Verdict:
    """Compare the deployed version with this tool's."""
    to_do = "" if deployed == ours else "Install this tool from the version that is deployed."
    return Verdict(f"{deployed} is deployed, this tool is {ours}", to_do)


def function(configuration: Answer) -> Verdict:
    """Judge whether the function can start; above INFO, Lambda drops metrics, which are lines without a level."""
    state, update = configuration["State"], configuration["LastUpdateStatus"]
    levels = {name: configuration["LoggingConfig"].get(name) for name in ("ApplicationLogLevel", "SystemLogLevel")}
    reason = configuration.get("StateReason") or configuration.get("LastUpdateStatusReason") or "no reason is given"
    found = [Verdict(f"{state}, update {update}")]
    if (state, update) != ("Active", "Successful"):
        to_do = "Undo what was changed by hand, or deploy again; if it is being updated, wait."
        found = [Verdict(f"{state}, update {update}: {reason}", to_do)]
    for name, level in levels.items():
        to_do = "" if level in {"INFO", "DEBUG", "TRACE"} else f"Metrics or failures are lost: set {name} to INFO."
        found.append(Verdict(f"{name} {level}", to_do))
    return together(found)


def runs(log: Sequence[Answer], now: datetime, errors: Sequence[float]) -> Verdict:
    """Judge the age of the last run by the log's outcomes, and the hour's invocations that ended without a result."""
    age = now - log[-1]["logged_at"] if log else timedelta.max
    late = "See the schedule, the queue and the function." if age > LONGEST_GAP else ""
    ended = "Look for errorType, or a status of timeout or error, in the function's log." if any(errors) else ""
    seen = f"the last one {span(age)} ago" if log else "none within a day"
    return together([Verdict(seen, late), Verdict(f"{sum(errors):g} without a result within an hour", ended)])


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
    late = "Runs fail, or do not keep up: see the runs and the log." if is_late else ""
    seen = f"{waiting} waiting, oldest {oldest_seconds:.0f} s"
    return together([Verdict(f"event source mapping {mapping}", paused), Verdict(seen, late)])


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
    to_do = "Store the right ones with mx-token-rotator set-credentials, or try these again with refresh NAME."
    return Verdict(f"{name} is REJECTED", to_do) if "REJECTED" in current[0] else Verdict("filled, not REJECTED")


def token(name: str, log: Sequence[Answer], labels: Mapping[str, str], now: datetime) -> Verdict:
    """Judge a client ID's token by its labels and the log's outcomes, oldest first."""
    # Members that would be null are left out. Without a client ID a line is about all of them, or a mistyped request.
    own = [each for each in log if each.get("client_id", name) == name and each["reason"] != "RequestInvalid"]
    if own and own[-1]["outcome"] == "failed":
        seen = f"{name}: {own[-1]['reason']} {span(now - own[-1]['logged_at'])} ago: {own[-1]['error']}"
        return Verdict(seen, f"{own[-1]['remedy']} ({own[-1]['who']})")
    version_id = labels.get("AWSCURRENT")
    known = [each for each in own if each.get("version_id", "") == version_id and "expires_at" in each]
    if not known:
        what = "the log does not have its version" if version_id else "nothing is published"
        return Verdict(f"{name}: {what}", "Invoke the function without a payload.")
    left = datetime.fromisoformat(known[-1]["expires_at"]) - now
    if left <= timedelta():
        return Verdict(f"{name}: expired", "See why no run replaced it: the runs and the credentials.")
    to_do = "" if known[-1].get("verified") is not False else "The API refused it: check client_secret and VerifyPath."
    return Verdict(f"{name} {own[-1]['outcome']} ({own[-1]['reason']}), {span(left)} left", to_do)


def orphans(secrets: Iterable[Answer], names: Collection[tuple[str, str]], region: str) -> Verdict:
    """Look for token secrets that no stack has any more; `names` are its accounts and client IDs."""
    tagged = {
        each["Name"]: {tag["Key"]: tag["Value"] for tag in each["Tags"]}
        for each in secrets
        if each.get("PrimaryRegion", region) == region
    }
    left = [name for name, tags in tagged.items() if (tags.get(TAG, ""), name.rpartition("/")[2]) not in names]
    to_do = "Remove this stack's with: mx-token-rotator remove-token --orphans; others with the AWS CLI."
    return Verdict(f"no stack has {', '.join(left)}", to_do) if left else Verdict("none")


def other_stacks(account: str, functions: Collection[str]) -> Verdict:
    """Judge the functions that have these secrets, of which this stack's is one."""
    to_do = "Remove a stack, or deploy it with another SecretPrefix." if len(functions) > 1 else ""
    return Verdict(f"{account} belongs to {', '.join(functions)}", to_do)


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
    to_do = "Do what docs/operating.md says of this alarm." if found["StateValue"] == "ALARM" else ""
    return Verdict(f"{name} {found['StateValue']}", to_do)


def topic(attributes: Answer | None, key: Answer, key_policy: Answer, facts: Mapping[str, str]) -> Verdict:
    """Judge whether a topic of the alarms lets CloudWatch publish, and somebody listens; `key` may be empty."""
    if attributes is None:
        return Verdict("an alarm's topic does not exist", "Deploy with an AlarmTopicArn that does.")
    may_encrypt = allows(key_policy, ["kms:Decrypt", "kms:GenerateDataKey"], {CLOUDWATCH}, facts)
    confirmed, pending = (int(attributes[f"Subscriptions{each}"]) for each in ("Confirmed", "Pending"))
    name = attributes["TopicArn"].rpartition(":")[2]
    found = [Verdict(f"CloudWatch may publish to {name}")]
    if not allows(json.loads(attributes["Policy"]), ["sns:Publish"], {CLOUDWATCH, "*"}, facts):
        to_do = f"Let {CLOUDWATCH} use sns:Publish in its policy."
        found.append(Verdict(f"CloudWatch may not publish to {name}", to_do))
    if key.get("KeyManager") == "AWS":
        to_do = "Encrypt it with a key of your own, or not at all."
        found.append(Verdict(f"CloudWatch may not use alias/aws/sns, the key of {name}", to_do))
    elif key and (key["KeyState"] != "Enabled" or not may_encrypt):
        to_do = f"Enable the key, and let {CLOUDWATCH} use kms:Decrypt and kms:GenerateDataKey*."
        found.append(Verdict(f"CloudWatch may not use the key of {name}", to_do))
    if pending:
        found.append(Verdict(f"a subscription of {name} is not confirmed", "Follow the link in the e-mail from AWS."))
    elif not confirmed:
        found.append(Verdict(f"nobody has subscribed to {name}", "Subscribe somebody."))
    return together(found)


def allows(policy: Answer, actions: Sequence[str], principals: Collection[str], facts: Mapping[str, str]) -> bool:
    """Tell whether a resource's policy allows all these actions to one of these principals.

    `facts` are condition keys in lower case. A condition on another key counts as met by an Allow, not by a Deny.
    """

    def listed(one_or_more: Any) -> list[Any]:  # noqa: ANN401  IAM's JSON has either
        return one_or_more if isinstance(one_or_more, list) else [one_or_more]

    def is_met(statement: Answer, operator: str, key: str, values: Any) -> bool:  # noqa: ANN401  the same
        if key.lower() not in facts:
            return bool(statement["Effect"] == "Allow")
        return any(fnmatchcase(facts[key.lower()], each) for each in listed(values)) != ("Not" in operator)

    def applies(statement: Answer, action: str) -> bool:
        who = statement.get("Principal", {})
        named = {who} if isinstance(who, str) else {name for each in who.values() for name in listed(each)}
        is_named = any(fnmatchcase(action.lower(), each.lower()) for each in listed(statement.get("Action", [])))
        conditions = [
            (operator, *each) for operator, of in statement.get("Condition", {}).items() for each in of.items()
        ]
        return bool(named & {*principals}) and is_named and all(is_met(statement, *each) for each in conditions)

    statements = listed(policy.get("Statement", []))
    return all({each["Effect"] for each in statements if applies(each, action)} == {"Allow"} for action in actions)


def parameters(chosen: Mapping[str, str], region: str) -> Verdict:
    """Look for parameters that contradict each other."""
    is_set = {name for name, value in chosen.items() if value != "none"}
    due, verify = int(chosen["RefreshAtPercent"]), chosen["VerifyPath"]
    regions = {name: chosen[name].split(":")[3] for name in is_set & {"KmsKeyArn", "LogKmsKeyArn", "AlarmTopicArn"}}
    has_host = "ApiUrl" in is_set or chosen["Environment"] != "sandbox"
    wrong = {
        f"AlarmBelowPercent must be less than {100 - due}": int(chosen["AlarmBelowPercent"]) >= 100 - due,
        "with MinTokenAgeSeconds no report ever counts": int(chosen["MinTokenAgeSeconds"]) >= TOKEN_SECONDS * due / 100,
        "SubnetIds and SecurityGroupIds need each other": len(is_set & {"SubnetIds", "SecurityGroupIds"}) == 1,
        "VerifyPath needs ApiUrl": verify.startswith("/") and not has_host,
        "ApiUrl is for VerifyPath, which is none": "ApiUrl" in is_set and verify == "none",
        f"{', '.join(sorted(regions))} must be in {region}": not {*regions.values()} <= {region},
    }
    found = [Verdict(text, "Change the parameters.") for text, is_wrong in wrong.items() if is_wrong]
    return together(found or [Verdict("no contradiction" if has_host and verify != "none" else "no token is verified")])
