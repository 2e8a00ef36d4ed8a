"""Tool calls: what is judged, what runs, what the model hears, what the ledger keeps."""

from __future__ import annotations

import asyncio
import enum
from typing import Annotated, Any, Literal

import pytest
from langchain.agents.middleware import AgentMiddleware
from langchain.tools import InjectedState, ToolRuntime
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, InjectedToolCallId, StructuredTool, tool
from pydantic import BaseModel, Field, field_validator

from wardline import ActionDenied, ConfigurationError, PolicyError
from wardline_langchain import WardlineMiddleware, govern_middleware

READS = """
rules:
  - {name: reads, tool: read_file, action: allow}
  - {name: pays, tool: pay, action: allow, condition: "args.amount <= 10"}
"""


def both(agent: Any, given: Any, mode: str, config: Any = None) -> Any:
    """Run an agent the way `mode` says and return its final state."""
    if mode == "invoke":
        return agent.invoke(given, config)
    if mode == "ainvoke":
        return asyncio.run(agent.ainvoke(given, config))
    if mode == "stream":
        return list(agent.stream(given, config, stream_mode="values"))[-1]

    async def stream() -> Any:
        return [one async for one in agent.astream(given, config, stream_mode="values")][-1]

    return asyncio.run(stream())


MODES = ("invoke", "ainvoke", "stream", "astream")


@pytest.mark.parametrize("mode", MODES)
def test_one_of_two_parallel_calls_is_refused_and_its_sibling_runs(world, mode):
    agent = world.agent(
        READS,
        world.turn(
            world.call("read_file", "1", path="/a"), world.call("delete_file", "2", path="/b")
        ),
    )
    out = both(agent, world.go, mode)
    assert world.ran == [("read_file", "/a")]
    told = {m.tool_call_id: m for m in out["messages"] if m.type == "tool"}
    assert told["1"].content == "contents of /a"
    assert told["1"].status == "success"
    assert told["2"].status == "error"
    assert "`delete_file` was not run" in told["2"].content
    assert out["messages"][-1].content == "done"
    assert sorted(world.decided()) == [("delete_file", "refused"), ("read_file", "succeeded")]
    assert world.decided("model_call") == [("scripted-1", "succeeded")] * 2


@pytest.mark.parametrize("mode", MODES)
def test_raising_refuses_the_whole_answer_before_any_of_it_runs(world, mode):
    agent = world.agent(
        READS,
        world.turn(
            world.call("read_file", "1", path="/a"), world.call("delete_file", "2", path="/b")
        ),
        on_denied="raise",
    )
    with pytest.raises(ActionDenied, match="delete_file"):
        both(agent, world.go, mode)
    assert world.ran == []


@pytest.mark.parametrize("mode", ("invoke", "ainvoke"))
def test_a_name_that_is_no_tool_is_refused(world, mode):
    agent = world.agent("default_action: allow", world.turn(world.call("rm_rf", path="/")))
    out = both(agent, world.go, mode)
    assert "not run" in world.tool_texts(out)[0]
    assert world.decided() == [("rm_rf", "refused")]


def test_a_tool_of_another_agent_is_not_this_agents(world):
    guard = world.guard("default_action: allow")
    world.agent(guard, world.turn(world.call("pay", to="x"))).invoke(world.go)
    world.ran.clear()
    agent = world.agent(guard, world.turn(world.call("pay", to="y")), tools=[world.read_file])
    out = agent.invoke(world.go)
    assert "no tool `pay`" in world.tool_texts(out)[0]
    assert world.ran == []


def test_a_policy_file_is_enough(world, tmp_path, monkeypatch):
    monkeypatch.setenv("WARDLINE_HOME", str(tmp_path / "home"))
    (tmp_path / "p.yaml").write_text("apiVersion: wardline/v1\nname: p\ndefault_action: deny\n")
    middleware = WardlineMiddleware(str(tmp_path / "p.yaml"))
    world.guards.append(middleware.guard)
    out = world.agent(middleware, world.turn(world.call("pay", to="x"))).invoke(world.go)
    assert "builtin:default" in world.tool_texts(out)[0]
    assert world.ran == []


