"""Agents: a governed copy of an agent, with all that it can call or hand over to."""

from __future__ import annotations

import copy
import weakref
from functools import cache
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from agents import Agent, FunctionTool, Model
from agents.agent import ToolsToFinalOutputResult

from wardline import ActionRefused, ConfigurationError
from wardline.adapters import Adapter, Suspended, Way
from wardline_openai_agents._flow import required
from wardline_openai_agents._handoffs import govern_handoff
from wardline_openai_agents._models import GovernedModel
from wardline_openai_agents._runner import install
from wardline_openai_agents._tools import govern_tool

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from agents import RunContextWrapper, Tool

    from wardline import Guard, PolicySet

__all__ = ["KINDS", "GovernedAgent", "Governor", "govern"]

KINDS: Final = (
    "input",
    "model_call",
    "tool_call",
    "delegation",
    "memory_read",
    "memory_write",
    "output",
)
"""The kinds of action that this adapter sees."""

_NEVER_WAITS: Final = ("output",)

_LOOP = Way(loop=True)


def govern(
    agent: Agent[Any],
    guard: Guard | str | Path | PolicySet | Sequence[str | Path],
    *,
    on_denied: Literal["message", "raise"] = "message",
    unused: Collection[str] = (),
    backstop: bool = True,
) -> Agent[Any]:
    """Return a governed copy of an agent, for `Runner.run`, `run_sync` and `run_streamed`.

    All that the agent can reach is governed with it: its tools, its MCP servers, the agents that it
    calls as tools or hands over to, and their models. Agents that are started inside a governed tool
    are, too. The agent itself stays as it is.

    `guard` is a `Guard`, or what one is made from: a policy file, a directory, several of them or a
    `PolicySet`. `on_denied` says what becomes of a refusal: "message" tells the model, and the run goes
    on; "raise" raises it out of the run. `unused` names kinds of action that this agent never takes
    although the policy has rules for them. `backstop` refuses, in the whole process, every run of an
    agent that nobody governs.

    Raises `ConfigurationError` for a rule that could never be asked or an agent that cannot be
    governed, and what `Guard` raises.
    """
    if on_denied not in ("message", "raise"):
        raise ConfigurationError(f"on_denied is 'message' or 'raise', not {on_denied!r}")
    if not isinstance(agent, Agent):
        raise ConfigurationError(f"govern() takes an agents.Agent, not {type(agent).__name__}")
    if isinstance(agent, GovernedAgent):
        raise ConfigurationError(f"the agent `{agent.name}` is governed already")
    adapter = Adapter(
        "OpenAI Agents", guard, KINDS, unused=unused, cannot_wait=_NEVER_WAITS, passing=(Suspended,)
    )
    install(backstop=backstop)
    return Governor(adapter, raises=on_denied == "raise").agent(agent)


class Governor:
    """Governs the agents of one `govern`; it has one governed copy of each."""

    def __init__(self, adapter: Adapter, *, raises: bool) -> None:
        self.adapter = adapter
        self.raises = raises
        # The originals are held, too: an id is one's own only as long as one lives.
        self._agents: dict[int, tuple[Agent[Any], GovernedAgent]] = {}

    def agent(self, agent: Agent[Any]) -> GovernedAgent:
        """Return the governed copy of an agent."""
        if isinstance(agent, GovernedAgent):
            return agent
        if id(agent) not in self._agents:
            kind: Any = type(agent)
            governed: Any = copy.copy(agent)
            governed.__class__ = _governed(kind)
            governed.governor = self
            governed.original = agent
            self._agents[id(agent)] = (agent, governed)  # agents may hand over in circles
            self._fill(governed, agent)
        return self._agents[id(agent)][1]

    def _fill(self, governed: GovernedAgent, agent: Agent[Any]) -> None:
        governed.tools = [self.tool(one) for one in agent.tools]
        governed.handoffs = [govern_handoff(self, governed, one) for one in agent.handoffs]
        if isinstance(agent.model, Model):
            governed.model = GovernedModel(agent.model)
        if self.adapter.guard.policies.speaks_of("output"):
            governed.tool_use_behavior = governed.finish

    def tool(self, tool: Tool) -> Tool:
        """Return the governed form of a tool; what has none refuses the model call that it is in."""
        return govern_tool(self, tool) if isinstance(tool, FunctionTool) else tool

    def reference(self, agent: Agent[Any]) -> Any:
        """Return a weak reference to the governed copy of an agent."""
        return weakref.ref(self.agent(agent))

    def passing_by(self, agent: Agent[Any]) -> GovernedAgent:
        """Return the governed copy of an agent that code inside a governed action has started."""
        if id(agent) in self._agents:
            return self._agents[id(agent)][1]
        return Governor(self.adapter, raises=self.raises).agent(agent)


