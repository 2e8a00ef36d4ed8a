from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import pytest

from wardline import (
    ActionDenied,
    AlreadyRan,
    ApprovalPending,
    ConfigurationError,
    ContentWithheld,
    Principal,
    Reply,
)
from wardline.adapters import Adapter, Call, Ids, Place, Suspended, Ticket, Tickets, Way, asked, now

KINDS = ("tool_call", "model_call", "input", "output", "delegation")
SYNC, LOOP = Way(loop=False), Way(loop=True)


@pytest.fixture(params=["sync", "loop"])
def play(request: pytest.FixtureRequest) -> Any:
    """Run a hook as a framework would: inside an event loop, or without one."""

    def run(make: Any) -> Any:
        if request.param == "sync":
            return now(make(SYNC))
        return asyncio.run(make(LOOP))

    return run


def adapter(guard: Any, **options: Any) -> Adapter:
    return Adapter("Toy", guard, KINDS, **options)


def place(guard: Any, **options: Any) -> Place:
    return Place.open(guard, "toy", **options)


def test_ADPT_4_the_body_runs_on_the_copy_that_was_judged(house, play):
    guard = house.guard()
    given = {"to": {"name": "bob"}, "amount": 3}
    seen: list[dict[str, Any]] = []

    def body(args: dict[str, Any], permit: Any) -> str:
        seen.append(args)
        return "paid"

    toy = adapter(guard)
    here = place(guard)
    assert play(lambda way: toy.act(way, here, Call("pay", given, id="1"), body)) == "paid"
    assert seen == [given]
    assert seen[0]["to"] is not given["to"]
    assert [one["status"] for one in house.records("outcome")] == ["succeeded"]


def test_a_refused_call_never_reaches_its_body(house, play):
    guard = house.guard("rules: [{name: no-pay, tool: pay, action: deny}]")
    toy, here = adapter(guard), place(guard)
    with pytest.raises(ActionDenied, match="no-pay"):
        play(lambda way: toy.act(way, here, Call("pay", {}), lambda *_: pytest.fail("it ran")))
    assert len(house.records("refusal")) == 1


def test_a_name_that_nothing_is_registered_under_is_refused(house, play):
    guard = house.guard()
    toy, here = adapter(guard), place(guard)
    call = Call("ghost", {}, known=False)
    with pytest.raises(ActionDenied, match="ghost"):
        play(lambda way: toy.act(way, here, call, lambda *_: pytest.fail("it ran")))


def test_ADPT_3_an_error_while_mapping_is_a_recorded_refusal(house, play):
    guard = house.guard()
    toy, here = adapter(guard), place(guard)

    def bind(args: Any) -> Any:
        raise LookupError("no schema")

    call = Call("pay", {}, bind=bind)
    with pytest.raises(ActionDenied, match="no schema"):
        play(lambda way: toy.act(way, here, call, lambda *_: pytest.fail("it ran")))
    assert house.records("refusal")[0]["rule"] == "builtin:error"


def test_a_whole_answer_is_screened_and_one_bad_call_refuses_itself_alone(house, play):
    guard = house.guard("rules: [{name: no-shell, tool: shell, action: deny}]")
    toy, here = adapter(guard), place(guard)

    def bind(args: Any) -> Any:
        raise ValueError("cannot be bound")

    calls = [Call("pay", {}), Call("shell", {}), Call("sql", {}, bind=bind), Call("mail", {})]
    refused = play(lambda way: toy.screen(way, here, calls))
    assert [one is not None for one in refused] == [False, True, True, False]
    assert "no-shell" in str(refused[1])
    assert "cannot be bound" in str(refused[2])


