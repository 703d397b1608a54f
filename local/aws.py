"""AWS on a laptop: MiniStack as a child process, and the real SAM CLI pointed at it."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import boto3

HOUSE = Path(__file__).parent.parent
REGION = "eu-west-1"
KEY = "test"  # MiniStack takes any, and enforces no IAM
SERVICES = "cloudformation,cloudwatch,events,iam,kms,lambda,logs,monitoring,s3,scheduler,secretsmanager,sns,sqs,ssm,sts"


class CommandFailed(Exception):  # noqa: N818  the name says what is wrong
    """A command ended with another status than 0; bears what it printed."""


class LocalAws:
    """An emulated AWS account: its endpoint, and a session whose clients use it."""

    def __init__(self, port: int, folder: Path) -> None:
        """Take MiniStack's port, and a folder that is removed with it."""
        self.endpoint = f"http://127.0.0.1:{port}"
        self.folder = folder
        self._profile = folder / "credentials"
        self._profile.write_text(f"[default]\naws_access_key_id = {KEY}\naws_secret_access_key = {KEY}\n")

    @cached_property
    def session(self) -> boto3.Session:
        """The session of somebody who may do anything."""
        return boto3.Session(aws_access_key_id=KEY, aws_secret_access_key=KEY, region_name=REGION)

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs in its environment to use this account, and nothing of the person's own account."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_"))}
        return inherited | {
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": str(self._profile),
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
            "SAM_CLI_TELEMETRY": "0",
            "TMPDIR": str(self.folder),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        }

    def sam(self, *arguments: str) -> str:
        """Run the SAM CLI in the house and give what it printed. Raises CommandFailed."""
        command = [str(HOUSE / ".venv-sam" / "bin" / "sam"), *arguments]
        done = subprocess.run(  # noqa: S603  our own command
            command, cwd=HOUSE, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise CommandFailed(f"sam {arguments[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr


@contextmanager
def local_aws() -> Iterator[LocalAws]:
    """Run MiniStack on a free port of loopback; however this ends, it and all that it started end too."""
    with tempfile.TemporaryDirectory(prefix="mx-token-rotator-") as name, socket.socket() as listener:
        folder = Path(name)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with (folder / "ministack.log").open("wb") as log:
            child = subprocess.Popen(  # noqa: S603  our own command
                [
                    str(HOUSE / ".venv-emulator" / "bin" / "python"),
                    str(HOUSE / "local" / "ministack_child.py"),
                    str(listener.fileno()),
                ],
                env={
                    "PATH": os.environ.get("PATH", os.defpath),
                    "HOME": name,
                    "TMPDIR": name,
                    "GATEWAY_PORT": str(port),
                    "IOT_MTLS_ENABLED": "0",
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
