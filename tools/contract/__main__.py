"""Asks, runs the contract on the environment's AWS account, and removes what it made; `make test-aws` runs this."""

import signal
import sys
from types import FrameType
from typing import NoReturn

import boto3
import click
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tools.contract.account import PREFIX, Account, clean_up, left, new_prefix

QUESTIONS = ["tests/aws", "tests/function/test_secrets_manager.py"]
MAKES = """\
It makes two stacks of template.yaml, up to 75 secrets, four KMS keys, two roles, a rule, two queues, a topic and two
buckets, all with names that begin with {prefix}, and removes them again; KMS deletes the keys after seven days.
This takes up to an hour and costs about 0.10 dollars. Whoever runs it needs the rights of an administrator.
{walk}"""
WALKS = "It sends the user name and the password of {file} to {host}, and logs in there about ten times."
NO_WALK = "Without CREDENTIALS=FILE it fills no stack: everything that needs a token is skipped."
STAGING = "movieXchange's staging"


class Failed(click.ClickException):
    """The account cannot be used, or something remains there."""


@click.command()
@click.option(
    "--credentials", type=click.Path(exists=True, dir_okay=False), help="A file as for the credentials secret."
)
@click.option("--stand-in", default="none", help="The https URL that accepts them; none for movieXchange's staging.")
@click.option("--clean", is_flag=True, help="Only remove what runs that were killed have left.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def main(credentials: str | None, stand_in: str, *, clean: bool, yes: bool) -> None:
    """Run the contract on your AWS account."""
    account = Account(boto3.Session())
    try:
        click.echo(f"AWS account {account.id}, Region {account.region}, as {account.caller}.")
        leftovers = [*left(account, PREFIX)]
    except (BotoCoreError, ClientError) as error:
        raise Failed(f"This AWS account cannot be used: {error}") from None
    if leftovers:
        click.echo("\n".join(["Left by a run that was killed, or made by one that is at work now:", *leftovers]))
    if clean:
        remove(account, PREFIX, leftovers, is_agreed=yes)
        return
    prefix = new_prefix()
    host = STAGING if stand_in == "none" else stand_in
    walk = WALKS.format(file=credentials, host=host) if credentials else NO_WALK
    click.echo(MAKES.format(prefix=prefix, walk=walk))
    if not yes:
        click.confirm("Go on?", abort=True)
    options = ["--real-aws", "--prefix", prefix, "--stand-in", stand_in, "--timeout", "3600", "-v", "-rs"]
    sys.exit(run(account, prefix, [*QUESTIONS, *options, *(["--credentials", credentials] if credentials else [])]))


def remove(account: Account, prefix: str, leftovers: list[str], *, is_agreed: bool) -> None:
    """Remove what is left, if somebody agrees."""
    if not leftovers:
        click.echo("Nothing is left.")
        return
    if not is_agreed:
        click.confirm("Remove all of it?", abort=True)
    tidy(account, prefix)


def run(account: Account, prefix: str, arguments: list[str]) -> int:
    """Run the tests, remove what they left, and return the exit status."""
    signal.signal(signal.SIGTERM, _interrupt)  # so that a terminated run cleans up, too
    try:
        return int(pytest.main(arguments))
    finally:
        tidy(account, prefix)


def tidy(account: Account, prefix: str) -> None:
    """Remove everything with such a name. Raises Failed if something remains."""
    remaining = clean_up(account, prefix)
    if remaining:
        raise Failed("\n".join(["This is left, and costs money until it is removed:", *remaining]))
    click.echo(f"Nothing is left that begins with {prefix}.")


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
