"""An emulated AWS account on this machine: MiniStack as a child process, and the real SAM CLI pointed at it."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import boto3

PROJECT = Path(__file__).parents[2]
REGION = "eu-west-1"
KEY = "test"  # MiniStack accepts any, and enforces no IAM
SERVICES = (
    "cloudformation,cloudtrail,cloudwatch,events,iam,kms,lambda,logs,monitoring,s3,scheduler,secretsmanager,"
    "sns,sqs,ssm,sts"
)
SAM = PROJECT / ".venv-sam" / "bin" / "sam"


class CommandFailed(Exception):  # noqa: N818  the name says what happened
    """A command ended with another status than 0; the message has what it printed."""


class LocalAws:
    """An emulated AWS account: its endpoint, and a session whose clients use it."""

    def __init__(self, port: int, folder: Path) -> None:
        """Use MiniStack on this port, and a folder that is removed with it."""
        self.endpoint = f"http://127.0.0.1:{port}"
        self.folder = folder
        self._profile = folder / "credentials"
        self._lock, self._clients = Lock(), dict[str, Any]()
        self._profile.write_text(f"[default]\naws_access_key_id = {KEY}\naws_secret_access_key = {KEY}\n")

    @cached_property
    def session(self) -> boto3.Session:
        """The session of an administrator."""
        return boto3.Session(aws_access_key_id=KEY, aws_secret_access_key=KEY, region_name=REGION)

    def client(self, service: Any) -> Any:  # noqa: ANN401  boto3 makes its clients at run time
        """Return the administrator's client of a service, which is made once and may be shared by threads."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self.session.client(service, endpoint_url=self.endpoint)
        return self._clients[service]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a command that uses this account, with nothing of the person's own account in it."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_"))}
        return inherited | {
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": str(self._profile),
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
            "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_POLL_DELAY": "0.1",  # instead of 5 s: MiniStack has deployed by then
            "TMPDIR": str(self.folder),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        }

    def sam(self, *arguments: str, folder: Path = PROJECT) -> str:
        """Run the SAM CLI in a checkout and return what it printed. Raises CommandFailed."""
        done = subprocess.run(  # noqa: S603  our own command
            [str(SAM), *arguments], cwd=folder, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise CommandFailed(f"sam {arguments[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr


@contextmanager
def local_aws(port: int = 0) -> Iterator[LocalAws]:
    """Run MiniStack on loopback; however this ends, MiniStack and everything that it started end too.

    Without a port, one that is free is used. Raises OSError if the port cannot be had.
    """
    with tempfile.TemporaryDirectory(prefix="mx-token-rotator-") as name, socket.socket() as listener:
        folder = Path(name)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that have ended do not count
        listener.bind(("127.0.0.1", port))
        listener.listen()
        port = listener.getsockname()[1]
        with (folder / "ministack.log").open("wb") as log:
            child = subprocess.Popen(  # noqa: S603  our own command
                [
                    str(PROJECT / ".venv-emulator" / "bin" / "python"),
                    str(Path(__file__).with_name("ministack_child.py")),
                    str(listener.fileno()),
                ],
                env={
                    "PATH": os.environ.get("PATH", os.defpath),
                    "HOME": name,
                    "TMPDIR": name,
                    "GATEWAY_PORT": str(port),
                    "IOT_MTLS_ENABLED": "0",
                    "CLOUDTRAIL_RECORDING": "1",
                    "SERVICES": SERVICES,
                    "PYTHONDONTWRITEBYTECODE": "1",
                },
                pass_fds=[listener.fileno()],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        listener.close()
        try:
            yield LocalAws(port, folder)
        finally:
            # The child ends itself and its functions when this pipe closes.
            child.communicate()
