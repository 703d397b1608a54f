"""The commands, queries and files of docs/security.md that say who did what, against AWS's own descriptions."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import botocore.session
import jmespath
import pytest
from botocore import xform_name
from botocore.model import StructureShape
from botocore.validate import ParamValidator

from tests.stack.documented import FUNCTION_ROLE, blocks, documented
from tools.local.permissions import FOREIGN, OWN, Permissions
from tools.local.translated import ACCOUNT_ID

SESSION = botocore.session.get_session()
OF_THE_CLI = {"query", "output", "cli-input-json"}
"""Options that the AWS CLI adds to every operation."""
CUSTOM = {("cloudformation", "deploy")}
"""Commands of the AWS CLI that are not operations."""


def input_of(service: str, operation: str) -> StructureShape:
    """Return what an operation takes, by botocore's model."""
    shape = SESSION.get_service_model(service).operation_model(operation).input_shape
    if shape is None:
        raise LookupError(f"{operation} takes nothing")
    return shape


def commands() -> list[list[str]]:
    """Read each call of the AWS CLI in the page's commands, in its words."""
    text = "\n".join(blocks()).replace("$(", "\n").replace("; do ", "\n").replace("; done", "\n")
    calls = [re.sub(r"\)$", "", line.strip()) for line in text.splitlines() if line.strip().startswith("aws ")]
    return [shlex.split(call) for call in calls]


