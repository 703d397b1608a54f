"""What cfn-lint and checkov find in the template: as it is written, and as plain CloudFormation for some parameters."""

import copy
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint
from cfnlint.decode.cfn_yaml import load

from tools.local.aws import PROJECT
from tools.local.translated import Resolver, translated

TEMPLATE: dict[str, Any] = load(str(PROJECT / "template.yaml"))
OWN = {
    "KmsKeyArn": "arn:aws:kms:eu-west-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "AlarmEmail": "tickets-team@example.com",
    "AlarmTopicArn": "arn:aws:sns:eu-west-1:000000000000:alarms",
    "LogKmsKeyArn": "arn:aws:kms:eu-west-1:000000000000:key/5678ef01-12ab-34cd-56ef-1234567890ab",
    "PermissionsBoundaryArn": "arn:aws:iam::000000000000:policy/boundary",
    "RolePath": "/apps/",
    "SubnetIds": "subnet-1a2b3c4d,subnet-5e6f7a8b",
    "SecurityGroupIds": "sg-1a2b3c4d",
    "HttpsProxy": "http://proxy.example.com:3128",
    "CreateCredentials": "false",
    "Dashboard": "false",
}
DEFAULTS = {name: str(each.get("Default", "_Website")) for name, each in TEMPLATE["Parameters"].items()}
CHOICES = {"defaults": DEFAULTS, "every option": DEFAULTS | OWN}


@pytest.fixture(scope="module")
def plain() -> dict[str, Any]:
    """Translate the template once; functions and conditions remain in it."""
    return translated(TEMPLATE, {"ClientIds": "_Website"})


@pytest.fixture(scope="module")
def resolved(plain: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Resolve the translated template for each choice of parameters: checkov does not see behind every condition."""
    arns = {f"{name}.Arn": f"arn:aws:service:eu-west-1:000000000000:{name}" for name in plain["Resources"]}
    made = {name: name for name in plain["Resources"]} | arns
    templates = {}
    for choice, parameters in CHOICES.items():
        resolver = Resolver(plain, parameters, made)
        templates[choice] = {
            "Resources": {
                name: resolver.resolve(each)
                for name, each in plain["Resources"].items()
                if "Condition" not in each or resolver.holds(each["Condition"])
            }
        }
    return templates


def linted(template: str) -> list[str]:
    """Read what cfn-lint finds, hints included, for all Regions."""
    arguments = ManualArgs(include_checks=["I"], regions=["ALL_REGIONS"])
    return [f"{found.rule.id} line {found.linenumber}: {found.message}" for found in lint(template, config=arguments)]


def checked(templates: dict[str, Path], home: Path) -> dict[str, set[str]]:
    """Read what checkov finds in each of several templates: the check and the resource. It asks no server."""
    done = subprocess.run(  # noqa: S603  our own command
        [
            *(str(PROJECT / ".venv-checkov" / "bin" / "checkov"), "--framework", "cloudformation", "--skip-download"),
            *("--quiet", "--compact", "--soft-fail", "--output", "json", "--file", *map(str, templates.values())),
        ],
        # A configuration or a key of the person's own would decide what is checked.
        env={"PATH": os.environ["PATH"], "HOME": str(home), "LOG_LEVEL": "ERROR"},
        cwd=home,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    return {
        name: {
            f"{found['check_id']} {found['resource'].split('.')[-1]}"
            for found in report["results"]["failed_checks"]
            if found["file_abs_path"] == str(path)
        }
        for name, path in templates.items()
    }


def suppressed(template: dict[str, Any]) -> set[str]:
    """Read what a plain template has checkov skip, each with its reason: the check and the resource."""
    return {
        f"{skip['id']} {name}"
        for name, resource in template["Resources"].items()
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
        # SAM copies the function's Metadata to this one.
        if skip["comment"] and resource["Type"] != "AWS::Lambda::EventInvokeConfig"
    }


def bare(template: dict[str, Any]) -> dict[str, Any]:
    """Copy a plain template without its suppressions."""
    copied = copy.deepcopy(template)
    for resource in copied["Resources"].values():
        resource.get("Metadata", {}).pop("checkov", None)
    return copied


def open_reader(template: dict[str, Any]) -> dict[str, Any]:
    """Copy a plain template, and let an application do anything."""
    copied = copy.deepcopy(template)
    document = copied["Resources"]["ReaderPolicy"]["Properties"]["PolicyDocument"]
    document["Statement"] = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    return copied


@pytest.fixture(scope="module")
def findings(
    plain: dict[str, Any], resolved: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, set[str]]:
    """Run checkov once over all templates."""
    folder = tmp_path_factory.mktemp("checkov")
    bared = {f"{choice}, bare": bare(template) for choice, template in resolved.items()}
    templates = {"translated": plain, "open": open_reader(plain)} | resolved | bared
    files = {"written": PROJECT / "template.yaml"}
    for number, (name, template) in enumerate(templates.items()):
        files[name] = folder / f"{number}.json"
        files[name].write_text(json.dumps(template))
    return checked(files, folder)


def test_the_translated_template_is_plain_cloudformation(plain: dict[str, Any]) -> None:
    """Nothing is left in it for a transform to do."""
    assert re.findall(r'"(?:Transform|AWS::Serverless::|AWS::Serverless-)', json.dumps(plain)) == []


def test_cfn_lint_finds_nothing_in_the_template_as_written() -> None:
    """Neither errors nor warnings nor hints."""
    assert linted((PROJECT / "template.yaml").read_text()) == []


def test_cfn_lint_finds_nothing_in_the_template_as_translated(plain: dict[str, Any]) -> None:
    """Neither errors nor warnings nor hints, in what SAM makes of the function."""
    assert linted(json.dumps(plain, indent=1)) == []


@pytest.mark.parametrize("template", ["written", "translated", *CHOICES])
def test_checkov_finds_nothing(findings: dict[str, set[str]], template: str) -> None:
    """What does not apply is suppressed at its place, with its reason."""
    assert findings[template] == set()


def test_no_suppression_is_stale(resolved: dict[str, dict[str, Any]], findings: dict[str, set[str]]) -> None:
    """Without them, checkov finds what they suppress and nothing else."""
    found = set().union(*(findings[f"{choice}, bare"] for choice in CHOICES))

    assert found == set().union(*(suppressed(template) for template in resolved.values()))


def test_nothing_is_suppressed_for_cfn_lint() -> None:
    """It finds nothing, so any suppression would be stale."""
    assert "cfn-lint" not in (PROJECT / "template.yaml").read_text()


def test_checkov_finds_a_planted_wildcard(findings: dict[str, set[str]]) -> None:
    """It reads the policies."""
    assert "CKV_AWS_110 ReaderPolicy" in findings["open"]


def test_cfn_lint_finds_a_planted_fault(plain: dict[str, Any]) -> None:
    """It reads the translated template."""
    alarms = {name: each for name, each in plain["Resources"].items() if each["Type"] == "AWS::CloudWatch::Alarm"}
    faulty = json.dumps(plain | {"Resources": alarms}, indent=1).replace('"Minimum"', '"Smallest"')

    assert [each.split()[0] for each in linted(faulty) if "'Smallest'" in each] == ["E3030"]
