"""What of an application an adapter governs, for `wardline doctor`."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any

__all__ = ["Covered", "referred"]


@dataclass(frozen=True, slots=True)
class Covered:
    """One thing that an agent can reach.

    `kind` is the kind of action it would be, `name` its name, `owner` the agent that has it.
    `governed` says whether a guard decides about it; `why` says what stands against it where not.
    """

    kind: str
    name: str
    owner: str
    governed: bool
    why: str = ""


def referred(function: object) -> list[Any]:
    """Return what the code of a function refers to: its closure, the globals it names, its defaults.

    A bound method brings its object. What is no function written in Python refers to nothing.
    """
    found: list[Any] = []
    if isinstance(function, MethodType):
        found.append(function.__self__)
        function = function.__func__
    if not isinstance(function, FunctionType):
        return found
    function = inspect.unwrap(function)
    if not isinstance(function, FunctionType):
        return found
    variables = inspect.getclosurevars(function)
    found += [*variables.nonlocals.values(), *variables.globals.values()]
    return [*found, *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
