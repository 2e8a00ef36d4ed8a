"""What a condition reads, and the shape of what evaluates it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime

    from wardline.symlinks import SymbolicLinks

__all__ = ["Activation", "Frame", "Run"]


class Activation(Protocol):
    """What a condition reads: the attributes of one decision.

    All but `budget` are only read. Fields of the maps that are not known are absent.
    """

    budget: int

    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def stage(self) -> str: ...  # noqa: D102
    @property
    def type(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def framework(self) -> str: ...  # noqa: D102
    @property
    def call_id(self) -> str: ...  # noqa: D102
    @property
    def fingerprint(self) -> str: ...  # noqa: D102
    @property
    def args(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def result(self) -> Any: ...  # noqa: D102
    @property
    def error(self) -> Any: ...  # noqa: D102
    @property
    def duration_ms(self) -> Any: ...  # noqa: D102
    @property
    def principal(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def session(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def run(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def tool(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def now(self) -> datetime: ...  # noqa: D102
    @property
    def facets(self) -> dict[tuple[str, str, str], dict[str, Any]]: ...  # noqa: D102
    @property
    def links(self) -> SymbolicLinks | None: ...  # noqa: D102


Frame: TypeAlias = list[Any]
"""The values of macro variables, by slot."""

Run: TypeAlias = Callable[[Any, Frame], Any]
"""A node that is ready to be evaluated: a function of an `Activation` and the frame."""
