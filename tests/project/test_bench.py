"""The benchmark: each part works, and the tables say what was measured. How fast anything is, is not tested."""

import time
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection

import pytest

from tools.bench import scale
from tools.bench.__main__ import DOCUMENT, in_turns
from tools.bench.cost import A_STACK, shared
from tools.bench.far import Call, away
from tools.bench.flood import Flood
from tools.bench.report import TABLES, TITLES, Measured, Results
from tools.bench.scale import Scaled
from tools.bench.scene import CONTESTANTS, LOG_IN, Sample, Scene, readable_at, scene
from tools.local.aws import LocalAws
from tools.local.document import placed
from tools.local.mx import MovieXchangeStandIn

SAMPLE = Sample(init=100.0, duration=10.0, readable=200.0, ended=300.0, calls=["GetSecretValue", LOG_IN], reasons={})
MEASURED = Measured(cold=[SAMPLE] * 2, checks=[SAMPLE] * 2, reports=[SAMPLE] * 2)
SCALED = Scaled(count=1, quiet=0.01, all_due=1.0, replaced=1, new_credentials=1.0, replaced_then=1, memory=2**26)
RESULTS = Results(
    measured=dict.fromkeys(TITLES, MEASURED),
    scaled=[SCALED, replace(SCALED, count=60, quiet=0.01 + 59 * 0.006, replaced=25)],
    deployed=replace(SCALED, count=60, memory=0),
    report=0.02,
    report_deployed=0.08,
)


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Set up the peers with nothing far away, and a token for each contestant."""
    with scene(tmp_path_factory.mktemp("bench"), is_far=False) as made:
        made.fill(["ours", *CONTESTANTS])
        yield made


@pytest.mark.parametrize("name", ["ours", *CONTESTANTS])
def test_each_contestant_replaces_a_reported_token(near: Scene, name: str) -> None:
    """A report without a fresh token would end the benchmark."""
    with near.environment(name) as environment:
        sample = environment.report()

    assert (sample.calls.count(LOG_IN), sample.init > 0, sample.readable <= sample.ended) == (1, True, True)


def test_contestants_take_turns(near: Scene) -> None:
    """Each starts cold once in a round, and is then measured warm; four steps have no quiet run."""
    measured = in_turns(near, ["ours", "four_steps"], rounds=1, warm=2)
    counts = {name: (len(each.cold), len(each.checks), len(each.reports)) for name, each in measured.items()}

    assert counts == {"ours": (1, 2, 2), "four_steps": (1, 0, 2)}


def test_ours_is_measured_with_several_client_ids(near: Scene) -> None:
    """All are due in one run, and come from new credentials in another."""
    scaled = scale.from_afar(near, 3)

    assert (scaled.replaced, scaled.replaced_then, scaled.runs(), scaled.memory > 2**20) == (3, 3, 1, True)


def test_a_made_up_report_logs_in_never(near: Scene) -> None:
    """It ends after two reads."""
    with near.environment("ours") as environment:
        assert scale.made_up_report(environment).calls == ["GetSecretValue", "DescribeSecret"]


def test_a_deployed_stack_is_measured(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """With two client IDs here, and two reports."""
    monkeypatch.setattr(scale, "REPORTS", 2)
    scaled, _ = scale.deployed(aws, 2)

    assert (scaled.count, scaled.replaced) == (2, 2)


def test_what_is_far_away_takes_its_time_and_is_noted() -> None:
    """A connection takes it once, and the request once more."""
    with MovieXchangeStandIn() as mx, away(mx.url, 0.05) as far:
        began = time.perf_counter()
        connection = HTTPConnection(far.url.removeprefix("http://"))
        connection.request("GET", "/nowhere")
        status = connection.getresponse().status
        took = time.perf_counter() - began
        connection.close()

    assert (status, [call.name for call in far.calls], took >= 0.1) == (404, ["GET /nowhere"], True)


def test_a_token_is_readable_once_its_publication_is_answered() -> None:
    """A write before the log-in only tries whether one is possible."""
    names = ["PutSecretValue", LOG_IN, "PutSecretValue", "PutSecretValue"]
    calls = [Call(name, at) for at, name in enumerate(names)]

    assert (readable_at(calls, "PutSecretValue", 9.0), readable_at([], "PutSecretValue", 9.0)) == (2, 9.0)


@pytest.mark.parametrize(
    ("rate", "seconds_each", "minutes"),
    [(1, 0.5, 15), (10, 0.1, 15), (300, 1.0, 40), (3000, 1.0, 55)],
    ids=["a report now and then", "as fast as they are served", "a flood", "a flood that the queue throttles"],
)
def test_a_flood_delays_the_next_check(rate: float, seconds_each: float, minutes: float) -> None:
    """A check that is sent soon after its begin is lost, and the next one waits until the rest is dropped."""
    assert Flood(rate=rate, duration=600, seconds_each=seconds_each).worst_gap() / 60 == pytest.approx(minutes, abs=1.1)


def test_client_ids_beyond_sixty_need_another_stack() -> None:
    """Of ours; the others share the credentials secret alone."""
    assert (shared("ours", A_STACK + 1) / shared("ours", A_STACK), shared("floor", 1), shared("floor", 1000)) == (
        2,
        0.4,
        0.4,
    )


@pytest.mark.parametrize("name", TABLES)
def test_the_page_has_a_place_for_each_table(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows are as long as its head."""
    monkeypatch.setattr("tools.bench.report.FLOODED", 1.0)
    written = TABLES[name](RESULTS)
    lengths = {line.count("|") for line in written.splitlines() if line.startswith("|")}

    assert (len(lengths), written.strip() in placed(DOCUMENT.read_text(), name, written)) == (1, True)


def test_a_mark_that_is_missed_says_so() -> None:
    """Here ours takes twice the floor's INIT."""
    slow = replace(MEASURED, cold=[replace(SAMPLE, init=200.0)] * 2)
    missed = TABLES["marks"](replace(RESULTS, measured={**RESULTS.measured, "ours": slow}))

    assert [line for line in missed.splitlines() if line.endswith("| no |")] == [
        "| INIT, as a multiple of the floor's | 1.05 | 2.00 (2.00 to 2.00) | no |"
    ]


def test_what_one_run_cannot_replace_takes_more_runs() -> None:
    """The table says how many."""
    rows = [line.split(" | ") for line in TABLES["scale"](RESULTS).splitlines()[2:]]

    assert [cells[4] for cells in rows] == ["1", "3", "60"]
