"""What a client asks of a server, wherever on the way the guard stands, in both eras of the protocol."""

from __future__ import annotations

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import ElicitResult

from wardline import ActionDenied, Operator, Reply
from wardline_mcp import coverage, govern_client, govern_server

NO_DROP = "rules: [{name: no-drop, tool: drop, action: deny, reason: never}]"
REDACT = """
rules:
  - name: hide
    on: [tool_call.after, retrieval.after]
    action: transform
    set: {result: "'GONE'"}
"""


def words(result):
    return "\n".join(one.text for one in result.content)


def test_MCP_7_a_denied_tool_never_runs_and_the_model_hears_why(house, play, side, era):
    guard, server = house.guard(NO_DROP), house.server()

    async def run():
        async with house.connect(side, guard, server, era) as client:
            refused = await client.call_tool("drop", {"table": "users"})
            assert refused.is_error
            assert "refused by the rule `no-drop`: never" in words(refused)
            allowed = await client.call_tool("add", {"a": 1})
            assert allowed.structured_content == {"result": 3}

    play(run)
    assert house.ran == [("add", 1, 2)]
    assert [one["name"] for one in house.records("refusal")] == ["drop"]
    assert [one["name"] for one in house.records("intent")] == ["add"]
    assert house.statuses() == ["succeeded"]


def test_a_denial_can_be_raised(house, play, side):
    guard, server = house.guard(NO_DROP), house.server()
    error = ActionDenied if side == "client" else MCPError

    async def run():
        async with house.connect(side, guard, server, on_denied="raise") as client:
            with pytest.raises(error, match="no-drop") as caught:
                await client.call_tool("drop", {"table": "users"})
            if side != "client":
                assert caught.value.code == -32040
                assert caught.value.data == {"rule": "no-drop"}

    play(run)
    assert house.ran == []


def test_a_server_judges_what_the_body_gets(house, play):
    guard = house.guard(
        "tools: {add: {args: {a: number, b: number}}}\n"
        "rules: [{name: small, tool: add, condition: 'args.a > 5 || args.b == 2', action: deny}]"
    )
    server = govern_server(house.server(), guard)

    async def run():
        async with house.connect("proxy", house.guard(), server) as client:
            assert (await client.call_tool("add", {"a": "9", "b": 1})).is_error
            assert (await client.call_tool("add", {"a": 1})).is_error
            assert not (await client.call_tool("add", {"a": "1", "b": "1"})).is_error
            assert (await client.call_tool("add", {"a": "x"})).is_error

    play(run)
    assert house.ran == [("add", 1, 1)]


def test_a_rule_changes_what_runs(house, play, side, era):
    guard = house.guard(
        "tools: {drop: {args: {table: string}}}\n"
        "rules: [{name: t, tool: drop, action: transform, set: {args.table: '\"temp\"'}}]"
    )

    async def run():
        async with house.connect(side, guard, house.server(), era) as client:
            assert words(await client.call_tool("drop", {"table": "users"})) == "dropped temp"

    play(run)
    assert house.ran == [("drop", "temp")]


def test_a_redacted_result_says_nothing_in_any_of_its_parts(house, play, side, era):
    told = []

    async def heard(progress, total, message):
        told.append(message)

    async def run():
        async with house.connect(side, house.guard(REDACT), house.server(), era) as client:
            looked = await client.call_tool("look", {}, progress_callback=heard)
            both = await client.call_tool("pictures", {})
            note = await client.read_resource("notes://a")
            for answer in (looked, both, note):
                assert "example.com" not in answer.model_dump_json(), answer

    play(run)
    if side != "server":
        assert told in ([], [None])


def test_results_of_every_form_are_judged_whole(house, play, side):
    guard = house.guard(
        "rules: [{name: w, on: tool_call.after, condition: 'string(action.result).contains(\"alice\")', action: deny}]"
    )

    async def run():
        async with house.connect(side, guard, house.server()) as client:
            withheld = await client.call_tool("look", {})
            assert withheld.is_error
            assert "alice" not in words(withheld)

    play(run)
    assert house.statuses() == ["withheld"]


def test_resources_and_prompts_are_retrieved_under_policy(house, play, side, era):
    guard = house.guard(
        "rules:\n"
        "- {name: secret, on: retrieval, condition: \"has(args.query) && args.query == 'notes://secret'\", action: deny}\n"
        "- {name: rude, on: retrieval, tool: greet, condition: \"has(args.arguments) && args.arguments.who == 'mallory'\", action: deny}"
    )
    error = ActionDenied if side == "client" else MCPError

    async def run():
        async with house.connect(side, guard, house.server(), era) as client:
            assert (await client.read_resource("notes://a")).contents[0].text.startswith("a:")
            assert (
                "Bob" in (await client.get_prompt("greet", {"who": "Bob"})).messages[0].content.text
            )
            with pytest.raises(error, match="secret"):
                await client.read_resource("notes://secret")
            with pytest.raises(error, match="rude"):
                await client.get_prompt("greet", {"who": "mallory"})

    play(run)
    assert house.ran == [("note", "a"), ("greet", "Bob")]


def test_a_name_that_no_list_has_is_refused(house, play, side, era):
    async def run():
        async with house.connect(side, house.guard(), house.server(), era) as client:
            refused = await client.call_tool("nothing", {})
            assert "no tool of this name is registered" in words(refused)

    play(run)
    assert [one["name"] for one in house.records("refusal")] == ["nothing"]


def test_an_error_of_the_tool_is_its_outcome(house, play, side, era):
    async def run():
        async with house.connect(side, house.guard(), house.server(), era) as client:
            assert (await client.call_tool("fail", {})).is_error

    play(run)
    assert house.statuses() == ["failed"]


