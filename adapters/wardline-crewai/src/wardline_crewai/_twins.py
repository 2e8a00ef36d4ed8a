"""Objects of CrewAI that become governed ones of the same class.

CrewAI asks what class an agent, a model or a memory has, copies it and takes it apart, so nothing may
stand in its place: it gets a subclass of its own class, which has other methods in front.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["become"]

M = TypeVar("M", bound="BaseModel")


@cache
def _derived(cls: Any, methods: Any) -> Any:
    """Return the class that `cls` is with `methods` in front."""
    return type(cls)(cls.__name__, (methods, cls), {"__module__": cls.__module__})


def become(one: M, methods: Any, governor: Any) -> M:
    """Put `methods` in front of those of `one`, and `governor` behind them."""
    if not isinstance(one, methods):
        object.__setattr__(one, "__class__", _derived(type(one), methods))
    if one.__pydantic_private__ is None:
        object.__setattr__(one, "__pydantic_private__", {})
    object.__setattr__(
        one, "__pydantic_private__", {**(one.__pydantic_private__ or {}), "_governor": governor}
    )
    return one
