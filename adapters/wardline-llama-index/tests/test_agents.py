"""What of LlamaIndex's own ways an adapter has to get right: agents, tools, models, workflows."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentWorkflow, CodeActAgent, ReActAgent
from llama_index.core.agent.workflow.base_agent import BaseWorkflowAgent
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import Context

from wardline import ActionDenied, ConfigurationError, Principal
from wardline_llama_index import GovernedAgentWorker, coverage, govern

NO_ETC = """
default_action: allow
rules:
  - name: not-there
    tool: read_file
    condition: "args.path.startsWith('/etc')"
    action: deny
    reason: keep out of /etc
"""


def test_every_call_is_answered_before_the_model_speaks_again(world: Any) -> None:
    answer = world.turn(
        ("read_file", {"path": "/etc/p"}), ("read_file", {"path": "/a"}), ("nobody", {"x": 1})
    )
    agent = world.agent(NO_ETC, answer)
    output, _ = world.run(agent)
    assert str(output) == "done"
    assert world.ran == [("read_file", "/a")]
    waiting: set[str] = set()
    for message in agent.llm.sent[-1]:
        if message.role == "assistant":
            assert not waiting, "a message came before the calls of the last were answered"
            waiting = {one.tool_call_id for one in message.blocks if one.block_type == "tool_call"}
        elif message.role == "tool":
            waiting.remove(message.additional_kwargs["tool_call_id"])
    assert not waiting
    assert any("keep out of /etc" in one for one in world.told(agent.llm))


def test_an_answer_of_nothing_but_refused_calls_asks_the_model_again(world: Any) -> None:
    agent = world.agent(NO_ETC, world.turn(("read_file", {"path": "/etc/p"})))
    output, events = world.run(agent)
    assert str(output) == "done"
    assert world.ran == []
    assert world.decided("model_call") == [("MockFunctionCallingLLM", "succeeded")] * 2
    assert "/etc/p" not in repr(events)


def test_a_model_that_asks_for_nothing_else_comes_to_an_end(world: Any) -> None:
    asked = [world.turn(("read_file", {"path": "/etc/p"}))] * 50
    agent = world.agent(NO_ETC, *asked)
    output, _ = world.run(agent, max_iterations=4)
    assert "nothing but what is refused" in str(output)
    assert len(world.decided()) == 4


def test_a_react_agent_is_governed_and_streams_no_refused_call(world: Any) -> None:
    model = world.model(
        'Thought: look.\nAction: read_file\nAction Input: {"path": "/etc/p"}',
        'Thought: look.\nAction: read_file\nAction Input: {"path": "/a"}',
        "Thought: enough.\nAnswer: so it is",
    )
    agent = world.agent(NO_ETC, kind=ReActAgent, llm=model)
    output, events = world.run(agent)
    assert "so it is" in str(output)
    assert world.ran == [("read_file", "/a")]
    assert "/etc/p" not in repr(events)
    assert "keep out of /etc" in repr(model.sent[1])


def test_a_refusal_leaves_the_run_on_request_and_nothing_has_run(world: Any) -> None:
    agent = world.agent(
        NO_ETC,
        world.turn(("read_file", {"path": "/a"}), ("read_file", {"path": "/etc/p"})),
        on_denied="raise",
    )
    with pytest.raises(ActionDenied, match="keep out of /etc"):
        world.run(agent)
    assert world.ran == []


def test_defaults_and_fixed_parameters_are_judged_and_the_context_is_not(world: Any) -> None:
    seen = []

    async def look(ctx: Context, path: str = "/etc/p", mode: str = "r") -> str:
        seen.append((path, mode, type(ctx).__name__))
        return "ok"

    look.__annotations__["ctx"] = Context  # LlamaIndex does not read annotations that are strings

    def tool(**fixed: Any) -> FunctionTool:
        return FunctionTool.from_defaults(async_fn=look, name="read_file", partial_params=fixed)

    policy = NO_ETC.replace("args.path.s", "has(args.path) && args.path.s")
    agent = world.agent(policy, world.turn(("read_file", {})), tools=[tool()])
    world.run(agent)
    assert seen == []
    assert "keep out of /etc" in world.told(agent.llm)[0]
    world.run(world.agent(policy, world.turn(("read_file", {})), tools=[tool(path="/a")]))
    assert seen == [("/a", "r", "Context")]


def test_what_a_subclass_rewrites_is_judged_as_it_runs(world: Any) -> None:
    from llama_index.core.agent.workflow import FunctionAgent

    class Rewriting(FunctionAgent):
        async def _call_tool(self, ctx: Any, tool: Any, tool_input: dict[str, Any]) -> Any:
            return await super()._call_tool(ctx, tool, {"path": "/etc/p"})

    agent = world.agent(NO_ETC, world.turn(("read_file", {"path": "/a"})), kind=Rewriting)
    world.run(agent)
    assert world.ran == []
    assert "keep out of /etc" in world.told(agent.llm)[0]


def test_a_failing_tool_is_recorded_as_failed(world: Any) -> None:
    def read_file(path: str) -> str:
        "Read."
        raise ValueError("no such file")

    agent = world.agent(NO_ETC, world.turn(("read_file", {"path": "/a"})), tools=[read_file])
    world.run(agent)
    assert world.told(agent.llm) == ["no such file"]
    assert world.decided() == [("read_file", "failed")]


def test_the_result_of_a_tool_that_ends_the_run_is_judged_as_the_final_answer(world: Any) -> None:
    def read_file(path: str) -> str:
        "Read."
        return "the secret"

    policy = """
