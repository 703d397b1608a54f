"""examples/told: an application learns of a replaced token by a rule and a queue, on the emulated AWS."""

import json
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint
from cfnlint.decode.cfn_yaml import load

from tests.reader.recipes import PAGE
from tools.local.aws import PROJECT, REGION, LocalAws
from tools.local.stack import eventually
from tools.local.translated import ACCOUNT_ID, Resolver

FOLDER = PROJECT / "examples" / "told"
TEMPLATE: dict[str, Any] = load(str(FOLDER / "template.yaml"))
SECRET = "told/staging/tokens/_Website"


def label_updated(name: str = SECRET, label: str = "AWSCURRENT") -> dict[str, Any]:
    """Write out an event as Secrets Manager sends it ("Secret Label Updated event" in its user guide)."""
    return {
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": "Secret Label Updated",
        "source": "aws.secretsmanager",
        "account": ACCOUNT_ID,
        "time": "2026-11-24T16:43:48Z",
        "region": REGION,
        "resources": [f"arn:aws:secretsmanager:{REGION}:{ACCOUNT_ID}:secret:{name}-a1b2c3"],
        "detail": {"name": name, "labelUpdated": label, "versionId": "a1b2c3d4-5678-90ab-cdef-EXAMPLE11111"},
    }


@pytest.mark.parametrize(
    ("event", "is_matched"),
    [
        (label_updated(), True),
        (label_updated(f"{SECRET}2"), False),
        (label_updated("told/staging/credentials"), False),
        (label_updated(label="REJECTED"), False),
        (label_updated() | {"detail-type": "AWS API Call via CloudTrail"}, False),
    ],
)
def test_the_rule_matches_a_new_value_of_this_token(aws: LocalAws, event: dict[str, Any], *, is_matched: bool) -> None:
    """And no other secret, and no other label."""
    resolver = Resolver(TEMPLATE, {"TokenSecret": SECRET}, {})
    pattern = resolver.resolve(TEMPLATE["Resources"]["TokenReplaced"]["Properties"]["EventPattern"])
    events = aws.client("events")

    assert events.test_event_pattern(EventPattern=json.dumps(pattern), Event=json.dumps(event))["Result"] is is_matched


def test_cfn_lint_finds_nothing_in_the_example() -> None:
    """Neither errors nor warnings nor hints."""
    arguments = ManualArgs(include_checks=["I"], regions=["eu-west-1", "us-east-1"])

    assert lint((FOLDER / "template.yaml").read_text(), config=arguments) == []


def test_the_documented_command_sets_every_parameter() -> None:
    """It names the reader's token secret."""
    (command,) = re.findall(
        r"^aws cloudformation deploy .*examples/told/template.yaml.*$", PAGE.read_text(), re.MULTILINE
    )
    overrides = command.partition("--parameter-overrides ")[2].split()

    assert {each.partition("=")[0] for each in overrides} == TEMPLATE["Parameters"].keys()


def put(aws: LocalAws, access_token: str) -> None:
    """Publish a token, as the function does."""
    secrets = aws.client("secretsmanager")
    value = json.dumps({"access_token": access_token, "client_secret": "a-client-secret"})
    secrets.put_secret_value(SecretId=SECRET, SecretString=value)


@pytest.fixture(scope="module")
def queue_url(aws: LocalAws) -> Iterator[str]:
    """Publish a token, and deploy the example for it."""
    aws.client("secretsmanager").create_secret(Name=SECRET)
    put(aws, "first")
    cloudformation = aws.client("cloudformation")
    cloudformation.create_stack(
        StackName="told",
        TemplateBody=(FOLDER / "template.yaml").read_text(),
        Parameters=[{"ParameterKey": "TokenSecret", "ParameterValue": SECRET}],
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName="told", WaiterConfig={"Delay": 1})
    (described,) = cloudformation.describe_stacks(StackName="told")["Stacks"]
    yield next(each["OutputValue"] for each in described["Outputs"] if each["OutputKey"] == "QueueUrl")
    cloudformation.delete_stack(StackName="told")


@pytest.fixture
def headers(aws: LocalAws, queue_url: str, tmp_path: Path) -> Iterator[Path]:
    """Run the application, and return the file that it writes; its command adds what is in it to another file."""
    headers = tmp_path / "headers"
    reload = f"open('{tmp_path / 'reloads'}', 'a').write(open('{headers}').read())"
    command = [sys.executable, str(FOLDER / "told.py"), queue_url, SECRET, str(headers), sys.executable, "-c", reload]
    with subprocess.Popen(command, env=aws.environment) as process:  # noqa: S603  our own command
        yield headers
        process.terminate()


def of(access_token: str) -> str:
    """Return what the file has of a token."""
    return f"Authorization: Bearer {access_token}\nMX-Api-Client-Secret: a-client-secret\n"


def test_a_replaced_token_is_in_the_file_and_the_command_has_run(aws: LocalAws, headers: Path) -> None:
    """Long before the five minutes after which the secret would be read anyway."""
    reloads = headers.with_name("reloads")
    eventually(lambda: reloads.exists() and reloads.read_text() == of("first"))
    put(aws, "second")
    eventually(lambda: reloads.read_text() == of("first") + of("second"))

    assert (headers.read_text(), stat.S_IMODE(headers.stat().st_mode)) == (of("second"), 0o600)
