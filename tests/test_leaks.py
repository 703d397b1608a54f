"""The search for pieces of secrets finds them however they are written, and nothing else."""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.leaks import PIECE, leaks

SECRET = """tw'e"et\\é\n %{0}/+?>"""


@pytest.mark.parametrize(
    "write",
    [
        str,
        repr,
        ascii,
        lambda text: repr({"a": text}),
        lambda text: repr(text.encode()),
        json.dumps,
        lambda text: json.dumps(text, ensure_ascii=False),
        lambda text: json.dumps({"message": json.dumps({"a": text})}),
        quote,
        quote_plus,
        lambda text: urlencode({"a": text}),
        lambda text: text.encode().hex(),
        lambda text: text.encode().hex().upper(),
        *(lambda text, before=before: b64encode(before + text.encode()).decode() for before in (b"", b"a", b"ab")),
        lambda text: urlsafe_b64encode(text.encode()).decode(),
    ],
)
@pytest.mark.parametrize("piece", [SECRET, SECRET[:PIECE], SECRET[5 : 5 + PIECE], SECRET[-PIECE:]])
def test_a_piece_is_found_however_it_is_written(write: Callable[[str], str], piece: str) -> None:
    """Eight characters are enough, whatever stands around them."""
    assert leaks(f"innocent {write(piece)} innocent", [SECRET]) != []


@given(st.text(min_size=PIECE, max_size=30), st.text(max_size=9), st.text(max_size=9))
def test_any_secret_is_found_in_any_text(secret: str, before: str, after: str) -> None:
    """Plain, and in JSON within JSON, as a log line of an error's message is."""
    text = before + secret + after

    assert [bool(leaks(each, [secret])) for each in (text, json.dumps(json.dumps(text)))] == [True, True]


@pytest.mark.parametrize("text", ["", "innocent", SECRET[: PIECE - 1], SECRET[PIECE : PIECE + 7] + "\0", SECRET[::-1]])
def test_less_than_a_piece_is_none(text: str) -> None:
    """Seven characters are not searched for, nor the same characters in another order."""
    assert leaks(text, [SECRET]) == []


def test_what_is_too_short_for_a_secret_is_none() -> None:
    """A password of seven characters would be found everywhere."""
    assert leaks("password", ["passwor"]) == []


def test_the_pieces_are_named() -> None:
    """Whoever sees a leak sees what leaked, of which secret."""
    assert leaks("innocent tweet-01 innocent", ["tweet-01", "chirp-01"]) == ["tweet-01"]
