"""The product deployed to AWS on a laptop, as a person and an app see it."""

import json
from dataclasses import dataclass, field
from typing import Any

from local.aws import HOUSE, LocalAws

WEBSITE = "FooTickets_Website"
UPDATER = "FooTickets_OfflineUpdater"
ACCOUNT = "moviexchange/staging"


@dataclass(frozen=True)
class Stack:
    """A stack of `template.yaml` for two client IDs, with some of its parameters set."""

    aws: LocalAws
    parameters: dict[str, str] = field(default_factory=dict)
    name: str = "mx-token-rotator"
    client_ids: tuple[str, ...] = (WEBSITE, UPDATER)

    def build(self) -> None:
        """Build the package with `sam build`."""
        self.aws.sam("build", "--build-dir", str(self.aws.folder / "build"))

    def deploy(self) -> str:
        """Deploy what was built with `sam deploy`, and give what that printed."""
        overrides = {"ClientIds": ",".join(self.client_ids)} | self.parameters
        return self.aws.sam(
            "deploy",
            *("--config-file", str(HOUSE / "samconfig.toml")),
            *("--template-file", str(self.aws.folder / "build" / "template.yaml")),
            *("--stack-name", self.name),
            *("--parameter-overrides", *(f"{name}={value}" for name, value in overrides.items())),
            "--no-confirm-changeset",
            "--no-fail-on-empty-changeset",
            "--no-progressbar",
        )

    def client(self, service: str) -> Any:  # noqa: ANN401  boto3 makes its clients at run time
        """Make a boto3 client of this account."""
        return self.aws.session.client(service, endpoint_url=self.aws.endpoint)

    def fill_credentials(self, credentials: dict[str, str]) -> None:
        """Put credentials into their secret, as their keeper does."""
        self.client("secretsmanager").put_secret_value(
            SecretId=f"{ACCOUNT}/credentials", SecretString=json.dumps(credentials)
        )

    def token(self, client_id: str) -> dict[str, str] | None:
        """Read a token secret as an app does: the document and its version; None while it is empty."""
        secrets = self.client("secretsmanager")
        answer = secrets.get_secret_value(SecretId=f"{ACCOUNT}/tokens/{client_id}")
        text = answer.get("SecretString")
        return json.loads(text) | {"version_id": answer["VersionId"]} if text else None

    def report_rejected(self, client_id: str, version_id: str) -> None:
        """Put the event that says that a token was refused, as an app does."""
        entry = {
            "Source": f"{ACCOUNT}/tokens/{client_id}",
            "DetailType": "Access Token Rejected",
            "Detail": json.dumps({"version_id": version_id}),
        }
        self.client("events").put_events(Entries=[entry])

    def invoke(self, request: object) -> dict[str, Any]:
        """Invoke the function by hand, and give what it returned."""
        answer = self.client("lambda").invoke(FunctionName=self.name, Payload=json.dumps(request))
        document: dict[str, Any] = json.loads(answer["Payload"].read())
        return document

    def log_lines(self) -> list[str]:
        """Read all that the function has logged."""
        pages = self.client("logs").get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{self.name}")
        return [event["message"] for page in pages for event in page["events"]]
