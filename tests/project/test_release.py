"""What `make release` writes: files, digests, wheels, and a template that needs no SAM."""

import json
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from cfnlint.decode.cfn_yaml import load, loads

from tests.project.test_scanners import linted
from tests.project.test_structure import VERSION
from tests.release import make_release
from tools.local.aws import PROJECT
from tools.local.translated import translated
from tools.release import with_links

SOURCE: dict[str, Any] = load(str(PROJECT / "template.yaml"))
WHEELS = {
    "moviexchange_auth": f"moviexchange_auth-{VERSION}-py3-none-any.whl",
    "mx_token_rotator_operator": f"mx_token_rotator_operator-{VERSION}-py3-none-any.whl",
}
CODE_HOST = "https://github.com/example/mx-token-rotator"
BODY_BYTES = 51_200
"""Of a template that is sent with the request; a longer one must be in S3 (CloudFormation's quota)."""
DESCRIPTION_CHARACTERS = 1024
"""Of an alarm (CloudWatch's PutMetricAlarm)."""
LONGER_HOST = 100
"""By so many characters the address of a company's code host may be longer than the one here."""


def template(release: Path) -> dict[str, Any]:
    """Read the released template, as JSON has it."""
    read: dict[str, Any] = json.loads(json.dumps(load(str(release / "template.yaml"))))
    return read


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of each file of a folder."""
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.is_file()}


def test_a_release_has_all_that_a_company_needs(release: Path) -> None:
    """And nothing else, so that all of the folder can be published."""
    assert {path.name for path in release.iterdir()} == {
        "SHA256SUMS",
        "function.zip",
        "mx-token-rotator.cdx.json",
        "template.yaml",
        *WHEELS.values(),
    }


def test_the_digests_are_those_of_every_other_file(release: Path) -> None:
    """In the format of sha256sum."""
    listed = re.findall(r"^(\w{64})  (\S+)$", (release / "SHA256SUMS").read_text(), re.MULTILINE)
    others = {name: digest for name, digest in digests(release).items() if name != "SHA256SUMS"}

    assert {name: digest for digest, name in listed} == others


def test_another_clone_makes_the_same_release(release: Path, tmp_path: Path) -> None:
    """Neither the folder nor the time nor the modes of its files are in it."""
    assert digests(make_release(tmp_path / "another" / "name", umask=0o077)) == digests(release)


# The template


@pytest.mark.parametrize(
    "parameters",
    [
        {"ClientIds": "_Website"},
        {"ClientIds": "Web:Foo Tickets (Web)", "Environment": "sandbox", "AWS::Region": "cn-north-1"},
    ],
    ids=["one stack", "another"],
)
def test_the_template_is_what_sam_makes_of_the_source(release: Path, parameters: dict[str, str]) -> None:
    """Whatever the stack: CloudFormation does the rest."""
    written = json.loads(json.dumps(SOURCE))
    written["Parameters"] = template(release)["Parameters"]
    written["Resources"]["Function"]["Properties"]["CodeUri"] = {
        "Bucket": {"Ref": "CodeBucket"},
        "Key": {"Ref": "CodeKey"},
    }
    code = {"CodeBucket": "my-bucket", "CodeKey": "my/key.zip"}

    assert template(release) == translated(written, parameters | code)


@pytest.mark.parametrize("section", ["Parameters", "Conditions", "Resources", "Outputs"])
def test_the_template_has_everything_of_the_source(release: Path, section: str) -> None:
    """Only the function is another, and the parameters of its code are new."""
    source = json.loads(json.dumps(SOURCE))[section]
    source.pop("Function", None)

    assert {name: template(release)[section].get(name) for name in source} == source


def test_the_template_asks_for_the_code(release: Path) -> None:
    """Where it is has no default, so that nobody deploys another's."""
    added = {name: each for name, each in template(release)["Parameters"].items() if name not in SOURCE["Parameters"]}

    assert {name: "Default" in each for name, each in added.items()} == {"CodeBucket": False, "CodeKey": False}


