"""The project's structure: what imports what, how large the function is, what is pinned, and the version."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.project.test_docs import rows
from tools.local.aws import PROJECT

FUNCTION = PROJECT / "src" / "function" / "mx_token_rotator"
OPERATOR = PROJECT / "src" / "operator" / "mx_token_rotator_operator"
MODULES = {path.stem: path for path in FUNCTION.glob("[!_]*.py")}
OTHERS = sorted([*(PROJECT / "src" / "reader").rglob("*.py"), *(PROJECT / "src" / "operator").rglob("*.py")])
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())
VERSION = PYPROJECT["project"]["version"]
REQUIREMENTS = [
    "src/function/requirements.txt",
    *(f"requirements/{each.name}" for each in (PROJECT / "requirements").glob("*.txt")),
]


def imports(path: Path) -> set[str]:
    """Return what a module imports: the function's modules by their own names, others by their packages."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "mx_token_rotator":
            names |= {alias.name for alias in node.names if alias.name in MODULES}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module))
    return {name.removeprefix("mx_token_rotator.").split(".")[0] for name in names}


def documented_imports() -> dict[str, set[str]]:
    """Read the table of imports from the architecture page."""
    table = {}
    for name, _, ours, outside in rows("module"):
        listed = set(re.findall(r"\w+", ours.replace("all but", "")))
        if ours.startswith("all but"):
            listed = MODULES.keys() - listed - {name}
        table[name] = listed | set(re.findall(r"\w+", outside))
    return table


def test_the_documented_imports_are_those_of_the_code() -> None:
    """The table has every module of the function, and what each imports."""
    assert documented_imports() == {
        name: imports(path) - set(sys.stdlib_module_names) for name, path in MODULES.items()
    }


def test_no_module_of_the_function_imports_itself_in_a_circle() -> None:
    """The table begins with the entry point, and each module imports only what stands below it."""
    names = [name for name, *_ in rows("module")]

    assert [
        (name, other) for place, name in enumerate(names) for other in imports(MODULES[name]) & set(names[:place])
    ] == []


def test_the_function_is_small() -> None:
    """All of its lines count, docstrings and blank ones included."""
    assert sum(len(path.read_text().splitlines()) for path in FUNCTION.rglob("*.py")) <= 1250


def test_the_operators_tool_is_small() -> None:
    """All of its lines count, docstrings and blank ones included; no module has more than 300."""
    lines = [len(path.read_text().splitlines()) for path in OPERATOR.rglob("*.py")]

    assert (sum(lines) <= 1100, max(lines) <= 300) == (True, True)


@pytest.mark.parametrize("path", [*FUNCTION.rglob("*.py")], ids=lambda path: path.stem)
def test_every_module_and_class_of_the_function_is_small(path: Path) -> None:
    """A module has at most 250 lines, a class 150."""
    source = path.read_text()
    classes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)]
    longest = max([int(node.end_lineno or 0) - node.lineno + 1 for node in classes], default=0)

    assert (len(source.splitlines()) <= 250, longest <= 150) == (True, True)


@pytest.mark.parametrize("name", sorted(MODULES.keys() - {"handler"}))
def test_only_the_handler_reads_the_environment_or_the_clock_or_logs(name: str) -> None:
    """Everything else is passed what it needs."""
    source = MODULES[name].read_text()
    powers = {"os", "time", "logging", "aws_lambda_powertools", "signal"}

    assert (imports(MODULES[name]) & powers, re.findall(r"\.(?:now|utcnow|today|environ)\b|\bprint\(", source)) == (
        set(),
        [],
    )


@pytest.mark.parametrize("path", [*FUNCTION.rglob("*.py")], ids=lambda path: path.stem)
def test_the_function_has_no_threads(path: Path) -> None:
    """A signal ends what waits too long."""
    assert imports(path) & {"threading", "concurrent", "asyncio", "multiprocessing", "queue", "subprocess"} == set()


@pytest.mark.parametrize("path", [*FUNCTION.rglob("*.py")], ids=lambda path: path.stem)
def test_the_function_subclasses_nobodys_classes_but_exceptions(path: Path) -> None:
    """Classes of http.client, urllib3 and requests are used as they are."""
    classes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]

    assert {ast.unparse(base) for node in classes for base in node.bases} <= {
        "BaseException",
        "Exception",
        "RotatorError",
    }


