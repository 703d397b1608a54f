"""The mutants that no test has to kill; `make mutants` sees whether they survive."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]
EXPLAINED = tomllib.loads((PROJECT / "tools" / "mutants" / "explained.toml").read_text(encoding="utf-8"))["mutants"]


@pytest.mark.parametrize("mutant", EXPLAINED, ids=lambda mutant: mutant["before"])
def test_an_explained_mutant_is_of_a_line_that_is_there(mutant: dict[str, Any]) -> None:
    """Whoever changes the line sees it here, long before `make mutants` does."""
    source = PROJECT / "src" / "function" / "mx_token_rotator" / f"{mutant['module']}.py"

    lines = "\n".join(line.strip() for line in source.read_text(encoding="utf-8").splitlines())
    assert mutant["before"] in lines
