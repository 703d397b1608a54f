"""The tables of the docs that say who may do what: decided by the policy evaluator, or made from the template."""

import sys
from collections.abc import Iterable, Mapping

from tools import deployer
from tools.local.aws import PROJECT, REGION
from tools.local.document import placed, table
from tools.local.iam import Context, Principal, Request, Resource, decide
from tools.local.permissions import FOREIGN, KEY, OWN, WEB, WEBSITE, Permissions
from tools.local.translated import ACCOUNT_ID

DOCUMENT = PROJECT / "docs" / "security.md"
SECRETS_MANAGER = f"secretsmanager.{REGION}.amazonaws.com"
EVERY_OPTION = {
    "KmsKeyArn": KEY,
    "KeepRefreshToken": "true",
    "AlarmEmail": "tickets-team@example.com",
    "SubnetIds": "subnet-1a2b3c4d",
    "SecurityGroupIds": "sg-1a2b3c4d",
}
READ = ("GetSecretValue", "DescribeSecret")
WRITE = ("PutSecretValue", "CreateSecret", "TagResource", "UpdateSecret")
OTHER = (
    *("CancelRotateSecret", "DeleteResourcePolicy", "DeleteSecret", "GetResourcePolicy", "ListSecretVersionIds"),
    *("PutResourcePolicy", "RemoveRegionsFromReplication", "ReplicateSecretToRegions", "RestoreSecret", "RotateSecret"),
    *("StopReplicationToReplica", "UntagResource", "ValidateResourcePolicy"),
)
"""With READ, WRITE and UpdateSecretVersionStage, every action on a secret."""
LABELS = ("AWSCURRENT", "AWSPENDING", "AWSPREVIOUS")
REJECTED = "REJECTED"
INTERFACES = {
    **dict.fromkeys(("DescribeSubnets", "DescribeNetworkInterfaces"), "anything"),
    **dict.fromkeys(("CreateNetworkInterface", "DeleteNetworkInterface"), "network interface"),
    **dict.fromkeys(("AssignPrivateIpAddresses", "UnassignPrivateIpAddresses"), "network interface"),
}
"""What Lambda does as the role of a function in a VPC, and on what."""
REPORT = "Access Token Rejected"

ANY = Resource(arn="*", account=ACCOUNT_ID)
"""The resource of an action that has none."""

Rows = dict[str, list[Request]]
Matrix = dict[str, tuple[str, ...]]
WORDS = {frozenset({True}): "yes", frozenset({False}): "no", frozenset({True, False}): "partly"}


