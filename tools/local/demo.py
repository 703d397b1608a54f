"""The product at work on this machine, step by step; exits with a status other than 0 if a step fails."""

import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from types import FrameType
from typing import NamedTuple

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from tools.local.aws import CommandFailed, local_aws
from tools.local.faults import down
from tools.local.mx import MovieXchangeStandIn
from tools.local.stack import UPDATER, WEBSITE, Stack, StillWaiting, build, eventually

REPORTS = 10


class Setting(NamedTuple):
    """A parameter that differs from the template's default, and why."""

    here: str
    default: str
    reason: str


SETTINGS = {
    "CheckEvery": Setting("rate(1 minute)", "rate(15 minutes)", "so that a scheduled run comes soon"),
    "MinTokenAgeSeconds": Setting("0", "900", "so that a token that was just issued is replaced if it is reported"),
}
HOSTS = "AuthUrl and ApiUrl name the stand-in, instead of none"


def differences() -> str:
    """Say in which settings the demo's stack differs from a default one."""
    texts = [f"{name} is {each.here} instead of {each.default}, {each.reason}" for name, each in SETTINGS.items()]
    return f"Its settings are the defaults, except: {'; '.join([*texts, HOSTS])}."


class StepFailed(Exception):  # noqa: N818  the name says what happened
    """Something that the demo promises did not happen."""


def check(*, that: bool, otherwise: str) -> None:
    """Check what a step promises. Raises StepFailed."""
    if not that:
        raise StepFailed(otherwise)


@dataclass
class Demo:
    """A deployed stack, the movieXchange account that it serves, and one step after the other."""

    stack: Stack
    mx: MovieXchangeStandIn
    candidate: str = ""
    """The version of the credentials that was tried."""

    def steps(self) -> list[tuple[str, Callable[[], str]]]:
        """Return the steps, each with the text that is shown meanwhile."""
        return [
            ("Building the function's archive", self.build),
            ("Deploying the stack", self.deploy),
            ("A person fills the credentials", self.fill_credentials),
            ("An application reads its token", self.read_as_an_application),
            ("A token is revoked", self.report_a_revoked_token),
            ("A person mistypes the password", self.mistype_the_password),
            ("A person tries other credentials", self.try_credentials),
            ("The tried credentials become current", self.promote_credentials),
            ("movieXchange is down", self.lose_moviexchange),
            ("Waiting up to a minute for a scheduled run", self.wait_for_the_schedule),
        ]

    def build(self) -> str:
        """Build the function's archive."""
        build()
        return "make package built the function. AWS (MiniStack) and movieXchange (a stand-in) run on this machine."

    def deploy(self) -> str:
        """Deploy the stack."""
        self.stack.deploy()
        return (
            f"sam deploy made the stack for two client IDs, {WEBSITE} and {UPDATER}. Its credentials are still empty. "
            + differences()
        )

    def fill_credentials(self) -> str:
        """Show that new credentials start a run, which publishes a token for each client ID."""
        self.stack.replace_credentials(self.mx.credentials())
        return "A person filled the credentials. EventBridge started the function: both client IDs have their tokens."

    def read_as_an_application(self) -> str:
        """Show that one read returns all that an API call needs."""
        self.check_tokens_work()
        return "An application with nothing but boto3 read its token and called movieXchange's API: 200."

    def report_a_revoked_token(self) -> str:
        """Show that a refused token is replaced once, however many reports there are."""
        refused, log_ins = self.stack.published(WEBSITE), self.mx.log_ins()
        self.mx.revoke(refused["access_token"])
        check(
            that=self.stack.call_api(WEBSITE) == HTTPStatus.UNAUTHORIZED,
            otherwise="movieXchange accepted a revoked token",
        )
        with ThreadPoolExecutor(REPORTS) as applications:
            for _ in range(REPORTS):
                applications.submit(self.stack.report_rejected, WEBSITE, refused["version_id"])
        eventually(lambda: len(self.stack.outcomes("already replaced")) == REPORTS - 1)
        self.check_log_ins(log_ins + 1)
        self.check_tokens_work()
        return "A token was revoked. Ten applications saw 401 and reported it at once: one log-in, and a working token."

    def mistype_the_password(self) -> str:
        """Show that a wrong password costs one log-in, names who must act, and does no harm to published tokens."""
        log_ins = self.mx.log_ins()
        self.stack.fill_credentials(self.mx.credentials(password="mistyped"))  # noqa: S106  a wrong one
        failed = eventually(lambda: self.stack.outcomes("CredentialsRejected"))[0]
        self.stack.invoke({})
        self.check_log_ins(log_ins + 1)
        self.check_tokens_work()
        return (
            "A person mistyped the password: one log-in for both client IDs, and no other until somebody acts. "
            f"The published tokens work. The log: “{failed['message']}” "
            f"Who must act: {failed['who']}. {failed['remedy']}"
        )

    def try_credentials(self) -> str:
        """Show that credentials can be tried before they become current."""
        version = self.stack.add_candidate(self.mx.credentials())
        (outcome,) = self.stack.invoke({"client_id": WEBSITE, "credentials_version": version})
        check(that=outcome["reason"] == "credentials accepted", otherwise=f"the trial's outcome was {outcome}")
        self.candidate = version
        return "A person put other credentials beside the current ones and had them tried: movieXchange accepts them."

    def promote_credentials(self) -> str:
        """Show that new credentials are used at once."""
        self.stack.promote(self.candidate)
        eventually(lambda: self.tokens_come_from(self.candidate))
        self.check_tokens_work()
        return "The tried credentials became current: both client IDs have new tokens."

    def lose_moviexchange(self) -> str:
        """Show that published tokens stay while movieXchange is unavailable."""
        published = self.stack.tokens()
        self.mx.token_fault = down()
        outcome = self.stack.invoke({"force": True})[0]
        self.mx.token_fault = None
        check(that=outcome["reason"] == "MovieXchangeUnavailable", otherwise=f"the outcome was {outcome}")
        check(that=self.stack.tokens() == published, otherwise="what was published has changed")
        return f"movieXchange was down. The function: “{outcome['error']}” The published tokens stay."

    def wait_for_the_schedule(self) -> str:
        """Show that a scheduled run checks the tokens, and keeps fresh ones."""
        eventually(lambda: self.stack.outcomes("fresh"), within=90)
        return "The schedule started a run by itself: it checked both tokens, and kept them because they are fresh."

    def tokens_come_from(self, credentials_version: str) -> bool:
        """Tell whether every published token was issued for this version of the credentials."""
        return all(
            token and token["credentials_version"] == credentials_version for token in self.stack.tokens().values()
        )

    def check_tokens_work(self) -> None:
        """Call the API with every published token. Raises StepFailed."""
        for name in self.stack.names:
            check(
                that=self.stack.call_api(name) == HTTPStatus.OK, otherwise=f"the published token of {name} is refused"
            )

    def check_log_ins(self, expected: int) -> None:
        """Compare the number of log-ins. Raises StepFailed."""
        found = self.mx.log_ins()
        check(that=found == expected, otherwise=f"there were {found} log-ins instead of {expected}")


