"""Every fault of Secrets Manager, tried on the wire; what came of each becomes two tables in docs/faults.md."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from typing import NamedTuple

from rich.console import Console

from tools.local.aws import PROJECT
from tools.local.demo import check, finish
from tools.local.document import placed, table
from tools.local.faults import down, status
from tools.local.in_process import (
    CHANGE_KEY,
    CREATE,
    DESCRIBE,
    GET_CREDENTIALS,
    GET_TOKEN,
    LABEL,
    PUBLISH,
    TRY_TO_WRITE,
    UNLABEL,
    Account,
    Checked,
    Plan,
    Trouble,
    accounts,
)
from tools.local.secrets_proxy import cut_in_half, done_but, error, instead, no_answer, stale, untroubled

DOCUMENT = PROJECT / "docs" / "faults.md"
COLUMNS = ("each check", "log-ins", "requests", "ActionRequired", "an application's call", "recovered after")
HEADS = {"once": ("one request", "meets with", *COLUMNS), "always": ("each request", "meets with", *COLUMNS)}
CHECKS = 3
FOREVER = sys.maxsize
UNTIL_DUE = timedelta(hours=7)
WRONG_PASSWORD = "zq7Kv3-Wx9Lm2"  # noqa: S105  made up
LONGEST_RECOVERY = 12  # checks; among as many there is a scheduled retry
RETRY_EVERY = timedelta(hours=3)

FAMILIES = {
    "an error": {
        "ThrottlingException (400)": Trouble(error("ThrottlingException", 400)),
        "TooManyRequestsException (429)": Trouble(error("TooManyRequestsException", 429)),
        "InternalServiceError (500)": Trouble(error("InternalServiceError", 500)),
        "ServiceUnavailable (503)": Trouble(error("ServiceUnavailable", 503)),
        "a page with 503": Trouble(instead(status(503, b"<html>Service Unavailable</html>"))),
    },
    "an empty 429": {"an empty 429": Trouble(instead(status(429)))},
    "no connection": {
        "connection refused": Trouble(untroubled, is_refused=True),
        "connection reset": Trouble(instead(down())),
        "no answer in time": Trouble(instead(no_answer), patience=0.1),
    },
    "a lost answer": {
        "done, then connection reset": Trouble(done_but(down())),
        "done, then no answer in time": Trouble(done_but(no_answer), patience=0.5),
    },
    "half an answer": {"half an answer": Trouble(cut_in_half)},
    "a page": {"a page": Trouble(instead(status(200, b"<html>Log in to the network</html>")))},
    "a list": {"a list": Trouble(instead(status(200, b"[]")))},
}
"""What a request can meet with; the page explains each family, whose members hardly ever differ in what comes of it."""
TROUBLES = {name: trouble for family in FAMILIES.values() for name, trouble in family.items()}
STALE = "a stale answer"


class Case(NamedTuple):
    """Which requests meet with which trouble: one of them, or all for as long as it lasts."""

    kind: str
    trouble: str
    lasts: str


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of a case: its checks, what it took to recover, and what no line may contain."""

    checks: list[Checked]
    recovered_after: str
    versions: int
    """How many versions of the token secrets were written while it lasted."""
    secrets: list[str] = field(repr=False)

    def cells(self) -> tuple[str, ...]:
        """Return the cells of its row; what stays the same from check to check is written once."""
        columns = zip(*(cells_of(each) for each in self.checks), strict=True)
        return (*(", then ".join(cell for cell, _ in groupby(column)) for column in columns), self.recovered_after)


def cells_of(checked: Checked) -> tuple[str, ...]:
    """Return the cells of one check."""
    reasons = " and ".join(f"`{each}`" for each in checked.reasons)
    rings = "yes" if checked.needs_person else "no"
    return reasons, str(checked.log_ins), str(checked.requests), rings, " and ".join(checked.application_got)


def broken(result: Result) -> list[str]:
    """Return what happened that must not, whatever Secrets Manager does."""
    found = []
    for number, each in enumerate(result.checks, start=1):
        if each.lost_log_ins > 1:
            found.append(f"check {number} lost the tokens of {each.lost_log_ins} log-ins")
        if any(secret in each.printed for secret in result.secrets):
            found.append(f"check {number} printed a secret")
    lost = sum(each.lost_log_ins for each in result.checks)
    log_ins = sum(each.log_ins for each in result.checks)
    if "401" in result.checks[-1].application_got and not lost:
        found.append("an application lost its token, and no log-in was lost")
    if result.versions > log_ins:
        found.append(f"{result.versions} versions were written for {log_ins} log-ins")
    if not result.recovered_after:
        found.append("it did not recover")
    return found


# In which circumstances the requests are made: what starts the first check, and how to tell that it has recovered


def works(account: Account, checked: Checked) -> bool:
    """Tell whether every token works, no check fails, and no credentials are blocked."""
    is_failed = any(": " not in each for each in checked.reasons)
    return not is_failed and checked.application_got == ("200",) and not account.is_rejected()


def is_held_back(_: Account, checked: Checked) -> bool:
    """Tell whether nobody logs in with a wrong password."""
    return checked.reasons == ("CredentialsRejected",) and not checked.log_ins


@dataclass(frozen=True)
class Circumstances:
    """What comes before a trouble, and returns the message that starts the first check; when it is over."""

    prepare: Callable[[Account], dict[str, str]]
    is_over: Callable[[Account, Checked], bool] = works


def nothing_published(account: Account) -> dict[str, str]:
    """Have credentials alone."""
    return {"credentials_changed": account.fill()}


def tokens_due(account: Account) -> dict[str, str]:
    """Have every token seven of its twelve hours old."""
    account.invoke(nothing_published(account))
    account.now += UNTIL_DUE
    return {"scheduled": account.now.isoformat()}


