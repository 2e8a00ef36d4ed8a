"""A worker: an agent that other agents ask, and that answers only whom it may."""

# `step` reads the annotations of what it decorates, so they are no strings here.

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from llama_index.core.agent.workflow import AgentWorkflow
from llama_index.core.agent.workflow.base_agent import BaseWorkflowAgent
from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step

from wardline import ActionDenied, ConfigurationError, Guard, PolicySet, Principal
from wardline.adapters import Call, Place, Way
from wardline_llama_index._governor import govern
from wardline_llama_index._turns import FRAMEWORK, delegated

__all__ = ["GovernedAgentWorker"]


class GovernedAgentWorker(Workflow):
    """An agent that is asked by other agents, as a workflow of its own.

    Whoever asks says who asks: `await worker.run(user_msg=..., asking=principal)`, or is found out where
    the question comes out of a governed tool. It has to be one of `accepts`, by id or name; the application
    vouches for it. Then rules on `delegation` decide, with the asker and its whole chain, before the agent
    starts, and the agent acts as `asker/agent` in all that it does: rules that restrict the asker restrict
    it too. Every step of the agent is governed as `govern` does it.

    `agent` is an agent or an `AgentWorkflow`; `guard` and `options` are as in `govern`.

    Raises `ConfigurationError` for a worker that accepts nobody, and what `govern` raises.
    """

    def __init__(
        self,
        agent: BaseWorkflowAgent | AgentWorkflow,
        guard: Guard | str | Path | PolicySet | Sequence[str | Path],
        *,
        accepts: Collection[str],
        timeout: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(timeout=timeout)
        if isinstance(accepts, str) or not accepts:
            raise ConfigurationError(
                "a worker accepts somebody: accepts=['orchestrator'] names whoever may ask it"
            )
        self.agent = govern(agent, guard, **options)
        self.accepts = frozenset(accepts)
        self._governor = type(self.agent).wardline  # type: ignore[union-attr]

    @step
    async def ask(self, ev: StartEvent) -> StopEvent:
        """Verify who asks, authorise the delegation, and let the agent answer."""
        adapter = self._governor.adapter
        guard: Guard = adapter.guard
        name = str(getattr(self.agent, "name", None) or self.agent.root_agent)  # type: ignore[union-attr]
        text = str(ev.get("user_msg", None) or "")
        with guard.refusing("delegation", name):
            asking = self._asking(guard, ev.get("asking", None))
            place = Place.open(guard, FRAMEWORK)
            place = Place(guard, FRAMEWORK, place.ids, asking)

        async def answer(args: dict[str, Any], _permit: object) -> Any:
            token = delegated.set(id(self.agent))
            try:
                return await self.agent.run(user_msg=args["text"])
            finally:
                delegated.reset(token)

        call = Call(name, {"text": text})
        output = await adapter.act(Way(loop=True), place, call, answer, kind="delegation")
        return StopEvent(result=output)

    def _asking(self, guard: Guard, said: object) -> Principal:
        """Return who asks. Raises `ActionDenied` for whoever may not, and where nobody says."""
        if said is None and guard.here() is not None:
            said = guard.acting()
        if not isinstance(said, Principal):
            raise ActionDenied(
                "nobody says who asks this worker: run(user_msg=..., asking=Principal('orchestrator'))"
            )
        if not {said.id, said.name} & self.accepts:
            raise ActionDenied(f"`{said.id}` may not ask this worker")
        return said
