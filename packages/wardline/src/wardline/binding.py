"""From the way a function is called to named arguments, and back.

Positional, keyword, default and variadic arguments all get the name of their parameter; what a
`**kwargs` parameter collects stands beside the others under the names the caller used.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from wardline.canonical import private_copy
from wardline.errors import CanonicalError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Binding"]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Binding:
    """How calls of `fn` become arguments by name. `first` are arguments that are bound already.

    `opaque` names the parameters that pass by reference: those asked for, `self` and `cls`, and those
    left at a default that has no canonical form. `plain` says that nothing does, `simple` that all
    arguments can be passed by name.
    """

    __slots__ = (
        "_count",
        "_defaults",
        "_first",
        "_keyword",
        "_names",
        "_only",
        "_positional",
        "_unplain",
        "opaque",
        "plain",
        "signature",
        "simple",
        "variadic",
    )

    def __init__(
        self,
        fn: Callable[..., Any],
        *,
        first: tuple[object, ...] = (),
        keywords: Mapping[str, Any] | None = None,
        opaque: tuple[str, ...] = (),
    ) -> None:
        self.signature = inspect.signature(fn)
        parameters = list(self.signature.parameters.values())
        self._positional = tuple(p.name for p in parameters if p.kind in _POSITIONAL)
        self._only = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_ONLY)
        self.variadic = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "")
        self._keyword = next((p.name for p in parameters if p.kind is p.VAR_KEYWORD), "")
        self.simple = not (self._only or self.variadic or self._keyword)
        self._first = first
        names = [p.name for p in parameters if p.name not in (self.variadic, self._keyword)]
        self._names = frozenset(names)
        self._count = len(names)
        self._defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        self._defaults |= keywords or {}
        self._unplain = tuple(name for name in self._defaults if not _plain(self._defaults[name]))
        # Nobody who calls it can change what is bound already.
        bound = tuple(
            name for name, value in zip(self._positional, first, strict=False) if not _plain(value)
        )
        if names and names[0] == next(iter(self._positional), "") and names[0] in {"self", "cls"}:
            bound = tuple(dict.fromkeys((names[0], *bound)))
        if unknown := [name for name in opaque if not self._keyword and name not in names]:
            raise ConfigurationError(
                f"there is no parameter {unknown[0]!r} to pass by reference; the parameters are "
                f"{', '.join(names) or 'none'}"
            )
        self.opaque = (*bound, *opaque)
        self.plain = not self.opaque and not self._unplain

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call by name.

        Raises `TypeError` for a call that Python would not make either, or one in which a keyword of
        `**kwargs` has the name of another parameter.
        """
        if not self.simple or self._first:
            return self._bind_slowly((*self._first, *args), kwargs)
        arguments = dict(zip(self._positional, args))  # noqa: B905 - too many are found below
        if kwargs:
            arguments.update(kwargs)
        given = len(arguments)
        if given == len(args) + len(kwargs):
            if given != self._count:
                arguments = {**self._defaults, **arguments}
            if arguments.keys() == self._names:
                return arguments
        return self._bind_slowly(args, kwargs)

    def by_reference(self, arguments: Mapping[str, Any]) -> tuple[str, ...]:
        """Return which of these arguments pass by reference."""
        if not self._unplain:
            return self.opaque
        left = (name for name in self._unplain if arguments.get(name) is self._defaults[name])
        return (*self.opaque, *left)

    def spread(self, arguments: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the positional and keyword arguments to call the function with."""
        if self.simple:
            return (), arguments
        rest = dict(arguments)
        if not self.variadic:
            return tuple(rest.pop(name) for name in self._only if name in rest), rest
        args = [rest.pop(name) for name in self._positional if name in rest]
        return (*args, *rest.pop(self.variadic, ())), rest

    def _missing(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the bound keywords that the call left alone."""
        taken = {*self._positional[: len(args)], *kwargs}
        signature = self.signature.parameters
        return {
            name: value
            for name, value in self._defaults.items()
            if name not in taken and name in signature and signature[name].default is not value
        }

    def _bind_slowly(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        bound = self.signature.bind(*args, **{**self._missing(args, kwargs), **kwargs})
        bound.apply_defaults()
        arguments = dict(bound.arguments)
        extra = arguments.pop(self._keyword, {}) if self._keyword else {}
        for name in extra:
            if name in self._names or name in (self.variadic, self._keyword):
                raise TypeError(
                    f"the keyword {name!r} has the name of another parameter, so the two could not "
                    "be told apart; use another keyword"
                )
        return {**arguments, **extra}


def _plain(value: object) -> bool:
    try:
        private_copy(value).encode()
    except CanonicalError:
        return False
    return True
