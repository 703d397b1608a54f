"""The performance page: the function makes the calls that it counts, and its costs are those of the prices."""

from collections.abc import Iterator

import pytest

from tests.function.function import CREDENTIALS_SECRET, Deployment, deploy
from tests.project.test_docs import rows
from tools.bench.__main__ import DOCUMENT
from tools.bench.cost import OF_A_CLIENT_ID, OF_A_STACK
from tools.bench.report import COSTS
from tools.local.document import placed

CLIENT_IDS = ("Brand-A", "Brand-B", "Brand-C")
ONCE, KEPT, REPLACED, REPORTED, NEW_CREDENTIALS = range(5)  # the rows of the page's table of calls


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """Deploy with three client IDs, and publish their tokens."""
    with deploy(monkeypatch, CLIENT_IDS=",".join(CLIENT_IDS)) as deployment:
        deployment.fill()
        deployment.mx.requests.clear()
        yield deployment


def documented(*which: int) -> tuple[int, int]:
    """Add up rows of the table: calls of Secrets Manager, and requests to movieXchange."""
    table = [
        [0 if cell.startswith("none") else int(cell.split(":")[0]) for cell in cells] for _, *cells in rows("in a run")
    ]
    return sum(table[row][0] for row in which), sum(table[row][1] for row in which)


def made(deployment: Deployment) -> tuple[int, int]:
    """Count the calls of the last invocation, and the requests since they were cleared."""
    return len(deployment.rotator.calls), len(deployment.mx.requests)


def test_a_quiet_run_is_one_call_for_each_token_and_one_more(three: Deployment) -> None:
    """Nothing is sent to movieXchange."""
    three.schedule()

    assert made(three) == documented(ONCE, *[KEPT] * 3) == (4, 0)


def test_a_run_in_which_all_are_due_makes_the_documented_calls(three: Deployment) -> None:
    """Each token adds those of its replacement."""
    three.clock.sleep(7 * 3600)
    three.schedule()

    assert made(three) == documented(ONCE, *[KEPT, REPLACED] * 3)


def test_new_credentials_make_the_documented_calls(three: Deployment) -> None:
    """The label is moved twice, however many client IDs there are."""
    three.fill()

    assert made(three) == documented(ONCE, *[KEPT, REPLACED] * 3, NEW_CREDENTIALS)


def test_a_report_makes_the_documented_calls(three: Deployment) -> None:
    """Those of its own client ID alone."""
    three.clock.sleep(3600)
    three.mx.alive.clear()
    three.report(three.rotator.version("Brand-B"), "Brand-B")
    three.deliver()

    assert made(three) == documented(ONCE, KEPT, REPLACED, REPORTED)


def test_a_made_up_report_makes_two_calls(three: Deployment) -> None:
    """Whoever sends many of them costs little else."""
    three.report("made-up", "Brand-B")
    three.deliver()

    assert (three.rotator.asked[-1], made(three)) == (("DescribeSecret", CREDENTIALS_SECRET), documented(ONCE, KEPT))


def test_the_costs_are_computed_from_the_documented_calls() -> None:
    """A day has 96 checks, and replaces a token four times."""
    (once, _), (kept, _), (replaced, _) = documented(ONCE), documented(KEPT), documented(REPLACED)

    assert (OF_A_STACK.calls, OF_A_CLIENT_ID["ours"].calls) == (96 * once, 96 * kept + 4 * replaced)


@pytest.mark.parametrize("name", COSTS)
def test_the_page_has_the_costs_that_are_computed(name: str) -> None:
    """`make bench` would not change them."""
    page = DOCUMENT.read_text()

    assert placed(page, name, COSTS[name]()) == page
