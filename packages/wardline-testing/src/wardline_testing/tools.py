"""The tools of the kit. Their bodies write to a probe that no adapter can see."""

from __future__ import annotations

import copy
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Probe", "Start", "Tool"]

_Body = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a tool's body: which, with what, and what the ledger held about tools by then."""

    tool: str
    args: Mapping[str, Any]
    intents: int
    at: float
    refusals: int = 0


class Probe:
    """Where bodies write down that they started. Safe under threads.

    `watches` are called, by the kit's wish, whenever a body starts.
    """

    def __init__(
        self, intents: Callable[[], int] = lambda: 0, refusals: Callable[[], int] = lambda: 0
    ) -> None:
        self._intents = intents
        self._refusals = refusals
        self._lock = threading.Lock()
        self._starts: list[Start] = []
        self.watches: list[Callable[[], None]] = []

    def started(self, tool: str, args: Mapping[str, Any]) -> None:
        """Write down that the body of `tool` started with `args`."""
        for watch in list(self.watches):
            watch()
        with self._lock:  # what the ledger holds is counted in the order of the starts
            held = self._intents(), time.monotonic(), self._refusals()
            self._starts.append(Start(tool, copy.deepcopy(dict(args)), *held))

    @property
    def starts(self) -> list[Start]:
        """All starts so far, in their order."""
        with self._lock:
            return list(self._starts)

    def forget(self) -> None:
        """Forget all starts so far."""
        with self._lock:
            self._starts.clear()

    def of(self, tool: str) -> list[Start]:
        """Return the starts of one tool."""
        return [start for start in self.starts if start.tool == tool]


class Tool:
    """One tool: a name, a sentence for the model, parameters, and two bodies that do the same.

    `parameters` maps each parameter to its type (`str`, `int`, `float`, `bool`, `list`, `dict`, or
    `object` for anything), and
    `defaults` some of them to what they are when left out. `function` is a plain Python function with that
    signature, annotations (`returns` is that of its result), name and docstring, `coroutine` its asynchronous twin: give whichever fits to
    the framework as an ordinary tool, and never call them.
    """

    def __init__(
        self,
        probe: Probe,
        name: str,
        description: str,
        parameters: Mapping[str, type],
        body: Callable[[dict[str, Any]], Any],
        *,
        abody: Callable[[dict[str, Any]], Awaitable[Any]] | None = None,
        defaults: Mapping[str, Any] | None = None,
        returns: type = str,
    ) -> None:
        self.name = name
        self.description = description
        self.parameters = dict(parameters)
        self.defaults = dict(defaults or {})
        self.signature = inspect.Signature(
            [
                inspect.Parameter(
                    one,
                    inspect.Parameter.POSITIONAL_OR_KEYWORD,
                    default=self.defaults.get(one, inspect.Parameter.empty),
                    annotation=Any if kind is object else kind,
                )
                for one, kind in self.parameters.items()
            ],
            return_annotation=returns,
        )

        def function(*args: Any, **kwargs: Any) -> Any:
            bound = self._bound(args, kwargs)
            probe.started(name, bound)
            return body(bound)

        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            bound = self._bound(args, kwargs)
            probe.started(name, bound)
            return body(bound) if abody is None else await abody(bound)

        self.function = self._dressed(function)
        self.coroutine = self._dressed(coroutine)

    def _bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return dict(bound.arguments)

    def _dressed(self, body: Any) -> Any:
        body.__name__ = body.__qualname__ = self.name
        body.__doc__ = self.description
        body.__signature__ = self.signature
        body.__annotations__ = {
            **{one.name: one.annotation for one in self.signature.parameters.values()},
            "return": self.signature.return_annotation,
        }
        return body

    def body(self, path: str) -> _Body:
        """Return the body for an entry point: the plain function for `sync`, else the coroutine."""
        body: _Body = self.function if path == "sync" else self.coroutine
        return body

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the parameters."""
        names = {str: "string", int: "integer", float: "number", bool: "boolean"}
        names |= {list: "array", dict: "object"}
        return {
            "type": "object",
            "properties": {
                one: {"type": names[kind]} if kind in names else {}
                for one, kind in self.parameters.items()
            },
            "required": [one for one in self.parameters if one not in self.defaults],
        }