@pytest.mark.parametrize("words", commands(), ids=lambda words: " ".join(words[1:3]))
def test_the_aws_cli_has_each_command_of_the_page_with_its_options(words: list[str]) -> None:
    """An operation of botocore's model and its arguments, as the CLI writes them."""
    _, service, operation, *arguments = words
    options = {each.removeprefix("--").removeprefix("no-") for each in arguments if each.startswith("--")}
    if (service, operation) in CUSTOM:
        return
    operations = SESSION.get_service_model(service).operation_names
    (name,) = (each for each in operations if xform_name(each, "-") == operation)
    members = {xform_name(each, "-") for each in input_of(service, name).members}

    assert options - members - OF_THE_CLI == set()


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        (
            "cloudtrail",
            "PutEventSelectors",
            {"TrailName": "trail", "AdvancedEventSelectors": documented("event-selectors.json")},
        ),
        ("securityhub", "CreateAutomationRule", documented("suppress-rotation.json")),
        (
            "secretsmanager",
            "PutResourcePolicy",
            {"SecretId": "x", "ResourcePolicy": json.dumps(documented("credentials-policy.json"))},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_aws_takes_each_file_of_the_page(service: str, operation: str, arguments: dict[str, Any]) -> None:
    """By botocore's model of the operation."""
    assert ParamValidator().validate(arguments, input_of(service, operation)).generate_report() == ""


@pytest.fixture(scope="module")
def permissions() -> Permissions:
    """Translate the template."""
    return Permissions({})


def test_the_selectors_name_the_stacks_function_bus_and_queue(permissions: Permissions) -> None:
    """A slip in an ARN would record nothing."""
    fields = [
        {field["Field"]: field["Equals"] for field in each["FieldSelectors"]}
        for each in documented("event-selectors.json")
    ]

    assert [each["resources.ARN"] for each in fields if "resources.ARN" in each] == [
        [permissions.resources[name].arn] for name in ("function", "bus", "queue")
    ]


def test_the_automation_rule_is_for_the_secrets_below_the_stacks_prefix(permissions: Permissions) -> None:
    """Findings of other secrets stay."""
    (criterion,) = documented("suppress-rotation.json")["Criteria"]["ResourceId"]
    secrets = {name: each.arn for name, each in permissions.resources.items() if ":secret:" in each.arn}

    assert {name for name, arn in secrets.items() if arn.startswith(criterion["Value"])} == {
        *OWN,
        *(name for name in FOREIGN if name.startswith("moviexchange/staging/")),
    }


# The event history


def event(name: str, caller: str, request: Mapping[str, object], **more: object) -> dict[str, Any]:
    """Write out an event as CloudTrail's LookupEvents returns it: with the record as compact JSON."""
    issuer = {"type": "Role", "arn": f"arn:aws:iam::{ACCOUNT_ID}:role/{caller}"}
    session = f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/{caller}/session"
    identity = {"type": "AssumedRole", "arn": session, "sessionContext": {"sessionIssuer": issuer}}
    record = {"userIdentity": identity, "eventName": name, "requestParameters": request} | more
    return {
        "EventId": f"{name} by {caller}",
        "EventName": name,
        "EventTime": "2026-11-24T15:00:00Z",
        "Username": "session",
        "CloudTrailEvent": json.dumps(record, separators=(",", ":")),
    }


CREDENTIALS = {"secretId": "moviexchange/staging/credentials"}
CREDENTIALS_BY_ARN = {
    "secretId": f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT_ID}:secret:moviexchange/staging/credentials-AbCdEf"
}
TOKEN = {"secretId": "moviexchange/staging/tokens/_Website"}
HISTORY = [
    event("GetSecretValue", "FunctionRole", CREDENTIALS),
    event("GetSecretValue", "FunctionRole", TOKEN),
    event("GetSecretValue", "website", TOKEN),
    event("GetSecretValue", "snoop", CREDENTIALS_BY_ARN, errorCode="AccessDenied"),
    event("GetSecretValue", "liar", CREDENTIALS, userAgent=f'"arn":"{FUNCTION_ROLE}"'),
    event("GetSecretValue", "billing", {"secretId": "another/secret"}),
    event("PutSecretValue", "owner", CREDENTIALS | {"clientRequestToken": "1"}),
    event("UpdateSecretVersionStage", "FunctionRole", CREDENTIALS | {"versionStage": "REJECTED"}),
    event("UpdateSecretVersionStage", "owner", CREDENTIALS | {"versionStage": "AWSCURRENT"}),
    event("DeleteResourcePolicy", "admin", CREDENTIALS),
    event("ExecuteChangeSet", "pipeline", {"stackName": "mx-token-rotator", "changeSetName": "samcli-deploy1"}),
    event("UpdateFunctionCode20150331v2", "admin", {"functionName": "mx-token-rotator"}),
    event("PutRolePolicy", "admin", {"roleName": "mx-token-rotator-FunctionRole-1A2B3C", "policyName": "more"}),
    event("UpdateSchedule", "admin", {"name": "mx-token-rotator-Schedule-1A2B3C", "state": "DISABLED"}),
    event("UpdateSchedule", "billing", {"name": "another", "state": "DISABLED"}),
    event("DisableRule", "admin", {"name": "mx-token-rotator-TokenRejected-1A2B3C"}),
    event("DeleteSecret", "janitor", TOKEN | {"recoveryWindowInDays": 7}),
    event("AssumeRole", "app", {"roleArn": "role/reader", "tags": [{"key": "MovieXchangeClientId", "value": "_Web"}]}),
    event("TagRole", "admin", {"roleName": "app", "tags": [{"key": "MovieXchangeClientId", "value": "_Web"}]}),
]
STAND_IN = """#!{python}
import json, os, sys
import jmespath
region = f"{{os.environ['AWS_REGION']}}: " if "AWS_REGION" in os.environ else ""
arguments = dict(zip(sys.argv[3::2], sys.argv[4::2]))
wanted = arguments["--lookup-attributes"].removeprefix("AttributeKey=EventName,AttributeValue=")
found = [each for each in json.load(open({history!r})) if each["EventName"] == wanted]
for row in jmespath.search(arguments["--query"], {{"Events": found}}):
    print("\\t".join([*row[:-1], region + row[-1]]))
"""