def test_defaults_are_judged(world):
    @tool
    def shell(command: str, unsafe: bool = True) -> str:
        "Run."
        world.ran.append((command, unsafe))
        return "ok"

    policy = """
default_action: allow
rules:
  - {name: no-unsafe, tool: shell, condition: "args.unsafe", action: deny}
"""
    turns = [
        world.turn(world.call("shell", command="a")),
        world.turn(world.call("shell", command="b", unsafe=False)),
    ]
    out = world.agent(policy, *turns, tools=[shell]).invoke(world.go)
    assert world.ran == [("b", False)]
    assert "no-unsafe" in world.tool_texts(out)[0]


class Colour(enum.Enum):
    RED = "red"


class Inner(BaseModel):
    n: int = 3


class Wide(BaseModel):
    amount: int
    flag: bool = False
    colour: Colour = Colour.RED
    inner: Inner = Field(default_factory=Inner)
    mode: Literal["a", "b"] = "a"


def wide_tool(world, schema=Wide):
    def wide(**kwargs: Any) -> str:
        world.ran.append(kwargs)
        return "ok"

    return StructuredTool.from_function(
        wide, name="wide", description="w", args_schema=schema, infer_schema=False
    )


@pytest.mark.parametrize("mode", ("invoke", "ainvoke"))
def test_coerced_values_are_judged_as_the_body_gets_them(world, mode):
    policy = """
default_action: allow
rules:
  - name: limit
    tool: wide
    condition: >-
      has(args.amount) && args.amount > 10
      || has(args.flag) && args.flag == true || has(args.inner) && args.inner.n > 3
    action: deny
"""
    turns = [
        world.turn(world.call("wide", amount="50")),
        world.turn(world.call("wide", amount=1, flag="yes")),
        world.turn(world.call("wide", amount=1, inner={"n": "4"})),
        world.turn(world.call("wide", amount="5", inner={})),
    ]
    out = both(world.agent(policy, *turns, tools=[wide_tool(world)]), world.go, mode)
    assert [text.startswith("`wide` was not run") for text in world.tool_texts(out)] == [
        True, True, True, False,
    ]  # fmt: skip
    assert world.ran == [
        {"amount": 5, "flag": False, "colour": Colour.RED, "inner": Inner(n=3), "mode": "a"}
    ]


def test_arguments_that_do_not_validate_are_reported_by_langchain(world):
    agent = world.agent("default_action: allow", world.turn(world.call("pay", amount="many")))
    out = agent.invoke(world.go)
    assert "Error invoking tool 'pay'" in world.tool_texts(out)[0]
    assert world.ran == []
    assert world.decided() == [("pay", "failed")]


def test_a_schema_that_never_settles_is_refused(world):
    class Doubling(BaseModel):
        amount: int

        @field_validator("amount")
        @classmethod
        def double(cls, value: int) -> int:
            return value * 2

    agent = world.agent(
        "default_action: allow",
        world.turn(world.call("wide", amount=2)),
        tools=[wide_tool(world, Doubling)],
    )
    assert "validated already" in world.tool_texts(agent.invoke(world.go))[0]
    assert world.ran == []


def test_a_class_without_a_schema_is_judged_with_its_defaults(world):
    class Plain(BaseTool):
        name: str = "plain"
        description: str = "p"

        def _run(self, x: int, force: bool = True) -> str:
            world.ran.append((x, force))
            return "ok"

    policy = """
default_action: allow
rules: [{name: no-force, tool: plain, condition: "args.force", action: deny}]
"""
    world.agent(policy, world.turn(world.call("plain", x=1)), tools=[Plain()]).invoke(world.go)
    assert world.ran == []


