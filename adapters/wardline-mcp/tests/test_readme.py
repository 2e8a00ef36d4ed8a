"""The README's first lines, run as they stand."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
POLICY = """
apiVersion: wardline/v1
name: p
default_action: allow
rules: [{name: keep, tool: delete_file, action: deny}]
"""


def blocks():
    return re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


def test_the_first_lines_do_what_they_say(tmp_path, monkeypatch, play):
    monkeypatch.chdir(tmp_path)
    Path("policy.yaml").write_text(POLICY)
    client, server = blocks()
    names: dict = {}
    exec(server, names)
    deleted = []

    @names["server"].tool()
    def delete_file(path: str) -> str:
        deleted.append(path)
        return "gone"

    for target in (names["server"], plain(deleted)):
        start = client.replace('"http://localhost:8000/mcp"', "target")
        body = "async def run():\n" + textwrap.indent(start + "return result", "    ")
        here = {"target": target}
        exec(body, here)
        result = play(here["run"])
        assert result.is_error
        assert "refused by the rule `keep`" in result.content[0].text
    assert deleted == []


def plain(deleted):
    from mcp.server.mcpserver import MCPServer

    server = MCPServer("plain")

    @server.tool()
    def delete_file(path: str) -> str:
        deleted.append(path)
        return "gone"

    return server


def test_every_option_of_the_command_is_spelled_as_it_is(capsys):
    pytest.importorskip("wardline_cli", reason="the command is an extra of its own")
    from wardline_cli.main import main

    assert main(["mcp", "proxy", "--help"]) == 0
    said = capsys.readouterr().out
    for option in re.findall(r"--[a-z-]{3,}", README.read_text()):
        assert option in said, option
