"""The benchmark: its arithmetic, that its contestants do their job, and that the product's counts do not grow."""

import ssl
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import requests
import trustme

from bench import measure, report
from bench.cost import LIST, PRICES, Day, Spread, Work, all_healed, cpu_share, day
from bench.far import away
from bench.imports import CLIENT, REST, spent
from bench.measure import HANDLERS, Kind, Measured, Samples, Scene, cpu_limit, in_turns, scene
from bench.report import COUNTS, MEMORY, TABLES, Results, verdict
from local.aws import HOUSE, local_aws
from local.document import placed
from local.faults import send
from local.mx import MovieXchangeStandIn

on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="the runtime interface emulator and the runtime's client are for Linux alone"
)
TICK = Work(billed=1250, invocations=1, secrets_calls=2, moviexchange_calls=0, log_ins=0, log_bytes=300)
REFRESH = Work(billed=1500, invocations=1, secrets_calls=4, moviexchange_calls=2, log_ins=1, log_bytes=1300)
MEASURED = Measured(
    wall=140, duration=30, init=100, invocations=1, waited=10, secrets_calls=(), moviexchange_calls=(), log_bytes=0
)


def test_a_spread_is_the_median_between_the_quartiles() -> None:
    """One slow run among five moves none of them."""
    assert Spread.of([1, 2, 3, 4, 1000]) == Spread(low=2, median=3, high=4)


@pytest.mark.parametrize(("memory", "share"), [(1769, 1.0), (10_240, 1.0), (1769 / 4, 0.25)])
def test_memory_brings_cpu_up_to_one(memory: float, share: float) -> None:
    """Lambda's user guide: one CPU at 1,769 MB, in proportion below; a single thread has no use for a second one."""
    assert cpu_share(memory) == share


def test_the_function_has_the_whole_cpu_that_the_benchmark_measures_with() -> None:
    """Or marks and bill would be those of another function."""
    assert cpu_share(MEMORY) == 1


def test_work_grows_as_the_share_falls_and_waiting_does_not() -> None:
    """20 ms of work on a quarter of a CPU are 80, beside 10 ms of waiting; INIT waits for nobody."""
    grown = MEASURED.on(0.25)

    assert (grown.duration, grown.init, grown.wall) == (90, 400, 10 + 130 * 4)


def test_lambda_bills_init_as_it_bills_the_invocation() -> None:
    """Since August 2025, of every function."""
    assert MEASURED.billed == 130


def test_a_day_is_the_sum_of_its_work() -> None:
    """Of two ticks and a refresh, with a GB and three quarters."""
    together = day([(2, TICK), (1, REFRESH)], memory=1792, scheduled=3)

    assert together == Day(
        secrets_calls=8,
        moviexchange_calls=2,
        log_ins=1,
        invocations=3,
        gb_seconds=(2 * 1.25 + 1.5) * 1.75,
        log_bytes=2 * 1000 + 2000,
        scheduled=3,
    )


def test_what_an_app_does_in_its_own_process_is_no_compute_of_lambda() -> None:
    """Its calls count all the same."""
    in_process = Work(**(vars(REFRESH) | {"invocations": 0}))

    assert day([(1, in_process)], memory=1769, scheduled=0).bill()["Lambda compute"] == pytest.approx(0)


def test_a_bill_is_a_days_work_times_the_prices_for_a_month() -> None:
    """A month has 730 hours, as in AWS's price examples."""
    bill = Day(secrets_calls=24, gb_seconds=24, invocations=24, scheduled=24, log_bytes=24).bill()

    assert bill == pytest.approx(
        {
            "Secrets Manager calls": 730 * PRICES["secrets_call"],
            "Lambda compute": 730 * PRICES["lambda_gb_second_arm64"],
            "Lambda requests": 730 * PRICES["lambda_request"],
            "schedule": 730 * PRICES["scheduler_invocation"],
            "logs": 730 * PRICES["log_byte"],
        }
    )


