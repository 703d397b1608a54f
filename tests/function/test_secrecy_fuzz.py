"""Whatever movieXchange answers and whatever the secrets are, no piece of them gets out."""

import json
from collections.abc import Iterator
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.function.entry_points import InProcess, cold_start_verbosely
from tests.function.leaks import PIECE
from tests.function.secrecy import (
    CANARIES,
    EXPIRED,
    GRANT,
    PUBLISHED,
    REFRESH_TOKENS,
    REPORT,
    STORED,
    TOKENS,
    Case,
    Document,
)
from tools.local.faults import wire
from tools.local.mx import MovieXchangeStandIn

Drawn = TypeVar("Drawn")

pytestmark = pytest.mark.unmeasured  # it doubles the time, and other tests run the same lines

MARK = "Xq"
"""Is in every piece of every secret here, and in nothing that the function writes: what is found did leak."""

ANY = st.one_of(st.characters(codec="utf-8"), st.sampled_from("\"'\\\n\r\t %{}$&=+/<>é\u2028\U0001f3ac"))
VISIBLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
HEADERS = ("Mx-Correlation-Id", "Retry-After", "Location", "Set-Cookie", "Content-Type", "Content-Encoding")
STATUSES = (*[200] * 8, 100, 204, 302, 400, 400, 401, 403, 429, 500)


@pytest.fixture
def in_process(mx: MovieXchangeStandIn, request: pytest.FixtureRequest) -> Iterator[InProcess]:
    """Start the function cold in this process."""
    with cold_start_verbosely(mx.url) as rotator:
        yield InProcess.of(rotator, mx, request)


def secrets_of(letters: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Make up secrets of such letters, with the mark after every fifth at the latest."""
    return st.lists(st.text(letters, min_size=1, max_size=PIECE - 1 - len(MARK)), min_size=4, max_size=6).map(MARK.join)


def seldom(value: st.SearchStrategy[Drawn], otherwise: Drawn) -> st.SearchStrategy[Drawn]:
    """Draw a value every now and then: what is wrong in every way at once does not get far."""
    return st.sampled_from([True, *[False] * 5]).flatmap(lambda is_drawn: value if is_drawn else st.just(otherwise))


@st.composite
def bodies(draw: st.DrawFn, grant: Document, secret: st.SearchStrategy[str]) -> bytes:
    """Write a token answer or an error, with secrets in the place of members' names and values, and perhaps cut off."""
    name = draw(st.sampled_from(["access_token", "token_type", "expires_in", "refresh_token", "error", draw(secret)]))
    value = draw(st.one_of(secret, secret, st.lists(secret), st.dictionaries(secret, secret)))
    code = draw(st.one_of(secret, st.sampled_from(["invalid_grant", "invalid_client", "server_error"])))
    odd = st.sampled_from([grant | {name: value}, {"error": code, name: value}, [grant], value])
    document: object = draw(st.one_of(st.just(grant), odd, odd))
    body = json.dumps(document, ensure_ascii=draw(st.booleans())).encode()
    return body[: draw(seldom(st.integers(0, len(body)), len(body)))]


@st.composite
def answers(draw: st.DrawFn, body: st.SearchStrategy[bytes], secret: st.SearchStrategy[str]) -> bytes:
    """Write an answer with secrets in its status text, its headers, and lines that are none."""
    content = draw(body)
    headers = st.builds("{}: {}".format, st.sampled_from(HEADERS), secret)
    head = [
        f"HTTP/1.1 {draw(st.sampled_from(STATUSES))} {draw(seldom(secret, 'OK'))}",
        *draw(st.lists(st.one_of(headers, seldom(secret, "X-Nothing: ")), max_size=3)),
        *draw(seldom(st.just([]), [f"Content-Length: {len(content)}"])),
    ]
    return "\r\n".join([*head, "", ""]).encode() + content


@st.composite
def scenarios(draw: st.DrawFn) -> tuple[Case, list[str]]:
    """Make up secrets, what is published and stored of them, and what both hosts answer."""
    letters = {"username": ANY, "password": ANY, "refresh_token": ANY}
    secrets = {kind: draw(secrets_of(letters.get(kind, VISIBLE))) for kind in CANARIES}
    secret = st.sampled_from(list(secrets.values()))
    of_token = {"access_token": secrets["published_token"], "client_secret": secrets["client_secret"]}
    of_refresh_token = {"refresh_token": secrets["stored_token"], "client_secret": secrets["client_secret"]}
    documents: dict[str, Document] = {
        "credentials": {**secrets, **draw(seldom(st.just({"password": ""}), {}))},
        TOKENS: draw(st.sampled_from([PUBLISHED, EXPIRED])) | of_token,
        REFRESH_TOKENS: STORED | of_refresh_token,
    }
    left_out = draw(st.sampled_from(["", TOKENS, TOKENS, REFRESH_TOKENS]))
    case = Case(
        event=draw(seldom(st.just(REPORT), {"force": True})),
        token_endpoint=wire(draw(answers(bodies(GRANT | secrets, secret), secret))),
        api=wire(draw(answers(secret.map(str.encode), secret))),
        secrets={kind: document for kind, document in documents.items() if kind != left_out},
    )
    return case, list(secrets.values())


@settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    # Each scenario begins with secrets of its own, and sets what it needs.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(scenario=scenarios())
def test_no_piece_of_any_secret_gets_out_whatever_is_answered(
    in_process: InProcess, scenario: tuple[Case, list[str]]
) -> None:
    """Neither the result, the metrics nor any log at DEBUG has one."""
    case, secrets = scenario
    in_process.happen(case)

    assert in_process.leaked(secrets) == []
