"""The deployed product, as a person and an application see it."""

import fcntl
import json
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4
from zipfile import ZipFile

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from tools.local.aws import PROJECT, REGION, CommandFailed, LocalAws
from tools.local.mx import CHAINS_PATH

WEBSITE = "_Website"
UPDATER = "_OfflineUpdater"
ARCHIVE = PROJECT / "dist" / "function.zip"
CODE_URI = re.compile(r"(?<=CodeUri: ).*")
BUCKET = "code-of-the-function"
DEFAULT_VARIABLES = {
    "CHECK_EVERY": "rate(15 minutes)",
    "REFRESH_AT_PERCENT": "50",
    "MIN_TOKEN_AGE_SECONDS": "900",
    "VERIFY_PATH": "auto",
    "KEEP_REFRESH_TOKEN": "false",
    "KMS_KEY_ARN": "none",
    "SECRET_TAGS": "none",
    "AUTH_URL": "none",
    "API_URL": "none",
    "MOVIEXCHANGE_PROXY": "none",
}
"""What the stack sets for the function with its defaults, besides the account and its client IDs."""
OFTEN = {"Delay": 0.1, "MaxAttempts": 1200}
"""How a waiter asks MiniStack, which takes tenths of a second."""

Observed = TypeVar("Observed")


PATIENCE = 120.0
"""How many seconds are waited for what takes one on a quiet machine."""


class StillWaiting(Exception):  # noqa: N818  the name says what happened
    """Something did not happen in time."""


def eventually(observe: Callable[[], Observed], *, within: float = PATIENCE, every: float = 0.1) -> Observed:
    """Call a function until it returns something true, and return that. Raises StillWaiting after so many seconds."""
    try:
        return Retrying(
            retry=retry_if_result(lambda observed: not observed), stop=stop_after_delay(within), wait=wait_fixed(every)
        )(observe)
    except RetryError:
        raise StillWaiting(f"what was waited for did not happen within {within:g} seconds") from None


def issued_earlier(document: dict[str, Any], by: timedelta) -> dict[str, Any]:
    """Return a token document as if its token had been issued so much earlier."""
    times = {name: datetime.fromisoformat(document[name]) - by for name in ("issued_at", "expires_at")}
    return document | {name: time.isoformat().replace("+00:00", "Z") for name, time in times.items()}


