"""To which session an agent's actions belong, who takes them, and which event carries a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from google.adk.agents.base_agent import BaseAgent

from wardline.adapters import Place

if TYPE_CHECKING:
    from google.adk.agents.invocation_context import InvocationContext
    from google.adk.events.event import Event

    from wardline import Guard

__all__ = [
    "FRAMEWORK",
    "METADATA",
    "acting",
    "answer_id",
    "carrier",
    "conversation",
    "place_of",
]

FRAMEWORK: Final = "google-adk"

METADATA: Final = "wardline"
"""The key in the metadata of an event under which we keep the id of its answer and what is refused."""


def acting(context: InvocationContext) -> BaseAgent | None:
    """Return the agent that acts, None where it is a node of a workflow and no agent."""
    return context.agent if isinstance(context.agent, BaseAgent) else None


def conversation(app: str, user: str, session: str) -> str:
    """Return the session's id: ADK's is unique for one user of one app only."""
    return f"{app}/{user}/{session}"


def place_of(guard: Guard, context: InvocationContext) -> Place:
    """Return the place of the agent that `context` is of."""
    agent = acting(context)
    session = conversation(context.app_name, context.user_id, context.session.id)
    above = guard.here()
    inline = above is not None and (
        session in (above.id, above.root) or above.id.startswith(f"{session}@")
    )
    if inline:  # an agent that runs as a tool, inside the conversation of who called it
        return Place.open(
            guard,
            FRAMEWORK,
            session=f"{session}@{context.branch or context.invocation_id}",
            run=context.invocation_id,
            agent=agent.name if agent else "",
        )
    root = agent.root_agent.name if agent else ""
    place = Place.open(guard, FRAMEWORK, session=session, run=context.invocation_id, agent=root)
    for name in _chain(context):
        place = place.below(name, session=place.ids["session"])
    return place


def _chain(context: InvocationContext) -> list[str]:
    """Return the agents between the root and the one that acts: who handed over to whom."""
    agent = acting(context)
    if agent is None:
        return []
    root = agent.root_agent
    chains: dict[str, list[str]] = {root.name: []}

    def chain(name: str) -> list[str]:
        if name not in chains:
            found: list[str] = []
            one: Any = root.find_agent(name)
            while one is not None and one is not root:
                found.insert(0, one.name)
                one = one.parent_agent
            chains[name] = found
        return chains[name]

    for event in context.session.events:
        if target := event.actions.transfer_to_agent:
            above = chain(event.author)
            if target in above:
                chains[target] = above[: above.index(target) + 1]
            elif target != root.name:
                chains[target] = [*above, target]
    return chain(agent.name)


def carrier(context: InvocationContext, call: str | None) -> Event | None:
    """Return the event in which the model made the call `call`."""
    for event in reversed(context.session.events):
        if any(one.id == call for one in event.get_function_calls()):
            return event
    return None


def answer_id(event: Event | None, context: InvocationContext) -> str:
    """Return the id of the model's answer in `event`, which it keeps when the session is stored."""
    if event is None:
        return context.invocation_id
    ours = (event.custom_metadata or {}).get(METADATA)
    return str(ours["answer"]) if isinstance(ours, dict) and "answer" in ours else event.id
