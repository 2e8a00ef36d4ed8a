"""The SDK's sessions: what an agent remembers of a conversation, and writes down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wardline import ConfigurationError
from wardline.adapters import Adapter, Call, Place, Way
from wardline_openai_agents._flow import current
from wardline_openai_agents._items import readable, reworded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline import Guard, Permit

__all__ = ["GovernedMemory"]

_LOOP = Way(loop=True)
_KINDS = ("memory_read", "memory_write")


class GovernedMemory:
    """A session of the SDK whose items are judged as they are written and as they are read.

    `inner` is the session, `guard` that of the agent. The name of the action is that of the session's
    class. Every item is a `memory_write` of its own, and nothing is written of items of which one is
    refused beforehand. Refusals are raised, because a conversation with holes is none.
    """

    def __init__(self, inner: Any, guard: Guard | Adapter) -> None:
        self.inner = inner
        if not isinstance(guard, Adapter):
            guard = Adapter("OpenAI Agents", guard, guard.policies.kinds() | frozenset(_KINDS))
        self._adapter = guard
        self._name = type(inner).__name__

    @property
    def session_id(self) -> str:
        """The id of the conversation."""
        return str(self.inner.session_id)

    @property
    def session_settings(self) -> Any:
        """How the SDK reads the conversation."""
        return getattr(self.inner, "session_settings", None)

    @session_settings.setter
    def session_settings(self, settings: Any) -> None:
        self.inner.session_settings = settings

    async def get_items(self, limit: int | None = None) -> list[Any]:
        """Return what is remembered, as far as it is released."""

        async def body(_: dict[str, Any], __: Permit) -> list[Any]:
            items: list[Any] = await self.inner.get_items(limit)
            return items

        call = Call(self._name, {"query": "", "session": self.session_id})
        found: list[Any] = await self._adapter.act(
            _LOOP, self._place(), call, body, kind="memory_read", result=_Remembered
        )
        return found

    async def add_items(self, items: Sequence[Any]) -> None:
        """Write items down."""
        place = self._place()
        calls = [self._write(item) for item in items]
        verdicts = await self._adapter.screen(_LOOP, place, calls, kind="memory_write")
        for refused in verdicts:
            if refused is not None:
                raise refused
        for item, call in zip(items, calls, strict=True):
            await self._add(place, item, call)

    def _write(self, item: Any) -> Call:
        said = readable(item)
        args = {"text": said["text"], "type": said["type"], "session": self.session_id}
        return Call(self._name, args)

    async def _add(self, place: Place, item: Any, call: Call) -> None:
        async def body(args: dict[str, Any], _: Permit) -> None:
            changed = args["text"] != call.args["text"]
            await self.inner.add_items([reworded(item, args["text"]) if changed else item])

        await self._adapter.act(_LOOP, place, call, body, kind="memory_write")

    async def pop_item(self) -> Any:
        """Take back what was written last."""
        return await self.inner.pop_item()

    async def clear_session(self) -> None:
        """Forget everything."""
        await self.inner.clear_session()

    def _place(self) -> Place:
        guard = self._adapter.guard
        flow = current()
        if flow is not None and flow.adapter.guard is guard:
            return flow.place
        inside = Place.here(guard, "openai-agents")
        return inside or Place.open(guard, "openai-agents", session=self.session_id)


class _Remembered:
    """Items of a conversation, which rules read as a list of texts."""

    failed = ""

    def __init__(self, items: Sequence[Any]) -> None:
        self.items = items
        self.content = [readable(item)["text"] for item in items]

    def released(self, content: Any) -> list[Any]:
        """Return the items with what was released of their texts.

        Raises `ConfigurationError` where nobody could say which text belongs to which.
        """
        if not isinstance(content, list) or len(content) != len(self.items):
            raise ConfigurationError("a rule changed how many texts were remembered")
        return [
            item if text == said else reworded(item, text)
            for item, said, text in zip(self.items, self.content, content, strict=True)
        ]