@pytest.mark.parametrize(
    ("cold", "count", "at_once", "seconds"),
    [
        (4.0, 1, 1000, 4),
        (4.0, 101, 1000, 6),
        (4.0, 1000, 1000, 4 + 999 / 50),
        (60.0, 1001, 1000, 90),
        (4.0, 21, 10, 64),
    ],
    ids=["one", "writes", "more writes", "two waves", "a new account"],
)
def test_the_slower_quota_says_when_all_are_healed(cold: float, count: int, at_once: float, seconds: float) -> None:
    """50 writes a second, and as many at once as the account may run; a warm one takes 30 seconds here."""
    assert all_healed(cold, 30.0, count, at_once) == seconds


@pytest.mark.parametrize("part", ["prices", "quotas"])
def test_each_price_says_where_it_was_read(part: str) -> None:
    """In the vendor's own pages."""
    assert [name for name, each in LIST[part].items() if ".aws.amazon.com/" not in f".{each['source'][8:]}"] == []


@pytest.mark.parametrize(("value", "said"), [(1.1, "yes"), (1.104, "yes"), (1.25, "no, by 0.15")])
def test_a_mark_is_reached_or_says_how_far_it_is(value: float, said: str) -> None:
    """At the limit it is reached, as far as it is written."""
    assert verdict(value, 1.1, 2) == said


@pytest.mark.parametrize(("scheme", "ways"), [("http", 3), ("https", 4)])
def test_a_far_server_takes_the_way_for_each_handshake_and_each_request(
    scheme: str, ways: int, mx: MovieXchangeStandIn
) -> None:
    """Two requests on one connection take it twice, TCP once, and TLS 1.3 once more."""
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    with authority.cert_pem.tempfile() as trusted, away(mx.url, 0, tls if scheme == "https" else None) as far:
        with requests.Session() as session:
            session.get(f"{far.url}/one", verify=trusted)
            session.get(f"{far.url}/two", verify=trusted)
        seen = (far.waits, far.calls)

    assert seen == (ways, ["GET /one", "GET /two"])


def test_a_profile_adds_up_whose_imports_took_how_long() -> None:
    """What is imported while the client is set up counts for who is imported, and the rest of it for the client."""
    printed = (
        "import time:      1000 |       1000 |   boto3.session\n"
        "set-up begins\n"
        "import time:       500 |        500 |     botocore.endpoint\n"
        "set-up took 2500\n"
        "import time:       250 |        250 |   json\n"
        "import time:      4000 |       5750 | mx_token_rotator.handler\n"
    )

    assert spent(printed) == {
        "boto3 and botocore": 1.5,
        CLIENT: 2.0,
        REST: 0.25,
        "its own code": 2.0,
    }


def test_a_far_server_passes_everything_on(mx: MovieXchangeStandIn) -> None:
    """A log-in through it gives a token that the account knows."""
    form = {"grant_type": "password", "client_id": "FooTickets_Website"}
    with away(mx.url, 0) as far:
        answer = requests.post(f"{far.url}/connect/token", data=form | mx.credentials(), timeout=10)

    assert (answer.status_code, answer.json()["access_token"] in mx.access_tokens) == (200, True)


def test_a_far_server_makes_no_call_twice_where_its_peer_gives_up_connections(mx: MovieXchangeStandIn) -> None:
    """Whoever answers and hangs up without a word has the next request come by another connection."""

    def hang_up(handler: BaseHTTPRequestHandler) -> None:
        send(handler, 200)
        handler.close_connection = True

    mx.api_fault = hang_up
    with away(mx.url, 0) as far, requests.Session() as session:
        statuses = [session.get(f"{far.url}/{number}").status_code for number in range(2)]

    assert (statuses, far.calls) == ([200, 200], ["GET /0", "GET /1"])


