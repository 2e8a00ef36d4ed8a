"""Two guards on one store, in two processes: what the client's says of a call reaches the server's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken

from wardline import Guard, Principal
from wardline.ledger import read, verify
from wardline_mcp import govern_client, govern_server

POLICY = """
apiVersion: wardline/v1
name: shared
default_action: allow
limits: [{name: few, count: tool_calls, at_most: 3, per: session}]
rules: [{name: no-mallory, agent: mallory, action: deny}]
"""
SERVER = Path(__file__).with_name("served.py")


@pytest.mark.parametrize("trust", [True, False])
def test_MCP_7_limits_count_together_and_the_chain_arrives(tmp_path, play, trust):
    policy, home = tmp_path / "policy.yaml", tmp_path / "home"
    policy.write_text(POLICY)
    bot = Principal("alice/bot", "bot", chain=("alice",))
    options = ["trust"] if trust else []
    command = [str(SERVER), "governed", str(policy), str(home), *options]

    async def run(guard):
        stdio = StdioServerParameters(command=sys.executable, args=command)
        client = govern_client(Client(stdio), guard, share_context=True)
        async with client:
            with guard.session("talk"), guard.session("talk").run("task"):
                answers = [await client.call_tool("add", {"a": one}) for one in range(2)]
        return [one.is_error for one in answers]

    with Guard(policy, home=home, principal=bot) as guard:
        errors = play(lambda: run(guard))
    records = [record.fields for record in read(home / "ledger")]
    acts = [one for one in records if one["type"] in {"intent", "refusal"}]
    served = [one for one in acts if one["principal"]["id"] != "alice/bot" or "/" in one["session"]]
    if trust:
        # Each call counts where it is sent and where it is served: the fourth is one too many.
        assert errors == [False, True]
        assert {one["rule"] for one in acts if one["type"] == "refusal"} == {"builtin:limits"}
        assert {one["session"] for one in served} == {"talk/things"}
        assert {one["run"] for one in served} == {"task"}
        assert all(one["principal"]["chain"] == ["alice"] for one in served)
        assert all(one["principal"]["id"] == "alice/bot" for one in served)
    else:
        assert errors == [False, False]
        assert {one["principal"]["id"] for one in served} == {"billing"}
        assert not any("talk" in one["session"] for one in served)
    assert verify(home / "ledger").ok


@pytest.mark.parametrize(
    "context",
    [
        "text",
        {},
        {"session": "s"},
        {"session": "s", "run": "r", "principal": {"id": "x", "chain": "y"}},
    ],
)
def test_a_claim_that_cannot_be_read_is_refused(house, play, context):
    server = govern_server(house.server(), house.guard(), trust_context=True)

    async def run():
        async with Client(server) as client:
            refused = await client.call_tool(
                "add", {"a": 1}, meta={"org.wardline/context": context}
            )
            assert refused.is_error
            assert not (await client.call_tool("add", {"a": 1})).is_error

    play(run)
    assert house.ran == [("add", 1, 2)]


@pytest.mark.parametrize("where", ["client", "proxy"])
def test_a_context_that_a_caller_made_up_goes_no_further(house, play, where):
    server = govern_server(house.server(), house.guard(principal="billing"), trust_context=True)
    claim = {"session": "s", "run": "r", "principal": {"id": "boss", "chain": []}}

    async def run():
        async with house.connect(where, house.guard(), server) as client:
            await client.call_tool("add", {"a": 1}, meta={"org.wardline/context": claim})

    play(run)
    assert {one["principal"]["id"] for one in house.records("intent")} == {"agent", "billing"}


def test_a_client_acts_as_whom_its_token_names_and_speaks_for_others_only_where_trusted(
    house, play
):
    guard = house.guard("rules: [{name: no, agent: mallory, action: deny}]")
    server = govern_server(house.server(), guard, trust_context=True)
    claim = {"session": "s", "run": "r", "principal": {"id": "alice/bot", "chain": ["alice"]}}

    async def run(subject):
        token = AccessToken(token="t", client_id="desk", scopes=["write"], subject=subject)
        auth_context_var.set(AuthenticatedUser(token))
        async with Client(server) as client:
            first = await client.call_tool("add", {"a": 1}, meta={"org.wardline/context": claim})
            return first.is_error, (await client.call_tool("add", {"a": 2})).is_error

    assert play(lambda: run("mallory")) == (True, True)
    assert play(lambda: run("bob")) == (False, False)
    claimed, plain = (one["principal"] for one in house.records("intent"))
    assert claimed["id"] == plain["id"] == "bob"
    assert claimed["chain"] == ["alice", "alice/bot"]
    assert "chain" not in plain
    assert plain["roles"] == ["write"]
    assert plain["assurance"] == "oauth"


def test_each_connection_is_a_session_of_its_own(house, play):
    limit = "limits: [{name: few, count: tool_calls, at_most: 1, per: session}]"
    server = govern_server(house.server(), house.guard(limit))

    async def run():
        async with Client(server, mode="legacy") as one, Client(server, mode="legacy") as other:
            assert not (await one.call_tool("add", {"a": 1})).is_error
            assert (await one.call_tool("add", {"a": 1})).is_error
            assert not (await other.call_tool("add", {"a": 1})).is_error

    play(run)


def test_ADPT_8_two_people_on_one_client_do_not_share_a_session(house, play):
    guard = house.guard("limits: [{name: few, count: tool_calls, at_most: 1, per: session}]")

    async def run():
        async with govern_client(Client(house.server()), guard) as client:
            for person in ("ann", "bob"):
                with guard.session(person):
                    assert not (await client.call_tool("add", {"a": 1})).is_error
            with guard.session("ann"):
                assert (await client.call_tool("add", {"a": 2})).is_error

    play(run)
    assert [one["session"] for one in house.records("intent")] == ["ann", "bob"]
