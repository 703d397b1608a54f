"""What is said of the tokens, from lines of the log and labels."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from mx_token_rotator_operator.verdicts import SILENT, Verdict, tokens

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LABELS = {"AWSCURRENT": "two-and-more", "AWSPREVIOUS": "one"}
CHECK = "Invoke the function without a payload."
FAILURE = {
    "outcome": "failed",
    "reason": "TokenRefused",
    "error": "the API refused it",
    "who": "its owner",
    "remedy": "Ask them.",
}


def line(**members: str | bool | None) -> dict[str, Any]:
    """Return a line of the log: a version that was published at ten, and whose token expires twelve hours later.

    A member that would be null is not there.
    """
    all_members = {
        "client_id": "_Website",
        "outcome": "refreshed",
        "reason": "expiring",
        "version_id": "two-and-more",
        "expires_at": "2026-03-01T22:00:00Z",
        "verified": True,
        "logged_at": "2026-03-01T10:00:00+00:00",
        **members,
    }
    return {name: value for name, value in all_members.items() if value is not None}


def at(time: str, **members: str | bool | None) -> dict[str, Any]:
    """Return a line of a later check of the token, which kept it unless the members say otherwise."""
    return line(**{"outcome": "kept", "reason": "fresh", "logged_at": f"2026-03-01T{time}:00+00:00", **members})


def failed(time: str, **members: str) -> dict[str, Any]:
    """Return a line of a check that failed."""
    return at(time, **FAILURE | members)


def judged(*log: dict[str, Any], names: tuple[str, ...] = ("_Website",)) -> list[Verdict]:
    """Judge the tokens of these client IDs by a log."""
    return [*tokens(log, dict.fromkeys(names, LABELS), NOON)]


def test_a_token_that_works_is_described() -> None:
    """Its version, how long it lives, when and why it was replaced, and how its last check ended."""
    assert judged(line(), at("11:50")) == [
        Verdict(
            "_Website: version two-and- expires in 10.0 h, verified, replaced 2.0 h ago (expiring), "
            "checked 10 min ago (kept: fresh)"
        )
    ]


def test_each_token_that_works_is_described() -> None:
    """On its own."""
    lines = [at("11:50", client_id="_Website"), at("11:40", client_id="Web")]

    assert [each.seen.split(":")[0] for each in judged(*lines, names=("_Website", "Web"))] == ["_Website", "Web"]


def test_a_token_that_was_not_verified_is_no_error_but_said() -> None:
    """The API gave no verdict, or there is none to ask."""
    (found,) = judged(at("11:50", verified=None))

    assert (", not verified, " in found.seen, found.to_do) == (True, "")


def test_a_token_that_replaced_a_dead_one_is_verified_by_the_run_that_published_it() -> None:
    """The secret has no verdict, since nothing waited for it; later checks know only the secret."""
    (found,) = judged(line(reason="rejected"), at("11:50", verified=None))

    assert ", verified, " in found.seen


def test_the_verdict_on_another_version_does_not_count() -> None:
    """The token before was verified."""
    (found,) = judged(line(version_id="one"), at("11:50", verified=None))

    assert ", not verified, " in found.seen


def test_a_dry_run_does_not_hide_a_failure() -> None:
    """It changes nothing, and does not begin the count of the failures anew."""
    (found,) = judged(line(), failed("11:15"), at("11:30", reason="dry run: expiring"), failed("11:45"))

    assert "TokenRefused (first 45 min ago, last 15 min ago)" in found.seen


def test_a_trial_that_replaced_the_token_counts() -> None:
    """Its log-in had ended the published one."""
    (found,) = judged(line(reason="credentials accepted", logged_at="2026-03-01T11:50:00+00:00"))

    assert "replaced 10 min ago (credentials accepted)" in found.seen


def test_a_token_was_replaced_when_it_was_last_refreshed() -> None:
    """Later checks that kept it do not count."""
    (found,) = judged(
        line(reason="first", version_id="one", logged_at="2026-03-01T04:00:00+00:00"), line(), at("11:50")
    )

    assert "replaced 2.0 h ago (expiring)" in found.seen


def test_whatever_failed_before_is_over() -> None:
    """Once a check succeeds."""
    (found,) = judged(failed("09:00"), line(), at("11:50"))

    assert found.to_do == ""


@pytest.mark.parametrize(
    ("members", "seen", "to_do"),
    [
        ({"version_id": "one"}, "_Website: the published token is not in the log", CHECK),
        ({"expires_at": None}, "_Website: the published token is not in the log", CHECK),
        ({"expires_at": "2026-03-01T11:00:00Z"}, "_Website: the published token has expired", CHECK),
        ({"logged_at": "2026-03-01T10:50:00+00:00"}, "_Website: not checked within the last hour", SILENT),
        ({"client_id": "Web"}, "_Website: not checked within the last hour", SILENT),
        ({"reason": "dry run: fresh"}, "_Website: not checked within the last hour", SILENT),
        ({"reason": "credentials accepted"}, "_Website: not checked within the last hour", SILENT),
        ({"outcome": "failed", "reason": "RequestInvalid"}, "_Website: not checked within the last hour", SILENT),
    ],
)
def test_a_token_of_which_too_little_is_known_is_named(members: dict[str, str | None], seen: str, to_do: str) -> None:
    """The last check was of another version or client ID, of an unreadable document, no check at all, or long ago."""
    assert judged(at("11:50", **members)) == [Verdict(seen, to_do)]


def test_a_token_that_the_api_refuses_is_named() -> None:
    """With what decides that."""
    (found,) = judged(at("11:50", verified=False))

    assert (", refused, " in found.seen, found.to_do) == (
        True,
        "The API refused it: check client_secret and VerifyPath.",
    )


def test_a_failure_is_said_with_its_age_who_must_act_and_how() -> None:
    """In the words of the first of a series, because later ones may only say that nobody logs in any more."""
    log = [
        failed("09:30", error="an earlier one"),
        line(),
        at("11:15"),
        failed("11:30"),
        failed("11:45", error="was rejected before"),
    ]

    assert judged(*log) == [
        Verdict(
            "_Website: TokenRefused (first 30 min ago, last 15 min ago): the API refused it. Who must act: its owner. "
            "The token of _Website expires in 10.0 h",
            "Ask them.",
        )
    ]


def test_a_failure_without_a_token_says_so() -> None:
    """The log of a day does not know one."""
    (found,) = judged(failed("11:50", version_id="one"))

    assert found.seen.endswith("The token of _Website may have expired")


def test_a_failure_of_the_whole_stack_is_one_of_each_token() -> None:
    """Such a line has no client ID."""
    (found,) = judged(line(), line(**FAILURE | {"client_id": None, "reason": "SettingsInvalid"}))

    assert found.seen.startswith("_Website: SettingsInvalid (")


NAMES = ("_Website", *(f"client-{place}" for place in range(1, 6)))


def test_a_failure_of_many_client_ids_is_said_once() -> None:
    """Their texts may differ in a correlation id; those of the first one are shown."""
    log = [failed("11:45", client_id=name, error=f"the API refused {name}") for name in NAMES]
    (found,) = judged(*log, names=NAMES)

    assert re.findall(r"^(.*?): .*(the API refused \S+)\. ", found.seen) == [
        ("_Website, client-1, client-2, client-3 and 2 more", "the API refused _Website")
    ]


def test_different_failures_are_said_separately() -> None:
    """Others must act."""
    log = [failed("11:50"), failed("11:50", client_id="Web", reason="Unexpected", remedy="Open an issue.")]

    assert [each.seen.partition(" (")[0] for each in judged(*log, names=("_Website", "Web"))] == [
        "_Website: TokenRefused",
        "Web: Unexpected",
    ]