def test_a_machine_that_does_not_let_us_limit_the_cpu_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it would take is computed instead."""
    monkeypatch.setattr(measure, "CGROUP", tmp_path / "missing")

    with cpu_limit(0.5) as group:
        assert group is None


@pytest.mark.parametrize("name", [*(each.__name__ for each in TABLES), "conditions"])
def test_each_table_has_its_place_in_the_docs(name: str) -> None:
    """`make bench` must not measure for minutes and then find none."""
    assert "of this test" in placed((HOUSE / "docs" / "performance.md").read_text(), name, "of this test")


@pytest.fixture(scope="module")
def set_up() -> Iterator[Scene]:
    """Build all packages, and run their peers."""
    with local_aws() as aws, scene(aws) as made:
        yield made


@pytest.fixture(scope="module")
def samples(set_up: Scene) -> Samples:
    """Let each contestant start cold four times, and take one turn each time."""
    return in_turns(set_up, list(HANDLERS), rounds=4, warm=1)


def last(samples: Samples, kind: Kind) -> dict[str, Measured]:
    """Give the last measurement of a kind, of each contestant that has one."""
    return {name: each[kind][-1] for name, each in samples.items() if kind in each}


def calls(measured: Measured) -> tuple[str, ...]:
    """Give all calls to the outside, in the order in which Secrets Manager's and movieXchange's came."""
    return measured.secrets_calls + measured.moviexchange_calls


@on_linux
def test_a_quiet_tick_of_the_package_takes_two_calls(samples: Samples) -> None:
    """One look at the token, and one at the versions of the credentials."""
    assert calls(last(samples, "tick")["ours"]) == ("GetSecretValue", "DescribeSecret")


@on_linux
def test_a_refresh_of_the_package_takes_four_more(samples: Samples) -> None:
    """It reads the credentials, logs in, tries the token, and writes."""
    refresh = last(samples, "refresh")["ours"]

    assert (refresh.secrets_calls, refresh.moviexchange_calls) == (
        ("GetSecretValue", "DescribeSecret", "GetSecretValue", "PutSecretValue"),
        ("POST /connect/token", "GET /mxs/reference-data/v1/cinema-chains"),
    )


@on_linux
def test_the_floor_of_the_same_calls_makes_the_same_calls(samples: Samples) -> None:
    """Or what ours takes beyond it would not be ours."""
    kinds: tuple[Kind, ...] = ("tick", "refresh")
    compared = [{calls(last(samples, kind)[name]) for name in ("ours", "floor-same-calls")} for kind in kinds]

    assert [len(each) for each in compared] == [1, 1]


@on_linux
def test_the_other_contestants_make_the_calls_that_their_kind_makes(samples: Samples) -> None:
    """As they stand in the table; an app by itself makes none while its token works."""
    kinds: tuple[Kind, ...] = ("tick", "refresh")
    counts = {
        name: [len(calls(last(samples, kind)[name])) for kind in kinds if name in last(samples, kind)]
        for name in HANDLERS
    }

    assert counts == {
        "ours": [2, 6],
        "ours-compiled": [2, 6],
        "floor": [1, 4],
        "floor-same-calls": [2, 6],
        "timer": [3],
        "four-steps": [13],
        "every-app": [0, 1],
    }


@on_linux
def test_a_cold_start_imports_fewer_modules_than_the_floors(set_up: Scene) -> None:
    """By 40 at least, now 46: the floor loads requests, and ours does not before a log-in is due."""
    assert set_up.started("floor").modules - set_up.started("ours").modules >= 40


@on_linux
def test_what_ships_does_not_grow(set_up: Scene) -> None:
    """At most 175 files, 640 KiB compressed and 2 MiB as it ships; now 170, 610 KiB and 1.95 MiB."""
    ours = set_up.sizes["ours"]

    assert (ours.files <= 175, ours.zipped <= 640 * 1024, set_up.archive <= 2 * 1024 * 1024) == (True, True, True)


@pytest.fixture(scope="module")
def results(set_up: Scene, samples: Samples) -> Results:
    """Put together what a machine measures that cannot limit the CPU."""
    return Results(
        samples=samples,
        alone={},
        started={name: set_up.started("floor") for name in HANDLERS},
        profiles={name: [set_up.profile(name)] for name in ("ours", "floor")},
        sizes=set_up.sizes,
        archive=set_up.archive,
        peak=0,
        healed={1: 1.0},
    )


@on_linux
@pytest.mark.parametrize("table", TABLES, ids=lambda each: str(each.__name__))
def test_each_table_can_be_made_where_the_cpu_cannot_be_limited(table: report.Table, results: Results) -> None:
    """No row of any table lacks a cell, whichever contestant or size it is of."""
    lines = [line for line in table(results).splitlines() if line.startswith("|")]

    assert (len({line.count(" | ") for line in lines}), len(lines) > len(COUNTS)) == (1, True)
