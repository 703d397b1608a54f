"""New credentials: what must be in them, and the way into their secret: tried first, then current."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from mx_token_rotator_operator.stack import DeployedStack, RotatorFailed, listed, wait_until

MEMBERS = ("username", "password", "client_secret")
CANDIDATE, CURRENT = "CANDIDATE", "AWSCURRENT"
CHECKS = 5  # of the tokens, for what a run has no time for


def parse(data: bytes, file: str) -> str:
    """Return the credentials in a file, which is UTF-8 with or without a byte order mark.

    Raises RotatorFailed, which says what is wrong and at which line and column.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = _place(error.object[: error.start].decode())
        raise RotatorFailed(f"{file}, {at}: this is not UTF-8.", "save it in UTF-8.") from None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        at = _place(text[: getattr(error, "pos", 0)])
        what = getattr(error, "msg", "too deep").removesuffix(" at")
        raise RotatorFailed(f"{file}, {at}: this is not JSON ({what}).") from None
    if not isinstance(document, dict):
        raise RotatorFailed(f"{file}, line 1, column 1: this is not a JSON object with {', '.join(MEMBERS)}.")
    for member, wrong in troubles(document).items():
        found = re.search(rf'"{member}"\s*:', text)
        raise RotatorFailed(f"{file}, {_place(text[: found.start() if found else 0])}: {member} {wrong}.")
    return text


def _place(before: str) -> str:
    """Return where a text is that follows this one."""
    return f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"


def troubles(document: Mapping[str, object]) -> dict[str, str]:
    """Return what is wrong with each member of credentials with which nobody could log in."""
    return {name: wrong for name in MEMBERS if (wrong := _trouble(name, document.get(name)))}


def _trouble(name: str, value: object) -> str:
    is_secret = name == "client_secret"
    if is_secret and value is None:
        return 'is missing; write "client_secret": "" if there is none, as for Vista\'s Digital Platform'
    if not isinstance(value, str) or not (value or is_secret):
        return "is missing, empty or not a text"
    if any(edge.isspace() or not edge.isprintable() for edge in {value[:1], value[-1:]} - {"", " "}):
        return "begins or ends with a line break, a tab or an invisible character"
    is_sendable = not is_secret or re.fullmatch("[ -~]*", value)
    return "" if is_sendable else "has a character that an HTTP header cannot carry"


def replace(stack: DeployedStack, text: str, report: Callable[[str], None], sleep: Callable[[float], None]) -> None:
    """Try credentials, make them the current ones, and wait until every token comes from them.

    However this ends, `report` says whether they are current. Secrets Manager makes a secret's first value so untried.
    """
    version, is_stored = str(uuid4()), False
    try:
        old = {each.get(CURRENT) for each in stack.token_labels().values()}
        current = stack.labels(stack.credentials_secret).get(CURRENT)
        is_stored = True  # perhaps, from now on
        stored: dict[str, Any] = {"SecretString": text, "VersionStages": [CANDIDATE], "ClientRequestToken": version}
        stack.call("secretsmanager", "put_secret_value", SecretId=stack.credentials_secret, **stored)
        if current:
            stack.invoke(client_id=stack.names[0], credentials_version=version)
            report("The new credentials work.")
            _move(stack, CURRENT, to=version, of=current)
        _move(stack, CANDIDATE, of=version)
        report("They are current. Waiting for the tokens …")
        try:
            _wait_for_tokens(stack, old, sleep)
        except RotatorFailed:
            if not current and stack.labels(stack.credentials_secret).get("REJECTED") == version:
                stack.invoke(client_id=stack.names[0], credentials_version=version)  # a trial says why
            raise
    except BaseException:
        report(_settle(stack, version) if is_stored else "Nothing was stored.")
        raise


def _move(stack: DeployedStack, label: str, *, of: str, to: str | None = None) -> None:
    moved: dict[str, Any] = {"RemoveFromVersionId": of, "VersionStage": label} | ({"MoveToVersionId": to} if to else {})
    stack.call("secretsmanager", "update_secret_version_stage", SecretId=stack.credentials_secret, **moved)


def _wait_for_tokens(stack: DeployedStack, old: set[str | None], sleep: Callable[[float], None]) -> None:
    """Wait for the run that EventBridge starts; a check at the same time would log in too, or find itself blocked."""
    wait_until(lambda: old.isdisjoint(each.get(CURRENT) for each in stack.token_labels().values()), sleep)
    for _ in range(CHECKS):
        postponed = [each["client_id"] for each in stack.invoke() if each["reason"] == "postponed"]
        if not postponed:
            return
    raise RotatorFailed(f"{listed(postponed)}: there was no time left.", "look at the status later.")


def _settle(stack: DeployedStack, version: str) -> str:
    """Leave no candidate behind, and return in words which credentials are current."""
    try:
        labels = stack.labels(stack.credentials_secret)
        if labels.get(CANDIDATE) == version:
            _move(stack, CANDIDATE, of=version)
    except (BotoCoreError, ClientError):
        return f"It is not known whether the new credentials (version {version}) are current: look at the status."
    if labels.get(CURRENT) != version:
        return "The new credentials are not used. The current ones stay as they were."
    if labels.get("REJECTED") != version:
        return "The new credentials are current. The next scheduled run goes on with them."
    blocked = "The new credentials are current, but blocked: they were rejected, or are being tried at this moment."
    return f"{blocked}\nWhat to do: look at the status in a minute, then perhaps run set-credentials again."
