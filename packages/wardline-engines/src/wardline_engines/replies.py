"""What others answer in JSON, read without leniency."""

from __future__ import annotations

import json
from typing import Any, Final

from wardline import EngineError

__all__ = ["read_json", "sentence"]

_LONGEST: Final = 300


def read_json(body: bytes) -> Any:
    """Return a JSON document that means one thing. Raises `EngineError` for anything else."""
    try:
        return json.loads(body, object_pairs_hook=_once, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise EngineError(f"its answer is no JSON: {error}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, unless it says something twice: readers differ in which they take."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def sentence(text: object) -> str:
    """Return what somebody else says as one line of printable text, "" for what is no string."""
    if type(text) is not str:
        return ""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * _LONGEST]).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
