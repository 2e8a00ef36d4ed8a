"""The plain form of what an expression gives: what an argument can hold.

Unsigned integers become integers, and points in time become `datetime`s in UTC. A duration, a type,
an optional or a map whose keys are not strings has no plain form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wardline.cel import times
from wardline.cel.kinds import Duration, Keyed, Optional, Timestamp, TypeName, UInt
from wardline.cel.networks import Address, Network
from wardline.cel.sorts import kind_of
from wardline.cel.values import charge
from wardline.errors import EvaluationError

if TYPE_CHECKING:
    from wardline.cel.values import Budget

__all__ = ["UNPLAIN", "plain"]

UNPLAIN: Final = {
    "duration": "Write `string(…)`.",
    "type": "Compare it: `type(x) == string`.",
    "ip": "Write `string(…)`.",
    "cidr": "Write `string(…)`.",
    "optional": "End with `.orValue(…)`.",
    "path": "Use the text itself.",
    "url": "Use the text itself, or one of its fields.",
}
"""Static types that have no plain form, with what to write instead."""

_NEVER: Final = frozenset((Duration, TypeName, Optional, Keyed, Address, Network))
_MOST_DEPTH: Final = 128


def plain(value: Any, env: Budget, depth: int = 0) -> Any:
    """The plain form of a value; EvaluationError where it has none."""
    kind = type(value)
    if kind is UInt:
        return value.value
    if kind is Timestamp:
        return times.as_datetime(value)
    if kind in _NEVER:
        raise EvaluationError(f"a value of type {kind_of(value)} cannot be an argument")
    if kind not in (list, tuple, dict) or not value:
        return value
    if depth > _MOST_DEPTH:
        raise EvaluationError("a value is nested too deeply to be an argument")
    charge(env, len(value) << 1)
    if kind is dict:
        return {key: plain(item, env, depth + 1) for key, item in value.items()}
    return [plain(item, env, depth + 1) for item in value]
