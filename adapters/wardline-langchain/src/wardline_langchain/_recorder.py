"""A record of what happens where nothing governs. It decides nothing."""

# ruff: noqa: ARG002 - LangChain calls the hooks by the names of their parameters

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from langchain_core.callbacks import BaseCallbackHandler

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from wardline import Guard

__all__ = ["RecordOnlyHandler"]


class RecordOnlyHandler(BaseCallbackHandler):
    """Notes the calls of tools, models and retrievers in the guard's ledger. It cannot block anything.

    For code that cannot be governed yet: pass it as `config={"callbacks": [RecordOnlyHandler(guard)]}`.
    The policy is not asked, nothing is refused, limits do not count, and the notes say so. They say what
    was called, when it started and how it ended, and not with what. LangChain goes on when a note cannot
    be written, and logs that. What is governed has decisions on record, and needs this not.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._names: dict[UUID, tuple[str, str]] = {}

    def _started(self, kind: str, name: str, run_id: UUID) -> None:
        self._names[run_id] = (kind, name)
        self._note("started", kind, name, run_id)

    def _ended(self, event: Literal["ended", "failed"], run_id: UUID, **fields: str) -> None:
        kind, name = self._names.pop(run_id, ("", ""))
        if kind:
            self._note(event, kind, name, run_id, **fields)

    def _note(self, event: str, kind: str, name: str, run_id: UUID, **fields: str) -> None:
        what = f"{kind} `{name}` {event}; nobody was asked about it"
        self._guard.note(
            what,
            event=event,
            kind=kind,
            name=name,
            framework="langchain",
            call=str(run_id),
            **fields,
        )

    def on_tool_start(
        self, serialized: Mapping[str, Any] | None, input_str: str, *, run_id: UUID, **kwargs: Any
    ) -> None:
        """Note that a tool starts."""
        self._started("tool_call", _name(serialized, kwargs), run_id)

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Note that it ended."""
        self._ended("ended", run_id)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Note that it failed."""
        self._ended("failed", run_id, error=type(error).__name__)

    def on_chat_model_start(
        self, serialized: Mapping[str, Any] | None, messages: Any, *, run_id: UUID, **kwargs: Any
    ) -> None:
        """Note that a chat model is asked."""
        self._started("model_call", _name(serialized, kwargs), run_id)

    def on_llm_start(
        self, serialized: Mapping[str, Any] | None, prompts: Any, *, run_id: UUID, **kwargs: Any
    ) -> None:
        """Note that a completion model is asked."""
        self._started("model_call", _name(serialized, kwargs), run_id)

    def on_llm_end(self, response: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Note that a model has answered."""
        self._ended("ended", run_id)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Note that a model failed."""
        self._ended("failed", run_id, error=type(error).__name__)

    def on_retriever_start(
        self, serialized: Mapping[str, Any] | None, query: str, *, run_id: UUID, **kwargs: Any
    ) -> None:
        """Note that a retriever is queried."""
        self._started("retrieval", _name(serialized, kwargs), run_id)

    def on_retriever_end(self, documents: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Note that a retriever has answered."""
        self._ended("ended", run_id)

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Note that a retriever failed."""
        self._ended("failed", run_id, error=type(error).__name__)


def _name(serialized: Mapping[str, Any] | None, more: Mapping[str, Any]) -> str:
    """Return the name under which LangChain tells of a call."""
    found = serialized or {}
    last = (found.get("id") or [""])[-1]
    return str(found.get("name") or more.get("name") or last or "unnamed")
