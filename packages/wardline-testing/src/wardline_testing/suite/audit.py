"""What stops a harness from switching tests off."""

from __future__ import annotations

from inspect import getattr_static
from typing import TYPE_CHECKING, Any, Final

from wardline import KINDS
from wardline_testing.findings import Finding
from wardline_testing.gaps import Never, Todo, Upstream
from wardline_testing.harness import Denial

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["MAY_SET", "declared_problems", "gap_problems", "replaced"]

MAY_SET: Final = frozenset(
    {"adapter", "framework", "distributions", "kinds", "paths", "nesting", "denials", "gaps"}
    | {"optional", "no_rewriter", "run", "write_memory", "read_memory", "retrieve", "coverage"}
)
"""What an adapter's author writes."""

_BOOKKEEPING: Final = frozenset(
    {"__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__annotations__"}
    | {"__parameters__", "__orig_bases__", "__firstlineno__", "__static_attributes__"}
    | {"__abstractmethods__", "_abc_impl", "__annotate__", "__annotate_func__"}
    | {"__annotations_cache__", "__type_params__"}
)
_FORBIDDEN: Final = ("__getattribute__", "__getattr__", "__new__", "__init__", "__class__")
_MARKS: Final = frozenset({"timeout", "filterwarnings"})
_MISSING: Final = object()
_PATHS: Final = frozenset({"sync", "async", "stream"})
_NESTINGS: Final = frozenset({"call", "handoff"})


def replaced(cls: type, kit: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a subclass has that is not the kit's: `kit` is what its base consisted of at first."""
    for name, ours in kit.items():
        if name in MAY_SET or name in _BOOKKEEPING:
            continue
        if getattr_static(cls, name, _MISSING) is not ours:
            yield f"it replaces `{name}`, which is the kit's; declare a gap instead"
    for name in _FORBIDDEN:
        if getattr_static(cls, name, None) is not getattr_static(object, name, None):
            yield f"it defines `{name}`, which could hide tests"
    if type(cls) is not type:
        yield f"its metaclass is {type(cls).__name__}, which could hide tests"
    for one in cls.__mro__:
        for name in vars(one):
            if name.startswith("test") and name not in kit:
                yield f"it has a test of its own, `{name}`: write that outside of the class"
        marks = vars(one).get("pytestmark", ())
        for mark in marks if isinstance(marks, list | tuple) else (marks,):
            if mark.name not in _MARKS:
                yield f"it is marked with `{mark.name}`; only {', '.join(sorted(_MARKS))} may be"
    if not getattr_static(cls, "__test__", True):
        yield "it sets `__test__`, so it would not be collected"


def gap_problems(cls: type[Any], tests: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with a subclass's `gaps` and `optional`; `tests` maps each test to its tier."""
    gaps, optional = cls.gaps, cls.optional
    if not hasattr(gaps, "items"):
        yield f"`gaps` maps names of tests to gaps, and is a {type(gaps).__name__}"
        return
    for key, gap in gaps.items():
        name, _, rest = str(key).partition("[")
        tier = tests.get(name)
        if tier is None:
            yield f"`gaps` names `{name}`, which is no test of the kit"
        elif tier != "standard":
            yield f"`gaps` names `{name}`, which is of the {tier} tier: there is no gap in that"
        if rest and rest.rstrip("]") not in _PATHS:
            yield f"`gaps` names `{key}`; in brackets stands one of {', '.join(sorted(_PATHS))}"
        yield from (f"the gap `{key}`: {why}" for why in _gap_problems(gap))
    for name in optional:
        if tests.get(name) != "optional":
            yield f"`optional` names `{name}`, which is no optional test of the kit"


def _gap_problems(gap: object) -> Iterator[str]:
    if not isinstance(gap, Never | Upstream | Todo):
        yield f"a gap is a Never, an Upstream or a Todo, not {gap!r}"
        return
    if not str(gap.reason).strip():
        yield "it gives no reason"
    if isinstance(gap, Upstream) and not str(gap.url).startswith("https://"):
        yield f"its url, where the framework's authors know of it, is {gap.url!r}"
    if not isinstance(gap, Never):
        raises: Any = gap.raises
        if not (isinstance(raises, type) and issubclass(raises, Finding) and raises is not Finding):
            yield f"`raises` is one of the kit's findings, not {raises!r}"


def declared_problems(cls: type[Any]) -> Iterator[str]:
    """Yield what a subclass that is collected has not declared, or has declared wrongly."""
    for name in ("adapter", "framework"):
        if not isinstance(getattr(cls, name, None), str) or not getattr(cls, name):
            yield f"it does not say its `{name}`"
    named = getattr(cls, "distributions", ())
    if isinstance(named, str) or not list(named):
        yield "`distributions` names the framework's packages"
    kinds = getattr(cls, "kinds", None)
    if kinds is None or not set(kinds) <= set(KINDS) or not set(kinds):
        yield f"`kinds` is what the adapter maps, of {', '.join(KINDS)}"
    for name, known in (("paths", _PATHS), ("nesting", _NESTINGS)):
        said = list(getattr(cls, name))
        if not said or not set(said) <= known or len(set(said)) < len(said):
            yield f"`{name}` has at least one of {', '.join(sorted(known))}, each once"
    denials = cls.denials
    if (
        "message" not in denials
        or not set(denials) <= {"message", "raise"}
        or not all(isinstance(form, Denial) for form in denials.values())
    ):
        yield "`denials` maps `message`, and `raise` where there is one, to a Denial"
