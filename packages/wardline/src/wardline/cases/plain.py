"""Arguments and results as people write them: nodes of YAML or JSON become plain values.

What YAML has no notation for is written as in the canonical form: `{$datetime: "2026-01-01T00:00:00Z"}`,
`{$bytes: base64}`, `{$decimal: "1.50"}`, `{$int: "…"}`, `{$float: inf}`. A key that begins with `$`
gets a second one.
"""

from __future__ import annotations

import re
from base64 import b64decode
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from wardline.clock import as_datetime
from wardline.policy.source import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable

    from wardline.policy.fields import Report
    from wardline.policy.reader import Node

__all__ = ["microseconds", "moment", "value_of"]

_LONGEST_NUMBER: Final = 400


def moment(text: str) -> datetime:
    """Return an RFC 3339 date and time; raises `ValueError` where it has no offset from UTC."""
    made = datetime.fromisoformat(text)
    if made.utcoffset() is None:
        message = "it does not say how far from UTC it is; end it with Z"
        raise ValueError(message)
    return made


def microseconds(at: datetime) -> int:
    """Return recorded time, in microseconds since 1970."""
    return (at - as_datetime(0)) // timedelta(microseconds=1)


def _bytes(text: str) -> bytes:
    return b64decode(text, validate=True)


def _integer(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]+", text) or len(text) > _LONGEST_NUMBER:
        message = "it is no integer"
        raise ValueError(message)
    return int(text)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        message = "it is no decimal number"
        raise ValueError(message) from None


_TAGS: Final[dict[str, Callable[[str], Any]]] = {
    "$datetime": moment,
    "$bytes": _bytes,
    "$decimal": _decimal,
    "$int": _integer,
    "$float": float,
}


def value_of(node: Node, report: Report) -> Any:
    """Return the plain value of a node; report what stands for none."""
    if node.kind == "list":
        return [value_of(item, report) for item in node.value]
    if node.kind != "map":
        return node.value
    tag = next(iter(node.value)) if len(node.value) == 1 else ""
    if tag[:1] == "$" and tag[:2] != "$$":
        return _tagged(tag, node, report)
    made = {}
    for key, item in node.value.items():
        if key[:1] == "$" and key[:2] != "$$":
            report.at(
                node.keys[key],
                f"`{key}` stands among other keys, so it is no notation for a value",
                f"a key that begins with `$` is written `${key}`",
            )
        made[key[1:] if key[:2] == "$$" else key] = value_of(item, report)
    return made


def _tagged(tag: str, node: Node, report: Report) -> Any:
    item = node.value[tag]
    convert = _TAGS.get(tag)
    if convert is None:
        hint = suggestion(tag, _TAGS)
        report.at(
            node.keys[tag],
            f"`{tag}` is no notation for a value",
            f"{hint}; a key that begins with `$` is written `${tag}`",
        )
        return None
    if item.kind not in ("string", "integer", "number"):
        report.at(item, f"`{tag}` takes a string", "put it in quotes")
        return None
    try:
        return convert(str(item.value))
    except ValueError as error:
        report.at(item, f"`{str(item.value)[:60]}` cannot be read as `{tag}`: {error}")
        return None
