"""New credentials: what is read from a file, and how they become the current ones."""

import json
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from mx_token_rotator_operator.credentials import CHECKS, parse, troubles
from mx_token_rotator_operator.stack import LOOKS, DeployedStack, RotatorFailed
from tests.operator.account import NAMES, Account, Outcomes, failed, kept

MISSING = 'is missing; write "client_secret": "" if there is none, as for Vista\'s Digital Platform'
GOOD = {"username": "ü", "password": " p", "client_secret": ""}
USED = "The new credentials are current. The next scheduled run goes on with them."
NOT_USED = "The new credentials are not used. The current ones stay as they were."


def without(member: str, **others: object) -> bytes:
    """Return a file that lacks a member, or has another value in its place."""
    return json.dumps({name: value for name, value in GOOD.items() if name != member} | others, indent=1).encode()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_file_may_begin_with_a_byte_order_mark(encoding: str) -> None:
    """As those of Windows' editors do; it is not stored."""
    text = json.dumps(GOOD, ensure_ascii=False)

    assert parse(text.encode(encoding), "file") == text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "file, line 1, column 1: this is not JSON (Expecting value)."),
        (
            b'{"username": "u",\n "password" "p"}',
            "file, line 2, column 13: this is not JSON (Expecting ':' delimiter).",
        ),
        (b'{\n"a": "b\n"}', "file, line 2, column 8: this is not JSON (Invalid control character)."),
        (b"[" * 200_000, "file, line 1, column 1: this is not JSON (too deep)."),
        (b'"{}"', "file, line 1, column 1: this is not a JSON object with username, password, client_secret."),
        (
            '{\n"username": "ü"}'.encode("cp1252"),
            "file, line 2, column 14: this is not UTF-8.\nWhat to do: save it in UTF-8.",
        ),
        (
            '\ufeff{"username": "ü'.encode()[:-1],
            "file, line 1, column 15: this is not UTF-8.\nWhat to do: save it in UTF-8.",
        ),
        ("{}".encode("utf-16"), "file, line 1, column 1: this is not UTF-8.\nWhat to do: save it in UTF-8."),
        (without("username"), "file, line 1, column 1: username is missing, empty or not a text."),
        (without("", password=""), "file, line 3, column 2: password is missing, empty or not a text."),
        (without("", username=1), "file, line 2, column 2: username is missing, empty or not a text."),
        (
            without("", password="p\n"),
            "file, line 3, column 2: password begins or ends with a line break, a tab or an invisible character.",
        ),
        (
            without("", client_secret="\ufeffs"),
            "file, line 4, column 2: client_secret begins or ends with a line break, a tab or an invisible character.",
        ),
        (
            without("", client_secret="sü"),
            "file, line 4, column 2: client_secret has a character that an HTTP header cannot carry.",
        ),
        (
            without("client_secret"),
            f"file, line 1, column 1: client_secret {MISSING}.",
        ),
    ],
)
def test_what_is_wrong_is_said_of_the_file(data: bytes, message: str) -> None:
    """With the place, and nothing of the values."""
    with pytest.raises(RotatorFailed) as raised:
        parse(data, "file")

    assert str(raised.value) == message


def test_a_space_at_the_edge_of_a_value_is_no_trouble() -> None:
    """It may be meant; the function mentions it if movieXchange rejects the value."""
    assert troubles(GOOD | {"username": " u "}) == {}


def test_new_credentials_are_tried_as_a_candidate_and_then_made_current(filled: Account) -> None:
    """With the first client ID; the check at the end says whether every token comes from them."""
    seen = []
    before = filled.current()

    def answers(request: dict[str, Any]) -> Outcomes:
        seen.append(filled.labels()[request.get("credentials_version") or filled.current()])
        return kept("credentials accepted" if "credentials_version" in request else "fresh")

    filled.answers = answers
    filled.replace_credentials()
    trial = {"client_id": "_Website", "credentials_version": filled.current()}

    assert (filled.requests, seen, filled.current() != before) == ([trial, {}], [["CANDIDATE"], ["AWSCURRENT"]], True)


@pytest.mark.parametrize("leftover", [False, True])
def test_credentials_that_are_refused_do_not_become_current(filled: Account, *, leftover: bool) -> None:
    """Nor does the label of a candidate stay behind, of this one or of an earlier one."""
    if leftover:
        filled.secrets.put_secret_value(
            SecretId="moviexchange/staging/credentials", SecretString="x", VersionStages=["CANDIDATE"]
        )
    before = filled.current()
    filled.answers = lambda _: failed("_Website")
    with pytest.raises(RotatorFailed, match=r"^_Website: the password is wrong"):
        filled.replace_credentials()

    assert (filled.labels(), filled.said) == ({before: ["AWSCURRENT"]}, [NOT_USED])


def test_the_first_credentials_are_current_at_once(account: Account) -> None:
    """There are none that they could replace, so they are not tried before."""
    account.replace_credentials()

    assert (account.requests, list(account.labels().values())) == ([{}], [["AWSCURRENT"]])


