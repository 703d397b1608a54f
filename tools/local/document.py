"""Generated parts of the docs: each is between two marker lines with its name."""

import re
from collections.abc import Iterable, Sequence


class NoPlace(Exception):  # noqa: N818  the name says what is wrong
    """A document lacks the two marker lines of a generated part."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def placed(text: str, name: str, content: str) -> str:
    """Return a document with this content between its two marker lines of this name. Raises NoPlace."""
    begin, end = rf"<!-- {re.escape(name)}: made by make \w+ -->\n", rf"<!-- end of {re.escape(name)} -->"
    parts = re.split(f"({begin}).*?({end})", text, flags=re.DOTALL)
    if len(parts) != 4:  # noqa: PLR2004  what is before, both lines, and what is after
        raise NoPlace(f"the document needs exactly one pair of marker lines for {name}")
    before, first, last, after = parts
    return f"{before}{first}\n{content.strip()}\n\n{last}{after}"
