"""The pictures of how it works: as committed, legible, and of everything that they are about."""

from itertools import chain, combinations
from pathlib import Path
from typing import Any

import pytest
from matplotlib.text import Text
from matplotlib.transforms import Bbox, BboxBase

from local.aws import HOUSE
from mx_token_rotator.errors import RotatorError
from mx_token_rotator.refresh import Kept
from pictures.__main__ import PICTURES, draw
from pictures.flow import secrets
from pictures.refresh import STEPS
from pictures.wakeups import RESOURCES, wake_ups

ROTATOR = {"Fn::GetAtt": ["Rotator", "Arn"]}


@pytest.mark.parametrize("name", PICTURES)
def test_the_docs_have_the_picture_that_is_drawn(tmp_path: Path, name: str) -> None:
    """Byte for byte: `make pictures` would change nothing."""
    draw(tmp_path)

    assert (tmp_path / name).read_bytes() == (HOUSE / "docs" / name).read_bytes()


@pytest.mark.parametrize("name", PICTURES)
def test_a_reader_comes_across_the_picture(name: str) -> None:
    """It has its place in a document, and words for who does not see it."""
    documents = [HOUSE / "README.md", HOUSE / "docs" / "operating.md"]
    places = chain.from_iterable(path.read_text().splitlines() for path in documents)

    assert [line.startswith("![") and len(line) > 60 for line in places if line.endswith(f"{name})")] == [True]


def texts(name: str) -> tuple[dict[str, BboxBase], BboxBase]:
    """Give where each text of a picture stands, and the picture's own bounds, in pixels."""
    figure = PICTURES[name]()
    figure.draw_without_rendering()
    shown = [each for each in figure.findobj(Text) if isinstance(each, Text) and each.get_text() and each.get_visible()]
    return {f"{at}: {each.get_text()}": each.get_window_extent() for at, each in enumerate(shown)}, figure.bbox


@pytest.mark.parametrize("name", PICTURES)
def test_no_text_of_a_picture_covers_another(name: str) -> None:
    """Each can be read."""
    places, _ = texts(name)

    assert [pair for pair in combinations(places, 2) if places[pair[0]].overlaps(places[pair[1]])] == []


@pytest.mark.parametrize("name", PICTURES)
def test_no_text_of_a_picture_is_cut_off(name: str) -> None:
    """Each is within the picture."""
    places, bounds = texts(name)

    assert [text for text, place in places.items() if Bbox.union([place, bounds]).bounds != bounds.bounds] == []


def test_the_flow_shows_how_often_it_looks_and_each_event_and_secret() -> None:
    """By their names in the template."""
    places, _ = texts("flow.svg")
    events = {each.detail_type for each in wake_ups(RESOURCES).values()} - {"none"}

    assert {"every 15 minutes", *events, *secrets().values()} - {text.split(": ", 1)[1] for text in places} == set()


def test_a_refresh_ends_once_for_each_reason_to_keep_a_token() -> None:
    """The steps leave none out."""
    assert sorted(chain.from_iterable(step.kept for step in STEPS)) == sorted(each.value for each in Kept)


def test_a_refresh_fails_with_every_error_there_is() -> None:
    """The steps leave none out."""
    errors = {each.__name__ for each in RotatorError.__subclasses__()}

    assert set(chain.from_iterable(step.errors for step in STEPS)) == errors


@pytest.mark.parametrize(
    "resource",
    [
        {"Type": "AWS::Lambda::Url", "Properties": {"TargetFunctionArn": ROTATOR}},
        {"Type": "AWS::Lambda::EventSourceMapping", "Properties": {"FunctionName": {"Ref": "Rotator"}}},
        {"Type": "AWS::SNS::Subscription", "Properties": {"Endpoint": {"Fn::Sub": "${Rotator.Arn}"}}},
    ],
    ids=lambda resource: resource["Type"],
)
def test_a_way_to_wake_the_function_that_is_new_must_be_told(resource: dict[str, Any]) -> None:
    """None comes in without a word in the docs."""
    with pytest.raises(KeyError, match=resource["Type"]):
        wake_ups({"New": resource})
