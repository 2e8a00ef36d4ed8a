"""What is known of a run: kept in the run's own context, so that it survives a restart with it."""

from __future__ import annotations

from collections import OrderedDict
from contextvars import ContextVar
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final

from wardline.adapters import Place

if TYPE_CHECKING:
    from wardline import Guard

__all__ = ["FRAMEWORK", "Turn", "current", "delegated", "load", "opened", "save"]

FRAMEWORK: Final = "llama-index"

_KEY: Final = "wardline"
_HELD: Final = 1024  # runs whose sessions are held here; the guard opens others again by their ids

_places: OrderedDict[str, Place] = OrderedDict()


class Turn:
    """Where a run stands: its place, the context of the workflow, and what the next answer is called.

    `next` is the place of the agent to which the conversation has been handed over, `refusal` why there
    is no answer to what the user said, `released` the last answer that was judged, `refused` the calls
    that no event may show.
    """

    def __init__(self, guard: Guard, kept: dict[str, Any]) -> None:
        self.kept = kept
        self.place = _place(guard, kept["place"])

    @property
    def name(self) -> str:
        """What the calls of the current answer of the model are called by; models reuse their ids."""
        return f"{self.kept['key']}.{self.kept['answers']}"


current: ContextVar[tuple[Turn, Any] | None] = ContextVar("wardline_llama_index_turn", default=None)
"""The turn that the calling code belongs to, and the context of its workflow."""


delegated: ContextVar[int] = ContextVar("wardline_llama_index_delegated", default=0)
"""The identity of the agent to which a delegation has been authorised already."""


def opened(place: Place) -> dict[str, Any]:
    """Return what is kept of a run that starts at `place`."""
    return {
        "place": dict(place.ids),
        "key": token_hex(6),
        "answers": 0,
        "next": None,
        "refusal": "",
        "released": "",
        "refused": [],
    }


async def load(guard: Guard, ctx: Any) -> Turn | None:
    """Return what is known of the run of `ctx`, None where nothing is."""
    kept = await ctx.store.get(_KEY, default=None)
    return Turn(guard, dict(kept)) if kept else None


async def save(ctx: Any, kept: dict[str, Any]) -> None:
    """Keep what is known of a run."""
    await ctx.store.set(_KEY, kept)


def _place(guard: Guard, ids: Any) -> Place:
    """Return a place by its ids; the guard forgets a session that nobody holds."""
    key = f"{id(guard)}/{ids['session']}/{ids['run']}/{'/'.join(ids['agents'])}"
    place = _places.get(key)
    if place is None or place.guard is not guard:
        place = Place(guard, FRAMEWORK, ids)
        _places[key] = place
        if len(_places) > _HELD:
            _places.popitem(last=False)
    return place
