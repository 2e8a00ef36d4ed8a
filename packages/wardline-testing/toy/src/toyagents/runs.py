"""One run: its state, how it is kept, and what came of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from toyagents.messages import Message

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from toyagents.messages import Event

__all__ = ["Context", "Refused", "Run", "Suspend"]


class Suspend(Exception):
    """Raised by a hook around a tool: the run is kept, and goes on when somebody has answered."""

    def __init__(self, question: dict[str, Any]) -> None:
        super().__init__(str(question))
        self.question = question


class Refused(Exception):
    """Raised by a hook around a tool: the model is told why it did not run, and nothing is retried."""


@dataclass
class Context:
    """What a run knows; hooks keep in `state` what has to survive a suspension."""

    agent: str
    thread: str
    id: str = field(default_factory=lambda: uuid4().hex)
    messages: list[Message] = field(default_factory=list)
    pending: dict[str, str] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)
    local: dict[Any, Any] = field(default_factory=dict)
    emit: Callable[[Event], None] | None = None

    def save(self, folder: Path, questions: list[dict[str, Any]]) -> None:
        """Keep a run that is suspended."""
        kept = {
            "agent": self.agent,
            "id": self.id,
            "thread": self.thread,
            "messages": [one.dump() for one in self.messages],
            "pending": self.pending,
            "state": self.state,
            "questions": questions,
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.thread}.json").write_text(json.dumps(kept))

    @classmethod
    def load(cls, folder: Path, thread: str) -> Context:
        """Return the run that `save` kept."""
        kept = json.loads((folder / f"{thread}.json").read_text())
        kept.pop("questions")
        messages = [Message.load(one) for one in kept.pop("messages")]
        return cls(**kept, messages=messages)


@dataclass
class Run:
    """What came of a run; `questions` where it waits for answers."""

    final: str
    messages: list[Message]
    questions: list[dict[str, Any]] = field(default_factory=list)

    @property
    def suspended(self) -> bool:
        """Whether it waits for answers."""
        return bool(self.questions)

    @property
    def errors(self) -> dict[str, str]:
        """The calls that were answered with an error, by id."""
        return {one.call_id: one.text for one in self.messages if one.role == "tool" and one.error}
