"""The guard's boundary: where foreign code and broken machinery stop being exceptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["caught"]

R = TypeVar("R")


def caught(fn: Callable[..., R], *args: Any) -> tuple[R, None] | tuple[None, Exception]:
    """Call `fn` and return its result, or the error that it raised, for the caller to act on."""
    try:
        return fn(*args), None
    except Exception as error:  # noqa: BLE001 - this is the boundary
        return None, error
