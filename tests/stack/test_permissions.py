"""Who may do what with a stack: the template's policies, decided by an independent policy evaluator."""

from dataclasses import replace

import pytest

from tests.stack.documented import documented
from tools.local.iam import EvaluationError, Policy, Principal, Request, Resource, all_allowed, decide
from tools.local.matrix import (
    ANY,
    DOCUMENT,
    EVERY_OPTION,
    INTERFACES,
    REJECTED,
    Questions,
    Rows,
    decided,
    rendered,
    tables,
)
from tools.local.permissions import (
    ANYTHING,
    KEY_POLICY,
    OTHER_ACCOUNT_ID,
    TAG,
    WEBSITE,
    Permissions,
    app,
    secret,
)
from tools.local.translated import ACCOUNT_ID

# fmt: off
CALLERS = {
    # The columns: the function, the schedule, the written-out policy for _Website,
    # the tag-based policy with the tag _Web, no policy, another account.
    "`credentials`: GetSecretValue, DescribeSecret":                                      "yes  no   no   no   no   no",
    "`credentials`: PutSecretValue, CreateSecret, TagResource, UpdateSecret":             "no   no   no   no   no   no",
    "`credentials`: move the label REJECTED":                                             "yes  no   no   no   no   no",
    "`credentials`: any other action":                                                    "no   no   no   no   no   no",
    "`tokens/_Website`: GetSecretValue, DescribeSecret":                                  "yes  no   yes  no   no   no",
    "`tokens/_Website`: PutSecretValue, CreateSecret, TagResource, UpdateSecret":         "yes  no   no   no   no   no",
    "`tokens/_Website`: any other action":                                                "no   no   no   no   no   no",
    "`tokens/_Web`: GetSecretValue, DescribeSecret":                                      "yes  no   no   yes  no   no",
    "`tokens/_Web`: PutSecretValue, CreateSecret, TagResource, UpdateSecret":             "yes  no   no   no   no   no",
    "`tokens/_Web`: any other action":                                                    "no   no   no   no   no   no",
    "`refresh-tokens/_Website`: GetSecretValue, DescribeSecret":                          "yes  no   no   no   no   no",
    "`refresh-tokens/_Website`: PutSecretValue, CreateSecret, TagResource, UpdateSecret": "yes  no   no   no   no   no",
    "`refresh-tokens/_Website`: any other action":                                        "no   no   no   no   no   no",
    "any other secret: any action":                                                       "no   no   no   no   no   no",
    "`credentials`: decrypt":                                                             "yes  no   no   no   no   no",
    "`credentials`: encrypt":                                                             "no   no   no   no   no   no",
    "`tokens/_Website`: decrypt":                                                         "yes  no   yes  no   no   no",
    "`tokens/_Website`: encrypt":                                                         "yes  no   no   no   no   no",
    "`tokens/_Web`: decrypt":                                                             "yes  no   no   yes  no   no",
    "`tokens/_Web`: encrypt":                                                             "yes  no   no   no   no   no",
    "`refresh-tokens/_Website`: decrypt":                                                 "yes  no   no   no   no   no",
    "`refresh-tokens/_Website`: encrypt":                                                 "yes  no   no   no   no   no",
    "the key for any other secret, or for none":                                          "no   no   no   no   no   no",
    "the key, not through Secrets Manager":                                               "no   no   no   no   no   no",
    "another key":                                                                        "no   no   no   no   no   no",
    "report `tokens/_Website`":                                                           "no   no   yes  no   no   no",
    "report `tokens/_Web`":                                                               "no   no   no   yes  no   no",
    "report both in one batch":                                                           "no   no   no   no   no   no",
    "put any other event":                                                                "no   no   no   no   no   no",
    "put an event without a source or a type":                                            "no   no   no   no   no   no",
    "report on another bus":                                                              "no   no   no   no   no   no",
    "send to the queue":                                                                  "no   yes  no   no   no   no",
    "receive and delete its messages":                                                    "yes  no   no   no   no   no",
    "change or purge the queue":                                                          "no   no   no   no   no   no",
    "use another queue":                                                                  "no   no   no   no   no   no",
    "invoke, change or read a function":                                                  "no   no   no   no   no   no",
    "write the function's log":                                                           "yes  no   no   no   no   no",
    "write another log":                                                                  "no   no   no   no   no   no",
    "use a role of the stack":                                                            "no   no   no   no   no   no",
    "attach the function to subnets, called by Lambda":                                   "yes  no   no   no   no   no",
    "the same, called by the function's code":                                            "no   no   no   no   no   no",
    "the same in another Region":                                                         "no   no   no   no   no   no",
    "publish or subscribe to the stack's topic, or change it":                            "no   no   no   no   no   no",
}
TAGS = {
    # The columns: no tag, an empty tag, the tag _We, the tag _Website,
    # the tag _Website with the session tag _Web.
    "read, decrypt and report `tokens/_Website`": "no   no   no   yes  no",
    "read, decrypt and report `tokens/_Web`":     "no   no   no   no   yes",
    "read, decrypt or report anything else":      "no   no   no   no   no",
}
SERVICES = {
    # The columns: the rules CredentialsChanged and TokenRejected, another rule, another account's rule,
    # a schedule of the account, another account's schedule, a function of the account,
    # an alarm of the account, another account's alarm.
    "send to the queue":            "yes  yes  no   no   no   no   no   no   no",
    "use the function's role":      "no   no   no   no   no   no   yes  no   no",
    "use the schedule's role":      "no   no   no   no   yes  no   no   no   no",
    "invoke the function":          "no   no   no   no   no   no   no   no   no",
    "read a secret":                "no   no   no   no   no   no   no   no   no",
    "use the key":                  "no   no   no   no   no   no   no   no   no",
    "publish to the stack's topic": "no   no   no   no   no   no   no   yes  no",
    "publish to another topic":     "no   no   no   no   no   no   no   no   no",
}
# fmt: on

