"""The diagrams of the docs: as committed, legible, and of everything that they are about."""

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from matplotlib.text import Text
from matplotlib.transforms import Bbox, BboxBase

from mx_token_rotator.transport import Answer
from tests.function.fakes import ACCOUNT, CLIENT_ID
from tests.function.fakes import CREDENTIALS as FILLED
from tests.function.function import Deployment, deploy
from tools.diagrams.__main__ import DIAGRAMS, draw
from tools.diagrams.colors import FAINT, FILLS, INK, LINES, PAPER, Color, both_modes
from tools.diagrams.dashboard import history, result, series, widgets
from tools.diagrams.flow import CREDENTIALS, RESOURCES, TOKEN, does, starts
from tools.diagrams.sequence import READ, REPLACE, Step
from tools.local.aws import PROJECT

DRAWN = sorted((PROJECT / "docs").glob("*.svg"))
READABLE, VISIBLE = 4.5, 3.0
"""Contrasts that WCAG 2.2 demands of text (1.4.3) and of lines (1.4.11)."""
PAGES = [PROJECT / "README.md", *(PROJECT / "docs").rglob("*.md")]


@pytest.mark.parametrize("name", DIAGRAMS)
def test_the_docs_have_the_diagram_that_is_drawn(tmp_path: Path, name: str) -> None:
    """Byte for byte: `make diagrams` would change nothing."""
    draw(tmp_path)

    assert (tmp_path / name).read_bytes() == (PROJECT / "docs" / name).read_bytes()


@pytest.mark.parametrize("path", DRAWN, ids=lambda path: path.name)
def test_a_reader_comes_across_each_diagram(path: Path) -> None:
    """It has its place in one document, and words for those who do not see it."""
    texts = [re.findall(rf"!\[([^\]]*)\]\((?:docs/|\.\./)?{path.name}\)", page.read_text()) for page in PAGES]

    assert [len(text) > 60 for found in texts for text in found] == [True]


def luminance(color: str) -> float:
    """Return the relative luminance of a colour (WCAG 2.2)."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21 (WCAG 2.2)."""
    darker, lighter = sorted([luminance(one), luminance(other)])
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("fill", FILLS)
def test_text_can_be_read_on_every_fill(fill: Color, mode: str) -> None:
    """In both modes."""
    found = [contrast(getattr(text, mode), getattr(fill, mode)) for text in (INK, FAINT)]

    assert min(found) >= READABLE


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("line", LINES)
def test_lines_and_their_labels_can_be_seen(line: Color, mode: str) -> None:
    """They lie on the paper."""
    assert contrast(getattr(line, mode), getattr(PAPER, mode)) >= READABLE


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_a_fill_has_an_edge_that_can_be_seen(mode: str) -> None:
    """Whatever the fill."""
    assert min(contrast(getattr(FAINT, mode), getattr(fill, mode)) for fill in FILLS) >= VISIBLE


@pytest.mark.parametrize("path", DRAWN, ids=lambda path: path.name)
def test_each_diagram_is_for_both_modes(path: Path) -> None:
    """It has what replaces its colours in dark mode."""
    light = re.sub(r"(?s)\n@media.*?\n}\n(?=</style>)", "", path.read_text())

    assert path.read_text() == both_modes(light)


def test_each_colour_is_replaced_in_dark_mode() -> None:
    """Fills and lines, and what is black because nothing else is said."""
    assert both_modes('<style></style><path style="fill: #ffffff; stroke: #000000"/>') == (
        "<style>\n@media (prefers-color-scheme: dark) {\n"
        f"svg {{ fill: {INK.dark} }}\n"
        f'[style*="fill: #ffffff"] {{ fill: {PAPER.dark} !important }}\n'
        f'[style*="stroke: #000000"] {{ stroke: {INK.dark} !important }}\n'
        '}\n</style><path style="fill: #ffffff; stroke: #000000"/>'
    )


def test_a_colour_without_a_counterpart_is_not_drawn() -> None:
    """A diagram that could not be seen in dark mode is not written."""
    with pytest.raises(KeyError, match="#123456"):
        both_modes('<style></style><path style="fill: #123456"/>')


def texts(name: str) -> tuple[dict[str, BboxBase], BboxBase]:
    """Return where each text of a diagram stands, and the diagram's own bounds, in pixels."""
    figure = DIAGRAMS[name]()
    figure.draw_without_rendering()
    shown = [each for each in figure.findobj(Text) if isinstance(each, Text) and each.get_text() and each.get_visible()]
    return {f"{at}: {each.get_text()}": each.get_window_extent() for at, each in enumerate(shown)}, figure.bbox


@pytest.mark.parametrize("name", DIAGRAMS)
def test_no_text_of_a_diagram_covers_another(name: str) -> None:
    """Each can be read."""
    places, _ = texts(name)

    assert [pair for pair in combinations(places, 2) if places[pair[0]].overlaps(places[pair[1]])] == []


