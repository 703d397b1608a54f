"""The function's door: whatever is no request as documented is refused there, before anything is called."""

import io
import json
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from string import ascii_letters, digits
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.mx import MovieXchangeStandIn
from mx_token_rotator.errors import RequestInvalid
from tests.function import ACCOUNT, CLIENT_ID, REQUEST, TOKEN_SECRET, Rotator, logged, metrics

QUARTER_MB = 256 * 1024  # what Lambda takes of an event that is delivered asynchronously, which it raised to 1 MB
NO_TEXTS: list[object] = [None, True, False, 0, 1, -1.5, float("nan"), [], {}, [CLIENT_ID], {"client_id": CLIENT_ID}]
NO_BOOLEANS: list[object] = [None, 0, 1, 1.0, "", "true", "True", [], [True], {}, {"true": True}]


@pytest.fixture(scope="module")
def warm(warm: Rotator) -> Iterator[Rotator]:
    """Have Secrets Manager rotate too, so that the door takes both kinds of requests."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NATIVE_ROTATION", "true")
        yield warm


def nested(depth: int) -> object:
    """Give a list in a list in a list."""
    inner: object = []
    for _ in range(depth):
        inner = [inner]
    return inner


CLIENT_IDS = {
    "empty": "",
    "a space": " ",
    "a path upwards": "../credentials",
    "a path upwards from within": f"{CLIENT_ID}/../../credentials",
    "a path that comes back": f"../tokens/{CLIENT_ID}",
    "a path here": f"./{CLIENT_ID}",
    "a percent-encoded path": "%2e%2e%2fcredentials",
    "percent-encoded": CLIENT_ID.replace("_", "%5F"),
    "backslashes": f"..\\{CLIENT_ID}",
    "a slash before": f"/{CLIENT_ID}",
    "a slash behind": f"{CLIENT_ID}/",
    "the secret's name": TOKEN_SECRET,
    "the secret's ARN": f"arn:aws:secretsmanager:eu-west-1:123456789012:secret:{TOKEN_SECRET}-a1B2c3",
    "the credentials' name": f"{ACCOUNT}/credentials",
    "another environment's secret": f"moviexchange/production/tokens/{CLIENT_ID}",
    "another stack's client ID": "BarPictures_Website",
    "two of them": f"{CLIENT_ID},{CLIENT_ID}",
    "a beginning": CLIENT_ID[:-1],
    "a pattern": "*",
    "a pattern of SQL's": "FooTickets%",
    "a dot behind": f"{CLIENT_ID}.",
    "a space behind": f"{CLIENT_ID} ",
    "a line break behind": f"{CLIENT_ID}\n",
    "a carriage return behind": f"{CLIENT_ID}\r\n",
    "a NUL behind": f"{CLIENT_ID}\x00",
    "a NUL and more behind": f"{CLIENT_ID}\x00/../credentials",
    "a byte order mark before": f"\ufeff{CLIENT_ID}",
    "a zero-width space within": "Foo\u200bTickets_Website",
    "a Cyrillic letter": CLIENT_ID.replace("o", "\u043e"),
    "full-width letters": "\uff26oo\uff34ickets_Website",
    "half a character": f"{CLIENT_ID}\ud800",
    "small letters": CLIENT_ID.lower(),
    "capital letters": CLIENT_ID.upper(),
    "a log line": 'hostile"}\n{"level": "ERROR", "message": "hostile"}',
    "an expression of EventBridge's": "<$.detail.version_id>",
    "an expression of a shell": "$(hostile)",
    "an expression of Python's": "{0.__class__}",
}

VERSIONS = {
    "empty": "",
    "a staging label and a space": "AWSCURRENT ",
    "an ARN": f"arn:aws:secretsmanager:eu-west-1:123456789012:secret:{TOKEN_SECRET}-a1B2c3",
    "a path": "../hostile",
    "a line break within": "version\nhostile",
    "a line break behind": "version\n",
    "a NUL": "version\x00",
    "JSON, as EventBridge would put it in": 'version", "force": true, "a": "hostile',
    "letters that are none of ASCII's": "versi\u00f6n",
    "digits that are none of ASCII's": "\u0661\u0662\u0663",
    "too long": "v" * 65,
}

NAMES = {
    "another case": "Force",
    "a space behind": "force ",
    "a NUL behind": "force\x00",
    "a line break": 'a"}\n{"level": "ERROR", "message": "a"}',
    "escape sequences": "\x1b[2J\x1b]0;a\x07",
    "a line separator": "\u2028",
    "half a character": "\ud800",
    "10 KB": "a" * 10_000,
    "10 KB that are escaped": "\x00" * 10_000,
    "empty": "",
    "a member of the class": "__class__",
    "a method of the class": "parse",
}

ARN = f"arn:aws:secretsmanager:eu-west-1:123456789012:secret:{TOKEN_SECRET}-a1B2c3"
STEP = {"Step": "createSecret", "SecretId": ARN, "ClientRequestToken": "11111111-2222-4333-8444-555555555555"}

STEPS = {
    "empty": "",
    "half of it": "create",
    "another case": "CreateSecret",
    "both spellings": "create_secretSecret",
    "another step": "deleteSecret",
    "two of them": "createSecret,setSecret",
    "a space behind": "createSecret ",
    "a line break behind": "createSecret\n",
    "a method of the class": "_end",
    "256 KB": "hostile" * (QUARTER_MB // 7),
}

SECRETS = {
    "empty": "",
    "the secret's name": TOKEN_SECRET,
    "the ARN without its end": ARN.removesuffix("-a1B2c3"),
    "the ARN with a short end": ARN.removesuffix("3"),
    "the ARN with a long end": f"{ARN}4",
    "a line break behind": f"{ARN}\n",
    "a line break at the end": f"{ARN.removesuffix('3')}\n",
    "the credentials": ARN.replace(f"tokens/{CLIENT_ID}", "credentials"),
    "the refresh token": ARN.replace("tokens/", "refresh-tokens/"),
    "another environment's": ARN.replace("staging", "production"),
    "another stack's": ARN.replace("moviexchange/", "moviexchange/mobile/"),
    "another client ID's": ARN.replace(CLIENT_ID, "BarPictures_Website"),
    "a path upwards": ARN.replace(CLIENT_ID, f"{CLIENT_ID}/../../credentials"),
    "a pattern": ARN.replace(CLIENT_ID, "*"),
    "two of them": f"{ARN},{ARN}",
    "another service's": ARN.replace("secretsmanager", "ssm"),
    "a function's": "arn:aws:lambda:eu-west-1:123456789012:function:mx-token-rotator",
    "256 KB": ARN.replace(CLIENT_ID, "hostile" * (QUARTER_MB // 7)),
}

TOKENS = {
    "empty": "",
    "a staging label": "AWSCURRENT",
    "too short": "v" * 31,
    "too long": "v" * 65,
    "a line break behind": "v" * 32 + "\n",
    "an underscore": "v" * 32 + "_",
    "digits that are none of ASCII's": "\u0661" * 32,
    "a path": "../hostile" * 4,
    "256 KB": "hostile" * (QUARTER_MB // 7),
}

HOSTILE_STEPS: dict[str, object] = {
    **{
        f"{name}: {no_text!r}": {**STEP, name: no_text}
        for name in STEP
        for no_text in [*NO_TEXTS, 10**32, [STEP[name]], {STEP[name]: STEP[name]}]
    },
    **{f"without {left_out}": {name: STEP[name] for name in STEP if name != left_out} for left_out in STEP},
    **{f"Step: {name}": {**STEP, "Step": step} for name, step in STEPS.items()},
    **{f"SecretId: {name}": {**STEP, "SecretId": secret} for name, secret in SECRETS.items()},
    **{f"ClientRequestToken: {name}": {**STEP, "ClientRequestToken": token} for name, token in TOKENS.items()},
    **{f"256 KB of lists in {name}": {**STEP, name: nested(QUARTER_MB // 2)} for name in STEP},
    "a RotationToken beside a step that is none": {**STEP, "Step": "hostile", "RotationToken": "hostile" * 20},
    "a RotationToken beside a request": {**REQUEST, "RotationToken": "hostile" * 20},
    "a step within a request": {**REQUEST, "Step": "createSecret"},
    "a request that says when a rotation began": {**REQUEST, "rotation_began": "2026-11-24T02:00:00Z"},
}

EVENTS: dict[str, object] = {
    **{f"as the event: {no_object!r}": no_object for no_object in [*NO_TEXTS[:8], [REQUEST], "", CLIENT_ID, "{}"]},
    "no member": {},
    **{f"client_id: {no_text!r}": {"client_id": no_text} for no_text in NO_TEXTS},
    **{f"client_id: {name}": {"client_id": client_id} for name, client_id in CLIENT_IDS.items()},
    **{
        f"rejected_version: {version!r}": {**REQUEST, "rejected_version": version}
        for version in [*NO_TEXTS, ["version"]]
    },
    **{f"rejected_version: {name}": {**REQUEST, "rejected_version": version} for name, version in VERSIONS.items()},
    **{
        f"rejected_version with {name}: {value}": {**REQUEST, "rejected_version": "version", name: value}
        for name in ("force", "dry_run")
        for value in (True, False)
    },
    **{
        f"{name}: {no_boolean!r}": {**REQUEST, name: no_boolean}
        for name in ("force", "dry_run")
        for no_boolean in NO_BOOLEANS
    },
    **{f"another member: {name}": {**REQUEST, member: "hostile"} for name, member in NAMES.items()},
    "an event of EventBridge's": {"source": TOKEN_SECRET, "detail": {"version_id": "hostile"}, **REQUEST},
    "256 KB in client_id": {"client_id": "hostile" * (QUARTER_MB // 7)},
    "256 KB in rejected_version": {**REQUEST, "rejected_version": "hostile" * (QUARTER_MB // 7)},
    "256 KB in force": {**REQUEST, "force": "hostile" * (QUARTER_MB // 7)},
    "256 KB in another member": {**REQUEST, "another": "hostile" * (QUARTER_MB // 7)},
    "256 KB in a member's name": {**REQUEST, "a" * QUARTER_MB: "hostile"},
    "256 KB of lists in lists": nested(QUARTER_MB // 2),
    "256 KB of lists in client_id": {"client_id": nested(QUARTER_MB // 2)},
    "100,000 members": {**REQUEST, **{f"a{number}": 0 for number in range(100_000)}},
    "100,000 client IDs": {"client_id": [CLIENT_ID] * 100_000},
    **HOSTILE_STEPS,
}


def refused(rotator: Rotator, mx: MovieXchangeStandIn, event: object) -> tuple[str, list[str], int, list[str], object]:
    """Send a request: the error, the calls of either side, the levels of what was logged, and what was counted."""
    before = len(mx.requests)
    name = "none"
    with redirect_stdout(io.StringIO()) as out:
        try:
            rotator(event)
        except Exception as error:  # noqa: BLE001  its name is what is looked at
            name = type(error).__name__
    levels = [line["level"] for line in logged(out.getvalue())]
    return name, rotator.calls, len(mx.requests) - before, levels, metrics(out.getvalue())


REFUSED: tuple[str, list[str], int, list[str], object] = (
    "RequestInvalid",
    [],
    0,
    ["ERROR"],
    {"TokenRefreshFailed": ({"Account": ACCOUNT, "Error": "RequestInvalid"}, 1, "Count")},
)
"""The right error, no call, one line, and its count."""


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_a_hostile_request_is_refused_before_anything_is_called(
    warm: Rotator, warm_mx: MovieXchangeStandIn, event: object
) -> None:
    """Whoever sent it learns so, and nobody else hears of it."""
    assert refused(warm, warm_mx, event) == REFUSED


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_a_hostile_request_is_not_repeated(warm: Rotator, capsys: pytest.CaptureFixture[str], event: object) -> None:
    """Neither its values nor more than a few characters of a member's name, in ASCII, get into a log or an answer."""
    capsys.readouterr()
    with pytest.raises(RequestInvalid) as caught:
        warm(event)
    printed = capsys.readouterr().out
    said = re.fullmatch(r"The \w+ (has the unknown member '[ -~]{0,59}'?|[\w ',]+)", caught.value.problem, re.ASCII)

    assert (said is not None, len(printed) < 1500, "hostile" in printed + str(caught.value)) == (True, True, False)


