"""The docs: their tables say what the code and the template do, and their links lead somewhere."""

import ast
import json
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cfnlint.decode.cfn_yaml import load

from mx_token_rotator.errors import RotatorError, Unexpected
from mx_token_rotator.refresh import outcome
from mx_token_rotator.settings import HOSTS
from mx_token_rotator.tokens import AccessToken, Published
from tools.local.aws import PROJECT
from tools.local.survival import HEAD, TRIALS

TEMPLATE: dict[str, Any] = load(str(PROJECT / "template.yaml"))
FUNCTION = PROJECT / "src" / "function" / "mx_token_rotator"
OPERATING = (PROJECT / "docs" / "operating.md").read_text()
CONTRIBUTING = (PROJECT / "CONTRIBUTING.md").read_text()
PAGES = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md")])


def rows(head: str) -> list[list[str]]:
    """Return the rows of the table of the docs whose head begins so, without backquotes around the first cells."""
    (table,) = (
        found
        for page in PAGES
        for found in re.findall(
            rf"^\| {re.escape(head)} \|.*\n\| ---.*\n((?:\| .*\n)+)", page.read_text(), re.MULTILINE
        )
    )
    cells = [[cell.strip() for cell in re.split(r"(?<= )\|(?= )", line[1:-1])] for line in table.splitlines()]
    return [[first.strip("`"), *others] for first, *others in cells]


def literals(path: Path) -> set[str]:
    """Return every text in a module's code."""
    return {
        node.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_each_error_is_documented_with_who_must_act_and_how() -> None:
    """The remedy is there word for word."""
    assert [[name, who, remedy] for name, _, who, remedy in rows("error")] == [
        [error.__name__, error.who, error.remedy] for error in RotatorError.__subclasses__()
    ]


def test_each_parameter_is_documented_with_its_default() -> None:
    """In the order in which `sam deploy --guided` asks."""
    assert [[name, default.strip("`")] for name, default, _ in rows("parameter")] == [
        [name, str(parameter.get("Default", "required"))] for name, parameter in TEMPLATE["Parameters"].items()
    ]


def test_each_alarm_is_documented_with_its_metric() -> None:
    """By its logical id."""
    alarms = {name: each for name, each in TEMPLATE["Resources"].items() if each["Type"] == "AWS::CloudWatch::Alarm"}

    assert {name: metric.strip("`") for name, metric, *_ in rows("alarm")} == {
        name: each["Properties"]["MetricName"] for name, each in alarms.items()
    }


def test_each_metric_is_documented_with_its_dimensions() -> None:
    """Some have more than one set of them."""
    calls = [each for each in ast.walk(ast.parse((FUNCTION / "handler.py").read_text())) if isinstance(each, ast.Call)]
    emitted = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "count"]

    assert {
        (name, tuple(re.findall(r"\w+", each)))
        for name, dimensions, _ in rows("metric")
        for each in dimensions.split(";")
    } == {(ast.literal_eval(call.args[0]), tuple(str(each.arg) for each in call.keywords)) for call in emitted}


REASONS = {
    "refreshed": [
        "first",
        "unreadable",
        "credentials changed",
        "expiring",
        "forced",
        "rejected",
        "credentials accepted",
    ],
    "kept": [
        "fresh",
        "too young",
        "already replaced",
        "still accepted",
        "same token",
        "postponed",
        "credentials accepted",
    ],
}


def test_each_reason_is_documented_under_its_outcome() -> None:
    """A failure's reason is its error."""
    said = [(outcome, reason.strip("`")) for outcome, reason, _ in rows("outcome")]

    assert said == [
        *((outcome, reason) for outcome, reasons in REASONS.items() for reason in reasons),
        ("kept", "dry run: …"),
        ("failed", "the [error](#errors)"),
    ]


def test_each_documented_reason_is_one_of_the_codes() -> None:
    """A reason that was renamed has another text there."""
    assert {each for reasons in REASONS.values() for each in reasons} - literals(FUNCTION / "refresh.py") == set()


