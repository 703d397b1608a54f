"""The operator's door, not shipped to Lambda; of a call that AWS refuses, only the error code is printed."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import TextIO

import boto3
import click
import rich.table
from botocore.exceptions import BotoCoreError, ClientError

from mx_token_rotator.deadline import Deadline
from mx_token_rotator.errors import RotatorError
from mx_token_rotator.moviexchange import MovieXchangeOverHttps
from mx_token_rotator.session import new_session
from mx_token_rotator.settings import Settings
from mx_token_rotator.stack import DeployedStack, InvocationFailed, Outcome, explained
from mx_token_rotator.tokens import Credentials
from mx_token_rotator.vault import credentials_secret

MEMBERS = ("username", "password", "client_secret")


class AwsSaysNo(click.ClickException):
    """AWS refuses, or cannot be reached."""

    exit_code = 3


@click.group(epilog="Exit codes: 0 done; 1 the rotator or movieXchange says no; 2 wrong usage; 3 AWS says no.")
def main() -> None:
    """Look after a deployed mx-token-rotator."""


def on_stack(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command its stack, in the account and Region that the AWS CLI would take, and end with its exit code."""

    @click.option("--stack", "name", default="mx-token-rotator", show_default=True, help="The stack's name.")
    @click.option("--profile", help="As for the AWS CLI.")
    @click.option("--region", envvar="AWS_REGION", help="As for the AWS CLI.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
    @wraps(command)
    def on(name: str, profile: str | None, region: str | None, **arguments: object) -> None:
        try:
            command(DeployedStack(boto3.Session(profile_name=profile, region_name=region), name), **arguments)
        except (RotatorError, InvocationFailed) as no:
            raise click.ClickException(str(no)) from None
        except ClientError as error:
            raise AwsSaysNo(f"{error.operation_name} failed: {error.response['Error']['Code']}") from None
        except BotoCoreError as error:
            raise AwsSaysNo(str(error)) from None

    return on


@main.command()
@on_stack
def status(stack: DeployedStack, *, as_json: bool) -> None:
    """Show each token's life, last replacement, versions and alarm, by the function's log of the last day."""
    tokens, alarms = stack.statuses(datetime.now(UTC))
    head = ("client ID", "life left", "replaced (UTC)", "why", "versions", "alarm")
    table = rich.table.Table(*(rich.table.Column(each, overflow="fold") for each in head))
    for client_id, token in tokens.items():
        left = "unknown" if token["seconds_left"] is None else str(timedelta(seconds=token["seconds_left"]))
        versions = "\n".join(f"{label} {version[:8]}" for label, version in token["versions"].items())
        table.add_row(client_id, left, (token["replaced_at"] or "")[:16], token["reason"], versions, token["alarm"])
    if as_json:
        click.echo(json.dumps({"tokens": tokens, "alarms": alarms}))
    else:
        rich.print(table, *(f"{name}: {state}" for name, state in alarms.items()), sep="\n")


@main.command()
@click.argument("client_id")
@on_stack
def refresh(stack: DeployedStack, client_id: str, *, as_json: bool) -> None:
    """Replace CLIENT_ID's token, whatever its age."""
    tell(stack.invoke(client_id=client_id, force=True), as_json=as_json)


@main.command()
@click.argument("client_id")
@on_stack
def check(stack: DeployedStack, client_id: str, *, as_json: bool) -> None:
    """Log in as CLIENT_ID with the stack's credentials, publish nothing, and say what is in the way."""
    tell(stack.invoke(client_id=client_id, force=True, dry_run=True), as_json=as_json)


def tell(outcome: Outcome, *, as_json: bool) -> None:
    """Print what came of an invocation. Raises ClickException where somebody must act."""
    words, remedy = explained(outcome)
    click.echo(json.dumps(outcome) if as_json else words)
    if remedy:
        raise click.ClickException(remedy)


@main.command()
@click.option("--from-file", "file", type=click.File(errors="surrogateescape"), help="JSON; - for standard input.")
@on_stack
def set_credentials(stack: DeployedStack, file: TextIO | None, *, as_json: bool) -> None:
    """Ask for credentials, log in with them from here, write them, and have all tokens replaced."""
    settings = stack.settings
    asked = {} if file else {each: click.prompt(each, hide_input=each != "username", err=True) for each in MEMBERS}
    text = file.read() if file else json.dumps(asked)
    end = time.monotonic() + 180  # seconds for movieXchange to judge them, and for the tokens to be replaced
    deadline = Deadline(lambda: end - time.monotonic())
    try_out(text, settings, deadline)
    click.echo("movieXchange takes them. Writing them, and having the tokens replaced …", err=True)
    replaced = stack.replace_credentials(text, deadline, time.sleep)
    click.echo(json.dumps({"replaced": replaced}) if as_json else f"Replaced: {', '.join(replaced)}.")


def try_out(text: str, settings: Settings, deadline: Deadline) -> None:
    """Log in for one client ID with the secret's value to be, and verify the token. Raises RotatorError."""
    secret = credentials_secret(settings.account)
    credentials = Credentials.parse(text, version_id="none yet", created_at=datetime.now(UTC), secret=secret)
    moviexchange = MovieXchangeOverHttps(
        new_session(),
        auth_url=settings.auth_url,
        api_url=settings.api_url,
        verify_path=settings.verify_path,
        clock=lambda: datetime.now(UTC),
        deadline=deadline,
        sleep=time.sleep,
        warn=lambda warning: click.echo(warning, err=True),
    )
    moviexchange.verify(moviexchange.log_in(min(settings.client_ids), credentials).access_token)


if __name__ == "__main__":
    main()
