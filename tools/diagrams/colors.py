"""The colours of the diagrams, each with its counterpart for dark mode, and how a diagram becomes a file."""

import re
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure


class Color(NamedTuple):
    """A colour in both modes."""

    light: str
    dark: str


PAPER = Color("#ffffff", "#0d1117")
INK = Color("#000000", "#e6edf3")
FAINT = Color("#4a4a4a", "#b1bac4")
"""Edges, and what matters less."""
BLUE, ORANGE, GREEN, RED = (
    Color("#1f6fa8", "#6cb6ff"),
    Color("#b35900", "#f0a35e"),
    Color("#1a7f37", "#57c973"),
    Color("#b42318", "#ff938a"),
)
"""Lines and their labels."""
GREY_FILL, CYAN_FILL, BLUE_FILL, YELLOW_FILL, GREEN_FILL, GOLD_FILL, RED_FILL, SILVER_FILL = (
    Color("#f5f5f5", "#21262d"),
    Color("#e0ffff", "#0b3b40"),
    Color("#add8e6", "#123f5c"),
    Color("#fffacd", "#4a3f0a"),
    Color("#98fb98", "#14532d"),
    Color("#ffd700", "#5a4500"),
    Color("#ffe4e1", "#5c1f22"),
    Color("#c0c0c0", "#3d444d"),
)
LINES = (INK, FAINT, BLUE, ORANGE, GREEN, RED)
FILLS = (PAPER, GREY_FILL, CYAN_FILL, BLUE_FILL, YELLOW_FILL, GREEN_FILL, GOLD_FILL, RED_FILL, SILVER_FILL)
DARK = {color.light: color.dark for color in (*LINES, *FILLS)}


def both_modes(svg: str) -> str:
    """Add to a drawing what replaces its colours in dark mode. Raises KeyError for one that has no counterpart.

    Programs that do not know `prefers-color-scheme` show the drawing as it is.
    """
    rules = [
        f'[style*="{of}: {light}"] {{ {of}: {DARK[light]} }}'
        for of, light in sorted(set(re.findall(r"(fill|stroke): (#[0-9a-f]{6})", svg)))
    ]
    # An inline style wins over a rule that is not important. Of black fills, matplotlib writes none, as SVG's default.
    important = [rule.replace(" }", " !important }") for rule in rules]
    dark = "\n".join([f"svg {{ fill: {INK.dark} }}", *important])
    return svg.replace("</style>", f"\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n</style>", 1)


def save(drawn: Figure, path: Path) -> None:
    """Write a diagram as SVG for both modes; the same diagram makes the same file."""
    file = StringIO()
    with mpl.rc_context({"svg.hashsalt": "mx-token-rotator", "svg.fonttype": "none"}):
        drawn.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    path.write_text(both_modes(file.getvalue()))
