"""Governed tools: what an executor of CrewAI starts in the place of the agent's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crewai.tools import BaseTool
from crewai.tools.agent_tools.base_agent_tools import BaseAgentTool
from crewai.tools.tool_failure import ToolFailure
from crewai.utilities.string_utils import sanitize_tool_name
from pydantic import Field, PrivateAttr

from wardline import ConfigurationError
from wardline.adapters import Way, now, received, same
from wardline_crewai._governor import TICKETS
from wardline_crewai._twins import become

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wardline_crewai._governor import Governor
    from wardline_crewai._turns import Turn

__all__ = ["GovernedTool", "Returned", "Ticketed", "coworker", "governed_tools"]


class Returned:
    """What a tool returned: rules read the text that the model would get."""

    def __init__(self, raw: Any, text: str) -> None:
        self.failed = text if isinstance(raw, ToolFailure) else ""
        self.content: Any = text

    def released(self, content: Any) -> Any:
        """Return `content`, which CrewAI makes a text of for the model."""
        return content


class GovernedTool(BaseTool):
    """Stands for `inner`: however it is started, the guard decides first, on the final arguments."""

    inner: Any = Field(exclude=True)
    _governor: Any = PrivateAttr()
    _turn: Any = PrivateAttr()
    _hand_over: Any = PrivateAttr(default=None)

    def bound(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments as the body gets them: with defaults, and after coercion."""
        schema = self.inner.args_schema
        if schema is None or not schema.model_fields:
            return dict(given)  # CrewAI passes them as they are
        return received(self.name, schema, given)

    def returned(self, raw: Any) -> Returned:
        """Take a result apart."""
        return Returned(raw, self.format_output_for_agent(raw))

    def format_output_for_agent(self, raw_result: Any) -> str:
        """Return the text that the model gets for a result."""
        return str(self.inner.format_output_for_agent(raw_result))

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Start the tool: native function calls come by here."""
        return now(self._start(Way(loop=False), self.inner.run, args, kwargs))

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        """Start the tool: calls that a model writes as text come by here."""
        return self.run(*args, **kwargs)

    async def arun(self, *args: Any, **kwargs: Any) -> Any:
        """Start the tool inside an event loop."""
        return await self._start(Way(loop=True), self.inner.arun, args, kwargs)

    async def _arun(self, *args: Any, **kwargs: Any) -> Any:
        return await self.arun(*args, **kwargs)

    async def _start(
        self, way: Way, body: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        names = list(self.inner.args_schema.model_fields) if args else []
        given = {**dict(zip(names, args, strict=False)), **kwargs}

        def run(final: dict[str, Any], id: str) -> Any:
            if not same(self.bound(final), final):
                raise ConfigurationError(
                    f"a rule made arguments for `{self.name}` that its schema does not take as they are; "
                    "it was not run"
                )
            if isinstance(self.inner, BaseAgentTool):
                return self._delegate(way, body, final, id)
            return body(**final)

        try:
            return await self._governor.tool_call(way, self._turn, self, given, run)
        finally:
            self.current_usage_count = self.inner.current_usage_count

    def _delegate(self, way: Way, body: Callable[..., Any], final: dict[str, Any], id: str) -> Any:
        """Let work go to a coworker, which is an action of its own; nobody of that name gets none."""
        agent = coworker(self.inner, final)
        if agent is None:
            return body(**final)
        self._hand_over(agent)
        args = {"text": final.get("task", final.get("question", "")), "from": self._turn.agent.role}
        if final.get("context"):
            args["context"] = final["context"]
        done = self._governor.delegate(
            way, self._turn, agent.role, args, id, lambda *_: body(**final)
        )
        return done if way.loop else now(done)


class Ticketed(BaseTool):
    """The methods of a tool that starts by a governed agent alone: the backstop."""

    _governor: Any = PrivateAttr(default=None)

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Start, if a guard has let this very start through."""
        self._check(args, kwargs)
        return super().run(*args, **kwargs)

    async def arun(self, *args: Any, **kwargs: Any) -> Any:
        """Do the same inside an event loop."""
        self._check(args, kwargs)
        return await super().arun(*args, **kwargs)

    def _check(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        named = dict(zip(self.args_schema.model_fields, args, strict=False)) if args else {}
        TICKETS.check(self.name, None, {**named, **kwargs})


def coworker(tool: BaseAgentTool, given: Mapping[str, Any]) -> Any:
    """Return the agent that CrewAI will give the work to, None if there is none of that name."""
    named = tool._get_coworker(given.get("coworker")) or ""
    wanted = tool.sanitize_agent_name(named)
    return next((a for a in tool.agents if tool.sanitize_agent_name(a.role) == wanted), None)


def _never(*_: Any) -> bool:
    """Say that CrewAI's cache must not keep a result: handing it out again would ask nobody."""
    return False


def governed_tools(
    governor: Governor, turn: Turn, tools: Sequence[Any], hand_over: Callable[[Any], Any]
) -> list[BaseTool]:
    """Return the tools of an agent, governed, and make them known to the turn.

    Raises `ConfigurationError` for what cannot be governed.
    """
    found: list[BaseTool] = []
    turn.tools = {}
    for given in tools:
        tool = given.inner if isinstance(given, GovernedTool) else given
        if not isinstance(tool, BaseTool):
            raise ConfigurationError(
                f"the tool `{getattr(tool, 'name', tool)}` of `{turn.agent.role}` is a "
                f"{type(tool).__name__}, which cannot be governed; make it a crewai.tools.BaseTool"
            )
        name = sanitize_tool_name(tool.name)
        if name in turn.tools:
            raise ConfigurationError(
                f"`{turn.agent.role}` has two tools that models know as `{name}`; rename one"
            )
        if governor.backstop:
            become(tool, Ticketed, governor)
        governed = GovernedTool(
            inner=tool,
            cache_function=_never,
            **{field: getattr(tool, field) for field in _SHOWN},
        )
        governed._governor, governed._turn, governed._hand_over = governor, turn, hand_over
        turn.tools[name] = governed
        found.append(governed)
    return found


_SHOWN = (
    "name",
    "description",
    "env_vars",
    "args_schema",
    "result_schema",
    "result_as_answer",
    "max_usage_count",
    "current_usage_count",
    "tool_failure_policy",
)
