"""Deploying a release without the SAM CLI: by the commands of docs/deploying.md, and by the CDK.

The AWS CLI is version 1, the one on PyPI; `aws cloudformation deploy` makes and executes the same change set in both.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from cfnlint.decode.cfn_yaml import load

from tests.project.test_structure import VERSION
from tests.release import reader_statements, synthesize
from tools.local.aws import PROJECT, REGION, LocalAws
from tools.local.mx import MovieXchangeStandIn
from tools.local.stack import Stack
from tools.local.translated import ACCOUNT_ID, Resolver

DOCS = (PROJECT / "docs" / "deploying.md").read_text()
CDK = PROJECT / ".node-cdk" / "node_modules" / "aws-cdk" / "bin" / "cdk"
NODE = str(Path(sys.executable).parent / "node")
BUCKET = "code-of-a-company"


def documented(section: str) -> list[list[str]]:
    """Return the commands of the first code block of a section of the page, with the samples replaced."""
    block = re.findall(rf"^## {section}\n.*?^```\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)[0]
    return [shlex.split(line) for line in block.replace("CODE_BUCKET", BUCKET).replace("RELEASE", VERSION).splitlines()]


def run(stack: Stack, folder: Path, command: list[str], **settings: str) -> None:
    """Run a command in a folder, with the emulated account and some variables more."""
    environment = stack.aws.environment | settings
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  our own


def deploy(stack: Stack, release: Path, **parameters: str) -> None:
    """Upload and deploy as the page says, with parameters of the test besides."""
    upload, command = documented("Without the SAM CLI")
    run(stack, release, upload)
    named = [stack.name if word == "$STACK" else word for word in command]
    run(stack, release, [*named, *(f"{name}={value}" for name, value in parameters.items())])


def status(stack: Stack) -> str:
    """Return the stack's status."""
    (described,) = stack.client("cloudformation").describe_stacks(StackName=stack.name)["Stacks"]
    return str(described["StackStatus"])


def code_digest(archive: Path) -> str:
    """Return the digest of an archive as Lambda shows it."""
    return b64encode(sha256(archive.read_bytes()).digest()).decode()


@pytest.fixture(scope="module")
def deployed(aws: LocalAws, account_at_mx: MovieXchangeStandIn, release: Path) -> Stack:
    """Deploy a release by the AWS CLI, and fill its credentials."""
    hosts = {"AuthUrl": account_at_mx.url, "ApiUrl": account_at_mx.url}
    parameters = hosts | {"SecretPrefix": "plain", "CheckEvery": "rate(19 minutes)"}
    stack = Stack(aws, parameters, "plain")
    stack.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    deploy(stack, release, **parameters)
    stack.replace_credentials(account_at_mx.credentials())
    return stack


def test_plain_cloudformation_completes(deployed: Stack) -> None:
    """Without SAM, and with no other capability than to make roles."""
    assert status(deployed) == "CREATE_COMPLETE"


def test_tokens_are_published_after_a_plain_deployment(deployed: Stack) -> None:
    """For the client IDs of the documented command, and the API accepts them."""
    assert [deployed.call_api(name) for name in deployed.names] == [200, 200]


def test_what_runs_is_the_archive_of_the_release(deployed: Stack, release: Path) -> None:
    """Its digest at AWS is that of the file."""
    function = deployed.client("lambda").get_function_configuration(FunctionName=deployed.name)

    assert function["CodeSha256"] == code_digest(release / "function.zip")


def test_another_key_deploys_another_version(deployed: Stack, release: Path, tmp_path: Path) -> None:
    """The parameters that are not named keep their values."""
    before = deployed.variables()
    next_release = shutil.copytree(release, tmp_path / "next")
    with ZipFile(next_release / "function.zip", "a") as archive:
        archive.writestr("next.py", "")
    deployed.client("s3").upload_file(str(next_release / "function.zip"), BUCKET, "next.zip")
    deploy(deployed, release, CodeKey="next.zip")
    function = deployed.client("lambda").get_function_configuration(FunctionName=deployed.name)

    assert (function["CodeSha256"], deployed.variables()) == (code_digest(next_release / "function.zip"), before)