def test_the_template_keeps_its_comments(release: Path) -> None:
    """Its reviewers read the reasons."""
    source = (PROJECT / "template.yaml").read_text()
    comments = re.findall(r"^ *# .+$", re.sub(r"(?m)^  Function:\n(?: {4}.*\n)+", "", source), re.MULTILINE)

    assert [each for each in comments if each not in (release / "template.yaml").read_text()] == []


def test_the_template_is_short_enough_to_be_sent_as_it_is(release: Path) -> None:
    """`aws cloudformation deploy` asks for a bucket otherwise."""
    assert (release / "template.yaml").stat().st_size <= BODY_BYTES


def test_cfn_lint_finds_nothing_in_the_template(release: Path) -> None:
    """Neither errors nor warnings nor hints."""
    assert linted((release / "template.yaml").read_text()) == []


# Links to the docs


def descriptions(text: str) -> dict[str, str]:
    """Return the description of each alarm of a template."""
    alarms = {name: each for name, each in loads(text)["Resources"].items() if each["Type"] == "AWS::CloudWatch::Alarm"}
    return {name: str(each["Properties"]["AlarmDescription"]["Fn::Sub"]) for name, each in alarms.items()}


@pytest.fixture
def linked(release: Path) -> dict[str, str]:
    """Return the description of each alarm as a release with a code host has it."""
    return descriptions(with_links((release / "template.yaml").read_text(), CODE_HOST, "1.2.3"))


def test_each_alarm_links_to_the_docs_of_its_version(linked: dict[str, str]) -> None:
    """If the code host is known."""
    page = f"{CODE_HOST}/blob/v1.2.3/docs/operating.md"

    assert {name: text.count(page) for name, text in linked.items()} == dict.fromkeys(linked, 1)


def test_make_passes_on_the_code_host() -> None:
    """As the workflow names it. Make only prints what it would run."""
    made = ["--old-file", ".venv/made-from.txt", "--old-file", ".venv-sam/made-from.txt"]
    command = ["make", "--no-print-directory", "--dry-run", *made, "release", f"REPOSITORY={CODE_HOST}"]
    printed = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout  # noqa: S603  our own

    assert printed.splitlines()[-1].split()[-2:] == ["tools.release", CODE_HOST]


def test_the_alarms_name_the_page_if_nobody_knows_the_code_host(release: Path) -> None:
    """As in the source."""
    source = (PROJECT / "template.yaml").read_text()

    assert descriptions((release / "template.yaml").read_text()) == descriptions(source)


def test_each_alarm_fits_into_a_description(linked: dict[str, str]) -> None:
    """With the longest prefix, the longest names and a long address."""
    longest = {"SecretPrefix": 80, "Environment": 10, "AWS::StackName": 64}
    filled = {
        name: re.sub(r"\$\{([\w:]+)\}", lambda found: "x" * longest.get(found[1], 20), text)
        for name, text in linked.items()
    }

    assert {name: len(text) for name, text in filled.items() if len(text) > DESCRIPTION_CHARACTERS - LONGER_HOST} == {}


# The wheels


@pytest.mark.parametrize("module", WHEELS)
def test_a_wheel_has_its_licence(release: Path, module: str) -> None:
    """Whoever passes it on must pass that on, too."""
    with ZipFile(release / WHEELS[module]) as wheel:
        (licence,) = (each for each in wheel.namelist() if each.endswith("/LICENSE"))
        text = wheel.read(licence)

    assert text == (PROJECT / "LICENSE").read_bytes()


@pytest.mark.parametrize("module", WHEELS)
def test_a_wheel_installs_what_is_in_the_source(release: Path, module: str, tmp_path: Path) -> None:
    """Every module of the package, and the marker of its types."""
    (source,) = (path.parent for path in (PROJECT / "src").glob(f"*/{module}/__init__.py"))
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile"]
    subprocess.run([*install, "--target", str(tmp_path), str(release / WHEELS[module])], check=True)  # noqa: S603  our own

    assert digests(tmp_path / module) == digests(source)
