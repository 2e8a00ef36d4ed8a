"""A server in a process of its own: plain, or governed as its arguments say."""

from __future__ import annotations

import asyncio
import os
import sys

from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("things")


@server.tool()
def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def drop(table: str) -> str:
    """Drop a table."""
    return f"dropped {table}"


@server.tool()
async def hang(mark: str, ctx: Context) -> str:
    """Leave a mark and never return."""
    await ctx.report_progress(1, 2, "begun")
    with open(mark, "w") as file:
        file.write("started")
    await asyncio.sleep(600)
    return "slept"


@server.tool()
def die() -> str:
    """End the process in the middle of a call."""
    os._exit(3)


@server.resource("notes://a")
def note() -> str:
    """Return a note."""
    return "a note"


@server.prompt()
def greet(who: str) -> str:
    """Greet somebody."""
    return f"Say hello to {who}."


if __name__ == "__main__":
    if sys.argv[1:2] == ["governed"]:
        from wardline import Guard
        from wardline_mcp import govern_server

        guard = Guard(sys.argv[2], home=sys.argv[3], principal="billing")
        govern_server(server, guard, trust_context="trust" in sys.argv)
    server.run()
