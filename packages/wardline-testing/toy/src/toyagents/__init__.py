"""A small agent framework: everything that the conformance kit asks of one, and nothing of Wardline.

It exists so that the kit can be tested with adapters that are wrong on purpose. Its agents run with and
without an event loop and as a stream, call the tools of one answer at the same time, call one another
and hand over, keep their conversations in files, and let hooks wrap models and tools.
"""

from __future__ import annotations

from toyagents.agents import Agent, HandOff
from toyagents.hooks import Hook
from toyagents.mcp import Server
from toyagents.messages import Answer, Call, Event, Message, Request, ToolRequest
from toyagents.runs import Context, Refused, Run, Suspend
from toyagents.shelves import Memory, Retriever
from toyagents.tools import Tool, UnknownToolError

__all__ = [
    "Agent",
    "Answer",
    "Call",
    "Context",
    "Event",
    "HandOff",
    "Hook",
    "Memory",
    "Message",
    "Refused",
    "Request",
    "Retriever",
    "Run",
    "Server",
    "Suspend",
    "Tool",
    "ToolRequest",
    "UnknownToolError",
]
