"""Retrieval: what is asked for, and what of it may enter the model's context."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import PrivateAttr

from wardline import ConfigurationError, Permit
from wardline.adapters import Adapter, Call, Way, now
from wardline_langgraph._governor import ASYNC, SYNC, Policy, governor
from wardline_langgraph._place import place_of, suspending_here

if TYPE_CHECKING:
    from langchain_core.callbacks import CallbackManagerForRetrieverRun

    from wardline import Guard

__all__ = ["GovernedRetriever"]


class GovernedRetriever(BaseRetriever):
    """A retriever in front of `retriever` that asks before each query and judges what comes back.

    `guard` is a `Guard`, or what one is made from. Rules match the retriever's `name`, or its class's
    where it has none. A refused query raises its `ActionRefused`.
    """

    retriever: BaseRetriever
    _adapter: Adapter = PrivateAttr()

    def __init__(self, retriever: BaseRetriever, guard: Policy, **fields: Any) -> None:
        name = fields.pop("name", None) or retriever.name or type(retriever).__name__
        super().__init__(retriever=retriever, name=name, **fields)  # type: ignore[call-arg]
        self._adapter = governor(guard)

    @property
    def guard(self) -> Guard:
        """The guard that decides here."""
        return self._adapter.guard

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002 - the name is LangChain's
    ) -> list[Document]:
        return now(self._judged(SYNC, query))

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: Any,  # noqa: ARG002
    ) -> list[Document]:
        return await self._judged(ASYNC, query)

    async def _judged(self, way: Way, query: str) -> list[Document]:
        def run(args: dict[str, Any], _: Permit) -> Any:
            ask = self.retriever.ainvoke if way.loop else self.retriever.invoke
            return ask(args["query"], {"callbacks": []})  # nobody hears what is not judged yet

        name = str(self.name)
        with self.guard.refusing("retrieval", name):
            place = await place_of(self._adapter, way)
        found: list[Document] = await self._adapter.act(
            way,
            place,
            Call(name, {"query": query}),
            run,
            kind="retrieval",
            result=_Documents,
            suspend=suspending_here(),
        )
        return found


class _Documents:
    """Documents, of which rules read the texts."""

    failed = ""

    def __init__(self, raw: list[Document]) -> None:
        self._raw = raw
        self.content: Any = [one.page_content for one in raw]

    def released(self, content: Any) -> list[Document]:
        """Return the documents with their released texts; a changed one loses its metadata."""
        if not isinstance(content, list) or len(content) != len(self._raw):
            raise ConfigurationError(
                "a rule made something else of a list of documents; nothing is released"
            )
        return [
            document if text == document.page_content else Document(str(text), id=document.id)
            for document, text in zip(self._raw, content, strict=True)
        ]
