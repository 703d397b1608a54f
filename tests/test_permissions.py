"""What the deployed stack's policies come to: who may do what, decided by an evaluator that is not ours.

What the policies say is held in test_policies.py.
"""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from local.aws import LocalAws
from local.iam import NotDecided, Principal, Request, Resource, decide, everything_allowed
from local.matrix import DOCUMENT, Asked, decided, fullest, rendered
from local.permissions import ACCOUNT, ANYTHING, ELSEWHERE, KEY_OF_THE_ACCOUNT, Permissions
from local.stack import WEBSITE

# fmt: off
CALLERS = {
    #                                                               rotator  reader of …_Website  stranger
    #                                                               |    scheduler  reader of …_Web  another account
    #                                                               |    |    |    |    |    |
    "`GetSecretValue`: `credentials`":                              "yes  no   no   no   no   no",
    "`DescribeSecret`: `credentials`":                              "yes  no   no   no   no   no",
    "`ListSecretVersionIds`: `credentials`":                        "no   no   no   no   no   no",
    "`PutSecretValue`: `credentials`":                              "no   no   no   no   no   no",
    "move REJECTED: `credentials`":                                 "yes  no   no   no   no   no",
    "move AWSCURRENT: `credentials`":                               "no   no   no   no   no   no",
    "move AWSPENDING: `credentials`":                               "no   no   no   no   no   no",
    "any other action: `credentials`":                              "no   no   no   no   no   no",
    "`GetSecretValue`: `tokens/FooTickets_Website`":                "yes  no   yes  no   no   no",
    "`DescribeSecret`: `tokens/FooTickets_Website`":                "no   no   yes  no   no   no",
    "`ListSecretVersionIds`: `tokens/FooTickets_Website`":          "yes  no   no   no   no   no",
    "`PutSecretValue`: `tokens/FooTickets_Website`":                "yes  no   no   no   no   no",
    "move REJECTED: `tokens/FooTickets_Website`":                   "no   no   no   no   no   no",
    "move AWSCURRENT: `tokens/FooTickets_Website`":                 "yes  no   no   no   no   no",
    "move AWSPENDING: `tokens/FooTickets_Website`":                 "yes  no   no   no   no   no",
    "any other action: `tokens/FooTickets_Website`":                "no   no   no   no   no   no",
    "`GetSecretValue`: `tokens/FooTickets_Web`":                    "yes  no   no   yes  no   no",
    "`DescribeSecret`: `tokens/FooTickets_Web`":                    "no   no   no   yes  no   no",
    "`ListSecretVersionIds`: `tokens/FooTickets_Web`":              "yes  no   no   no   no   no",
    "`PutSecretValue`: `tokens/FooTickets_Web`":                    "yes  no   no   no   no   no",
    "move REJECTED: `tokens/FooTickets_Web`":                       "no   no   no   no   no   no",
    "move AWSCURRENT: `tokens/FooTickets_Web`":                     "yes  no   no   no   no   no",
    "move AWSPENDING: `tokens/FooTickets_Web`":                     "yes  no   no   no   no   no",
    "any other action: `tokens/FooTickets_Web`":                    "no   no   no   no   no   no",
    "`GetSecretValue`: `refresh-tokens/FooTickets_Website`":        "yes  no   no   no   no   no",
    "`DescribeSecret`: `refresh-tokens/FooTickets_Website`":        "no   no   no   no   no   no",
    "`ListSecretVersionIds`: `refresh-tokens/FooTickets_Website`":  "yes  no   no   no   no   no",
    "`PutSecretValue`: `refresh-tokens/FooTickets_Website`":        "yes  no   no   no   no   no",
    "move REJECTED: `refresh-tokens/FooTickets_Website`":           "no   no   no   no   no   no",
    "move AWSCURRENT: `refresh-tokens/FooTickets_Website`":         "no   no   no   no   no   no",
    "move AWSPENDING: `refresh-tokens/FooTickets_Website`":         "no   no   no   no   no   no",
    "any other action: `refresh-tokens/FooTickets_Website`":        "no   no   no   no   no   no",
    "any action: any other secret":                                 "no   no   no   no   no   no",
    "`kms:Decrypt`: `credentials`":                                 "yes  no   no   no   no   no",
    "`kms:Decrypt`: `tokens/FooTickets_Website`":                   "yes  no   yes  no   no   no",
    "`kms:Decrypt`: `tokens/FooTickets_Web`":                       "yes  no   no   yes  no   no",
    "`kms:Decrypt`: `refresh-tokens/FooTickets_Website`":           "yes  no   no   no   no   no",
    "`kms:Decrypt`: any other secret, or none":                     "no   no   no   no   no   no",
    "`kms:Decrypt`, not through Secrets Manager":                   "no   no   no   no   no   no",
    "`kms:Decrypt` with another key":                               "no   no   no   no   no   no",
    "`kms:GenerateDataKey`: `credentials`":                         "no   no   no   no   no   no",
    "`kms:GenerateDataKey`: `tokens/FooTickets_Website`":           "yes  no   no   no   no   no",
    "`kms:GenerateDataKey`: `tokens/FooTickets_Web`":               "yes  no   no   no   no   no",
    "`kms:GenerateDataKey`: `refresh-tokens/FooTickets_Website`":   "yes  no   no   no   no   no",
    "`kms:GenerateDataKey`: any other secret, or none":             "no   no   no   no   no   no",
    "`kms:GenerateDataKey`, not through Secrets Manager":           "no   no   no   no   no   no",
    "`kms:GenerateDataKey` with another key":                       "no   no   no   no   no   no",
    "report `tokens/FooTickets_Website` rejected":                  "no   no   yes  no   no   no",
    "report `tokens/FooTickets_Web` rejected":                      "no   no   no   yes  no   no",
    "report both in one batch":                                     "no   no   no   no   no   no",
    "put another event of `tokens/FooTickets_Website`":             "no   no   no   no   no   no",
    "put such an event among others":                               "no   no   no   no   no   no",
    "put an event of another source":                               "no   no   no   no   no   no",
    "put events without a source":                                  "no   no   no   no   no   no",
    "put events without a type":                                    "no   no   no   no   no   no",
    "report on another bus":                                        "no   no   no   no   no   no",
    "wake the rotator":                                             "no   yes  no   no   no   no",
    "wake another function":                                        "no   no   no   no   no   no",
    "change or read the function":                                  "no   no   no   no   no   no",
    "keep a dead letter":                                           "yes  yes  no   no   no   no",
    "read or remove dead letters":                                  "no   no   no   no   no   no",
    "write the rotator's log":                                      "yes  no   no   no   no   no",
    "write another log":                                            "no   no   no   no   no   no",
    "take a role of the stack":                                     "no   no   no   no   no   no",
}
SERVICES = {
    #                            a rule of this stack, of another stack, of another account
    #                            |    |    |    a schedule of this stack, of another stack, of another account
    #                            |    |    |    |    |    |    a rotation of a token, of another secret, …
    #                            |    |    |    |    |    |    |    |    |    any function of this account, …
    "wake the rotator":          "yes  no   no   no   no   no   yes  no   no   no   no",
    "keep a dead letter":        "yes  no   no   no   no   no   no   no   no   no   no",
    "take the rotator's role":   "no   no   no   no   no   no   no   no   no   yes  no",
    "take the scheduler's role": "no   no   no   yes  no   no   no   no   no   no   no",
    "read a secret":             "no   no   no   no   no   no   no   no   no   no   no",
    "use the key":               "no   no   no   no   no   no   no   no   no   no   no",
}
# fmt: on

