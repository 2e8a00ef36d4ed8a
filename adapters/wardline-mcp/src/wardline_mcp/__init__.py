"""Wardline for the Model Context Protocol.

::

    from wardline_mcp import govern_client, govern_server

    client = govern_client(Client("https://example.com/mcp"), "policy.yaml")
    server = govern_server(MCPServer("files"), "policy.yaml")

and for programs that nobody can change: `wardline mcp proxy --policy policy.yaml -- python server.py`.
"""

from __future__ import annotations

from wardline.adapters import require_proved

require_proved("wardline-mcp", {"mcp": ((2, 3), (2, 3))})

from wardline_mcp._client import govern_client  # noqa: E402
from wardline_mcp._coverage import coverage  # noqa: E402
from wardline_mcp._governor import KINDS  # noqa: E402
from wardline_mcp._server import govern_server  # noqa: E402
from wardline_mcp._transport import govern_transport  # noqa: E402

__all__ = [
    "KINDS",
    "coverage",
    "framework",
    "govern_client",
    "govern_server",
    "govern_transport",
]

framework = "mcp"
"""The distribution whose version `wardline doctor` shows."""
