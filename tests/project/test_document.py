"""Generated parts of the docs, each in its place."""

import pytest

from tools.local.document import NoPlace, placed

BEGIN, END = "<!-- prices: made by make prices -->\n", "<!-- end of prices -->"


def test_generated_content_replaces_what_was_there() -> None:
    """Everything around the two marker lines stays, and placing the same content again changes nothing."""
    once = placed(f"before\n{BEGIN}\nold\n{END}\nafter\n", "prices", "new\n")

    assert (once, placed(once, "prices", "new\n")) == (f"before\n{BEGIN}\nnew\n\n{END}\nafter\n", once)


@pytest.mark.parametrize(
    "document", ["", BEGIN, END, f"{END}{BEGIN}", f"{BEGIN}{END}" * 2, f"{BEGIN}<!-- end of x -->"]
)
def test_a_document_without_exactly_one_place_is_refused(document: str) -> None:
    """A marker line that somebody removed, or wrote twice, loses nothing."""
    with pytest.raises(NoPlace, match="exactly one pair of marker lines for prices"):
        placed(document, "prices", "new\n")
