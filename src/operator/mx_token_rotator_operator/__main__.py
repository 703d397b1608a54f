"""The commands. If AWS refuses a call, only its error code is printed: its message may repeat what was sent."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial, wraps
from itertools import chain
from time import sleep
from typing import Any, BinaryIO

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError

from mx_token_rotator_operator import __version__, credentials, exercise, policy, removal, verdicts
from mx_token_rotator_operator import doctor as checks
from mx_token_rotator_operator.stack import MISSING, YOURS, DeployedStack, RotatorFailed

EXIT_CODES = "Exit codes: 0 done; 1 something is wrong, and the output says what; 2 wrong usage; 3 AWS refused a call."
PAUSED = """\
Paused: no log-in starts by itself; refresh, check and set-credentials still log in. A run ends within a minute.
Applications notice nothing until their tokens expire. The alarm TokenLifeLow rings within about an hour.
Reports wait for 15 minutes at most. To go on: mx-token-rotator resume --stack"""
STACK_CALLS = {"GetFunctionConfiguration", "Invoke", "ListStackResources", "DescribeStacks"}
ACCESS = "What to do: log in to AWS, or name the --profile and the --region."
Shown = tuple[Any, str]  # what a command prints, as a document for JSON and in words


class AwsFailed(click.ClickException):
    """AWS refused a call, or cannot be reached."""

    exit_code = 3


@click.group(epilog=EXIT_CODES)
@click.version_option(__version__, message="%(prog)s %(version)s")
def main() -> None:
    """Look at a deployed mx-token-rotator, and act on it. NAME is the name of a client ID."""


def command(function: Callable[..., Shown]) -> click.Command:
    """Make a command that gets its stack, in the account and Region that the AWS CLI would use."""

    @main.command(epilog=EXIT_CODES)
    @click.option("--stack", "stack_name", default="mx-token-rotator", show_default=True, help="The stack's name.")
    @click.option("--profile", help="As for the AWS CLI.")
    @click.option("--region", envvar="AWS_REGION", help="As for the AWS CLI.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
    @wraps(function)
    def run(stack_name: str, profile: str | None, region: str | None, *, as_json: bool, **arguments: object) -> None:
        try:
            session = boto3.Session(profile_name=profile, region_name=region)
            document, text = function(DeployedStack(session, stack_name), **arguments)
        except ClientError as error:
            raise AwsFailed(refusal(error, session, stack_name)) from None
        except BotoCoreError as error:
            raise AwsFailed(f"{error}\n{ACCESS}") from None
        click.echo(json.dumps(document) if as_json else text)

    return run


def refusal(error: ClientError, session: boto3.Session, stack_name: str) -> str:
    """Return in words why AWS refused a call."""
    code, call = error.response["Error"]["Code"], error.operation_name
    if call in STACK_CALLS and MISSING.search(code):
        where = f"{session.region_name} of account {session.client('sts').get_caller_identity()['Account']}"
        return f"There is no stack {stack_name} in {where}.\nWhat to do: name it with --stack, --region or --profile."
    text = f"{call} failed for the stack {stack_name} in {session.region_name}: {code}"
    return f"{text}\n{ACCESS}" if YOURS.search(code) else text


def examine(findings: Iterable[checks.Finding]) -> Shown:
    """Print findings as they come, none after that there is no such stack, and end with their exit code."""
    context, found = click.get_current_context(), []
    for each in findings:
        found.append(replace(each, to_do=each.to_do.replace("STACK", context.params["stack_name"])))
        click.echo(found[-1], err=context.params["as_json"])
        if each.to_do == verdicts.ANOTHER_STACK:
            break
    if context.params["as_json"]:
        click.echo(json.dumps([asdict(each) for each in found]))
    results = {each.result for each in found}
    context.exit(1 if checks.WRONG in results else 3 if checks.UNKNOWN in results else 0)


@command
def status(stack: DeployedStack) -> Shown:
    """Check credentials, tokens and alarms, as doctor does. Goes by the log of the last day."""
    return examine(checks.Doctor(stack, datetime.now(UTC)).findings(*checks.STATUS))


@command
@click.argument("name")
def refresh(stack: DeployedStack, name: str) -> Shown:
    """Replace NAME's token, whatever its age."""
    (outcome,) = stack.invoke(client_id=name, force=True)
    token = f"The token is {'' if outcome['verified'] else 'not '}verified, and expires at {outcome['expires_at']}."
    done = f"{name}: {outcome['outcome']} ({outcome['reason']}). {token}"
    if "refresh token" in outcome["reason"]:
        wrong = f"{done}\nThe credentials do not work; the stored refresh token was used in their place."
        raise RotatorFailed(wrong, f"mx-token-rotator set-credentials --stack {stack.name}")
    return outcome, done