class GovernedAgent(Agent[Any]):
    """An agent whose tools and model calls are judged, in runs that Wardline knows of alone."""

    governor: ClassVar[Any] = None
    original: ClassVar[Any] = None

    async def get_all_tools(self, run_context: RunContextWrapper[Any]) -> list[Tool]:
        """Return the tools of this turn, those of MCP servers and later additions included."""
        governor = self.governed_by()
        return [governor.tool(one) for one in await super().get_all_tools(run_context)]

    async def get_system_prompt(self, run_context: RunContextWrapper[Any]) -> str | None:
        """Return the instructions; the SDK asks for them before each model call.

        Raises `ConfigurationError` in a run that was started past Wardline, whose model is not governed.
        """
        self.governed_by()
        required()
        return await super().get_system_prompt(run_context)

    def governed_by(self) -> Governor:
        """Return what governs this agent.

        Raises `ConfigurationError` for one that was cloned afterwards, whose tools nobody looked at.
        """
        if not isinstance(self.governor, Governor):
            raise ConfigurationError(
                f"`{self.name}` was cloned from a governed agent; clone the agent first, and govern "
                "what comes of it"
            )
        return self.governor

    async def finish(self, context: Any, results: list[Any]) -> ToolsToFinalOutputResult:
        """Decide whether the result of a tool ends the run, and judge it as what the agent says."""
        done = await _original_finish(self.original.tool_use_behavior, context, results)
        if not done.is_final_output or done.final_output is None:
            return done
        flow = required()
        said = str(done.final_output)
        try:
            released = await flow.adapter.text(_LOOP, flow.place, "output", said)
        except ActionRefused as refused:
            if flow.governor.raises or self.output_type not in (None, str):
                raise
            released = str(refused)
        if released == said:
            return done
        return ToolsToFinalOutputResult(is_final_output=True, final_output=released)


async def _original_finish(
    behaviour: Any, context: Any, results: list[Any]
) -> ToolsToFinalOutputResult:
    """Do what the agent's own `tool_use_behavior` says."""
    if callable(behaviour):
        done = behaviour(context, results)
        found: ToolsToFinalOutputResult = await done if isawaitable(done) else done
        return found
    stops: list[Any] = []
    if behaviour == "stop_on_first_tool":
        stops = results[:1]
    elif isinstance(behaviour, dict):
        names = behaviour.get("stop_at_tool_names", [])
        stops = [r for r in results if r.tool.name in names or r.tool.qualified_name in names]
    if not stops:
        return ToolsToFinalOutputResult(is_final_output=False)
    return ToolsToFinalOutputResult(is_final_output=True, final_output=stops[0].output)


@cache
def _governed(kind: Any) -> type[GovernedAgent]:
    """Return the governed form of a class of agents.

    Raises `ConfigurationError` for those that have tools of their own kind.
    """
    if kind is Agent:
        return GovernedAgent
    if any(base.__module__.startswith("agents.sandbox") for base in kind.__mro__):
        raise ConfigurationError(
            f"a {kind.__name__} runs commands in a sandbox past the SDK's function tools, where no guard "
            "can decide before they run; use an Agent with function tools"
        )
    return type(f"Governed{kind.__name__}", (GovernedAgent, kind), {})
