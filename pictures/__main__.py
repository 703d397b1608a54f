"""Draws them all into the docs."""

from pathlib import Path

from pictures import flow, life, refresh
from simulation.figures import DOCS, save

PICTURES = {"flow.svg": flow.picture, "life.svg": life.picture, "refresh.svg": refresh.picture}


def draw(folder: Path) -> None:
    """Put each into its file."""
    for name, picture in PICTURES.items():
        save(picture(), folder / name)


if __name__ == "__main__":
    draw(DOCS)
