"""Parts of the docs that are made: each stands between two lines that bear its name."""

import re
from collections.abc import Iterable, Sequence


class NoPlace(Exception):  # noqa: N818  the name says what is wrong
    """A document lacks the two lines between which something goes."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write out a table."""
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def placed(text: str, name: str, content: str) -> str:
    """Put content between the two lines of a document that bear a name. Raises NoPlace."""
    begin, end = rf"<!-- {re.escape(name)}: made by make \w+ -->\n", rf"<!-- end of {re.escape(name)} -->"
    parts = re.split(f"({begin}).*?({end})", text, flags=re.DOTALL)
    if len(parts) != 4:  # noqa: PLR2004  what is before, both lines, and what is after
        raise NoPlace(f"there is no one place for {name}: a line that begins it, and one that ends it")
    before, first, last, after = parts
    return f"{before}{first}\n{content.strip()}\n\n{last}{after}"
