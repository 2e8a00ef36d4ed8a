"""Handoffs: authorised as a delegation before the target takes over."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from agents import Agent, Handoff, handoff

from wardline import ActionRefused, ConfigurationError
from wardline.adapters import Call, Way, same
from wardline_openai_agents._flow import Flow, required

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wardline import Permit
    from wardline_openai_agents._agents import Governor

__all__ = ["GovernedHandoff", "govern_handoff"]

_LOOP = Way(loop=True)


class GovernedHandoff(Handoff[Any, Any]):
    """A handoff that asks the guard first. The agent that hands over stays in charge if it may not."""

    governor: Governor
    owner: Agent[Any]
    inner: Handoff[Any, Any]

    @property
    def takes_task(self) -> bool:
        """Whether the model says what the other agent is to do."""
        return bool(self.input_json_schema.get("properties"))

    def call(self, flow: Flow, id: str, raw: str) -> Call:
        """Return the call that the model made."""
        return Call(
            self.agent_name,
            {"text": raw if self.takes_task else flow.task, "from": self.owner.name},
            id=flow.call_id(id) if id else "",
            kind="delegation",
        )

    async def invoke(self, context: Any, raw: str) -> Agent[Any]:
        """Return the agent that goes on."""
        flow = required()
        adapter, id = flow.adapter, flow.handoff
        try:
            if refused := flow.refused.get(id):
                raise refused
            call = self.call(flow, id, raw)

            async def body(args: dict[str, Any], _: Permit) -> Agent[Any]:
                with adapter.guard.refusing("delegation", call.name):
                    _refuse_change(call.args, args, self.takes_task)
                text = args["text"] if self.takes_task else raw
                target: Agent[Any] = await self.inner.on_invoke_handoff(context, text)
                return target

            target = await adapter.act(
                _LOOP, flow.place, call, body, kind="delegation", result=_Target
            )
        except ActionRefused as refused:
            if self.governor.raises:
                raise
            flow.handoff_refusal = str(refused)
            return self.owner
        # It goes on with the same conversation, on behalf of the one that handed over.
        flow.place = flow.place.below(target.name, session=flow.place.ids["session"])
        return self.governor.agent(target)

    def get_transfer_message(self, agent: Any) -> str:
        """Return what the model gets to see: that the handoff happened, or why it did not."""
        flow = required()
        if said := flow.handoff_refusal:
            flow.handoff_refusal = ""
            return said
        return self.inner.get_transfer_message(agent)


def govern_handoff(governor: Governor, owner: Agent[Any], one: Any) -> GovernedHandoff:
    """Return the governed form of what an agent has among its handoffs."""
    if isinstance(one, GovernedHandoff):
        return one
    inner: Handoff[Any, Any] = one if isinstance(one, Handoff) else handoff(one)
    governed = copy.copy(inner)
    governed.__class__ = GovernedHandoff
    assert isinstance(governed, GovernedHandoff)
    governed.governor, governed.owner, governed.inner = governor, owner, inner
    governed.on_invoke_handoff = governed.invoke
    target = inner._agent_ref() if inner._agent_ref is not None else None
    if isinstance(target, Agent):
        governed._agent_ref = governor.reference(target)
    return governed


def _refuse_change(given: Mapping[str, Any], args: Mapping[str, Any], takes_task: bool) -> None:
    fixed = ("from",) if takes_task else ("from", "text")
    if any(not same(given[key], args.get(key)) for key in fixed):
        raise ConfigurationError(
            "a rule changed what is handed over, which the SDK has no way to take; deny it instead"
        )


class _Target:
    """What comes of a handoff: the agent that goes on, which rules read by its name."""

    failed = ""

    def __init__(self, agent: Agent[Any]) -> None:
        self.agent = agent
        self.content = agent.name

    def released(self, content: Any) -> Agent[Any]:
        """Raise `ConfigurationError`: nobody else can go on in its place."""
        raise ConfigurationError(f"a rule put {content!r} in the place of the agent that goes on")
