"""The runner: where a run finds its session, and where no ungoverned agent gets past."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from agents import Agent, Model, RunConfig, RunState, UserError
from agents.run import AgentRunner, get_default_agent_runner, set_default_agent_runner

from wardline import ActionDenied, ActionRefused
from wardline.adapters import Place, Way, now
from wardline_openai_agents._approvals import place_of, settle
from wardline_openai_agents._flow import Flow, current, entered, starts_below
from wardline_openai_agents._items import readable, reworded
from wardline_openai_agents._memory import GovernedMemory
from wardline_openai_agents._models import GovernedModel, GovernedProvider
from wardline_openai_agents._streams import without_refused

if TYPE_CHECKING:
    from agents import ModelProvider, RunResult, RunResultStreaming

    from wardline_openai_agents._agents import GovernedAgent

__all__ = ["GovernedRunner", "install"]


def install(*, backstop: bool) -> None:
    """Stand in front of the process's runner; with `backstop`, refuse ungoverned agents from now on."""
    runner = get_default_agent_runner()
    if not isinstance(runner, GovernedRunner):
        runner = GovernedRunner(runner)
        set_default_agent_runner(runner)
    runner.backstop = runner.backstop or backstop


class GovernedRunner(AgentRunner):
    """Opens a session and a run for every run of a governed agent, and leaves the rest to `inner`."""

    def __init__(self, inner: AgentRunner) -> None:
        self.inner = inner
        self.backstop = False

    async def run(self, starting_agent: Any, input: Any, **kwargs: Any) -> RunResult:
        """Run an agent to its end or suspension."""
        start = self._start(starting_agent, input, kwargs)
        if start is None:
            return await self.inner.run(starting_agent, input, **kwargs)
        try:
            with entered(start.flow):
                input = await _released(Way(loop=True), start.flow, input)
                result = await self.inner.run(start.agent, input, **kwargs)
        except UserError as error:
            raise _bare(error) from error.__cause__
        finally:
            start.flow.close()
            if start.provider is not None:
                await start.provider.aclose()
        start.tell(result)
        return result

    def run_sync(self, starting_agent: Any, input: Any, **kwargs: Any) -> RunResult:
        """Do the same without an event loop."""
        start = self._start(starting_agent, input, kwargs)
        if start is None:
            return self.inner.run_sync(starting_agent, input, **kwargs)
        try:
            with entered(start.flow):
                input = now(_released(Way(loop=False), start.flow, input))
                result = self.inner.run_sync(start.agent, input, **kwargs)
        except UserError as error:
            raise _bare(error) from error.__cause__
        finally:
            start.flow.close()
        start.tell(result)
        return result

    def run_streamed(self, starting_agent: Any, input: Any, **kwargs: Any) -> RunResultStreaming:
        """Start a run whose events are read as they come."""
        start = self._start(starting_agent, input, kwargs)
        if start is None:
            return self.inner.run_streamed(starting_agent, input, **kwargs)
        with entered(start.flow):
            input = now(_released(Way(loop=False), start.flow, input))
            result = self.inner.run_streamed(start.agent, input, **kwargs)

        def ended(_: Any) -> None:
            start.flow.close()
            start.tell(result)

        if result.run_loop_task is not None:
            result.run_loop_task.add_done_callback(ended)
        return without_refused(start.flow, result)

    def _start(self, agent: Any, input: Any, kwargs: dict[str, Any]) -> _Start | None:
        """Return the run that starts, None for one that is nobody's business.

        Puts what is governed into `kwargs`.
        """
        state = input if isinstance(input, RunState) else None
        agent = self._governed(agent, state)
        if agent is None:
            return None
        governor = agent.governed_by()
        guard = governor.adapter.guard
        outer = starts_below()
        memory = kwargs.get("session")
        owned = kwargs.get("run_config") is None
        config = kwargs["run_config"] = _config(kwargs.get("run_config"))
        conversation = (
            getattr(memory, "session_id", None)
            or kwargs.get("conversation_id")
            or config.group_id
            or ""
        )
        with guard.refusing("run", agent.name):
            place = None
            if outer is not None and guard is outer[0].adapter.guard:
                flow, id = outer
                run = flow.call_id(id)
                session = conversation or f"{flow.place.session.root}/{run}"
                place = Place.open(guard, _NAME, session=session, run=run, agent=agent.name)
            elif state is not None:
                place = place_of(guard, state, conversation)
            place = place or Place.open(guard, _NAME, session=conversation, agent=agent.name)
            if state is not None:
                settle(guard, place, state)
        remembers = memory is not None and not isinstance(memory, GovernedMemory)
        if remembers and guard.policies.kinds() & {"memory_read", "memory_write"}:
            kwargs["session"] = GovernedMemory(memory, governor.adapter)
        provider = config.model_provider if owned else None
        return _Start(Flow(governor, place), agent, outer, provider)

    def _governed(self, agent: Any, state: RunState[Any, Any] | None) -> GovernedAgent | None:
        """Return the governed agent that is to run, None where none is asked for."""
        from wardline_openai_agents._agents import GovernedAgent

        acting = state._current_agent if state is not None and state._current_agent else agent
        flow = current()
        if isinstance(agent, GovernedAgent) and isinstance(acting, GovernedAgent):
            return agent
        if isinstance(agent, GovernedAgent):
            raise ActionDenied(
                f"`{acting.name}` was not run: its state was loaded with an agent that nobody governs. "
                "Load it with the governed one, RunState.from_string(governed, …)"
            )
        if isinstance(agent, Agent) and flow is not None:
            found: GovernedAgent = flow.governor.passing_by(agent)
            return found
        if isinstance(acting, GovernedAgent):
            return acting
        if self.backstop and isinstance(agent, Agent):
            raise ActionDenied(
                f"`{agent.name}` was not run: no guard decides about it. Wrap it in "
                "wardline_openai_agents.govern(agent, policy)"
            )
        return None


