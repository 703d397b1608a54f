"""Draws them into the docs."""

from pathlib import Path

from tools.diagrams import dashboard, flow, life, sequence
from tools.diagrams.colors import save
from tools.simulation.figures import DOCS

DIAGRAMS = {
    "dashboard.svg": dashboard.diagram,
    "flow.svg": flow.diagram,
    "life.svg": life.diagram,
    "run.svg": sequence.diagram,
}


def draw(folder: Path = DOCS) -> None:
    """Write each into its file."""
    for name, diagram in DIAGRAMS.items():
        save(diagram(), folder / name)


if __name__ == "__main__":
    draw()
