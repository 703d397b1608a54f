"""mx_token_rotator_operator as a package of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from flit_core import buildapi  # type: ignore[import-untyped]  # it has no types

from mx_token_rotator_operator.__main__ import main
from tools.local.aws import PROJECT

FOLDER = PROJECT / "src" / "operator"


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Build the wheel, and return its files by their names."""
    monkeypatch.chdir(FOLDER)
    with ZipFile(tmp_path / buildapi.build_wheel(str(tmp_path))) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def file(wheel: dict[str, str], name: str) -> str:
    """Return the one file of this name, in whatever folder."""
    (text,) = (text for path, text in wheel.items() if Path(path).name == name)
    return text


def test_the_wheel_has_the_command(wheel: dict[str, str]) -> None:
    """It is on the PATH of whoever installs it."""
    assert "mx-token-rotator=mx_token_rotator_operator.__main__:main" in file(wheel, "entry_points.txt")


def test_the_wheel_is_typed(wheel: dict[str, str]) -> None:
    """For type checkers of whoever imports it."""
    assert file(wheel, "py.typed") == ""


def test_the_wheel_says_what_it_is(wheel: dict[str, str]) -> None:
    """Its licence, the Python that it needs, and its README."""
    metadata = file(wheel, "METADATA")

    assert (metadata.count("License-Expression: Apache-2.0"), metadata.count("Requires-Python: >=3.11")) == (1, 1)


def test_the_readme_names_each_command() -> None:
    """And no other."""
    first_cells = re.findall(r"^\| (`.*?) \|", (FOLDER / "README.md").read_text(), re.MULTILINE)

    assert {name for cell in first_cells for name in re.findall(r"`([a-z-]+)", cell)} == main.commands.keys()


def test_the_readme_fits_the_screen() -> None:
    """Whoever wants more finds it in the docs."""
    assert len((FOLDER / "README.md").read_text().splitlines()) <= 40


def test_the_command_needs_nothing_of_the_function() -> None:
    """Nor of the project."""
    environment = os.environ | {"PYTHONPATH": str(FOLDER)}
    command = [sys.executable, "-P", "-m", "mx_token_rotator_operator", "--help"]

    assert subprocess.run(command, env=environment, check=False, stdout=subprocess.DEVNULL).returncode == 0  # noqa: S603  our own command