_NAME = "openai-agents"


@dataclass(frozen=True, slots=True)
class _Start:
    """A run that starts: its agent, the run and call inside which it does, the provider it owns."""

    flow: Flow
    agent: GovernedAgent
    outer: tuple[Flow, str] | None
    provider: ModelProvider | None

    def tell(self, result: Any) -> None:
        """Let the call inside which this run was suspended know that it has not come to its end."""
        if self.outer is not None and result.interruptions:
            flow, id = self.outer
            flow.waiting.add(id)


def _config(given: Any) -> RunConfig:
    """Return a run configuration by which every model is governed."""
    config = RunConfig() if given is None else given
    if isinstance(config, Mapping):
        config = RunConfig(**cast("Any", config))
    changes: dict[str, Any] = {}
    # An agent as a tool gets the configuration of the run that it is in.
    if not isinstance(config.model_provider, GovernedProvider):
        changes["model_provider"] = GovernedProvider(config.model_provider)
    if isinstance(config.model, Model) and not isinstance(config.model, GovernedModel):
        changes["model"] = GovernedModel(config.model)
    return dataclasses.replace(config, **changes)


async def _released(way: Way, flow: Flow, input: Any) -> Any:
    """Return what of the input may go in; where nothing may, the agent says so by itself."""
    if isinstance(input, RunState) or not flow.adapter.guard.policies.speaks_of("input"):
        return input
    try:
        if isinstance(input, str):
            return await flow.adapter.text(way, flow.place, "input", input)
        return [await _released_item(way, flow, item) for item in input]
    except ActionRefused as refused:
        if flow.governor.raises:
            raise
        flow.answers = str(refused)
        return "(withheld)"


async def _released_item(way: Way, flow: Flow, item: Any) -> Any:
    """Return what of an item of the input may go in; only what users said is judged."""
    if not (isinstance(item, Mapping) and item.get("role") == "user"):
        return item
    said = readable(item)["text"]
    released = await flow.adapter.text(way, flow.place, "input", said)
    return item if released == said else reworded(item, released)


def _bare(error: UserError) -> Exception:
    """Return the refusal that the SDK has wrapped, else the error as it is."""
    cause = error.__cause__
    return cause if isinstance(cause, ActionRefused) else error