@pytest.mark.parametrize("name", DIAGRAMS)
def test_no_text_of_a_diagram_is_cut_off(name: str) -> None:
    """Each is within the diagram."""
    places, bounds = texts(name)

    assert [text for text, place in places.items() if Bbox.union([place, bounds]).bounds != bounds.bounds] == []


def test_the_flow_shows_all_that_sends_to_the_queue() -> None:
    """By the names of the events, and the default of the schedule."""
    places, _ = texts("flow.svg")
    senders = {name for name, each in RESOURCES.items() if "SqsParameters" in str(each)}
    shown = {text.split(": ", 1)[1] for text in places}

    assert (senders, set(starts().values()) - shown) == (set(starts()), set())


@pytest.mark.parametrize(
    ("resource", "secret", "verbs"),
    [
        ("FunctionRole", CREDENTIALS, "reads"),
        ("FunctionRole", TOKEN, "reads, writes"),
        ("ReaderPolicy", TOKEN, "reads"),
        ("ReaderPolicy", CREDENTIALS, ""),
    ],
)
def test_the_arrows_are_what_the_policies_allow(resource: str, secret: str, verbs: str) -> None:
    """A verb comes from an action."""
    assert does(resource, secret) == verbs


# A run


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """Deploy with one client ID, and publish a token."""
    with deploy(monkeypatch) as deployed:
        deployed.fill()
        yield deployed


def calls(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Return what a scheduled run calls when the token is due, and on what, in this order."""
    rotator, send = deployment.rotator, deployment.mx.send

    def noting(method: str, url: str, *rest: Any, **proxy: Any) -> Answer:  # noqa: ANN401  whatever `send` accepts
        path = "/connect/token" if url.endswith("/connect/token") else "VerifyPath"
        rotator.asked.append((f"{method} {path}", "token service" if method == "POST" else "API"))
        return send(method, url, *rest, **proxy)

    monkeypatch.setattr(rotator.module, "send", noting)
    rotator.age(timedelta(hours=7))
    deployment.schedule()
    names = {f"{ACCOUNT}/credentials": CREDENTIALS, f"{ACCOUNT}/tokens/{CLIENT_ID}": TOKEN}
    return [(call, names.get(on, on)) for call, on in rotator.asked]


def shown(steps: Iterable[Step]) -> list[tuple[str, str]]:
    """Return the calls that are drawn."""
    return [(each.call, each.on) for each in steps]


def test_the_run_makes_the_calls_that_are_drawn(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """With credentials that the published token came from."""
    drawn = [each for each in (*READ, *REPLACE) if not each.only_with_new_credentials]

    assert calls(deployment, monkeypatch) == shown(drawn)


def test_with_new_credentials_it_makes_all_of_them(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """The label is added before the log-in, and removed after it."""
    deployment.rotator.fill(FILLED)

    assert calls(deployment, monkeypatch) == shown((*READ, *REPLACE))


# The dashboard


def test_the_dashboard_has_every_widget_of_the_template_in_its_place() -> None:
    """Under its title, within the place that the template gives it, which begins at the upper left."""
    places, page = texts("dashboard.svg")
    unit = page.width / 24, page.height / max(each["y"] + each["height"] for each in widgets())
    shown = {text.split(": ", 1)[1]: (at.x0 // unit[0], (page.y1 - at.y1) // unit[1]) for text, at in places.items()}
    titles = {each["properties"]["title"]: (each["x"], each["y"]) for each in widgets()}

    assert {title: shown.get(title) for title in titles} == titles


def test_the_dashboard_is_of_an_outage_and_a_mistyped_password_that_cost_no_token() -> None:
    """The page says so. The lowest lifetime fell below the line of the alarm, which rang."""
    lived, drawn = history(), {each["properties"]["title"]: each["properties"] for each in widgets()}
    (lowest,) = series(drawn["Lowest lifetime left"]).values()
    (line,) = drawn["Lowest lifetime left"]["annotations"]["horizontal"]

    assert (0 < min(lowest.values()) < line["value"], lived.failed_calls.total()) == (True, 0)
    assert lived.invariants.watch.has_rung == {"TokenLifeLow", "RefreshFailing", "ActionRequired"}
    assert list(series(drawn["Failures by error"])) == ["MovieXchangeUnavailable", "CredentialsRejected"]


def test_the_dashboards_queries_find_what_happened() -> None:
    """They are evaluated on the lines that the handler logs."""
    queries = {each["properties"]["title"]: each["properties"].get("query", "") for each in widgets()}
    refreshed = {f"refreshed: {row['reason']}": row["refreshes"] for row in result(queries["Refreshes by reason"])}
    errors = [(row["failure"], bool(row["remedy"])) for row in result(queries["Last errors"])]

    assert refreshed == {name: count for name, count in history().reasons.items() if name.startswith("refreshed")}
    assert errors == [("CredentialsRejected", True)] * 20
    assert len(result(queries["Lifetime left of each client ID's token"])) == 3