def key_denied(account: Account) -> dict[str, str]:
    """Have tokens that are due, under a key that the function may not use."""
    message = tokens_due(account)
    account.denies_kms = True
    return message


def tokens_replaced(account: Account) -> dict[str, str]:
    """Have tokens that were just replaced."""
    account.invoke(tokens_due(account))
    return {"scheduled": account.now.isoformat()}


def new_credentials(account: Account) -> dict[str, str]:
    """Have new credentials, and fresh tokens of the ones before."""
    account.invoke(nothing_published(account))
    return {"credentials_changed": account.fill()}


def wrong_password(account: Account) -> dict[str, str]:
    """Have credentials that were just rejected, and fresh tokens of the ones before."""
    account.invoke(nothing_published(account))
    account.invoke({"credentials_changed": account.fill(password=WRONG_PASSWORD)})
    return {"scheduled": account.now.isoformat()}


ORDINARY = {
    GET_TOKEN: Circumstances(tokens_due),
    DESCRIBE: Circumstances(tokens_due),
    TRY_TO_WRITE: Circumstances(tokens_due),
    GET_CREDENTIALS: Circumstances(tokens_due),
    PUBLISH: Circumstances(tokens_due),
    LABEL: Circumstances(new_credentials),
    UNLABEL: Circumstances(new_credentials),
    CREATE: Circumstances(nothing_published),
    CHANGE_KEY: Circumstances(key_denied),
}
"""Where the function makes each kind of request."""
OF_STALE_READS = {
    f"{GET_TOKEN} that was just replaced": (GET_TOKEN, Circumstances(tokens_replaced)),
    f"{DESCRIBE} that are new": (DESCRIBE, Circumstances(new_credentials)),
    f"{GET_CREDENTIALS} that are new": (GET_CREDENTIALS, Circumstances(new_credentials)),
    f"{DESCRIBE} that were just rejected": (DESCRIBE, Circumstances(wrong_password, is_held_back)),
}
CASES = [
    *(Case(kind, trouble, lasts) for kind in ORDINARY for trouble in TROUBLES for lasts in HEADS),
    *(Case(kind, STALE, lasts) for kind in OF_STALE_READS for lasts in HEADS),
]


def tried(account: Account, case: Case) -> Result:
    """Have requests meet with a trouble for a check, or for some; end it, and see what recovery takes."""
    kind, circumstances = OF_STALE_READS.get(case.kind) or (case.kind, ORDINARY[case.kind])
    trouble = Trouble(stale) if case.trouble == STALE else TROUBLES[case.trouble]
    message = circumstances.prepare(account)
    written = account.written()
    account.plan = Plan(kind, trouble, FOREVER if case.lasts == "always" else 1)
    checks = [account.invoke(message)]
    checks += [account.check() for _ in range(CHECKS - 1) if case.lasts == "always"]
    check(that=account.plan.met > 0, otherwise=f"no request met with it: {case}")
    account.plan.left = 0
    secrets = [*account.mx.credentials().values(), *account.mx.access_tokens, WRONG_PASSWORD]
    versions = len(account.written() - written)
    is_over = circumstances.is_over(account, checks[-1])
    recovered_after = "at once" if is_over else recovery(account, circumstances.is_over)
    return Result(checks=checks, recovered_after=recovered_after, versions=versions, secrets=secrets)


def recovery(account: Account, is_over: Callable[[Account, Checked], bool]) -> str:
    """Check until the function has recovered, and say what that took; nothing if it does not."""
    for number in range(1, LONGEST_RECOVERY + 1):
        if is_over(account, account.check()):
            since_slot = timedelta(seconds=account.now.timestamp()) % RETRY_EVERY
            return f"{number} check{'s' * (number > 1)}" if since_slot else "a scheduled retry"
    return ""


def rendered(results: dict[Case, Result], lasts: str) -> str:
    """Return one of the tables: for each kind of request, a row for the troubles of which the same came."""
    rows = []
    for kind in [*ORDINARY, *OF_STALE_READS]:
        alike: dict[tuple[str, ...], list[str]] = {}
        for case, result in results.items():
            if (case.kind, case.lasts) == (kind, lasts):
                alike.setdefault(result.cells(), []).append(case.trouble)
        rows += [(kind, "; ".join(by_family(troubles)), *cells) for cells, troubles in alike.items()]
    return table(HEADS[lasts], rows)


def by_family(troubles: Iterable[str]) -> list[str]:
    """List troubles, a whole family by its name."""
    left = list(troubles)
    for family, members in FAMILIES.items():
        if set(members) <= set(left):
            left = list(dict.fromkeys(family if each in members else each for each in left))
    return left


def survive(console: Console, cases: Iterable[Case]) -> None:
    """Try every case, and write the tables."""
    results: dict[Case, Result] = {}
    with accounts() as account:
        for case in cases:
            results[case] = tried(account(), case)
            told = f"{len(results):3} of {len(CASES)}  {', '.join([*case, *results[case].cells()])}"
            console.print(told, highlight=False, markup=False, soft_wrap=True)
            found = broken(results[case])
            check(that=not found, otherwise=f"{case}: {'; '.join(found)}")
    text = DOCUMENT.read_text()
    for lasts in HEADS:
        text = placed(text, lasts, rendered(results, lasts))
    DOCUMENT.write_text(text)


def main() -> int:
    """Try every case; return the exit status."""
    console = Console()
    return finish(
        console, lambda: survive(console, CASES), f"Every fault was survived; {DOCUMENT.name} has the tables."
    )


if __name__ == "__main__":
    sys.exit(main())