def build() -> Path:
    """Make the function's archive as `make package` does if its source is newer, and return its path.

    Raises CommandFailed.
    """
    ARCHIVE.parent.mkdir(exist_ok=True)
    with (ARCHIVE.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Folders too, from which a file may have been removed.
        source = [PROJECT / "tools" / "package.py", *(PROJECT / "src" / "function").rglob("*")]
        newest = max(path.stat().st_mtime for path in source if "__pycache__" not in path.parts)
        if not ARCHIVE.exists() or ARCHIVE.stat().st_mtime < newest:
            command = [sys.executable, "-m", "tools.package"]
            done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)  # noqa: S603  our own
            if done.returncode:
                raise CommandFailed(f"tools.package ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return ARCHIVE


@dataclass(frozen=True)
class Stack:
    """A stack of `template.yaml`, with some of its parameters set."""

    aws: LocalAws
    parameters: dict[str, str] = field(default_factory=dict)
    name: str = "mx-token-rotator"
    client_ids: tuple[str, ...] = (WEBSITE, UPDATER)
    """Entries of the parameter ClientIds: a name, or a name, a colon and the client ID."""

    @property
    def account(self) -> str:
        """The first part of every secret's name."""
        return f"{self.parameters.get('SecretPrefix', 'moviexchange')}/{self.parameters.get('Environment', 'staging')}"

    @property
    def names(self) -> list[str]:
        """The names of the client IDs."""
        return [entry.partition(":")[0] for entry in self.client_ids]

    @property
    def credentials_secret(self) -> str:
        """The name of the secret that a person fills."""
        return f"{self.account}/credentials"

    def token_secret(self, name: str) -> str:
        """Return the name of the secret in which a client ID's token is published."""
        return f"{self.account}/tokens/{name}"

    # Deployment

    @cached_property
    def package(self) -> Path:
        """A folder with what the function's archive holds."""
        folder = self.aws.folder / "package"
        with ZipFile(build()) as archive:
            archive.extractall(folder)
        return folder

    def deploy(self) -> str:
        """Build and deploy with `sam deploy`, and return what that printed."""
        build()
        return self.aws.sam(
            "deploy",
            *("--config-file", str(PROJECT / "samconfig.yaml")),
            *("--template-file", str(PROJECT / "template.yaml")),
            # A person may have another Region and profile.
            *("--region", REGION, "--profile", "default"),
            *("--stack-name", self.name),
            *("--parameter-overrides", *self.overrides()),
            "--no-confirm-changeset",
            "--no-progressbar",
        )

    def apply(self) -> None:
        """Deploy with a change set as `sam deploy` does, without the two seconds of CPU that the SAM CLI takes.

        A parameter that is not named gets its default. Raises WaiterError.
        """
        stacks, kind = self.client("cloudformation"), "update" if self._exists() else "create"
        change = {"StackName": self.name, "ChangeSetName": f"change-{uuid4()}"}
        values = {"ClientIds": ",".join(self.client_ids)} | self.parameters
        stacks.create_change_set(
            ChangeSetType=kind.upper(),
            TemplateBody=CODE_URI.sub(self._upload(), (PROJECT / "template.yaml").read_text()),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()],
            Capabilities=["CAPABILITY_IAM"],
            **change,
        )
        stacks.get_waiter("change_set_create_complete").wait(**change, WaiterConfig=OFTEN)
        stacks.execute_change_set(**change)
        stacks.get_waiter(f"stack_{kind}_complete").wait(StackName=self.name, WaiterConfig=OFTEN)
        for state in ("active", "updated"):  # on AWS, CloudFormation has waited for both
            self.client("lambda").get_waiter(f"function_{state}_v2").wait(FunctionName=self.name, WaiterConfig=OFTEN)

    def _exists(self) -> bool:
        pages = self.client("cloudformation").get_paginator("list_stacks").paginate()
        summaries = [each for page in pages for each in page["StackSummaries"]]
        return self.name in {each["StackName"] for each in summaries if each["StackStatus"] != "DELETE_COMPLETE"}

    def _upload(self) -> str:
        """Upload the archive, and return its S3 address."""
        client = self.client("s3")
        with suppress(client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        client.upload_file(str(build()), BUCKET, ARCHIVE.name)
        return f"s3://{BUCKET}/{ARCHIVE.name}"

    def overrides(self) -> list[str]:
        """Return the parameters as the SAM CLI wants them; it splits what is not in quotation marks at blanks."""
        values = {"ClientIds": ",".join(self.client_ids)} | self.parameters
        return [f'{name}="{value}"' for name, value in values.items()]

    def delete(self) -> str:
        """Remove the stack with `sam delete`, and return what that printed."""
        return self.aws.sam("delete", "--stack-name", self.name, "--region", REGION, "--no-prompts")

    def client(self, service: Any) -> Any:  # noqa: ANN401  boto3 makes its clients at run time
        """Return a boto3 client of this account."""
        return self.aws.client(service)

    def resource(self, logical_id: str) -> str:
        """Return the physical id of one of the stack's resources."""
        described = self.client("cloudformation").describe_stack_resource(
            StackName=self.name, LogicalResourceId=logical_id
        )
        physical: str = described["StackResourceDetail"]["PhysicalResourceId"]
        return physical

    def resources(self) -> dict[str, str]:
        """Return the physical ids of the stack's resources by their logical ids."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.name)
        summaries = [each for page in pages for each in page["StackResourceSummaries"]]
        return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in summaries}

    def output(self, name: str) -> str:
        """Return one of the stack's outputs."""
        (described,) = self.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        value: str = next(each["OutputValue"] for each in described["Outputs"] if each["OutputKey"] == name)
        return value

    def alarms(self) -> list[dict[str, Any]]:
        """Return the alarms of this stack, and of no other in the account."""
        names = list(self.resources().values())
        alarms: list[dict[str, Any]] = self.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]
        return alarms

    def dashboard(self) -> dict[str, Any]:
        """Return the body of the stack's dashboard."""
        answer = self.client("cloudwatch").get_dashboard(DashboardName=self.resource("TokenDashboard"))
        body: dict[str, Any] = json.loads(answer["DashboardBody"])
        return body

    def variables(self) -> dict[str, str]:
        """Return the function's environment variables."""
        configuration = self.client("lambda").get_function_configuration(FunctionName=self.name)
        variables: dict[str, str] = configuration["Environment"]["Variables"]
        return variables

    # The credentials

    def fill_credentials(self, credentials: dict[str, str]) -> str:
        """Put credentials into their secret, as their owner does, and return the new version's id."""
        return self._put(self.credentials_secret, credentials)

    def replace_credentials(self, credentials: dict[str, str]) -> None:
        """Put credentials, and wait until every client ID has a token of theirs."""
        version = self.fill_credentials(credentials)
        eventually(lambda: all((self.token(name) or {}).get("credentials_version") == version for name in self.names))

    def add_candidate(self, credentials: dict[str, str]) -> str:
        """Put credentials as a version that is not current, and return its id."""
        return self._put(self.credentials_secret, credentials, ["CANDIDATE"])

    def promote(self, version_id: str) -> None:
        """Make a version of the credentials the current one."""
        (current,) = (each for each, labels in self.credentials_labels().items() if "AWSCURRENT" in labels)
        self.client("secretsmanager").update_secret_version_stage(
            SecretId=self.credentials_secret,
            VersionStage="AWSCURRENT",
            MoveToVersionId=version_id,
            RemoveFromVersionId=current,
        )

    def credentials_labels(self) -> dict[str, list[str]]:
        """Return the labels of every version of the credentials."""
        described = self.client("secretsmanager").describe_secret(SecretId=self.credentials_secret)
        labels: dict[str, list[str]] = described["VersionIdsToStages"]
        return labels

    def is_rejected(self) -> bool:
        """Tell whether the current version of the credentials is labelled as rejected."""
        return any({"AWSCURRENT", "REJECTED"} <= {*labels} for labels in self.credentials_labels().values())

    def _put(self, secret: str, document: dict[str, Any], labels: list[str] | None = None) -> str:
        stages = {"VersionStages": labels} if labels else {}
        answer = self.client("secretsmanager").put_secret_value(
            SecretId=secret, SecretString=json.dumps(document), **stages
        )
        version: str = answer["VersionId"]
        return version

    # Tokens

    def token(self, name: str) -> dict[str, Any] | None:
        """Read a token secret as an application does: the document and its version; None while there is none."""
        secrets = self.client("secretsmanager")
        try:
            answer = secrets.get_secret_value(SecretId=self.token_secret(name))
        except secrets.exceptions.ResourceNotFoundException:
            return None
        text = answer.get("SecretString")
        return json.loads(text) | {"version_id": answer["VersionId"]} if text else None

    def published(self, name: str) -> dict[str, Any]:
        """Wait until a token is published, and return it as `token` does."""
        return eventually(lambda: self.token(name) or {})

    def tokens(self) -> dict[str, dict[str, Any] | None]:
        """Read what is published for each client ID."""
        return {name: self.token(name) for name in self.names}

    def wait_for_another_token(self, name: str, than: str) -> dict[str, Any]:
        """Wait until another version than this one is published, and return it as `token` does."""
        eventually(lambda: (self.token(name) or {}).get("version_id", than) != than)
        return self.published(name)

    def age(self, name: str, by: timedelta) -> str:
        """Rewrite what is published as if it had been issued so much earlier, and return the new version's id."""
        document = dict(self.published(name))
        del document["version_id"]
        return self._put(self.token_secret(name), issued_earlier(document, by))

    def call_api(self, name: str, path: str = CHAINS_PATH) -> int:
        """Call the API as an application does, with what one read of the secret returns; return the status."""
        token = self.token(name) or {}
        headers = {"Authorization": f"{token['token_type']} {token['access_token']}"}
        if token["client_secret"]:
            headers["MX-Api-Client-Secret"] = token["client_secret"]
        request = Request(self.parameters["ApiUrl"] + path, headers=headers)  # noqa: S310  the stand-in's address
        try:
            with urlopen(request, timeout=10) as answer:  # noqa: S310  the same
                answer.read()
                status: int = answer.status
        except HTTPError as refusal:
            with refusal:
                return refusal.code
        return status

    def report_rejected(self, name: str, version_id: str) -> None:
        """Put the event that says that a token was refused, as an application does."""
        entry = {
            "Source": self.token_secret(name),
            "DetailType": "Access Token Rejected",
            "Detail": json.dumps({"version_id": version_id}),
        }
        self.client("events").put_events(Entries=[entry])

    # The function

    def invoke(self, request: object) -> list[dict[str, Any]]:
        """Invoke the function by hand, and return the outcomes."""
        answer = self.client("lambda").invoke(FunctionName=self.name, Payload=json.dumps(request))
        outcomes: list[dict[str, Any]] = json.loads(answer["Payload"].read())["outcomes"]
        return outcomes

    def is_idle(self) -> bool:
        """Tell whether everything that was sent to the queue has been served."""
        answer = self.client("sqs").get_queue_attributes(QueueUrl=self.resource("Queue"), AttributeNames=["All"])
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return [answer["Attributes"][name] for name in names] == ["0", "0"]

    def wait_until_idle(self) -> None:
        """Wait until everything that was sent to the queue has been served."""
        eventually(self.is_idle)

    def log_lines(self, word: str = "") -> list[str]:
        """Return every line of the function's log, or those with this word."""
        pages = (
            self.client("logs")
            .get_paginator("filter_log_events")
            .paginate(logGroupName=f"/aws/lambda/{self.name}", filterPattern=word)
        )
        return [event["message"] for page in pages for event in page["events"]]

    def logged(self, word: str = "") -> list[dict[str, Any]]:
        """Return the function's own JSON log lines, and its metrics in CloudWatch's embedded format."""
        return [json.loads(line) for line in self.log_lines(word) if line.startswith("{")]

    def outcomes(self, reason: str) -> list[dict[str, Any]]:
        """Return the outcomes of this reason from the log."""
        return [line for line in self.logged() if line.get("reason") == reason]