@pytest.mark.parametrize(
    ("begins", "found"),
    [
        (
            "who_called GetSecretValue moviexchange/staging/credentials",
            ["GetSecretValue by snoop", "GetSecretValue by liar"],
        ),
        ("who_called GetSecretValue moviexchange/staging/tokens", ["GetSecretValue by website"]),
        (
            "for event in PutSecretValue",
            ["PutSecretValue by owner", "UpdateSecretVersionStage by owner", "DeleteResourcePolicy by admin"],
        ),
        (
            "for event in CreateChangeSet",
            [
                "ExecuteChangeSet by pipeline",
                "UpdateFunctionCode20150331v2 by admin",
                "us-east-1: PutRolePolicy by admin",
            ],
        ),
        ("for event in UpdateSchedule", ["UpdateSchedule by admin", "DisableRule by admin"]),
        ("who_called DeleteSecret", ["DeleteSecret by janitor"]),
        ("for event in AssumeRole", ["AssumeRole by app", "us-east-1: TagRole by admin"]),
    ],
)
def test_the_documented_search_finds_who_it_was(begins: str, found: list[str], tmp_path: Path) -> None:
    """Everybody but the function; a caller cannot hide behind what it writes into the event itself."""
    (tmp_path / "history.json").write_text(json.dumps(HISTORY))
    aws = tmp_path / "aws"
    aws.write_text(STAND_IN.format(python=sys.executable, history=str(tmp_path / "history.json")))
    aws.chmod(0o755)
    (define,) = (each for each in blocks() if each.startswith("who_called() {"))
    (search,) = (each for each in blocks() if each.startswith(begins))
    done = subprocess.run(  # noqa: S603  the page's own commands
        ["/bin/bash", "-euc", define.replace("START", "2026-11-01") + search],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert [line.split("\t")[-1] for line in done.stdout.splitlines()] == found


def test_the_documented_search_for_readers_names_roles_and_what_they_may() -> None:
    """Of those that may, one line each."""
    (search,) = (each for each in blocks() if each.startswith("for role in"))
    (query,) = re.findall(r'--query "(Evaluation.*?)"', search)
    results = {
        "EvaluationResults": [
            {"EvalActionName": "secretsmanager:GetSecretValue", "EvalDecision": "allowed"},
            {"EvalActionName": "secretsmanager:PutResourcePolicy", "EvalDecision": "implicitDeny"},
        ]
    }

    assert jmespath.search(query.replace("$role", "ROLE"), results) == [["ROLE", "secretsmanager:GetSecretValue"]]


# Data events, as AWS's pages on Lambda, EventBridge and SQS show them

RECORD = {
    "eventTime": "2026-11-24T15:00:00Z",
    "userIdentity": {"type": "AssumedRole", "arn": "arn", "invokedBy": "lambda.amazonaws.com"},
    "sourceIPAddress": "192.0.2.1",
    "errorCode": "AccessDenied",
}
DATA_EVENTS = {
    "Invoke": {"functionName": f"arn:aws:lambda:eu-west-1:{ACCOUNT_ID}:function:mx-token-rotator"},
    "PutEvents": {
        "entries": [
            {
                "source": "moviexchange/staging/tokens/_Website",
                "detailType": "Access Token Rejected",
                "detail": "HIDDEN_DUE_TO_SECURITY_REASONS",
                "eventBusName": "default",
            }
        ]
    },
    "SendMessage": {"queueUrl": f"https://sqs.eu-west-1.amazonaws.com/{ACCOUNT_ID}/mx-token-rotator.fifo"},
}


def flat(value: object, path: str = "") -> dict[str, str]:
    """Return the fields of a record as Logs Insights names them: with dots, and numbers for places in a list."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if parts is None:
        return {path.removeprefix("."): str(value)}
    return {name: text for key, each in parts for name, text in flat(each, f"{path}.{key}").items()}


def insights_query() -> str:
    """Read the query of CloudWatch Logs Insights."""
    (query,) = (each for each in blocks() if each.startswith("filter (eventName"))
    return query


@pytest.mark.parametrize("name", DATA_EVENTS)
def test_the_insights_query_reads_fields_that_the_event_has(name: str) -> None:
    """A field of another name is empty, without an error."""
    record = flat(RECORD | {"eventName": name, "requestParameters": DATA_EVENTS[name]})
    (condition,) = re.findall(
        rf"\((eventName (?:= \"{name}\"|like /\^{name}/) and .*?)\)$", insights_query(), re.MULTILINE
    )
    field, pattern = re.findall(r"and (\S+) like /(.*)/$", condition)[0]

    assert re.search(pattern.replace("\\/", "/"), record[field])


def test_the_insights_query_shows_fields_that_some_event_has() -> None:
    """And the time, which CloudWatch Logs adds."""
    (shown,) = re.findall(r"^\| fields (.*)$", insights_query(), re.MULTILINE)
    known = {name for request in DATA_EVENTS.values() for name in flat(RECORD | {"requestParameters": request})}

    assert set(shown.split(", ")) - known == {"@timestamp", "eventName"}


def test_the_athena_query_looks_for_the_same_events() -> None:
    """By the name, and by a text in the request, which Athena has as JSON."""
    (query,) = blocks("sql")
    asked = re.findall(r"eventname (?:=|LIKE) '(\w+)%?' AND requestparameters LIKE '%(.*)%'", query)

    assert {name: text in json.dumps(DATA_EVENTS[name]) for name, text in asked} == dict.fromkeys(DATA_EVENTS, True)
