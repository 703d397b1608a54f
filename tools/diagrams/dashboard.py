"""The dashboard as the template has it, after three simulated days with an outage and a mistyped password."""

import json
import re
from collections import defaultdict
from functools import cache, partial
from statistics import mean
from typing import Any
from unittest.mock import Mock, patch

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tools.diagrams.colors import BLUE, FAINT, GREEN, INK, ORANGE, RED, RED_FILL
from tools.diagrams.flow import RESOURCES, TEMPLATE
from tools.diagrams.shapes import SMALL
from tools.local.translated import Resolver
from tools.simulation.alarms import STATISTICS
from tools.simulation.engine import moment, written
from tools.simulation.faults import DAY, FAIR, HOUR, MX_DOWN
from tools.simulation.invocation import Invocation
from tools.simulation.metrics import HANDLER, Metric, emitted
from tools.simulation.stack import ACCOUNT, Stack

DAYS = 3
WIDTH, HEIGHT = 0.39, 0.38
"""A unit of CloudWatch's grid, in inches."""
ROW, LETTER, LONG, CUT = 0.17, 0.055, 25, 13
"""Of a table: a row and a letter in inches, how many letters are too many, and how many of these are shown."""
SEARCH = r"SEARCH\('\{(\w+),([\w,]+)\} MetricName=\"(\w+)\".*', '(\w+)', (\d+)\)"
Line = dict[str, Any]
"""A line of the log, or of a query's result."""


class Watched(Stack):
    """A stack whose metrics and log lines are kept."""

    def __init__(self) -> None:
        """Deploy it, with no faults but those that are begun."""
        super().__init__(1, FAIR)
        self.metrics, self.lines = list[tuple[float, Metric]](), list[Line]()

    def ended(self, invocation: Invocation) -> None:
        """Keep what the handler emits and logs at the end of an invocation."""
        super().ended(invocation)
        with patch.object(HANDLER, "logger", Mock(info=self._log, error=self._log)):
            self.metrics += [(self.engine.now, each) for each in emitted(invocation)]

    def _log(self, _: str, **fields: object) -> None:
        present = {name: each for name, each in fields.items() if each is not None}
        self.lines.append({"@timestamp": written(self.engine.now), **present})


@cache
def history() -> Watched:
    """Have movieXchange be down for five hours, and somebody correct a mistyped password after three."""
    stack, outage, mistyped = Watched(), 1.01 * DAY, 2.3 * DAY
    stack.live()
    stack.engine.at(outage, partial(stack.faults.begin, MX_DOWN, outage, 5 * HOUR))
    stack.engine.at(mistyped, partial(stack.put_credentials, "secret-password-mistyped"))
    stack.engine.at(mistyped + 3 * HOUR, stack.put_credentials)
    stack.run(DAYS)
    return stack


def widgets() -> list[dict[str, Any]]:
    """Return the dashboard's widgets for the simulated account, with the template's defaults."""
    chosen = {name: str(each.get("Default")) for name, each in TEMPLATE["Parameters"].items()}
    chosen |= zip(("SecretPrefix", "Environment"), ACCOUNT.split("/"), strict=True)
    body = Resolver(TEMPLATE, chosen, {}).resolve(RESOURCES["TokenDashboard"]["Properties"]["DashboardBody"])
    return list(json.loads(body)["widgets"])


