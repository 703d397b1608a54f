"""What started a run: whatever is not a request as documented is refused, without being repeated."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mx_token_rotator.errors import RequestInvalid
from mx_token_rotator.events import Request, parse
from mx_token_rotator.settings import Client
from tests.function.fakes import ACCOUNT, ISSUED_AT

WEB, MOBILE = Client("_Website", "_Website"), Client("Mobile", "Foo Tickets (Mobile)")
CLIENTS = [WEB, MOBILE]
VERSION = "11111111-2222-4333-8444-555555555555"
REPORT = {"rejected_version": VERSION, "reported": f"{ACCOUNT}/tokens/Mobile"}
NOT_BOOLEANS: list[object] = [None, 0, 1, "", "true", [], {}]
NOT_TEXTS: list[object] = [None, True, 0, 1, -1.5, [], {}, ["Mobile"], {"client_id": "Mobile"}]


def request(event: object) -> Request:
    """Parse an event for a stack with two client IDs."""
    return parse(event, CLIENTS, ACCOUNT, ISSUED_AT)


def from_queue(body: object, deliveries: str = "1") -> dict[str, Any]:
    """Return what the queue delivers; a text is a body as it stands."""
    text = body if isinstance(body, str) else json.dumps(body)
    record = {"eventSource": "aws:sqs", "body": text, "attributes": {"ApproximateReceiveCount": deliveries}}
    return {"Records": [record]}


def problem(event: object) -> str:
    """Return what is wrong with an event."""
    with pytest.raises(RequestInvalid) as caught:
        request(event)
    return caught.value.problem


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (None, Request(clients=CLIENTS)),
        ({}, Request(clients=CLIENTS)),
        ({"force": True}, Request(clients=CLIENTS, force=True)),
        ({"force": False, "dry_run": True}, Request(clients=CLIENTS, dry_run=True)),
        ({"client_id": "Mobile"}, Request(clients=[MOBILE])),
        ({"client_id": "_Website", "force": True}, Request(clients=[WEB], force=True)),
        ({"client_id": "Mobile", "dry_run": True}, Request(clients=[MOBILE], dry_run=True)),
        ({"client_id": "Mobile", "credentials_version": VERSION}, Request(clients=[MOBILE], trial_version=VERSION)),
        (from_queue({"credentials_changed": VERSION}), Request(clients=CLIENTS, announced_version=VERSION)),
        (from_queue(REPORT), Request(clients=[MOBILE], rejected_version=VERSION, tries=2)),
        (from_queue(REPORT, "2"), Request(clients=[], rejected_version=VERSION, tries=2)),
        (from_queue({"credentials_changed": VERSION}, "3"), Request(clients=CLIENTS, announced_version=VERSION)),
        (
            from_queue({"scheduled": "2026-11-28T15:00:00Z"}),
            Request(clients=CLIENTS, scheduled_at=datetime(2026, 11, 28, 15, tzinfo=UTC)),
        ),
        (from_queue({"scheduled": "<aws.scheduler.scheduled-time>"}), Request(clients=CLIENTS, scheduled_at=ISSUED_AT)),
    ],
    ids=repr,
)
def test_a_request_as_documented_is_understood(event: object, expected: Request) -> None:
    """A repeated report is for nobody, and of a placeholder for the time the clock counts."""
    assert request(event) == expected


BY_HAND: list[tuple[object, str]] = [
    *((odd, "The request is not a JSON object") for odd in [True, 0, 1.5, "", "{}", [], [{}]]),
    *(
        ({name: value}, "The members force and dry_run must be true or false")
        for name in ("force", "dry_run")
        for value in NOT_BOOLEANS
    ),
    *(
        ({"client_id": name}, "The stack has no such client ID; it has _Website, Mobile")
        for name in [
            *NOT_TEXTS,
            *("", " ", "mobile", "Mobile ", "Mobile\n", "Foo Tickets (Mobile)", "_Website,Mobile", "*"),
            *(
                "../credentials",
                f"{ACCOUNT}/tokens/Mobile",
                "Mob\u0456le",
                "\ud800",
                "<$.detail.version_id>",
                "hostile",
            ),
        ]
    ),
    *(
        ({"client_id": "Mobile", "credentials_version": version}, "The member credentials_version is not a version id")
        for version in [*NOT_TEXTS, "", "v" * 31, "v" * 65, "version\n", "a b", "../hostile", "\u0661", "v\x00"]
    ),
    *(
        (event | {"credentials_version": VERSION}, "The member credentials_version goes with client_id alone")
        for event in ({}, {"client_id": "Mobile", "force": True}, {"client_id": "Mobile", "dry_run": False})
    ),
    *(
        (
            {"client_id": "Mobile", name: "hostile"},
            "The request has a member besides client_id, force, dry_run and credentials_version",
        )
        for name in (
            "rejected_version",
            "reported",
            "scheduled",
            "Force",
            "hostile\n",
            "\ud800",
            "a" * 10_000,
            "__class__",
        )
    ),
]


@pytest.mark.parametrize(("event", "said"), BY_HAND, ids=range(len(BY_HAND)))
def test_a_request_by_hand_that_cannot_be_understood_is_refused(event: object, said: str) -> None:
    """Whoever sent it learns what is wrong."""
    assert problem(event) == said


NOT_READABLE = "The event is not one message of the queue that can be read"
NO_MESSAGE = "The message is neither a schedule's, nor new credentials, nor a report"
RECORD = from_queue(REPORT)["Records"][0]
NOT_RECORDS: list[object] = [None, 1, "", "a", [], {}, [None], ["a"], [{}], [RECORD, RECORD]]
FROM_QUEUE: list[tuple[object, str]] = [
    *(({"Records": odd}, NOT_READABLE) for odd in NOT_RECORDS),
    *(({"Records": [RECORD | {name: odd}]}, NOT_READABLE) for name in ("body", "attributes") for odd in NOT_TEXTS),
    *((from_queue(REPORT, odd), NOT_READABLE) for odd in ("", "one", "1e400")),
    *((from_queue(odd), NOT_READABLE) for odd in ("", "hostile", "{", "[" * 100_000, '{"a": ' + "9" * 5000 + "}")),
    *((from_queue({"scheduled": odd}), NOT_READABLE) for odd in ("", "hostile", "15:00", "2026-13-01T00:00:00Z")),
    *((from_queue({"scheduled": odd}), NO_MESSAGE) for odd in NOT_TEXTS),
    *(
        (from_queue(odd), NO_MESSAGE)
        for odd in [None, True, 1, [], ["scheduled"], {}, {"force": True}, {"client_id": "Mobile"}]
    ),
    *((from_queue(REPORT | {"reported": odd}), NO_MESSAGE) for odd in NOT_TEXTS),
    (from_queue({"rejected_version": VERSION}), NO_MESSAGE),
    *(
        (from_queue(body | {"force": True}), NO_MESSAGE)
        for body in (REPORT, {"credentials_changed": VERSION}, {"scheduled": "2026-11-28T15:00:00Z"})
    ),
    *(
        (from_queue({"credentials_changed": odd}), "The member credentials_changed is not a version id")
        for odd in [*NOT_TEXTS, "", "hostile!", "v" * 65]
    ),
    *(
        (from_queue(REPORT | {"rejected_version": odd}, deliveries), "The member rejected_version is not a version id")
        for odd in [*NOT_TEXTS, "", "hostile!", "v" * 65, f"{VERSION}\n"]
        for deliveries in ("1", "2")
    ),
    *(
        (
            from_queue(REPORT | {"reported": odd}),
            "The stack has no such client ID; it has _Website, Mobile",
        )
        for odd in (
            "",
            f"{ACCOUNT}/tokens/",
            f"{ACCOUNT}/tokens/hostile",
            f"{ACCOUNT}/credentials",
            "vista/staging/tokens/Mobile",
        )
    ),
]


@pytest.mark.parametrize(("event", "said"), FROM_QUEUE, ids=range(len(FROM_QUEUE)))
def test_a_message_that_cannot_be_understood_is_refused(event: object, said: str) -> None:
    """An application chooses what is in its report."""
    assert problem(event) == said


@pytest.mark.parametrize(
    "version",
    [
        f'{VERSION}", "reported": "{ACCOUNT}/tokens/_Website',
        f'{VERSION}", "rejected_version": "another", "reported": "{ACCOUNT}/tokens/_Website',
    ],
)
def test_a_report_cannot_speak_for_another_client_id(version: str) -> None:
    """EventBridge does not escape what it puts in; the last of two equal keys wins, and the source stands last."""
    body = f'{{"rejected_version": "{version}", "reported": "{ACCOUNT}/tokens/Mobile"}}'

    assert request(from_queue(body)).clients == [MOBILE]


@pytest.mark.parametrize("more", ['"force": true', '"scheduled": "2026-11-28T15:00:00Z"', '"client_id": "_Website"'])
def test_a_report_cannot_ask_for_more(more: str) -> None:
    """What it brings besides is refused with it."""
    body = f'{{"rejected_version": "{VERSION}", {more}, "x": "", "reported": "{ACCOUNT}/tokens/Mobile"}}'

    assert problem(from_queue(body)) == NO_MESSAGE


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
NAMES = st.sampled_from(["_Website", "Mobile"])
VERSIONS = st.from_regex(r"\A[A-Za-z0-9_.-]{1,64}\Z")
TRIALS = st.from_regex(r"\A[A-Za-z0-9_.-]{32,64}\Z")  # as long as Secrets Manager's
RIGHT = st.fixed_dictionaries(
    {}, optional={"client_id": NAMES, "force": st.booleans(), "dry_run": st.booleans()}
) | st.fixed_dictionaries({"client_id": NAMES, "credentials_version": TRIALS})
MESSAGES = (
    st.fixed_dictionaries({"scheduled": st.datetimes().map(lambda time: f"{time:%Y-%m-%dT%H:%M:%SZ}".rjust(20, "0"))})
    | st.fixed_dictionaries({"credentials_changed": VERSIONS})
    | st.fixed_dictionaries(
        {"rejected_version": VERSIONS, "reported": NAMES.map(lambda name: f"{ACCOUNT}/tokens/{name}")}
    )
)
MEMBERS = st.sampled_from(["client_id", "force", "dry_run", "credentials_version", "Records"])
BODIES = st.sampled_from(["scheduled", "credentials_changed", "rejected_version", "reported"])
RECORDS = st.fixed_dictionaries(
    {"body": ANY_JSON | st.dictionaries(BODIES, ANY_JSON).map(json.dumps)},
    optional={"attributes": ANY_JSON | st.fixed_dictionaries({"ApproximateReceiveCount": ANY_JSON})},
)


@given(event=RIGHT | MESSAGES.map(from_queue))
def test_every_request_as_documented_is_understood(event: dict[str, Any]) -> None:
    """It is for one or all of the client IDs."""
    assert request(event).clients in ([WEB], [MOBILE], CLIENTS)


@hypothesis_settings(max_examples=300)
@given(event=ANY_JSON | st.dictionaries(MEMBERS, ANY_JSON) | RECORDS.map(lambda record: {"Records": [record]}))
def test_nothing_else_raises_another_error(event: object) -> None:
    """Any JSON is a request or RequestInvalid."""
    with suppress(RequestInvalid):
        assert request(event).clients
