"""Tools of an MCP server over stdio."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from toyagents.tools import Tool

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

__all__ = ["Server"]


class Server:
    """An MCP server in a process of its own; a context manager."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - the command is the application's
            list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._asked = 0
        self._ask("initialize", {"protocolVersion": "2025-06-18", "capabilities": {}})

    def _ask(self, method: str, params: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._asked += 1
        request = {"jsonrpc": "2.0", "id": self._asked, "method": method, "params": params}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())["result"]

    def tools(self) -> list[Tool]:
        """Return the server's tools."""
        return [self._tool(one) for one in self._ask("tools/list", {})["tools"]]

    def _tool(self, said: dict[str, Any]) -> Tool:
        def function(**args: Any) -> str:
            found = self._ask("tools/call", {"name": said["name"], "arguments": args})
            return "".join(one["text"] for one in found["content"])

        return Tool(said["name"], said["description"], function, schema=said["inputSchema"])

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait(10)