SERVICES_ASKED = ("events", "iam", "kms", "lambda", "logs", "scheduler", "secretsmanager", "sns", "sqs", "sts")
STAGE = "secretsmanager:VersionStage"
ALLOWED_TO_ALL = {("sts:GetCallerIdentity", "*")}


@pytest.fixture(scope="module")
def permissions() -> Permissions:
    """Translate the template with every option that adds a permission."""
    return Permissions(EVERY_OPTION)


@pytest.fixture(scope="module")
def questions(permissions: Permissions) -> Questions:
    """Return the questions about this stack."""
    return Questions(permissions)


def cells(expected: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """Split the rows of a table above into cells."""
    return {row: tuple(words.split()) for row, words in expected.items()}


def test_each_caller_may_do_this_and_nothing_else(permissions: Permissions, questions: Questions) -> None:
    """The stack's roles, readers of two names that begin alike, an application without a policy, another account."""
    assert decided(permissions.callers, questions.for_callers()) == cells(CALLERS)


def test_the_tag_that_counts_chooses_the_token_of_the_reader_policy(
    permissions: Permissions, questions: Questions
) -> None:
    """Without a tag, or with an empty one, the policy allows nothing; a session tag wins over the role's."""
    assert decided(permissions.tags, questions.for_tags()) == cells(TAGS)


def test_each_statement_of_the_tag_based_policy_demands_a_tag_that_is_not_empty(permissions: Permissions) -> None:
    """Evaluators differ in what an empty value of a policy variable matches."""
    (policy,) = permissions.tagged({}).policies
    conditions = [statement["Condition"]["StringLike"] for statement in policy["Statement"]]

    assert [condition.get(TAG) for condition in conditions] == ["?*"] * 3


def test_aws_services_act_for_this_stack_alone(permissions: Permissions, questions: Questions) -> None:
    """Rules, schedules and functions of others cannot use the queue, the roles or the function."""
    assert decided(permissions.services, questions.for_services()) == cells(SERVICES)


@pytest.mark.parametrize("column", range(6))
def test_no_action_is_allowed_that_the_table_does_not_name(
    permissions: Permissions, questions: Questions, column: int
) -> None:
    """Of all actions of the services concerned, on all resources, a caller has those of its rows with a yes."""
    rows = questions.for_callers()
    granted = [request for row, words in cells(CALLERS).items() if words[column] == "yes" for request in rows[row]]
    merged = {key: value for request in granted for key, value in request.context.items()}
    stages = {request.context.get(STAGE, "AWSCURRENT") for request in granted} or {"AWSCURRENT"}

    allowed = all_allowed(
        list(permissions.callers.values())[column],
        [*permissions.resources.values(), ANY],
        SERVICES_ASKED,
        [{**merged, STAGE: stage} for stage in stages],
    )

    assert allowed - ALLOWED_TO_ALL == {
        (request.action, request.resource.arn)
        for request in granted
        if request.action.partition(":")[0] in SERVICES_ASKED
    }


def test_of_ec2_only_these_actions_are_in_a_policy(permissions: Permissions) -> None:
    """It has 800 actions, and none is allowed by an asterisk."""
    statements = [
        statement
        for caller in list(permissions.callers.values())[:-1]
        for policy in caller.policies
        for statement in policy["Statement"]
    ]
    listed = [each["Action"] if isinstance(each["Action"], list) else [each["Action"]] for each in statements]
    actions = {action for each in listed for action in each if action.startswith(("ec2:", "*"))}

    assert actions == {f"ec2:{action}" for action in INTERFACES}


@pytest.mark.parametrize(
    ("option", "service"), [("KmsKeyArn", "kms"), ("SubnetIds", "ec2")], ids=["no key of one's own", "no VPC"]
)
def test_without_an_option_nobody_has_its_permissions(questions: Questions, option: str, service: str) -> None:
    """The other permissions are the same."""
    plain = Permissions({name: value for name, value in EVERY_OPTION.items() if name != option})
    expected = {
        row: ("no",) * 6
        if any(request.action.startswith(f"{service}:") for request in requests)
        else cells(CALLERS)[row]
        for row, requests in questions.for_callers().items()
    }

    assert decided(plain.callers, questions.for_callers()) == expected


def test_only_these_resources_of_the_stack_give_permissions(permissions: Permissions) -> None:
    """SAM adds no role, policy or permission of its own, and no role has a managed policy."""
    assert permissions.sources == {
        *("FunctionRole", "ScheduleRole", "ReaderPolicy"),
        *("QueuePolicy", "AlarmTopicPolicy"),
    }


def test_the_docs_have_the_tables_that_the_policies_amount_to(permissions: Permissions) -> None:
    """`make matrix` writes them."""
    text = DOCUMENT.read_text()

    assert [name for name, content in tables(permissions).items() if content not in text] == []


def test_the_documented_reader_policy_is_the_one_that_the_operators_tool_prints(permissions: Permissions) -> None:
    """With a key of one's own, which adds a statement."""
    (policy,) = permissions.callers[f"written-out policy for `{WEBSITE}`"].policies

    assert documented("reader-policy.json") == policy


TAGGING = ("iam:CreateRole", "iam:TagRole", "iam:UntagRole", "iam:CreateUser", "iam:TagUser", "iam:UntagUser")
TAG_ADMIN = f"arn:aws:iam::{ACCOUNT_ID}:role/TAG_ADMIN"
TAKING_OVER = (
    *("AttachRolePolicy", "CreateRole", "DeleteRole", "DeleteRolePermissionsBoundary", "DeleteRolePolicy"),
    *("DetachRolePolicy", "PutRolePermissionsBoundary", "PutRolePolicy", "UpdateAssumeRolePolicy"),
)


def anybody(arn: str, *control_policies: Policy) -> Resource:
    """Return a role or user that admits everybody, in an account with these resource control policies."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:*"},
            {"Effect": "Allow", "Principal": {"Federated": PROVIDER}, "Action": "sts:*"},
        ],
    }
    return Resource(arn=arn, account=ACCOUNT_ID, policy=trust, control_policies=control_policies)


PROVIDER = f"arn:aws:iam::{ACCOUNT_ID}:saml-provider/corp"
CHOICES_OF_TAGS = [
    ("MovieXchangeClientId", "role/app", False),
    ("moviexchangeclientid", "role/app", False),
    ("Team", "role/app", True),
    ("MovieXchangeClientId", "role/TAG_ADMIN", True),
]


@pytest.mark.parametrize(("key", "caller", "is_allowed"), CHOICES_OF_TAGS)
def test_the_documented_guard_leaves_the_tag_to_one_role(key: str, caller: str, *, is_allowed: bool) -> None:
    """Of roles and users, and of sessions; in any case of its letters, since IAM takes them for the same tag."""
    arn = f"arn:aws:iam::{ACCOUNT_ID}:{caller}"
    administrator = Principal(arn=arn, policies=(ANYTHING,), control_policies=(documented("tag-guard.json"),))
    context: dict[str, str | list[str]] = {"aws:TagKeys": [key], "aws:PrincipalArn": arn}
    requests = [
        Request(action=action, resource=anybody(f"arn:aws:iam::{ACCOUNT_ID}:{kind}/target"), context=context)
        for action in (*TAGGING, "sts:TagSession")
        for kind in ["user" if action.endswith("User") else "role"]
    ]

    assert decide((administrator, request) for request in requests) == [is_allowed] * 7


def test_the_documented_guard_keeps_everybody_from_taking_that_role_over() -> None:
    """Otherwise an administrator would give it another trust policy, or make one of the same name."""
    guard = (documented("tag-guard.json"),)
    asked = [
        (Principal(arn=arn, policies=(ANYTHING,), control_policies=guard), Request(action=f"iam:{each}", resource=role))
        for arn in (f"arn:aws:iam::{ACCOUNT_ID}:role/app", TAG_ADMIN)
        for each in TAKING_OVER
        for role in (anybody(TAG_ADMIN), anybody(f"arn:aws:iam::{ACCOUNT_ID}:role/another"))
    ]

    assert decide(asked) == [False, True] * len(TAKING_OVER) * 2


@pytest.mark.parametrize(
    ("key", "caller", "is_allowed"),
    [
        *((key, f"arn:aws:iam::{ACCOUNT_ID}:{caller}", is_allowed) for key, caller, is_allowed in CHOICES_OF_TAGS),
        ("MovieXchangeClientId", f"arn:aws:iam::{OTHER_ACCOUNT_ID}:role/TAG_ADMIN", False),
        ("Team", f"arn:aws:iam::{OTHER_ACCOUNT_ID}:role/TAG_ADMIN", True),
        ("MovieXchangeClientId", PROVIDER, False),
        ("Team", PROVIDER, True),
    ],
)
def test_the_documented_guard_for_sessions_also_stops_other_accounts_and_identity_providers(
    key: str, caller: str, *, is_allowed: bool
) -> None:
    """Service control policies do not apply to them."""
    role = anybody(f"arn:aws:iam::{ACCOUNT_ID}:role/target", documented("tag-guard-for-sessions.json"))
    context: dict[str, str | list[str]] = {"aws:TagKeys": [key]}
    if caller != PROVIDER:  # which has no ARN of a principal
        context["aws:PrincipalArn"] = caller
    principal = Principal(arn=caller, policies=() if caller == PROVIDER else (ANYTHING,))

    assert decide([(principal, Request(action="sts:TagSession", resource=role, context=context))]) == [is_allowed]


def test_the_documented_policy_of_the_credentials_leaves_reading_to_the_function(permissions: Permissions) -> None:
    """An administrator can still store them, and the function can do what it could before."""
    administrator = app(ANYTHING)
    credentials = replace(permissions.resources["credentials"], policy=documented("credentials-policy.json"))
    asked = [
        (caller, Request(action=f"secretsmanager:{action}", resource=credentials, context=context))
        for caller in (administrator, permissions.callers["the function"])
        for action, label in (
            ("GetSecretValue", None),
            ("PutSecretValue", None),
            ("UpdateSecretVersionStage", REJECTED),
        )
        for context in [{"aws:PrincipalArn": caller.arn} | ({STAGE: label} if label else {})]
    ]

    assert decide(asked) == [False, True, True, True, False, True]


def test_the_documented_key_policy_is_the_one_that_the_tables_are_of() -> None:
    """It leaves access to IAM."""
    assert documented("key-policy.json") == KEY_POLICY


@pytest.mark.parametrize(("role", "is_allowed"), [("website", True), ("another", False)])
def test_the_documented_trust_policy_admits_one_role_of_another_account(role: str, *, is_allowed: bool) -> None:
    """Other roles of that account cannot use it, whatever they may do there."""
    caller = Principal(arn=f"arn:aws:iam::{OTHER_ACCOUNT_ID}:role/{role}", policies=(ANYTHING,))
    reader = Resource(
        arn=f"arn:aws:iam::{ACCOUNT_ID}:role/website-token", account=ACCOUNT_ID, policy=documented("trust-policy.json")
    )

    assert decide([(caller, Request(action="sts:AssumeRole", resource=reader))]) == [is_allowed]


def test_the_documented_statement_lets_the_function_encrypt_for_a_replica(permissions: Permissions) -> None:
    """Only the function, and only through Secrets Manager."""
    key = Resource(
        arn=f"arn:aws:kms:eu-central-1:{ACCOUNT_ID}:key/1",
        account=ACCOUNT_ID,
        policy={"Version": "2012-10-17", "Statement": [documented("replica-key-statement.json")]},
    )
    hosts = ("secretsmanager.eu-central-1.amazonaws.com", "s3.eu-central-1.amazonaws.com")
    rows: Rows = {
        host: [
            Request(action=action, resource=key, context={"kms:ViaService": host})
            for action in ("kms:Encrypt", "kms:GenerateDataKey")
        ]
        for host in hosts
    }

    assert decided(permissions.callers, rows) == {hosts[0]: ("yes", *["no"] * 5), hosts[1]: ("no",) * 6}


def test_a_row_that_is_allowed_in_part_says_so() -> None:
    """A refused request is not hidden by an allowed one."""
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}],
    }
    requests = [
        Request(action=f"secretsmanager:{action}", resource=secret("name"))
        for action in ("GetSecretValue", "DeleteSecret")
    ]

    assert rendered(["app"], decided({"app": app(policy)}, {"read and delete": requests})).endswith("| partly |\n")


@pytest.mark.parametrize(
    ("action", "context"),
    [("secretsmanager:GetSecret", {}), ("secretsmanager:GetSecretValue", {"sqs:Body": "text"}), ("kms:Decrypt", {})],
    ids=["no such action", "no such condition key", "no such resource of it"],
)
def test_a_request_that_aws_does_not_know_is_an_error(action: str, context: dict[str, str]) -> None:
    """A slip in a question would otherwise look like a denial."""
    with pytest.raises(EvaluationError):
        decide([(app(), Request(action=action, resource=secret("name"), context=context))])
