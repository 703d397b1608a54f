"""The dashboard's body, as the template's parameters make it, and its picture in the docs.

That what it graphs is emitted is held in test_stack.py, as deployed.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode.cfn_yaml import load

from local.aws import HOUSE
from local.lambda_runtime import lambda_runtime
from local.translated import translated
from mx_token_rotator.errors import CredentialsInvalid, RequestInvalid
from simulation.dashboard import ALARM, PANELS, PERIOD, eventful_days, picture
from simulation.figures import save
from tests.function import REQUEST, Rotator, logged

TEMPLATE: dict[str, Any] = load(str(HOUSE / "template.yaml"))
CHOICES = {
    "defaults": {"ClientIds": "FooTickets_Website"},
    "all of one's own": {
        "ClientIds": "FooTickets_Website,4",
        "Environment": "production",
        "SecretPrefix": "a_b.c-d/2/3",
        "AlarmSecondsRemaining": "1",
    },
}
OF_INSIGHTS = {"SOURCE", "filter", "fields", "stats", "sort", "desc", "limit", "by", "as", "or", "and", "not", "like"}
OF_INSIGHTS |= {"ispresent", "coalesce", "count", "timestamp"}


@pytest.fixture(scope="module", params=CHOICES)
def resources(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Translate the template for a choice of parameters, and give its resources."""
    made: dict[str, Any] = translated(TEMPLATE, CHOICES[request.param])["Resources"]
    return made


def widgets(resources: dict[str, Any]) -> dict[str, Any]:
    """Read the dashboard's widgets under their titles."""
    body = json.loads(resources["RotatorDashboard"]["Properties"]["DashboardBody"])
    return {each["properties"]["title"]: each for each in body["widgets"]}


def test_the_dashboard_has_these_graphs_and_tables(resources: dict[str, Any]) -> None:
    """Its body is JSON whatever the parameters."""
    titles = ["Life left of each token", "Refreshes by reason", "Failures by error", "Duration", "Last errors"]

    assert list(widgets(resources)) == titles


def test_no_widget_covers_another(resources: dict[str, Any]) -> None:
    """Each has its place on CloudWatch's grid, which is 24 wide."""
    places = [
        (x, y)
        for each in widgets(resources).values()
        for x in range(each["x"], each["x"] + each["width"])
        for y in range(each["y"], each["y"] + each["height"])
    ]

    assert (len(places), max(x for x, _ in places)) == (len(set(places)), 23)


def test_the_alarm_threshold_is_drawn(resources: dict[str, Any]) -> None:
    """The line across the life of the tokens is where the alarm rings."""
    (line,) = widgets(resources)["Life left of each token"]["properties"]["annotations"]["horizontal"]

    assert line["value"] == int(resources["FreshnessFooTicketsWebsite"]["Properties"]["Threshold"])


def test_the_life_is_graphed_as_the_alarm_sees_it(resources: dict[str, Any]) -> None:
    """It is the same statistic of the same periods."""
    alarm = resources["FreshnessFooTicketsWebsite"]["Properties"]
    ((search,),) = widgets(resources)["Life left of each token"]["properties"]["metrics"]

    assert search["expression"].endswith(f"'{alarm['Statistic']}', {alarm['Period']})")


def queries(resources: dict[str, Any]) -> list[str]:
    """Read the queries for CloudWatch Logs Insights."""
    read = (each["properties"].get("query", "") for each in widgets(resources).values())
    return [query for query in read if query]


def test_a_query_looks_into_the_log_of_the_function(resources: dict[str, Any]) -> None:
    """Its log group is the one that the function writes to."""
    group = resources["RotatorLogs"]["Properties"]["LogGroupName"]

    assert [query.split(" | ")[0] for query in queries(resources)] == [f"SOURCE '{group}'"] * 2


def asked(query: str) -> set[str]:
    """Read which fields of log lines a query names: words that are no text, no name that it gives, and no keyword."""
    words = re.sub(r"'[^']*'|(?<= as )\w+", "", query)
    named = set(re.findall(r"(?<= as )\w+", query))
    return set(re.findall(r"[A-Za-z]\w*", words)) - OF_INSIGHTS - named


@pytest.mark.skipif(sys.platform != "linux", reason="the runtime interface emulator is for Linux alone")
def test_each_field_that_a_query_names_is_in_the_log(
    resources: dict[str, Any], filled: Rotator, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The function's lines and the Lambda runtime's have them all between them."""
    filled(REQUEST)
    with pytest.raises(RequestInvalid):
        filled({})
    lines = logged(capsys.readouterr().out)
    (tmp_path / "faulty.py").write_text("def handler(event, context):\n    raise KeyError\n")
    with lambda_runtime(tmp_path, {"AWS_LAMBDA_LOG_FORMAT": "JSON"}, handler="faulty.handler") as runtime:
        runtime.invoke(REQUEST)
        lines += [json.loads(line) for line in runtime.printed().splitlines() if '"errorType"' in line[:200]]

    assert set().union(*map(asked, queries(resources))) - {field for line in lines for field in line} == set()


def test_a_failure_is_in_the_last_errors_once(resources: dict[str, Any]) -> None:
    """The runtime repeats what the function raised; what bears a remedy was logged by the function already."""
    (repeated,) = re.findall("errorMessage not like '(.*?)'", queries(resources)[1])

    assert repeated in str(CredentialsInvalid("The secret is empty", "moviexchange/staging/credentials"))


def test_what_counts_as_a_refresh_is_an_outcome(resources: dict[str, Any], fresh: Rotator) -> None:
    """The reasons that are counted are those of this outcome."""
    outcome = fresh(REQUEST | {"force": True})["outcome"]

    assert f"filter outcome = '{outcome}'" in queries(resources)[0]


def test_the_picture_shows_each_widget(resources: dict[str, Any]) -> None:
    """Under its title, and in its place."""
    assert list(PANELS) == list(widgets(resources))


def test_the_docs_have_the_picture_that_is_drawn(tmp_path: Path) -> None:
    """Byte for byte: `make dashboard` would change nothing."""
    save(picture(eventful_days()), tmp_path / "dashboard.svg")

    assert (tmp_path / "dashboard.svg").read_bytes() == (HOUSE / "docs" / "dashboard.svg").read_bytes()


def test_the_picture_has_the_alarm_of_the_template() -> None:
    """Its threshold and its period are those of the defaults."""
    alarm = TEMPLATE["Resources"]["Fn::ForEach::ClientId"][2]["Freshness&{ClientId}"]["Properties"]

    assert (TEMPLATE["Parameters"]["AlarmSecondsRemaining"]["Default"], alarm["Period"]) == (ALARM, PERIOD)


def test_the_picture_is_of_an_alarm_in_time() -> None:
    """Both tokens fall below its threshold, and none of them ends."""
    life = eventful_days().life

    assert [0 < min(periods.values()) < ALARM for periods in life.values()] == [True, True]


def test_the_picture_is_of_reasons_and_errors_that_differ() -> None:
    """There is something to see in each of its panels."""
    emitted = eventful_days()

    assert (set(emitted.reasons), set(emitted.failures)) == (
        {"first", "expiring", "credentials changed", "rejected"},
        {"MovieXchangeUnavailable", "CredentialsRejected"},
    )