def test_a_handoff_among_the_calls_of_an_answer_is_screened_as_what_it_is(house, play):
    guard = house.guard(
        """
        rules:
          - {name: no-boss, on: delegation, condition: "action.name == 'boss'", action: deny}
          - {name: no-shell, tool: shell, action: deny}
        """
    )
    toy, here = adapter(guard), place(guard)
    calls = [Call("boss", {}, kind="delegation"), Call("shell", {}), Call("boss", {})]
    refused = play(lambda way: toy.screen(way, here, calls))
    assert ["no-boss" in str(refused[0]), "no-shell" in str(refused[1])] == [True, True]
    assert refused[2] is None
    assert [one["kind"] for one in house.records("refusal")] == ["delegation", "tool_call"]


def test_opaque_parameters_are_recorded_and_not_handed_over(house, play):
    guard = house.guard()
    toy, here = adapter(guard), place(guard)
    seen: list[Any] = []
    call = Call("pay", {"to": "bob"}, opaque=("runtime",))
    play(lambda way: toy.act(way, here, call, lambda args, permit: seen.append(args)))
    assert seen == [{"to": "bob"}]


def test_a_call_that_ran_gives_its_stored_result_or_says_so(house, play):
    guard = house.guard(keep_results=True)
    toy, here = adapter(guard), place(guard)
    call = Call("pay", {"to": "bob"}, id="1")
    ran: list[int] = []

    def body(args: Any, permit: Any) -> str:
        ran.append(1)
        return "paid"

    assert play(lambda way: toy.act(way, here, call, body)) == "paid"
    again = play(lambda way: toy.act(way, here, call, body, stored=lambda kept: f"kept {kept}"))
    assert again == "kept paid"
    with pytest.raises(AlreadyRan):
        play(lambda way: toy.act(way, here, call, body))
    assert ran == [1]


@dataclass
class Shaped:
    """A result of the shapes that frameworks have: a content, an error, a rest."""

    content: Any
    failed: str = ""

    def released(self, content: Any) -> Any:
        if content == "[gone]":
            raise ConfigurationError("it cannot say that")
        return f"released {content}"


WITHHOLD = """
rules:
  - {name: secret, on: tool_call.after, tool: leak, condition: "action.result == 'SECRET'", action: deny}
"""


def test_a_result_that_may_not_be_released_is_withheld(house, play):
    guard = house.guard(WITHHOLD)
    toy, here = adapter(guard), place(guard)
    with pytest.raises(ContentWithheld, match="secret"):
        play(lambda way: toy.act(way, here, Call("leak", {}), lambda *_: "SECRET"))
    assert [one["status"] for one in house.records("outcome")] == ["withheld"]


def test_a_result_that_reports_an_error_is_a_failure(house, play):
    guard = house.guard()
    toy, here = adapter(guard), place(guard)

    def result(raw: Any) -> Shaped:
        return Shaped(raw, failed="disk full")

    raw = play(lambda way: toy.act(way, here, Call("save", {}), lambda *_: "no", result=result))
    assert raw == "no"
    assert [one["status"] for one in house.records("outcome")] == ["failed"]


def test_a_result_that_cannot_be_taken_apart_is_withheld(house, play):
    guard = house.guard()
    toy, here = adapter(guard), place(guard)

    def result(raw: Any) -> Any:
        raise ConfigurationError("a tool returned bytes")

    with pytest.raises(ContentWithheld, match="a tool returned bytes"):
        play(lambda way: toy.act(way, here, Call("save", {}), lambda *_: b"", result=result))
    assert [one["status"] for one in house.records("outcome")] == ["failed"]


def test_what_the_body_raises_comes_out_and_is_the_outcome(house, play):
    guard = house.guard()
    toy, here = adapter(guard), place(guard)

    def body(args: Any, permit: Any) -> Any:
        raise OSError("no such host")

    with pytest.raises(OSError, match="no such host"):
        play(lambda way: toy.act(way, here, Call("fetch", {}), body))
    assert [one["status"] for one in house.records("outcome")] == ["failed"]


ASK = """
rules:
  - {name: ask-first, tool: pay, action: require_approval, approvers: ["os:alice"]}
"""


