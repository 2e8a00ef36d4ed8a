"""A request as AuthZEN has it: subject, action, resource and context, filled in by a template.

In a template, a string that begins with `$` stands for what the request has at that path; `$$` begins
a string that begins with `$`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wardline import EngineError
from wardline_engines.json_forms import exact
from wardline_engines.nouns import NOUNS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["evaluation", "template"]

_DEFAULT: Final[dict[str, Any]] = {
    "subject": {"type": "agent", "id": "$principal.id", "properties": "$principal"},
    "action": {"name": "$action.kind"},
    "resource": {
        "type": "$noun",
        "id": "$action.type",
        "properties": {"name": "$action.name", "effects": "$tool.effects"},
    },
    "context": {
        "args": "$action.args",
        "verb": "$action.verb",
        "framework": "$action.framework",
        "call_id": "$action.call_id",
        "session": "$session",
        "run": "$run",
        "now": "$now",
    },
}
_NEEDED: Final[dict[str, tuple[str, ...]]] = {
    "subject": ("type", "id"),
    "action": ("name",),
    "resource": ("type", "id"),
    "context": (),
}
_FIELDS: Final[dict[str, frozenset[str] | None]] = {
    "action": frozenset({"kind", "stage", "type", "name", "verb", "framework", "call_id", "args"}),
    "principal": None,
    "session": None,
    "run": None,
    "tool": None,
    "now": frozenset(),
    "noun": frozenset(),
}
"""The roots of a path with their fields; None where they differ from request to request."""


def template(mapping: Any) -> dict[str, Any]:
    """Return the default template with the parts that a document replaces.

    Raises `EngineError` for a part that AuthZEN does not have, that lacks something, or a path that
    no request has.
    """
    if type(mapping) is not dict:
        raise EngineError("`mapping` is a map of subject, action, resource and context", "mapping")
    for part, told in mapping.items():
        if part not in _NEEDED:
            raise EngineError(
                f"`mapping` has no part `{part}`: it has {', '.join(_NEEDED)}", "mapping"
            )
        if type(told) is not dict:
            raise EngineError(f"`mapping.{part}` is a map", "mapping")
        if lacking := [key for key in _NEEDED[part] if key not in told]:
            raise EngineError(f"`mapping.{part}` needs `{lacking[0]}`", "mapping")
        if part != "context" and (odd := told.keys() - {*_NEEDED[part], "properties"}):
            raise EngineError(
                f"`mapping.{part}` has no `{min(odd)}`: put it under `properties`", "mapping"
            )
        _check(told, f"mapping.{part}")
    return {**_DEFAULT, **mapping}


def _check(told: Any, place: str) -> None:
    if type(told) is dict:
        for key, value in told.items():
            _check(value, f"{place}.{key}")
    elif type(told) is list:
        for index, value in enumerate(told):
            _check(value, f"{place}[{index}]")
    elif type(told) is str and _is_path(told):
        root, *rest = told[1:].split(".")
        fields = _FIELDS.get(root, frozenset()) if root in _FIELDS else frozenset()
        known = root in _FIELDS and (not rest or fields is None or rest[0] in fields)
        if not known:
            raise EngineError(
                f"`{place}` is {told}, which no request has: "
                f"write $action.args.…, or one of ${', $'.join(_FIELDS)}",
                "mapping",
            )


def evaluation(told: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of an evaluation request.

    Raises `EngineError` where the request lacks something, or has a number that a decision point
    could read as another.
    """
    filled = _filled(told, {**request, "noun": NOUNS[request["action"]["kind"]].lower()})
    body: dict[str, Any] = exact(filled)
    for part, keys in _NEEDED.items():
        for key in keys:
            value = body[part][key]
            if type(value) is not str or not value:
                raise EngineError(f"`{part}.{key}` would be {value!r}, and it has to be a string")
    return body


def _is_path(text: str) -> bool:
    return text.startswith("$") and not text.startswith("$$")


def _filled(told: Any, request: Mapping[str, Any]) -> Any:
    if isinstance(told, dict):
        return {key: _filled(value, request) for key, value in told.items()}
    if isinstance(told, list):
        return [_filled(value, request) for value in told]
    if type(told) is not str or not told.startswith("$"):
        return told
    if told.startswith("$$"):
        return told[1:]
    value: Any = request
    for step in told[1:].split("."):
        if not isinstance(value, dict) or step not in value:
            raise EngineError(f"this action has no {told}, which the mapping names")
        value = value[step]
    return value
