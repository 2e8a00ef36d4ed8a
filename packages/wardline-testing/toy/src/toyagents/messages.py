"""What models, tools and people say to one another."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toyagents.runs import Context
    from toyagents.tools import Tool

__all__ = ["Answer", "Call", "Event", "Message", "Request", "ToolRequest"]


@dataclass
class Call:
    """A tool call of a model."""

    name: str
    args: dict[str, Any]
    id: str


@dataclass
class Answer:
    """An answer of a model: text, calls of one batch, or the name of the agent to hand over to."""

    text: str = ""
    calls: list[Call] = field(default_factory=list)
    hand_over: str = ""
    tokens: int = 0
    id: str = ""


@dataclass
class Message:
    """One line of a conversation; `error` marks the result of a call that did not succeed."""

    role: str
    text: str = ""
    calls: list[Call] = field(default_factory=list)
    call_id: str = ""
    error: bool = False
    id: str = ""

    def dump(self) -> dict[str, Any]:
        """Return it as JSON can carry it."""
        return asdict(self)

    @classmethod
    def load(cls, said: Mapping[str, Any]) -> Message:
        """Return the message that `dump` wrote."""
        return cls(**{**said, "calls": [Call(**one) for one in said["calls"]]})


@dataclass
class Request:
    """What a model is asked; with `hold`, a stream gives out nothing before the hooks have seen it."""

    context: Context
    messages: list[Message]
    tools: list[Tool]
    hosted: tuple[str, ...] = ()
    hold: bool = False


@dataclass
class ToolRequest:
    """A tool that is to run; `answer` is the id of the model's answer, `resume` what a run goes on with."""

    context: Context
    tool: Tool
    call: Call
    answer: str
    resume: Any = None


@dataclass
class Event:
    """One item of a stream: of kind `text`, `call`, `result` or `final`."""

    kind: str
    text: str
