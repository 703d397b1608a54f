"""Tries the tests on mutants of the function, and fails if too many survive; arguments are the modules to try."""

import ast
import shutil
import subprocess
import sys
import tomllib
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

from mutmut.configuration import reset_config
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code
from mutmut.utils.format_utils import orig_function_and_class_names_from_key
from rich.console import Console
from rich.table import Table

PROJECT = Path(__file__).parents[2]
EXPLAINED = Path(__file__).with_name("explained.toml")
TESTS = {
    "events": ["events"],
    "tokens": ["tokens", "moviexchange"],
    "moviexchange": ["moviexchange", "token_answers"],
    "secrets_manager": ["secrets_manager", "kms"],
    "refresh": ["decisions", "refresh", "guard", "handler"],
}
"""The files of tests/function that are about a module."""
LEAST = 95.0  # percent
# moto answers as MiniStack and roto do, in this process; a process of its own does not find the mutants. The profile
# makes Hypothesis's examples the same each time. What lasts fifteen times as long as its tests and 20 s does not end.
CONFIGURATION = """[mutmut]
source_paths = src
only_mutate = {source}
also_copy = tools
pytest_add_cli_args =
    -p
    no:cacheprovider
    -k
    not ministack and not roto and not importing
    --hypothesis-profile=ci
    --timeout=0
pytest_add_cli_args_test_selection =
    {tests}
timeout_constant = 20
use_git_change_detection = false
"""
Change = tuple[str, str, str]  # the module, and the changed lines before and after


@dataclass(frozen=True)
class Survivor:
    """A mutant that no test killed: what was changed, on which line, and what mutmut says of it."""

    change: Change
    line: int
    status: str

    def __str__(self) -> str:
        """Show it as a diff."""
        module, before, after = self.change
        lines = [f"  - {line}" for line in before.splitlines()] + [f"  + {line}" for line in after.splitlines()]
        return "\n".join([f"src/function/mx_token_rotator/{module}.py:{self.line} ({self.status})", *lines])


def run(module: str) -> tuple[int, list[Survivor]]:
    """Try all mutants of a module, and return how many there are, and those that no test killed."""
    folder, source = PROJECT / ".mutants" / module, Path("src", "mx_token_rotator", f"{module}.py")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # mutmut names a module by its path, so `src` has to be the folder that is imported from.
    for name, target in {
        "src": "src/function",
        **{each: each for each in ("tests", "tools", "pyproject.toml")},
    }.items():
        (folder / name).symlink_to(PROJECT / target)
    tests = "\n    ".join(f"tests/function/test_{name}.py" for name in TESTS[module])
    (folder / "setup.cfg").write_text(CONFIGURATION.format(source=source, tests=tests), encoding="utf-8")
    with (folder / "log").open("w", encoding="utf-8") as log:
        done = subprocess.run([sys.executable, "-m", "mutmut", "run"], cwd=folder, stdout=log, stderr=log, check=False)
    with chdir(folder):
        reset_config()
        data = SourceFileMutationData(path=source)
        data.load()
        statuses = {name: status_by_exit_code[code] for name, code in data.exit_code_by_key.items()}
        if done.returncode or not statuses or "not checked" in statuses.values():
            sys.exit(f"mutmut could not try {module}: see {folder / 'log'}")
        alive = [survivor(module, source, name, status) for name, status in statuses.items() if status != "killed"]
    return len(statuses), sorted(alive, key=lambda each: each.line)


def survivor(module: str, source: Path, name: str, status: str) -> Survivor:
    """Describe a mutant by its diff."""
    diff = get_diff_for_mutant(name, path=source).splitlines()[2:]
    before, after = ("\n".join(line[1:].strip() for line in diff if line[0] == sign) for sign in "-+")
    text = source.read_text(encoding="utf-8")
    lines, first = enumerate(text.splitlines(), 1), begins(text, *orig_function_and_class_names_from_key(name))
    line = next(number for number, line in lines if number >= first and line.strip() == before.split("\n")[0])
    return Survivor((module, before, after), line, status)


def begins(text: str, name: str, of: str | None) -> int:
    """Return the line on which a function begins, or a method of a class."""
    body = ast.parse(text).body
    scope = next(each.body for each in body if isinstance(each, ast.ClassDef) and each.name == of) if of else body
    return next(each.lineno for each in scope if isinstance(each, ast.FunctionDef) and each.name == name)


def explained() -> set[Change]:
    """Read which mutants no test has to kill."""
    listed = tomllib.loads(EXPLAINED.read_text(encoding="utf-8"))["mutants"]
    return {(each["module"], each["before"], after) for each in listed for after in each["after"]}


def main(modules: list[str]) -> int:
    """Try these modules, or all, print what survived, and return the exit status."""
    if unknown := sorted(set(modules) - TESTS.keys()):
        sys.exit(f"{', '.join(unknown)}: not one of {', '.join(TESTS)}")
    console, known = Console(highlight=False, markup=False, soft_wrap=True), explained()
    table, faults = Table(*("module", "mutants", "killed", "explained", "not killed", "percent")), []
    for module in modules or TESTS:
        console.print(f"Trying the mutants of {module}")
        total, alive = run(module)
        missing = [each for each in alive if each.change not in known]
        percent = 100 * (total - len(alive)) / (total - len(alive) + len(missing))
        counts = (total, total - len(alive), len(alive) - len(missing), len(missing), f"{percent:.1f}")
        table.add_row(module, *map(str, counts))
        for each in missing:
            console.print(str(each))
        if percent < LEAST:
            faults.append(f"Less than {LEAST:g} percent of the mutants of {module} were killed: tests are missing")
        faults += [
            f"{EXPLAINED.name} has a mutant of {module} that is killed or gone. Remove it there: {change[2]}"
            for change in sorted(known - {each.change for each in alive})
            if change[0] == module
        ]
    console.print(table, *faults, sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