def is_our_arn(text: str) -> bool:
    """Tell whether a text is the ARN of the token secret, in whatever account and Region; six characters end it."""
    match text.split(":"):
        case ["arn", *where, "secret", resource]:
            name, ending = resource[:-7], resource[-7:]
            is_secrets_managers = len(where) == 4 and where[1] == "secretsmanager" and all(where)
            return is_secrets_managers and name == TOKEN_SECRET and ending[0] == "-" and "\n" not in ending
    return False


def is_a_step(event: object) -> bool:
    """Tell whether an event is a step of a rotation as the docs have it, in other words than the product's."""
    match event:
        case {"Step": str(step), "SecretId": str(arn), "ClientRequestToken": str(version)}:
            names = {f"{each}{end}" for each in ("create", "set", "test", "finish") for end in ("Secret", "_secret")}
            is_version = 32 <= len(version) <= 64 and set(version) <= set(f"{ascii_letters}{digits}-")
            return step in names and is_our_arn(arn) and is_version
    return False


def is_as_documented(event: object) -> bool:
    """Tell whether an event is a request as the docs have it, in other words than the product's."""
    match event:
        case {"Step": _}:
            return is_a_step(event)
        case {"client_id": str(client_id), "rejected_version": str(version), **others}:
            allowed = set(f"{ascii_letters}{digits}_.-")
            return client_id == CLIENT_ID and 1 <= len(version) <= 64 and set(version) <= allowed and not others
        case {"client_id": str(client_id), **others}:
            is_of_booleans = all(isinstance(each, bool) for each in others.values())
            return client_id == CLIENT_ID and others.keys() <= {"force", "dry_run"} and is_of_booleans
    return False


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
ALMOST: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"client_id": st.just(CLIENT_ID) | st.sampled_from(list(CLIENT_IDS.values())) | ANYTHING},
    optional={
        "rejected_version": st.just("version-1") | st.sampled_from(list(VERSIONS.values())) | ANYTHING,
        "force": st.booleans() | ANYTHING,
        "dry_run": st.booleans() | ANYTHING,
    },
)
MORE = st.builds(dict[str, Any].__or__, ALMOST, st.dictionaries(st.text(), ANYTHING, max_size=1))
REQUEST_OF = {"client_id": st.just(CLIENT_ID)}
RIGHT = st.fixed_dictionaries(REQUEST_OF, optional={"force": st.booleans(), "dry_run": st.booleans()})
REPORT = st.fixed_dictionaries({**REQUEST_OF, "rejected_version": st.from_regex(r"\A[A-Za-z0-9_.-]{1,64}\Z")})


