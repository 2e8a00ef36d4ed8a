"""`wardline mcp proxy` as programs meet it: real processes, pipes, ports and signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError

from wardline.ledger import read, verify

POLICY = """
apiVersion: wardline/v1
name: p
default_action: allow
rules: [{name: no-drop, tool: drop, action: deny, reason: never}]
"""
SERVER = [sys.executable, str(Path(__file__).with_name("served.py"))]
HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


@pytest.fixture
def command(tmp_path):
    """Return the command of a proxy with state of its own."""
    (tmp_path / "policy.yaml").write_text(POLICY)

    def make(*options, server=SERVER):
        return [
            *(sys.executable, "-m", "wardline_cli", "mcp", "proxy"),
            *("--policy", str(tmp_path / "policy.yaml"), "--home", str(tmp_path / "home")),
            *options,
            *(["--", *server] if server else []),
        ]

    return make


class Wire:
    """A program that speaks lines of JSON, as a client sees it."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.seen = []

    def send(self, method, params=None, id=None):
        message = {"jsonrpc": "2.0", "method": method}
        if id is not None:
            message["id"] = id
        if params is not None:
            message["params"] = params
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def answer(self, id):
        while line := self.process.stdout.readline():
            message = json.loads(line)
            if "method" not in message and message.get("id") == id:
                return message
            self.seen.append(message)
        raise EOFError(self.process.stderr.read())

    def ask(self, method, params=None, id=1):
        self.send(method, params, id)
        return self.answer(id)

    def hello(self):
        answer = self.ask("initialize", HELLO, id="h")
        self.send("notifications/initialized")
        return answer

    def call(self, tool, **arguments):
        return self.ask("tools/call", {"name": tool, "arguments": arguments}, id="c")

    def end(self):
        self.process.stdin.close()
        code = self.process.wait(10)
        said = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return code, said

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait(10)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()


HARMLESS = [
    ("ping", None),
    ("tools/list", {}),
    ("prompts/list", {}),
    ("resources/list", {}),
    ("resources/templates/list", {}),
    ("prompts/get", {"name": "greet", "arguments": {"who": "Ada"}}),
    ("resources/read", {"uri": "notes://a"}),
    ("tools/call", {"name": "add", "arguments": {"a": 1}}),
    ("tools/call", {"name": "add", "arguments": {"a": "x"}}),
    ("resources/read", {"uri": "notes://none"}),
    ("logging/setLevel", {"level": "info"}),
]


def test_MCP_7_what_is_harmless_or_allowed_passes_as_it_is(command, tmp_path):
    def heard(wire):
        answers = [wire.hello()]
        answers += [
            wire.ask(method, params, id=f"q{number}")
            for number, (method, params) in enumerate(HARMLESS)
        ]
        wire.send("notifications/cancelled", {"requestId": "nothing"})
        return [*answers, wire.ask("ping", id=7)]

    with Wire(SERVER) as plain, Wire(command()) as proxied:
        assert heard(proxied) == heard(plain)
        assert proxied.ask("nothing/known", {}, id=8)["error"]["code"] == -32040
        assert proxied.call("drop", table="users")["result"] == {
            "content": [
                {
                    "type": "text",
                    "text": "`drop` was not run: refused by the rule `no-drop`: never.",
                }
            ],
            "isError": True,
        }
        assert proxied.end()[0] == 0
    assert verify(tmp_path / "home" / "ledger").ok
    statuses = [
        one.fields["status"] for one in read(tmp_path / "home" / "ledger") if one.type == "outcome"
    ]
    assert statuses.count("failed") == 2
    assert set(statuses) == {"succeeded", "failed"}


def hanging(wire, tmp_path):
    """Start a call that does not end, and return once the tool runs."""
    mark = tmp_path / "mark"
    wire.hello()
    wire.send(
        "tools/call",
        {"name": "hang", "arguments": {"mark": str(mark)}, "_meta": {"progressToken": "p"}},
        id="x",
    )
    for _ in range(200):
        if mark.exists():
            return
        time.sleep(0.05)
    raise TimeoutError("the tool did not start")


def outcomes(home):
    return [one.fields["status"] for one in read(home / "ledger") if one.type == "outcome"]


def test_AUD_7_what_a_killed_proxy_let_through_can_be_proved(command, tmp_path):
    with Wire(command()) as wire:
        hanging(wire, tmp_path)
        wire.process.send_signal(signal.SIGKILL)
        wire.process.wait(10)
    home = tmp_path / "home"
    assert verify(home / "ledger").ok
    intents = [one.fields["name"] for one in read(home / "ledger") if one.type == "intent"]
    assert intents == ["hang"]
    assert outcomes(home) == []


