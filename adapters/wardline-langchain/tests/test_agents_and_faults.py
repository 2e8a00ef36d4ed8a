"""Sub-agents, the backstop, handoffs, concurrency, switches, and machinery that fails."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, Send

from wardline import (
    ActionDenied,
    ConfigurationError,
    LedgerError,
    MemoryStore,
    Operator,
    StoreError,
    carry,
)
from wardline_langchain import WardlineMiddleware

ALLOW = "default_action: allow"
MODES = ("invoke", "ainvoke")


def run(agent: Any, given: Any, mode: str, config: Any = None) -> Any:
    if mode == "invoke":
        return agent.invoke(given, config)
    return asyncio.run(agent.ainvoke(given, config))


def helper(world, inner: Any, name: str = "helper", *, is_async: bool = False) -> Any:
    """Return a tool that asks the agent `inner`."""
    if is_async:

        async def ask(task: str) -> str:
            out = await inner.ainvoke({"messages": [HumanMessage(task)]})
            return out["messages"][-1].content

    else:

        def ask(task: str) -> str:
            return inner.invoke({"messages": [HumanMessage(task)]})["messages"][-1].content

    ask.__doc__ = "Ask a helper."
    return tool(name)(ask)


def bare_agent(world, *answers: Any, tools: Any = None) -> Any:
    from langchain.agents import create_agent

    model = world.scripted(answers=list(answers))
    return create_agent(model, tools or world.tools)


@pytest.mark.parametrize("mode", MODES)
def test_a_sub_agent_without_the_middleware_runs_no_tool(world, mode):
    inner = bare_agent(world, world.turn(world.call("delete_file", path="/x")))
    ask = helper(world, inner, is_async=mode == "ainvoke")
    agent = world.agent(ALLOW, world.turn(world.call("helper", task="t")), tools=[ask])
    out = run(agent, world.go, mode)
    assert "started inside `helper`" in world.tool_texts(out)[0]
    assert world.ran == []
    assert world.decided() == [("helper", "failed"), ("delete_file", "refused")]


@pytest.mark.parametrize("mode", MODES)
def test_a_sub_agent_with_the_middleware_is_governed_in_a_child_session(world, mode):
    guard = world.guard(
        ALLOW
        + "\nrules: [{name: shallow, tool: pay, condition: 'session.depth > 0', action: deny}]"
    )
    inner = world.agent(
        guard,
        world.turn(world.call("read_file", "1", path="/a"), world.call("pay", "2", to="x")),
    )
    ask = helper(world, inner, is_async=mode == "ainvoke")
    agent = world.agent(
        guard,
        world.turn(world.call("helper", "1", task="t"), world.call("pay", "2", to="y")),
        tools=[*world.tools, ask],
    )
    out = run(agent, world.go, mode)
    assert sorted(world.ran) == [("pay", "y", 1), ("read_file", "/a")]
    assert "done" in world.tool_texts(out)
    by_name = {one["name"]: one for one in world.records("intent") if one["kind"] == "tool_call"}
    assert by_name["read_file"]["session"] != by_name["helper"]["session"]
    assert by_name["read_file"]["facts"]["session"]["depth"] == 1


def test_limits_per_session_count_in_the_root(world):
    guard = world.guard(
        ALLOW + "\nlimits: [{name: few, count: tool_calls, at_most: 3, per: session}]"
    )
    inner = world.agent(
        guard,
        world.turn(*[world.call("read_file", str(n), path=f"/{n}") for n in range(5)]),
    )
    agent = world.agent(
        guard, world.turn(world.call("helper", task="t")), tools=[helper(world, inner)]
    )
    agent.invoke(world.go)
    assert len(world.ran) == 2


@pytest.mark.parametrize("mode", MODES)
def test_a_tool_that_calls_a_tool_is_stopped(world, mode):
    if mode == "invoke":

        @tool
        def outer(path: str) -> str:
            "Delete behind the guard's back."
            return world.delete_file.invoke({"path": path})

    else:

        @tool
        async def outer(path: str) -> str:
            "Delete behind the guard's back."
            return await world.delete_file.ainvoke({"path": path})

    agent = world.agent(ALLOW, world.turn(world.call("outer", path="/x")), tools=[outer])
    out = run(agent, world.go, mode)
    assert "started inside `outer`" in world.tool_texts(out)[0]
    assert world.ran == []


def test_a_tool_that_calls_itself_is_stopped(world):
    @tool
    def loop(n: int) -> str:
        "Call itself."
        world.ran.append(n)
        return loop.invoke({"n": n - 1}) if n else "end"

    agent = world.agent(ALLOW, world.turn(world.call("loop", n=2)), tools=[loop])
    assert "not run" in world.tool_texts(agent.invoke(world.go))[0]
    assert world.ran == [2]


def test_direct_starts_are_stopped_in_every_thread(world):
    world.middleware(ALLOW)
    with pytest.raises(ActionDenied, match="no guard has decided"):
        world.pay.invoke({"to": "x"})
    with pytest.raises(PermissionError):
        world.pay.invoke({"to": "x"}, {"callbacks": []})
    with pytest.raises(PermissionError):
        asyncio.run(world.pay.ainvoke({"to": "x"}))
    errors: list[BaseException] = []

    def work() -> None:
        try:
            world.pay.invoke({"to": "x"})
        except PermissionError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(errors) == 1
    assert world.ran == []


def test_an_agent_in_a_thread_of_a_tool_needs_its_context_carried(world):
    guard = world.guard(ALLOW)
    inner = world.agent(guard, world.turn(world.call("read_file", path="/a")))

    @tool
    def background(task: str) -> str:
        "Ask a helper in a thread."
        with ThreadPoolExecutor() as pool:
            return pool.submit(carry(inner.invoke), world.go).result()["messages"][-1].content

    agent = world.agent(guard, world.turn(world.call("background", task="t")), tools=[background])
    assert world.tool_texts(agent.invoke(world.go)) == ["done"]
    record = next(one for one in world.records("intent") if one["name"] == "read_file")
    assert record["facts"]["session"]["depth"] == 1


def handoff_tool(world, goto: Any) -> Any:
    @tool
    def transfer(why: str, tool_call_id: Annotated[str, InjectedToolCallId]) -> Command:
        "Hand over."
        world.ran.append("transfer")
        moved = ToolMessage("transferred", tool_call_id=tool_call_id)
        return Command(goto=goto, graph=Command.PARENT, update={"messages": [moved]})

    return transfer


def handoff_graph(world, policy: str, goto: Any) -> tuple[Any, list[str]]:
    visited: list[str] = []
    alice = world.agent(
        policy, world.turn(world.call("transfer", why="w")), tools=[handoff_tool(world, goto)]
    )
    graph = StateGraph(MessagesState)
    graph.add_node("alice", alice)
    graph.add_node("bob", lambda state: visited.append("bob"))
    graph.add_edge(START, "alice")
    return graph.compile(), visited


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("goto", ["bob", [Send("bob", {"messages": []})]])
def test_a_handoff_is_a_delegation(world, mode, goto):
    graph, visited = handoff_graph(world, ALLOW, goto)
    run(graph, world.go, mode)
    assert visited == ["bob"]
    assert world.decided("delegation") == [("bob", "succeeded")]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("goto", ["bob", ["bob"], [Send("bob", {"messages": []})]])
def test_a_handoff_can_be_refused(world, mode, goto):
    policy = ALLOW + "\nrules: [{name: not-bob, on: delegation, tool: bob, action: deny}]"
    graph, visited = handoff_graph(world, policy, goto)
    out = run(graph, world.go, mode)
    assert visited == []
    assert "not-bob" in world.tool_texts(out)[0]
    assert world.decided("delegation") == [("bob", "refused")]


def test_a_failed_handoff_is_a_delegation_all_the_same(world):
    @tool
    def transfer(why: str, tool_call_id: Annotated[str, InjectedToolCallId]) -> Command:
        "Hand over with an error."
        told = ToolMessage("oops", tool_call_id=tool_call_id, status="error")
        return Command(goto="bob", graph=Command.PARENT, update={"messages": [told]})

    visited: list[str] = []
    policy = ALLOW + "\nrules: [{name: not-bob, on: delegation, action: deny}]"
    alice = world.agent(policy, world.turn(world.call("transfer", why="w")), tools=[transfer])
    graph = StateGraph(MessagesState)
    graph.add_node("alice", alice)
    graph.add_node("bob", lambda state: visited.append("bob"))
    graph.add_edge(START, "alice")
    graph.compile().invoke(world.go)
    assert visited == []
    assert world.decided() == [("transfer", "failed")]


def test_an_inner_agent_with_a_thread_of_its_own_keeps_its_session(world):
    guard = world.guard(ALLOW)
    inner = world.agent(
        guard, world.turn(world.call("read_file", path="/a")), checkpointer=InMemorySaver()
    )

    @tool
    def helper(task: str) -> str:
        "Ask a helper."
        config = {"configurable": {"thread_id": "helper-7"}}
        return inner.invoke({"messages": [HumanMessage(task)]}, config)["messages"][-1].content

    turn = world.turn(world.call("helper", task="t"))
    world.agent(guard, turn, tools=[helper]).invoke(world.go)
    record = next(one for one in world.records("intent") if one["name"] == "read_file")
    assert record["session"] == "helper-7"
    assert record["facts"]["session"]["depth"] == 1


def test_messages_in_a_command_are_judged(world):
    policy = (
        ALLOW
        + """