def test_importing_the_handler_loads_no_requests() -> None:
    """It takes a third of a second, and most runs send nothing."""
    code = "import mx_token_rotator.handler, sys; sys.exit(bool({'requests'} & set(sys.modules)))"
    environment = {"PYTHONPATH": str(FUNCTION.parent), "AWS_DEFAULT_REGION": "eu-west-1"}

    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0  # noqa: S603  our own command


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_reader_and_the_operators_tool_import_nothing_of_the_function(path: Path) -> None:
    """They are installed where it is not."""
    assert re.findall(r"\bmx_token_rotator\b(?!_operator)[ .]", path.read_text().partition('"""\n')[2]) == []


def pins(file: str) -> dict[str, str]:
    """Read the exact versions in a requirements file."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", (PROJECT / file).read_text(), re.MULTILINE))


def wanted(*groups: str) -> list[Requirement]:
    """Read what pyproject.toml asks for in these groups."""
    asked: list[Requirement] = []
    for group in groups:
        for each in PYPROJECT["dependency-groups"][group]:
            asked += wanted(each["include-group"]) if isinstance(each, dict) else [Requirement(each)]
    return asked


GROUPS = {"src/function/requirements.txt": "shipped"} | {
    f"requirements/{name}.txt": name for name in ("dev", "local", "emulator", "sam", "checkov", "audit")
}


def test_every_requirements_file_has_its_group() -> None:
    """`make lock` writes them all."""
    assert sorted(GROUPS) == sorted(REQUIREMENTS)


@pytest.mark.parametrize("file", GROUPS)
def test_each_range_has_its_pin(file: str) -> None:
    """The requirements file pins what pyproject.toml asks for."""
    pinned = pins(file)

    assert [
        str(each)
        for each in wanted(GROUPS[file])
        if not each.specifier.contains(pinned.get(canonicalize_name(each.name), "0"))
    ] == []


@pytest.mark.parametrize("file", ["src/function/requirements.txt", "requirements/local.txt"])
def test_the_tests_run_with_what_is_used(file: str) -> None:
    """A dependency that ships, or that the demo uses, has the same version there."""
    assert pins(file).items() <= pins("requirements/dev.txt").items()


@pytest.mark.parametrize("file", REQUIREMENTS)
def test_a_requirements_file_has_hashes_and_no_address(file: str) -> None:
    """Where packages come from is everybody's own choice."""
    lines = [line.strip(" \\") for line in (PROJECT / file).read_text().splitlines()]

    assert [line for line in lines if not re.match(r"[\w.-]+==\S+( ;.*)?$|--hash=sha256:[0-9a-f]{64}$", line)] == []


@pytest.mark.parametrize("folder", ["node", "cdk", "reading"])
def test_the_npm_packages_have_hashes_and_no_address(folder: str) -> None:
    """Each package of the lock file has its integrity, or is in the bundle of one that has."""
    lock = json.loads((PROJECT / "requirements" / folder / "package-lock.json").read_text())
    packages = [package for path, package in lock["packages"].items() if path and not package.get("inBundle")]

    assert [package for package in packages if "integrity" not in package or "resolved" in package] == []


@pytest.mark.parametrize(
    ("file", "pattern"),
    [
        ("src/function/mx_token_rotator/__init__.py", r'^__version__ = "(.+)"$'),
        ("src/reader/pyproject.toml", r'^version = "(.+)"$'),
        ("src/operator/pyproject.toml", r'^version = "(.+)"$'),
        ("template.yaml", r"^  Version: .* Value: (.+) }$"),
        ("src/operator/mx_token_rotator_operator/__init__.py", r'^__version__ = "(.+)"$'),
        ("CHANGELOG.md", r"^## (.+)$"),
    ],
)
def test_every_file_has_the_same_version(file: str, pattern: str) -> None:
    """The changelog begins with it."""
    assert re.findall(pattern, (PROJECT / file).read_text(), re.MULTILINE)[0] == VERSION


@pytest.mark.parametrize("folder", ["simulation", "diagrams", "contract", "bench"])
def test_every_module_of_a_tool_is_on_its_map(folder: str) -> None:
    """The package's docstring names each, and no other."""
    package = PROJECT / "tools" / folder
    names = re.findall(r"^(\w+)  +", (package / "__init__.py").read_text(), re.MULTILINE)

    assert sorted(names) == sorted({path.stem for path in package.glob("*.py")} - {"__init__"})


def test_nothing_listens_beyond_loopback() -> None:
    """Servers of the project are for this machine alone."""
    everywhere = ".".join(["0"] * 4)
    sources = [*(PROJECT / "tools").rglob("*.py"), *(PROJECT / "tests").rglob("*.py")]

    assert [path.name for path in sources if everywhere in path.read_text()] == []
