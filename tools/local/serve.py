"""The stack, an emulated AWS and movieXchange's stand-in on this machine until Ctrl-C; `make local` runs this.

The stack has default settings, but for `AuthUrl` and `ApiUrl`, which name the stand-in.
"""

import argparse
import json
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from threading import Event

from botocore.exceptions import ClientError
from rich.console import Console

from tools.local.aws import KEY, PROJECT, REGION, SAM, local_aws
from tools.local.demo import StepFailed, finish, run
from tools.local.metrics import Metrics
from tools.local.mx import CHAINS_PATH, MovieXchangeStandIn
from tools.local.stack import WEBSITE, Stack, build
from tools.local.switch import SwitchedHandler

AGE = timedelta(hours=1)
METRICS_EVERY = 2.0  # seconds
PORTS = range(1024, 65535)

TEXT = """
AWS:          {aws}
movieXchange: {mx} (a stand-in, which serves Vista's OCAPI, too)

The stack {stack} has default settings, except that AuthUrl and ApiUrl name the stand-in.
The stand-in and the credentials were made up for this run. Programs that the commands need are in {programs}.

To begin, paste this into another terminal:
{begin}

Read a token:
{read}

Call movieXchange's API with the token, as an application does:
{call}

Check the stack. One thing is wrong: nobody is told of alarms.
{doctor}

Revoke the token, and call again: the application reports it, and has another one within seconds.
{revoke}

Mistype the password, see who must act, and put the right one back:
{mistype}

Have movieXchange fail: list its faults, begin one, see what it does, and end it.
{faults}

The tokens were stored as if issued an hour ago, so that a report replaces them; one that is younger than 15 minutes
is kept (MinTokenAgeSeconds). After the mistyped password the alarm ActionRequired rings for half an hour.
docs/faults.md says what comes of each fault.

To try an application of your own, run it in that terminal. It needs the secret {secret}
and movieXchange's address above. The package moviexchange-auth adds headers to HTTPS requests alone, and this is HTTP:
send those of TokenSource("{secret}").token().headers() yourself.

To try the README's deployment, follow it in that terminal, which has sam, too, beside the stack above: answer another
Stack Name, another SecretPrefix (which replaces moviexchange in the names of secrets), and movieXchange's address above
as AuthUrl and ApiUrl. The credentials to store are in
{credentials}.

Press Ctrl-C here to end everything.
"""


@dataclass(frozen=True)
class Guide:
    """What can be tried: each command, for a shell in which the first ones were pasted."""

    stack: Stack
    mx: MovieXchangeStandIn

    @property
    def secret(self) -> str:
        """The name of the secret with the token that is shown."""
        return self.stack.token_secret(WEBSITE)

    @cached_property
    def programs(self) -> Path:
        """A folder with the programs that the commands need and that a person may not have."""
        folder = self.stack.aws.folder / "bin"
        folder.mkdir()
        python = [sys.executable, "-m"]
        for name, path, command in (
            ("aws", "", [*python, "awscli"]),
            ("mx-token-rotator", "src/operator", [*python, "mx_token_rotator_operator"]),
            ("call-api", "", [*python, "tools.local.application", self.secret, f"{self.mx.url}{CHAINS_PATH}"]),
            ("sam", "", ["SAM_CLI_TELEMETRY=0", str(SAM)]),
        ):
            script = folder / name
            words = ["env", f"PYTHONPATH={PROJECT / path}", *command]
            script.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
            script.chmod(0o700)
        return folder

    def file(self, name: str, **other: str) -> str:
        """Write credentials to a file that only its owner can read, and return the AWS CLI's address of it."""
        path = self.stack.aws.folder / name
        path.touch(mode=0o600)
        path.write_text(json.dumps(self.mx.credentials(**other)))
        return shlex.quote(f"file://{path}")

    def commands(self) -> dict[str, Sequence[str]]:
        """Return the commands by what they are for."""
        put = f"aws secretsmanager put-secret-value --secret-id {self.stack.credentials_secret} --secret-string"
        return {
            "begin": [
                "unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
                f"export AWS_ENDPOINT_URL={self.stack.aws.endpoint} AWS_REGION={REGION} AWS_DEFAULT_REGION={REGION}",
                f"export AWS_ACCESS_KEY_ID={KEY} AWS_SECRET_ACCESS_KEY={KEY} AWS_PAGER=",
                f'export PATH="$PATH":{shlex.quote(str(self.programs))}',
            ],
            "read": [
                f"aws secretsmanager get-secret-value --secret-id {self.secret} --query SecretString --output text"
            ],
            "call": ["call-api"],
            "doctor": ["mx-token-rotator doctor"],
            "revoke": [f"curl --request DELETE {self.mx.url}/tokens/{WEBSITE}", "call-api"],
            "mistype": [
                f"{put} {self.file('mistyped.json', password='mistyped')}",  # noqa: S106  a wrong one
                f"mx-token-rotator check {WEBSITE}",
                f"{put} {self.file('credentials.json')}",
            ],
            "faults": [
                f"curl {self.mx.url}/faults",
                f"curl --request PUT {self.mx.url}/faults/token-service/down",
                f"mx-token-rotator check {WEBSITE}",
                f"curl --request DELETE {self.mx.url}/faults",
            ],
        }

    def __str__(self) -> str:
        """Return it in words."""
        commands = {name: "\n".join(f"    {command}" for command in each) for name, each in self.commands().items()}
        return TEXT.format(
            aws=self.stack.aws.endpoint,
            mx=self.mx.url,
            stack=self.stack.name,
            programs=self.programs,
            secret=self.secret,
            credentials=self.file("credentials.json"),
            **commands,
        )