rules:
  - name: gone
    on: tool_call.after
    condition: "action.result.contains('transferred')"
    action: transform
    set: {result: "'[gone]'"}
"""
    )
    graph, visited = handoff_graph(world, policy, "bob")
    out = graph.invoke(world.go)
    assert world.tool_texts(out) == ["[gone]"]
    assert visited == ["bob"]


def test_two_users_at_once_share_nothing(world):
    guard = world.guard(
        ALLOW + "\nlimits: [{name: one, count: tool_calls, at_most: 1, per: session}]"
    )
    agent = world.agent(
        guard, world.turn(world.call("read_file", path="/a")), checkpointer=InMemorySaver()
    )
    users = [f"user-{n}" for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        outs = list(
            pool.map(
                lambda user: agent.invoke(world.go, {"configurable": {"thread_id": user}}), users
            )
        )
    assert [world.tool_texts(out) for out in outs] == [["contents of /a"]] * 8
    sessions = {one["session"] for one in world.records("intent")}
    assert sessions == set(users)


def test_runs_without_a_thread_have_a_session_each(world):
    agent = world.agent(ALLOW, world.turn(world.call("read_file", path="/a")))

    async def together() -> None:
        await asyncio.gather(*(agent.ainvoke(world.go) for _ in range(5)))

    asyncio.run(together())
    agent.invoke(world.go, {"configurable": {"thread_id": "not kept"}})
    sessions = {one["session"] for one in world.records("intent")}
    assert len(sessions) == 6
    assert "not kept" not in sessions


def test_two_guards_in_two_runs_at_once(world):
    tight = world.guard("default_action: deny")
    loose = world.guard(ALLOW)
    turn = world.turn(world.call("read_file", path="/a"))
    agents = [world.agent(tight, turn), world.agent(loose, turn)] * 4

    async def together() -> list[Any]:
        return await asyncio.gather(*(agent.ainvoke(world.go) for agent in agents))

    texts = [world.tool_texts(out)[0] for out in asyncio.run(together())]
    assert [text == "contents of /a" for text in texts] == [False, True] * 4


def test_a_run_keeps_its_ids_out_of_sight(world):
    agent = world.agent(ALLOW, world.turn(world.call("read_file", path="/a")))
    out = agent.invoke({**world.go, "wardline": {"session": "forged", "parent": "", "run": "x"}})
    assert "wardline" not in out
    assert "forged" not in {one["session"] for one in world.records("intent")}
    assert len({one["run"] for one in world.records("intent")}) == 1


@pytest.mark.parametrize("mode", MODES)
def test_a_freeze_in_mid_run_stops_what_comes_next(world, mode):
    guard = world.guard(ALLOW, store=None)

    @tool
    def stop() -> str:
        "Freeze everything."
        with Operator(world.home) as operator:
            operator.freeze("everything", "", "drill")
        return "frozen"

    agent = world.agent(
        guard,
        world.turn(world.call("stop")),
        world.turn(world.call("pay", to="x")),
        tools=[stop, world.pay],
    )
    out = run(agent, world.go, mode)
    assert world.tool_texts(out) == ["frozen"]
    assert "builtin:switch" in out["messages"][-1].content
    assert world.ran == []


class BrokenStore(MemoryStore):
    """Works until it is told not to."""

    __slots__ = ("broken",)

    def __init__(self) -> None:
        super().__init__()
        self.broken = False

    def generation(self) -> int:
        if self.broken:
            raise StoreError("the disk is on fire")
        return super().generation()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("error", [StoreError("on fire"), LedgerError("full"), RuntimeError("?")])
@pytest.mark.parametrize("on_denied", ["message", "raise"])
def test_machinery_that_fails_runs_nothing(world, monkeypatch, mode, error, on_denied):
    guard = world.guard(ALLOW)
    agent = world.agent(guard, world.turn(world.call("pay", to="x")), on_denied=on_denied)

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise error

    class Wrapper:
        def __init__(self, real: Any) -> None:
            self.real = real

        def __getattr__(self, name: str) -> Any:
            if name in ("append", "generation"):
                return fail
            return getattr(self.real, name)

    machinery = guard._machinery
    monkeypatch.setattr(machinery, "ledger", Wrapper(machinery.ledger))
    if not isinstance(error, LedgerError):
        monkeypatch.setattr(machinery, "store", Wrapper(machinery.store))
    if on_denied == "raise":
        with pytest.raises(PermissionError):
            run(agent, world.go, mode)
    else:
        out = run(agent, world.go, mode)
        assert "not run" in out["messages"][-1].content
    assert world.ran == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("where", ["screen", "tool", "model"])
def test_a_fault_of_the_adapter_itself_is_a_refusal(world, monkeypatch, mode, where):
    from wardline_langchain import _models, _tools

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise KeyError("a mistake of ours")

    agent = world.agent(ALLOW, world.turn(world.call("pay", to="x")))
    if where == "screen":
        monkeypatch.setattr(_tools, "bound", fail)
    elif where == "tool":
        monkeypatch.setattr(_tools, "suspending", fail)
    else:
        monkeypatch.setattr(_models, "suspending", fail)
    out = run(agent, world.go, mode)
    told = world.tool_texts(out) or [out["messages"][-1].content]
    assert "builtin:error" in told[0]
    assert world.ran == []


def test_a_call_that_is_cancelled_has_an_unknown_outcome_and_is_not_run_again(world):
    started: list[int] = []

    @tool
    async def slow() -> str:
        "Take long."
        started.append(1)
        await asyncio.sleep(30)
        return "ok"

    guard = world.guard(ALLOW)
    turn = world.turn(world.call("slow"))
    agent = world.agent(guard, turn, tools=[slow], checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}

    async def cancelled() -> None:
        task = asyncio.ensure_future(agent.ainvoke(world.go, config))
        while not started:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert world.decided() == [("slow", "unknown")]
    out = asyncio.run(agent.ainvoke(None, config))
    assert "nobody knows" in world.tool_texts(out)[0]
    assert started == [1]


def test_a_result_that_cannot_be_recorded_is_not_released(world, monkeypatch):
    guard = world.guard(ALLOW)
    ledger = guard._machinery.ledger

    class Full:
        def __getattr__(self, name: str) -> Any:
            return getattr(ledger, name)

        def append(self, body: bytes, **options: Any) -> Any:
            if b'"outcome"' in body:
                raise LedgerError("no room")
            return ledger.append(body, **options)

    @tool
    def once() -> str:
        "Fill the disk."
        monkeypatch.setattr(guard._machinery, "ledger", Full())
        return "precious"

    agent = world.agent(guard, world.turn(world.call("once")), tools=[once])
    out = agent.invoke(world.go)
    assert "precious" not in repr(out)
    assert "could not be recorded" in world.tool_texts(out)[0]


def test_a_middleware_without_its_session_refuses(world):
    from langgraph.prebuilt import ToolNode

    middleware = world.middleware(ALLOW)
    node = ToolNode([world.pay], wrap_tool_call=middleware.wrap_tool_call)
    graph = StateGraph(MessagesState)
    graph.add_node("tools", node)
    graph.add_edge(START, "tools")
    from langchain_core.messages import AIMessage

    answer = AIMessage("", id="m", tool_calls=[world.call("pay", to="x")])
    out = graph.compile().invoke({"messages": [answer]})
    assert "before_agent" in world.tool_texts(out)[0]
    assert world.ran == []


def test_other_versions_refuse_to_start(monkeypatch):
    import importlib

    import wardline_langchain
    from wardline.adapters import versions

    for found in ("1.3.9", "2.0.0", "1.6.0", "nonsense"):
        monkeypatch.setattr(versions, "version", lambda name, found=found: found)
        with pytest.raises(ConfigurationError, match=r"proved with langchain 1\.4 to 1\.5"):
            importlib.reload(wardline_langchain)


def test_results_are_kept_for_a_call_that_comes_again(world):
    guard = world.guard(ALLOW, keep_results=True)

    class Again(__import__("langchain").agents.middleware.AgentMiddleware):
        def wrap_tool_call(self, request: Any, handler: Any) -> Any:
            handler(request)
            return handler(request)

    turn = world.turn(world.call("read_file", path="/a"))
    out = world.agent(guard, turn, before=[Again()]).invoke(world.go)
    assert world.tool_texts(out) == ["contents of /a"]
    assert world.ran == [("read_file", "/a")]
    forgetful = world.agent(world.guard(ALLOW), turn, before=[Again()]).invoke(world.go)
    assert "already run" in world.tool_texts(forgetful)[0]
    assert len(world.ran) == 2


def test_the_middleware_is_exported(world):
    from importlib.metadata import entry_points

    (found,) = entry_points(group="wardline.adapters", name="langchain")
    assert found.load().WardlineMiddleware is WardlineMiddleware
