"""What the status says, from lines of the log and labels."""

from datetime import UTC, datetime
from typing import Any

import pytest

from mx_token_rotator_operator.status import show, token_status, wrongs

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LABELS = {"AWSCURRENT": "two", "AWSPREVIOUS": "one"}
SILENT = "_Website: not checked within the last hour.\nWhat to do: mx-token-rotator doctor"
BLOCKED = (
    "The credentials have the label REJECTED, so nothing logs in with them."
    "\nWhat to do: mx-token-rotator set-credentials, or refresh NAME to try these once more"
)
FAILURE = {
    "outcome": "failed",
    "reason": "TokenRefused",
    "error": "the API refused it",
    "who": "its owner",
    "remedy": "Ask them.",
}


def line(**members: str | None) -> dict[str, Any]:
    """Return a line of the log: a version that was published at ten, and whose token expires twelve hours later.

    A member that would be null is not there.
    """
    all_members = {
        "client_id": "_Website",
        "outcome": "refreshed",
        "reason": "expiring",
        "version_id": "two",
        "expires_at": "2026-03-01T22:00:00Z",
        "verified": True,
        "logged_at": "2026-03-01T10:00:00+00:00",
        **members,
    }
    return {name: value for name, value in all_members.items() if value is not None}


def at(time: str, **members: str | None) -> dict[str, Any]:
    """Return a line of a later check of the token, which kept it unless the members say otherwise."""
    return line(**{"outcome": "kept", "reason": "fresh", "logged_at": f"2026-03-01T{time}:00+00:00", **members})


def status(*logs: list[dict[str, Any]], **members: Any) -> dict[str, Any]:  # noqa: ANN401  of any kind
    """Return the status of a stack where everything is well, except in these logs of its tokens and these members."""
    names = ["_Website", *(f"client-{place}" for place in range(1, len(logs)))]
    lines = {
        name: [each | ({"client_id": name} if "client_id" in each else {}) for each in log]
        for name, log in zip(names, logs, strict=False)
    } or {"_Website": [line(), at("11:50")]}
    return {
        "tokens": {name: token_status(name, log, LABELS, NOON) for name, log in lines.items()},
        "credentials": {"AWSCURRENT": "c"},
        "mapping": "Enabled",
        "alarms": {"TokenLifeLow": {"state": "OK", "since": "2026-03-01 00:00:00+00:00"}},
        "wrong": [],
        **members,
    }


def test_a_token_expires_when_its_line_says() -> None:
    """In whole seconds."""
    assert token_status("_Website", [line()], LABELS, NOON)["seconds_left"] == 10 * 3600


def test_a_token_that_has_expired_has_no_seconds_left() -> None:
    """Not less than none."""
    seen = token_status("_Website", [line(expires_at="2026-03-01T11:00:00Z")], LABELS, NOON)

    assert seen["seconds_left"] == 0


@pytest.mark.parametrize("members", [{"version_id": "one"}, {"expires_at": None}, {"client_id": "Web"}])
def test_a_line_about_something_else_does_not_say_when_a_token_expires(members: dict[str, str | None]) -> None:
    """Another version, a document that could not be read, another client ID."""
    assert token_status("_Website", [line(**members)], LABELS, NOON)["seconds_left"] is None


def test_a_token_was_replaced_when_it_was_last_refreshed() -> None:
    """Later checks that kept it do not count."""
    seen = token_status("_Website", [line(reason="first", version_id="one"), line(), at("11:00")], LABELS, NOON)

    assert (seen["reason"], seen["replaced_at"]) == ("expiring", "2026-03-01T10:00:00+00:00")


@pytest.mark.parametrize(
    ("name", "reason", "last_check"),
    [
        ("_Website", "TokenRefused", "failed: TokenRefused"),
        (None, "SettingsInvalid", "failed: SettingsInvalid"),
        (None, "RequestInvalid", "refreshed: expiring"),
    ],
)
def test_the_last_check_may_have_failed(name: str | None, reason: str, last_check: str) -> None:
    """For the client ID, or for the whole stack; a request that was mistyped by hand is no check."""
    log = [line(), line(client_id=name, outcome="failed", reason=reason)]

    assert token_status("_Website", log, LABELS, NOON)["last_check"] == last_check


def test_nothing_is_wrong_with_a_stack_that_works() -> None:
    """Whatever failed before."""
    log = [at("09:00", **FAILURE), line(), at("11:50")]

    assert list(wrongs(status(log), NOON)) == []


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (status(mapping="Disabled"), "Paused: no log-in starts by itself.\nWhat to do: mx-token-rotator resume"),
        (status(mapping="Disabling"), "Paused: no log-in starts by itself.\nWhat to do: mx-token-rotator resume"),
        (status([line(), at("10:50")]), SILENT),
        (status([]), SILENT),
        (
            status(credentials={}),
            "The credentials secret is empty, or missing.\nWhat to do: mx-token-rotator set-credentials",
        ),
        (
            status(credentials={"AWSCURRENT": "c", "REJECTED": "c"}),
            BLOCKED,
        ),
        (
            status(alarms={"TokenLifeLow": {"state": "ALARM", "since": "2026-03-01 10:30:00+00:00"}}),
            "TokenLifeLow has been in ALARM for 1.5 h.\nWhat to do: see Alarms in docs/operating.md",
        ),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(seen: dict[str, Any], text: str) -> None:
    """Each in its own words."""
    assert list(wrongs(seen, NOON)) == [text]