def test_APPR_9_a_framework_that_goes_on_from_the_question_is_answered_in_place(house, play):
    guard = house.guard(ASK)
    toy, here = adapter(guard), place(guard)
    asked: list[dict[str, Any]] = []
    answers = iter(
        [
            "yes",
            {"approved": True, "by": "os:mallory"},
            {"approved": True, "by": "os:alice", "approval": "another"},
            {"approved": True, "by": "os:alice"},
        ]
    )

    def suspend(question: dict[str, Any]) -> Any:
        asked.append(question)
        return next(answers)

    call = Call("pay", {"to": "bob"}, id="1")
    done = play(lambda way: toy.act(way, here, call, lambda *_: "paid", suspend=suspend))
    assert done == "paid"
    assert asked[0]["arguments"] == {"to": "bob"}
    assert asked[0]["rule"] == "ask-first"
    assert asked[0]["approvers"] == ["os:alice"]
    assert "why" not in asked[0]
    assert "os:<login>" in asked[1]["why"]
    assert "os:mallory" in asked[2]["why"]
    assert "another approval" in asked[3]["why"]
    assert len({one["approval"] for one in asked}) == 1


def test_a_suspension_passes_and_the_answer_comes_another_way(house, play):
    guard = house.guard(ASK)
    toy, here = adapter(guard), place(guard)
    call = Call("pay", {"to": "bob"}, id="1")

    def suspend(question: dict[str, Any]) -> Any:
        raise Suspended(question)

    with pytest.raises(Suspended) as caught:
        play(lambda way: toy.act(way, here, call, lambda *_: "paid", suspend=suspend))
    approval = caught.value.question["approval"]
    yes = {"approved": True, "by": "os:alice"}
    assert "there is no approval" in play(lambda way: toy.answer(way, "nothing", yes))
    assert play(lambda way: toy.answer(way, approval, yes)) == ""
    assert play(lambda way: toy.act(way, here, call, lambda *_: "paid", suspend=suspend)) == "paid"


def test_without_a_suspension_the_model_hears_what_is_pending(house, play):
    guard = house.guard(ASK)
    toy, here = adapter(guard), place(guard)
    with pytest.raises(ApprovalPending):
        play(lambda way: toy.act(way, here, Call("pay", {}), lambda *_: "paid"))


def test_an_answer_given_elsewhere_counts_when_the_run_comes_back(house, play):
    guard = house.guard(ASK)
    toy, here = adapter(guard), place(guard)
    call = Call("pay", {"to": "bob"}, id="1")

    def suspend(question: dict[str, Any]) -> Any:
        guard.answer(question["approval"], Reply("os:alice", approved=True, how="elsewhere"))
        raise Suspended(question)

    with pytest.raises(Suspended):
        play(lambda way: toy.act(way, here, call, lambda *_: "paid", suspend=suspend))
    assert play(lambda way: toy.act(way, here, call, lambda *_: "paid", suspend=suspend)) == "paid"


def test_text_goes_in_and_out_as_it_may(house, play):
    guard = house.guard(
        """
        rules:
          - {name: no-secret, on: output, condition: "has(args.text) && args.text.contains('SECRET')", action: deny}
        """
    )
    toy, here = adapter(guard), place(guard)
    assert play(lambda way: toy.text(way, here, "input", "hello")) == "hello"
    assert play(lambda way: toy.text(way, here, "output", "fine")) == "fine"
    with pytest.raises(ActionDenied, match="no-secret"):
        play(lambda way: toy.text(way, here, "output", "the SECRET"))


def test_a_rule_on_what_the_adapter_cannot_see_refuses_to_start(house):
    guard = house.guard("rules: [{name: remember, on: memory_write, action: deny}]")
    with pytest.raises(ConfigurationError, match=r"`remember`.*which Toy cannot see"):
        adapter(guard)
    adapter(guard, unused=("memory_write",))


