"""Deploying from a fresh checkout as the README says: with answers to `sam deploy --guided`, and with parameters."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

import pytest
from botocore.exceptions import ClientError
from pexpect import EOF
from pexpect.fdpexpect import fdspawn

from tools.local.aws import PROJECT, REGION, SAM, CommandFailed, LocalAws
from tools.local.mx import CHAINS_PATH, MovieXchangeStandIn
from tools.local.stack import Stack, eventually

CLIENT_IDS = ("_Website", "_OfflineUpdater", "Web:Foo Tickets (Web)")
COMPANY = {
    "SecretTags": "CostCenter=42,Owner=web",
    "AlarmEmail": "tickets-team+alarms@example.com",
    "PermissionsBoundaryArn": "arn:aws:iam::000000000000:policy/boundary",
    "RolePath": "/apps/tickets/",
    "SubnetIds": "subnet-1a2b3c4d,subnet-5e6f7a8b",
    "SecurityGroupIds": "sg-1a2b3c4d,sg-5e6f7a8b",
}
QUESTION = r"\t\x1b\[1m([^\r\n\x1b]+)\x1b\[0m \[[^\r\n]*\]: $"

pytestmark = pytest.mark.skipif(not (PROJECT / ".git").exists(), reason="git says which files a checkout has")


def check_out(folder: Path) -> Path:
    """Copy the files that a commit of the working tree would have."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=PROJECT, capture_output=True, text=True, check=True)  # noqa: S603  our own

    for name in {name for name in names.stdout.split("\0") if (PROJECT / name).is_file()}:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def checkout(aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a checkout, and build the function in it as the README says."""
    folder = check_out(tmp_path_factory.mktemp("checkout"))
    subprocess.run(["make", "--silent", "package"], cwd=folder, env=aws.environment, check=True)  # noqa: S607
    return folder


def stack_for(
    aws: LocalAws, mx: MovieXchangeStandIn, name: str, others: Mapping[str, str] = MappingProxyType({})
) -> Stack:
    """Return a stack with secrets of its own, for a client ID that is a sentence among others."""
    parameters = {"SecretPrefix": name, "AuthUrl": mx.url, "ApiUrl": mx.url, "CheckEvery": "rate(19 minutes)"}
    return Stack(aws, parameters | dict(others), name, CLIENT_IDS)


def test_without_the_archive_the_message_says_how_to_make_it(aws: LocalAws, tmp_path: Path) -> None:
    """The path of the missing file names the command."""
    with pytest.raises(CommandFailed, match=r"(?s)(?!.*Traceback).*Unable to upload artifact .*make package"):
        aws.sam("deploy", "--parameter-overrides", "ClientIds=_Website", folder=check_out(tmp_path))


def test_a_missing_parameter_ends_in_a_message_that_names_it(aws: LocalAws, checkout: Path) -> None:
    """And is not a traceback."""
    overrides = ("--parameter-overrides", "Environment=staging")
    message = "Parameter 'ClientIds' has no Default and was not provided"
    with pytest.raises(CommandFailed, match=rf"(?s)(?!.*Traceback).*{message}"):
        aws.sam("deploy", "--stack-name", "never-deployed", *overrides, folder=checkout)


@pytest.mark.parametrize(
    ("client_id", "parameters", "message"),
    [
        ("_Website", {"Environment": "prod"}, r"Parameter 'Environment' .*'production', 'staging', 'sandbox'"),
        ("Foo/Website", {}, r"Parameter 'ClientIds' .*such as Web:Foo Tickets \(Web\)"),
        ("_Website", {"SubnetIds": "subnet-1a2b3c4d"}, "SubnetIds and SecurityGroupIds go together"),
    ],
)
def test_a_wrong_parameter_ends_in_a_message_that_says_what_to_do(
    aws: LocalAws, client_id: str, parameters: dict[str, str], message: str
) -> None:
    """It names the parameter and what may be written there; the SAM CLI passes on what CloudFormation says."""
    with pytest.raises(ClientError, match=message):
        Stack(aws, parameters, "never-deployed", (client_id,)).apply()


def test_a_checkout_is_deployed_with_parameters(
    aws: LocalAws, account_at_mx: MovieXchangeStandIn, checkout: Path
) -> None:
    """Without a question, as a pipeline does it, and with tokens that work."""
    stack = stack_for(aws, account_at_mx, "overridden")
    aws.sam("deploy", "--stack-name", stack.name, "--parameter-overrides", *stack.overrides(), folder=checkout)
    stack.replace_credentials(account_at_mx.credentials())

    assert [stack.call_api(name) for name in stack.names] == [200, 200, 200]


def deploy_guided(stack: Stack, folder: Path) -> int:
    """Answer the questions of `sam deploy --guided` at a terminal, and return the command's status."""
    answers = {
        "Stack Name": stack.name,
        "AWS Region": REGION,
        "Parameter ClientIds": ",".join(stack.client_ids),
        **{f"Parameter {name}": value for name, value in stack.parameters.items()},
    }
    ours, theirs = os.openpty()
    with subprocess.Popen(  # noqa: S603  our own command
        [str(SAM), "deploy", "--guided"],
        cwd=folder,
        env=stack.aws.environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as command:
        os.close(theirs)
        terminal = fdspawn(ours, timeout=60, encoding="utf-8")
        while terminal.expect([QUESTION, EOF]) == 0:
            assert isinstance(terminal.match, re.Match)
            terminal.sendline(answers.get(terminal.match[1], ""))
        terminal.close()
    return command.returncode


def contents(folder: Path) -> set[tuple[str, str]]:
    """Return the files of a checkout with their digests."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {(str(path.relative_to(folder)), sha256(path.read_bytes()).hexdigest()) for path in files}


@pytest.fixture(scope="module")
def answered(
    aws: LocalAws, account_at_mx: MovieXchangeStandIn, tmp_path_factory: pytest.TempPathFactory, checkout: Path
) -> Stack:
    """Deploy with `sam deploy --guided`, then a changed template with a plain `sam deploy` from the saved answers."""
    stack = stack_for(aws, account_at_mx, "guided", COMPANY)
    folder = tmp_path_factory.mktemp("guided") / "checkout"
    shutil.copytree(checkout, folder)
    assert deploy_guided(stack, folder) == 0
    assert contents(checkout) <= contents(folder), "sam deploy --guided changed a file of the checkout"
    template = folder / "template.yaml"
    template.write_text(template.read_text().replace("MemorySize: 1769", "MemorySize: 1770"))
    aws.sam("deploy", folder=folder)
    return stack


def test_answers_and_the_plain_deployment_after_them_mean_the_same(answered: Stack) -> None:
    """The saved file keeps a client ID with blanks and parentheses."""
    function = answered.client("lambda").get_function_configuration(FunctionName=answered.name)

    assert (function["MemorySize"], answered.variables()["CLIENT_IDS"]) == (1770, ",".join(CLIENT_IDS))


def test_what_companies_demand_can_be_answered(answered: Stack) -> None:
    """CloudFormation has every answer as it was typed, also after the plain deployment."""
    (described,) = answered.client("cloudformation").describe_stacks(StackName=answered.name)["Stacks"]
    values = {each["ParameterKey"]: each["ParameterValue"] for each in described["Parameters"]}

    assert COMPANY.items() <= values.items()


def test_a_credentials_file_of_windows_notepad_gives_working_tokens(
    answered: Stack, account_at_mx: MovieXchangeStandIn
) -> None:
    """It begins with a byte order mark, and its lines end in CR LF."""
    text = "\N{BYTE ORDER MARK}" + json.dumps(account_at_mx.credentials(), indent=2).replace("\n", "\r\n")
    answered.client("secretsmanager").put_secret_value(SecretId=answered.output("CredentialsSecret"), SecretString=text)
    for name in answered.names:
        answered.published(name)

    assert [answered.call_api(name, CHAINS_PATH) for name in answered.names] == [200, 200, 200]


def test_what_the_schedule_sends_starts_a_run(answered: Stack) -> None:
    """Another schedule with the same target fires at once, and all tokens are checked."""
    scheduler = answered.client("scheduler")
    target = scheduler.get_schedule(Name=answered.resource("Schedule"))["Target"]
    once = {"ScheduleExpression": "at(2026-01-01T00:00:00)", "FlexibleTimeWindow": {"Mode": "OFF"}}
    scheduler.create_schedule(Name="once", Target=target, **once)

    assert eventually(lambda: {each["client_id"] for each in answered.outcomes("fresh")} == {*answered.names})