def test_a_paused_stack_is_not_blamed_for_its_checks() -> None:
    """There are none because somebody wanted it so."""
    assert len(list(wrongs(status([line()], mapping="Disabled"), NOON))) == 1


@pytest.mark.parametrize("labels", [{"AWSCURRENT": "c", "REJECTED": "b"}, {"AWSCURRENT": "c", "CANDIDATE": "b"}])
def test_a_label_on_another_version_of_the_credentials_is_not_wrong(labels: dict[str, str]) -> None:
    """Nobody logs in with that version."""
    assert list(wrongs(status(credentials=labels), NOON)) == []


def test_a_failure_is_said_with_its_age_who_must_act_and_how() -> None:
    """In the words of the first of a series, because later ones may only say that nobody logs in any more."""
    log = [
        at("09:30", **FAILURE | {"error": "an earlier one"}),
        line(),
        at("11:15"),
        at("11:30", **FAILURE),
        at("11:45", **FAILURE | {"error": "was rejected before"}),
    ]

    assert [each.splitlines() for each in wrongs(status(log), NOON)] == [
        [
            "_Website: TokenRefused (last 15 min ago, first 30 min ago)",
            "the API refused it",
            "Who must act: its owner",
            "What to do: Ask them.",
        ]
    ]


def test_a_failure_of_many_client_ids_is_said_once() -> None:
    """Their texts may differ in a correlation id; the first in time counts."""
    logs = [
        [
            line(),
            at("11:45", **FAILURE | {"error": f"the API refused {place}"}, logged_at=f"2026-03-01T11:4{9 - place}:00Z"),
        ]
        for place in range(5)
    ]

    assert [each.splitlines()[:2] for each in wrongs(status(*logs), NOON)] == [
        [
            "_Website, client-1, client-2 and 2 more: TokenRefused (last 11 min ago, first 15 min ago)",
            "the API refused 4",
        ]
    ]


def test_different_failures_are_said_separately() -> None:
    """Others must act."""
    logs = [[at("11:50", **FAILURE)], [at("11:50", **FAILURE | {"reason": "Unexpected"})]]

    assert [each.partition(" (")[0] for each in wrongs(status(*logs), NOON)] == [
        "_Website: TokenRefused",
        "client-1: Unexpected",
    ]


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a screen of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.usefixtures("narrow")
def test_the_status_shows_each_token_in_a_row() -> None:
    """When it expires, its version, when and why it was replaced, and the last check; then the alarms."""
    lines = [each.rstrip() for each in show(status(), NOON).splitlines()]

    assert lines == [
        "name      expires in  version  replaced             last check",
        "_Website  10.0 h      two      2.0 h ago, expiring  kept: fresh",
        "",
        "TokenLifeLow: OK",
        "",
        "Nothing is wrong.",
    ]


@pytest.mark.usefixtures("narrow")
def test_the_status_shows_what_is_not_known() -> None:
    """A version that was put by hand, and a token that was never checked."""
    lines = show(status([line(version_id="one")], []), NOON).splitlines()

    assert [each.split() for each in lines[1:3]] == [
        ["_Website", "unknown", "two", "2.0", "h", "ago,", "expiring", "refreshed:", "expiring"],
        ["client-1", "unknown", "two"],
    ]


def long_status() -> dict[str, Any]:
    """Return a status with sixty of the longest names, where much is wrong, and the texts are long."""
    error = f"the token service (https://{'a' * 90}.example.com) answered with [a page] of {'b' * 100}"
    log = [line(reason="credentials changed"), at("11:50", **FAILURE | {"error": error})]
    seen = status(*[log] * 60)
    seen["tokens"] = {f"{name:x<49}{place % 10}": each for place, (name, each) in enumerate(seen["tokens"].items())}
    return seen | {"wrong": list(wrongs(seen, NOON))}


@pytest.mark.usefixtures("narrow")
def test_eighty_columns_are_enough_for_sixty_long_names() -> None:
    """No line is longer, and the screen breaks none of them in its own way."""
    assert max(len(each) for each in show(long_status(), NOON).splitlines()) == 80


@pytest.mark.usefixtures("narrow")
def test_nothing_is_cut_on_a_narrow_screen() -> None:
    """Names may differ in their last letter only; an error's text is what somebody needs."""
    seen = long_status()
    text = show(seen, NOON)
    table, wrong = text.split("\nTokenLifeLow: OK\n")
    names = "".join(each[:24].split(" ")[0] for each in table.splitlines()[1:])

    assert (names, "".join(wrong.split())) == ("".join(seen["tokens"]), "".join("".join(seen["wrong"]).split()))
