"""`make stand-in` serves an account whose credentials are in a file."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tools.local.aws import PROJECT
from tools.local.mx import TOKEN_PATH


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_credentials_in_the_file_are_accepted_until_it_is_interrupted(tmp_path: Path, end: signal.Signals) -> None:
    """Nobody else can read the file, and it goes with the account."""
    file = tmp_path / "stand-in.json"
    command = [sys.executable, "-m", "tools.contract.stand_in", str(file)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as serving:  # noqa: S603  our own
        assert serving.stdout
        url = serving.stdout.readline().split()[0]
        form = json.loads(file.read_text()) | {"grant_type": "password", "client_id": "_Website"}
        status, mode = requests.post(url + TOKEN_PATH, data=form, timeout=10).status_code, file.stat().st_mode & 0o777
        serving.send_signal(end)

    assert (status, mode, serving.returncode, file.exists()) == (200, 0o600, 0, False)
