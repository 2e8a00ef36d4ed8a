"""Memory and artifacts: what an agent remembers across conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.adk.artifacts.base_artifact_service import BaseArtifactService
from google.adk.memory.base_memory_service import BaseMemoryService, SearchMemoryResponse
from google.genai import types

from wardline import ConfigurationError
from wardline.adapters import Call, Place, Plain, Way
from wardline_google_adk._models import text_of
from wardline_google_adk._place import FRAMEWORK, conversation, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from google.adk.agents.invocation_context import InvocationContext
    from google.adk.memory.memory_entry import MemoryEntry

    from wardline.adapters import Adapter, Result

__all__ = ["GovernedArtifacts", "GovernedMemory"]

_LOOP = Way(loop=True)


class _Governed:
    """A service of ADK behind a guard; `context` is the run it is used in, None outside any."""

    def __init__(
        self, adapter: Adapter, service: Any, context: InvocationContext | None = None
    ) -> None:
        self._adapter = adapter
        self._service = service
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._service, name)

    def _place(self, session: str = "") -> Place:
        guard = self._adapter.guard
        if place := Place.here(guard, FRAMEWORK):
            return place
        if self._context is not None:
            return place_of(guard, self._context)
        return Place.open(guard, FRAMEWORK, session=session)

    def _unchanged(self, args: dict[str, Any], text: str) -> None:
        """Refuse to write another text than the one that was judged."""
        if args["text"] != text:
            with self._adapter.guard.refusing("memory_write", type(self._service).__name__):
                raise ConfigurationError(
                    "a rule changes the text, and this service would still write the one before; deny "
                    "it, or write single entries by add_memory"
                )

    async def _judge(
        self,
        kind: str,
        args: dict[str, Any],
        body: Callable[[dict[str, Any]], Any],
        *,
        session: str = "",
        result: Callable[[Any], Result] = Plain,
    ) -> Any:
        name = type(self._service).__name__
        with self._adapter.guard.refusing(kind, name):
            place = self._place(session)
        return await self._adapter.act(
            _LOOP, place, Call(name, args), lambda judged, _: body(judged), kind=kind, result=result
        )


class GovernedMemory(_Governed, BaseMemoryService):
    """A memory service whose reads and writes are judged.

    The plugin puts it in front of the runner's own during each run. Put it there yourself for what your
    code writes outside a run.
    """

    async def add_session_to_memory(self, session: Any) -> None:
        """Write a whole conversation, if that may be."""
        text = "\n".join(filter(None, (text_of(one.content) for one in session.events)))
        where = conversation(session.app_name, session.user_id, session.id)

        async def write(args: dict[str, Any]) -> None:
            self._unchanged(args, text)
            await self._service.add_session_to_memory(session)

        await self._judge("memory_write", {"text": text}, write, session=where)

    async def add_events_to_memory(self, *, events: Sequence[Any], **more: Any) -> None:
        """Write some events, if that may be."""
        text = "\n".join(filter(None, (text_of(one.content) for one in events)))

        async def write(args: dict[str, Any]) -> None:
            self._unchanged(args, text)
            await self._service.add_events_to_memory(events=events, **more)

        await self._judge("memory_write", {"text": text}, write)

    async def add_memory(self, *, memories: Sequence[MemoryEntry], **more: Any) -> None:
        """Write entries, if that may be."""
        text = "\n".join(text_of(one.content) for one in memories)

        async def write(args: dict[str, Any]) -> None:
            kept = list(memories)
            if len(kept) == 1:
                kept = [_with(kept[0], args["text"])]
            else:
                self._unchanged(args, text)
            await self._service.add_memory(memories=kept, **more)

        await self._judge("memory_write", {"text": text}, write)

    async def search_memory(self, *, app_name: str, user_id: str, query: str) -> Any:
        """Read, if that may be, what of it may be seen."""

        async def read(args: dict[str, Any]) -> Any:
            return await self._service.search_memory(
                app_name=app_name, user_id=user_id, query=args["query"]
            )

        return await self._judge("memory_read", {"query": query}, read, result=_Memories)

    async def delete_memory(self, *, memory_id: str | None = None, **more: Any) -> None:
        """Delete an entry, if that may be."""

        async def delete(args: dict[str, Any]) -> None:
            await self._service.delete_memory(memory_id=args["delete"], **more)

        await self._judge("memory_write", {"text": "", "delete": memory_id}, delete)


class GovernedArtifacts(_Governed, BaseArtifactService):
    """An artifact service whose reads and writes are judged."""

    async def save_artifact(self, *, filename: str, artifact: Any, **more: Any) -> Any:
        """Write an artifact, if that may be."""
        text = (artifact.text if isinstance(artifact, types.Part) else artifact.get("text")) or ""

        async def write(args: dict[str, Any]) -> Any:
            self._unchanged(args, text)
            return await self._service.save_artifact(
                filename=args["filename"], artifact=artifact, **more
            )

        return await self._judge("memory_write", {"filename": filename, "text": text}, write)

    async def load_artifact(self, *, filename: str, **more: Any) -> Any:
        """Read an artifact, if that may be, what of it may be seen."""

        async def read(args: dict[str, Any]) -> Any:
            return await self._service.load_artifact(filename=args["filename"], **more)

        return await self._judge(
            "memory_read", {"filename": filename, "query": filename}, read, result=_Artifact
        )

    async def delete_artifact(self, *, filename: str, **more: Any) -> None:
        """Delete an artifact, if that may be."""

        async def delete(args: dict[str, Any]) -> None:
            await self._service.delete_artifact(filename=args["delete"], **more)

        await self._judge("memory_write", {"text": "", "delete": filename}, delete)

    # Names and versions, no content

    async def list_artifact_keys(self, **where: Any) -> Any:
        """Return the names of the artifacts."""
        return await self._service.list_artifact_keys(**where)

    async def list_versions(self, **where: Any) -> Any:
        """Return the versions of an artifact."""
        return await self._service.list_versions(**where)

    async def list_artifact_versions(self, **where: Any) -> Any:
        """Return what is known about the versions of an artifact."""
        return await self._service.list_artifact_versions(**where)

    async def get_artifact_version(self, **where: Any) -> Any:
        """Return what is known about a version of an artifact."""
        return await self._service.get_artifact_version(**where)


def _with(entry: Any, text: str) -> Any:
    """Return a memory entry that says `text`."""
    if text == text_of(entry.content):
        return entry
    content = types.Content(role=entry.content.role, parts=[types.Part(text=text)])
    return entry.model_copy(update={"content": content})


class _Memories:
    """What a search of the memory found: a list of texts."""

    failed = ""

    def __init__(self, raw: SearchMemoryResponse) -> None:
        self._raw = raw
        self.content: Any = [text_of(one.content) for one in raw.memories]

    def released(self, content: Any) -> SearchMemoryResponse:
        """Return the entries with the texts of `content`; raises `ConfigurationError` for fewer."""
        if not isinstance(content, list) or len(content) != len(self._raw.memories):
            raise ConfigurationError("what a memory holds stays a list of as many texts")
        pairs = zip(self._raw.memories, content, strict=True)
        return SearchMemoryResponse(memories=[_with(one, str(text)) for one, text in pairs])


class _Artifact:
    """An artifact: its text, or what it is of."""

    failed = ""

    def __init__(self, raw: types.Part | None) -> None:
        blob = raw.inline_data if raw else None
        self.content: Any = (raw.text or (blob.mime_type if blob else "") or "") if raw else None

    def released(self, content: Any) -> types.Part:
        """Return an artifact with `content` as its text."""
        return types.Part(text=str(content))