def test_a_question_nobody_could_wait_for_refuses_to_start(house):
    guard = house.guard(
        """
        rules:
          - {name: ask-out, on: output, action: require_approval, approvers: ["os:alice"]}
        """
    )
    with pytest.raises(ConfigurationError, match=r"`ask-out`.*cannot wait"):
        adapter(guard, cannot_wait=("output",))
    adapter(guard, cannot_wait=("output",), unused=("output",))


# Streams


async def collect(stream: Any) -> list[Any]:
    return [item async for item in stream]


async def words(args: Any, permit: Any) -> Any:
    for word in ("the ", "SECRET ", "word"):
        yield word


@dataclass
class Joined:
    items: list[str]
    failed: str = ""

    @property
    def content(self) -> str:
        return "".join(self.items)

    def released(self, content: str) -> list[str]:
        return [content]


MODEL = """
rules:
  - {name: no-secret, on: model_call.after, condition: "action.result.contains('SECRET')", action: deny}
"""


def test_ADPT_6_nothing_of_a_stream_is_seen_before_it_is_judged(house):
    guard = house.guard(MODEL)
    toy, here = adapter(guard), place(guard)
    got: list[str] = []

    async def read() -> None:
        async for item in toy.astream(here, Call("gpt", {}), words, way=LOOP, whole=Joined):
            got.append(item)

    with pytest.raises(ContentWithheld):
        asyncio.run(read())
    assert got == []
    assert [one["status"] for one in house.records("outcome")] == ["withheld"]


def test_a_stream_that_no_rule_can_bind_on_passes_as_it_comes(house):
    guard = house.guard()
    toy, here = adapter(guard), place(guard)
    stream = toy.astream(here, Call("gpt", {}), words, way=LOOP, whole=Joined)
    assert asyncio.run(collect(stream)) == ["the ", "SECRET ", "word"]
    assert [one["status"] for one in house.records("outcome")] == ["succeeded"]


def test_an_abandoned_stream_is_unknown_and_a_broken_one_failed(house):
    guard = house.guard()
    toy, here = adapter(guard), place(guard)

    async def abandon() -> None:
        stream: Any = toy.astream(here, Call("gpt", {}), words, way=LOOP, whole=Joined)
        async for _ in stream:
            break
        await stream.aclose()

    async def broken(args: Any, permit: Any) -> Any:
        yield "the "
        raise OSError("hung up")

    asyncio.run(abandon())
    with pytest.raises(OSError, match="hung up"):
        asyncio.run(collect(toy.astream(here, Call("gpt", {}), broken, way=LOOP, whole=Joined)))
    assert [one["status"] for one in house.records("outcome")] == ["unknown", "failed"]


def test_a_plain_stream_does_the_same(house):
    guard = house.guard(MODEL)
    toy, here = adapter(guard), place(guard)
    permit = now(toy.permit(SYNC, here, Call("gpt", {}), kind="model_call"))
    with pytest.raises(ContentWithheld):
        list(toy.stream(permit, iter(["the ", "SECRET"]), whole=Joined))
    permit = now(toy.permit(SYNC, here, Call("gpt", {}), kind="model_call"))
    assert list(toy.stream(permit, iter(["the ", "word"]), whole=Joined)) == ["the ", "word"]


# Places


def test_ADPT_8_two_conversations_on_one_guard_have_nothing_in_common(make):
    guard = make()
    one, other = place(guard, session="a"), place(guard, session="b")
    assert one.ids["session"] == "a"
    assert other.ids["session"] == "b"
    assert one.ids["run"] != other.ids["run"]
    assert place(guard).ids["session"] != place(guard).ids["session"]


