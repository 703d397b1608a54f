"""Boxes and arrows between them, on a canvas; all lengths are in inches."""

from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

BOLD: dict[str, Any] = {"fontsize": 10, "fontweight": "bold", "ha": "center"}
SMALL: dict[str, Any] = {"fontsize": 8.5}

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A person or a thing: its name and kind, where its middle is, and its size."""

    name: str
    kind: str
    middle: Point
    size: Point
    color: str = "whitesmoke"

    def draw(self, axes: Axes) -> None:
        """Draw it, with its name above what it is."""
        (x, y), (width, height) = self.middle, self.size
        corner = (x - width / 2, y - height / 2)
        style = "round,pad=0,rounding_size=0.08"
        axes.add_patch(FancyBboxPatch(corner, width, height, style, facecolor=self.color, edgecolor="dimgrey"))
        axes.text(x, y + (0.04 if self.kind else -0.05), self.name, **BOLD)
        axes.text(x, y - 0.16, self.kind, ha="center", color="dimgrey", **SMALL)


@dataclass(frozen=True)
class Arrow:
    """What passes between two of them, along which points: dashed if it starts a run, two heads if both ways."""

    points: tuple[Point, ...]
    label: str
    at: Point
    align: str = "center"
    starts: bool = False
    returns: bool = False

    def draw(self, axes: Axes) -> None:
        """Draw it, and its label."""
        axes.add_patch(
            FancyArrowPatch(
                path=Path(self.points),
                arrowstyle="<|-|>" if self.returns else "-|>",
                mutation_scale=11,
                linewidth=1.3,
                linestyle=(0, (4, 2)) if self.starts else "-",
                color="tab:blue" if self.starts else "black",
                joinstyle="round",
            )
        )
        axes.text(*self.at, self.label, ha=self.align, color="tab:blue" if self.starts else "black", **SMALL)


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Return an empty diagram, and the plane on which to draw."""
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    return figure, axes