STAGE = "secretsmanager:VersionStage"
OPEN_TO_ALL = {("sts:GetCallerIdentity", "*")}  # AWS refuses it to nobody


@pytest.fixture(scope="module")
def permissions(aws: LocalAws) -> Permissions:
    """Deploy a stack that has every policy."""
    stack = fullest(aws)
    stack.build()
    stack.deploy()
    return Permissions(stack)


@pytest.fixture(scope="module")
def asked(permissions: Permissions) -> Asked:
    """Give what is asked of the stack's resources."""
    return Asked(permissions.resources, permissions.stack.account)


def cells(written: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """Take a matrix apart that is written out above."""
    return {row: tuple(words.split()) for row, words in written.items()}


def test_each_caller_may_do_this_and_nothing_else(permissions: Permissions, asked: Asked) -> None:
    """The rotator, the scheduler, readers of two client IDs that begin alike, a stranger, and another account."""
    assert decided(permissions.callers, asked.by_callers()) == cells(CALLERS)


def test_aws_serves_nobody_elses_rules_schedules_rotations_and_functions(
    permissions: Permissions, asked: Asked
) -> None:
    """Its services are let in for this stack and this account alone, so that nobody can use them as deputies."""
    assert decided(permissions.services, asked.by_services()) == cells(SERVICES)


@pytest.mark.parametrize("column", range(6))
def test_no_action_is_allowed_that_the_matrix_does_not_name(
    permissions: Permissions, asked: Asked, column: int
) -> None:
    """Of all actions of all services concerned, on all resources, a caller has those with a yes."""
    requests = asked.by_callers()
    granted = [request for row, words in cells(CALLERS).items() if words[column] == "yes" for request in requests[row]]
    context = {key: value for request in granted for key, value in request.context.items()}
    caller = list(permissions.callers.values())[column]
    services = ("events", "iam", "kms", "lambda", "logs", "scheduler", "secretsmanager", "sqs", "sts")
    resources = [*permissions.resources.values(), Resource(arn="*", account=ACCOUNT)]
    # A request moves one label, so what is allowed of each is asked by itself.
    stages = {request.context.get(STAGE, "AWSCURRENT") for request in granted}
    allowed = set().union(
        *(everything_allowed(caller, resources, services, context | {STAGE: stage}) for stage in stages)
    )

    assert allowed - OPEN_TO_ALL == {(request.action, request.resource.arn) for request in granted}


@pytest.mark.parametrize(("name", "rows"), [("callers", CALLERS), ("services", SERVICES)])
def test_the_docs_show_the_matrix(permissions: Permissions, name: str, rows: dict[str, str]) -> None:
    """The table that `make matrix` writes is the one that the policies come to."""
    columns = getattr(permissions, name)

    assert rendered(columns, cells(rows)) in DOCUMENT.read_text()


def documented(name: str, permissions: Permissions) -> dict[str, Any]:
    """Read a policy out of the docs, with the deployed stack's accounts, key and role in the place of the samples."""
    (text,) = re.findall(rf"^`{re.escape(name)}`\n\n```json\n(.*?)```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    meant = {
        "111122223333": ACCOUNT,
        "444455556666": ELSEWHERE,
        "ROTATOR_ROLE": permissions.callers["rotator"].arn,
        '"KEY"': f'"{permissions.resources["key"].arn}"',
    }
    for sample, value in meant.items():
        text = text.replace(sample, value)
    policy: dict[str, Any] = json.loads(text)
    return policy


# fmt: off
ABROAD = {
    #                                                     the app's role
    #                                                     |    another role of its account
    #                                                     |    |    the app's namesake in a third account
    "`GetSecretValue`: `tokens/FooTickets_Website`":      "yes  no   no",
    "`DescribeSecret`: `tokens/FooTickets_Website`":      "yes  no   no",
    "`kms:Decrypt`: `tokens/FooTickets_Website`":         "yes  no   no",
    "report `tokens/FooTickets_Website` rejected":        "yes  no   no",
}
# fmt: on


def test_the_documented_policies_let_a_role_of_another_account_do_what_a_reader_does(
    permissions: Permissions, asked: Asked
) -> None:
    """It reads its token and reports it; everything else is as closed to it as to others."""
    policies = {f"tokens/{WEBSITE}": "secret-policy.json", "key": "shared-key-policy.json", "bus": "bus-policy.json"}
    shared = {
        name: replace(permissions.resources[name], policy=documented(file, permissions))
        for name, file in policies.items()
    }
    allowed = (documented("app-policy.json", permissions),)
    callers = {
        arn: Principal(arn=arn, policies=allowed)
        for arn in (
            f"arn:aws:iam::{ELSEWHERE}:role/website",
            f"arn:aws:iam::{ELSEWHERE}:role/another",
            "arn:aws:iam::888888888888:role/website",
        )
    }
    requests = replace(asked, resources={**permissions.resources, **shared}).by_callers()

    assert decided(callers, requests) == dict.fromkeys(requests, ("no", "no", "no")) | cells(ABROAD)


@pytest.mark.parametrize(("name", "allowed"), [("website", True), ("another", False)])
def test_the_documented_trust_lets_one_role_of_another_account_in(
    permissions: Permissions, name: str, *, allowed: bool
) -> None:
    """The other roles of that account stay outside, whatever they may do there."""
    caller = Principal(arn=f"arn:aws:iam::{ELSEWHERE}:role/{name}", policies=(ANYTHING,))
    role = Resource(
        arn=f"arn:aws:iam::{ACCOUNT}:role/website-token",
        account=ACCOUNT,
        policy=documented("trust.json", permissions),
    )

    assert decide([(caller, Request(action="sts:AssumeRole", resource=role))]) == [allowed]


def test_the_documented_key_policy_is_the_one_that_the_matrix_is_of(permissions: Permissions) -> None:
    """It leaves access to IAM."""
    assert documented("key-policy.json", permissions) == KEY_OF_THE_ACCOUNT


def test_the_documented_statement_lets_the_rotator_encrypt_for_a_replica(permissions: Permissions) -> None:
    """It may through Secrets Manager alone, and nobody else may."""
    key = Resource(
        arn=f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1",
        account=ACCOUNT,
        policy={"Version": "2012-10-17", "Statement": [documented("replica-key-statement.json", permissions)]},
    )
    hosts = ("secretsmanager.eu-central-1.amazonaws.com", "s3.eu-central-1.amazonaws.com")
    through = {
        host: [
            Request(action=action, resource=key, context={"kms:ViaService": host})
            for action in ("kms:Encrypt", "kms:GenerateDataKey")
        ]
        for host in hosts
    }

    assert decided(permissions.callers, through) == {
        hosts[0]: ("yes", "no", "no", "no", "no", "no"),
        hosts[1]: ("no", "no", "no", "no", "no", "no"),
    }


def test_a_row_that_is_allowed_in_part_says_so() -> None:
    """One request that is refused is not hidden by another that is not."""
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}],
    }
    caller = Principal(arn="arn:aws:iam::000000000000:role/caller", policies=(policy,))
    queue = Resource(arn="arn:aws:sqs:eu-west-1:000000000000:queue", account="000000000000")
    asked = [Request(action=action, resource=queue) for action in ("sqs:SendMessage", "sqs:PurgeQueue")]

    assert decided({"caller": caller}, {"send and purge": asked}) == {"send and purge": ("partly",)}


@pytest.mark.parametrize(
    ("action", "context"),
    [("sqs:SendMessages", {}), ("sqs:SendMessage", {"sqs:Body": "text"}), ("kms:Decrypt", {})],
    ids=["no such action", "no such condition key", "no such resource of it"],
)
def test_a_request_that_aws_does_not_know_is_no_denial(action: str, context: dict[str, str]) -> None:
    """A slip in what is asked would otherwise look like safety."""
    caller = Principal(arn="arn:aws:iam::000000000000:role/caller")
    queue = Resource(arn="arn:aws:sqs:eu-west-1:000000000000:queue", account="000000000000")

    with pytest.raises(NotDecided):
        decide([(caller, Request(action=action, resource=queue, context=context))])