def test_ADPT_5_an_agent_inside_an_action_lies_below_it_and_acts_on_its_behalf(house):
    guard = house.guard()
    toy, here = adapter(guard), place(guard, session="thread")

    def body(args: Any, permit: Any) -> str:
        inner = place(guard, session="thread", agent="researcher")
        now(toy.act(SYNC, inner, Call("search", {}), innermost))
        return "done"

    def innermost(args: Any, permit: Any) -> str:
        deepest = place(guard, agent="Sub Agent")
        now(toy.act(SYNC, deepest, Call("read", {}), lambda *_: "x"))
        return "found"

    now(toy.act(SYNC, here, Call("research", {}), body))
    first, second, third = house.records("intent")
    assert first["principal"]["id"] == "agent"
    assert second["principal"]["id"] == "agent/researcher"
    assert second["principal"]["chain"] == ["agent"]
    assert third["principal"]["id"] == "agent/researcher/Sub Agent"
    assert third["principal"]["chain"] == ["agent", "agent/researcher"]
    assert len({one["session"] for one in (first, second, third)}) == 3


def test_ADPT_5_an_agent_that_another_guard_s_agent_asks_acts_on_its_behalf(make):
    guard = make(principal="billing")
    ids = Ids(session="s", parent="", run="r", agents=[])
    asked = Place(guard, "toy", ids, Principal("alice/bot", chain=("alice",)))
    guard.register("tool_call", "ask")
    with guard.authorize(asked.action("tool_call", "ask", {})) as permit:
        inner = Place.open(guard, "toy", agent="sub")
        below = inner.below("deeper")
        permit.succeeded()
    assert inner.principal == Principal("alice/bot/sub", "sub", ("alice", "alice/bot"))
    assert below.principal is not None
    assert below.principal.chain == ("alice", "alice/bot", "alice/bot/sub")


def test_a_place_survives_a_restart_as_its_ids(make):
    guard = make()
    first = place(guard, session="thread").below("writer", session="thread")
    again = Place(make(), "toy", first.ids)
    assert again.ids == first.ids
    assert again.principal == first.principal
    assert first.below("x").ids["session"] != "thread"


def test_whoever_else_a_guard_lets_act_stays_in_the_chain(house):
    guard = house.guard(principal="service")
    toy = adapter(guard)
    ids = {"session": "s", "parent": "", "run": "r", "agents": []}
    planner = Principal("planner", chain=("boss",), roles=("buyer",), assurance="claimed")
    above = Place(guard, "toy", ids, planner)

    def body(args: Any, permit: Any) -> str:
        inner = place(guard, agent="clerk")
        kept = json.loads(json.dumps(inner.ids))
        again = Place.restored(guard, "toy", kept)
        assert again.principal == inner.principal
        assert inner.principal.roles == ("buyer",)
        now(toy.act(SYNC, again.below("intern"), Call("pay", {}), lambda *_: "x"))
        return "done"

    now(toy.act(SYNC, above, Call("ask", {}), body))
    asked, paid = house.records("intent")
    assert (asked["principal"]["id"], asked["principal"]["chain"]) == ("planner", ["boss"])
    assert paid["principal"]["id"] == "planner/clerk/intern"
    assert paid["principal"]["chain"] == ["boss", "planner", "planner/clerk"]


@pytest.mark.parametrize(
    "kept",
    [
        None,
        {},
        "s",
        {"session": "s", "parent": "", "run": 3, "agents": []},
        {"session": "s", "parent": "", "run": "r", "agents": [], "caller": {"id": "x"}},
    ],
)
def test_a_state_that_does_not_say_where_a_run_was_is_refused(make, kept):
    with pytest.raises(ConfigurationError, match="does not say where it was"):
        Place.restored(make(), "toy", kept)


def test_a_governed_function_inside_a_place_belongs_to_it(house):
    from wardline import govern

    guard = house.guard()
    safe = govern(lambda: "x", guard=guard, name="safe")
    with place(guard, session="thread"):
        assert safe() == "x"
    assert house.records("intent")[0]["session"] == "thread"