# moto overwrites a version whose id comes again, so the step that makes one is left to test_rotation.py.
RIGHT_STEP = st.fixed_dictionaries(
    {
        "Step": st.from_regex(r"\A(set|test|finish)(Secret|_secret)\Z"),
        "SecretId": st.from_regex(rf"\Aarn:aws:secretsmanager:[a-z0-9-]+:\d+:secret:{TOKEN_SECRET}-[A-Za-z0-9]{{6}}\Z"),
        "ClientRequestToken": st.from_regex(r"\A[A-Za-z0-9-]{32,64}\Z"),
    },
    optional={"RotationToken": ANYTHING},
)
ALMOST_STEP = st.fixed_dictionaries(
    {
        name: st.just(STEP[name]) | st.sampled_from(list(values.values())) | ANYTHING
        for name, values in {"Step": STEPS, "SecretId": SECRETS, "ClientRequestToken": TOKENS}.items()
    }
)


@settings(max_examples=900, deadline=None, derandomize=True)
@given(event=ANYTHING | ALMOST | MORE | RIGHT | REPORT | RIGHT_STEP | ALMOST_STEP)
def test_a_request_as_documented_is_taken_and_everything_else_is_refused(
    warm: Rotator, warm_mx: MovieXchangeStandIn, event: object
) -> None:
    """Of any JSON, and more of what is almost right."""
    came = refused(warm, warm_mx, json.loads(json.dumps(event)))

    assert (came[0] == "none", came == REFUSED) == (is_as_documented(event), not is_as_documented(event))


def test_a_staging_label_is_no_version_that_apps_have(warm: Rotator, warm_mx: MovieXchangeStandIn) -> None:
    """It looks like one, and a report of it costs the two reads of a quiet tick."""
    before = len(warm_mx.requests)
    outcome = warm({**REQUEST, "rejected_version": "AWSCURRENT"})

    assert (outcome["reason"], warm.calls, len(warm_mx.requests) - before) == (
        "already replaced",
        ["GetSecretValue", "DescribeSecret"],
        0,
    )


def test_of_a_secrets_arn_the_name_alone_counts(warm: Rotator) -> None:
    """A namesake of another account and Region is not reached: what is asked for is the stack's own, by its name."""
    asked: list[str] = []
    events = warm.module.secrets_manager.meta.events
    events.register(
        "provide-client-params.secretsmanager", lambda params, **_: asked.append(params["SecretId"]), "asked"
    )
    arn = ARN.replace("123456789012", "999999999999").replace("eu-west-1", "us-east-1")
    warm({**STEP, "Step": "testSecret", "SecretId": arn})
    events.unregister("provide-client-params.secretsmanager", unique_id="asked")

    assert asked == [TOKEN_SECRET]