@pytest.mark.parametrize("how", ["signal", "cancelled", "gone"])
def test_a_call_that_is_given_up_has_an_unknown_end(command, tmp_path, how):
    with Wire(command()) as wire:
        hanging(wire, tmp_path)
        if how == "signal":
            wire.process.send_signal(signal.SIGTERM)
            assert wire.process.wait(10) == 0
        elif how == "cancelled":
            wire.send("notifications/cancelled", {"requestId": "x"})
            assert wire.ask("ping", id=9)["result"] == {}
            assert wire.end()[0] == 0
        else:
            assert wire.end()[0] == 0
        progress = [one["params"] for one in wire.seen if one["method"] == "notifications/progress"]
    if how == "cancelled":
        assert progress == [
            {"progressToken": "p", "progress": 1.0, "total": 2.0, "message": "begun"}
        ]
    assert outcomes(tmp_path / "home") == ["unknown"]
    assert verify(tmp_path / "home" / "ledger").ok


def test_a_server_that_dies_is_said_to_have(command, tmp_path):
    with Wire(command()) as wire:
        wire.hello()
        assert wire.call("die")["error"] == {"code": -32000, "message": "Connection closed"}
        assert wire.process.wait(10) == 1
        assert "wardline mcp proxy: the server has gone\n" in wire.process.stderr.read()
    assert outcomes(tmp_path / "home") == ["unknown"]


@pytest.mark.parametrize(
    ("options", "server", "says"),
    [
        ((), ("/no/such/program",), "No such file or directory: '/no/such/program'"),
        (("--url", "http://127.0.0.1:1/mcp"), (), "connection attempts failed"),
    ],
)
def test_a_server_that_is_not_there_is_named(command, options, server, says):
    with Wire(command(*options, server=server)) as wire:
        wire.send("initialize", HELLO, id="h")
        assert wire.process.wait(20) == 1
        said = wire.process.stderr.read()
    assert "the server cannot be started or reached" in said
    assert says in said
    assert "Traceback" not in said


@pytest.fixture
def served(command, tmp_path):
    """A proxy that serves HTTP; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = open(tmp_path / "said", "w")
    process = subprocess.Popen(command("--http", f"127.0.0.1:{port}"), stdout=said, stderr=said)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        process.wait(10)
        said.close()


def test_clients_over_http_each_get_a_server(served, play, tmp_path):
    import httpx2

    async def run():
        # A client of a later version is told so, and uses the handshake.
        async with Client(served) as one, Client(served, mode="legacy") as other:
            assert one.protocol_version == "2025-11-25"
            for client in (one, other):
                assert (await client.call_tool("drop", {"table": "users"})).is_error
                assert (await client.call_tool("add", {"a": 1})).structured_content == {"result": 3}
            with pytest.raises(MCPError, match="Connection closed"):
                await one.call_tool("die", {})
            assert not (await other.call_tool("add", {"a": 2})).is_error
        async with httpx2.AsyncClient() as client:
            lost = await client.post(served, headers={"mcp-session-id": "0" * 32}, json={})
            assert lost.status_code == 404
            strange = await client.post(served, headers={"host": "evil.example"}, json={})
            assert strange.status_code in {400, 403, 421}

    play(run)
    sessions = {
        one.fields["session"] for one in read(tmp_path / "home" / "ledger") if one.type == "intent"
    }
    assert len(sessions) == 2


@pytest.mark.parametrize(
    ("options", "server", "says"),
    [
        ((), (), "either a command after `--`, or --url"),
        (("--url", "http://127.0.0.1:1/mcp"), SERVER, "either a command after `--`, or --url"),
        (("--approver", "alice"), SERVER, "as in ops=os:alice"),
        (("--http", "8080"), SERVER, "as in 127.0.0.1:8080"),
        (
            ("--url", "http://x/mcp", "--bearer", "NO_SUCH_TOKEN"),
            (),
            "the environment has no NO_SUCH",
        ),
    ],
)
def test_a_command_line_that_means_nothing_is_explained(command, capsys, options, server, says):
    from wardline_cli.main import main

    assert main(command(*options, server=server)[3:]) == 1
    assert says in " ".join(capsys.readouterr().err.split())
    assert "NO_SUCH_TOKEN" not in os.environ
