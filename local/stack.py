"""The product deployed to AWS on a laptop, as a person and an app see it."""

import fcntl
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from local.aws import HOUSE, REGION, LocalAws
from local.package import pack

WEBSITE = "FooTickets_Website"
UPDATER = "FooTickets_OfflineUpdater"

Seen = TypeVar("Seen")

_session_lock = Lock()
"""boto3's sessions are not for several threads at once; the clients that they make are."""


class StillWaiting(Exception):  # noqa: N818  the name says what is wrong
    """Something did not happen in the time that it was given."""


def eventually(look: Callable[[], Seen], *, within: float) -> Seen:
    """Look until there is something to see, and give it. Raises StillWaiting after this many seconds."""
    try:
        return Retrying(
            retry=retry_if_result(lambda seen: not seen), stop=stop_after_delay(within), wait=wait_fixed(0.1)
        )(look)
    except RetryError:
        raise StillWaiting(f"what was waited for did not happen within {within:g} seconds") from None


def issued_earlier(document: dict[str, str], by: timedelta) -> dict[str, str]:
    """Give a token document as if its token had been issued so much earlier."""
    times = {name: datetime.fromisoformat(document[name]) - by for name in ("issued_at", "expires_at")}
    return document | {name: time.isoformat().replace("+00:00", "Z") for name, time in times.items()}


