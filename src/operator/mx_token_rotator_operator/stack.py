"""A deployed stack: its function, log, secrets and alarms. No secret's value is read, only the function reads them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config

OUTCOMES = '{ $.outcome = "refreshed" || $.outcome = "kept" || $.outcome = "failed" }'
ONE_ATTEMPT = Config(read_timeout=70, retries={"total_max_attempts": 1})  # a run takes up to 60 s; a repetition logs in
PAUSE, PAUSES, CHECKS = 2.0, 15, 5  # seconds between looks at the tokens, looks, and checks after them
Outcome = Mapping[str, Any]


class RotatorFailed(Exception):  # noqa: N818  the name says what happened
    """The function failed; the message says why, who must act, and how."""


def failure(outcome: Outcome) -> str:
    """Return a failed outcome in words."""
    return f"{outcome['error']}\nWho must act: {outcome['who']}\nWhat to do: {outcome['remedy']}"


def token_status(name: str, log: Sequence[Outcome], labels: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """Return what the log says of a token, oldest line first; None for what it does not say."""
    # Members that would be null are left out. Without a client ID a line is about all of them, or a mistyped request.
    own = [each for each in log if each.get("client_id", name) == name and each["reason"] != "RequestInvalid"]
    current = [each for each in own if each.get("version_id") == labels.get("AWSCURRENT") and "expires_at" in each]
    newest: Outcome = current[-1] if current else {}
    left = max(0, int((datetime.fromisoformat(newest["expires_at"]) - now).total_seconds())) if newest else None
    replaced: Outcome = next((each for each in reversed(own) if each["outcome"] == "refreshed"), {})
    return {
        "seconds_left": left,
        "verified": newest.get("verified"),
        "replaced_at": replaced.get("logged_at"),
        "reason": replaced.get("reason"),
        "last_check": f"{own[-1]['outcome']}: {own[-1]['reason']}" if own else None,
        "versions": labels,
    }


def reader_policy(  # noqa: PLR0913  the parts of its ARNs
    account: str, name: str, region: str, account_id: str, kms_key: str | None, *, partition: str = "aws"
) -> dict[str, Any]:
    """Return the IAM policy of an application that reads one token and may report it as rejected.

    `account` is "SecretPrefix/Environment", `account_id` that of AWS, `kms_key` the ARN of a customer managed key.
    """
    source = f"{account}/tokens/{name}"
    # Secrets Manager adds a hyphen and six characters to the name; `*` would also match longer names.
    secret = f"arn:{partition}:secretsmanager:{region}:{account_id}:secret:{source}-??????"
    event = {"events:source": source, "events:detail-type": "Access Token Rejected"}
    read = {"Action": ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"], "Resource": secret}
    report = {
        "Action": "events:PutEvents",
        "Resource": f"arn:{partition}:events:{region}:{account_id}:event-bus/default",
        # A call puts a batch of events: every one must be such a report. ForAllValues is also true of a missing key.
        "Condition": {"ForAllValues:StringEquals": event, "Null": dict.fromkeys(event, "false")},
    }
    domain = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
    via, context = f"secretsmanager.{region}.{domain}", {"kms:EncryptionContext:SecretARN": secret}
    decrypt = {
        "Action": "kms:Decrypt",
        "Resource": kms_key,
        "Condition": {"StringEquals": {"kms:ViaService": via}, "StringLike": context},
    }
    statements: dict[str, dict[str, Any]] = {"ReadToken": read, "ReportTokenRejected": report}
    if kms_key:
        statements["DecryptToken"] = decrypt
    written = [{"Sid": sid, "Effect": "Allow", **statement} for sid, statement in statements.items()]
    return {"Version": "2012-10-17", "Statement": written}


@dataclass(frozen=True)
class DeployedStack:
    """A stack, whose function has its name. Its methods raise RotatorFailed, and exceptions of botocore's."""

    session: boto3.Session
    name: str

    @cached_property
    def function(self) -> Mapping[str, Any]:
        """The configuration of the function, which has the stack's name."""
        return self.session.client("lambda").get_function_configuration(FunctionName=self.name)

    @property
    def variables(self) -> Mapping[str, str]:
        """The function's environment variables, none of which is secret."""
        variables: Mapping[str, str] = self.function["Environment"]["Variables"]
        return variables

    @property
    def account(self) -> str:
        """SecretPrefix/Environment, the first part of every secret's name."""
        return self.variables["ACCOUNT"]

    @cached_property
    def resources(self) -> dict[str, str]:
        """The physical id of each resource by its logical id."""
        pages = self.session.client("cloudformation").get_paginator("list_stack_resources")
        resources = [each for page in pages.paginate(StackName=self.name) for each in page["StackResourceSummaries"]]
        return {each["LogicalResourceId"]: each.get("PhysicalResourceId", "") for each in resources}

    @cached_property
    def _description(self) -> Mapping[str, Any]:
        (described,) = self.session.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        return described

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The stack's parameters."""
        return {each["ParameterKey"]: each["ParameterValue"] for each in self._description.get("Parameters", [])}

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs."""
        return {each["OutputKey"]: each["OutputValue"] for each in self._description.get("Outputs", [])}

    @cached_property
    def _secrets_manager(self) -> Any:  # noqa: ANN401  boto3 makes its clients at run time
        return self.session.client("secretsmanager")

    @property
    def credentials_secret(self) -> str:
        """The name of the secret with the user name and password."""
        return f"{self.account}/credentials"

    @property
    def names(self) -> list[str]:
        """The names of the stack's client IDs, in the order of its parameter ClientIds."""
        return [entry.partition(":")[0].strip() for entry in self.variables["CLIENT_IDS"].split(",") if entry.strip()]

    def invoke(self, **request: str | bool) -> list[Outcome]:
        """Invoke the function, and return the outcomes, none of which is a failure."""
        client = self.session.client("lambda", config=ONE_ATTEMPT)
        answer = client.invoke(FunctionName=self.name, Payload=json.dumps(request))
        document = json.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            what = document.get("errorMessage", "no message")
            raise RotatorFailed(f"The function {self.name} did not finish: {what}\nWhat to do: look at its log.")
        outcomes: list[Outcome] = document["outcomes"]
        names: dict[str, list[str]] = {}
        for each in outcomes:
            if each["outcome"] == "failed":
                names.setdefault(failure(each), []).append(each["client_id"] or self.name)
        if names:
            raise RotatorFailed("\n".join(f"{', '.join(those)}: {text}" for text, those in names.items()))
        return outcomes

    def try_credentials(self, name: str) -> Outcome:
        """Have the function log in for a client ID with the current credentials, without publishing the token."""
        version = self.labels(self.credentials_secret).get("AWSCURRENT")
        if version is None:
            raise RotatorFailed(f"The secret {self.credentials_secret} is still empty.\nWhat to do: set-credentials.")
        return self.invoke(client_id=name, credentials_version=version)[0]

    def replace_credentials(self, text: str, report: Callable[[str], None], sleep: Callable[[float], None]) -> None:
        """Try credentials, make them the current ones, and wait until every token comes from them."""
        client, secret = self._secrets_manager, self.credentials_secret
        current, before = self.labels(secret).get("AWSCURRENT"), self._published()
        if current is None:
            # Secrets Manager makes a secret's first version current whatever label is asked for.
            client.put_secret_value(SecretId=secret, SecretString=text)
        else:
            put = client.put_secret_value(SecretId=secret, SecretString=text, VersionStages=["CANDIDATE"])
            try:
                self.invoke(client_id=self.names[0], credentials_version=put["VersionId"])
            except RotatorFailed as failed:
                raise RotatorFailed(f"{failed}\nThe current credentials stay as they were.") from None
            report("The new credentials work.")
            client.update_secret_version_stage(
                SecretId=secret,
                VersionStage="AWSCURRENT",
                MoveToVersionId=put["VersionId"],
                RemoveFromVersionId=current,
            )
        report("They are current. Waiting for the tokens …")
        # EventBridge starts a run now. A check at the same time would log in too, or find the credentials blocked.
        for _ in range(PAUSES):
            if not self._published().items() & before.items():
                break
            sleep(PAUSE)
        for _ in range(CHECKS):
            postponed = [each["client_id"] for each in self.invoke() if each["reason"] == "postponed"]
            if not postponed:
                return
        raise RotatorFailed(f"{', '.join(postponed)}: there was no time left.\nWhat to do: look at the status later.")

    def statuses(self, now: datetime) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
        """Return each token's status by its name, and each alarm's state by its logical id."""
        account = self.account
        start = int((now - timedelta(days=1)).timestamp() * 1000)
        pages = self.session.client("logs").get_paginator("filter_log_events")
        log = [
            json.loads(event["message"])
            | {"logged_at": datetime.fromtimestamp(event["timestamp"] // 1000, UTC).isoformat()}
            for page in pages.paginate(logGroupName=f"/aws/lambda/{self.name}", filterPattern=OUTCOMES, startTime=start)
            for event in page["events"]
            if '"outcome":' in event["message"]  # MiniStack ignores the pattern
        ]
        tokens = {name: token_status(name, log, self.labels(f"{account}/tokens/{name}"), now) for name in self.names}
        return tokens, self._alarms()

    def reader_policy(self, name: str) -> dict[str, Any]:
        """Return the IAM policy of an application that reads this client ID's token."""
        if name not in self.names:
            raise RotatorFailed(f"{name} is not one of the stack's client IDs: {', '.join(self.names)}.")
        _, partition, _, region, account_id, *_ = self.function["FunctionArn"].split(":")
        account, key = self.account, self.variables["KMS_KEY_ARN"]
        return reader_policy(account, name, region, account_id, None if key == "none" else key, partition=partition)

    def remove_token(self, name: str) -> dict[str, str]:
        """Delete the secrets of a removed client ID, and return when each will be gone."""
        if name in self.names:
            raise RotatorFailed(f"{name} is still in use.\nWhat to do: first remove it from the parameter ClientIds.")
        account, client, deleted = self.account, self._secrets_manager, {}
        for secret in (f"{account}/tokens/{name}", f"{account}/refresh-tokens/{name}"):
            try:
                answer = client.delete_secret(SecretId=secret, RecoveryWindowInDays=7)
            except client.exceptions.ResourceNotFoundException:
                continue
            deleted[secret] = answer["DeletionDate"].date().isoformat()
        if not deleted:
            raise RotatorFailed(f"There is no secret {account}/tokens/{name}.")
        return deleted

    def _published(self) -> dict[str, str | None]:
        account = self.account
        return {name: self.labels(f"{account}/tokens/{name}").get("AWSCURRENT") for name in self.names}

    def labels(self, secret: str) -> dict[str, str]:
        """Return the version that has each label; none where the secret is empty, or was not created yet."""
        client = self._secrets_manager
        try:
            versions = client.describe_secret(SecretId=secret).get("VersionIdsToStages", {})
        except client.exceptions.ResourceNotFoundException:
            return {}
        return {label: version for version, labels in versions.items() for label in labels}

    def _alarms(self) -> dict[str, str]:
        names = {physical: logical for logical, physical in self.resources.items()}
        described = self.session.client("cloudwatch").describe_alarms(AlarmNames=[each for each in names if each])
        return {names[each["AlarmName"]]: each["StateValue"] for each in described["MetricAlarms"]}
