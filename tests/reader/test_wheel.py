"""moviexchange_auth as a package of its own."""

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from flit_core import buildapi  # type: ignore[import-untyped]  # it has no types

from tools.local.aws import PROJECT

FOLDER = PROJECT / "src" / "reader"


def test_the_wheel_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Type checkers of applications look for the marker."""
    monkeypatch.chdir(FOLDER)
    with ZipFile(tmp_path / buildapi.build_wheel(str(tmp_path))) as wheel:
        files = [name for name in wheel.namelist() if ".dist-info/" not in name]

    assert files == ["moviexchange_auth/__init__.py", "moviexchange_auth/py.typed"]


def test_the_reader_needs_nothing_of_the_function() -> None:
    """Nor of the project."""
    environment = os.environ | {"PYTHONPATH": str(FOLDER)}
    command = [sys.executable, "-P", "-c", "import moviexchange_auth"]

    assert subprocess.run(command, env=environment, check=False).returncode == 0  # noqa: S603  our own command
