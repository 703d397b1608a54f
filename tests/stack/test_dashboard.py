"""The dashboard's body, as the template's parameters make it."""

import json
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from zipfile import ZipFile

import pytest
from cfnlint.decode.cfn_yaml import load

from tools.local.aws import PROJECT, LocalAws
from tools.local.lambda_runtime import HANDLER, lambda_runtime
from tools.local.stack import build
from tools.local.translated import Resolver

TEMPLATE: dict[str, Any] = load(str(PROJECT / "template.yaml"))
DEFAULTS = {name: str(each.get("Default", "_Website")) for name, each in TEMPLATE["Parameters"].items()}
OWN = {"Environment": "sandbox", "SecretPrefix": "a_b.c-d/2/3", "AlarmBelowPercent": "1"}
CHOICES = {"defaults": DEFAULTS, "own names": DEFAULTS | OWN}
OF_INSIGHTS = {"SOURCE", "filter", "fields", "stats", "sort", "asc", "desc", "limit", "by", "as", "or", "and"}
OF_INSIGHTS |= {"ispresent", "coalesce", "count", "latest", "timestamp"}
PUBLISHED = {"SecretPrefix": "dashboard"}


@pytest.fixture(scope="module", params=CHOICES)
def resources(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Resolve what the dashboard goes by, for a choice of parameters."""
    read = ("TokenDashboard", "TokenLifeLow", "RefreshFailing", "FunctionLogs")
    resolver = Resolver(TEMPLATE, CHOICES[request.param], {})
    return {name: resolver.resolve(TEMPLATE["Resources"][name]["Properties"]) for name in read}


def widgets(resources: dict[str, Any]) -> dict[str, Any]:
    """Read the dashboard's widgets under their titles."""
    body = json.loads(resources["TokenDashboard"]["DashboardBody"])
    return {each["properties"]["title"]: each for each in body["widgets"]}


def test_the_dashboard_has_these_widgets(resources: dict[str, Any]) -> None:
    """Its body is JSON whatever the parameters."""
    assert list(widgets(resources)) == [
        "Lowest lifetime left",
        "Lifetime left of each client ID's token",
        "Refreshes by reason",
        "Failures by error",
        "Last errors",
        "Duration",
    ]


def test_no_widget_covers_another(resources: dict[str, Any]) -> None:
    """Each has its place on CloudWatch's grid, which is 24 wide."""
    places = [
        (x, y)
        for each in widgets(resources).values()
        for x in range(each["x"], each["x"] + each["width"])
        for y in range(each["y"], each["y"] + each["height"])
    ]

    assert (len(places), max(x for x, _ in places)) == (len(set(places)), 23)


def test_the_lifetime_is_drawn_as_the_alarm_reads_it(resources: dict[str, Any]) -> None:
    """It is the same metric, statistic and period, and the line across it is the alarm's threshold."""
    alarm = resources["TokenLifeLow"]
    drawn = widgets(resources)["Lowest lifetime left"]["properties"]
    ((*metric, options),) = drawn["metrics"]
    (line,) = drawn["annotations"]["horizontal"]

    assert (metric, options["stat"], drawn["period"], line["value"]) == (
        [alarm["Namespace"], alarm["MetricName"], *alarm["Dimensions"][0].values()],
        alarm["Statistic"],
        alarm["Period"],
        int(alarm["Threshold"]),
    )


def test_failures_are_searched_under_this_stacks_account(resources: dict[str, Any]) -> None:
    """The metric exists once more without the error."""
    ((search,),) = widgets(resources)["Failures by error"]["properties"]["metrics"]
    (account,) = resources["RefreshFailing"]["Dimensions"]

    assert (
        f'{{MovieXchange,Account,Error}} MetricName="TokenRefreshFailed" Account="{account["Value"]}"'
        in (search["expression"])
    )


def queries(resources: dict[str, Any]) -> list[str]:
    """Read the queries for CloudWatch Logs Insights."""
    read = (each["properties"].get("query", "") for each in widgets(resources).values())
    return [query for query in read if query]


def test_a_query_reads_the_log_of_the_function(resources: dict[str, Any]) -> None:
    """Its log group is the one that the function writes to."""
    group = resources["FunctionLogs"]["LogGroupName"]

    assert [query.split(" | ")[0] for query in queries(resources)] == [f"SOURCE '{group}'"] * 3


def named(query: str) -> set[str]:
    """Read which fields of log lines a query names: words that are not text, not a name of its own, and no keyword."""
    words = re.sub(r"'[^']*'|(?<= as )\w+", "", query)
    own = set(re.findall(r"(?<= as )\w+", query))
    return set(re.findall(r"[A-Za-z]\w*", words)) - OF_INSIGHTS - own


@pytest.fixture(scope="module")
def fields(aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Run the function, and one that does not start, and read which fields their log lines have."""
    package = tmp_path_factory.mktemp("package")
    with ZipFile(build()) as archive:
        archive.extractall(package)
    (package / "broken.py").write_text("def handler(event, context):\n    raise KeyError\n")
    publish_token(aws)
    function = TEMPLATE["Resources"]["Function"]["Properties"]
    variables = Resolver(TEMPLATE, DEFAULTS | PUBLISHED, {}).resolve(function["Environment"]["Variables"])
    variables |= {"AWS_ENDPOINT_URL": aws.endpoint, "AWS_LAMBDA_LOG_FORMAT": "JSON"}
    lines = []
    for handler, request in ((HANDLER, {}), (HANDLER, {"unknown": 1}), ("broken.handler", {})):
        with lambda_runtime(package, variables, handler=handler) as runtime:
            runtime.invoke(request)
            lines += [json.loads(line) for line in runtime.printed().splitlines() if line.startswith("{")]
    return {field for line in lines for field in line}


def publish_token(aws: LocalAws) -> None:
    """Put credentials, and a token of theirs that is fresh, into secrets of their own."""
    secrets = aws.client("secretsmanager")
    account = f"{PUBLISHED['SecretPrefix']}/staging"
    credentials = {"username": "user", "password": "pass", "client_secret": "secret"}
    made = secrets.create_secret(Name=f"{account}/credentials", SecretString=json.dumps(credentials))
    now = datetime.now(UTC).replace(microsecond=0, tzinfo=None)
    token = {
        "access_token": "token",
        "token_type": "Bearer",
        "client_secret": "secret",
        "client_id": "_Website",
        "issued_at": f"{now.isoformat()}Z",
        "expires_at": f"{(now + timedelta(hours=12)).isoformat()}Z",
        "credentials_version": made["VersionId"],
        "verified": True,
    }
    secrets.create_secret(Name=f"{account}/tokens/_Website", SecretString=json.dumps(token))


@pytest.mark.skipif(sys.platform != "linux", reason="the runtime interface emulator is for Linux alone")
def test_each_field_that_a_query_names_is_in_the_log(resources: dict[str, Any], fields: set[str]) -> None:
    """The function's lines and the Lambda runtime's have them all between them."""
    assert set().union(*map(named, queries(resources))) - fields == set()
