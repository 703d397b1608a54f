"""The product at work on a laptop, step by step; ends with a status other than 0 if a step does not happen."""

import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from types import FrameType

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from local.aws import CommandFailed, local_aws
from local.faults import down
from local.mx import MovieXchangeStandIn
from local.stack import UPDATER, WEBSITE, Stack, StillWaiting, eventually

SHORT = {"CheckEvery": "'rate(1 minute)'", "CheckWindowMinutes": "0", "MinTokenAgeSeconds": "0"}


class StepFailed(Exception):  # noqa: N818  the name says what is wrong
    """Something that the demo promises did not happen."""


def check(*, that: bool, otherwise: str) -> None:
    """Hold a step to its promise. Raises StepFailed."""
    if not that:
        raise StepFailed(otherwise)


@dataclass
class Demo:
    """A deployed stack, the movieXchange account that it serves, and one step after the other."""

    stack: Stack
    mx: MovieXchangeStandIn

    def steps(self) -> list[tuple[str, Callable[[], str]]]:
        """Give the steps, each with what is under way meanwhile."""
        return [
            ("Building the package", self.build),
            ("Deploying the stack", self.deploy),
            ("A person fills the credentials", self.fill_credentials),
            ("An app reads its token", self.read_as_an_app),
            ("The token is revoked, and the app reports it", self.report_a_revoked_token),
            ("The password is changed at movieXchange alone", self.change_the_password),
            ("The new password is put", self.put_the_new_password),
            ("movieXchange goes down", self.lose_moviexchange),
            ("Waiting for a schedule, which takes up to 70 seconds", self.wait_for_a_schedule),
        ]

    def build(self) -> str:
        """Build the package."""
        self.stack.build()
        return "sam build packed the function; AWS (MiniStack) and movieXchange (a stand-in) run on this machine."

    def deploy(self) -> str:
        """Deploy the stack."""
        self.stack.deploy()
        return "sam deploy made the stack, with its secrets still empty."

    def fill_credentials(self) -> str:
        """Show that new credentials wake the function for each client ID."""
        self.stack.fill_credentials(self.mx.credentials())
        for client_id in self.stack.client_ids:
            self.wait_for_another_token(client_id, than=None)
        return "A person filled the credentials; EventBridge woke the function, and two client IDs have their tokens."

    def read_as_an_app(self) -> str:
        """Show that one read gives an app both headers."""
        check(that=self.stack.call_api(WEBSITE) == HTTPStatus.OK, otherwise="movieXchange refused the published token")
        return "An app with nothing but boto3 read its token and called movieXchange's API: 200."

    def report_a_revoked_token(self) -> str:
        """Show that a refused token is replaced when an app reports it."""
        refused = self.token(WEBSITE)
        self.mx.revoke(refused["access_token"])
        check(
            that=self.stack.call_api(WEBSITE) == HTTPStatus.UNAUTHORIZED, otherwise="movieXchange took a revoked token"
        )
        self.stack.report_rejected(WEBSITE, refused["version_id"])
        self.wait_for_another_token(WEBSITE, than=refused["version_id"])
        check(that=self.stack.call_api(WEBSITE) == HTTPStatus.OK, otherwise="movieXchange refused the new token")
        return "The token was revoked: the app saw 401 and reported it; a new one is there, and works."

    def change_the_password(self) -> str:
        """Show that a rejected password is told to its keeper, and costs no token."""
        published = self.token(WEBSITE)
        self.mx.password = f"{self.mx.password}-changed"
        said = self.stack.invoke({"client_id": WEBSITE, "force": True}).get("errorMessage", "nothing")
        check(that="Who must act: the keeper of the credentials secret" in said, otherwise=f"the rotator said: {said}")
        check(that=self.token(WEBSITE) == published, otherwise="what was published has changed")
        check(
            that=self.stack.call_api(WEBSITE) == HTTPStatus.OK, otherwise="the published token does not work any more"
        )
        return f"The password was changed at movieXchange alone. The rotator: “{said}” The published token still works."

    def put_the_new_password(self) -> str:
        """Show that mended credentials are used at once."""
        before = {client_id: self.token(client_id) for client_id in self.stack.client_ids}
        self.stack.fill_credentials(self.mx.credentials())
        for client_id, token in before.items():
            self.wait_for_another_token(client_id, than=token["version_id"])
        check(that=self.stack.call_api(UPDATER) == HTTPStatus.OK, otherwise="movieXchange refused the new token")
        return "The new password was put; both client IDs have new tokens, and all is well."

    def lose_moviexchange(self) -> str:
        """Show that what is published stays while movieXchange is away."""
        published = self.token(WEBSITE)
        self.mx.token_fault = down()
        said = self.stack.invoke({"client_id": WEBSITE, "force": True}).get("errorMessage", "nothing")
        self.mx.token_fault = None
        check(that="Who must act: nobody" in said, otherwise=f"the rotator said: {said}")
        check(that=self.token(WEBSITE) == published, otherwise="what was published has changed")
        return f"movieXchange went down. The rotator: “{said}” Nothing is lost."

    def wait_for_a_schedule(self) -> str:
        """Show that a schedule looks at a token that is fresh, and keeps it."""
        ticks = eventually(lambda: self.stack.outcomes("fresh"), within=90)
        return f"A schedule fired by itself; the rotator looked at {ticks[0]['client_id']}, and kept what is fresh."

    def token(self, client_id: str) -> dict[str, str]:
        """Read a token that must be there."""
        token = self.stack.token(client_id)
        if token is None:
            raise StepFailed(f"nothing is published for {client_id}")
        return token

    def wait_for_another_token(self, client_id: str, *, than: str | None) -> None:
        """Wait until a version is published that is not this one."""
        eventually(lambda: (self.stack.token(client_id) or {}).get("version_id", than) != than, within=30)


def run(console: Console, doing: str, step: Callable[[], str], clock: Callable[[], float] = time.monotonic) -> None:
    """Take one step, with live progress on a terminal, and say what happened and how long it took."""
    began = clock()
    with console.status(f"{doing} …"):
        happened = step()
    console.print(f"{clock() - began:5.1f} s  {happened}", highlight=False, markup=False, soft_wrap=True)


def show(console: Console) -> None:
    """Set the scene, take every step, and leave nothing behind."""
    with ExitStack() as scene:
        mx = scene.enter_context(MovieXchangeStandIn())
        aws = scene.enter_context(local_aws())
        demo = Demo(Stack(aws, SHORT | {"AuthUrl": mx.url, "ApiUrl": mx.url}), mx)
        for doing, step in demo.steps():
            run(console, doing, step)


def main() -> int:
    """Show the product; give the exit status."""
    console = Console()
    return finish(console, lambda: show(console), "All steps happened.")


def finish(console: Console, work: Callable[[], None], done: str) -> int:
    """Do a command's work, say how it ended, and give the exit status."""
    # SIGINT too: a shell starts what runs in the background with it ignored.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _interrupt)
    try:
        work()
    except (StepFailed, StillWaiting, CommandFailed, BotoCoreError, ClientError) as failure:
        console.print(f"FAILED: {failure}", highlight=False, markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted; all that was started has ended.")
        return 130
    console.print(done)
    return 0


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
