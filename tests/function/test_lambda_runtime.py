"""The function behind the Lambda runtime API: it answers, its output can be read, and it leaves nothing behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tools.local.aws import PROJECT
from tools.local.lambda_runtime import LambdaRuntime, lambda_runtime
from tools.local.stack import eventually

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the runtime interface emulator and the runtime's client run on Linux only"
)

SLEEPER = """
import sys, time

def handler(event, context):
    print("here", flush=True)
    print("there", file=sys.stderr, flush=True)
    time.sleep(event["seconds"])
    return {"left": context.get_remaining_time_in_millis() > 0}
"""
RUN = """
import sys
from pathlib import Path
from tools.local.lambda_runtime import lambda_runtime
with lambda_runtime(Path(sys.argv[1]), {"MARK": sys.argv[1]}, handler="sleeper.handler") as runtime:
    print("started", flush=True)
    runtime.invoke({"seconds": 60})
"""


@pytest.fixture
def sleeper(tmp_path: Path) -> Path:
    """Make a package whose function takes as long as the request says."""
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    return tmp_path


@pytest.fixture
def runtime(sleeper: Path) -> Iterator[LambdaRuntime]:
    """Run it."""
    with lambda_runtime(sleeper, {"MARK": str(sleeper)}, handler="sleeper.handler") as running:
        yield running


def processes_with(mark: Path) -> list[str]:
    """List the processes that have this mark in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"MARK={mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append(process.name)
    return found


def test_an_invocation_returns_what_the_function_returns(runtime: LambdaRuntime) -> None:
    """The function sees a time-out that is not over."""
    assert runtime.invoke({"seconds": 0}) == {"left": True}


@pytest.mark.parametrize("line", ["here", "there", "INIT REPORT(durationMs: ", "REPORT RequestId: "])
def test_what_is_printed_can_be_read(runtime: LambdaRuntime, line: str) -> None:
    """Standard output, standard error, and what the emulator measures."""
    runtime.invoke({"seconds": 0})

    assert line in runtime.printed()


def test_nothing_is_written_into_the_package(runtime: LambdaRuntime, sleeper: Path) -> None:
    """A package that ran is a package that can be deployed."""
    runtime.invoke({"seconds": 0})

    assert [path.name for path in sleeper.iterdir()] == ["sleeper.py"]


def test_emulator_and_runtime_end_with_their_context(sleeper: Path) -> None:
    """Leaving it is enough."""
    with lambda_runtime(sleeper, {"MARK": str(sleeper)}, handler="sleeper.handler") as running:
        running.invoke({"seconds": 0})
        while_it_runs = len(processes_with(sleeper))

    assert (while_it_runs, eventually(lambda: processes_with(sleeper) == [])) == (2, True)


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_emulator_and_runtime_end_with_the_process_that_started_them(kill: signal.Signals, sleeper: Path) -> None:
    """However that one ends, and with an invocation under way."""
    command = [sys.executable, "-c", RUN, str(sleeper)]
    with subprocess.Popen(  # noqa: S603  our own
        command,
        cwd=PROJECT,
        env=os.environ | {"TMPDIR": str(sleeper)},  # who is killed does not tidy up
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        eventually(lambda: len(processes_with(sleeper)) == 2)
        parent.send_signal(kill)

    assert eventually(lambda: processes_with(sleeper) == [])
