"""The classes that an adapter's harness subclasses."""

from __future__ import annotations

from inspect import getattr_static
from typing import Any, ClassVar

from wardline_testing.suite.audit import gap_problems, replaced
from wardline_testing.suite.base import Room
from wardline_testing.suite.core import Core, SingleCalls
from wardline_testing.suite.optional import Optional
from wardline_testing.suite.standard import Standard, StandardCalls

__all__ = [
    "AdapterConformance",
    "Conformance",
    "ProtocolConformance",
    "base_of",
    "pristine",
    "tests_of",
]


_PRISTINE: dict[type, dict[str, Any]] = {}
"""What the kit's base classes consisted of when the kit was imported."""


def base_of(cls: type) -> type[Conformance] | None:
    """Return the base class of the kit that `cls` is a subclass of; None for the kit's own and others."""
    return next((one for one in cls.__mro__[1:] if one in _PRISTINE), None)


def pristine(base: type[Conformance]) -> dict[str, Any]:
    """Return what a base class of the kit consisted of when the kit was imported."""
    return _PRISTINE[base]


class Conformance(Room):
    """What the kit's base classes have in common: a subclass that turns something off is not created."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        base = base_of(cls)
        if base is None:
            return  # one of the kit's own
        problems = [*replaced(cls, pristine(base)), *gap_problems(cls, tests_of(base))]
        if problems:
            raise TypeError(f"{cls.__qualname__}: " + "; ".join(problems))


class AdapterConformance(Conformance, Core, Standard, Optional):
    """Every test that an adapter of an agent framework has to pass. Subclass it and write `run`."""


class ProtocolConformance(Conformance, SingleCalls, StandardCalls):
    """Every test that an adapter of a protocol for single calls has to pass.

    There is no model: the harness is the client. It calls `scene.speak("root", what it got back so far)`
    to learn what to call next, until it is told a final answer. There are no batches, no streams and no
    other agents, and `Scene.heard` is nothing that anybody is held to; what the client gets in the place
    of results belongs into `RunReport.final`.
    """

    has_model: ClassVar[bool] = False


def _snapshot(base: type) -> dict[str, Any]:
    names = {name for cls in base.__mro__[:-1] for name in vars(cls)}
    return {name: getattr_static(base, name) for name in names}


_PRISTINE |= {base: _snapshot(base) for base in (AdapterConformance, ProtocolConformance)}


def tests_of(base: type[Conformance]) -> dict[str, str]:
    """Return the kit's own list of the tests of a base class, each with its tier."""
    tiers = {"core": Core, "standard": Standard, "optional": Optional}
    return {
        name: next(tier for tier, room in tiers.items() if hasattr(room, name))
        for name in sorted(pristine(base))
        if name.startswith("test_")
    }
