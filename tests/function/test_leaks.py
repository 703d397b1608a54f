"""The search for pieces of secrets finds them however they are written, and nothing else."""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import pytest

from tests.function.leaks import PIECE, leaks

SECRET = """tw'e"et\\é\n %{0}/+?>"""


@pytest.mark.parametrize(
    "write",
    [
        str,
        str.upper,
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
        *(lambda text, before=before: b64encode(before + text.encode()).decode() for before in (b"", b"a", b"ab")),
        lambda text: urlsafe_b64encode(text.encode()).decode(),
    ],
)
@pytest.mark.parametrize("piece", [SECRET, SECRET[:PIECE], SECRET[5 : 5 + PIECE], SECRET[-PIECE:]])
def test_a_piece_is_found_however_it_is_written(write: Callable[[str], str], piece: str) -> None:
    """Eight characters are enough, whatever stands around them."""
    assert leaks(f"innocent {write(piece)} innocent", [SECRET]) != []


@pytest.mark.parametrize(
    ("text", "secret"), [("", SECRET), (SECRET[: PIECE - 1], SECRET), (SECRET[::-1], SECRET), ("password", "passwor")]
)
def test_less_than_a_piece_is_not_found(text: str, secret: str) -> None:
    """Seven characters are not searched for, nor the same characters in another order."""
    assert leaks(text, [secret]) == []


def test_the_pieces_are_named() -> None:
    """Whoever sees a leak sees what leaked, of which secret."""
    assert leaks("innocent tweet-01 innocent", ["tweet-01", "chirp-01"]) == ["tweet-01"]
