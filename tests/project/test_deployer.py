"""What the role that deploys a stack may do: the policy that `make deployer-policy` prints."""

import ast
import json
import re
import sys
from dataclasses import replace
from typing import Any

import pytest

from tools.deployer import (
    BUCKET,
    DEPLOY,
    DOCUMENT,
    FOR_PROPERTIES,
    NO_RESOURCE,
    Target,
    handled,
    main,
    policy,
    rendered,
    required,
    resources,
)
from tools.local.aws import PROJECT, REGION
from tools.local.iam import Principal, Resource, allowed, kinds
from tools.local.translated import ACCOUNT_ID

(SAM_CLI,) = (PROJECT / ".venv-sam").glob("lib/*/site-packages/samcli/lib")
TARGET = Target(stack="tickets", account="tickets/staging", region=REGION, account_id=ACCOUNT_ID, role_path="/apps/")
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT_ID}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
BOUNDARY = f"arn:aws:iam::{ACCOUNT_ID}:policy/boundary"
INLINE_CHARACTERS = 10_240
"""Of all inline policies of a role, blanks excepted (IAM's quota)."""


@pytest.fixture(scope="module")
def needed() -> set[str]:
    """Return what the handlers of the template's resources need."""
    return required(resources())


@pytest.fixture(scope="module")
def made(needed: set[str]) -> dict[str, Any]:
    """Make the policy for one stack."""
    return policy(TARGET, needed)


def actions(made: dict[str, Any]) -> set[str]:
    """Return every action of a policy."""
    return {action for each in made["Statement"] for action in each["Action"]}


def test_the_docs_have_the_policy(needed: set[str]) -> None:
    """`make matrix` writes the table."""
    assert rendered(policy(Target(), needed)) in DOCUMENT.read_text()


