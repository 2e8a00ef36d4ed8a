"""What came of one run, as the framework reports it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["RunReport"]


@dataclass(frozen=True, slots=True)
class RunReport:
    """The end of a run.

    `final` is the text that the caller gets. `refused` maps the id of each call that the framework's
    own transcript answers with an error to the text of that answer. `stream` is everything that a
    consumer of the stream could read, in order, as text. `suspended` is what the framework needs to go
    on with this run in another process, as JSON can carry it, and None where it has ended; `questions`
    are then what the framework shows to the person who answers, one mapping each, as the adapter made
    them.
    """

    final: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)
    stream: Sequence[str] = ()
    suspended: Any = None
    questions: Sequence[Mapping[str, Any]] = ()
