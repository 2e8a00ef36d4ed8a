"""The values that CEL has and Python has not, each a small class of its own.

Strings, booleans, doubles, bytes, null, lists, maps with string keys and 64-bit integers are Python's
own. `==` of these classes is sameness for tests and caches; what `==` means in a condition is in
`values.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "ABSENT",
    "TYPE_NAMES",
    "Duration",
    "Keyed",
    "Optional",
    "Single",
    "Timestamp",
    "TypeName",
    "UInt",
]


class Single:
    """A value made of one other; same class and same content is the same value."""

    __slots__ = ()

    def content(self) -> object:
        """What makes up the value."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.content() == other.content()

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.content()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.content()!r})"


class UInt(Single):
    """An unsigned integer of 64 bits."""

    __slots__ = ("value",)

    def __init__(self, value: int) -> None:
        self.value = value

    def content(self) -> object:
        """What makes up the value."""
        return self.value


class Timestamp(Single):
    """A point in time, as nanoseconds since 1970 in UTC, in the years 1 to 9999."""

    __slots__ = ("nanos",)

    def __init__(self, nanos: int) -> None:
        self.nanos = nanos

    def content(self) -> object:
        """What makes up the value."""
        return self.nanos


class Duration(Single):
    """A length of time, as nanoseconds that fit into 64 bits."""

    __slots__ = ("nanos",)

    def __init__(self, nanos: int) -> None:
        self.nanos = nanos

    def content(self) -> object:
        """What makes up the value."""
        return self.nanos


class TypeName(Single):
    """What `type(x)` gives and what the name of a type stands for."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def content(self) -> object:
        """What makes up the value."""
        return self.name


class Optional(Single):
    """A value that may be missing: `present` says whether it is there."""

    __slots__ = ("present", "value")

    def __init__(self, value: Any, *, present: bool = True) -> None:
        self.value = value
        self.present = present

    def content(self) -> object:
        """What makes up the value."""
        return (self.present, self.value)

    def __hash__(self) -> int:
        return hash(self.present)


ABSENT: Final = Optional(None, present=False)
"""What `optional.none()` gives."""


class Keyed(Single):
    """A map with keys that are not all strings.

    `entries` holds key and value as written under what the key is found by: a string by itself, an
    integer of either kind by its number, so that 1, 1u and 1.0 find the same entry, and a boolean by
    a tuple, so that true is not 1.
    """

    __slots__ = ("entries",)

    def __init__(self, entries: dict[Any, tuple[Any, Any]]) -> None:
        self.entries = entries

    def content(self) -> object:
        """What makes up the value."""
        return self.entries

    def __hash__(self) -> int:
        return hash(len(self.entries))

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Any]:
        """Yield the keys as they were written."""
        return (key for key, _ in self.entries.values())


TYPE_NAMES: Final = {
    name: TypeName(name)
    for name in (
        "bool",
        "int",
        "uint",
        "double",
        "string",
        "bytes",
        "list",
        "map",
        "null_type",
        "type",
        "optional_type",
        "google.protobuf.Timestamp",
        "google.protobuf.Duration",
        "net.IP",
        "net.CIDR",
    )
}
"""The names of types, which a condition can compare with `type(x)`."""
