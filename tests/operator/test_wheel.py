"""mx_token_rotator_operator as a package of its own."""

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from flit_core import buildapi  # type: ignore[import-untyped]  # it has no types

from tools.local.aws import PROJECT

FOLDER = PROJECT / "src" / "operator"


def test_the_wheel_has_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is on the PATH of whoever installs it."""
    monkeypatch.chdir(FOLDER)
    with ZipFile(tmp_path / buildapi.build_wheel(str(tmp_path))) as wheel:
        (name,) = (each for each in wheel.namelist() if each.endswith("/entry_points.txt"))
        text = wheel.read(name).decode()

    assert "mx-token-rotator=mx_token_rotator_operator.__main__:main" in text


def test_the_command_needs_nothing_of_the_function() -> None:
    """Nor of the project."""
    environment = os.environ | {"PYTHONPATH": str(FOLDER)}
    command = [sys.executable, "-P", "-m", "mx_token_rotator_operator", "--help"]

    assert subprocess.run(command, env=environment, check=False, stdout=subprocess.DEVNULL).returncode == 0  # noqa: S603  our own command
