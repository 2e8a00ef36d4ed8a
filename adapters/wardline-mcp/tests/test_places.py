"""Servers over HTTP, servers without the convenient class, and sessions without a client around them."""

from __future__ import annotations

import socket
import threading
import time

import pytest
import uvicorn
from mcp.client import Client
from mcp.client.session import ClientSession
from mcp.server import Server
from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError
from mcp.shared.memory import create_client_server_memory_streams
from mcp.types import CallToolResult, ListToolsResult, TextContent, Tool

from wardline_mcp import coverage, govern_client, govern_server

NO_DROP = "rules: [{name: no-drop, tool: drop, action: deny}]"


@pytest.fixture
def served():
    """Serve an application on a port of this machine; yields a function that does it."""
    running = []

    def serve(app):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = uvicorn.Config(app, port=port, log_level="error", timeout_graceful_shutdown=1)
        server = uvicorn.Server(settings)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        running.append((server, thread))
        end = time.monotonic() + 10
        while not server.started and time.monotonic() < end:
            time.sleep(0.02)
        return f"http://127.0.0.1:{port}/mcp"

    yield serve
    for server, thread in running:
        server.should_exit = True
        thread.join(10)


def test_a_session_over_http_is_the_protocol_s_own(house, play, served):
    server = govern_server(house.server(), house.guard(NO_DROP))
    url = served(server.streamable_http_app())

    async def run(era):
        async with Client(url, mode=era) as client:
            assert (await client.call_tool("drop", {"table": "users"})).is_error
            for one in range(2):
                assert not (await client.call_tool("add", {"a": one})).is_error

    play(lambda: run("legacy"))
    play(lambda: run("legacy"))
    shaken = [one["session"] for one in house.records("intent")]
    assert len(set(shaken)) == 2
    assert shaken == sorted(shaken, key=shaken.index)
    assert all(one.startswith("mcp-") for one in shaken)
    play(lambda: run("auto"))
    # Without a handshake nothing says which requests belong together.
    assert len({one["session"] for one in house.records("intent")[4:]}) == 2


def test_a_server_that_is_made_of_handlers_is_governed(house, play, era):
    async def list_tools(ctx, params):
        schema = {"type": "object", "properties": {"table": {"type": "string", "default": "temp"}}}
        return ListToolsResult(tools=[Tool(name="drop", input_schema=schema)])

    async def call_tool(ctx, params):
        house.ran.append(params.arguments)
        return CallToolResult(content=[TextContent(type="text", text="dropped")])

    guard = house.guard(
        "tools: {drop: {args: {table: string}}}\n"
        "rules: [{name: users, tool: drop, condition: \"args.table == 'users'\", action: deny}]"
    )
    server = govern_server(Server("low", on_list_tools=list_tools, on_call_tool=call_tool), guard)

    async def run():
        async with Client(server, mode=era) as client:
            assert (await client.call_tool("drop", {"table": "users"})).is_error
            assert not (await client.call_tool("drop", {})).is_error

    play(run)
    assert house.ran == [{"table": "temp"}]
    assert [one.name for one in coverage(server) if one.governed] == ["tools/call"]


def test_a_handler_that_comes_later_serves_nobody(house, play):
    from mcp.types import CallToolRequestParams

    async def call_tool(ctx, params):
        house.ran.append(params.name)
        return CallToolResult(content=[])

    server = govern_server(Server("late"), house.guard())
    server.add_request_handler("tools/call", CallToolRequestParams, call_tool)

    async def run():
        async with Client(server) as client:
            with pytest.raises(MCPError, match="registered after govern_server"):
                await client.call_tool("drop", {})

    play(run)
    assert house.ran == []


def test_a_body_finds_what_was_judged_wherever_it_looks(house, play):
    server = house.server()

    @server.tool()
    async def peek(table: str, ctx: Context) -> str:
        return str(ctx.request_context.params["arguments"])

    guard = house.guard(
        "tools: {peek: {args: {table: string}}}\n"
        "rules: [{name: t, tool: peek, action: transform, set: {args.table: '\"temp\"'}}]"
    )
    govern_server(server, guard)

    async def run():
        async with Client(server) as client:
            result = await client.call_tool("peek", {"table": "users"})
            assert result.content[0].text == "{'table': 'temp'}"

    play(run)


def test_an_argument_that_a_rule_adds_and_the_body_would_not_get_is_refused(house, play):
    server = house.server()
    guard = house.guard(
        "tools: {drop: {args: {table: string}}}\n"
        "rules: [{name: more, tool: drop, action: transform, set: {args.limit: '5'}}]"
    )
    govern_server(server, guard)

    async def run():
        async with Client(server) as client:
            result = await client.call_tool("drop", {"table": "users"})
            assert result.is_error
            assert "declare them in the tool" in result.content[0].text

    play(run)
    assert house.ran == []


def test_a_session_without_a_client_is_governed(house, play):
    import anyio

    server = house.server()._lowlevel_server

    async def run():
        async with create_client_server_memory_streams() as (ours, theirs):
            async with anyio.create_task_group() as group:
                group.start_soon(server.run, *theirs, server.create_initialization_options())
                session = govern_client(ClientSession(*ours), house.guard(NO_DROP), server="things")
                async with session:
                    await session.initialize()
                    assert (await session.call_tool("drop", {"table": "x"})).is_error
                    assert not (await session.call_tool("add", {"a": 1})).is_error
                    assert {one.owner for one in coverage(session)} == {"things"}
                group.cancel_scope.cancel()

    play(run)
    assert house.ran == [("add", 1, 2)]


def test_a_server_that_cannot_say_what_it_has_gets_no_calls(house, play):
    async def list_tools(ctx, params):
        raise MCPError(code=-32603, message="out of order")

    async def call_tool(ctx, params):
        house.ran.append(params.name)
        return CallToolResult(content=[])

    server = Server("mute", on_list_tools=list_tools, on_call_tool=call_tool)

    async def run():
        async with govern_client(Client(server), house.guard()) as client:
            refused = await client.call_tool("drop", {})
            assert "out of order" in refused.content[0].text

    play(run)
    assert house.ran == []
