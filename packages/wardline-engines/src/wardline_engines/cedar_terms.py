"""A request as Cedar sees it: entities for who acts and on what, a record for everything else.

Cedar has strings, booleans, 64-bit integers, decimals with four digits, sets and records. What has no
exact form in these is refused, never rounded, and the refusal names the argument.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from wardline import EngineError
from wardline_engines.nouns import NOUNS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FILLED", "Question", "question"]

FILLED: Final = frozenset(
    {"name", "roles", "chain", "tenant", "environment", "assurance", "trust", "tier", "ring"}
    | {"effects", "returns", "clearance"}
)
"""Attributes of `Agent` and of what an action is done to that come from the request alone."""

_ESCAPES: Final = frozenset({"__entity", "__extn", "__expr"})
_LARGEST: Final = 2**63 - 1
_SMALLEST: Final = -(2**63)
_DIGITS: Final = 4


class Question:
    """One request in Cedar's terms.

    `principal`, `action` and `resource` are (type, id), `context` the JSON of the context record.
    `entities` maps the two entities that the request describes to their attributes and parents.
    """

    __slots__ = ("action", "context", "entities", "principal", "resource")

    def __init__(
        self,
        principal: tuple[str, str],
        action: tuple[str, str],
        resource: tuple[str, str],
        context: str,
        entities: dict[tuple[str, str], tuple[dict[str, Any], list[tuple[str, str]]]],
    ) -> None:
        self.principal = principal
        self.action = action
        self.resource = resource
        self.context = context
        self.entities = entities


def question(request: Mapping[str, Any]) -> Question:
    """Return a request in Cedar's terms. Raises `EngineError` for a value that has no form in Cedar."""
    action, who = request["action"], request["principal"]
    kind = action["kind"]
    nulls: list[str] = []
    context = {
        "args": _told(action["args"], "args", nulls),
        "verb": action["verb"],
        "framework": action["framework"],
        "call_id": action["call_id"],
        "session": _told(request["session"], "session", nulls),
        "run": _told(request["run"], "run", nulls),
        "now": {"__extn": {"fn": "datetime", "arg": _milliseconds(request["now"])}},
    }
    context["nulls"] = nulls
    principal = ("Agent", who["id"])
    resource = (NOUNS[kind], action["type"])
    parents = [("Role", role) for role in who["roles"]]
    parents += [("Agent", member) for member in who["chain"] if member != who["id"]]
    about = {key: value for key, value in who.items() if key != "id"}
    target = {"name": action["name"]}
    if kind == "tool_call":
        target |= request["tool"]
    return Question(
        principal,
        ("Action", kind),
        resource,
        json.dumps(context),
        {
            principal: (_told(about, "principal", []), list(dict.fromkeys(parents))),
            resource: (_told(target, "tool", []), []),
        },
    )


def _told(value: Any, path: str, nulls: list[str]) -> Any:
    """Return a plain value in the JSON that Cedar reads; a null in a map is left out and listed."""
    kind = type(value)
    if kind is str or kind is bool:
        return value
    if kind is int:
        if _SMALLEST <= value <= _LARGEST:
            return value
        raise EngineError(f"`{path}` is {value}, and Cedar's integers have 64 bits")
    if kind is float:
        return {"__extn": {"fn": "decimal", "arg": _decimal(value, path)}}
    if kind is dict:
        if escapes := _ESCAPES & value.keys():
            raise EngineError(
                f"`{path}` has the key `{min(escapes)}`, which would be read as an order to Cedar"
            )
        nulls += [f"{path}.{key}" for key, item in value.items() if item is None]
        return {
            key: _told(item, f"{path}.{key}", nulls)
            for key, item in value.items()
            if item is not None
        }
    if kind is list or kind is tuple:
        return [_told(item, f"{path}[{index}]", nulls) for index, item in enumerate(value)]
    if value is None:
        raise EngineError(f"`{path}` is null, and Cedar has none: only a field can be left out")
    raise EngineError(f"`{path}` is a {kind.__name__}, which has no form in Cedar")


def _decimal(value: float, path: str) -> str:
    """Return the decimal that a float is written as, if four digits after the point hold it."""
    text = repr(value)
    whole, point, digits = text.partition(".")
    exact = point and digits.isdigit() and len(digits) <= _DIGITS
    if exact and abs(int(whole + digits.ljust(_DIGITS, "0"))) <= _LARGEST:
        return text
    raise EngineError(
        f"`{path}` is {text}, and Cedar's decimals have four digits after the point and 64 bits"
    )


def _milliseconds(now: str) -> str:
    """Return a time of RFC 3339 in UTC to the millisecond, as Cedar's `datetime` takes it."""
    seconds, _, rest = now.removesuffix("Z").partition(".")
    return f"{seconds}.{rest[:3].ljust(3, '0')}Z"
