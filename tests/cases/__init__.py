"""Inputs that real servers and people produced, with what must come of each."""

import json
from pathlib import Path
from typing import Any


def cases(name: str) -> dict[str, dict[str, Any]]:
    """Read the cases of a file under their names. Raises ValueError if two have the same: one of them would be lost."""
    listed = json.loads((Path(__file__).parent / f"{name}.json").read_text(encoding="utf-8"))["cases"]
    names = [case["name"] for case in listed]
    if twice := sorted({each for each in names if names.count(each) > 1}):
        raise ValueError(f"tests/cases/{name}.json has more than one case with the name {', '.join(twice)}: rename one")
    return dict(zip(names, listed, strict=True))