default_action: allow
rules:
  - {name: hush, on: output, condition: "has(args.text) && args.text.contains('secret')", action: deny}
"""
    tool = FunctionTool.from_defaults(read_file, return_direct=True)
    output, _ = world.run(
        world.agent(policy, world.turn(("read_file", {"path": "/a"})), tools=[tool])
    )
    assert "hush" in str(output)
    assert "secret" not in str(output.response)


def test_what_the_user_says_is_judged_before_it_is_remembered(world: Any) -> None:
    policy = """
default_action: allow
rules:
  - {name: stop, on: input, condition: "has(args.text) && args.text.contains('rm -rf')", action: deny}
"""
    guard = world.guard(policy)
    agent = world.agent(guard)
    output, _ = world.run(agent, "rm -rf /")
    assert "stop" in str(output)
    assert agent.llm.sent == []
    with pytest.raises(ActionDenied, match="stop"):
        world.run(world.agent(guard, on_denied="raise"), "rm -rf /")


def test_one_conversation_is_one_session_and_two_are_two(world: Any) -> None:
    policy = "default_action: allow\nlimits:\n  - {name: once, count: calls, tool: pay, at_most: 1, per: session}\n"
    guard = world.guard(policy)

    async def main() -> list[str]:
        told = []
        kept: Any = None
        for again in (False, True, False):
            agent = world.agent(guard, world.turn(("pay", {"to": "bob"})))
            context = Context(agent) if not again else Context.from_dict(agent, kept)
            handler = agent.run(user_msg="go", ctx=context)
            await handler
            told.append(world.told(agent.llm)[0])
            kept = handler.ctx.to_dict()
        return told

    first, again, other = asyncio.run(main())
    assert (first, other) == ("paid bob", "paid bob")
    assert "once" in again


def test_tools_of_the_models_provider_are_refused_before_it_is_asked(world: Any) -> None:
    class Hosted(MockFunctionCallingLLM):
        built_in_tools: list[Any] | None = None

    llm = Hosted(built_in_tools=[{"type": "web_search"}])
    output, _ = world.run(world.agent(NO_ETC, llm=llm))
    assert "web_search" in str(output)
    assert "executes it by itself" in str(output)
    assert world.decided("model_call") == []


def test_a_governed_model_is_asked_in_no_way_that_is_not_judged(world: Any) -> None:
    agent = world.agent(NO_ETC)
    for ask in ("chat", "complete", "predict", "acomplete", "structured_predict"):
        with pytest.raises(ActionDenied, match="is not judged, so it is not called"):
            getattr(agent.llm, ask)("hello")
    assert agent.llm.metadata.is_function_calling_model


def test_hand_overs_go_where_they_may_and_the_other_acts_below(world: Any) -> None:
    policy = """
default_action: allow
rules:
  - {name: not-there, on: delegation, condition: "action.name == 'evil'", action: deny}
  - {name: no-paying, tool: pay, agent: "helper", action: deny}
