"""Whatever movieXchange answers and whatever the secrets are, no piece of them gets out."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.faults import answer, status, wire
from tests.doors import InProcess
from tests.fakes import LIFETIME
from tests.function import REQUEST
from tests.leaks import PIECE, leaks
from tests.secrecy import ONE_FOR_EACH, Case

T = TypeVar("T")
U = TypeVar("U")

MARK = "Xq"
"""Is in every piece of every secret here, and in nothing else that the function says: what is found did leak."""

SPECIAL = st.sampled_from("\"'\\\n\r\t %{}$&=+/<>é\u2028\U0001f3ac")
ANY = st.one_of(st.characters(codec="utf-8"), SPECIAL)
FOR_HEADERS = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
FOR_TOKENS = st.sampled_from("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/")

HEADERS = (
    "Mx-Correlation-Id",
    "Retry-After",
    "Location",
    "Set-Cookie",
    "WWW-Authenticate",
    "Content-Type",
    "Content-Encoding",
    "Transfer-Encoding",
    "X-Echo",
)
STATUSES = (*[200] * 12, 100, 204, 302, 400, 400, 401, 403, 429, 500)


def as_it_is(document: object) -> object:
    """Wrap nothing."""
    return document


WRAPPERS: tuple[Callable[[object], object], ...] = (
    lambda document: [document],
    lambda document: {"data": document},
    json.dumps,
    str,
)


def secrets_of(letters: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Make up secrets of such letters, with the mark after every fifth at the latest."""
    return st.lists(st.text(letters, min_size=1, max_size=PIECE - 1 - len(MARK)), min_size=4, max_size=6).map(MARK.join)


@dataclass(frozen=True, kw_only=True)
class Story:
    """What the secrets are, what is set, and what the two hosts answer."""

    credentials: dict[str, str] = field(repr=False)
    first_grant: dict[str, object]
    token_endpoint: bytes
    api: bytes
    keep_refresh_token: str
    begins_well: bool
    """Whether a token was published before, and is due."""
    loses_its_password: bool
    """Whether only a refresh token can help."""

    def secrets(self) -> list[str]:
        """Give all that must not get out."""
        tokens = (self.first_grant["access_token"], self.first_grant["refresh_token"])
        return [*self.credentials.values(), *(str(each) for each in tokens)]


def seldom(value: st.SearchStrategy[T], otherwise: U) -> st.SearchStrategy[T | U]:
    """Draw a value every now and then: what is wrong in every way at once does not get far."""
    return st.sampled_from([True, *[False] * 5]).flatmap(lambda is_drawn: value if is_drawn else st.just(otherwise))


@st.composite
def documents(draw: st.DrawFn, grant: dict[str, object], secrets: list[str]) -> str:
    """Write a token document with a member too many, too few or wrong, or an error, with secrets wherever they fit."""
    secret = st.sampled_from(secrets)
    name = draw(st.one_of(st.sampled_from(list(grant)), secret))
    value = draw(st.one_of(secret, st.sampled_from(["bearer", 0, None])))
    code = draw(st.one_of(secret, st.sampled_from(["invalid_grant", "invalid_client"])))
    document: object = draw(
        st.sampled_from(
            [
                grant | {"access_token": value},
                grant | {name: value},
                {each: grant[each] for each in grant if each != name},
                {"error": code, "error_description": value, name: value},
            ]
        )
    )
    wrap = draw(seldom(st.sampled_from(WRAPPERS), as_it_is))
    return json.dumps(wrap(document), ensure_ascii=draw(st.booleans()))


@st.composite
def answers(draw: st.DrawFn, bodies: st.SearchStrategy[str], secrets: list[str]) -> bytes:
    """Write an answer whose reason, headers and broken lines bear secrets, and which may end too soon."""
    secret = st.sampled_from(secrets)
    headers = st.builds("{}: {}{}".format, st.sampled_from(HEADERS), st.sampled_from(["", "id="]), secret)
    correlation = st.builds("Mx-Correlation-Id: {}".format, secret)
    lines = draw(st.lists(st.one_of(headers, correlation, seldom(secret, "X-Nothing: ")), max_size=2))
    body = draw(bodies).encode()
    sent = body[: draw(seldom(st.integers(0, len(body)), len(body)))]
    head = [f"HTTP/1.1 {draw(st.sampled_from(STATUSES))} {draw(seldom(secret, 'OK'))}", *lines]
    length = draw(seldom(st.just([]), [f"Content-Length: {len(body)}"]))
    return "\r\n".join([*head, *length, "", ""]).encode() + sent


def granted(grant: dict[str, object]) -> bytes:
    """Write an answer with which the story goes on to the API."""
    body = json.dumps(grant).encode()
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Make up a story; most of its secrets are such that they get far."""
    credentials = {
        "username": draw(secrets_of(ANY)),
        "password": draw(secrets_of(ANY)),
        "client_secret": draw(secrets_of(FOR_HEADERS)),
    }
    first_grant: dict[str, object] = {
        "token_type": "Bearer",
        "access_token": draw(secrets_of(FOR_TOKENS)),
        "refresh_token": draw(st.one_of(secrets_of(FOR_HEADERS), secrets_of(ANY))),
        "expires_in": 43200,
    }
    told = [*credentials.values(), str(first_grant["access_token"]), str(first_grant["refresh_token"])]
    begins_well, loses_its_password = draw(st.sampled_from([(False, False), (True, False), (True, True)]))
    return Story(
        credentials=credentials,
        first_grant=first_grant,
        token_endpoint=draw(seldom(st.just(granted(first_grant)), None))
        or draw(answers(documents(first_grant, told), told)),
        api=draw(answers(st.sampled_from(told), told)),
        keep_refresh_token=draw(st.sampled_from(["true", "true", "false"])),
        begins_well=begins_well,
        loses_its_password=loses_its_password,
    )


def happen(story: Story, door: InProcess) -> str:
    """Let a story happen, and give everything that is to be seen of it."""
    door.empty()
    door.variables["KEEP_REFRESH_TOKEN"] = story.keep_refresh_token
    door.fill(story.credentials)
    if story.begins_well:
        door.mx.token_fault, door.mx.api_fault = answer(story.first_grant), status(200)
        door.ask(REQUEST)
        door.age(LIFETIME)
    if story.loses_its_password:
        door.fill({**story.credentials, "password": ""})
    door.mx.token_fault, door.mx.api_fault = wire(story.token_endpoint), wire(story.api)
    door.ask(REQUEST)
    return "\n".join(door.seen)


@settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    # Each story begins with secrets that are empty, and sets what it needs.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(story=stories())
def test_no_piece_of_any_secret_gets_out_whatever_is_answered(in_process: InProcess, story: Story) -> None:
    """Neither the exception with its chain, the outcome, the metrics nor any log at DEBUG bears one."""
    assert leaks(happen(story, in_process), story.secrets()) == []


@given(secret=secrets_of(ANY))
def test_every_piece_of_a_made_up_secret_bears_the_mark(secret: str) -> None:
    """So a piece that is found is not there by chance."""
    pieces = [secret[start : start + PIECE] for start in range(len(secret) - PIECE + 1)]

    assert (pieces != [], [piece for piece in pieces if MARK not in piece]) == (True, [])


@pytest.mark.parametrize("case", ONE_FOR_EACH, ids=lambda case: case.name)
def test_nothing_else_bears_the_mark(in_process: InProcess, case: Case) -> None:
    """What the function says about other secrets has it nowhere."""
    in_process.empty()
    case.arrange(in_process)
    in_process.ask(case.request(in_process))

    assert MARK not in "\n".join(in_process.seen)
