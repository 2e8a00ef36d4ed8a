"""What of a crew or an agent is governed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crewai import Agent, Crew, Task

from wardline import ConfigurationError
from wardline.adapters import Covered
from wardline_crewai._agents import GovernedAgent
from wardline_crewai._memories import GovernedKnowledge, GovernedMemory, knowledge_name
from wardline_crewai._models import GovernedModel, hosted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["coverage"]

_WHY = "`govern` was not called on its agent"


def coverage(root: Any) -> Sequence[Covered]:
    """Return every tool, model, coworker, memory and source of knowledge that `root` can reach.

    `root` is a `Crew`, an `Agent` or a `Task`. Tools that CrewAI adds as a task starts, to delegate or
    to remember, are governed if the agent is, and are not listed.
    """
    if isinstance(root, Crew):
        agents = [*root.agents, *(task.agent for task in root.tasks)]
        if root.manager_agent is not None:
            agents.append(root.manager_agent)
        extra = {id(t.agent): [*(t.tools or ())] for t in root.tasks if t.agent is not None}
        found = [
            one for agent in _unique(agents) for one in _agent(agent, extra.get(id(agent), []))
        ]
        return [*found, *_crew(root)]
    if isinstance(root, Task):
        return list(_agent(root.agent, root.tools or [])) if root.agent is not None else []
    if isinstance(root, Agent):
        return list(_agent(root, []))
    raise ConfigurationError(
        f"{type(root).__name__} is not what coverage is about; it takes a Crew, an Agent or a Task"
    )


def _unique(agents: Sequence[Any]) -> list[Any]:
    found: dict[int, Any] = {id(one): one for one in agents if one is not None}
    return list(found.values())


def _agent(agent: Any, extra: Sequence[Any]) -> Iterator[Covered]:
    role = str(agent.role)
    if not isinstance(agent, Agent):
        yield Covered("delegation", role, role, False, f"it is a {type(agent).__name__}")
        return
    governed = isinstance(agent, GovernedAgent)
    why = "" if governed else _WHY
    yield Covered("delegation", role, role, governed, why)
    tools: dict[str, Any] = {str(one.name): one for one in [*(agent.tools or ()), *extra]}
    for name in tools:
        yield Covered("tool_call", name, role, governed, why)
    yield from _model(agent.llm, role)
    yield from _memory(agent.memory, role)
    yield from _knowledge(agent.knowledge, role)


def _crew(crew: Crew) -> Iterator[Covered]:
    name = str(crew.name or "crew")
    yield from _memory(crew._memory, name)
    yield from _knowledge(crew.knowledge, name)


def _model(model: Any, owner: str) -> Iterator[Covered]:
    governed = isinstance(model, GovernedModel)
    name = str(getattr(model, "model", model))
    yield Covered("model_call", name, owner, governed, "" if governed else _WHY)
    for tool in hosted(model) if hasattr(model, "additional_params") else ():
        why = "the provider of the model executes it; requests with it are refused"
        yield Covered("tool_call", tool, owner, False, why if governed else _WHY)


def _memory(memory: Any, owner: str) -> Iterator[Covered]:
    if memory is None or isinstance(memory, bool):
        return
    backing = getattr(memory, "_memory", None) or memory
    governed = isinstance(backing, GovernedMemory)
    for kind in ("memory_read", "memory_write"):
        yield Covered(kind, "memory", owner, governed, "" if governed else _WHY)


def _knowledge(knowledge: Any, owner: str) -> Iterator[Covered]:
    if knowledge is not None:
        governed = isinstance(knowledge, GovernedKnowledge)
        name = knowledge_name(knowledge)
        yield Covered("retrieval", name, owner, governed, "" if governed else _WHY)
