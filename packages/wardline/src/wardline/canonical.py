"""The canonical form of plain data, the private copy of arguments, and their fingerprint.

The form is RFC 8785 (JSON Canonicalization Scheme) over a tagged tree. Strings, booleans, null,
lists, string-keyed maps and integers within ±(2^53-1) stand for themselves. Everything else is a map
with one key: `{"$float": repr}`, `{"$int": "…"}`, `{"$bytes": base64}`, `{"$datetime": RFC 3339}`,
`{"$decimal": "…"}`, `{"$opaque": "module.Class"}`. A key of the user's that begins with `$` gets a
second one. The bytes are the same whichever encoder is installed.
"""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final

from wardline import encoder
from wardline.errors import CanonicalError

__all__ = ["MAX_DEPTH", "Opaque", "Plain", "canonical", "digest", "encode", "private_copy"]

MAX_DEPTH: Final = 64
"""How deep lists and maps may be nested; a cycle runs into the same bound."""

_MAX_INT: Final = 2**53 - 1


class Opaque:
    """Stands where an argument is that passes by reference and that no condition can read."""

    __slots__ = ("type_name",)

    def __init__(self, value: object) -> None:
        kind = type(value)
        self.type_name = f"{kind.__module__}.{kind.__qualname__}"

    def __repr__(self) -> str:
        return f"<opaque {self.type_name}>"


class Plain:
    """A private copy of a value: `tree`, and whether it is `simple` (needs no tag and no key order)."""

    __slots__ = ("root", "simple", "tree")

    def __init__(self, tree: Any, *, simple: bool, root: str = "value") -> None:
        self.tree = tree
        self.simple = simple
        self.root = root

    def encode(self) -> bytes:
        """Return the canonical bytes of the copy. Raises `CanonicalError` for a lone surrogate."""
        if self.simple:
            try:
                return encoder.ordered(self.tree)
            except (UnicodeEncodeError, TypeError):
                raise _explain(self.tree, self.root) from None
        return encode(self.tree, root=self.root)


class _NoFormError(Exception):
    """Raised by the fast walk; the slow one then finds out where and why."""


def private_copy(value: Any, *, root: str = "args") -> Plain:
    """Copy all plain containers of `value`, so that nobody else holds a reference to what was judged.

    Raises `CanonicalError`, naming the place below `root`, where a value has no canonical form.
    """
    special: list[object] = []
    try:
        tree = _copy(value, special, 0)
    except _NoFormError:
        raise _explain(value, root) from None
    return Plain(tree, simple=not special, root=root)


def encode(tree: Any, *, simple: bool = False, root: str = "value") -> bytes:
    """Return the canonical bytes of a tree that `private_copy` made.

    `simple` promises that no leaf needs a tag and no key needs escaping or UTF-16 ordering.
    Raises `CanonicalError`, naming the place below `root`, for a lone surrogate.
    """
    try:
        if not simple:
            return encoder.compact(_tagged(tree))
        return encoder.ordered(tree)
    except (UnicodeEncodeError, TypeError):
        raise _explain(tree, root) from None


def canonical(value: Any, *, root: str = "value") -> bytes:
    """Return the canonical bytes of any plain value.

    Raises `CanonicalError` where it has none.
    """
    return private_copy(value, root=root).encode()


def digest(data: bytes) -> str:
    """Return SHA-256 of `data` in lower-case hexadecimal."""
    return sha256(data).hexdigest()


def _copy(value: Any, special: list[object], depth: int) -> Any:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is dict:
        if depth == MAX_DEPTH:
            raise _NoFormError
        copy = {}
        for key, item in value.items():
            if type(key) is not str:
                raise _NoFormError
            if (not key.isidentifier() and key[:1] == "$") or not key.isascii():
                special.append(key)
            kind = type(item)
            if kind is str or kind is bool or (kind is int and -_MAX_INT <= item <= _MAX_INT):
                copy[key] = item
            else:
                copy[key] = _copy(item, special, depth + 1)
        return copy
    if kind is int:
        if not -_MAX_INT <= value <= _MAX_INT:
            special.append(value)
        return value
    if kind is list or kind is tuple:
        if depth == MAX_DEPTH:
            raise _NoFormError
        items = [_copy(item, special, depth + 1) for item in value]
        return items if kind is list else tuple(items)
    if kind is datetime and value.utcoffset() is None:
        raise _NoFormError
    if kind in _TAGS:
        special.append(value)
        return value
    raise _NoFormError


def _datetime(value: datetime) -> dict[str, str]:
    return {"$datetime": value.isoformat()}


_TAGS: Final[dict[type, Any]] = {
    float: lambda value: {"$float": repr(value)},
    bytes: lambda value: {"$bytes": b64encode(value).decode("ascii")},
    datetime: _datetime,
    Decimal: lambda value: {"$decimal": str(value)},
    Opaque: lambda value: {"$opaque": value.type_name},
}


def _tagged(value: Any) -> Any:
    """Return the tagged tree of a copy, its keys in RFC 8785 order."""
    kind = type(value)
    if kind is dict:
        items = {"$" + key if key[:1] == "$" else key: _tagged(item) for key, item in value.items()}
        return dict(sorted(items.items(), key=_utf16))
    if kind is list or kind is tuple:
        return [_tagged(item) for item in value]
    if kind is int and not -_MAX_INT <= value <= _MAX_INT:
        return {"$int": str(value)}
    tag = _TAGS.get(kind)
    return value if tag is None else tag(value)


def _utf16(item: tuple[str, object]) -> bytes:
    """Sort by UTF-16 code units, as RFC 8785 §3.2.3 asks."""
    return item[0].encode("utf-16-be", "surrogatepass")


def _explain(value: Any, path: str) -> CanonicalError:
    """Return the error that names the first place in `value` without a canonical form."""
    seen: set[int] = set()

    def walk(value: Any, path: str, depth: int) -> CanonicalError | None:
        kind = type(value)
        if kind is str:
            return _surrogate(value, path)
        if kind in (dict, list, tuple):
            if id(value) in seen:
                return CanonicalError("contains itself; pass data without cycles", path)
            if depth == MAX_DEPTH:
                return CanonicalError(f"is nested deeper than {MAX_DEPTH} levels", path)
            seen.add(id(value))
            found = members(value, path, depth)
            seen.discard(id(value))
            return found
        if kind is datetime and value.utcoffset() is None:
            return CanonicalError("is a datetime without a time zone; give it one", path)
        if kind in (bool, int, type(None)) or kind in _TAGS:
            return None
        return CanonicalError(
            f"a {kind.__module__}.{kind.__qualname__} has no canonical form; pass plain data, "
            "or declare the argument `opaque`",
            path,
        )

    def members(value: Any, path: str, depth: int) -> CanonicalError | None:
        if type(value) is dict:
            for key, item in value.items():
                if type(key) is not str:
                    return CanonicalError(f"the key {key!r} is not a string", path)
                found = _surrogate(key, path) or walk(item, f"{path}.{key}", depth + 1)
                if found:
                    return found
            return None
        for index, item in enumerate(value):
            if found := walk(item, f"{path}[{index}]", depth + 1):
                return found
        return None

    return walk(value, path, 0) or CanonicalError("changed while it was copied", path)


def _surrogate(text: str, path: str) -> CanonicalError | None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return CanonicalError("contains a lone surrogate, which no UTF-8 text can carry", path)
    return None
