"""What is particular to ADK: the order of plugins, seams, transfers, code, streams, hosted tools."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.adk.agents import LlmAgent, LoopAgent, SequentialAgent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.artifacts import InMemoryArtifactService
from google.adk.code_executors.base_code_executor import BaseCodeExecutor
from google.adk.code_executors.built_in_code_executor import BuiltInCodeExecutor
from google.adk.code_executors.code_execution_utils import CodeExecutionResult
from google.adk.models import BaseLlm, LlmResponse
from google.adk.plugins import BasePlugin
from google.adk.tools import AgentTool, FunctionTool, google_search
from google.genai import types
from pydantic import BaseModel

from wardline import ActionDenied, ConfigurationError
from wardline_google_adk import WardlinePlugin

NO_PAY = "rules: [{name: no-pay, tool: pay, action: deny, reason: WHY}]"
NO_MALLORY = """
rules: [{name: no-mallory, tool: pay, condition: "args.to == 'mallory'", action: deny, reason: WHY}]
"""
SSE = RunConfig(streaming_mode=StreamingMode.SSE)


class Order(BaseModel):
    to: str
    urgent: bool = False


class Other(BasePlugin):
    """A plugin of somebody else."""


# Where the plugin stands


def test_a_plugin_before_ours_refuses_to_start(world):
    runner = world.runner("", agent := world.agent(world.called("pay", to="a")))
    runner.app.plugins.insert(0, Other(name="cache"))
    runner.plugin_manager.plugins.insert(0, Other(name="cache"))
    with pytest.raises(RuntimeError, match="has to be the first plugin of the app, and `cache` is"):
        world.play(runner)
    assert not agent.model.heard


def test_rules_nobody_could_ask_refuse_to_start(world):
    with pytest.raises(ConfigurationError, match=r"Google ADK\s+cannot see"):
        WardlinePlugin(world.guard("rules: [{name: r, on: message, action: deny}]"))
    with pytest.raises(ConfigurationError, match="Google ADK cannot wait"):
        WardlinePlugin(world.guard("rules: [{name: r, on: output, action: require_approval}]"))
    with pytest.raises(ConfigurationError, match="'message' or 'raise', not 'both'"):
        WardlinePlugin(world.guard(""), on_denied="both")


def test_a_live_connection_refuses_to_start(world):
    from google.adk.agents.live_request_queue import LiveRequestQueue

    runner = world.runner("", world.agent())

    async def live() -> None:
        queue = LiveRequestQueue()
        async for _ in runner.run_live(user_id="u", session_id="s", live_request_queue=queue):
            pytest.fail("it ran")

    with pytest.raises(RuntimeError, match="live connection with a model passes by"):
        asyncio.run(live())


def test_an_agents_own_callback_cannot_change_what_was_judged(world):
    def rewrite(tool: Any, args: dict[str, Any], tool_context: Any) -> None:
        args["to"] = "mallory"

    agent = world.agent(world.called("pay", to="alice"), before_tool_callback=rewrite)
    events = world.play(world.runner(NO_MALLORY, agent))
    assert not world.ran
    assert "WHY" in world.responses(events)[0]["error"]
    assert world.decided() == [("pay", "refused")]


def test_a_callback_that_answers_in_the_place_of_a_tool_needs_no_permit(world):
    agent = world.agent(
        world.called("pay", to="alice"), before_tool_callback=lambda **_: {"out": "from a cache"}
    )
    assert world.responses(world.play(world.runner("", agent))) == [{"out": "from a cache"}]
    assert not world.ran
    assert world.decided() == []


def test_a_tool_that_was_governed_starts_nowhere_without_a_decision(world):
    tool = FunctionTool(world.pay)
    world.play(world.runner("", world.agent(world.called("pay", to="a"), tools=[tool])))
    from google.adk.runners import InMemoryRunner

    agent = world.agent(world.called("pay", to="b"), tools=[tool])
    runner = InMemoryRunner(agent=agent, app_name="shop")
    runner.auto_create_session = True
    with pytest.raises(ActionDenied, match="this run has no WardlinePlugin"):
        world.play(runner)
    assert world.ran == [("a", 1)]


def test_ADPT_1_a_model_that_reuses_its_ids_has_each_call_judged(world):
    calls = [world.called("pay", "1", to=who) for who in ("a", "b")]
    world.play(world.runner("", world.agent(*calls)))
    assert world.ran == [("a", 1), ("b", 1)]
    assert len({one["call_id"] for one in world.records("tool_call")}) == 2


def test_two_users_with_one_session_id_have_nothing_in_common(world):
    limit = "limits: [{name: one, count: calls, tool: pay, at_most: 1, per: session}]"
    runner = world.runner(limit, world.agent(*[world.called("pay", to="a"), "done"] * 2))
    for user in ("u", "v"):
        world.play(runner, user_id=user)
    assert world.decided() == [("pay", "succeeded")] * 2
    assert {one["session"] for one in world.records("tool_call")} == {"shop/u/s", "shop/v/s"}


def test_ADPT_8_two_users_at_once_on_one_app_do_not_mix(world):
    met = asyncio.Barrier(2)

    class Meeting(BaseLlm):
        model: str = "meeting"

        async def generate_content_async(self, llm_request: Any, stream: bool = False) -> Any:
            spent = any(p.function_response for c in llm_request.contents for p in c.parts or ())
            await met.wait()
            who = llm_request.contents[0].parts[0].text
            yield LlmResponse(content=world.said("done" if spent else world.called("pay", to=who)))

    agent = LlmAgent(name="root", model=Meeting(), tools=[world.pay])
    limit = "limits: [{name: one, count: calls, tool: pay, at_most: 1, per: session}]"
    runner = world.runner(world.guard(limit, record_arguments=True), agent)

    async def run(user: str) -> None:
        message = types.Content(role="user", parts=[types.Part(text=user)])
        async for _ in runner.run_async(user_id=user, session_id="s", new_message=message):
            pass

    async def both() -> None:
        await asyncio.gather(run("ada"), run("bob"))

    asyncio.run(both())
    assert sorted(world.ran) == [("ada", 1), ("bob", 1)]
    for one in world.records("tool_call"):
        assert one["session"].split("/")[1] in one["arguments"]


def test_arguments_come_as_the_body_gets_them(world):
    seen: list[Any] = []

    def order(order: Order, note: str = "none") -> str:
        """Order something."""
        seen.append((order, note))
        return "ordered"

    guard = world.guard(
        "rules: [{name: r, tool: order, condition: 'has(args.order) && args.order.urgent', action: deny}]",
        record_arguments=True,
    )
    urgent = world.called("order", order={"to": "a", "urgent": True})
    calm = world.called("order", order={"to": "b"}, unknown="dropped")
    world.play(world.runner(guard, world.agent(urgent, calm, tools=[order])))
    assert seen == [(Order(to="b"), "none")]
    judged = world.records("tool_call")[-1]["arguments"]
    assert judged == '{"note":"none","order":{"to":"b","urgent":false}}'


def test_a_result_is_redacted_before_anybody_sees_it(world):
    policy = "rules: [{name: hide, on: tool_call.after, tool: pay, action: deny, reason: WHY}]"
    agent = world.agent(world.called("pay", to="a"))
    events = world.play(world.runner(policy, agent))
    assert world.ran
    assert "SECRET" not in str(world.responses(events)) + agent.model.heard[-1]


def test_a_tool_that_reports_an_error_has_failed(world):
    def broken() -> dict[str, str]:
        """Fail."""
        return {"error": "no connection"}

    agent = world.agent(world.called("broken"), tools=[broken])
    assert world.responses(world.play(world.runner("", agent))) == [{"error": "no connection"}]
    assert world.decided() == [("broken", "failed")]


# Agents


def test_a_denied_transfer_leaves_the_conversation_where_it_is(world):
    policy = "rules: [{name: no-sub, on: delegation, action: deny, reason: WHY}]"
    sub = world.agent(name="sub")
    transfer = world.called("transfer_to_agent", agent_name="sub")
    events = world.play(world.runner(policy, world.agent(transfer, "root again", sub_agents=[sub])))
    assert not sub.model.heard
    assert world.texts(events)[-1] == "root again"
    assert world.decided("delegation") == [("sub", "refused")]
    assert world.decided() == []


def test_a_transfer_to_nobody_is_refused(world):
    sub = world.agent(name="sub")
    transfer = world.called("transfer_to_agent", agent_name="nobody")
    world.play(world.runner("", world.agent(transfer, sub_agents=[sub])))
    assert world.decided("delegation") == [("nobody", "refused")]


def test_the_next_turn_goes_on_in_the_name_of_the_agent_that_took_over(world):
    sub = world.agent("hello", world.called("pay", to="a"), name="sub")
    root = world.agent(world.called("transfer_to_agent", agent_name="sub"), sub_agents=[sub])
    runner = world.runner("", root)
    world.play(runner)
    world.play(runner, "and pay")
    (paid,) = world.records("tool_call")
    assert paid["principal"]["id"] == "agent/sub"
    assert paid["principal"]["chain"] == ["agent"]


def test_an_agent_tool_without_plugins_is_refused(world):
    inner = world.agent(world.called("pay", to="a"), name="inner")
    tool = AgentTool(inner, include_plugins=False)
    root = world.agent(world.called("inner", request="pay"), tools=[tool])
    events = world.play(world.runner("", root))
    assert not world.ran
    assert "include_plugins=True" in world.responses(events)[0]["error"]


def test_a_sub_agent_that_runs_as_a_tool_lies_below_its_caller(world):
    inner = world.agent(world.called("pay", to="a"), "paid", name="inner", mode="single_turn")
    root = world.agent(world.called("inner", request="pay"), tools=[], sub_agents=[inner])
    world.play(world.runner("", root))
    assert world.ran == [("a", 1)]
    outer, below = world.records("tool_call")
    assert (outer["name"], below["name"]) == ("inner", "pay")
    assert outer["session"] == "shop/u/s"
    assert below["session"].startswith("shop/u/s@")
    assert below["principal"]["id"] == "agent/inner"
    assert world.decided("delegation") == [("inner", "succeeded")]


@pytest.mark.parametrize("group", [SequentialAgent, LoopAgent])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_agents_that_code_starts_are_authorised(world, group):
    policy = (
        "rules: [{name: no-b, on: delegation, condition: \"action.name == 'b'\", action: deny}]"
    )
    first, second = (world.agent(world.called("pay", to=name), name=name) for name in "ab")
    options = {"max_iterations": 1} if group is LoopAgent else {}
    root = group(name="both", sub_agents=[first, second], **options)
    events = world.play(world.runner(policy, root))
    assert world.ran == [("a", 1)]
    assert not second.model.heard
    assert any("no-b" in text for text in world.texts(events))
    assert world.decided("delegation") == [("a", "succeeded"), ("b", "refused")]


def test_an_agent_that_gets_a_whole_task_is_authorised(world):
    policy = "rules: [{name: no-task, on: delegation, action: deny, reason: WHY}]"
    sub = world.agent(world.called("pay", to="a"), name="sub", mode="task")
    root = world.agent(world.called("sub", request="pay"), tools=[], sub_agents=[sub])
    world.play(world.runner(policy, root))
    assert not world.ran
    assert not sub.model.heard
    assert ("sub", "refused") in world.decided("delegation")


# Code


class Recording(BaseCodeExecutor):
    """An executor that runs nothing and writes down what it should have run."""

    ran: list[str]

    def execute_code(self, invocation_context: Any, code_execution_input: Any) -> Any:
        self.ran.append(code_execution_input.code.strip())
        return CodeExecutionResult(stdout="SECRET")


CODE = "```python\nimport shutil; shutil.rmtree('/')\n```"


def test_code_that_a_model_writes_is_the_call_of_a_tool(world):
    executor = Recording(ran=[])
    agent = world.agent(CODE, "```python\nprint(1)\n```", tools=[], code_executor=executor)
    rule = """
