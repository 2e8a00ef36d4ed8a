"""Governed agents and crews: where turns begin and end, and what their agents get into their hands."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from crewai import Agent, Crew
from crewai.agents.tools_handler import ToolsHandler
from crewai.crews.crew_output import CrewOutput
from crewai.execution import begin_execution, end_execution, get_execution_uuid
from crewai.lite_agent_output import LiteAgentOutput
from crewai.utilities.agent_utils import is_inside_event_loop, parse_tools
from crewai.utilities.llm_utils import create_llm
from pydantic import BaseModel, PrivateAttr

from wardline import ActionRefused, ConfigurationError
from wardline.adapters import Way, now
from wardline_crewai._memories import GovernedKnowledge, governed_memory
from wardline_crewai._models import GovernedModel
from wardline_crewai._tools import governed_tools
from wardline_crewai._turns import FlowStep, Paused, Turn
from wardline_crewai._twins import become

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crewai.tools import BaseTool

    from wardline_crewai._governor import Governor

__all__ = ["GovernedAgent", "GovernedCrew", "govern_agent", "govern_crew"]


class GovernedAgent(Agent):
    """The methods of an agent that the guard stands in front of."""

    _governor: Any = PrivateAttr(default=None)

    def execute_task(
        self, task: Any, context: str | None = None, tools: list[BaseTool] | None = None
    ) -> Any:
        """Be in a turn of its own while at a task, and judge what comes of it."""
        govern_agent(self, self._governor)
        with self._governor.turn(self, task, _named(task)) as (turn, again):
            if again:
                return super().execute_task(task, context, tools)
            work = super().execute_task
            way = Way(loop=False)
            result = now(_worked(self, way, task, lambda: work(task, context, tools)))
            return _answered(self, turn, result)

    async def aexecute_task(
        self, task: Any, context: str | None = None, tools: list[BaseTool] | None = None
    ) -> Any:
        """Do the same inside an event loop."""
        govern_agent(self, self._governor)
        with self._governor.turn(self, task, _named(task)) as (turn, again):
            if again:
                return await super().aexecute_task(task, context, tools)
            work = super().aexecute_task
            way = Way(loop=True)
            result = await _worked(self, way, task, lambda: work(task, context, tools))
            return _answered(self, turn, result)

    def kickoff(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        """Judge what the user says, be in a turn of its own, and judge the answer."""
        if is_inside_event_loop():
            return self.kickoff_async(messages, *args, **kwargs)
        _refuse_checkpoint(self, args[2:], kwargs)
        with _execution() as step, self._governor.turn(self, None, "message") as (turn, _):
            try:
                given = _heard(self._governor, messages)
            except ActionRefused as refused:
                return LiteAgentOutput(raw=_refusal(self._governor, refused), agent_role=self.role)
            with _pausing(step):
                output = super().kickoff(given, *args, **kwargs)
                return _said(self, turn, output)

    async def kickoff_async(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        """Do the same inside an event loop."""
        _refuse_checkpoint(self, args[2:], kwargs)
        with _execution() as step, self._governor.turn(self, None, "message") as (turn, _):
            try:
                given = _heard(self._governor, messages)
            except ActionRefused as refused:
                return LiteAgentOutput(raw=_refusal(self._governor, refused), agent_role=self.role)
            with _pausing(step):
                output = await super().kickoff_async(given, *args, **kwargs)
                return _said(self, turn, output)

    def create_agent_executor(self, tools: list[BaseTool] | None = None, task: Any = None) -> None:
        """Make the executor of a task, with governed tools."""
        super().create_agent_executor(tools, task)
        self._equip(self.agent_executor)

    def _prepare_kickoff(self, *args: Any, **kwargs: Any) -> Any:
        govern_agent(self, self._governor)
        own = list(self.tools or [])
        executor, inputs, info, _ = super()._prepare_kickoff(*args, **kwargs)
        self.tools = own  # CrewAI would add those of its apps and servers once more each time
        self._equip(executor)
        return executor, inputs, info, executor.tools

    def _equip(self, executor: Any) -> None:
        """Give an executor governed tools, and no cache that hands out results without a question."""
        governor: Governor = self._governor
        turn = governor.here(self)
        with governor.guard.refusing("tool_call", "*"):
            tools = governed_tools(
                governor, turn, executor.original_tools, lambda one: govern_agent(one, governor)
            )
        executor.original_tools = tools
        executor.tools = parse_tools(tools)
        executor.tools_handler = ToolsHandler(cache=None)
        executor.use_better_compaction = False  # its tool for large results joins after this
        executor.llm = self.llm
        executor.function_calling_llm = vars(self).get("function_calling_llm")

    def copy(self) -> Any:  # type: ignore[override]  # as in CrewAI
        """Return a copy that is governed as well."""
        return govern_agent(super().copy(), self._governor)


class GovernedCrew(Crew):
    """The methods of a crew that the guard stands in front of."""

    _governor: Any = PrivateAttr(default=None)

    def kickoff(self, inputs: dict[str, Any] | None = None, *args: Any, **kwargs: Any) -> Any:
        """Judge the inputs, and see to it that everybody is governed who will be at work."""
        if self.stream:
            return super().kickoff(inputs, *args, **kwargs)  # which comes by here again, without
        _refuse_checkpoint(self, args[1:], kwargs)
        govern_crew(self, self._governor)
        with _execution() as step:
            try:
                given = _judged_inputs(self._governor, inputs)
            except ActionRefused as refused:
                return CrewOutput(raw=_refusal(self._governor, refused))
            with _pausing(step):
                return super().kickoff(given, *args, **kwargs)

    async def akickoff(
        self, inputs: dict[str, Any] | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        """Do the same inside an event loop."""
        if self.stream:
            return await super().akickoff(inputs, *args, **kwargs)
        _refuse_checkpoint(self, args[1:], kwargs)
        govern_crew(self, self._governor)
        with _execution() as step:
            try:
                given = _judged_inputs(self._governor, inputs)
            except ActionRefused as refused:
                return CrewOutput(raw=_refusal(self._governor, refused))
            with _pausing(step):
                return await super().akickoff(given, *args, **kwargs)

    def _create_manager_agent(self) -> None:
        super()._create_manager_agent()
        self.manager_agent = govern_agent(self.manager_agent, self._governor)

    def copy(self) -> Any:  # type: ignore[override]  # as in CrewAI
        """Return a copy that is governed as well."""
        return govern_crew(super().copy(), self._governor)


def govern_agent(agent: Any, governor: Governor) -> Any:
    """Govern an agent where it is: its model, memory and knowledge, and its tools as they are made.

    Raises `ConfigurationError` for one that cannot be governed.
    """
    if not isinstance(agent, Agent):
        raise ConfigurationError(
            f"the agent `{getattr(agent, 'role', agent)}` is a {type(agent).__name__}, inside which "
            "nothing can be judged; use crewai.Agent"
        )
    if agent.a2a is not None:
        raise ConfigurationError(
            f"the agent `{agent.role}` gives work to agents elsewhere (a2a), whose actions cannot be "
            "judged here; take `a2a` out"
        )
    governed = getattr(agent, "_governor", None)
    if governed is not None and governed.guard is not governor.guard:
        raise ConfigurationError(f"the agent `{agent.role}` is governed by another guard already")
    governor = governed or governor
    agent = become(agent, GovernedAgent, governor)
    agent.llm = _model(agent.llm, governor)
    if (calling := vars(agent).get("function_calling_llm")) is not None:  # deprecated, and says so
        agent.function_calling_llm = _model(calling, governor)
    planning = agent.planning_config
    if planning is not None and planning.llm is not None:
        planning.llm = _model(planning.llm, governor)
    memory = governed_memory(agent.memory, governor)
    if memory is not agent.memory:
        agent.memory = memory
    if agent.knowledge is not None:
        agent.knowledge = governor.twin(agent.knowledge, GovernedKnowledge)
    return agent


def govern_crew(crew: Any, governor: Governor) -> Any:
    """Govern a crew where it is, with all agents that it has or will make."""
    governed = getattr(crew, "_governor", None)
    if governed is not None and governed.guard is not governor.guard:
        raise ConfigurationError("this crew is governed by another guard already")
    governor = governed or governor
    crew = become(crew, GovernedCrew, governor)
    agents = [*crew.agents, crew.manager_agent, *(task.agent for task in crew.tasks)]
    for agent in agents:
        if agent is not None:
            govern_agent(agent, governor)
    if crew.planning and crew.planning_llm is None:
        raise ConfigurationError(
            "this crew plans with a model that CrewAI chooses, which cannot be judged; say which with "
            "Crew(planning_llm=...)"
        )
    for name in ("manager_llm", "planning_llm", "function_calling_llm", "chat_llm"):
        if (model := vars(crew).get(name)) is not None:
            setattr(crew, name, _model(model, governor))
    crew._memory = governed_memory(crew._memory, governor)
    if crew.memory is not None and not isinstance(crew.memory, bool):
        crew.memory = governed_memory(crew.memory, governor)
    if crew.knowledge is not None:
        crew.knowledge = governor.twin(crew.knowledge, GovernedKnowledge)
    return crew


def _model(model: Any, governor: Governor) -> Any:
    made = create_llm(model)
    if made is None:
        raise ConfigurationError(f"the model {model!r} cannot be made, so it cannot be governed")
    return governor.twin(made, GovernedModel)


def _named(task: Any) -> str:
    """Return how a task is known in its run, the same again in another process."""
    return f"task/{task.key}"


async def _worked(agent: GovernedAgent, way: Way, task: Any, work: Any) -> Any:
    """Do the work of a task, which is an action of its own where the policy speaks of `run`."""
    governor: Governor = agent._governor
    if not governor.guard.policies.speaks_of("run"):
        return await way.run(work)
    args = {
        "agent": agent.role,
        "description": task.description,
        "expected_output": task.expected_output,
    }
    try:
        return await governor.step(way, "run", task.name or "task", args, lambda _: work())
    except ActionRefused as refused:
        return _refusal(governor, refused)


def _answered(agent: GovernedAgent, turn: Turn, result: Any) -> Any:
    """Judge the answer of a task, before files, callbacks, guardrails and other tasks get it.

    What a coworker answers is the result of the tool that asked it.
    """
    turn.stop()
    governor: Governor = agent._governor
    if turn.place.ids["agents"] or not governor.guard.policies.speaks_of("output"):
        return result
    text = result.model_dump_json() if isinstance(result, BaseModel) else str(result)
    try:
        released = governor.text("output", text)
    except ActionRefused as refused:
        released = _refusal(governor, refused)
    if released == text:
        return result
    agent._last_messages = []  # which would say what the answer no longer does
    return released


def _said(agent: GovernedAgent, turn: Turn, output: Any) -> Any:
    """Judge the answer of an agent that was started by itself."""
    released = _answered(agent, turn, output.raw)
    if released is output.raw:
        return output
    changed = {"raw": released, "pydantic": None, "messages": [], "plan": None, "todos": []}
    return output.model_copy(update=changed)


def _heard(governor: Governor, messages: Any) -> Any:
    """Return what may go in of what the user says."""
    if isinstance(messages, str):
        return governor.text("input", messages)
    return [_message(governor, one) if one.get("role") == "user" else one for one in messages]


def _message(governor: Governor, message: Any) -> Any:
    content = message.get("content")
    if isinstance(content, str):
        return {**message, "content": governor.text("input", content)}
    if isinstance(content, list):
        parts = [
            {**part, "text": governor.text("input", part["text"])}
            if isinstance(part, dict) and isinstance(part.get("text"), str)
            else part
            for part in content
        ]
        return {**message, "content": parts}
    return message


def _judged_inputs(governor: Governor, inputs: Any) -> Any:
    """Return what may go in of the inputs of a crew: each text in them is judged by itself."""
    if inputs is None or not governor.guard.policies.speaks_of("input"):
        return inputs
    with governor.turn(None, None, "inputs"):
        return _each(governor, dict(inputs))


def _each(governor: Governor, value: Any) -> Any:
    if isinstance(value, str):
        return governor.text("input", value)
    if isinstance(value, dict):
        return {key: _each(governor, one) for key, one in value.items()}
    if isinstance(value, list):
        return [_each(governor, one) for one in value]
    return value


def _refusal(governor: Governor, refused: ActionRefused) -> str:
    """Return what stands in the place of an answer; raise it where refusals end the run."""
    if governor.raises:
        raise governor.stop(governor.here(), refused) from refused
    return str(refused)


def _refuse_checkpoint(one: Any, args: Any, kwargs: dict[str, Any]) -> None:
    """Refuse what CrewAI would do with another object than the one that is governed."""
    checkpoint = kwargs.get("from_checkpoint") or next(iter(args), None)
    if checkpoint is not None and checkpoint.restore_from is not None:
        raise ConfigurationError(
            f"a checkpoint restores another {type(one).__name__} than the one that is governed: call "
            f"{type(one).__name__}.from_checkpoint(...), govern what it returns, and start that"
        )


@contextmanager
def _execution() -> Iterator[FlowStep]:
    """Begin a run as CrewAI does, so that its id is known from the first question on."""
    token = begin_execution()
    try:
        yield FlowStep(get_execution_uuid() or "")
    finally:
        end_execution(token)


@contextmanager
def _pausing(step: FlowStep) -> Iterator[None]:
    """Suspend the flow outside for a question inside."""
    try:
        yield
    except Paused as paused:
        if not step.flow:
            raise
        raise step.pending(paused) from paused