class Questions:
    """The rows of the tables; a row of several requests has one answer to all of them."""

    def __init__(self, permissions: Permissions) -> None:
        """Ask about the resources of this stack."""
        self._resources: Mapping[str, Resource] = permissions.resources | {"anything": ANY}
        self._account = permissions.account

    def for_callers(self) -> Rows:
        """Return the rows for those that call AWS themselves."""
        return self._secrets() | self._key() | self._events() | self._rest() | self._network() | self._alarms()

    def for_tags(self) -> Rows:
        """Return the rows for applications with the tag-based reader policy."""
        rows: Rows = {}
        for name in (f"tokens/{WEBSITE}", f"tokens/{WEB}"):
            rows[f"read, decrypt and report `{name}`"] = [
                *self._each(READ, name),
                self._use_key("kms:Decrypt", name),
                *self._put([f"{self._account}/{name}"], [REPORT]),
            ]
        rows["read, decrypt or report anything else"] = [
            *(
                request
                for name in ("credentials", f"refresh-tokens/{WEBSITE}", *FOREIGN)
                for request in self._each(READ, name)
            ),
            self._use_key("kms:Decrypt", "credentials"),
            *self._put([f"{self._account}/tokens/"], [REPORT]),
            *self._put([], []),
        ]
        return rows

    def for_services(self) -> Rows:
        """Return the rows for AWS services."""
        return {
            "send to the queue": [self._request("sqs:SendMessage", "queue")],
            "use the function's role": [self._request("sts:AssumeRole", "function's role")],
            "use the schedule's role": [self._request("sts:AssumeRole", "schedule's role")],
            "invoke the function": [self._request("lambda:InvokeFunction", "function")],
            "read a secret": [request for name in OWN for request in self._each(READ, name)],
            "use the key": [self._request("kms:Decrypt", "key")],
            "publish to the stack's topic": [self._request("sns:Publish", "topic")],
            "publish to another topic": [self._request("sns:Publish", "another topic")],
        }

    def _secrets(self) -> Rows:
        rows: Rows = {}
        for name in OWN:
            rows[f"`{name}`: {', '.join(READ)}"] = self._each(READ, name)
            rows[f"`{name}`: {', '.join(WRITE)}"] = self._each(WRITE, name)
            if name == "credentials":
                rows[f"`{name}`: move the label REJECTED"] = [self._move_label(REJECTED, name)]
            other_labels = LABELS if name == "credentials" else (*LABELS, REJECTED)
            rows[f"`{name}`: any other action"] = [
                *self._each(OTHER, name),
                *(self._move_label(label, name) for label in other_labels),
            ]
        rows["any other secret: any action"] = [
            *(request for name in FOREIGN for request in self._each(READ + WRITE + OTHER, name)),
            *(self._move_label(label, name) for label in (*LABELS, REJECTED) for name in FOREIGN),
        ]
        return rows

    def _key(self) -> Rows:
        rows: Rows = {}
        encrypt = ("kms:GenerateDataKey", "kms:Encrypt")
        for name in OWN:
            rows[f"`{name}`: decrypt"] = [self._use_key("kms:Decrypt", name)]
            rows[f"`{name}`: encrypt"] = [self._use_key(action, name) for action in encrypt]
        actions = ("kms:Decrypt", *encrypt)
        rows["the key for any other secret, or for none"] = [
            self._use_key(action, name) for action in actions for name in (*FOREIGN, None)
        ]
        rows["the key, not through Secrets Manager"] = [
            self._use_key(action, name, via=via)
            for action in actions
            for name in OWN
            for via in (None, f"s3.{REGION}.amazonaws.com")
        ]
        rows["another key"] = [self._use_key(action, name, key="another key") for action in actions for name in OWN]
        return rows

    def _events(self) -> Rows:
        website, web = (f"{self._account}/tokens/{name}" for name in (WEBSITE, WEB))
        return {
            f"report `tokens/{WEBSITE}`": self._put([website], [REPORT]),
            f"report `tokens/{WEB}`": self._put([web], [REPORT]),
            "report both in one batch": self._put([website, web], [REPORT]),
            "put any other event": [
                *self._put([website], ["Access Token Accepted"]),
                *self._put([web], [REPORT, "Access Token Accepted"]),
                *self._put([f"{website}2"], [REPORT]),
                *self._put(["aws.secretsmanager"], ["Secret Label Updated"]),
            ],
            "put an event without a source or a type": [
                *self._put([], [REPORT]),
                *(request for source in (website, web) for request in self._put([source], [])),
            ],
            "report on another bus": [
                request for source in (website, web) for request in self._put([source], [REPORT], "another bus")
            ],
        }

    def _rest(self) -> Rows:
        return {
            "send to the queue": [self._request("sqs:SendMessage", "queue")],
            "receive and delete its messages": [
                self._request(f"sqs:{action}", "queue")
                for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
            ],
            "change or purge the queue": [
                self._request(f"sqs:{action}", "queue") for action in ("SetQueueAttributes", "PurgeQueue")
            ],
            "use another queue": [
                self._request(f"sqs:{action}", "another queue")
                for action in ("SendMessage", "ReceiveMessage", "DeleteMessage")
            ],
            "invoke, change or read a function": [
                self._request(f"lambda:{action}", name)
                for action in ("InvokeFunction", "UpdateFunctionCode", "UpdateFunctionConfiguration", "GetFunction")
                for name in ("function", "another function")
            ],
            "write the function's log": [
                self._request(f"logs:{action}", "log") for action in ("CreateLogStream", "PutLogEvents")
            ],
            "write another log": [
                self._request(f"logs:{action}", "another log") for action in ("CreateLogStream", "PutLogEvents")
            ],
            "use a role of the stack": [
                self._request("sts:AssumeRole", role) for role in ("function's role", "schedule's role")
            ],
        }

    def _network(self) -> Rows:
        code = {"lambda:SourceFunctionArn": self._resources["function"].arn}
        return {
            "attach the function to subnets, called by Lambda": self._attach(REGION),
            "the same, called by the function's code": self._attach(REGION, code),
            "the same in another Region": self._attach("eu-central-1"),
        }

    def _attach(self, region: str, context: Context | None = None) -> list[Request]:
        context = {"aws:RequestedRegion": region, **(context or {})}
        created = self._request("ec2:CreateNetworkInterface", "subnet", context)
        return [created, *(self._request(f"ec2:{action}", name, context) for action, name in INTERFACES.items())]

    def _alarms(self) -> Rows:
        return {
            "publish or subscribe to the stack's topic, or change it": [
                self._request(f"sns:{action}", "topic") for action in ("Publish", "Subscribe", "SetTopicAttributes")
            ],
        }

    def _each(self, actions: Iterable[str], secret: str) -> list[Request]:
        return [self._request(f"secretsmanager:{action}", secret) for action in actions]

    def _request(self, action: str, name: str, context: Context | None = None) -> Request:
        return Request(action=action, resource=self._resources[name], context=context or {})

    def _move_label(self, label: str, secret: str) -> Request:
        action = "secretsmanager:UpdateSecretVersionStage"
        return self._request(action, secret, {"secretsmanager:VersionStage": label})

    def _use_key(
        self, action: str, secret: str | None, *, via: str | None = SECRETS_MANAGER, key: str = "key"
    ) -> Request:
        encryption = {"kms:EncryptionContext:SecretARN": self._resources[secret].arn} if secret else {}
        return self._request(action, key, encryption | ({"kms:ViaService": via} if via else {}))

    def _put(self, sources: list[str], types: list[str], bus: str = "bus") -> list[Request]:
        """Return one call of PutEvents, whose entries have these sources and types."""
        context = {"events:source": sources, "events:detail-type": types}
        return [self._request("events:PutEvents", bus, {key: values for key, values in context.items() if values})]


