"""What a stack, a client ID and the alternatives cost a month, by the calls that the code makes. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from tools.local.document import table

LIST = json.loads(Path(__file__).with_name("prices.json").read_text())
PRICES: dict[str, float] = {name: each["usd"] for name, each in LIST["prices"].items()}

DAYS = 730 / 24  # of the month that AWS bills by
CHECKS, REFRESHES = 96, 4  # a day: every 15 minutes, and at half of 12 hours
PROCESSES = 10  # of applications that use a token, where each logs in by itself
GB_SECONDS = 1769 / 1024  # of a run that starts cold and takes a second
A_STACK = 60  # client IDs with the longest names
ALARMS = 4
METRICS = 1.17  # TokenLifeRemaining in every hour, and others in the hours in which they occur
POLLS_A_MINUTE = (6, 15)  # two to five pollers, each of which waits for 20 s
LOG_BYTES = 1700  # of a run: what Lambda logs by itself, an outcome and a metric
COUNTS = (1, 10, 100, 1000)


@dataclass(frozen=True, kw_only=True)
class Day:
    """What is done in a day."""

    calls: float  # of Secrets Manager
    runs: float = 0
    is_scheduled: bool = True

    def bill(self) -> dict[str, float]:
        """Return what this costs a month, in dollars."""
        scheduled = PRICES["scheduler_invocation"] * self.is_scheduled
        prices = {
            "calls of Secrets Manager": self.calls * PRICES["secrets_call"],
            "Lambda": self.runs * (GB_SECONDS * PRICES["lambda_gb_second_arm64"] + PRICES["lambda_request"]),
            "schedule and logs": self.runs * (scheduled + LOG_BYTES * PRICES["log_byte"]),
        }
        return {name: DAYS * price for name, price in prices.items()}


OF_A_STACK = Day(calls=CHECKS, runs=CHECKS)
OF_A_CLIENT_ID: Mapping[str, Day] = {
    # A client ID of ours lengthens a run by some milliseconds, and by less than a second when its token is replaced.
    "ours": Day(calls=CHECKS + 3 * REFRESHES, runs=REFRESHES, is_scheduled=False),
    "floor": Day(calls=CHECKS + 2 * REFRESHES, runs=CHECKS),
    "four_steps": Day(calls=10 * REFRESHES, runs=4 * REFRESHES, is_scheduled=False),
    "every_app": Day(calls=2 * PROCESSES),
}


def of_a_stack() -> dict[str, tuple[float, float]]:
    """Return what a stack costs without its client IDs, each from a lowest to a highest."""
    runs, bill = CHECKS * DAYS, OF_A_STACK.bill()
    polls, polled = 60 * 24 * DAYS, "Lambda's polling of the queue, beyond the first million requests of SQS"
    costs = {
        "the credentials secret": PRICES["secret_month"],
        f"{ALARMS} alarms at {PRICES['alarm_month']:.2f}": ALARMS * PRICES["alarm_month"],
        "custom metrics at 0.30, counted by the hour: `TokenLifeRemaining` in every hour, "
        "the others in the hours in which they occur": METRICS * PRICES["metric_month"],
        f"Lambda, if each of {runs:,.0f} runs starts cold and takes one second with 1,769 MB": bill["Lambda"],
        f"Secrets Manager: {runs:,.0f} calls at 0.05 for 10,000; the schedule and the logs": sum(bill.values())
        - bill["Lambda"],
    }
    low, high = (polls * each * PRICES["fifo_request"] for each in POLLS_A_MINUTE)
    return {name: (cost, cost) for name, cost in costs.items()} | {polled: (low, high)}


def of_a_client_id(name: str = "ours") -> dict[str, float]:
    """Return what a client ID costs with a contestant, without what all of them share."""
    return {"its secret": PRICES["secret_month"] * (name != "every_app")} | OF_A_CLIENT_ID[name].bill()


def stack_table() -> str:
    """Write what a stack costs."""
    costs = of_a_stack()
    rows = [(name, f"{low:.2f}" if low == high else f"{low:.2f} to {high:.2f}") for name, (low, high) in costs.items()]
    middle = sum(low + high for low, high in costs.values()) / 2
    return table(("a stack", ""), [*rows, ("**sum**", f"**about {round(middle, 1):.2f}**")])


def client_id_table() -> str:
    """Write what each client ID costs."""
    secret, calls, *others = of_a_client_id().values()
    named = f"Secrets Manager: {OF_A_CLIENT_ID['ours'].calls * DAYS:,.0f} calls"
    rows = [("its secret", secret), (named, calls), ("Lambda and the logs", sum(others))]
    lines = [(name, f"{cost:.2f}") for name, cost in rows]
    return table(("each client ID", ""), [*lines, ("**sum**", f"**{sum(cost for _, cost in rows):.2f}**")])


def shared(name: str, count: int) -> float:
    """Return what so many client IDs share: the credentials secret; of ours, all of each stack."""
    stack = sum(high for _, high in of_a_stack().values())
    return ceil(count / A_STACK) * stack if name == "ours" else PRICES["secret_month"]


def bill_table(titles: Mapping[str, str]) -> str:
    """Write the bill of a client ID with each contestant, and with its part of what so many share."""
    bills = {name: of_a_client_id(name) for name in OF_A_CLIENT_ID}
    sums = {name: sum(bill.values()) for name, bill in bills.items()}
    with_shared = {
        count: [f"{cost + shared(name, count) / count:.2f}" for name, cost in sums.items()] for count in COUNTS
    }
    return table(
        ("dollars a month for each client ID", *(titles[name] for name in bills)),
        [
            *((line, *(f"{bill[line]:.4f}" for bill in bills.values())) for line in bills["ours"]),
            ("sum", *(f"{cost:.4f}" for cost in sums.values())),
            ("sum, as a multiple of a secret", *(f"{cost / PRICES['secret_month']:.2f}" for cost in sums.values())),
            *((f"with its part of what {count:,} share", *costs) for count, costs in with_shared.items()),
        ],
    )
