"""`sql(v)`, `shell(v)`, `pii(v)`, `secrets(v)`: what other distributions make of an argument.

Each is worked out once per decision and text, and only when a condition asks for it. A text is parsed
by a pure function, so that the same text gives the same view.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from wardline.cel.plain import plain
from wardline.cel.sorts import no_overload
from wardline.cel.types import VIEWS
from wardline.cel.values import Budget, charge
from wardline.detectors import hits
from wardline.errors import EvaluationError
from wardline.plugins import plugin

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Facets", "pii", "secrets", "shell", "sql"]

_View: TypeAlias = dict[str, Any]

_PARSING = 1500  # steps to parse the shortest text
_KINDS = {"bool": bool, "list": list}


class Facets(Budget, Protocol):
    """What carries the views that this decision has worked out, by function, text and option."""

    facets: dict[tuple[str, str, str], _View]


def sql(env: Facets, text: Any, dialect: Any = "") -> _View:
    """The view of a query; `dialect` is that of the database."""
    if type(text) is str and type(dialect) is str:
        return _view(env, "sql", text, dialect)
    raise no_overload("sql", text, dialect)


def shell(env: Facets, text: Any) -> _View:
    """The view of a command line."""
    if type(text) is str:
        return _view(env, "shell", text, "")
    raise no_overload("shell", text)


def pii(env: Facets, value: Any) -> list[str]:
    """The detectors of personal data that hit in a value."""
    return hits(plain(value, env), "pii", lambda steps: charge(env, steps))


def secrets(env: Facets, value: Any) -> list[str]:
    """The detectors of secrets that hit in a value."""
    return hits(plain(value, env), "secrets", lambda steps: charge(env, steps))


def _view(env: Facets, name: str, text: str, option: str) -> _View:
    key = (name, text, option)
    known = env.facets.get(key)
    if known is None:
        charge(env, _PARSING + 4 * len(text))
        known = env.facets[key] = _parsed(name, text, option)
    return known


@lru_cache(maxsize=256)
def _parsed(name: str, text: str, option: str) -> _View:
    """Parse a text; screening, authorising and several guards ask for the same one."""
    module = plugin("wardline.facets", name)
    if module is None:
        raise EvaluationError(f"what brings `{name}` is no longer installed")
    parse: Callable[..., _View] = module.view
    view = parse(text, option) if option else parse(text)
    fields = VIEWS[name]
    if set(view) != set(fields) or any(
        type(view[field]) is not _KINDS[kind.kind] for field, kind in fields.items()
    ):
        raise EvaluationError(f"what brings `{name}` gave a view of another shape")
    return view