def test_the_command_prints_the_policy_of_the_stack_that_it_names(
    made: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a name, an account and a path of one's own."""
    options = [f"--{name.replace('_', '-')}={value}" for name, value in vars(TARGET).items()]
    monkeypatch.setattr(sys, "argv", ["deployer", *options])
    main()

    assert json.loads(capsys.readouterr().out) == made


@pytest.mark.parametrize(
    ("option", "wrong"),
    [
        (("--role-path", "apps"), "RolePath is 'apps': it must be / or a path that begins and ends with a slash"),
        (("--account", "moviexchange/prod"), "Environment is 'prod': it must be production, staging or sandbox"),
        (("--account", "staging"), "SecretPrefix is '': it must be 1 to 80 of"),
        (("--key", "alias/key"), "KmsKeyArn is 'alias/key': it must be none or the ARN of a key"),
        (("--boundary", "boundary"), "PermissionsBoundaryArn is 'boundary': it must be none or the ARN"),
    ],
)
def test_what_the_template_refuses_is_refused(
    option: tuple[str, str], wrong: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A policy for a stack that cannot be would be of no use."""
    monkeypatch.setattr(sys, "argv", ["deployer", *option])
    with pytest.raises(SystemExit):
        main()

    assert wrong in capsys.readouterr().err


def test_everything_that_a_handler_needs_is_allowed(needed: set[str], made: dict[str, Any]) -> None:
    """No action is lost on the way into the statements."""
    assert needed - actions(made) == set()


def test_a_property_that_the_template_begins_to_use_adds_its_permissions() -> None:
    """So the docs are wrong then, and the test above says so."""
    function = {"Type": "AWS::Lambda::Function", "Properties": {"Layers": []}}

    assert required([function]) - required([function | {"Properties": {}}]) == {"lambda:GetLayerVersion"}


@pytest.mark.parametrize("kind", FOR_PROPERTIES)
def test_what_is_left_out_would_be_needed_otherwise(kind: str) -> None:
    """Neither a type, nor an action of its handlers, that is not there any more."""
    left_out = {action for names in FOR_PROPERTIES[kind].values() for action in names}

    assert (kind in {each["Type"] for each in resources()}, left_out - handled(kind)) == (True, set())


def test_iam_knows_each_action_and_whether_it_has_a_resource(made: dict[str, Any]) -> None:
    """An action that needs an asterisk would never be allowed on an ARN."""
    known = kinds(actions(made))

    assert {action: kind for action, kind in known.items() if kind != "with a resource"} == dict.fromkeys(
        NO_RESOURCE | {"lambda:CreateEventSourceMapping"}, "without a resource"
    )


def granted(made: dict[str, Any], *, stack: str = "tickets") -> set[tuple[str, str]]:
    """Return the actions of the policy that are allowed, with the ARNs of a stack's resources and with an asterisk."""
    deployer = Principal(arn=f"arn:aws:iam::{ACCOUNT_ID}:role/deployer", policies=(made,))
    target = replace(TARGET, stack=stack, account=f"{stack}/staging")
    arns = {arn for each in policy(target, required(resources()))["Statement"] for arn in each["Resource"]}
    context = {"iam:PassedToService": "lambda.amazonaws.com", "lambda:FunctionArn": target.scopes["lambda"][0]}
    return allowed(deployer, [Resource(arn=sample(arn), account=ACCOUNT_ID) for arn in arns], actions(made), [context])


def sample(arn: str) -> str:
    """Return an ARN that matches a pattern."""
    return arn if arn == "*" else arn.replace("?", "a").replace("*", "1A2B3C")


def test_each_action_is_allowed_on_a_resource_of_the_stack(made: dict[str, Any]) -> None:
    """The evaluator knows for which kinds of resources an action is, and which condition keys it has."""
    assert {action for action, _ in granted(made)} == actions(made)


def test_nothing_of_another_stack_is_allowed(made: dict[str, Any]) -> None:
    """Besides reading lists, reading and tagging mappings, whose names nobody knows, and the SAM CLI's own."""
    found = granted(made, stack="cinema")

    assert {action for action, arn in found if "aws-sam-cli" not in arn and "Serverless" not in arn} == NO_RESOURCE | {
        f"lambda:{action}" for action in ("GetEventSourceMapping", "ListTags", "TagResource", "UntagResource")
    }


def test_whoever_deploys_reads_no_secret(made: dict[str, Any]) -> None:
    """The stack gives its secret no value, so CloudFormation has none to compare."""
    assert "secretsmanager:GetSecretValue" not in actions(made)


def test_roles_can_be_passed_to_the_services_of_the_stack_alone(made: dict[str, Any]) -> None:
    """Another service would act as the function."""
    (condition,) = [each["Condition"] for each in made["Statement"] if "iam:PassRole" in each["Action"]]

    assert condition == {"StringEquals": {"iam:PassedToService": ["lambda.amazonaws.com", "scheduler.amazonaws.com"]}}


def test_with_a_boundary_only_roles_that_have_it_are_made(needed: set[str]) -> None:
    """And nobody can take it off."""
    made = policy(replace(TARGET, boundary=BOUNDARY), needed)
    with_boundary = {"StringEquals": {"iam:PermissionsBoundary": BOUNDARY}}
    conditions = {
        action: each.get("Condition") for each in made["Statement"] for action in each["Action"] if action in MAKING
    }

    assert conditions == dict.fromkeys(MAKING - {TAKING_OFF}, with_boundary)


MAKING = {"iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary", "iam:DeleteRolePermissionsBoundary"}
TAKING_OFF = "iam:DeleteRolePermissionsBoundary"


def test_with_a_key_it_is_used_through_secrets_manager(needed: set[str]) -> None:
    """Secrets Manager checks whoever creates a secret with a key, and whoever moves one to another key."""
    (use,) = [each for each in policy(replace(TARGET, key=KEY), needed)["Statement"] if each["Resource"] == [KEY]]

    assert (use["Action"], use["Condition"]) == (
        ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"],
        {"StringLike": {"kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com"}},
    )


def test_the_policy_fits_into_a_role(needed: set[str]) -> None:
    """With the longest name of a stack and every option."""
    long = Target(stack="x" * 64, account="y" * 90, region="ap-southeast-2", account_id=ACCOUNT_ID, key=KEY)

    assert len(json.dumps(policy(replace(long, boundary=BOUNDARY), needed), separators=(",", ":"))) <= INLINE_CHARACTERS


# The SAM CLI


def calls() -> set[str]:
    """Return the operations of CloudFormation that `sam deploy` and `sam delete` call for a stack."""
    sources = [SAM_CLI / "deploy" / "deployer.py", SAM_CLI / "delete" / "cfn_utils.py"]
    text = "".join(path.read_text() for path in sources)
    return {*re.findall(r"_client\.(\w+)\(", text), *re.findall(r"get_paginator\(\"(\w+)\"", text)}


def test_each_call_of_the_sam_cli_is_allowed() -> None:
    """Waiters call what is allowed anyway; `sam sync` alone makes and changes stacks without a change set."""
    own = {"get_paginator", "get_waiter", "create_stack", "update_stack"}

    assert {name.title().replace("_", "") for name in calls() - own} - {*DEPLOY} == set()


def test_the_bucket_of_the_sam_cli_has_these_properties() -> None:
    """The policy has an action for each of them."""
    source = ast.parse((SAM_CLI / "bootstrap" / "bootstrap.py").read_text())
    literals = [
        node for node in ast.walk(source) if isinstance(node, ast.Dict) and "AWS::S3::Bucket'" in ast.unparse(node)
    ]
    bucket = ast.literal_eval(literals[-1])

    assert set(bucket["Properties"]) == {*BUCKET}


def test_each_action_for_the_bucket_is_one_of_its_handlers() -> None:
    """By the schemas of the bucket and its policy."""
    named = {f"s3:{action}" for actions in BUCKET.values() for action in actions}

    assert named - handled("AWS::S3::Bucket") == set()
