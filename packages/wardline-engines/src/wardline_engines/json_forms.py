"""JSON that means one thing: what is sent is exact, what is answered is read without leniency."""

from __future__ import annotations

import json
import math
from typing import Any, Final

from wardline import EngineError

__all__ = ["exact", "read_json", "sentence"]

_LARGEST: Final = 2**53 - 1
_LONGEST: Final = 300


def exact(value: Any, path: str = "", *, wide: bool = False) -> Any:
    """Return plain data that its reader takes for the same; `wide` readers hold any integer.

    Raises `EngineError`, which names the place, for a number that the reader could take for another.
    """
    kind = type(value)
    if kind is dict:
        return {
            key: exact(item, f"{path}.{key}".lstrip("."), wide=wide) for key, item in value.items()
        }
    if kind is list or kind is tuple:
        return [exact(item, f"{path}[{index}]", wide=wide) for index, item in enumerate(value)]
    if kind is int and abs(value) > _LARGEST and not wide:
        raise EngineError(f"`{path}` is {value}, which not every reader of JSON takes for the same")
    if kind is float and not math.isfinite(value):
        raise EngineError(f"`{path}` is {value}, which has no form in JSON")
    return value


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
