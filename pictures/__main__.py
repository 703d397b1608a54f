"""Draws them all into the docs."""

from pathlib import Path

from pictures import flow, life, refresh
from simulation.figures import DOCS, reproducible

PICTURES = {"flow.svg": flow.picture, "life.svg": life.picture, "refresh.svg": refresh.picture}


def draw(folder: Path) -> None:
    """Put each into its file; the same template and code make the same bytes, whichever matplotlib draws them."""
    with reproducible():
        for name, picture in PICTURES.items():
            picture().savefig(folder / name, metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    draw(DOCS)