@command
@click.argument("name")
def check(stack: DeployedStack, name: str) -> Shown:
    """Try the current credentials. Logs in for NAME, publishes nothing, and says what is wrong."""
    version = stack.labels(stack.credentials_secret).get(credentials.CURRENT)
    if version is None:
        fill = f"mx-token-rotator set-credentials --stack {stack.name}"
        raise RotatorFailed(f"The secret {stack.credentials_secret} is still empty.", fill)
    (outcome,) = stack.invoke(client_id=name, credentials_version=version)
    then = {"refreshed": "Its log-in ended the older token, so it was replaced.", "kept": "Nothing was published."}
    return outcome, f"{name}: movieXchange accepts the credentials. {then[outcome['outcome']]}"


@command
@click.option("--from-file", "file", type=click.File("rb"), help="A JSON file; - for standard input.")
def set_credentials(stack: DeployedStack, file: BinaryIO | None) -> Shown:
    """Try new credentials, then use them. Waits until every token comes from them."""
    if file:
        text = credentials.parse(file.read(), getattr(file, "name", "standard input"))
    else:
        try:
            hidden = partial(click.prompt, err=True, hide_input=True)
            typed = {"username": click.prompt("User name", err=True), "password": hidden("Password")}
            typed["client_secret"] = hidden("Client secret (empty for Vista)", default="", show_default=False)
        except click.Abort:
            raise RotatorFailed("Interrupted. Nothing was stored.") from None
        for member, wrong in credentials.troubles(typed).items():
            raise RotatorFailed(f"The {member} that you typed {wrong}.")
        text = json.dumps(typed)
    credentials.replace(stack, text, partial(click.echo, err=True), sleep)
    return {"replaced": stack.names}, f"Every token comes from the new credentials: {', '.join(stack.names)}."


@command
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def reader_policy(stack: DeployedStack, names: tuple[str, ...]) -> Shown:
    """Print the IAM policy for reading the token of each NAME."""
    stack.require(*names)
    _, partition, _, region, account_id, *_ = stack.function["FunctionArn"].split(":")
    key = None if stack.variables["KMS_KEY_ARN"] == "none" else stack.variables["KMS_KEY_ARN"]
    document = policy.reader_policy(stack.account, names, region, account_id, key, partition=partition)
    return document, json.dumps(document, indent=2)


@command
@click.argument("name", required=False)
@click.option("--orphans", is_flag=True, help="In place of NAME: all that no stack has any more.")
@click.option("--account", help="SecretPrefix/Environment of a stack that is deleted.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove_token(stack: DeployedStack, name: str | None, *, orphans: bool, account: str | None, yes: bool) -> Shown:
    """Delete the token of a removed NAME, after its replicas. It can be restored for seven days."""
    if bool(name) == orphans:
        raise click.UsageError("Give either a NAME or --orphans.")
    account = account or stack.account
    orphaned = [secret for secret, of in removal.orphans(stack, account).items() if orphans or of == name]
    if name and not orphaned:
        if name in removal.names_in_use(stack, account):
            raise RotatorFailed(f"{name} is still in use.", "first remove it from the parameter ClientIds.")
        raise RotatorFailed(f"There is no secret {account}/tokens/{name} with our tag, or it is to be deleted already.")
    plan = {each: [of["Region"] for of in (stack.secret(each) or {}).get("ReplicationStatus", [])] for each in orphaned}
    for secret, regions in plan.items():
        at_once = f", and its replicas in {', '.join(regions)} at once" if regions else ""
        click.echo(f"{secret} will be deleted in seven days{at_once}.", err=True)
    if plan and not yes:
        click.confirm("Applications that still read them will fail. Delete them?", abort=True, err=True)
    deleted = {secret: removal.remove(stack, secret, regions) for secret, regions in plan.items()}
    keep = "To keep it: aws secretsmanager restore-secret --secret-id"
    text = "\n".join(f"{secret} will be gone on {day}. {keep} {secret}" for secret, day in deleted.items())
    return {"deleted": deleted}, text or "There is nothing to delete."


@command
def pause(stack: DeployedStack) -> Shown:
    """Stop log-ins that start by themselves. `resume` goes on."""
    stack.switch("Disabled", sleep)
    return {"mapping": "Disabled"}, f"{PAUSED} {stack.name}"


@command
def resume(stack: DeployedStack) -> Shown:
    """Go on after `pause`."""
    stack.switch("Enabled", sleep)
    return {"mapping": "Enabled"}, "Resumed: the next scheduled run checks all tokens."


@command
@click.option("--exercise", "is_exercise", is_flag=True, help="Then also act, after each effect is confirmed.")
@click.option("--name", help="The client ID of the exercise, by default the first one.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def doctor(stack: DeployedStack, *, is_exercise: bool, name: str | None, yes: bool) -> Shown:
    """Check that the stack works, without a change. Exit code 3 if something could not be looked at."""
    stack.require(name)
    findings: Iterable[checks.Finding] = checks.Doctor(stack, datetime.now(UTC)).findings()
    if is_exercise:
        steps = exercise.Exercise(stack, name or stack.names[0], partial(datetime.now, UTC), sleep)
        asked = exercise.run(steps, lambda effect: yes or click.confirm(f"{effect} Go on?", err=True))
        findings = chain(findings, asked)
    return examine(findings)


if __name__ == "__main__":
    main(prog_name="mx-token-rotator")
