"""Governed memory and knowledge: what an agent remembers, recalls and looks up."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from crewai.knowledge.knowledge import Knowledge
from crewai.memory.memory_scope import MemoryScope, MemorySlice
from crewai.memory.unified_memory import Memory
from pydantic import PrivateAttr

from wardline import ActionRefused, ConfigurationError
from wardline.adapters import Plain, Way, now
from wardline_crewai._models import GovernedModel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crewai.llms.base_llm import BaseLLM
    from crewai.memory.types import MemoryMatch

    from wardline_crewai._governor import Governor

__all__ = [
    "GovernedKnowledge",
    "GovernedMemory",
    "Matches",
    "Snippets",
    "governed_memory",
    "knowledge_name",
]

_NAME = "memory"


class Matches:
    """What memory recalled: rules read the texts."""

    failed = ""

    def __init__(self, raw: Sequence[MemoryMatch]) -> None:
        self._raw = list(raw)
        self.content: Any = [one.record.content for one in self._raw]

    def released(self, content: Any) -> list[MemoryMatch]:
        """Return the matches with `content` as their texts; nothing else of them then says more."""
        return [
            one.model_copy(
                update={
                    "record": one.record.model_copy(
                        update={"content": text, "metadata": {}, "embedding": None}
                    )
                }
            )
            for one, text in zip(self._raw, _texts(content, len(self._raw)), strict=True)
        ]


class Snippets:
    """What knowledge found: rules read the texts."""

    failed = ""

    def __init__(self, raw: Sequence[dict[str, Any]]) -> None:
        self._raw = list(raw or ())
        self.content: Any = [one.get("content", "") for one in self._raw]

    def released(self, content: Any) -> list[dict[str, Any]]:
        """Return the snippets with `content` as their texts."""
        return [
            {**one, "content": text, "metadata": {}}
            for one, text in zip(self._raw, _texts(content, len(self._raw)), strict=True)
        ]


def _texts(content: Any, count: int) -> list[str]:
    if isinstance(content, list) and len(content) == count:
        return [str(text) for text in content]
    raise ConfigurationError("a rule made something else of a list of texts; nothing is released")


def knowledge_name(knowledge: Knowledge) -> str:
    """Return the name of a collection."""
    name = knowledge.collection_name or getattr(knowledge.storage, "collection_name", None)
    return str(name or "knowledge")


def _asked(query: list[str], final: str) -> list[str]:
    """Return the queries, or the one that a rule has made of them."""
    return query if final == "\n".join(query) else [final]


class GovernedMemory(Memory):
    """The methods of a memory that the guard stands in front of.

    A refusal is raised to whoever called, be it a tool, the application or CrewAI, which goes on without
    what it did not get.
    """

    _governor: Any = PrivateAttr(default=None)

    @property
    def _llm(self) -> BaseLLM:
        """The model that takes texts apart, governed as well."""
        model: BaseLLM = self._governor.twin(super()._llm, GovernedModel)
        return model

    def remember(self, content: str, *args: Any, **kwargs: Any) -> Any:
        """Authorise a write, and write."""
        write = super().remember

        def body(final: dict[str, Any]) -> Any:
            return write(final["text"], *args, **kwargs)

        return self._write("remember", body, text=content, scope=kwargs.get("scope"))

    def remember_many(self, contents: list[str], *args: Any, **kwargs: Any) -> list[Any]:
        """Authorise each write by itself, and write those that may be; raise the first refusal.

        They are written one after the other, and not in the background, so that what is recorded of
        them is what came of them.
        """
        found: list[Any] = []
        refused: list[ActionRefused] = []
        for content in contents:
            try:
                found.append(self.remember(content, *args, **kwargs))
            except ActionRefused as refusal:
                refused.append(refusal)
        if refused:
            raise refused[0]
        return found

    def update(self, record_id: str, content: str | None = None, *args: Any, **kwargs: Any) -> Any:
        """Authorise a change, and change."""
        change = super().update

        def body(final: dict[str, Any]) -> Any:
            return change(final["record"], final["text"] or None, *args, **kwargs)

        return self._write("update", body, record=record_id, text=content or "")

    def forget(self, *args: Any, **kwargs: Any) -> Any:
        """Authorise that records go, and delete them."""
        delete = super().forget
        scope = kwargs.get("scope") or (args[0] if args else None)
        return self._write("forget", lambda _: delete(*args, **kwargs), text="", scope=scope)

    def reset(self, scope: str | None = None) -> None:
        """Authorise that everything goes, and delete it."""
        delete = super().reset
        self._write("reset", lambda _: delete(scope), text="", scope=scope)

    def reset_all(self) -> None:
        """Authorise that everything goes, in every scope, and delete it."""
        delete = super().reset_all
        self._write("reset", lambda _: delete(), text="")

    def recall(self, query: str, *args: Any, **kwargs: Any) -> Any:
        """Authorise a read, and judge what it brings."""
        read = super().recall
        return now(
            self._governor.step(
                Way(loop=False),
                "memory_read",
                _NAME,
                {"query": query, "scope": kwargs.get("scope")},
                lambda final: read(final["query"], *args, **kwargs),
                Matches,
            )
        )

    def _write(self, operation: str, body: Callable[[dict[str, Any]], Any], **args: Any) -> Any:
        return now(
            self._governor.step(
                Way(loop=False),
                "memory_write",
                _NAME,
                {"operation": operation, **args},
                body,
                _Written,
            )
        )


class _Written(Plain):
    """What a write returns is for the caller; rules read that it came."""

    def __init__(self, raw: Any) -> None:
        super().__init__(raw)
        self._raw = raw
        self.content = None

    def released(self, content: Any) -> Any:  # noqa: ARG002 - the signature is that of all results
        """Return what the memory returned."""
        return self._raw


class GovernedKnowledge(Knowledge):
    """The methods of knowledge that the guard stands in front of."""

    _governor: Any = PrivateAttr(default=None)

    def query(self, query: list[str], *args: Any, **kwargs: Any) -> Any:
        """Authorise a look-up, and judge what it finds."""
        search = super().query
        return now(
            self._governor.step(
                Way(loop=False),
                "retrieval",
                knowledge_name(self),
                {"query": "\n".join(query)},
                lambda final: search(_asked(query, final["query"]), *args, **kwargs),
                Snippets,
            )
        )

    async def aquery(self, query: list[str], *args: Any, **kwargs: Any) -> Any:
        """Do the same inside an event loop."""
        search = super().aquery

        return await self._governor.step(
            Way(loop=True),
            "retrieval",
            knowledge_name(self),
            {"query": "\n".join(query)},
            lambda final: search(_asked(query, final["query"]), *args, **kwargs),
            Snippets,
        )


def governed_memory(memory: Any, governor: Governor) -> Any:
    """Return a memory, or a view of one, that is governed; None and the like as they are.

    Raises `ConfigurationError` for a memory of another make.
    """
    if memory is None or isinstance(memory, bool):
        return memory
    if isinstance(memory, Memory):
        return governor.twin(memory, GovernedMemory)
    if isinstance(memory, MemoryScope | MemorySlice):
        view = copy.copy(memory)
        view._memory = governed_memory(memory._memory, governor)
        return view
    raise ConfigurationError(
        f"a memory that is a {type(memory).__name__} cannot be governed; use crewai's Memory with a "
        "storage of your own"
    )