rules: [{name: no-rm, tool: execute_code, condition: "has(args.code) && args.code.contains('rmtree')", action: deny, reason: WHY}]
"""
    world.play(world.runner(rule, agent, artifact_service=InMemoryArtifactService()))
    assert executor.ran == ["print(1)"]
    assert world.decided() == [("execute_code", "refused"), ("execute_code", "succeeded")]
    assert "WHY" in agent.model.heard[1]


# The model


def piece(text: str, *, partial: bool) -> LlmResponse:
    content = types.Content(role="model", parts=[types.Part(text=text)])
    return LlmResponse(content=content, partial=partial)


STREAM = (
    piece("the SEC", partial=True),
    piece("RET is 1", partial=True),
    piece("the SECRET is 1", partial=False),
)


@pytest.mark.parametrize("kind", ["model_call.after", "output"])
def test_ADPT_6_pieces_of_a_stream_wait_for_their_judgement(world, kind):
    read = "args.text" if kind == "output" else "action.result"
    policy = f"""
rules: [{{name: hide, on: {kind}, condition: "has({read}) && {read}.contains('SECRET')", action: deny, reason: WHY}}]
"""
    events = world.play(world.runner(policy, world.agent(STREAM)), run_config=SSE)
    text = "".join(world.texts(events))
    assert "SEC" not in text
    assert "WHY" in text


def test_a_stream_that_no_rule_can_bind_on_passes_as_it_comes(world):
    events = world.play(world.runner("", world.agent(STREAM)), run_config=SSE)
    assert world.texts(events) == ["the SEC", "RET is 1", "the SECRET is 1"]
    assert [one.partial for one in events] == [True, True, False]


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"tools": [google_search]}, "google_search"),
        ({"tools": [], "code_executor": BuiltInCodeExecutor()}, "code_execution"),
    ],
)
def test_what_the_provider_would_run_is_refused_by_name(world, options, name):
    agent = world.agent("found", **options)
    object.__setattr__(agent.model, "model", "gemini-2.5-flash")
    events = world.play(world.runner("", agent))
    assert not agent.model.heard
    assert f"`{name}` by itself" in world.texts(events)[0]
    assert world.decided() == [(name, "refused")]


def test_a_denied_model_is_not_asked(world):
    policy = "rules: [{name: no-model, on: model_call, action: deny, reason: WHY}]"
    agent = world.agent("hello")
    assert "WHY" in world.texts(world.play(world.runner(policy, agent)))[0]
    assert not agent.model.heard
    with pytest.raises(ActionDenied, match="WHY"):
        world.play(world.runner(policy, agent, on_denied="raise"))


def test_tokens_count_as_the_model_reports_them(world):
    policy = "limits: [{name: few, count: tokens, at_most: 150, per: session}]"
    used = types.GenerateContentResponseUsageMetadata(total_token_count=100)
    turns = [
        LlmResponse(content=world.said(world.called("pay", to=str(n))), usage_metadata=used)
        for n in range(5)
    ]
    events = world.play(world.runner(policy, world.agent(*turns)))
    assert world.ran == [("0", 1), ("1", 1)]
    assert "few" in world.texts(events)[-1]


def test_a_model_that_changes_at_each_call_is_refused(world):
    class Changing(LlmAgent):
        async def canonical_model_async(self, ctx: Any) -> Any:
            return self.model.model_copy()

    plain = world.agent(world.called("pay", to="a"))
    agent = Changing(name="root", model=plain.model, tools=[world.pay])
    events = world.play(world.runner("", agent))
    assert "another model at each call" in world.texts(events)[0]
    assert not world.ran


# Text


def test_a_denied_message_reaches_neither_model_nor_session(world):
    policy = """
rules: [{name: no-plan, on: input, condition: "has(args.text) && args.text.contains('PLAN')", action: deny, reason: WHY}]
"""
    agent = world.agent("hello")
    runner = world.runner(policy, agent)
    assert "WHY" in world.texts(world.play(runner, "the PLAN"))[0]
    assert world.texts(world.play(runner, "good morning")) == ["hello"]
    assert "PLAN" not in agent.model.heard[0]


def test_a_final_answer_that_no_model_gave_is_judged(world):
    policy = """
rules: [{name: no-secret, on: output, condition: "has(args.text) && args.text.contains('SECRET')", action: deny, reason: WHY}]
"""
    agent = world.agent("fine", after_agent_callback=lambda **_: world.said("the SECRET"))
    texts = world.texts(world.play(world.runner(policy, agent)))
    assert "SECRET" not in "".join(texts)
    assert "WHY" in texts[-1]


def test_the_example_blocks_and_leaves_a_verified_ledger():
    example = Path(__file__).parents[3] / "examples" / "google_adk.py"
    done = subprocess.run(
        [sys.executable, str(example)], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "What ran: find_order(17), refund(17, 40)" in done.stdout
    assert "The ledger is verified" in done.stdout