def series(properties: dict[str, Any]) -> dict[str, dict[int, float]]:
    """Return the lines of a graph under their labels: the value of each period, by the second at which it begins."""
    lines: dict[str, dict[int, float]] = {}
    for *metric, options in properties["metrics"]:
        if metric:
            (space, name, *pairs), stat, period = metric, options["stat"], properties["period"]
            dimensions = pairs[::2]
        else:
            ((space, names, name, stat, seconds),) = re.findall(SEARCH, options["expression"])
            dimensions, period = names.split(","), int(seconds)
        found = defaultdict[tuple[str, int], list[float]](list)
        for at, (metric_name, of, value) in history().metrics:
            if (metric_name, list(of)) == (f"{space}/{name}", dimensions):
                label = options["label"].replace("${PROP('Dim.Error')}", of.get("Error", ""))
                found[label, int(at) // period * period].append(value)
        for (label, begin), each in found.items():
            line = lines.setdefault(label, dict.fromkeys(range(0, int(DAYS * DAY), period), 0.0))
            line[begin] = (STATISTICS | {"Average": mean})[stat](each)
    return lines


def cell(expression: str, group: list[Line]) -> Any:  # noqa: ANN401  whatever a log line has
    """Return the number of lines, or the first field of the last one that is in `coalesce(errorType, reason)`."""
    names = re.findall(r"[@\w]+", expression)
    return len(group) if expression == "count(*)" else next(group[-1][name] for name in names if name in group[-1])


def result(query: str) -> list[Line]:
    """Return what CloudWatch Logs Insights finds with a query of the template."""
    parts = dict(part.split(" ", 1) for part in query.split(" | "))
    terms = re.findall(r"ispresent\((\w+)\)|(\w+) = '(\w+)'", parts["filter"])
    combined = any if " or " in parts["filter"] else all
    chosen, _, by = (parts.get("stats") or parts["fields"]).partition(" by ")
    columns = [each.split(" as ") for each in re.split(r", (?![^(]*\))", chosen)]
    groups = defaultdict[Any, list[Line]](list)
    for at, line in enumerate(history().lines):
        if combined(present in line if present else line.get(name) == text for present, name, text in terms):
            groups[line[by] if by else at].append(line)
    rows = [
        ({by: key} if by else {}) | {each[-1]: cell(each[0], group) for each in columns}
        for key, group in groups.items()
    ]
    name, order = parts["sort"].split()
    return sorted(rows, key=lambda row: row[name], reverse=order == "desc")[: int(parts.get("limit", len(rows)))]


def draw_graph(axes: Axes, properties: dict[str, Any]) -> None:
    """Draw lines, or areas on top of each other, and the threshold of an alarm if the widget has one."""
    lines, left = series(properties), properties["yAxis"]["left"]
    colors = [each.light for each in (BLUE, ORANGE, GREEN)][: len(lines)]
    begins, *values = next(iter(lines.values())), *(list(each.values()) for each in lines.values())
    if properties.get("stacked"):
        axes.stackplot(list(begins), values, labels=list(lines), colors=colors, step="post")
    else:
        for label, color, each in zip(lines, colors, values, strict=True):
            axes.plot(list(begins), each, label=label, color=color, linewidth=1.3)
    for line in properties.get("annotations", {}).get("horizontal", []):
        axes.axhline(line["value"], color=RED.light, label=line["label"], linewidth=1)
        axes.axhspan(left["min" if line["fill"] == "below" else "max"], line["value"], color=RED_FILL.light, zorder=0)
    axes.set(xlim=(0, DAYS * DAY), ylim=(left["min"], left.get("max", axes.get_yticks()[-1])))
    axes.set_xticks([day * DAY for day in range(DAYS + 1)], [f"{moment(day * DAY):%b %d}" for day in range(DAYS + 1)])
    axes.set_ylabel(left.get("label", "milliseconds"), **SMALL)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, fontsize=8.5, borderpad=0.2)


def draw_bars(axes: Axes, properties: dict[str, Any]) -> None:
    """Draw a bar for each row."""
    names, numbers = zip(*(row.values() for row in result(properties["query"])), strict=True)
    axes.bar_label(axes.bar(range(len(names)), numbers, 0.5, color=BLUE.light), **SMALL)
    axes.set_xticks(range(len(names)), names)
    axes.margins(y=0.15)


def draw_table(axes: Axes, properties: dict[str, Any]) -> None:
    """Write as many rows as there is room for; long texts are cut."""
    rows, dpi = result(properties["query"]), axes.figure.dpi
    letters, height = axes.bbox.width / dpi / LETTER, axes.bbox.height / dpi / ROW
    axes.set(xlim=(0, letters), ylim=(height, 0))
    axes.axis("off")
    x = 0
    for name in rows[0]:
        texts = [name, *(f"{row[name]:.4}" if isinstance(row[name], float) else row[name] for row in rows)]
        column = [text if len(text) < LONG else f"{text[:CUT]}…" for text in texts]
        for y, text in enumerate(column[: int(height)]):
            axes.text(x, y + 0.7, text, fontsize=7, color=(INK if y else FAINT).light)
        x += max(map(len, column)) + 3


DRAW = {"timeSeries": draw_graph, "bar": draw_bars, "table": draw_table}
MARGINS = defaultdict(lambda: (2.0, 0.9, 2.7, 2.5), {"table": (0.4, 0.1, 0.6, 1.3)})
"""Of a view, in units of the grid: to the left, below, and of both sides together."""


def diagram() -> Figure:
    """Draw every widget in its place."""
    every = widgets()
    columns, rows = (max(each[at] + each[size] for each in every) for at, size in (("x", "width"), ("y", "height")))
    figure = Figure(figsize=(columns * WIDTH, rows * HEIGHT))
    page = figure.add_axes((0, 0, 1, 1), xlim=(0, columns), ylim=(0, rows))
    page.axis("off")
    for each in every:
        x, width, height, properties = each["x"], each["width"], each["height"], each["properties"]
        y = rows - each["y"] - height
        page.add_patch(Rectangle((x + 0.1, y + 0.1), width - 0.2, height - 0.2, fill=False, edgecolor=FAINT.light))
        page.text(x + 0.4, y + height - 0.75, properties["title"], fontsize=9.5, fontweight="bold")
        left, below, across, upright = MARGINS[properties["view"]]
        place = (x + left, y + below, width - across, height - upright)
        axes = page.inset_axes(place, transform=page.transData)
        axes.tick_params(labelsize=8.5)
        DRAW[properties["view"]](axes, properties)
    return figure
