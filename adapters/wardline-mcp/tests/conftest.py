"""A world for each test: a server whose tools leave a mark, and guards with a state of their own."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp.client._memory import InMemoryTransport
from mcp.server.mcpserver import Context, MCPServer
from mcp.types import CallToolResult, TextContent

from wardline import Guard, MemoryStore, parse_policies
from wardline.ledger import Ledger, read
from wardline_mcp import govern_client, govern_server, govern_transport

HEAD = "apiVersion: wardline/v1\nname: p\ndefault_action: allow\napprovers: [os:alice]\n"
SIDES = ("client", "server", "proxy")
ERAS = ("legacy", "auto")


class House:
    """Guards over one ledger, what they wrote, and what the tools did."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ran: list[Any] = []
        self._open: list[Guard] = []

    def guard(self, body: str = "", **settings: Any) -> Guard:
        """Return a guard that allows what `body` does not forbid."""
        settings.setdefault("store", MemoryStore())
        settings.setdefault("ledger", Ledger(self.path / "ledger"))
        guard = Guard(parse_policies(HEAD + textwrap.dedent(body)), **settings)
        self._open.append(guard)
        return guard

    def records(self, *types: str) -> list[dict[str, Any]]:
        found = [dict(record.fields) for record in read(self.path / "ledger")]
        return [one for one in found if not types or one["type"] in types]

    def statuses(self) -> list[str]:
        return [one["status"] for one in self.records("outcome")]

    def server(self, name: str = "things") -> MCPServer:
        """Return a server with tools, a prompt and resources."""
        server, ran = MCPServer(name), self.ran

        @server.tool()
        def drop(table: str) -> str:
            """Drop a table."""
            ran.append(("drop", table))
            return f"dropped {table}"

        @server.tool()
        def add(a: int, b: int = 2) -> int:
            """Add two numbers."""
            ran.append(("add", a, b))
            return a + b

        @server.tool()
        async def look(ctx: Context) -> str:
            """Look somebody up, and say so while looking."""
            ran.append("look")
            await ctx.report_progress(1, 2, "alice@example.com")
            return "it is alice@example.com"

        @server.tool()
        def fail() -> str:
            """Fail."""
            raise OSError("no such thing")

        @server.tool()
        def pictures() -> CallToolResult:
            """Return text and structured content that differ."""
            text = TextContent(type="text", text="for alice@example.com")
            return CallToolResult(content=[text], structured_content={"to": "bob@example.com"})

        @server.resource("notes://{name}")
        def note(name: str) -> str:
            """Return a note."""
            ran.append(("note", name))
            return f"{name}: alice@example.com"

        @server.prompt()
        def greet(who: str) -> str:
            """Greet somebody."""
            ran.append(("greet", who))
            return f"Say hello to {who}."

        return server

    def connect(
        self, side: str, guard: Guard, server: Any, era: str = "auto", **options: Any
    ) -> AbstractAsyncContextManager[Client]:
        """Return a client of `server` with the guard on one side of the wire, or in the middle."""
        settings = {
            name: options.pop(name)
            for name in ("on_denied", "prefix", "answers_as", "timeout", "harmless", "server_name")
            if name in options
        }
        if side == "client":
            return govern_client(Client(server, mode=era, **options), guard, **settings)
        if side == "server":
            govern_server(server, guard, **settings)
            return Client(server, mode=era, **options)
        transport = govern_transport(InMemoryTransport(server), guard, **settings)
        return Client(transport, mode=era, **options)

    def close(self) -> None:
        for guard in self._open:
            guard.ledger.close()
            guard.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


@pytest.fixture
def play() -> Callable[..., Any]:
    """Run a test's coroutine function, for a minute at most: a hang is a failure."""

    def run(make: Callable[[], Any]) -> Any:
        async def bounded() -> Any:
            with anyio.fail_after(60):
                return await make()

        return anyio.run(bounded)

    return run


@pytest.fixture(params=SIDES)
def side(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def text(result: Any) -> str:
    """Return the text of a tool's result."""
    return "\n".join(one.text for one in result.content)
