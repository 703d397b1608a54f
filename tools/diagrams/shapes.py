"""Boxes and arrows between them, on a canvas; all lengths are in inches."""

from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from tools.diagrams.colors import BLUE, FAINT, GREY_FILL, INK, Color

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
    color: Color = GREY_FILL

    def draw(self, axes: Axes) -> None:
        """Draw it, with its name above what it is."""
        (x, y), (width, height) = self.middle, self.size
        corner = (x - width / 2, y - height / 2)
        style = "round,pad=0,rounding_size=0.08"
        axes.add_patch(FancyBboxPatch(corner, width, height, style, facecolor=self.color.light, edgecolor=FAINT.light))
        axes.text(x, y + (0.04 if self.kind else -0.05), self.name, **BOLD)
        axes.text(x, y - 0.16, self.kind, ha="center", color=FAINT.light, **SMALL)


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
        color = BLUE.light if self.starts else INK.light
        axes.add_patch(
            FancyArrowPatch(
                path=Path(self.points),
                arrowstyle="<|-|>" if self.returns else "-|>",
                mutation_scale=11,
                linewidth=1.3,
                linestyle=(0, (4, 2)) if self.starts else "-",
                color=color,
                joinstyle="round",
            )
        )
        axes.text(*self.at, self.label, ha=self.align, color=color, **SMALL)


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Return an empty diagram, and the plane on which to draw."""
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    return figure, axes
