"""The house: which room imports what, what ships, and that the docs say what the code and the template do."""

import ast
import inspect
import json
import re
import sys
import tomllib
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode.cfn_yaml import load
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from local.aws import HOUSE
from local.survival import HEAD, TRIALS
from mx_token_rotator.errors import CredentialsInvalid, RotatorError, fill_command
from mx_token_rotator.refresh import MEMBERS, Due, Kept, Rotator
from mx_token_rotator.tokens import AccessToken
from pictures.wakeups import RESOURCES, wake_ups

ROOMS = HOUSE / "src" / "mx_token_rotator"
TEMPLATE: dict[str, Any] = load(str(HOUSE / "template.yaml"))
PYPROJECT = tomllib.loads((HOUSE / "pyproject.toml").read_text())
WAKES = "What wakes the rotator"
ALL = {"errors", "tokens", "settings", "refresh", "rotation", "deadline", "vault", "moviexchange", "session"}


def imports(room: str) -> set[str]:
    """Read what a room imports when it runs: rooms by their names, others by their top-level packages."""
    tree = ast.parse((ROOMS / f"{room}.py").read_text())
    for_types = {
        id(each)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for each in ast.walk(node)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and id(node) not in for_types:
            names.add(node.module)
    return {name.removeprefix("mx_token_rotator.").split(".")[0] for name in names}


@pytest.mark.parametrize(
    ("room", "of_the_house", "from_outside"),
    [
        ("errors", set(), set()),
        ("tokens", {"errors"}, set()),
        ("settings", {"errors"}, set()),
        ("refresh", {"tokens", "errors"}, set()),
        ("rotation", {"refresh", "tokens", "errors"}, set()),
        ("deadline", set(), set()),
        ("vault", {"tokens", "errors", "deadline"}, {"botocore"}),
        ("moviexchange", {"tokens", "errors", "deadline"}, {"requests", "urllib3"}),
        ("session", set(), {"requests", "urllib3"}),
        ("handler", ALL, {"boto3", "botocore", "aws_lambda_powertools"}),
        ("reader", {"tokens"}, {"boto3", "botocore", "requests"}),
        ("stack", {"deadline", "settings", "vault"}, {"boto3", "botocore"}),
        (
            "__main__",
            {"deadline", "errors", "moviexchange", "session", "settings", "stack", "tokens", "vault"},
            {"boto3", "botocore", "click", "rich"},
        ),
    ],
)
def test_a_room_imports_only_what_it_may(room: str, of_the_house: set[str], from_outside: set[str]) -> None:
    """The table of imports is true."""
    assert imports(room) - set(sys.stdlib_module_names) == of_the_house | from_outside


def test_every_room_is_in_the_table_and_on_the_map() -> None:
    """The package's docstring names each room, in reading order."""
    names = re.findall(r"^(\w+)  +", (ROOMS / "__init__.py").read_text(), re.MULTILINE)

    assert (names[0], set(names)) == ("refresh", {path.stem for path in ROOMS.glob("*.py")} - {"__init__"})


def test_the_operators_rooms_are_short() -> None:
    """They are no product of their own: 250 lines at most."""
    lines = [line for room in ("stack", "__main__") for line in (ROOMS / f"{room}.py").read_text().splitlines()]

    assert len(lines) <= 250


@pytest.mark.parametrize("room", sorted(ALL | {"stack"}))
def test_only_a_door_reads_the_environment_or_the_clock_or_logs(room: str) -> None:
    """Everything else is told."""
    source = (ROOMS / f"{room}.py").read_text()

    assert (imports(room) & {"os", "time", "logging"}, re.findall(r"\.(?:now|utcnow|today)\(", source)) == (set(), [])


def test_the_story_fits_on_one_screen() -> None:
    """A stranger reads refresh() without scrolling."""
    assert len(inspect.getsource(Rotator.refresh).splitlines()) <= 45


def pins(file: str) -> dict[str, str]:
    """Read the exact versions out of a requirements file."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", (HOUSE / file).read_text(), re.MULTILINE))


def wanted(*groups: str) -> list[Requirement]:
    """Read what pyproject.toml asks for in these groups."""
    asked: list[Requirement] = []
    for group in groups:
        for each in PYPROJECT["dependency-groups"][group]:
            asked += wanted(each["include-group"]) if isinstance(each, dict) else [Requirement(each)]
    return asked


@pytest.mark.parametrize(
    ("file", "asked"),
    [
        ("src/requirements.txt", wanted("shipped")),
        ("requirements/dev.txt", wanted("dev")),
        ("requirements/emulator.txt", wanted("emulator")),
        ("requirements/sam.txt", wanted("sam")),
        ("requirements/checkov.txt", wanted("checkov")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_range_has_its_pin(file: str, asked: list[Requirement]) -> None:
    """What pyproject.toml asks for is what the requirements file pins."""
    pinned = pins(file)

    assert [str(each) for each in asked if not each.specifier.contains(pinned[canonicalize_name(each.name)])] == []


def test_the_tests_run_with_what_ships() -> None:
    """A dependency that ships has the same version in both files."""
    assert pins("src/requirements.txt").items() <= pins("requirements/dev.txt").items()


@pytest.mark.parametrize(
    "file",
    [
        "src/requirements.txt",
        *(str(path.relative_to(HOUSE)) for path in sorted((HOUSE / "requirements").glob("*.txt"))),
    ],
)
def test_a_requirements_file_is_hashed_and_names_no_address(file: str) -> None:
    """Each requirement has hashes; where it comes from is the person's own business."""
    lines = [line.strip(" \\") for line in (HOUSE / file).read_text().splitlines()]

    assert [line for line in lines if not re.match(r"[\w.-]+==\S+( ;.*)?$|--hash=sha256:[0-9a-f]{64}$", line)] == []


def test_the_npm_packages_are_hashed_and_name_no_address() -> None:
    """Each package of the lock has its integrity; where it comes from is the person's own business."""
    lock = json.loads((HOUSE / "requirements" / "node" / "package-lock.json").read_text())
    packages = [package for path, package in lock["packages"].items() if path]

    assert [package for package in packages if "integrity" not in package or "resolved" in package] == []


def table(document: str, heading: str) -> dict[str, list[str]]:
    """Read a table of the docs: under the first cell of each row, the other cells."""
    text = (HOUSE / "docs" / document).read_text().split(f"# {heading}\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:2] == "| "]
    return {row[0].strip("` "): row[1:] for row in rows[2:]}


def test_each_error_has_its_line_in_the_docs() -> None:
    """The docs list every error with who must act, and its remedy word for word."""
    errors = [error for error in RotatorError.__subclasses__() if not error.__name__.startswith("_")]
    said = {error.__name__: [error.who, error.remedy.replace("{secret}", "SECRET")] for error in errors}

    assert table("operating.md", "Errors") == said


def test_each_parameter_has_its_line_in_the_docs() -> None:
    """The docs list every parameter of the template with its default."""
    said = {name: row[0].strip("`") for name, row in table("operating.md", "Parameters").items()}

    assert said == {
        name: str(parameter.get("Default", "required")) or "empty" for name, parameter in TEMPLATE["Parameters"].items()
    }


def test_each_alarm_has_its_line_in_the_docs() -> None:
    """The docs list every alarm of the template by its logical id, with the metric that it listens to."""
    resources = {name: each for name, each in TEMPLATE["Resources"].items() if isinstance(each, dict)}
    looped = TEMPLATE["Resources"]["Fn::ForEach::ClientId"][2]
    alarms = {
        name.replace("&{ClientId}", "…"): each["Properties"]["MetricName"]
        for name, each in (resources | looped).items()
        if each["Type"] == "AWS::CloudWatch::Alarm"
    }

    assert {name: row[0].strip("`") for name, row in table("operating.md", "Alarms").items()} == alarms


def test_each_wake_up_has_its_line_in_the_docs() -> None:
    """The docs list by what the template has the function woken, what is matched and sent; people come last."""
    said = {name: [cell.replace("`", "") for cell in row] for name, row in table("operating.md", WAKES).items()}
    wakes = {name.replace("&{ClientId}", "…"): list(astuple(each)) for name, each in wake_ups(RESOURCES).items()}

    assert list(said.items()) == [*wakes.items(), ("by hand", ["a person", "none", "none", "[a request](#requests)"])]


def test_each_outcome_has_its_line_in_the_docs() -> None:
    """The docs list every reason under its outcome, and what may stand before one."""
    text = (HOUSE / "docs" / "operating.md").read_text().split("# Outcomes\n")[1].split("\n## ")[0]
    said = re.findall(r"^\| (\S+) \| `([^`]+)` \|", text, re.MULTILINE)

    assert said == [
        *(("`refreshed`", each.value) for each in Due),
        *(("`kept`", each.value) for each in Kept),
        ("`kept`", "dry run: …"),
        ("either", "refresh grant: …"),
    ]


def test_each_metric_has_its_line_in_the_docs() -> None:
    """The docs list every metric that the function emits, with its dimensions."""
    calls = [each for each in ast.walk(ast.parse((ROOMS / "handler.py").read_text())) if isinstance(each, ast.Call)]
    emitted = {
        str(ast.literal_eval(call.args[0])): [str(each.arg) for each in call.keywords]
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "count"
    }
    said = {name: re.findall(r"`(\w+)`", row[0]) for name, row in table("operating.md", "Metrics").items()}

    assert said == emitted


def test_each_member_of_a_request_has_its_line_in_the_docs() -> None:
    """The docs list what a person may ask for."""
    assert list(table("operating.md", "Requests")) == list(MEMBERS)


def test_each_member_of_a_token_secret_has_its_use_in_the_docs() -> None:
    """Whoever writes an application finds all of them."""
    said = " ".join(table("reading-tokens.md", "Reading tokens"))

    assert set(re.findall(r"\w+", said)) >= {each.name for each in fields(AccessToken)}


def test_the_readme_shows_a_token_secret_as_it_is() -> None:
    """Member by member, in the order in which they are written."""
    (shown,) = re.findall(r'^\{\n  "access_token.*?^\}$', (HOUSE / "README.md").read_text(), re.MULTILINE | re.DOTALL)

    assert list(json.loads(shown)) == [each.name for each in fields(AccessToken)]


def test_each_folder_of_code_is_in_the_house_in_ten_lines() -> None:
    """The list names them all, and has ten lines."""
    text = (HOUSE / "CONTRIBUTING.md").read_text().split("## The house in ten lines\n")[1].split("\n## ")[0]
    folders = {path.parent.name for path in HOUSE.glob("*/__init__.py")} | {"src/mx_token_rotator"}

    assert (folders - set(re.findall(r"`([\w/]+)`", text)), len(re.findall(r"^- ", text, re.MULTILINE))) == (set(), 10)


@pytest.mark.parametrize("folder", ["simulation", "pictures"])
def test_every_module_is_on_the_map_of_its_folder(folder: str) -> None:
    """The package's docstring names each, and no other."""
    names = re.findall(r"^(\w+)  +", (HOUSE / folder / "__init__.py").read_text(), re.MULTILINE)

    assert sorted(names) == sorted({path.stem for path in (HOUSE / folder).glob("*.py")} - {"__init__"})


def test_each_fault_has_its_row_in_the_docs() -> None:
    """What `make faults` throws is what its table tells of, each with all its cells."""
    said = {name: len(row) for name, row in table("faults.md", "What each fault does").items()}

    assert said == dict.fromkeys(TRIALS, len(HEAD) - 1)


def test_no_healthy_gap_between_ticks_rings_the_alarm() -> None:
    """The longest time from one tick to the next that the parameters allow is shorter than the alarm's period."""
    parameters = TEMPLATE["Parameters"]
    allowed = re.compile(parameters["CheckEvery"]["AllowedPattern"])
    longest = max(minutes for minutes in range(2, 1000) if allowed.fullmatch(f"rate({minutes} minutes)"))
    alarm = TEMPLATE["Resources"]["Fn::ForEach::ClientId"][2]["Freshness&{ClientId}"]["Properties"]

    assert (longest + parameters["CheckWindowMinutes"]["MaxValue"]) * 60 < alarm["Period"]


def test_the_output_that_fills_the_credentials_is_the_remedy_of_the_error() -> None:
    """One command, said by the stack and by the error."""
    output = TEMPLATE["Outputs"]["FillCredentials"]["Value"]["Fn::Sub"]

    assert output == fill_command("${SecretPrefix}/${Environment}/credentials")


def test_the_remedy_of_empty_credentials_names_their_secret() -> None:
    """The command can be run as it stands."""
    assert (
        fill_command("moviexchange/staging/credentials")
        in CredentialsInvalid("x", "moviexchange/staging/credentials").remedy
    )


@pytest.mark.parametrize(
    "path", sorted([*HOUSE.glob("*.md"), *(HOUSE / "docs").glob("*.md")]), ids=lambda path: path.name
)
def test_each_link_of_the_docs_leads_somewhere(path: Path) -> None:
    """A link to a file of the house names one that is there."""
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text())

    assert [link for link in links if not (path.parent / link).exists()] == []


def anchors(path: Path) -> set[str]:
    """Give the anchors that a code host makes of a document's headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "path", sorted([*HOUSE.glob("*.md"), *(HOUSE / "docs").glob("*.md")]), ids=lambda path: path.name
)
def test_each_anchor_in_a_link_of_the_docs_is_a_heading(path: Path) -> None:
    """A link into a document leads to its place."""
    links = re.findall(r"\]\(([^)#:]*)#([^)]+)\)", path.read_text())

    assert [(file, to) for file, to in links if to not in anchors(path.parent / file if file else path)] == []


def test_each_promise_of_security_names_tests_that_are_there() -> None:
    """A promise is as good as what keeps it."""
    promises = table("security.md", "What is promised")
    named = {
        promise: [
            (file, name)
            for part in row[-1].split("; ")
            for file in re.findall(r"\(\.\./tests/(\w+\.py)\)", part)
            for name in re.findall(r"`(test_\w+)`", part)
        ]
        for promise, row in promises.items()
    }

    assert {promise: tests for promise, tests in named.items() if not tests or not all(map(is_test, tests))} == {}


def is_test(where: tuple[str, str]) -> bool:
    """Tell whether a file of the tests has a test of this name."""
    file, name = where
    return re.search(rf"^def {name}\(", (HOUSE / "tests" / file).read_text(), re.MULTILINE) is not None


def test_each_target_of_make_that_is_named_is_there() -> None:
    """The docs and the code name none that was renamed or never made."""
    texts, sources = ("*.md", "docs/*.md"), ("local/*.py", "simulation/*.py", "pictures/*.py", "bench/*.py")
    places = [path for pattern in texts + sources for path in HOUSE.glob(pattern)]
    named = {name for path in places for name in re.findall(r"(?:`|^|by )make (\w+)", path.read_text(), re.MULTILINE)}
    targets = set(re.findall(r"^(\w+):", (HOUSE / "Makefile").read_text(), re.MULTILINE))

    assert named - targets == set()


def test_the_code_hosts_workflow_calls_make_test_and_nothing_else() -> None:
    """What is checked there is what anybody can check."""
    workflow = load(str(HOUSE / ".github" / "workflows" / "test.yml"))
    steps = workflow["jobs"]["test"]["steps"]

    assert [step["run"] for step in steps if "run" in step] == ["make test"]


def test_nothing_listens_beyond_loopback() -> None:
    """Servers of the house are for this machine alone."""
    sources = [*(HOUSE / "local").glob("*.py"), *(HOUSE / "bench").glob("*.py"), *(HOUSE / "tests").glob("*.py")]
    everywhere = ".".join(["0"] * 4)

    assert [path.name for path in sources if everywhere in path.read_text()] == []
