"""What a server or a client has, governed or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp.client import Client
from mcp.client.session import ClientSession
from mcp.server import Server
from mcp.server.mcpserver import MCPServer

from wardline_mcp import _client, _server
from wardline_mcp._transport import GovernedTransport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline.adapters import Covered

__all__ = ["coverage"]


def coverage(root: Any) -> Sequence[Covered]:
    """Return every tool, prompt and resource of a server, or that a client can reach.

    What a client can reach is known as far as its server has listed it. Anything that is neither
    server nor client has none.
    """
    if isinstance(root, MCPServer | Server):
        return _server.covered(root)
    if isinstance(root, Client) and isinstance(root.server, GovernedTransport):
        return _client.listed(root.server.governor)
    if isinstance(root, Client | ClientSession):
        return _client.covered(root)
    return ()
