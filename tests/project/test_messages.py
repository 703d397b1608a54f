"""The runbook's table of messages, held against what the function's code can say, in both directions."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from mx_token_rotator.errors import RotatorError
from mx_token_rotator.transport import TROUBLES
from tests.project.test_docs import FUNCTION, rows

ERRORS = {error.__name__ for error in RotatorError.__subclasses__()}
MODULES = [ast.parse(path.read_text()) for path in sorted(FUNCTION.glob("*.py"))]
Function = ast.FunctionDef


def template(node: ast.AST) -> str:
    """Return a text of the code, with an ellipsis for what it fills in; empty if it is none."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(template(part) or "…" for part in parts)
        case _:
            return ""


def templates(node: ast.AST) -> list[str]:
    """Return the texts below a node of the code that are words, not in a larger text."""
    if isinstance(node, ast.Expr):
        return []  # a docstring
    if text := template(node):
        return [text] if len(text.split()) > 1 else []
    return [text for child in ast.iter_child_nodes(node) for text in templates(child)]


def returned_by(name: str) -> list[str]:
    """Return the texts that a function of the package returns."""
    functions = [
        each for tree in MODULES for each in ast.walk(tree) if isinstance(each, Function) and each.name == name
    ]
    returns = [each for function in functions for each in ast.walk(function) if isinstance(each, ast.Return)]
    return [text for each in returns for text in templates(each)]


def filled_in(argument: ast.AST, function: Function) -> list[str]:
    """Return the texts of the local variables in a message, also if another function of the package returns them."""
    names = {each.id for each in ast.walk(argument) if isinstance(each, ast.Name)}
    found = []
    for each in ast.walk(function):
        if isinstance(each, ast.Assign | ast.NamedExpr | ast.AugAssign) and each.value:
            targets = each.targets if isinstance(each, ast.Assign) else [each.target]
            assigned = {inner.id for target in targets for inner in ast.walk(target) if isinstance(inner, ast.Name)}
            if assigned & names:
                called = [inner.func for inner in ast.walk(each.value) if isinstance(inner, ast.Call)]
                found += templates(each.value)
                found += [text for func in called if isinstance(func, ast.Name) for text in returned_by(func.id)]
    return found


@dataclass(frozen=True)
class Message:
    """What one place of the code can say."""

    error: str
    place: str
    own: str
    parts: tuple[str, ...]


def messages() -> Iterator[Message]:
    """Find each place that makes an error."""
    for tree in MODULES:
        for function in (each for each in ast.walk(tree) if isinstance(each, Function)):
            for call in (each for each in ast.walk(function) if isinstance(each, ast.Call) and each.args):
                name = getattr(call.func, "attr", getattr(call.func, "id", ""))
                if name in ERRORS:
                    argument = call.args[0]
                    parts = tuple(filled_in(argument, function))
                    yield Message(name, f"{function.name}:{call.lineno}", template(argument), parts)


MESSAGES = [*messages()]
TABLE = "the table of Messages in docs/operating.md"
WORDS = [
    (error.strip("`"), words)
    for cell, error, _ in rows("in the message")
    for words in re.findall(r"`([^`]+)`", f"`{cell}`".replace("``", "`"))
]


def is_said(words: str, text: str) -> bool:
    """Tell whether a text of the code says these words, in which an ellipsis stands for anything."""
    return re.search(".*".join(map(re.escape, words.split("…"))), text, re.DOTALL) is not None


def is_documented(error: str, text: str) -> bool:
    """Tell whether the table has words of a text for this error."""
    return any(is_said(words, text) for of, words in WORDS if of == error)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: f"{message.error} in {message.place}")
def test_each_message_of_the_function_is_in_the_runbook(message: Message) -> None:
    """By words of its own, or by words of each text that it can be filled with."""
    parts = [text for text in message.parts if not is_documented(message.error, text)]
    undocumented = [] if is_documented(message.error, message.own) else parts or [message.own] * (not message.parts)

    # An empty text is passed on from a function whose texts are tested, too.
    assert undocumented in ([], [""]), f"{TABLE} lacks words of: {message.own}"


@pytest.mark.parametrize(("error", "words"), WORDS)
def test_the_function_says_each_message_of_the_runbook(error: str, words: str) -> None:
    """Words that were changed in the code are found here."""
    said = [text for each in MESSAGES if each.error == error for text in (each.own, *each.parts)]
    passed_on = [text for tree in MODULES for text in templates(tree)]

    assert any(is_said(words, text) for text in [*said, *passed_on]), f"no message has these words of {TABLE}: {words}"


@pytest.mark.parametrize("trouble", TROUBLES.values())
def test_each_trouble_on_the_way_is_in_the_runbook(trouble: str) -> None:
    """It is what is seen in place of a status."""
    assert any(trouble.startswith(words) for error, words in WORDS if error == "MovieXchangeUnavailable")
