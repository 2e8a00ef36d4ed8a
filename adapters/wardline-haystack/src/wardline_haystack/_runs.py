"""One run of a governed agent: where it belongs, what its model asked for, what stopped it."""

from __future__ import annotations

from contextvars import ContextVar
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from haystack.components.agents import State
    from haystack.dataclasses import ToolCall
    from haystack.tools.tool import Tool

    from wardline import ActionRefused
    from wardline.adapters import Place
    from wardline_haystack._governor import Governor
    from wardline_haystack._streams import Stream

__all__ = ["APPROVAL", "CONTEXT", "REFUSED", "Asked", "Run", "calling", "current"]

CONTEXT: Final = "wardline"
"""The key of this adapter in Haystack's `hook_context`, and in the meta of a message that waits."""

APPROVAL: Final = "approval_required"
REFUSED: Final = "refused"

current: ContextVar[Run | None] = ContextVar("wardline_haystack_run", default=None)
"""The governed run that the calling code belongs to."""

calling: ContextVar[str] = ContextVar("wardline_haystack_calling", default="")
"""The name of the tool that an agent starts in, which names the agent."""


class Asked:
    """One call of the model: its id in the session, and what became of it so far."""

    __slots__ = ("call", "id", "position", "question", "refusal", "taken")

    def __init__(self, call: ToolCall, id: str, position: int = 0) -> None:
        self.call = call
        self.id = id
        self.position = position
        self.refusal: ActionRefused | None = None
        self.question: Mapping[str, Any] | None = None
        self.taken = False


class Run:
    """What the hooks of one run know. It belongs to one `State`, which Haystack makes anew each time."""

    def __init__(self, governor: Governor, state: State, place: Place) -> None:
        self.governor = governor
        self.state = state
        self.place = place
        self.nested = bool(place.ids["parent"])
        self.asked: list[Asked] = []
        self.tools: list[Tool] = []
        self.stream: Stream | None = None
        self.refusal: ActionRefused | None = None
        self.answers: dict[str, Mapping[str, Any]] = {}
        self._key = token_hex(6)
        self._step = 0

    def next(self, calls: Sequence[ToolCall]) -> list[Asked]:
        """Return the calls of the next answer with an id each. Models use ids like "1" again and again."""
        self._step += 1
        return [
            Asked(one, f"{self._key}.{self._step}.{number}/{one.id or ''}", number)
            for number, one in enumerate(calls)
        ]

    @property
    def suspends(self) -> bool:
        """Whether a question ends this run; inside of another run nobody could resume it."""
        return self.governor.suspends and not self.nested

    def of(self, tool: str, args: Mapping[str, Any]) -> Asked | None:
        """Return the call of the model that this start of a tool is for, and take it.

        Haystack does not say. The call whose arguments are all here, and most of them, is it; of equal
        ones any. Where something has rewritten the arguments, it is the next call of that tool.
        """
        open_ = [one for one in self.asked if not one.taken and one.call.tool_name == tool]
        exact = [one for one in open_ if _holds(args, one.call.arguments)]
        found = max(exact or open_[:1], key=lambda one: len(one.call.arguments), default=None)
        if found is not None:
            found.taken = True
        return found

    def has(self, tool: str) -> bool:
        """Whether what runs under the name `tool` in this step is governed."""
        return any(one.name == tool and self.governor.made(one) for one in self.tools)


def _holds(args: Mapping[str, Any], some: Mapping[str, Any]) -> bool:
    return all(key in args and args[key] == value for key, value in some.items())
