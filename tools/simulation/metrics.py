"""The metrics of an invocation: those of the handler's own `report`, and Lambda's `Errors` and `Duration`."""

import importlib.util
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock, patch

from tools.local.aws import REGION

if TYPE_CHECKING:
    from tools.simulation.invocation import Invocation

Metric = tuple[str, dict[str, str], float]
"""Its namespace and name, its dimensions, and a value."""
OF_FUNCTION = {"FunctionName": "mx-token-rotator"}


def _handler() -> Any:  # noqa: ANN401  a module of our own, so that nobody else's is changed
    spec = importlib.util.find_spec("mx_token_rotator.handler")
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError
    module = importlib.util.module_from_spec(spec)
    with patch.dict(os.environ, {"AWS_DEFAULT_REGION": REGION}):
        spec.loader.exec_module(module)
    return module


HANDLER = _handler()
HANDLER.logger = Mock(error=lambda *_, **__: None, info=lambda *_, **__: None)


def emitted(invocation: "Invocation") -> Iterator[Metric]:
    """Yield what an invocation emits."""
    found = list[Metric]()

    def count(name: str, value: float, _: object = None, **dimensions: str) -> None:
        found.append((f"MovieXchange/{name}", dimensions, value))

    if not invocation.was_killed:
        HANDLER.count = count
        HANDLER.report(invocation.outcomes, invocation.failures, invocation.refresh, is_by_hand=invocation.is_by_hand)
    yield from found
    yield "AWS/Lambda/Errors", OF_FUNCTION, float(invocation.was_killed)
    yield "AWS/Lambda/Duration", OF_FUNCTION, 1000 * (invocation.now - invocation.started)
