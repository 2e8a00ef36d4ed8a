"""A small MCP server over stdio: `python mcp_server.py FILE`.

Its tools `mcp_pay(to)` and `mcp_shell(command)` write a line into FILE, which is how the kit learns what
really ran. Standard library alone, so that no framework's own MCP package is asked about itself.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["command", "main"]

_TOOLS = {"mcp_pay": ("Pay somebody.", "to"), "mcp_shell": ("Run a command.", "command")}
_LATEST = "2025-06-18"


def command(file: Path) -> tuple[str, ...]:
    """Return the command that starts the server, with `file` as its mark."""
    return (sys.executable, __file__, str(file))  # clients start servers in a bare environment


def main(file: Path) -> None:
    """Answer requests, one line each, until there are no more."""
    for line in sys.stdin:
        if not line.strip():
            continue
        request = json.loads(line)
        if "id" not in request:
            continue  # a notification
        answer = {"jsonrpc": "2.0", "id": request["id"], **_answer(file, request)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _answer(file: Path, request: dict[str, Any]) -> dict[str, Any]:
    params = request.get("params") or {}
    match request["method"]:
        case "initialize":
            result: dict[str, Any] = {
                "protocolVersion": params.get("protocolVersion", _LATEST),
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "kit", "version": "1.0"},
            }
        case "tools/list":
            result = {"tools": [_described(name) for name in _TOOLS]}
        case "tools/call":
            said = f"{params['name']} {json.dumps(params.get('arguments') or {}, sort_keys=True)}"
            with file.open("a") as mark:
                mark.write(f"{said}\n")
            result = {"content": [{"type": "text", "text": f"did {said}"}], "isError": False}
        case "ping":
            result = {}
        case _:
            return {"error": {"code": -32601, "message": f"no method {request['method']}"}}
    return {"result": result}


def _described(name: str) -> dict[str, Any]:
    sentence, argument = _TOOLS[name]
    schema = {
        "type": "object",
        "properties": {argument: {"type": "string"}},
        "required": [argument],
    }
    return {"name": name, "description": sentence, "inputSchema": schema}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
