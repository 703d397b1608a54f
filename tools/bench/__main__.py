"""`make bench`: measures the rotator and its alternatives, and puts the tables into docs/performance.md."""

import os
import platform
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from tools.bench import scale
from tools.bench.report import COSTS, TABLES, Measured, Results
from tools.bench.scene import CONTESTANTS, Sample, Scene, scene
from tools.local.aws import PROJECT, local_aws
from tools.local.demo import finish
from tools.local.document import placed

DOCUMENT = PROJECT / "docs" / "performance.md"
ROUNDS, WARM = 30, 3
COUNTS = (1, 10, 60, 1000)


def in_turns(scene: Scene, names: Sequence[str], *, rounds: int, warm: int) -> dict[str, Measured]:
    """Have the contestants start cold with a report, one after the other; every second time, go on while warm."""
    cold, checks, reports = (defaultdict[str, list[Sample]](list) for _ in range(3))
    scene.fill(names)
    for number in range(rounds):
        turn = number % len(names)
        with ExitStack() as ends:
            ready = [ends.enter_context(scene.environment(name)) for name in (*names[turn:], *names[:turn])]
            for each in ready:
                cold[each.name].append(each.report())
            for _ in range(0 if number % 2 else warm):  # cold starts differ far more from each other
                for each in ready:
                    if each.name != "four_steps":
                        checks[each.name].append(each.check())
                    reports[each.name].append(each.report())
    return {name: Measured(cold=cold[name], checks=checks[name], reports=reports[name]) for name in names}


def measured(console: Console) -> Results:
    """Run it all."""
    with local_aws() as aws, console.status("Setting up …") as live, scene(aws.folder / "bench") as made:
        live.update("Taking turns …")
        samples = in_turns(made, ["ours", *CONTESTANTS], rounds=ROUNDS, warm=WARM)
        report = scale.reports(made)
        scaled = []
        for count in COUNTS:
            live.update(f"Measuring {count:,} client IDs …")
            scaled.append(scale.from_afar(made, count))
        live.update("Measuring a deployed stack with sixty client IDs …")
        deployed, report_deployed = scale.deployed(aws)
        return Results(
            measured=samples, scaled=scaled, deployed=deployed, report=report, report_deployed=report_deployed
        )


def conditions() -> str:
    """Say where, when and with what it is measured."""
    model = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    machine = f"{os.cpu_count()} CPUs ({model[0] if model else platform.machine()}), {platform.system()}"
    python = [str(PROJECT / ".venv-emulator" / "bin" / "python"), "--version"]
    version = subprocess.run(python, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603  our own
    return f"Measured on {datetime.now(UTC):%Y-%m-%d}, on {machine}, with {version}."


def document(console: Console) -> None:
    """Measure, and put the tables into the docs."""
    results, text = measured(console), DOCUMENT.read_text()
    tables = {name: write(results) for name, write in TABLES.items()} | {name: write() for name, write in COSTS.items()}
    for name, content in {"conditions": conditions(), **tables}.items():
        text = placed(text, name, content)
    DOCUMENT.write_text(text)
    console.print(tables["marks"], highlight=False, markup=False, soft_wrap=True)


def main() -> int:
    """Measure, and return the exit status."""
    console = Console()
    return finish(console, lambda: document(console), f"{DOCUMENT.name} has the tables.")


if __name__ == "__main__":
    sys.exit(main())
