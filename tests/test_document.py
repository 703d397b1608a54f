"""Parts of the docs that are made, each in its place."""

import pytest

from local.document import NoPlace, placed

BEGIN, END = "<!-- prices: made by make prices -->\n", "<!-- end of prices -->"


def test_what_is_made_takes_the_place_of_what_was_there() -> None:
    """Everything around the two lines stays, and placing the same again changes nothing."""
    once = placed(f"before\n{BEGIN}\nold\n{END}\nafter\n", "prices", "new\n")

    assert (once, placed(once, "prices", "new\n")) == (f"before\n{BEGIN}\nnew\n\n{END}\nafter\n", once)


@pytest.mark.parametrize(
    "document", ["", BEGIN, END, f"{END}{BEGIN}", f"{BEGIN}{END}" * 2, f"{BEGIN}<!-- end of x -->"]
)
def test_a_document_without_the_one_place_is_left_as_it_is(document: str) -> None:
    """Nothing is lost by a line that somebody took out, or wrote twice."""
    with pytest.raises(NoPlace, match="no one place for prices"):
        placed(document, "prices", "new\n")
