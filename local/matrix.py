"""Who may do what, decided by an evaluator of policies: two matrices, which become tables in docs/security.md."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rich.console import Console

from local.aws import HOUSE, REGION, LocalAws, local_aws
from local.demo import finish
from local.document import placed, table
from local.iam import Context, Principal, Request, Resource, decide
from local.permissions import FOREIGN, KEY, OWN, WEB, Permissions
from local.stack import WEBSITE, Stack

DOCUMENT = HOUSE / "docs" / "security.md"
SECRETS_MANAGER = f"secretsmanager.{REGION}.amazonaws.com"
NAMED = ("GetSecretValue", "DescribeSecret", "ListSecretVersionIds", "PutSecretValue")
STAGES = ("REJECTED", "AWSCURRENT", "AWSPENDING")
OTHERS = (
    *("CancelRotateSecret", "CreateSecret", "DeleteResourcePolicy", "DeleteSecret", "GetResourcePolicy"),
    *("PutResourcePolicy", "RemoveRegionsFromReplication", "ReplicateSecretToRegions", "RestoreSecret", "RotateSecret"),
    *("StopReplicationToReplica", "TagResource", "UntagResource", "UpdateSecret", "ValidateResourcePolicy"),
)
"""With those named and UpdateSecretVersionStage, every action on a secret."""


@dataclass(frozen=True)
class Asked:
    """What is asked, row by row; a row of several requests has one answer to all."""

    resources: Mapping[str, Resource]
    account: str

    def by_callers(self) -> dict[str, list[Request]]:
        """Give the rows for those who call AWS by themselves."""
        return self._of_secrets() | self._of_the_key() | self._of_events() | self._of_the_rest()

    def by_services(self) -> dict[str, list[Request]]:
        """Give the rows for AWS's own services."""
        return {
            "wake the rotator": [self._request("lambda:InvokeFunction", "function")],
            "keep a dead letter": [self._request("sqs:SendMessage", "dead letters")],
            "take the rotator's role": [self._request("sts:AssumeRole", "rotator's role")],
            "take the scheduler's role": [self._request("sts:AssumeRole", "scheduler's role")],
            "read a secret": [self._request("secretsmanager:GetSecretValue", name) for name in OWN],
            "use the key": [self._request("kms:Decrypt", "key")],
        }

    def _of_secrets(self) -> dict[str, list[Request]]:
        rows = {}
        for name in OWN:
            for action in NAMED:
                rows[f"`{action}`: `{name}`"] = [self._request(f"secretsmanager:{action}", name)]
            for stage in STAGES:
                rows[f"move {stage}: `{name}`"] = [self._moving(stage, name)]
            rows[f"any other action: `{name}`"] = [self._request(f"secretsmanager:{action}", name) for action in OTHERS]
        rows["any action: any other secret"] = [
            *(self._request(f"secretsmanager:{action}", name) for action in NAMED + OTHERS for name in FOREIGN),
            *(self._moving(stage, name) for stage in STAGES for name in FOREIGN),
        ]
        return rows

    def _of_the_key(self) -> dict[str, list[Request]]:
        rows = {}
        for action in ("kms:Decrypt", "kms:GenerateDataKey"):
            for name in OWN:
                rows[f"`{action}`: `{name}`"] = [self._using(action, name)]
            rows[f"`{action}`: any other secret, or none"] = [self._using(action, name) for name in (*FOREIGN, None)]
            rows[f"`{action}`, not through Secrets Manager"] = [
                self._using(action, name, via=via) for name in OWN for via in (None, f"s3.{REGION}.amazonaws.com")
            ]
            rows[f"`{action}` with another key"] = [self._using(action, name, key="another key") for name in OWN]
        return rows

    def _of_events(self) -> dict[str, list[Request]]:
        website, web = (f"{self.account}/tokens/{client_id}" for client_id in (WEBSITE, WEB))
        rejected = "Access Token Rejected"

        def put(sources: list[str], types: list[str], bus: str = "bus") -> list[Request]:
            told = {"events:source": sources, "events:detail-type": types}
            return [self._request("events:PutEvents", bus, {key: values for key, values in told.items() if values})]

        return {
            f"report `tokens/{WEBSITE}` rejected": put([website], [rejected]),
            f"report `tokens/{WEB}` rejected": put([web], [rejected]),
            "report both in one batch": put([website, web], [rejected]),
            f"put another event of `tokens/{WEBSITE}`": put([website], ["Access Token Accepted"]),
            "put such an event among others": put([website], [rejected, "Access Token Accepted"]),
            "put an event of another source": put([f"{website}2"], [rejected]),
            "put events without a source": put([], [rejected]),
            "put events without a type": put([website], []),
            "report on another bus": put([website], [rejected], "another bus"),
        }

    def _of_the_rest(self) -> dict[str, list[Request]]:
        return {
            "wake the rotator": [self._request("lambda:InvokeFunction", "function")],
            "wake another function": [self._request("lambda:InvokeFunction", "another function")],
            "change or read the function": [
                self._request(f"lambda:{action}", "function")
                for action in ("UpdateFunctionCode", "UpdateFunctionConfiguration", "GetFunction", "AddPermission")
            ],
            "keep a dead letter": [self._request("sqs:SendMessage", "dead letters")],
            "read or remove dead letters": [
                self._request(f"sqs:{action}", "dead letters")
                for action in ("ReceiveMessage", "DeleteMessage", "PurgeQueue")
            ],
            "write the rotator's log": [
                self._request(f"logs:{action}", "log") for action in ("CreateLogStream", "PutLogEvents")
            ],
            "write another log": [
                self._request(f"logs:{action}", "another log") for action in ("CreateLogStream", "PutLogEvents")
            ],
            "take a role of the stack": [
                self._request("sts:AssumeRole", role) for role in ("rotator's role", "scheduler's role")
            ],
        }

    def _request(self, action: str, on: str, context: Context | None = None) -> Request:
        return Request(action=action, resource=self.resources[on], context=context or {})

    def _moving(self, stage: str, secret: str) -> Request:
        action = "secretsmanager:UpdateSecretVersionStage"
        return self._request(action, secret, {"secretsmanager:VersionStage": stage})

    def _using(
        self, action: str, secret: str | None, *, via: str | None = SECRETS_MANAGER, key: str = "key"
    ) -> Request:
        encrypting = {"kms:EncryptionContext:SecretARN": self.resources[secret].arn} if secret else {}
        return self._request(action, key, encrypting | ({"kms:ViaService": via} if via else {}))