def run(console: Console, doing: str, step: Callable[[], str], clock: Callable[[], float] = time.monotonic) -> None:
    """Take one step, with live progress on a terminal, and print what happened and how long it took."""
    began = clock()
    with console.status(f"{doing} …"):
        happened = step()
    console.print(f"{clock() - began:5.1f} s  {happened}", highlight=False, markup=False, soft_wrap=True)


def show(console: Console) -> None:
    """Start what is needed, take every step, and leave nothing behind."""
    with ExitStack() as resources:
        mx = resources.enter_context(MovieXchangeStandIn())
        aws = resources.enter_context(local_aws())
        parameters = {name: each.here for name, each in SETTINGS.items()}
        demo = Demo(Stack(aws, parameters | {"AuthUrl": mx.url, "ApiUrl": mx.url}), mx)
        for doing, step in demo.steps():
            run(console, doing, step)


def main() -> int:
    """Show the product; return the exit status."""
    console = Console()
    return finish(console, lambda: show(console), "All steps succeeded.")


def finish(console: Console, work: Callable[[], None], done: str) -> int:
    """Do a command's work, print how it ended, and return the exit status."""
    # SIGINT too: a shell starts what runs in the background with it ignored. SIGHUP: the terminal was closed.
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, _interrupt)
    try:
        work()
    except (StepFailed, StillWaiting, CommandFailed, BotoCoreError, ClientError) as failure:
        console.print(f"FAILED: {failure}", highlight=False, markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted; everything that was started has ended.")
        return 130
    console.print(done)
    return 0


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
