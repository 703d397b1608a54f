"""A function behind the real Lambda runtime API, without Docker.

The runtime interface emulator ships in SAM CLI's package; the runtime's own client, awslambdaric, is in MiniStack's
environment, which has what the Lambda runtime has and nothing else of ours. Both run on Linux only.
"""

import json
import os
import platform
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from tools.local.aws import KEY, PROJECT, REGION
from tools.local.stack import eventually

HANDLER = "mx_token_rotator.handler.handler"
ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64"}

WITH_ITS_PARENT = ("setpriv", "--pdeathsig", "KILL")
"""Starts a command that the kernel kills when the thread that started it ends, for whatever reason (prctl(2))."""


class Context:
    """What Lambda passes to a function about its invocation."""

    function_name = "mx-token-rotator"
    function_version = "$LATEST"
    memory_limit_in_mb = 1769
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:mx-token-rotator"
    aws_request_id = "8f5e1a3c"
    seconds_left = 60.0

    def get_remaining_time_in_millis(self) -> int:
        """Return the time that is left."""
        return int(self.seconds_left * 1000)


@dataclass(frozen=True)
class LambdaRuntime:
    """One execution environment; it starts cold with the first invocation."""

    address: str
    log: Path
    pid: int
    """Of the emulator, whose child the function is."""

    def invoke(self, request: object) -> Any:  # noqa: ANN401  whatever the function returns
        """Invoke the function, and return its result or the runtime's error answer."""
        invocation = Request(
            f"http://{self.address}/2015-03-31/functions/function/invocations", data=json.dumps(request).encode()
        )
        with urlopen(invocation, timeout=90) as answer:  # noqa: S310  the emulator's own address
            return json.loads(answer.read())

    def printed(self) -> str:
        """Return all output: the function's stdout and stderr, and the emulator's lines about each request.

        Among those are durations (`INIT REPORT`, `REPORT`), and the cause of an error that goes to X-Ray.
        """
        return self.log.read_text(errors="backslashreplace")


@contextmanager
def lambda_runtime(package: Path, variables: Mapping[str, str], *, handler: str = HANDLER) -> Iterator[LambdaRuntime]:
    """Run a package's handler with these environment variables; however this ends, all that it started ends too."""
    with ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="mx-token-rotator-")))
        address, api = (f"127.0.0.1:{ends.enter_context(reserved_port())}" for _ in range(2))
        log = folder / "printed.log"
        python = PROJECT / ".venv-emulator" / "bin" / "python"
        child = subprocess.Popen(  # noqa: S603  our own command
            [
                *(*WITH_ITS_PARENT, str(emulator()), "--log-level", "debug"),
                *("--runtime-interface-emulator-address", address, "--runtime-api-address", api),
                *(*WITH_ITS_PARENT, str(python), "-m", "awslambdaric", handler),
            ],
            cwd=package,
            env=environment(package) | dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=ends.enter_context(log.open("wb")),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        ends.callback(child.wait)
        ends.callback(child.kill)
        eventually(lambda: is_taken(address))
        yield LambdaRuntime(address, log, child.pid)


def environment(package: Path) -> dict[str, str]:
    """Return what Lambda sets for the function of `template.yaml`, besides the function's own variables."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LAMBDA_TASK_ROOT": str(package),
        "AWS_LAMBDA_FUNCTION_NAME": "mx-token-rotator",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "60",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": KEY,
        "PYTHONDONTWRITEBYTECODE": "1",  # a package on Lambda cannot be written to
    }


def emulator() -> Path:
    """Find the emulator for this machine."""
    rapid = "lib/python*/site-packages/samcli/local/rapid"
    (binary,) = (PROJECT / ".venv-sam").glob(f"{rapid}/aws-lambda-rie-{ARCHITECTURES[platform.machine()]}")
    return binary


@contextmanager
def reserved_port() -> Iterator[int]:
    """Reserve a free loopback port: the system hands it to nobody else, and who knows its number can listen there.

    Linux lets a socket with SO_REUSEADDR listen where another one with it does not (socket(7)), and Go's sockets have
    it. The emulator takes port 0 too, but then tells the runtime to call at port 0.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def is_taken(address: str) -> bool:
    """Tell whether a server accepts connections at this address."""
    host, _, port = address.rpartition(":")
    with suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
        return True
    return False
