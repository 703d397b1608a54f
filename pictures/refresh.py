"""The steps of one refresh, in their order, and what ends it at each: as the code says, and as its docstrings do."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from matplotlib.figure import Figure

from mx_token_rotator.errors import RotatorError
from mx_token_rotator.refresh import Kept, MovieXchange, Request, Rotator, Vault, decide, weigh
from mx_token_rotator.settings import Settings
from pictures.shapes import SMALL, Arrow, Box, canvas

HEIGHT, ROW = 3.7, 0.49
MIDDLE, KEPT, ERRORS = 0.75, 1.6, 4.05
"""Inches: of the picture and of a row; and of the middle of the steps and where what ends them begins."""


@dataclass(frozen=True)
class Step:
    """One step: what it calls, by role and method, and what decides that it ends there."""

    name: str
    calls: tuple[tuple[type, str], ...] = ()
    decides: Callable[..., Any] | None = None

    @property
    def kept(self) -> list[str]:
        """The reasons for which what is published stays."""
        source = inspect.getsource(self.decides) if self.decides else ""
        return [Kept[name].value for name in re.findall(r"\bKept\.([A-Z_]+)", source)]

    @property
    def errors(self) -> list[str]:
        """The errors of the rotator that the docstrings of what is called, and of its role, name."""
        docs = " ".join(f"{role.__doc__} {getattr(role, method).__doc__}" for role, method in self.calls)
        return [each.__name__ for each in RotatorError.__subclasses__() if re.search(rf"\b{each.__name__}\b", docs)]


STEPS = [
    Step("wake", ((Settings, "parse"), (Request, "parse"))),
    Step("look", ((Vault, "published"), (Vault, "credentials_versions"))),
    Step("decide", decides=decide),
    Step("log in", ((Vault, "credentials"), (MovieXchange, "log_in")), Rotator._log_in),  # noqa: SLF001  drawn, not called
    Step("verify", ((MovieXchange, "verify"),), weigh),
    Step("publish", ((Vault, "publish"),), Rotator._publish),  # noqa: SLF001  the same
]


def picture() -> Figure:
    """Draw them from above, and beside each what ends it there."""
    figure, axes = canvas(7.5, HEIGHT)
    for x, head in ((KEPT, "ends there, and keeps the token"), (ERRORS, "ends there, and fails")):
        axes.text(x, HEIGHT - 0.22, head, color="dimgrey", **SMALL)
    for at, step in enumerate(STEPS):
        y = HEIGHT - 0.54 - at * ROW
        Box(step.name, "", (MIDDLE, y), (1.2, 0.34), "lightblue").draw(axes)
        Arrow(((MIDDLE, y - 0.17), (MIDDLE, y - ROW + 0.17)), "", (MIDDLE, y)).draw(axes)
        axes.text(KEPT, y - 0.05, ", ".join(step.kept), **SMALL)
        lines = wrap(", ".join(step.errors), 46)
        for below, line in enumerate(lines):
            axes.text(ERRORS, y - 0.05 + 0.09 * (len(lines) - 1) - 0.18 * below, line, color="firebrick", **SMALL)
    Box("refreshed", "", (MIDDLE, HEIGHT - 0.54 - len(STEPS) * ROW), (1.2, 0.34), "palegreen").draw(axes)
    return figure