def test_first_credentials_that_are_rejected_are_blocked(account: Account) -> None:
    """A trial then says why, and the message that they are current, and what to do."""

    def answers(request: dict[str, Any]) -> Outcomes:
        if "credentials_version" in request:
            return failed("_Website", error="movieXchange said why")
        account.reject(account.current())
        return failed(*NAMES, error="it was rejected")

    account.answers = answers
    with pytest.raises(RotatorFailed, match=r"^_Website: movieXchange said why"):
        account.replace_credentials()

    assert account.said[-1] == (
        "The new credentials are current, but blocked: they were rejected, or are being tried at this moment.\n"
        "What to do: look at the status in a minute, then perhaps run set-credentials again."
    )


def test_first_credentials_that_fail_otherwise_are_not_tried_again(account: Account) -> None:
    """The next scheduled run does it."""
    account.answers = lambda _: failed(*NAMES, error="movieXchange is down")
    with pytest.raises(RotatorFailed, match=r"^_Website, Web: movieXchange is down"):
        account.replace_credentials()

    assert (account.requests, account.said[-1]) == ([{}], USED)


def test_credentials_that_were_accepted_and_then_rejected_are_not_tried_again(filled: Account) -> None:
    """The trial before said that they work."""

    def answers(request: dict[str, Any]) -> Outcomes:
        if "credentials_version" in request:
            return kept("credentials accepted")
        filled.reject(filled.current())
        return failed(*NAMES)

    filled.answers = answers
    with pytest.raises(RotatorFailed, match=r"^_Website, Web: the password is wrong"):
        filled.replace_credentials()

    assert filled.requests[1:] == [{}]


def test_rejected_first_credentials_are_replaced(account: Account) -> None:
    """The label on the older version does not matter to a trial."""
    account.replace_credentials()
    older = account.current()
    account.reject(older)
    account.replace_credentials()

    assert account.labels() == {older: ["AWSPREVIOUS", "REJECTED"], account.current(): ["AWSCURRENT"]}


def interrupt(*_: object) -> Outcomes:
    """Be interrupted by the person."""
    raise KeyboardInterrupt


def test_an_interruption_of_the_trial_says_that_nothing_changed(filled: Account) -> None:
    """And leaves no candidate behind."""
    before = filled.current()
    filled.answers = interrupt
    with pytest.raises(KeyboardInterrupt):
        filled.replace_credentials()

    assert (filled.labels(), filled.said) == ({before: ["AWSCURRENT"]}, [NOT_USED])


def test_an_interruption_of_the_wait_says_that_the_credentials_are_current(filled: Account) -> None:
    """The next scheduled run goes on."""
    filled.pause = interrupt  # type: ignore[method-assign, assignment]  # while it waits
    with pytest.raises(KeyboardInterrupt):
        filled.replace_credentials()

    assert filled.said[-1] == USED


def test_an_interruption_before_anything_is_stored_says_so(filled: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has to be undone."""
    stack = filled.stack
    monkeypatch.setattr(type(stack), "token_labels", interrupt)
    with pytest.raises(KeyboardInterrupt):
        filled.replace_credentials()

    assert filled.said == ["Nothing was stored."]


def test_if_nobody_knows_whether_the_credentials_are_current_the_message_says_so(
    filled: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network may be down by then."""

    def fail(*_: object) -> dict[str, str]:
        raise EndpointConnectionError(endpoint_url="secretsmanager")

    def answers(_: dict[str, Any]) -> Outcomes:
        monkeypatch.setattr(DeployedStack, "labels", fail)
        return failed("_Website")

    filled.answers = answers
    with pytest.raises(RotatorFailed):
        filled.replace_credentials()

    assert filled.said[-1].startswith("It is not known whether the new credentials (version ")


@pytest.mark.parametrize("pauses", [0, 3])
def test_the_tokens_are_checked_once_the_started_run_has_replaced_them(filled: Account, pauses: int) -> None:
    """A check during that run would log in a second time, or find the new credentials blocked."""

    def pause(_: float) -> None:
        filled.pauses += 1
        if filled.pauses == pauses:
            filled.publish()

    def answers(request: dict[str, Any]) -> Outcomes:
        if request and not pauses:
            filled.publish()
        return kept("fresh")

    filled.pause = pause  # type: ignore[method-assign]  # something happens meanwhile
    filled.answers = answers
    filled.replace_credentials()

    assert (filled.pauses, len(filled.requests)) == (pauses, 2)


def test_the_tokens_are_checked_if_no_run_replaces_them(filled: Account) -> None:
    """A minute later, so that the check does what the run should have done."""
    filled.replace_credentials()

    assert (filled.pauses, filled.requests[-1]) == (LOOKS, {})


def test_what_a_check_postpones_is_checked_again(filled: Account) -> None:
    """A run has no time for many client IDs at once."""
    reasons = iter(["credentials accepted", "postponed", "postponed", "fresh"])
    filled.answers = lambda _: kept(next(reasons))
    filled.replace_credentials()

    assert filled.requests[1:] == [{}] * 3


def test_what_is_always_postponed_is_an_error(filled: Account) -> None:
    """It names the client IDs."""
    filled.answers = lambda _: kept("postponed")
    with pytest.raises(RotatorFailed, match=r"^_Website, Web: there was no time left"):
        filled.replace_credentials()

    assert len(filled.requests) == 1 + CHECKS