def test_what_is_judged_twice_is_recorded_once_each(house, play):
    client_guard, server_guard = house.guard(), house.guard()
    server = govern_server(house.server(), server_guard)

    async def run():
        async with house.connect("client", client_guard, server) as client:
            await client.call_tool("add", {"a": 1})

    play(run)
    assert [one["name"] for one in house.records("intent")] == ["add", "add"]
    assert house.statuses() == ["succeeded", "succeeded"]


def test_APPR_6_an_approved_call_runs_once_when_it_is_sent_again(house, play, side):
    guard = house.guard("rules: [{name: ask, tool: drop, action: require_approval}]")
    server = house.server()

    async def run():
        async with house.connect(side, guard, server, "legacy") as client:
            pending = await client.call_tool("drop", {"table": "users"})
            assert "approval-" in words(pending)
            (asked,) = guard.store.approvals("pending")
            guard.answer(asked.id, Reply("os:alice", approved=True, how="test"))
            assert words(await client.call_tool("drop", {"table": "users"})) == "dropped users"
            assert (await client.call_tool("drop", {"table": "users"})).is_error

    play(run)
    assert house.ran == [("drop", "users")]


@pytest.mark.parametrize("where", ["server", "proxy"])
@pytest.mark.parametrize(
    ("answer", "runs"),
    [
        (ElicitResult(action="accept", content={"approve": True}), True),
        (ElicitResult(action="accept", content={"approve": False}), False),
        (ElicitResult(action="decline"), False),
        (ElicitResult(action="cancel"), False),
        (ElicitResult(action="accept", content={"approve": "yes"}), False),
    ],
)
def test_APPR_9_the_person_at_the_client_is_asked(house, play, where, era, answer, runs):
    guard = house.guard("rules: [{name: ask, tool: drop, action: require_approval}]")
    questions = []

    async def ask(context, params):
        questions.append(params.message)
        return answer

    async def run():
        async with house.connect(
            where,
            guard,
            house.server(),
            era,
            answers_as="os:alice",
            elicitation_callback=ask,
        ) as client:
            assert (await client.call_tool("drop", {"table": "users"})).is_error is not runs

    play(run)
    assert len(questions) == 1
    assert house.ran == ([("drop", "users")] if runs else [])
    assert "May `drop` run with table='users'? The rule `ask` asks." in questions[0]


def test_without_being_told_who_answers_nobody_at_the_client_is_asked(house, play, era):
    guard = house.guard("rules: [{name: ask, tool: drop, action: require_approval}]")

    async def ask(context, params):
        return ElicitResult(action="accept", content={"approve": True})

    async def run():
        async with house.connect(
            "proxy", guard, house.server(), era, elicitation_callback=ask
        ) as client:
            assert (await client.call_tool("drop", {"table": "users"})).is_error

    play(run)
    assert house.ran == []


def test_a_call_that_is_named_runs_once(house, play, side):
    guard = house.guard(keep_results=True)
    named = {"org.wardline/call": "payment-7"}

    async def run():
        async with house.connect(side, guard, house.server(), "legacy") as client:
            first = await client.call_tool("drop", {"table": "users"}, meta=named)
            again = await client.call_tool("drop", {"table": "users"}, meta=named)
            assert words(first) == words(again) == "dropped users"

    play(run)
    assert house.ran == [("drop", "users")]


def test_a_freeze_holds_in_the_middle_of_a_connection(house, play, side, tmp_path):
    from wardline import Guard, parse_policies

    guard = Guard(
        parse_policies("apiVersion: wardline/v1\nname: p\ndefault_action: allow\n"),
        home=tmp_path / "h",
    )
    server = house.server()

    async def run():
        async with house.connect(side, guard, server) as client:
            assert not (await client.call_tool("add", {"a": 1})).is_error
            with Operator(tmp_path / "h") as hand:
                hand.freeze("tool", "add", "incident")
            assert (await client.call_tool("add", {"a": 1})).is_error

    play(run)
    guard.close()
    assert house.ran == [("add", 1, 2)]


def test_two_guards_do_not_see_each_other(house, play):
    strict, lenient = house.guard(NO_DROP), house.guard()
    server = house.server()

    async def run():
        async with (
            house.connect("client", strict, server) as one,
            house.connect("client", lenient, server) as other,
        ):
            assert (await one.call_tool("drop", {"table": "a"})).is_error
            assert not (await other.call_tool("drop", {"table": "b"})).is_error

    play(run)
    assert house.ran == [("drop", "b")]


def test_coverage_says_what_is_governed(house, play):
    server, other = house.server(), house.server("others")
    assert not any(one.governed for one in coverage(server))
    govern_server(server, house.guard())
    found = {(one.kind, one.name) for one in coverage(server) if one.governed}
    assert {("tool_call", "drop"), ("retrieval", "greet"), ("retrieval", "resources/read")} <= found

    async def run():
        client = house.connect("client", house.guard(), other)
        async with client:
            await client.list_tools()
            found = {one.name for one in coverage(client) if one.governed}
            assert {"drop", "add", "sampling/createMessage"} <= found

    play(run)
    from mcp.client import Client

    assert {one.why for one in coverage(Client(other))} == {
        "wrap the client in govern_client before it is opened"
    }
    assert coverage(object()) == ()


def test_a_connection_that_is_open_cannot_be_governed(house, play):
    async def run():
        from mcp.client import Client

        async with Client(house.server()) as client:
            with pytest.raises(ValueError, match="before `async with`"):
                govern_client(client, house.guard())
            with pytest.raises(ValueError, match="before `async with`"):
                govern_client(client.session, house.guard())

    play(run)
