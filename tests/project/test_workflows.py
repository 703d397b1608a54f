"""The code host's workflows: what they run, with which permissions, and by which versions of others' actions."""

import re
from typing import Any

import pytest
import yaml

from tools.local.aws import PROJECT

FOLDER = PROJECT / ".github" / "workflows"
WORKFLOWS: dict[str, dict[str, Any]] = {path.stem: yaml.safe_load(path.read_text()) for path in FOLDER.glob("*.yml")}
USES = [line for path in sorted(FOLDER.glob("*.yml")) for line in re.findall(r"uses: (.+)", path.read_text())]
OF_OTHERS = [line for line in USES if not line.startswith("./")]


def steps(workflow: str, job: str) -> list[dict[str, Any]]:
    """Return the steps of a job."""
    found: list[dict[str, Any]] = WORKFLOWS[workflow]["jobs"][job]["steps"]
    return found


def commands(workflow: str, job: str) -> list[str]:
    """Return what a job runs besides actions."""
    return [step["run"] for step in steps(workflow, job) if "run" in step]


@pytest.mark.parametrize("line", OF_OTHERS)
def test_each_action_is_pinned_by_the_digest_of_its_commit(line: str) -> None:
    """A tag can be moved. The version in the comment is for those who read it."""
    assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)


def test_each_action_has_one_version() -> None:
    """The same in every workflow."""
    pins = {tuple(line.split("@")) for line in OF_OTHERS}

    assert len(pins) == len({action for action, _ in pins})


def test_the_tests_are_make_test_and_nothing_else() -> None:
    """Anybody can run what is checked there."""
    assert commands("test", "test") == ["make test"]


def test_known_vulnerabilities_are_looked_for_every_week_and_in_pull_requests() -> None:
    """Anybody can run that, too. YAML 1.1 reads the key `on` as true."""
    audit: dict[Any, Any] = WORKFLOWS["audit"]

    assert (commands("audit", "audit"), {*audit[True]}) == (["make audit"], {"schedule", "pull_request"})


def test_a_release_is_tested_built_and_published_in_this_order() -> None:
    """Each job waits for the one before."""
    jobs = WORKFLOWS["release"]["jobs"]

    assert [(name, job.get("needs")) for name, job in jobs.items()] == [
        ("test", None),
        ("build", "test"),
        ("publish", "build"),
    ]


def test_a_release_is_what_make_release_writes() -> None:
    """So anybody can build the same."""
    assert [each for each in commands("release", "build") if each.startswith("make ")] == [
        'make release REPOSITORY="$GITHUB_SERVER_URL/$GITHUB_REPOSITORY"'
    ]


def test_every_file_of_a_release_is_attested_before_it_is_published() -> None:
    """The last step publishes them."""
    *_, attest, publish = steps("release", "publish")

    assert (attest["uses"].partition("@")[0], attest["with"], publish["run"].split()[-1]) == (
        "actions/attest-build-provenance",
        {"subject-path": "dist/*"},
        "dist/*",
    )


def test_only_the_job_that_publishes_may_write() -> None:
    """It runs nothing of the project, nor of its dependencies."""
    jobs = {f"{name}: {job}": each for name, flow in WORKFLOWS.items() for job, each in flow["jobs"].items()}
    writing = {name for name, job in jobs.items() if "write" in job.get("permissions", {}).values()}

    assert ({flow["permissions"]["contents"] for flow in WORKFLOWS.values()}, writing) == (
        {"read"},
        {"release: publish"},
    )


def test_the_job_that_publishes_runs_no_code_of_the_project() -> None:
    """It has no checkout, and publishes what it got."""
    used = [re.split("[@ ]", step.get("uses") or step["run"])[0] for step in steps("release", "publish")]

    assert used == ["actions/download-artifact", "actions/attest-build-provenance", "gh"]


def test_no_command_has_text_of_the_code_host_in_it() -> None:
    """A tag's name would be run; a variable is only read."""
    texts = [path.read_text() for path in FOLDER.glob("*.yml")]

    assert [line for text in texts for line in re.findall(r"run: .*\$\{\{.*", text)] == []
