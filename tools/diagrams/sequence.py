"""A run from the schedule to PutSecretValue: which calls the function makes for a token that is due, in their order."""

from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tools.diagrams.colors import BLUE_FILL, CYAN_FILL, FAINT, GREY_FILL, PAPER, YELLOW_FILL
from tools.diagrams.flow import CREDENTIALS, TOKEN, starts
from tools.diagrams.shapes import SMALL, Arrow, Box, canvas

SCHEDULE, QUEUE, FUNCTION, SECRETS, MX = 0.66, 1.88, 3.1, 5.6, 6.85
"""Where their lines are, in inches from the left."""
ROW = 0.43
WIDTH, TOP = 7.5, 6.05
FIRST = TOP - 1.0
"""Where the first arrow is."""


class Step(NamedTuple):
    """A call of the function: what is called, on which secret or host, and what for."""

    call: str
    on: str
    purpose: str
    only_with_new_credentials: bool = False

    @property
    def end(self) -> float:
        """The line at which its arrow ends."""
        return SECRETS if self.on in {CREDENTIALS, TOKEN} else MX


READ = (
    Step("GetSecretValue", TOKEN, "the published token of each client ID"),
    Step("DescribeSecret", CREDENTIALS, "the labels of the credentials' versions"),
)
REPLACE = (
    Step("PutSecretValue", TOKEN, "the same value: can it be written?"),
    Step("GetSecretValue", CREDENTIALS, "the credentials"),
    Step("UpdateSecretVersionStage", CREDENTIALS, "if never used before: add REJECTED", only_with_new_credentials=True),
    Step("POST /connect/token", "token service", "log in"),
    Step("GET VerifyPath", "API", "try the new token"),
    Step("UpdateSecretVersionStage", CREDENTIALS, "if it was added: remove REJECTED", only_with_new_credentials=True),
    Step("PutSecretValue", TOKEN, "publish the new token"),
)
DECIDE = "for each client ID: is its token due? If not, it is kept."
END = "one log line for each client ID, and the metrics"


def row(number: int) -> float:
    """Return the height of a row, counted from above."""
    return FIRST - number * ROW


def heads() -> list[Box]:
    """Name each line at its top; what the stack makes is coloured as in the other diagram."""
    return [
        Box("schedule", "EventBridge", (SCHEDULE, TOP - 0.38), (1.14, 0.56), CYAN_FILL),
        Box("queue", "SQS FIFO", (QUEUE, TOP - 0.38), (1.0, 0.56), CYAN_FILL),
        Box("function", "Lambda", (FUNCTION, TOP - 0.38), (1.1, 0.56), BLUE_FILL),
        Box("secrets", "Secrets Manager", (SECRETS, TOP - 0.38), (1.16, 0.56), YELLOW_FILL),
        Box("movieXchange", "OAuth, API", (MX, TOP - 0.38), (1.22, 0.56)),
    ]


def note(axes: Axes, number: int, text: str) -> None:
    """Write what the function does by itself, across its line."""
    y, style = row(number), "round,pad=0.35,rounding_size=0.3"
    box = {"boxstyle": style, "facecolor": GREY_FILL.light, "edgecolor": FAINT.light}
    axes.text(FUNCTION - 0.5, y - 0.04, text, bbox=box, **SMALL)


def arrow(number: int, step: Step) -> Arrow:
    """Lead a call from the function to what it calls, with its name above the line."""
    y = row(number)
    return Arrow(((FUNCTION, y), (step.end, y)), step.call, (FUNCTION + 0.1, y + 0.05), "left")


def diagram() -> Figure:
    """Draw all of it, from the schedule above to the log below."""
    rows: list[Step | str] = [*READ, DECIDE, *REPLACE, END]
    figure, axes = canvas(WIDTH, TOP)
    axes.vlines(
        [SCHEDULE, QUEUE, FUNCTION, SECRETS, MX], row(len(rows)) - 0.3, TOP - 0.6, FAINT.light, linewidth=0.8, zorder=0
    )
    for box in heads():
        box.draw(axes)
    begin = row(0)
    Arrow(((SCHEDULE, begin), (QUEUE, begin)), starts()["Schedule"], (1.29, begin + 0.05), starts=True).draw(axes)
    Arrow(((QUEUE, begin), (FUNCTION, begin)), "one at a time", (2.51, begin + 0.05), starts=True).draw(axes)
    for number, each in enumerate(rows, start=1):
        if isinstance(each, Step):
            arrow(number, each).draw(axes)
            paper = {"facecolor": PAPER.light, "edgecolor": "none", "pad": 0.5}
            axes.text(FUNCTION + 0.1, row(number) - 0.16, each.purpose, color=FAINT.light, bbox=paper, **SMALL)
        else:
            note(axes, number, each)
    return figure
