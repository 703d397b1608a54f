"""The diagrams of the docs: as committed, legible, and of everything that they are about."""

import re
from itertools import combinations
from pathlib import Path

import pytest
from matplotlib.text import Text
from matplotlib.transforms import Bbox, BboxBase

from tools.diagrams.__main__ import DIAGRAMS, draw
from tools.diagrams.flow import CREDENTIALS, RESOURCES, TOKEN, does, starts
from tools.local.aws import PROJECT

PAGES = [PROJECT / "README.md", *(PROJECT / "docs").rglob("*.md")]


@pytest.mark.parametrize("name", DIAGRAMS)
def test_the_docs_have_the_diagram_that_is_drawn(tmp_path: Path, name: str) -> None:
    """Byte for byte: `make diagrams` would change nothing."""
    draw(tmp_path)

    assert (tmp_path / name).read_bytes() == (PROJECT / "docs" / name).read_bytes()


@pytest.mark.parametrize("path", sorted((PROJECT / "docs").glob("*.svg")), ids=lambda path: path.name)
def test_a_reader_comes_across_each_diagram(path: Path) -> None:
    """It has its place in one document, and words for those who do not see it."""
    texts = [re.findall(rf"!\[([^\]]*)\]\((?:docs/)?{path.name}\)", page.read_text()) for page in PAGES]

    assert [len(text) > 60 for found in texts for text in found] == [True]


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
