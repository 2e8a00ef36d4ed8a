"""Seams: where an object of a framework is started, code of ours stands in front of its own.

A framework's hooks see a call before other hooks can change it. What starts for certain is seen only by
the object itself, so an adapter puts it into a subclass of its own class. That is still the same object,
of the same name, for everybody who holds it.
"""

from __future__ import annotations

import weakref
from types import FunctionType
from typing import Any, Generic, TypeVar

from wardline import ConfigurationError

__all__ = ["Attached", "beneath", "put_before"]

V = TypeVar("V")

_made: dict[tuple[type, type], type] = {}
_beneath: dict[type, type] = {}


def put_before(thing: Any, seam: type) -> None:
    """Put `thing` into a subclass of its class that has the methods of `seam`.

    Raises `ConfigurationError` for an object that cannot be governed.
    """
    kind: Any = type(thing)
    if beneath(thing) is not kind:
        return
    made = _made.get((kind, seam))
    if made is None:
        # The methods are copied: an object cannot change to a class with a second base.
        methods = {name: one for name, one in vars(seam).items() if isinstance(one, FunctionType)}
        names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, **methods}
        metaclass: Any = type(kind)
        made = metaclass(kind.__name__, (kind,), names)
        _beneath[made] = kind
        _made[kind, seam] = made
    try:
        object.__setattr__(thing, "__class__", made)
    except TypeError as error:
        raise ConfigurationError(
            f"nobody can stand between an agent and a {kind.__name__}, because its class has a layout of "
            "its own; wrap it in a plain function"
        ) from error


def beneath(thing: Any) -> Any:
    """Return the class that `thing` has without us, whose methods a seam calls in the end."""
    return next((_beneath[one] for one in type(thing).__mro__ if one in _beneath), type(thing))


class Attached(Generic[V]):
    """What an adapter knows about an object of its framework, for as long as that object lives."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[int, V] = {}

    def attach(self, thing: object, value: V) -> V:
        """Remember `value` about `thing`; return it."""
        if id(thing) not in self._known:
            weakref.finalize(thing, self._known.pop, id(thing), None).atexit = False
        self._known[id(thing)] = value
        return value

    def find(self, thing: object) -> V | None:
        """Return what is known about `thing`."""
        return self._known.get(id(thing))