@dataclass(frozen=True)
class Stack:
    """A stack of `template.yaml` for two client IDs, with some of its parameters set."""

    aws: LocalAws
    parameters: dict[str, str] = field(default_factory=dict)
    name: str = "mx-token-rotator"
    client_ids: tuple[str, ...] = (WEBSITE, UPDATER)

    @property
    def account(self) -> str:
        """The first part of every secret's name."""
        return f"{self.parameters.get('SecretPrefix', 'moviexchange')}/{self.parameters.get('Environment', 'staging')}"

    @property
    def package(self) -> Path:
        """The folder that `sam build` packed."""
        return self.aws.folder / "build" / "Rotator"

    def token_secret(self, client_id: str) -> str:
        """Name the secret in which a client ID's token is published."""
        return f"{self.account}/tokens/{client_id}"

    def resource(self, logical_id: str) -> str:
        """Find the physical id of one of the stack's resources."""
        described = self.client("cloudformation").describe_stack_resource(
            StackName=self.name, LogicalResourceId=logical_id
        )
        physical: str = described["StackResourceDetail"]["PhysicalResourceId"]
        return physical

    def alarms(self) -> list[dict[str, Any]]:
        """Read the alarms of this stack, and of no other in the account."""
        resources = self.client("cloudformation").list_stack_resources(StackName=self.name)["StackResourceSummaries"]
        names = [each["PhysicalResourceId"] for each in resources if each["ResourceType"] == "AWS::CloudWatch::Alarm"]
        alarms: list[dict[str, Any]] = self.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]
        return alarms

    def dashboard(self) -> dict[str, Any]:
        """Read the body of the stack's dashboard."""
        answer = self.client("cloudwatch").get_dashboard(DashboardName=f"{self.name}-{REGION}")
        body: dict[str, Any] = json.loads(answer["DashboardBody"])
        return body

    def build(self) -> None:
        """Build the package as `make package` does, one at a time: all builds share a cache."""
        cache = HOUSE / ".aws-sam"
        cache.mkdir(exist_ok=True)
        with (cache / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.aws.sam("build", "--build-dir", str(self.aws.folder / "build"))
        pack(self.aws.folder / "build")

    def deploy(self) -> str:
        """Deploy what was built with `sam deploy`, and give what that printed.

        MiniStack knows no rotation schedules, and refuses a template in which there are some.
        """
        template = self.aws.folder / "build" / "template.yaml"
        if self.parameters.get("NativeRotation") == "true":
            without = re.sub(
                r"^ {4}Rotation&\{ClientId\}:\n(?: {6}.*\n)+", "", template.read_text(), flags=re.MULTILINE
            )
            template = template.with_name("without-rotation-schedules.yaml")
            template.write_text(without)
        overrides = {"ClientIds": ",".join(self.client_ids)} | self.parameters
        return self.aws.sam(
            "deploy",
            *("--config-file", str(HOUSE / "samconfig.toml")),
            *("--template-file", str(template)),
            # `sam deploy --guided` may have saved a person's own Region and profile.
            *("--region", REGION, "--profile", "default"),
            *("--stack-name", self.name),
            *("--parameter-overrides", *(f"{name}={value}" for name, value in overrides.items())),
            "--no-confirm-changeset",
            "--no-progressbar",
        )

    def delete(self) -> str:
        """Remove the stack with `sam delete`, and give what that printed."""
        return self.aws.sam("delete", "--stack-name", self.name, "--region", REGION, "--no-prompts")

    def client(self, service: Any) -> Any:  # noqa: ANN401  boto3 makes its clients at run time
        """Make a boto3 client of this account."""
        with _session_lock:
            return self.aws.session.client(service, endpoint_url=self.aws.endpoint)

    def fill_credentials(self, credentials: dict[str, str]) -> str:
        """Put credentials into their secret, as their keeper does, and give the new version's id."""
        return self._put(f"{self.account}/credentials", credentials)

    def replace_credentials(self, credentials: dict[str, str]) -> None:
        """Put credentials, and wait until EventBridge and the function have given each client ID another token."""
        before = self.tokens()
        self.fill_credentials(credentials)
        eventually(lambda: all(token != before[client_id] for client_id, token in self.tokens().items()), within=30)

    def _put(self, secret: str, document: dict[str, str]) -> str:
        answer = self.client("secretsmanager").put_secret_value(SecretId=secret, SecretString=json.dumps(document))
        version: str = answer["VersionId"]
        return version

    def token(self, client_id: str) -> dict[str, str] | None:
        """Read a token secret as an app does: the document and its version; None while it is empty."""
        secrets = self.client("secretsmanager")
        answer = secrets.get_secret_value(SecretId=self.token_secret(client_id))
        text = answer.get("SecretString")
        return json.loads(text) | {"version_id": answer["VersionId"]} if text else None

    def tokens(self) -> dict[str, dict[str, str] | None]:
        """Read what is published for each client ID."""
        return {client_id: self.token(client_id) for client_id in self.client_ids}

    def age(self, client_id: str, by: timedelta) -> str:
        """Have what is published issued so much earlier than it was, by hand, and give the new version's id."""
        document = dict(self.token(client_id) or {})
        del document["version_id"]
        return self._put(self.token_secret(client_id), issued_earlier(document, by))

    def call_api(self, client_id: str) -> int:
        """Call movieXchange's API as an app does, with what one read of the secret gives; give the status."""
        token = self.token(client_id) or {}
        request = Request(  # noqa: S310  the stand-in's own address
            f"{self.parameters['ApiUrl']}/mxs/reference-data/v1/cinema-chains",
            headers={
                "Authorization": f"{token['token_type']} {token['access_token']}",
                "MX-Api-Client-Secret": token["client_secret"],
            },
        )
        try:
            with urlopen(request, timeout=10) as answer:  # noqa: S310  the same
                answer.read()
                status: int = answer.status
        except HTTPError as refusal:
            with refusal:
                return refusal.code
        return status

    def report_rejected(self, client_id: str, version_id: str) -> None:
        """Put the event that says that a token was refused, as an app does."""
        entry = {
            "Source": self.token_secret(client_id),
            "DetailType": "Access Token Rejected",
            "Detail": json.dumps({"version_id": version_id}),
        }
        self.client("events").put_events(Entries=[entry])

    def invoke(self, request: object) -> dict[str, Any]:
        """Invoke the function by hand, and give what it returned."""
        answer = self.client("lambda").invoke(FunctionName=self.name, Payload=json.dumps(request))
        document: dict[str, Any] = json.loads(answer["Payload"].read())
        return document

    def variables(self) -> dict[str, str]:
        """Read the function's environment variables."""
        configuration = self.client("lambda").get_function_configuration(FunctionName=self.name)
        variables: dict[str, str] = configuration["Environment"]["Variables"]
        return variables

    def log_lines(self, word: str = "") -> list[str]:
        """Read every line of the function's log, or those with this word in them."""
        pages = (
            self.client("logs")
            .get_paginator("filter_log_events")
            .paginate(logGroupName=f"/aws/lambda/{self.name}", filterPattern=word)
        )
        return [event["message"] for page in pages for event in page["events"]]

    def outcomes(self, reason: str) -> list[dict[str, Any]]:
        """Read the outcomes of this reason from the log."""
        return [line for line in self.logged() if line.get("reason") == reason]

    def logged(self, word: str = "") -> list[dict[str, Any]]:
        """Read the function's own JSON log lines, and its metrics in CloudWatch's embedded format."""
        return [json.loads(line) for line in self.log_lines(word) if line.startswith("{")]
