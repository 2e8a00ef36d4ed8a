"""One run of one agent: where its actions belong, and what was said of the last answer of its model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from agent_framework import Content

from wardline.adapters import Attached

if TYPE_CHECKING:
    from wardline import ActionRefused
    from wardline.adapters import Adapter, Place

__all__ = ["FRAMEWORK", "KEY", "Run", "refusal_content", "run_of"]

FRAMEWORK: Final = "agent-framework"

KEY: Final = "wardline"
"""The key under which we keep what is ours in properties of a content and in metadata."""


@dataclass(slots=True)
class Run:
    """What the gates of one run share; `agent` is its name.

    `refused` are the calls of the model's last answer that are refused, by their call ids, and
    `released` the final answers that have been judged. `inside` says that the run is part of another
    agent's action, from where nobody could be asked.
    """

    adapter: Adapter
    place: Place
    agent: str
    raises: bool
    inside: bool
    refused: dict[str, ActionRefused] = field(default_factory=dict)
    released: set[str] = field(default_factory=set)


_runs: Attached[Run] = Attached()


def run_of(thing: object, run: Run | None = None) -> Run | None:
    """Return the run that `thing`, an object of the framework, is of; make it `run` if given."""
    return _runs.find(thing) if run is None else _runs.attach(thing, run)


def refusal_content(refused: Exception, **more: Any) -> Content:
    """Return what a model reads in the place of what was refused."""
    ours = {KEY: {"refused": True, **more}}
    return Content.from_text(str(refused), additional_properties=ours)