def start(resources: ExitStack, port: int) -> Guide:
    """Start AWS and movieXchange, at this port and the next or else at free ones. Raises StepFailed."""
    try:
        aws = resources.enter_context(local_aws(port))
        stand_in = MovieXchangeStandIn(port=port and port + 1, handler=SwitchedHandler)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise StepFailed(f"The ports {port} and {port + 1} cannot be used: {why}. Name others with PORT=") from None
    mx = resources.enter_context(stand_in)
    return Guide(Stack(aws, {"AuthUrl": mx.url, "ApiUrl": mx.url}), mx)


def deploy(stack: Stack) -> str:
    """Build and deploy the stack."""
    build()
    stack.deploy()
    return f"sam deploy made the stack for two client IDs: {', '.join(stack.names)}."


def fill(stack: Stack, credentials: dict[str, str]) -> str:
    """Fill the credentials, and have the tokens be an hour old, so that a report replaces them."""
    stack.replace_credentials(credentials)
    stack.wait_until_idle()
    for name in stack.names:
        stack.age(name, AGE)
    stack.invoke({})
    return "The credentials are filled, and the tokens published."


def serve(console: Console, port: int) -> None:
    """Start everything, say what can be tried, and wait for Ctrl-C. Leave nothing behind."""
    with ExitStack() as resources:
        guide = start(resources, port)
        run(console, "Deploying the stack", lambda: deploy(guide.stack))
        run(console, "Filling the credentials", lambda: fill(guide.stack, guide.mx.credentials()))
        metrics = Metrics(guide.stack)
        metrics.take()
        console.print(str(guide), highlight=False, markup=False, soft_wrap=True)
        with suppress(KeyboardInterrupt):
            while not Event().wait(METRICS_EVERY):
                with suppress(ClientError):  # the stack may have been removed
                    metrics.take()


def port_number(text: str) -> int:
    """Read a port; the next one must exist too. Raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) not in PORTS:
        raise argparse.ArgumentTypeError(f"{text} is not a number from {PORTS[0]} to {PORTS[-1]}")
    return int(text)


def main(arguments: Sequence[str]) -> int:
    """Serve; return the exit status."""
    parser = argparse.ArgumentParser(prog="make local", usage="make local [PORT=4566]")
    parser.add_argument("PORT", type=port_number, nargs="?", default=0)
    port: int = parser.parse_args(arguments).PORT
    console = Console()
    return finish(console, lambda: serve(console, port), "Everything that was started has ended.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