def decided(principals: Mapping[str, Principal], rows: Rows) -> Matrix:
    """Decide each row for each principal: "partly" if some of the row's requests are allowed."""
    cells = [(principal, requests) for requests in rows.values() for principal in principals.values()]
    answers = iter(decide((principal, request) for principal, requests in cells for request in requests))
    words = iter([WORDS[frozenset(next(answers) for _ in requests)] for _, requests in cells])
    return {row: tuple(next(words) for _ in principals) for row in rows}


def rendered(columns: Iterable[str], matrix: Matrix) -> str:
    """Return a matrix as a Markdown table."""
    return table(("may", *columns), [(row, *cells) for row, cells in matrix.items()])


def tables(permissions: Permissions) -> dict[str, str]:
    """Return the tables by their names in the document."""
    questions = Questions(permissions)
    return {
        "callers": rendered(permissions.callers, decided(permissions.callers, questions.for_callers())),
        "tags": rendered(permissions.tags, decided(permissions.tags, questions.for_tags())),
        "services": rendered(permissions.services, decided(permissions.services, questions.for_services())),
    }


def main() -> int:
    """Write the tables into the documents; return the exit status."""
    text = DOCUMENT.read_text()
    for name, content in tables(Permissions(EVERY_OPTION)).items():
        text = placed(text, name, content)
    DOCUMENT.write_text(text)
    policy = deployer.rendered(deployer.policy(deployer.Target(), deployer.required(deployer.resources())))
    deployer.DOCUMENT.write_text(placed(deployer.DOCUMENT.read_text(), "deployer", policy))
    return 0


if __name__ == "__main__":
    sys.exit(main())