@pytest.mark.parametrize("mode", ("invoke", "ainvoke"))
def test_injected_parameters_pass_by_reference_and_are_recorded(world, mode):
    seen: dict[str, Any] = {}

    @tool
    def curious(
        x: int,
        state: Annotated[dict, InjectedState],
        call_id: Annotated[str, InjectedToolCallId],
        runtime: ToolRuntime,
        y: int = 2,
    ) -> str:
        "Look around."
        seen.update(x=x, y=y, state=state, call_id=call_id, runtime=runtime)
        return "ok"

    forged = world.call("curious", x="1", state={"messages": []}, call_id="forged")
    agent = world.agent("default_action: allow", world.turn(forged), tools=[curious])
    out = both(agent, world.go, mode)
    assert world.tool_texts(out) == ["ok"]
    assert (seen["x"], seen["y"], seen["call_id"]) == (1, 2, "1")
    assert seen["state"]["messages"]
    assert seen["runtime"].tool_call_id == "1"
    intent = next(one for one in world.records("intent") if one["kind"] == "tool_call")
    assert {"state", "call_id"} <= set(intent["opaque"])


def test_a_json_schema_tool_may_have_an_argument_called_runtime(world):
    def film(**kwargs: Any) -> str:
        world.ran.append(kwargs)
        return "ok"

    schema = {
        "type": "object",
        "properties": {"runtime": {"type": "integer"}},
        "required": ["runtime"],
    }
    film_tool = StructuredTool.from_function(film, name="film", description="d", args_schema=schema)
    policy = """
default_action: allow
rules: [{name: short, tool: film, condition: "has(args.runtime) && args.runtime > 200", action: deny}]
"""
    turns = [
        world.turn(world.call("film", runtime=300)),
        world.turn(world.call("film", runtime=90)),
    ]
    out = world.agent(policy, *turns, tools=[film_tool]).invoke(world.go)
    assert "short" in world.tool_texts(out)[0]
    assert world.ran == [{"runtime": 90}]


def test_an_alias_is_judged_and_received(world):
    class Aliased(BaseModel):
        sender: str = Field(alias="from")

    policy = """
default_action: allow
rules: [{name: no-x, tool: wide, condition: "has(args.from) && args.from == 'x'", action: deny}]
"""
    turns = [
        world.turn(world.call("wide", **{"from": "x"})),
        world.turn(world.call("wide", **{"from": "y"})),
    ]
    world.agent(policy, *turns, tools=[wide_tool(world, Aliased)]).invoke(world.go)
    assert world.ran == [{"sender": "y"}]


class Rewriter(AgentMiddleware):
    """Makes every path another one."""

    def __init__(self, **args: Any) -> None:
        super().__init__()
        self.args = args

    def _rewritten(self, request):
        args = {**request.tool_call["args"], **self.args}
        return request.override(tool_call={**request.tool_call, "args": args})

    def wrap_tool_call(self, request, handler):
        return handler(self._rewritten(request))

    async def awrap_tool_call(self, request, handler):
        return await handler(self._rewritten(request))


ROOT_ONLY = """
rules: [{name: here, tool: read_file, condition: "args.path == '/ok'", action: allow}]
"""


@pytest.mark.parametrize("mode", ("invoke", "ainvoke"))
def test_what_a_middleware_before_the_governor_rewrites_is_judged(world, mode):
    agent = world.agent(
        ROOT_ONLY,
        world.turn(world.call("read_file", path="/ok")),
        before=[Rewriter(path="/etc/shadow")],
    )
    out = both(agent, world.go, mode)
    assert "not run" in world.tool_texts(out)[0]
    assert world.ran == []


@pytest.mark.parametrize("mode", ("invoke", "ainvoke"))
@pytest.mark.parametrize("change", ({"path": "/etc/shadow"}, {"extra": 1}))
def test_what_a_middleware_behind_the_governor_rewrites_does_not_start(world, mode, change):
    agent = world.agent(
        ROOT_ONLY, world.turn(world.call("read_file", path="/ok")), after=[Rewriter(**change)]
    )
    out = both(agent, world.go, mode)
    assert "changed after they were judged" in world.tool_texts(out)[0]
    assert world.ran == []
    assert ("read_file", "failed") in world.decided()