def test_each_member_of_a_request_is_documented() -> None:
    """And nothing else is understood."""
    names = [name for name, _ in rows("member | meaning")]

    assert (names, literals(FUNCTION / "events.py") >= {*names}) == (
        ["client_id", "force", "dry_run", "credentials_version"],
        True,
    )


def test_each_member_of_a_token_secret_has_its_use() -> None:
    """Whoever writes an application finds all of them."""
    said = " ".join(first for first, *_ in rows("member | use"))

    assert set(re.findall(r"\w+", said)) == {each.name for each in fields(AccessToken)}


def test_the_readme_shows_a_token_secret_as_it_is() -> None:
    """Member by member, in the order in which they are written."""
    shown = re.findall(r'^\{\n  "access_token.*?^\}$', (PROJECT / "README.md").read_text(), re.MULTILINE | re.DOTALL)

    assert [list(json.loads(each)) for each in shown] == [[each.name for each in fields(AccessToken)]]


def test_each_host_that_is_called_is_listed_for_a_firewall() -> None:
    """With its environment; the function calls no other one by itself."""
    listed = {(host, environment.strip("`")) for host, environment, _ in rows("host")}

    assert {(host, environment) for host, environment in listed if "moviexchange" in host or "vista" in host} == {
        (urlsplit(url).netloc, environment) for environment, urls in HOSTS.items() for url in urls if url
    }


def test_the_log_query_prints_members_of_an_outcome() -> None:
    """Time, client ID, error, owner and remedy; the other members are of Lambda's own lines."""
    (query,) = re.findall(r"^`errors.query`\n\n```\n(.*?)```$", OPERATING, re.MULTILINE | re.DOTALL)
    said = outcome("_Website", Published(), "failed", Unexpected("x"))
    of_lambda = {"errorType", "errorMessage"}
    words = set(re.findall(r"\w+", query.replace("ispresent", "").replace("coalesce", ""))) - of_lambda

    assert {"client_id", "reason", "error", "who", "remedy", "outcome"} == words & said.keys()


@pytest.mark.parametrize(
    ("table", "sentence"),
    [("a stack", "A stack costs {} US dollars a month"), ("each client ID", "{} for each client ID")],
)
def test_the_readme_names_the_costs_of_the_performance_page(table: str, sentence: str) -> None:
    """The last row of each table is the sum."""
    (_, total) = rows(table)[-1]

    assert sentence.format(total.strip("*")) in (PROJECT / "README.md").read_text()


@pytest.mark.parametrize("table", ["a stack", "each client ID"])
def test_the_sum_of_the_costs_is_theirs(table: str) -> None:
    """Where a cost is a range, the sum is within the range that follows."""
    *parts, total = [[float(each) for each in re.findall(r"\d+\.\d\d", cost)] for _, cost in rows(table)]

    assert sum(map(min, parts)) - 0.005 <= total[0] <= sum(map(max, parts)) + 0.005


