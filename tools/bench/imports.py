"""What INIT is made of: the time of each import, by whose it is, and of setting up the client."""

import re
import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

OWNERS = {
    "boto3 and botocore": ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six"),
    "urllib3": ("urllib3",),
    "requests and what it needs": ("requests", "charset_normalizer", "idna", "certifi"),
    "Powertools": ("aws_lambda_powertools", "typing_extensions"),
    "its own code": ("mx_token_rotator", "floor"),
}
CLIENT, REST = "the client's set-up", "Python's own modules"
PROBE = """
import sys, awslambdaric.bootstrap
from time import perf_counter
tell = lambda *words: print(*words, file=sys.stderr)
tell("INIT")
import boto3
make = boto3.client
def client(*args, **kwargs):
    tell("set-up begins")
    begun = perf_counter()
    made = make(*args, **kwargs)
    tell("set-up took", int((perf_counter() - begun) * 1_000_000))
    return made
boto3.client = client
__import__(sys.argv[1])
tell("later")
for name in sys.argv[2:]:
    __import__(name)
"""


def owner(module: str) -> str:
    """Say whose a module is."""
    package = module.partition(".")[0]
    return next((whose for whose, packages in OWNERS.items() if package in packages), REST)


def spent(printed: str) -> dict[str, float]:
    """Add up the milliseconds that `-X importtime` tells of between two lines, by owner.

    A module's own time leaves out what it imports, but not the set-up of a client that it makes.
    """
    times: Counter[str] = Counter()
    setting_up = False
    for line in printed.splitlines():
        if told := re.fullmatch(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)", line):
            times[owner(told[2])] += int(told[1])
            times[CLIENT] -= int(told[1]) * setting_up
        elif line == "set-up begins":
            setting_up = True
        elif told := re.fullmatch(r"set-up took (\d+)", line):
            setting_up = False
            times[CLIENT] += int(told[1])
    times["its own code"] -= times[CLIENT]
    return {whose: time / 1000 for whose, time in times.items()}


def profiled(
    python: Path, package: Path, variables: Mapping[str, str], module: str, *later: str
) -> tuple[dict[str, float], dict[str, float]]:
    """Import a module in a process of its own, then what it puts off; give what each took. Profiling takes time too."""
    printed = subprocess.run(  # noqa: S603  our own command
        [str(python), "-X", "importtime", "-c", PROBE, module, *later],
        cwd=package,
        env=dict(variables),
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    ).stderr
    init, _, rest = printed.partition("INIT\n")[2].partition("later\n")
    return spent(init), spent(rest)
