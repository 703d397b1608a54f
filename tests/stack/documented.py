"""What docs/security.md shows: its JSON files and its commands, with the names that the tests use."""

import json
import re
from typing import Any

from tools.local.aws import REGION
from tools.local.matrix import DOCUMENT
from tools.local.permissions import KEY, OTHER_ACCOUNT_ID
from tools.local.translated import ACCOUNT_ID

FUNCTION_ROLE = f"arn:aws:iam::{ACCOUNT_ID}:role/FunctionRole"
SAMPLES = {
    "111122223333": ACCOUNT_ID,
    "444455556666": OTHER_ACCOUNT_ID,
    "eu-west-1": REGION,
    "FUNCTION_ROLE": FUNCTION_ROLE,
    "KEY_ARN": KEY,
}
"""What the page has its readers replace, and by what the tests do."""


def replaced(text: str) -> str:
    """Replace the page's samples as a reader would."""
    return re.sub("|".join(SAMPLES), lambda found: SAMPLES[found[0]], text)


def documented(name: str) -> Any:  # noqa: ANN401  JSON
    """Read a JSON file that the page shows under its name."""
    (text,) = re.findall(
        rf"^`{re.escape(name)}`:?\n\n```json\n(.*?)```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL
    )
    return json.loads(replaced(text))


def blocks(language: str = "") -> list[str]:
    """Read the page's blocks of code in a language; without one, its commands."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    return [replaced(text) for of, text in found if of == language]