"""

    def over(to: str) -> Any:
        return world.turn(("handoff", {"to_agent": to, "reason": "go on"}))

    root = world.plain(over("evil"), over("helper"), name="root")
    evil = world.plain("I am evil", name="evil")
    helper = world.plain(
        world.turn(("pay", {"to": "bob"}), ("read_file", {"path": "/a"})), name="helper"
    )
    workflow = AgentWorkflow(agents=[root, evil, helper], root_agent="root")
    output, _ = world.run(govern(workflow, world.guard(policy)))
    assert str(output) == "done"
    assert evil.llm.sent == []
    assert world.ran == [("read_file", "/a")]
    assert world.decided("delegation") == [("evil", "refused"), ("helper", "succeeded")]
    (read,) = [one for one in world.records("intent") if one["name"] == "read_file"]
    assert read["principal"]["id"] == "agent/helper"


def test_an_agent_that_a_tool_refers_to_is_governed(world: Any) -> None:
    inner = world.plain(world.turn(("read_file", {"path": "/etc/p"})), name="inner")

    async def ask(task: str) -> str:
        "Ask."
        return str(await inner.run(user_msg=task))

    agent = world.agent(NO_ETC, world.turn(("ask", {"task": "look"})), tools=[ask])
    world.run(agent)
    assert world.ran == []
    (refused,) = world.records("refusal")
    assert refused["principal"]["id"] == "agent/inner"
    assert world.decided("delegation") == [("inner", "succeeded")]
    assert all(one.governed for one in coverage(agent))


# The worker


def test_a_worker_answers_only_whom_it_accepts_and_acts_for_them(world: Any) -> None:
    policy = """
default_action: allow
rules:
  - {name: interns-read, tool: pay, agent: "intern", action: deny}
"""
    guard = world.guard(policy)

    def worker(**options: Any) -> GovernedAgentWorker:
        agent = world.plain(world.turn(("pay", {"to": "bob"})), name="payer")
        return GovernedAgentWorker(agent, guard, accepts=["boss", "intern"], **options)

    async def ask(**given: Any) -> Any:
        return await worker().run(user_msg="pay", **given)

    assert str(asyncio.run(ask(asking=Principal("boss")))) == "done"
    assert world.ran == [("pay", "bob", 1)]
    paid = [one for one in world.records("intent") if one["name"] == "pay"]
    assert paid[0]["principal"]["id"] == "boss/payer"
    assert paid[0]["principal"]["chain"] == ["boss"]
    asyncio.run(ask(asking=Principal("intern")))
    assert len(world.ran) == 1
    for given, why in (({"asking": Principal("mallory")}, "may not ask"), ({}, "nobody says who")):
        with pytest.raises(ActionDenied, match=why):
            asyncio.run(ask(**given))
    assert [name for name, what in world.decided("delegation") if what == "succeeded"] == [
        "payer"
    ] * 2
    with pytest.raises(ConfigurationError, match="accepts somebody"):
        GovernedAgentWorker(world.plain(), guard, accepts=[])


# What refuses to start


def test_an_agent_that_runs_code_is_refused_by_name(world: Any) -> None:
    code = CodeActAgent(
        name="coder", code_execute_fn=lambda code: code, tools=world.tools, llm=world.model()
    )
    with pytest.raises(ConfigurationError, match="`coder` runs code that its model writes"):
        govern(code, world.guard(NO_ETC))
    assert not any(one.governed for one in coverage(code))


def test_what_belongs_to_another_guard_or_is_nothing_is_refused(world: Any) -> None:
    agent = world.agent(NO_ETC)
    with pytest.raises(ConfigurationError, match="under another guard already"):
        govern(agent, world.guard(NO_ETC))
    with pytest.raises(ConfigurationError, match="give them to it, and govern that"):
        govern(world.tools, world.guard(NO_ETC))
    with pytest.raises(ConfigurationError, match="nothing to govern in this str"):
        govern("agent", world.guard(NO_ETC))


def test_everything_is_listed(world: Any) -> None:
    workflow = AgentWorkflow(
        agents=[world.agent(NO_ETC, name="one"), world.plain(name="other")], root_agent="one"
    )
    found = {(one.kind, one.name, one.owner): one.governed for one in coverage(workflow)}
    assert found["tool_call", "pay", "one"] is True
    assert found["tool_call", "pay", "other"] is False
    assert found["model_call", "MockFunctionCallingLLM", "other"] is False
    assert found["delegation", "other", "one"] is False


def test_the_seams_that_are_not_public_are_as_they_were() -> None:
    agent = [str(one) for one in inspect.signature(BaseWorkflowAgent._call_tool).parameters]
    workflow = [str(one) for one in inspect.signature(AgentWorkflow._call_tool).parameters]
    assert agent == workflow == ["self", "ctx", "tool", "tool_input"]
    step = [str(one) for one in inspect.signature(BaseWorkflowAgent.take_step).parameters]
    assert step == ["self", "ctx", "llm_input", "tools", "memory"]
    for kind in (BaseWorkflowAgent, AgentWorkflow):
        for name in ("init_run", "call_tool"):
            assert hasattr(getattr(kind, name), "_step_config")