# The CDK


@pytest.fixture(scope="module")
def synthesized(release: Path) -> Path:
    """Synthesize the recipe with the release."""
    return synthesize(release)


def test_the_cdk_that_is_tested_is_the_one_that_the_recipe_installs() -> None:
    """In the same range of versions."""
    recipe, tested = (
        json.loads((PROJECT / folder / "package.json").read_text())["dependencies"]
        for folder in ("examples/cdk", "requirements/cdk")
    )

    assert tested.items() <= recipe.items()


def of_cdk(folder: Path, stack: str) -> dict[str, Any]:
    """Read the template that the CDK wrote for a stack."""
    template: dict[str, Any] = json.loads((folder / f"{stack}.template.json").read_text())
    return template


def test_the_cdk_makes_a_stack_for_each_account(synthesized: Path) -> None:
    """Two brands with two environments, and the application that reads a token."""
    assert {path.name.partition(".")[0] for path in synthesized.glob("*.template.json")} == {
        "mx-token-rotator-nz-production",
        "mx-token-rotator-nz-staging",
        "mx-token-rotator-uk-production",
        "mx-token-rotator-uk-staging",
        "website",
    }


def test_the_cdk_keeps_every_resource_of_the_release(synthesized: Path, release: Path) -> None:
    """With its type, and with what happens to it when the stack goes."""
    kept = ("Type", "Condition", "DeletionPolicy", "UpdateReplacePolicy")
    plain = load(str(release / "template.yaml"))["Resources"]
    made = of_cdk(synthesized, "mx-token-rotator-uk-staging")["Resources"]

    assert {name: [each.get(key) for key in kept] for name, each in made.items()} == {
        name: [each.get(key) for key in kept] for name, each in plain.items()
    }


def test_the_role_of_an_application_has_the_readers_statements(synthesized: Path) -> None:
    """They are those of the written-out policy."""
    resources = of_cdk(synthesized, "website")["Resources"].values()
    (policy,) = (each["Properties"]["PolicyDocument"] for each in resources if each["Type"] == "AWS::IAM::Policy")
    resolved = Resolver({"Parameters": {}}, {}, {}).resolve(policy)

    assert resolved["Statement"] == reader_statements("brands/uk/staging/tokens/_Website")


def bootstrap(stack: Stack) -> None:
    """Make what a stack needs of all that `cdk bootstrap` makes in an account."""
    bucket = f"cdk-hnb659fds-assets-{ACCOUNT_ID}-{REGION}"
    stack.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    stack.client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")


@pytest.fixture(scope="module")
def from_cdk(
    aws: LocalAws, account_at_mx: MovieXchangeStandIn, synthesized: Path, tmp_path_factory: pytest.TempPathFactory
) -> Stack:
    """Deploy one of the synthesized stacks with `cdk deploy`, and fill its credentials."""
    hosts = {"AuthUrl": account_at_mx.url, "ApiUrl": account_at_mx.url}
    stack = Stack(aws, hosts | {"SecretPrefix": "brands/uk"}, "mx-token-rotator-uk-staging")
    bootstrap(stack)
    overrides = [word for name, value in hosts.items() for word in ("--parameters", f"{name}={value}")]
    command = [NODE, str(CDK), "deploy", stack.name, "--app", str(synthesized), *overrides]
    silent = [*command, "--require-approval", "never", "--no-notices"]
    run(stack, synthesized, silent, CDK_DISABLE_CLI_TELEMETRY="true", HOME=str(tmp_path_factory.mktemp("home")))
    stack.replace_credentials(account_at_mx.credentials())
    return stack


def test_tokens_are_published_by_a_stack_of_the_cdk(from_cdk: Stack) -> None:
    """For the client IDs of the recipe, and the API accepts them."""
    assert [from_cdk.call_api(name) for name in from_cdk.names] == [200, 200]
