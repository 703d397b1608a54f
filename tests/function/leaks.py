"""Find pieces of secrets in what came out, however they are written."""

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

PIECE = 8
"""Characters; a shorter piece could be there by chance."""


def leaks(text: str, secrets: Iterable[str]) -> list[str]:
    """List the pieces of these secrets that are in the text, each as it is written there but for its case."""
    folded = text.casefold()
    return sorted({piece for secret in secrets for piece in pieces_of(secret) if piece in folded})


def pieces_of(secret: str) -> set[str]:
    """Return every piece of eight characters, written in every way; a shorter secret has none."""
    pieces = (secret[start : start + PIECE] for start in range(len(secret) - PIECE + 1))
    return {written.casefold() for piece in pieces for written in ways_of_writing(piece)}


def ways_of_writing(piece: str) -> Iterator[str]:
    """Write a piece plainly, in JSON, in JSON within JSON, as a repr, percent-encoded, in hexadecimal, in Base64."""
    octets = piece.encode()
    yield piece
    yield from (in_json := json.dumps(piece)[1:-1], json.dumps(in_json)[1:-1])
    yield json.dumps(piece, ensure_ascii=False)[1:-1]
    # A repr escapes an apostrophe only where there is a quotation mark too, and the mark may be beyond this piece.
    yield from (written(piece)[1:-1] for written in (repr, ascii))
    yield from (written(piece + "'\"")[1:-4] for written in (repr, ascii))
    yield from (repr(octets)[2:-1], repr(octets + b"'\"")[2:-4])
    yield from (quote(piece, safe=""), quote(piece), quote_plus(piece))
    yield octets.hex()
    # The Base64 text that these octets alone decide, wherever they begin in a group of three.
    for before, undecided in enumerate((0, 2, 3)):
        decided = (before + len(octets)) * 8 // 6
        standard = b64encode(bytes(before) + octets).decode()[undecided:decided]
        yield from (standard, standard.translate(str.maketrans("+/", "-_")))