def test_each_fault_has_its_row() -> None:
    """`make faults` tries them all, and fills every cell."""
    assert {name: len(cells) for name, *cells in rows("fault")} == dict.fromkeys(TRIALS, len(HEAD) - 1)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_each_link_leads_somewhere(page: Path) -> None:
    """A link to a file of the project names one that exists."""
    links = re.findall(r"\]\((?!https?:|mailto:)([^)#]+)(?:#[^)]*)?\)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


def anchors(page: Path) -> set[str]:
    """Return the anchors that a code host makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_each_anchor_of_a_link_is_a_heading(page: Path) -> None:
    """A link into a page leads to its place."""
    links = re.findall(r"\]\((?!https?:|mailto:)([^)#]*)#([^)]+)\)", page.read_text())

    assert [(file, to) for file, to in links if to not in anchors(page.parent / file if file else page)] == []


def test_the_decisions_are_in_their_table_of_contents() -> None:
    """Each under its heading, in the order of the page."""
    page = (PROJECT / "docs" / "internals" / "decisions.md").read_text()
    contents, records = page.split("\n## ", 1)

    assert re.findall(r"\[([^\]]+)\]\(#", contents) == re.findall(r"^## (.+)$", f"## {records}", re.MULTILINE)


def test_each_decision_has_its_context_choice_and_consequences() -> None:
    """Each in one paragraph."""
    records = (PROJECT / "docs" / "internals" / "decisions.md").read_text().split("\n## ")[1:]
    parts = {each.splitlines()[0]: tuple(re.findall(r"^\*\*(\w+)\.\*\* ", each, re.MULTILINE)) for each in records}

    assert parts == dict.fromkeys(parts, ("Context", "Choice", "Consequences"))


def test_each_target_of_make_that_is_named_exists() -> None:
    """The docs and the code name none that was renamed or never made."""
    code = [*(PROJECT / "tools").rglob("*.py"), *(PROJECT / "src").rglob("*.py")]
    places = [*PAGES, *code, PROJECT / "template.yaml"]
    named = [
        re.findall(r"(?:`|^|by |and )make ((?:[a-z]+)(?: [a-z]+)*)(?=`|$)", each.read_text(), re.MULTILINE)
        for each in places
    ]
    targets = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))

    assert {target for found in named for each in found for target in each.split()} - targets == set()


def test_each_statement_of_the_security_page_names_a_folder_of_tests() -> None:
    """A statement is as good as what checks it."""
    folders = re.findall(r"\]\(\.\./(tests/\w+)\)", "".join(cells[-1] for cells in rows("statement")))

    assert (len(folders), {each for each in folders if not (PROJECT / each).is_dir()}) == (
        len(rows("statement")),
        set(),
    )


def test_every_folder_is_on_the_map_of_contributing() -> None:
    """And no other."""
    named = {name for first, _ in rows("path") for name in re.findall(r"[\w./]+/", first)}
    parents = ("src", "tests", "tools")
    folders = {f"{each.parent.name}/{each.name}/" for parent in parents for each in (PROJECT / parent).glob("[!_.]*/")}
    others = {"docs/", "events/", "examples/", "requirements/"}

    assert named == {name for name in folders if any((PROJECT / name).rglob("*.py"))} | others


def test_each_file_that_contributing_leads_to_exists() -> None:
    """Whoever wants to change something finds its place."""
    named = [name for _, place in rows("to change") for name in re.findall(r"`([\w.]+(?:/[\w.]+)*)`", place)]

    assert [name for name in named if "/" in name and not (PROJECT / name).exists()] == []


def test_each_member_of_a_case_of_an_odd_server_is_explained() -> None:
    """CONTRIBUTING has those that the cases have."""
    cases = json.loads((PROJECT / "tests" / "cases" / "token-answers.json").read_text())["cases"]

    assert {name for name, _ in rows("member of a case")} == {member for case in cases for member in case}


def test_each_command_that_runs_tests_names_some() -> None:
    """CONTRIBUTING is read before the code."""
    named = re.findall(r"^\.venv/bin/python -m pytest (\S+)", CONTRIBUTING, re.MULTILINE)

    assert {name: (PROJECT / name).exists() for name in named} == dict.fromkeys(named, True)


@pytest.mark.parametrize("command", re.findall(r"^\.venv/bin/python (-m pytest .+ -k .+)$", CONTRIBUTING, re.MULTILINE))
def test_a_command_that_chooses_tests_finds_some(command: str) -> None:
    """The words of `-k` are an expression."""
    collect = [sys.executable, *shlex.split(command), "--collect-only", "--quiet", "-p", "no:cacheprovider"]

    assert subprocess.run(collect, cwd=PROJECT, capture_output=True, check=False).returncode == 0  # noqa: S603  our own
