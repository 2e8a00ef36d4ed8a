"""What adapters are made of: everything between a framework's event and the guard.

An adapter maps: it says which event of its framework is which action, and what a refusal looks like
there. What comes in between is the same for all of them and stands here. The usual shape is

::

    adapter = Adapter("Haystack", guard, KINDS)
    place = Place.open(adapter.guard, "haystack", session=thread, agent=name)
    refused = await adapter.screen(way, place, calls)           # the calls of one model answer
    result = await adapter.act(way, place, call, body)          # one of them, as it starts

where `way` is `Way(loop=True)` in a hook that is awaited, and `Way(loop=False)` in one that is not; the
latter runs by `now(hook(...))`.
"""

from __future__ import annotations

from wardline.adapters.adapter import Adapter
from wardline.adapters.approvals import Suspend, Suspended, asked
from wardline.adapters.calls import Call
from wardline.adapters.coverage import Covered, referred
from wardline.adapters.place import Caller, Ids, Place
from wardline.adapters.results import Plain, Result, ToolFailedError
from wardline.adapters.runs import Memory, Runs
from wardline.adapters.schemas import is_plain, plain, received, settled
from wardline.adapters.seams import Attached, beneath, put_before
from wardline.adapters.tickets import Ticket, Tickets, same
from wardline.adapters.versions import require_proved
from wardline.adapters.way import Way, now

__all__ = [
    "Adapter",
    "Attached",
    "Call",
    "Caller",
    "Covered",
    "Ids",
    "Memory",
    "Place",
    "Plain",
    "Result",
    "Runs",
    "Suspend",
    "Suspended",
    "Ticket",
    "Tickets",
    "ToolFailedError",
    "Way",
    "asked",
    "beneath",
    "is_plain",
    "now",
    "plain",
    "put_before",
    "received",
    "referred",
    "require_proved",
    "same",
    "settled",
]