def test_true_and_one_are_not_the_same_arguments(world):
    @tool
    def anything(x: Any) -> str:
        "Take anything."
        world.ran.append(x)
        return "ok"

    policy = "default_action: allow"
    answer = world.turn(world.call("anything", x=1))
    world.agent(policy, answer, tools=[anything], after=[Rewriter(x=True)]).invoke(world.go)
    assert world.ran == []


class Twice(AgentMiddleware):
    def wrap_tool_call(self, request, handler):
        handler(request)
        return handler(request)


def test_one_permit_is_for_one_start(world):
    agent = world.agent(ROOT_ONLY, world.turn(world.call("read_file", path="/ok")), after=[Twice()])
    out = agent.invoke(world.go)
    assert world.ran == [("read_file", "/ok")]
    assert "twice" in world.tool_texts(out)[0]


def test_a_retry_outside_the_governor_is_judged_again(world):
    tries = []

    @tool
    def flaky() -> str:
        "Fail once."
        tries.append(1)
        if len(tries) == 1:
            raise TimeoutError("not now")
        return "ok"

    class Retry(AgentMiddleware):
        def wrap_tool_call(self, request, handler):
            try:
                return handler(request)
            except TimeoutError:
                return handler(request)

    agent = world.agent(
        "default_action: allow", world.turn(world.call("flaky")), tools=[flaky], before=[Retry()]
    )
    assert world.tool_texts(agent.invoke(world.go)) == ["ok"]
    assert world.decided() == [("flaky", "failed"), ("flaky", "succeeded")]


@pytest.mark.parametrize("mode", ("invoke", "ainvoke"))
def test_a_tool_that_raises_is_a_failure_and_the_error_is_the_callers(world, mode):
    @tool
    def broken() -> str:
        "Break."
        raise ValueError("boom")

    agent = world.agent("default_action: allow", world.turn(world.call("broken")), tools=[broken])
    with pytest.raises(ValueError, match="boom"):
        both(agent, world.go, mode)
    assert world.decided() == [("broken", "failed")]


def test_a_tool_that_reports_an_error_is_a_failure(world):
    @tool
    def sorry(tool_call_id: Annotated[str, InjectedToolCallId]) -> ToolMessage:
        "Report an error."
        return ToolMessage("no such row", tool_call_id=tool_call_id, status="error")

    agent = world.agent("default_action: allow", world.turn(world.call("sorry")), tools=[sorry])
    assert world.tool_texts(agent.invoke(world.go)) == ["no such row"]
    assert world.decided() == [("sorry", "failed")]


def test_the_same_call_id_in_two_turns_names_two_calls(world):
    agent = world.agent(
        READS,
        world.turn(world.call("read_file", "1", path="/a")),
        world.turn(world.call("read_file", "1", path="/a")),
    )
    out = agent.invoke(world.go)
    assert world.tool_texts(out) == ["contents of /a"] * 2
    assert len(world.ran) == 2
    ids = [one["call_id"] for one in world.records("intent") if one["kind"] == "tool_call"]
    assert len(set(ids)) == 2


def test_odd_names_are_names(world):
    names = ["Weird-Näme", "a.b", "x y", "🙂"]

    def make(name: str) -> Any:
        def run() -> str:
            world.ran.append(name)
            return "ok"

        return StructuredTool.from_function(run, name=name, description="d")

    calls = [world.call(name, str(i)) for i, name in enumerate(names)]
    agent = world.agent(
        "default_action: allow", world.turn(*calls), tools=[make(name) for name in names]
    )
    agent.invoke(world.go)
    assert sorted(world.ran) == sorted(names)


def test_two_names_of_one_type_are_refused(world):
    @tool("Pay")
    def other(to: str) -> str:
        "Pay."
        return to

    agent = world.agent("default_action: allow", tools=[world.pay, other], on_denied="raise")
    with pytest.raises(ActionDenied, match="one type"):
        agent.invoke(world.go)


