"""cfn-lint and checkov on the template, as written and as translated.

checkov does not look into Fn::ForEach: what is made for each client ID it sees in the translated template alone.
"""

import copy
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint
from cfnlint.decode.cfn_yaml import load

from local.aws import HOUSE
from local.translated import translated

TEMPLATE: dict[str, Any] = load(str(HOUSE / "template.yaml"))
LOOP = "Fn::ForEach::ClientId"
CLIENT_IDS = {"ClientIds": "FooTickets_Website,FooTickets_OfflineUpdater"}
SAFETY_NET = CLIENT_IDS | {"KeepRefreshToken": "true", "Environment": "production", "CheckWindowMinutes": "0"}
OWN = {
    "KmsKeyArn": "arn:aws:kms:eu-west-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "AlarmTopicArn": "arn:aws:sns:eu-west-1:000000000000:alarms",
    "AuthUrl": "https://auth.example.org",
    "ApiUrl": "https://api.example.org",
}
CHOICES = {
    "defaults": CLIENT_IDS,
    "safety net, unwatched": SAFETY_NET | {"WatchTokens": "false", "Dashboard": "false"},
    "rotation, all of one's own": SAFETY_NET | OWN | {"NativeRotation": "true"},
}
RESOLVED = {
    "W2001": "a parameter that is used nowhere: each has been resolved",
    "W7001": "the same of a mapping",
    "W8001": "the same of a condition",
    "W8003": "a condition that is always true, or never",
}


@pytest.fixture(scope="module")
def plain() -> dict[str, dict[str, Any]]:
    """Translate the template once for each choice of parameters; each condition holds in one of them and not in all."""
    return {choice: translated(TEMPLATE, parameters) for choice, parameters in CHOICES.items()}


def linted(template: str) -> list[str]:
    """Read what cfn-lint finds, hints included, for all Regions."""
    arguments = ManualArgs(include_checks=["I"], regions=["ALL_REGIONS"])
    return [f"{found.rule.id} line {found.linenumber}: {found.message}" for found in lint(template, config=arguments)]


def checked(templates: dict[str, Path], home: Path) -> dict[str, set[str]]:
    """Read what checkov finds in each of several templates: the check and the resource. It asks no server."""
    done = subprocess.run(  # noqa: S603  our own command
        [
            *(str(HOUSE / ".venv-checkov" / "bin" / "checkov"), "--framework", "cloudformation", "--skip-download"),
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
        # SAM gives it the function's Metadata as well.
        if skip["comment"] and resource["Type"] != "AWS::Lambda::EventInvokeConfig"
    }


def bare(template: dict[str, Any]) -> dict[str, Any]:
    """Give a plain template without its suppressions."""
    copied = copy.deepcopy(template)
    for resource in copied["Resources"].values():
        resource.get("Metadata", {}).pop("checkov", None)
    return copied


def faulty(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Plant a fault in what is made for each client ID, and translate."""
    copied = json.loads(json.dumps(TEMPLATE))
    change(copied["Resources"][LOOP][2])
    return translated(copied, CLIENT_IDS)


def open_reader(looped: dict[str, Any]) -> None:
    """Let an app do anything."""
    document = looped["Reader&{ClientId}"]["Properties"]["PolicyDocument"]
    document["Statement"] = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]


def misspelt_statistic(looped: dict[str, Any]) -> None:
    """Have an alarm look at what no metric has."""
    looped["Freshness&{ClientId}"]["Properties"]["Statistic"] = "Smallest"


@pytest.fixture(scope="module")
def findings(plain: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Run checkov once over all templates."""
    folder = tmp_path_factory.mktemp("checkov")
    bared = {f"{choice}, bare": bare(template) for choice, template in plain.items()}
    files = {}
    for number, (name, template) in enumerate((plain | bared | {"open reader": faulty(open_reader)}).items()):
        files[name] = folder / f"{number}.json"
        files[name].write_text(json.dumps(template))
    return checked({"written": HOUSE / "template.yaml", **files}, folder)


@pytest.mark.parametrize("choice", CHOICES)
def test_the_translated_template_is_plain_cloudformation(plain: dict[str, dict[str, Any]], choice: str) -> None:
    """Nothing is left in it for a transform to do."""
    text = json.dumps(plain[choice])

    # CloudWatch's own labels, such as ${PROP('Dim.Error')}, are for no transform.
    assert re.findall(r'"(?:Transform|Fn::ForEach|AWS::Serverless::|AWS::Serverless-|&\{)|\$\{[\w:.]+\}', text) == []


def test_the_translated_template_has_each_client_ids_own(plain: dict[str, dict[str, Any]]) -> None:
    """What is looped over is there once for each."""
    looped = {name.replace("&{ClientId}", "") for name in TEMPLATE["Resources"][LOOP][2]}
    wanted = {name + client_id for name in looped for client_id in ("FooTicketsWebsite", "FooTicketsOfflineUpdater")}

    assert wanted - set(plain["defaults"]["Resources"]) == set()


def test_cfn_lint_finds_nothing_in_the_template_as_written() -> None:
    """Neither errors nor warnings nor hints."""
    assert linted((HOUSE / "template.yaml").read_text()) == []


@pytest.mark.parametrize("choice", CHOICES)
def test_cfn_lint_finds_nothing_in_the_template_as_translated(plain: dict[str, dict[str, Any]], choice: str) -> None:
    """Nothing but that what was resolved is not used any more."""
    found = linted(json.dumps(plain[choice], indent=1))

    assert [each for each in found if each.split()[0] not in RESOLVED] == []


@pytest.mark.parametrize("template", ["written", *CHOICES])
def test_checkov_finds_nothing(findings: dict[str, set[str]], template: str) -> None:
    """What does not apply is suppressed at its place, with its reason."""
    assert findings[template] == set()


def test_no_suppression_is_stale(plain: dict[str, dict[str, Any]], findings: dict[str, set[str]]) -> None:
    """Without them, checkov finds what they suppress and nothing else."""
    found = set().union(*(findings[f"{choice}, bare"] for choice in CHOICES))

    assert found == set().union(*(suppressed(template) for template in plain.values()))


def test_nothing_is_suppressed_for_cfn_lint() -> None:
    """It finds nothing, so any suppression would be stale."""
    assert "cfn-lint" not in (HOUSE / "template.yaml").read_text()


def test_checkov_finds_a_wildcard_that_is_planted(findings: dict[str, set[str]]) -> None:
    """It looks at what is made for each client ID."""
    assert "CKV_AWS_110 ReaderFooTicketsWebsite" in findings["open reader"]


def test_cfn_lint_finds_a_fault_that_is_planted() -> None:
    """It looks at what is made for each client ID."""
    found = linted(json.dumps(faulty(misspelt_statistic), indent=1))

    assert [each.split()[0] for each in found if "'Smallest'" in each] == ["E3030"] * 2
