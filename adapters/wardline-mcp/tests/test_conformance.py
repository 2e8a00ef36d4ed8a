"""The conformance kit, for a guard at the client, at the server, and on the wire between them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from mcp.client import Client
from mcp.client._memory import InMemoryTransport
from mcp.server.mcpserver import MCPServer

from wardline_mcp import KINDS, coverage, govern_client, govern_server, govern_transport
from wardline_testing import Denial, Never, ProtocolConformance, RunReport, Scene

NO_HOOKS = "a client has no hooks, and what a server does with a call is its own affair"


class Calls:
    """Builds a server of the scene's tools, and is its client."""

    adapter = "wardline-mcp"
    framework = "mcp"
    distributions = ("mcp",)
    kinds = KINDS
    paths = ("async",)
    gaps: ClassVar = {
        "test_coverage_names_the_ungoverned": Never("the guard stands before all tools of a server")
    }
    era = "auto"

    def _client(self, scene: Scene, server: MCPServer) -> Client:
        raise NotImplementedError

    def _connect(self, scene: Scene) -> tuple[MCPServer, Client]:
        server = MCPServer("kit")
        for tool in scene.agent.tools:
            server.add_tool(tool.coroutine, name=tool.name, description=tool.description)
        if scene.guard is None:
            return server, Client(server, mode=self.era)
        return server, self._client(scene, server)

    async def run(self, scene: Scene) -> RunReport:
        said: list[str] = []
        refused: dict[str, str] = {}
        _, connected = self._connect(scene)
        async with connected as client:
            while not (say := scene.speak("root", said)).final:
                for call in say.calls:
                    result = await client.call_tool(call.tool, dict(call.args))
                    text = "\n".join(getattr(one, "text", "") for one in result.content)
                    said.append(text)
                    if result.is_error:
                        refused[call.id] = text
        return RunReport(final="\n".join([*said, say.text]), refused=refused)

    async def coverage(self, scene: Scene) -> Any:
        _, connected = self._connect(scene)
        async with connected as client:
            await client.list_tools()
            return coverage(client)


class TestClient(Calls, ProtocolConformance):
    """A client of a server that knows nothing of Wardline."""

    denials: ClassVar = {"message": Denial.REFUSED, "raise": Denial.WRAPPED}
    no_rewriter = NO_HOOKS

    def _client(self, scene: Scene, server: MCPServer) -> Client:
        return govern_client(
            Client(server, mode=self.era), scene.guard, server="kit", on_denied=scene.on_denied
        )


class TestClientWithHandshake(TestClient):
    """The same in the protocol's versions with a handshake."""

    era = "legacy"


class TestServer(Calls, ProtocolConformance):
    """A server whose clients know nothing of Wardline."""

    denials: ClassVar = {"message": Denial.REFUSED, "raise": Denial.WRAPPED}

    def _client(self, scene: Scene, server: MCPServer) -> Client:
        govern_server(server, scene.guard, name="kit", on_denied=scene.on_denied)
        if (rewriter := scene.rewriter) is not None:

            async def rewrite(ctx: Any, call_next: Any) -> Any:
                if ctx.method == "tools/call":
                    args = rewriter(ctx.params["name"], ctx.params["arguments"])
                    ctx = replace(ctx, params={**ctx.params, "arguments": args})
                return await call_next(ctx)

            server.middleware.append(rewrite)
        return Client(server, mode=self.era)

    async def coverage(self, scene: Scene) -> Any:
        server, _ = self._connect(scene)
        return coverage(server)


class TestServerWithHandshake(TestServer):
    """The same in the protocol's versions with a handshake."""

    denials: ClassVar = {"message": Denial.REFUSED}
    era = "legacy"


class TestProxy(Calls, ProtocolConformance):
    """Neither knows: the guard is on the wire."""

    no_rewriter = NO_HOOKS

    def _client(self, scene: Scene, server: MCPServer) -> Client:
        transport = govern_transport(InMemoryTransport(server), scene.guard, server="kit")
        return Client(transport, mode=self.era)


class TestProxyWithHandshake(TestProxy):
    """The same in the protocol's versions with a handshake."""

    era = "legacy"
