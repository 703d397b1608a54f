"""The commands. If AWS refuses a call, only its error code is printed: its message may repeat what was sent."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial, wraps
from typing import Any, BinaryIO

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Column, Table

from mx_token_rotator_operator import doctor as checks
from mx_token_rotator_operator import exercise
from mx_token_rotator_operator.doctor import Finding
from mx_token_rotator_operator.exercise import Exercise
from mx_token_rotator_operator.stack import DeployedStack, RotatorFailed

PROMPTS: dict[str, dict[str, Any]] = {
    "username": {"text": "User name"},
    "password": {"text": "Password", "hide_input": True},
    "client_secret": {
        "text": "Client secret (empty for Vista's Digital Platform)",
        "hide_input": True,
        "default": "",
        "show_default": False,
    },
}


class AwsFailed(click.ClickException):
    """AWS refused a call, or cannot be reached."""

    exit_code = 3


@click.group(epilog="Exit codes: 0 done; 1 the rotator or movieXchange failed; 2 wrong usage; 3 AWS refused a call.")
def main() -> None:
    """Look at a deployed mx-token-rotator, and act on it. NAME is the name of a client ID."""


def on_stack(command: Callable[..., None]) -> Callable[..., None]:
    """Pass a command its stack, in the account and Region that the AWS CLI would use, and set its exit code."""

    @click.option("--stack", "stack_name", default="mx-token-rotator", show_default=True, help="The stack's name.")
    @click.option("--profile", help="As for the AWS CLI.")
    @click.option("--region", envvar="AWS_REGION", help="As for the AWS CLI.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
    @wraps(command)
    def run(stack_name: str, profile: str | None, region: str | None, **arguments: object) -> None:
        try:
            session = boto3.Session(profile_name=profile, region_name=region)
            command(DeployedStack(session, stack_name), **arguments)
        except RotatorFailed as failed:
            raise click.ClickException(str(failed)) from None
        except ClientError as error:
            code = error.response["Error"]["Code"]
            raise AwsFailed(
                f"{error.operation_name} failed for the stack {stack_name} in {session.region_name}: {code}"
            ) from None
        except BotoCoreError as error:
            raise AwsFailed(str(error)) from None

    return run


@main.command()
@on_stack
def status(stack: DeployedStack, *, as_json: bool) -> None:
    """Show the tokens, from the log of the last day, and the alarms."""
    tokens, alarms = stack.statuses(datetime.now(UTC))
    if as_json:
        click.echo(json.dumps({"tokens": tokens, "alarms": alarms}))
        return
    columns = ("name", "expires in", "replaced (UTC)", "reason", "last check", "versions")
    table = Table(*(Column(each, overflow="fold") for each in columns))
    for name, token in tokens.items():
        left = "unknown" if token["seconds_left"] is None else str(timedelta(seconds=token["seconds_left"]))
        versions = "\n".join(f"{label} {version[:8]}" for label, version in token["versions"].items())
        replaced_at = (token["replaced_at"] or "")[:16]
        table.add_row(name, left, replaced_at, token["reason"], token["last_check"], versions)
    Console().print(table, *(f"{alarm}: {state}" for alarm, state in alarms.items()), sep="\n")


@main.command()
@click.argument("name")
@on_stack
def refresh(stack: DeployedStack, name: str, *, as_json: bool) -> None:
    """Replace NAME's token, whatever its age."""
    (outcome,) = stack.invoke(client_id=name, force=True)
    verified = "verified" if outcome["verified"] else "not verified"
    done = f"{name}: {outcome['outcome']} ({outcome['reason']})"
    text = f"{done}. The token is {verified}, and expires at {outcome['expires_at']}."
    click.echo(json.dumps(outcome) if as_json else text)
    if "refresh token" in outcome["reason"]:
        raise RotatorFailed(
            "The credentials do not work; the stored refresh token was used in their place.\n"
            f"What to do: put the right ones into {stack.credentials_secret}, e.g. with set-credentials."
        )


@main.command()
@click.argument("name")
@on_stack
def check(stack: DeployedStack, name: str, *, as_json: bool) -> None:
    """Try the current credentials. Logs in for NAME, publishes nothing, and says what is wrong."""
    outcome = stack.try_credentials(name)
    text = f"{name}: movieXchange accepts the credentials. Nothing was published."
    if outcome["outcome"] == "refreshed":
        text = f"{name}: movieXchange accepts the credentials. Its log-in ended the older token, so it was replaced."
    click.echo(json.dumps(outcome) if as_json else text)


@main.command()
@click.option("--from-file", "file", type=click.File("rb"), help="A JSON file; - for standard input.")
@on_stack
def set_credentials(stack: DeployedStack, file: BinaryIO | None, *, as_json: bool) -> None:
    """Try new credentials, then use them. Waits until every token comes from them."""
    asked = {} if file else {member: click.prompt(err=True, **options) for member, options in PROMPTS.items()}
    text = read_credentials(file) if file else json.dumps(asked)
    stack.replace_credentials(text, lambda progress: click.echo(progress, err=True), time.sleep)
    done = f"Every token comes from the new credentials: {', '.join(stack.names)}."
    click.echo(json.dumps({"replaced": stack.names}) if as_json else done)


def read_credentials(file: BinaryIO) -> str:
    """Read a file that has JSON in UTF-8, with or without a byte order mark. Raises ClickException."""
    try:
        text = file.read().decode("utf-8-sig")
        json.loads(text)
    except UnicodeDecodeError:
        raise click.ClickException(f"{file.name} is not UTF-8: save it in that encoding.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise click.ClickException(f"{file.name} is not JSON: {error.msg} at {where}.") from None
    return text


@main.command()
@click.argument("name")
@on_stack
def reader_policy(stack: DeployedStack, name: str, *, as_json: bool) -> None:
    """Print the IAM policy for reading NAME's token."""
    click.echo(json.dumps(stack.reader_policy(name), indent=None if as_json else 2))


@main.command()
@click.argument("name")
@on_stack
def remove_token(stack: DeployedStack, name: str, *, as_json: bool) -> None:
    """Delete the token of a removed NAME. Its secret can be restored for seven days."""
    deleted = stack.remove_token(name)
    text = "\n".join(
        f"{secret} will be deleted on {day}. To keep it: aws secretsmanager restore-secret --secret-id {secret}"
        for secret, day in deleted.items()
    )
    click.echo(json.dumps({"deleted": deleted}) if as_json else text)


@main.command(epilog="Exit codes: 0 all is well; 1 something is wrong; 3 something could not be looked at.")
@click.option("--exercise", "is_exercise", is_flag=True, help="Also act: each effect is named before it asks.")
@click.option("--name", help="The client ID for the exercise; the first one by default.")
@click.option("--yes", is_flag=True, help="Answer each question of the exercise with yes.")
@on_stack
def doctor(stack: DeployedStack, *, is_exercise: bool, name: str | None, yes: bool, as_json: bool) -> None:
    """Check that the stack works, without a change. One line a check: ok, wrong, or could not look."""

    def findings() -> Iterator[Finding]:
        yield from checks.run(stack, datetime.now(UTC))
        if is_exercise:
            steps = Exercise(stack, name or stack.names[0], partial(datetime.now, UTC), time.sleep)
            yield from exercise.run(steps, lambda effect: yes or click.confirm(f"{effect} Go on?", err=True))

    found = []
    for each in findings():
        found.append(each)
        if not as_json:
            click.echo(str(each))
    if as_json:
        click.echo(json.dumps([asdict(each) for each in found]))
    click.get_current_context().exit(checks.exit_code(found))


if __name__ == "__main__":
    main()
