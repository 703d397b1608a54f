"""The recipes in TypeScript: their types, and the tests of the one that is complete."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.reader.recipes import NODE, NODE_MODULES, copy
from tools.local.aws import PROJECT

TESTS = sorted((PROJECT / "tests" / "reader").glob("*.test.ts"))
OPTIONS = {
    "erasableSyntaxOnly": "true",
    "allowImportingTsExtensions": "true",
    "module": "nodenext",
    "noEmit": "true",
    "skipLibCheck": "true",
    "strict": "true",
    "target": "esnext",
    "types": "node,aws-lambda",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the recipes and the tests into a folder."""
    folder = tmp_path_factory.mktemp("typescript")
    copy(folder, {})
    for file in TESTS:
        (folder / file.name).write_text(file.read_text())
    return folder


def node(folder: Path, *arguments: str) -> str:
    """Run Node.js in a folder, and return what it printed."""
    return subprocess.run(  # noqa: S603  our own command
        [NODE, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    ).stdout


def test_the_compiler_finds_no_error(folder: Path) -> None:
    """With strict types, and nothing but syntax that Node.js strips by itself."""
    options = [part for name, value in OPTIONS.items() for part in (f"--{name}", value)]
    files = sorted(each.name for each in folder.glob("*.ts"))

    assert node(folder, str(NODE_MODULES / "typescript" / "bin" / "tsc"), *options, *files) == ""


@pytest.fixture(scope="module")
def passed(folder: Path) -> set[str]:
    """Run the tests, and return the names of those that passed."""
    printed = node(folder, "--test", "--test-force-exit", "--test-reporter", "tap", *(each.name for each in TESTS))
    return set(re.findall(r"^ok \d+ - (.+)$", printed, re.MULTILINE))


NAMES = re.findall(r'^test\("(.+?)"', (PROJECT / "tests" / "reader" / "moviexchange.test.ts").read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
def test_with_the_complete_recipe(passed: set[str], name: str) -> None:
    """The tests are written in TypeScript too."""
    assert name in passed


@pytest.mark.parametrize("file", ["lambda_edge.mjs", "with_middy.ts", "with_powertools.ts", "with_sdk.mjs"])
def test_a_short_recipe_keeps_a_token_for_five_minutes(passed: set[str], file: str) -> None:
    """And no longer."""
    assert f"{file} keeps a token for five minutes" in passed
