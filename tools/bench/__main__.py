"""`make bench`: measures the rotator and its alternatives, and puts the tables into docs/performance.md."""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from tools.bench import report
from tools.bench.cost import cpu_share
from tools.bench.measure import CROWD, HANDLERS, PYTHON, Kind, Measured, Scene, cpu_limit, heal_all, in_turns, scene
from tools.bench.report import MEMORIES, Results
from tools.local.aws import PROJECT, local_aws
from tools.local.demo import finish
from tools.local.document import placed

DOCUMENT = PROJECT / "docs" / "performance.md"
ROUNDS, WARM = 14, 3
LIMITED_ROUNDS = 10
PROFILES = 7


def by_memory(scene: Scene) -> dict[int, Mapping[Kind, list[Measured]]]:
    """Measure ours alone with each memory setting; nothing where the CPU cannot be limited."""
    alone = {}
    for memory in MEMORIES:
        with cpu_limit(cpu_share(memory)) as group:
            if group:
                alone[memory] = in_turns(scene, ["ours"], rounds=LIMITED_ROUNDS, warm=WARM, group=group)["ours"]
    return alone


def measured(console: Console) -> Results:
    """Run it all."""
    with local_aws() as aws, console.status("Building the packages …") as live, scene(aws) as made:
        live.update("Taking turns …")
        samples = in_turns(made, list(HANDLERS), rounds=ROUNDS, warm=WARM)
        live.update("Starving it of CPU …")
        alone = by_memory(made)
        live.update("Healing many at once …")
        healed = {count: heal_all(made, count) for count in (1, 10, CROWD)}
        live.update("Taking it apart …")
        with made.contestant("ours") as ours:
            ours.report()
            peak = ours.peak()
        return Results(
            samples=samples,
            alone=alone,
            started={name: made.started(name) for name in HANDLERS},
            profiles={name: [made.profile(name) for _ in range(PROFILES)] for name in ("ours", "floor")},
            sizes=made.sizes,
            archive=made.archive,
            peak=peak,
            healed=healed,
        )


def conditions() -> str:
    """Tell of this machine in general terms."""
    model = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return report.conditions(
        f"{os.cpu_count()} CPUs ({model[0] if model else platform.machine()})",
        f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        subprocess.run([str(PYTHON), "--version"], capture_output=True, text=True, check=True).stdout.split()[1],  # noqa: S603  our own command
        f"{datetime.now(UTC):%Y-%m-%d}",
    )


def document(console: Console) -> None:
    """Measure, and put the tables into the docs."""
    results = measured(console)
    tables = {each.__name__: each(results) for each in report.TABLES} | {"conditions": conditions()}
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
