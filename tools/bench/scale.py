"""Ours with many client IDs: behind the Lambda runtime API from afar, and as a deployed stack on MiniStack."""

import time
from dataclasses import dataclass, replace
from datetime import timedelta
from math import ceil
from statistics import median

from tools.bench.cost import A_STACK
from tools.bench.far import away
from tools.bench.scene import MOVIEXCHANGE_AWAY, Environment, Sample, Scene, message, scheduled
from tools.local.aws import LocalAws
from tools.local.mx import MovieXchangeStandIn
from tools.local.stack import Stack

DUE = timedelta(hours=7)  # of 12
LONGEST_NAME = 50  # characters
QUIET_RUNS = 5
REPORTS = 200


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """What so many client IDs take: seconds of a run, and how many tokens one run replaced."""

    count: int
    quiet: float
    all_due: float
    replaced: int
    new_credentials: float
    replaced_then: int
    memory: int = 0  # bytes; 0 if unknown

    def runs(self) -> int:
        """Return how many runs it takes until all that is due is replaced."""
        return ceil(self.count / self.replaced)


def from_afar(scene: Scene, count: int) -> Scaled:
    """Measure so many client IDs with an account of their own."""
    scene, names = replace(scene, account=f"bench-{count}/staging"), [f"client-{each:04}" for each in range(count)]
    scene.fill(names)
    with scene.environment("ours", names) as ours:
        ours.measure([scheduled()])
        quiet = [ours.measure([scheduled()]).duration for _ in range(QUIET_RUNS)]
        scene.fill(names, age=DUE)
        all_due = ours.measure([scheduled()])
        scene.fill(names)
        version = scene.renew_credentials()
        new = ours.measure([message({"credentials_changed": version})])
        return Scaled(
            count=count,
            quiet=median(quiet) / 1000,
            all_due=all_due.duration / 1000,
            replaced=all_due.reasons["expiring"],
            new_credentials=new.duration / 1000,
            replaced_then=new.reasons["credentials changed"],
            memory=ours.peak(),
        )


def made_up_report(ours: Environment) -> Sample:
    """Report a version that was never published."""
    secret = f"{ours.scene.account}/tokens/{ours.name}"
    return ours.measure([message({"rejected_version": f"made-up-{time.perf_counter_ns()}", "reported": secret})])


def reports(scene: Scene) -> float:
    """Return how long a made-up report takes from afar once the function is warm, in seconds, as its caller waits."""
    with scene.environment("ours") as ours:
        made_up_report(ours)
        return median(made_up_report(ours).ended for _ in range(REPORTS)) / 1000


def deployed(aws: LocalAws, count: int = A_STACK) -> tuple[Scaled, float]:
    """Measure a deployed stack with so many of the longest names, and the seconds that each report of a flood takes.

    Its movieXchange is as far away as the real one; its Secrets Manager, its queue and Lambda are MiniStack's.
    """
    with MovieXchangeStandIn() as mx, away(mx.url, MOVIEXCHANGE_AWAY) as far:
        names = tuple(f"{number:0>{LONGEST_NAME}}" for number in range(count))
        stack = Stack(aws, {"SecretPrefix": "bench", "AuthUrl": far.url, "ApiUrl": far.url}, "bench", names)
        stack.deploy()
        stack.replace_credentials(mx.credentials())
        stack.wait_until_idle()
        quiet = [invoked(stack)[0] for _ in range(QUIET_RUNS)]
        for name in names:
            stack.age(name, DUE)
        all_due, due = invoked(stack)
        began = time.perf_counter()
        stack.replace_credentials(mx.credentials())
        new_credentials = time.perf_counter() - began
        stack.wait_until_idle()
        scaled = Scaled(
            count=len(names),
            quiet=median(quiet),
            all_due=all_due,
            replaced=due.count("expiring"),
            new_credentials=new_credentials,
            replaced_then=len(names),
        )
        return scaled, flooded(stack)


def invoked(stack: Stack) -> tuple[float, list[str]]:
    """Invoke a stack's function by hand; return the seconds and the reasons of its outcomes."""
    began = time.perf_counter()
    outcomes = stack.invoke({})
    return time.perf_counter() - began, [each["reason"] for each in outcomes]


def flooded(stack: Stack) -> float:
    """Report made-up versions through EventBridge and the queue; return the seconds that each takes."""
    began = time.perf_counter()
    for number in range(REPORTS):
        stack.report_rejected(stack.names[0], f"made-up-{number}")
    stack.wait_until_idle()
    return (time.perf_counter() - began) / REPORTS
