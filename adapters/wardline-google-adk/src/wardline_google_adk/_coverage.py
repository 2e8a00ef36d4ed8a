"""What an app can reach, and whether a guard decides about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.adk.agents.base_agent import BaseAgent
from google.adk.agents.llm_agent import LlmAgent
from google.adk.apps.app import App
from google.adk.code_executors.built_in_code_executor import BuiltInCodeExecutor
from google.adk.tools.agent_tool import AgentTool
from google.adk.tools.base_tool import BaseTool
from google.adk.tools.base_toolset import BaseToolset

from wardline.adapters import Covered
from wardline_google_adk._arguments import retrieves
from wardline_google_adk._plugin import _ELSEWHERE, WardlinePlugin

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["coverage"]

_HOSTED = "the provider of the model executes it; a request that offers it is refused"
_NO_PLUGIN = "the app has no WardlinePlugin as its first plugin"
_NO_APP = "an agent is governed by the app that it is in; pass the App"
_PASSED_BY = "AgentTool(include_plugins=False) runs it without the plugins; its call is refused"


def coverage(root: object) -> Sequence[Covered]:
    """Return what an `App`, a runner or an agent can reach; nothing for any other object.

    Tools of a toolset are not listed one by one, because only a run asks for them.
    """
    app: Any = root if isinstance(root, App) else getattr(root, "app", None)
    if isinstance(app, App):
        plugins: Any = app.plugins
        why = "" if plugins and isinstance(plugins[0], WardlinePlugin) else _NO_PLUGIN
        agent: Any = app.root_agent
    elif isinstance(root, BaseAgent):
        agent, why = root, _NO_APP
    else:
        return []
    return list(_agent(agent, why, set())) if isinstance(agent, BaseAgent) else []


def _agent(agent: BaseAgent, why: str, seen: set[int]) -> Iterator[Covered]:
    if id(agent) in seen:
        return
    seen.add(id(agent))

    def found(kind: str, name: str, against: str = "") -> Covered:
        return Covered(kind, name, agent.name, governed=not (why or against), why=why or against)

    if isinstance(agent, LlmAgent):
        model = agent.model if isinstance(agent.model, str) else agent.model.model
        yield found("model_call", model or "the model of its parent")
        if agent.code_executor is not None:
            hosted = _HOSTED if isinstance(agent.code_executor, BuiltInCodeExecutor) else ""
            yield found("tool_call", "execute_code", hosted)
        for tool in agent.tools:
            yield from _tool(tool, found)
            if isinstance(tool, AgentTool):
                against = "" if tool.include_plugins else _PASSED_BY
                yield found("delegation", tool.name, against)
                yield from _agent(tool.agent, why or against, seen)
    for child in agent.sub_agents:
        elsewhere = [one.__name__ for one in type(child).__mro__ if one.__name__ in _ELSEWHERE]
        against = f"a {elsewhere[0]} calls its tools by itself; it is refused" if elsewhere else ""
        yield found("delegation", child.name, against)
        yield from _agent(child, why or against, seen)


def _tool(tool: Any, found: Any) -> Iterator[Covered]:
    if isinstance(tool, BaseToolset):
        yield found("tool_call", f"{tool.tool_name_prefix or ''}* ({type(tool).__name__})")
        return
    name = getattr(tool, "name", None) or getattr(tool, "__name__", type(tool).__name__)
    hosted = isinstance(tool, BaseTool) and _is_hosted(tool)
    yield found("tool_call", name, _HOSTED if hosted else "")
    if isinstance(tool, BaseTool) and retrieves(tool):
        yield found("retrieval", name)


def _is_hosted(tool: BaseTool) -> bool:
    """Whether this process has nothing to run for `tool`, so that somebody else must."""
    own = type(tool).run_async is not BaseTool.run_async
    declares = type(tool).process_llm_request is BaseTool.process_llm_request
    return not own and not declares
