"""`make bench`: measures the rotator and its alternatives, and puts the tables into docs/performance.md."""

import os
import platform
import re
import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from rich.console import Console

from bench import report
from bench.cost import cpu_share
from bench.measure import CROWD, HANDLERS, Scene, heal_all, in_turns, scene, starved
from bench.report import MEMORIES, MEMORY, Results, Starved
from local.aws import HOUSE, local_aws
from local.demo import finish
from local.document import placed

DOCUMENT = HOUSE / "docs" / "performance.md"
ROUNDS, WARM = 14, 5
PASSES = 2


def memory_settings(scene: Scene) -> dict[int, Starved]:
    """Measure ours on the share of a CPU that each memory setting gives; empty where it cannot be limited."""
    runs = defaultdict(list)
    for _ in range(PASSES):
        for memory in sorted({*MEMORIES, MEMORY}):
            if run := starved(scene, cpu_share(memory), warm=WARM):
                runs[memory].append(run)
    return {
        memory: Starved(
            init=median(cold.init or 0 for cold, _, _ in each),
            cold=median(cold.wall for cold, _, _ in each),
            tick=median(tick.duration for _, ticks, _ in each for tick in ticks),
            refresh=median(refresh.duration for _, _, refreshes in each for refresh in refreshes),
        )
        for memory, each in runs.items()
    }


def measured(console: Console) -> Results:
    """Run it all."""
    with local_aws() as aws, console.status("Building the packages …") as live, scene(aws) as made:
        live.update("Taking turns …")
        samples = in_turns(made, rounds=ROUNDS, warm=WARM)
        live.update("Healing many at once …")
        healed = {count: heal_all(made, count) for count in (1, 10, CROWD)}
        with made.contestant("ours") as ours:
            ours.report()
            peak = ours.peak()
        live.update("Starving it of CPU …")
        return Results(
            samples=samples,
            started={name: made.started(name) for name in HANDLERS},
            sizes=made.sizes,
            archive=made.archive,
            peak=peak,
            healed=healed,
            starved=memory_settings(made),
        )


def conditions() -> str:
    """Tell of this machine in general terms."""
    model = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return report.conditions(
        f"{os.cpu_count()} CPUs ({model[0] if model else platform.machine()})",
        f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        platform.python_version(),
        f"{datetime.now(UTC):%Y-%m-%d}",
    )


def document(console: Console) -> None:
    """Measure, and put the tables into the docs."""
    results = measured(console)
    made = [report.marks, report.cold, report.warm, report.calls, report.bill, report.growth, report.healing]
    tables = {each.__name__: each(results) for each in (*made, report.memory)} | {"conditions": conditions()}
    text = DOCUMENT.read_text()
    for name, content in tables.items():
        text = placed(text, name, content)
    DOCUMENT.write_text(text)
    console.print(tables["marks"], highlight=False, markup=False, soft_wrap=True)


def main() -> int:
    """Measure; give the exit status."""
    console = Console()
    return finish(console, lambda: document(console), f"{DOCUMENT.name} has the tables.")


if __name__ == "__main__":
    sys.exit(main())