def test_what_a_tool_does_beneath_it_belongs_to_its_call(house):
    guard = house.guard()
    toy = adapter(guard)
    assert Place.here(guard, "toy") is None
    outer = place(guard, session="thread").below("writer", session="thread")

    def body(args: Any, permit: Any) -> str:
        here = Place.here(guard, "toy")
        now(toy.act(SYNC, here, Call("recall", {}), lambda *_: "x"))
        return "done"

    now(toy.act(SYNC, outer, Call("work", {}), body))
    first, second = house.records("intent")
    for key in ("session", "run", "principal"):
        assert second[key] == first[key]


# Tickets


def test_WRAP_1_a_ticket_lets_one_start_through(house):
    guard = house.guard()
    tickets = Tickets("toy", "Call it from a governed agent")
    toy, here = adapter(guard, tickets=tickets), place(guard)

    def body(args: Any, permit: Any) -> str:
        assert isinstance(tickets.current(), Ticket)
        tickets.check("pay", "1", args)
        for again, why in (
            (("pay", "1", args), "twice"),
            (("shell", None, {}), "inside `pay`"),
        ):
            with pytest.raises(ActionDenied, match=why):
                tickets.check(*again)
        return "paid"

    assert now(toy.act(SYNC, here, Call("pay", {"to": "bob"}, id="1"), body)) == "paid"
    assert tickets.current() is None
    with pytest.raises(ActionDenied, match="no guard has decided"):
        tickets.check("pay", "1", {})


@pytest.mark.parametrize(
    ("start", "why"),
    [
        (("pay", "1", {"amount": 1.0}), "changed after they were judged"),
        (("pay", "2", {"amount": 1}), "another call"),
    ],
)
def test_a_ticket_is_for_one_call_with_its_arguments(house, start, why):
    guard = house.guard()
    tickets = Tickets("toy", "Call it from a governed agent")
    toy, here = adapter(guard, tickets=tickets), place(guard)
    call = Call("pay", {"amount": 1}, id="1")

    def body(args: Any, permit: Any) -> None:
        tickets.check(*start)

    with pytest.raises(ActionDenied, match=why):
        now(toy.act(SYNC, here, call, body))


def test_a_hook_that_waits_without_an_event_loop_is_stopped():
    async def hook() -> None:
        await asyncio.sleep(0)

    waiting: Coroutine[Any, Any, None] = hook()
    with pytest.raises(RuntimeError, match="event loop that is not there"):
        now(waiting)


def test_APPR_9_a_run_that_remembers_nothing_finds_its_place_by_the_approval(house, play):
    guard = house.guard(
        "approvers: [os:alice]\nrules: [{name: ask, tool: pay, action: require_approval}]"
    )
    toy, here = adapter(guard), place(guard).below("helper")
    given = {"to": "bob", "euros": [4.5, 2**60], "raw": b"x", "more": {"$tag": "v"}}
    call = Call("pay", given, id="1")
    with pytest.raises(ApprovalPending) as caught:
        play(lambda way: toy.permit(way, here, call))
    approval = guard.store.approval(caught.value.approval)
    shown = asked(approval, "not yet")
    assert (shown["tool"], shown["rule"]) == ("pay", "ask")
    assert shown["arguments"] == {**given, "raw": "eA=="}
    assert shown["why"] == "not yet"
    assert shown["approvers"] == ["os:alice"]
    guard.answer(approval.id, Reply("os:alice", approved=True, how="elsewhere"))
    again = Place.again(guard, "toy", approval)
    assert again.ids["agents"] == ["helper"]
    assert play(lambda way: toy.act(way, again, call, lambda *_: "paid")) == "paid"


def test_a_permit_that_was_taken_beforehand_is_the_one_that_is_used(house, play):
    guard = house.guard()
    toy, here = adapter(guard), place(guard)
    call = Call("pay", {"to": "bob"}, id="1")

    async def both(way: Way) -> Any:
        permit = await toy.permit(way, here, call)
        return await toy.act(way, here, call, lambda *_: "paid", permit=permit)

    assert play(both) == "paid"
    assert len(house.records("intent")) == 1
    assert [one["status"] for one in house.records("outcome")] == ["succeeded"]