def test_a_tool_of_the_provider_is_refused_by_name(world):
    agent = world.agent("default_action: allow", tools=[{"type": "web_search_20250305"}])
    with pytest.raises(ActionDenied, match="web_search_20250305"):
        agent.invoke(world.go)


def test_rules_that_could_never_be_asked_refuse_to_start(world):
    policy = "rules: [{name: memo, on: memory_write, action: deny}]"
    with pytest.raises(ConfigurationError, match="memo"):
        world.middleware(policy)
    world.middleware(policy, unused=("memory_write",))
    late = "approvers: ['os:a']\nrules: [{name: late, on: output, action: require_approval}]"
    with pytest.raises(ConfigurationError, match="late"):
        world.middleware(late)
    with pytest.raises(ConfigurationError, match="on_denied"):
        world.middleware("default_action: deny", on_denied="ignore")
    with pytest.raises(PolicyError):
        world.guard("nonsense: 1")


def test_govern_middleware_puts_the_governor_last(world):
    first = Rewriter(path="/x")
    stack = govern_middleware([first], world.guard(READS))
    assert stack[0] is first
    assert isinstance(stack[-1], WardlineMiddleware)
    with pytest.raises(ConfigurationError, match="already"):
        govern_middleware(stack, world.guard(READS))


RESULTS = """
default_action: allow
rules:
  - name: no-secrets
    on: tool_call.after
    tool: read_file
    condition: "action.result.contains('secret')"
    action: {effect}
    {extra}
"""


def results(effect: str, extra: str = "") -> str:
    return RESULTS.replace("{effect}", effect).replace("{extra}", extra)


@pytest.mark.parametrize("mode", MODES)
def test_a_result_can_be_withheld(world, mode):
    agent = world.agent(results("deny"), world.turn(world.call("read_file", path="/secret")))
    out = both(agent, world.go, mode)
    (text,) = world.tool_texts(out)
    assert "ran, but" in text
    assert "/secret" not in text
    assert world.decided() == [("read_file", "withheld")]


@pytest.mark.parametrize("mode", MODES)
def test_a_result_can_be_changed_and_its_artifact_is_dropped(world, mode):
    @tool(response_format="content_and_artifact")
    def read_file(path: str) -> tuple[str, dict]:
        "Read."
        return f"contents of {path}", {"raw": "the secret itself"}

    policy = results("transform", "set: {result: \"'[gone]'\"}")
    turns = [
        world.turn(world.call("read_file", path="/secret")),
        world.turn(world.call("read_file", path="/plain")),
    ]
    out = both(world.agent(policy, *turns, tools=[read_file]), world.go, mode)
    first, second = (message for message in out["messages"] if message.type == "tool")
    assert (first.content, first.artifact) == ("[gone]", None)
    assert second.content == "contents of /plain"
    assert second.artifact


def test_arguments_can_be_changed(world):
    policy = """
default_action: allow
rules: [{name: cap, tool: pay, condition: "args.amount > 5", action: transform, set: {args.amount: "5"}}]
"""
    world.agent(policy, world.turn(world.call("pay", to="x", amount=50))).invoke(world.go)
    assert world.ran == [("pay", "x", 5)]


@pytest.mark.parametrize("mode", ("invoke", "ainvoke"))
@pytest.mark.parametrize("change", ["args.limit: '10'", "args.amount: '\"5\"'"])
def test_arguments_of_a_rule_that_the_tool_would_drop_or_change_do_not_start(world, mode, change):
    policy = f"""
apiVersion: wardline/v1
name: p
default_action: allow
rules: [{{name: bound, tool: pay, action: transform, set: {{{change}}}}}]
"""
    out = both(world.agent(policy, world.turn(world.call("pay", to="x"))), world.go, mode)
    assert "does not take as they are" in world.tool_texts(out)[0]
    assert world.ran == []