Matrix = dict[str, tuple[str, ...]]
WORDS = {frozenset({True}): "yes", frozenset({False}): "no", frozenset({True, False}): "partly"}


def decided(principals: Mapping[str, Principal], asked: Mapping[str, list[Request]]) -> Matrix:
    """Decide each row for each principal: partly, where the requests of a row do not agree."""
    cells = [(principal, requests) for requests in asked.values() for principal in principals.values()]
    answers = iter(decide((principal, request) for principal, requests in cells for request in requests))
    words = iter([WORDS[frozenset(next(answers) for _ in requests)] for _, requests in cells])
    return {row: tuple(next(words) for _ in principals) for row in asked}


def rendered(columns: Iterable[str], rows: Matrix) -> str:
    """Write a matrix out as a table."""
    return table(("may", *columns), [(row, *cells) for row, cells in rows.items()])


def fullest(aws: LocalAws) -> Stack:
    """Give a stack that has every policy: with a customer managed key, a safety net, and rotation."""
    options = {"KmsKeyArn": KEY, "KeepRefreshToken": "true", "NativeRotation": "true"}
    return Stack(aws, options, name="permissions", client_ids=(WEBSITE, WEB))


def tables(permissions: Permissions) -> dict[str, str]:
    """Decide both matrices, and write them out under their names in the docs."""
    asked = Asked(permissions.resources, permissions.stack.account)
    return {
        "callers": rendered(permissions.callers, decided(permissions.callers, asked.by_callers())),
        "services": rendered(permissions.services, decided(permissions.services, asked.by_services())),
    }


def document(console: Console) -> None:
    """Deploy a stack, and put what its policies come to into the docs."""
    with local_aws() as aws:
        stack = fullest(aws)
        with console.status("Deploying a stack …"):
            stack.build()
            stack.deploy()
        for name, content in tables(Permissions(stack)).items():
            DOCUMENT.write_text(placed(DOCUMENT.read_text(), name, content))


def main() -> int:
    """Write the matrices; give the exit status."""
    console = Console()
    return finish(console, lambda: document(console), f"{DOCUMENT.name} has the tables.")


if __name__ == "__main__":
    sys.exit(main())
