"""Inputs that real servers and people produced, with what must come of each."""

import json
from pathlib import Path
from typing import Any


def cases(name: str) -> dict[str, dict[str, Any]]:
    """Read the cases of a file under their names."""
    listed = json.loads((Path(__file__).parent / f"{name}.json").read_text(encoding="utf-8"))["cases"]
    return {case["name"]: case for case in listed}
