"""`govern`: what of a Haystack application is put under a guard, and how."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from haystack.components.agents import Agent
from haystack.core.pipeline.base import PipelineBase
from haystack.tools import Toolset
from haystack.tools.tool import Tool

from wardline import ConfigurationError, Guard
from wardline.adapters import Adapter
from wardline_haystack import _backstop
from wardline_haystack._components import govern_component, kind_of
from wardline_haystack._hooks import with_hooks
from wardline_haystack._models import GovernedGenerator
from wardline_haystack._tools import governed_tool
from wardline_haystack._walk import inside

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from wardline import PolicySet

__all__ = ["KINDS", "Governor", "govern"]

KINDS: Final = (
    "input",
    "model_call",
    "tool_call",
    "delegation",
    "retrieval",
    "memory_write",
    "output",
)
"""The kinds of action that this adapter sees."""

T = TypeVar("T")

_lock = Lock()


class Governor:
    """One guard over agents and components of Haystack.

    `raises` lets a refusal leave the run, `suspends` ends a run that has to wait for an approval.
    """

    def __init__(self, adapter: Adapter, *, raises: bool, suspends: bool, backstop: bool) -> None:
        self.adapter = adapter
        self.raises = raises
        self.suspends = suspends
        self.backstop = backstop

    def made(self, tool: Tool) -> bool:
        """Whether `tool` is a governed copy that belongs to the guard of this one."""
        governor = getattr(tool, "wardline", None)
        return isinstance(governor, Governor) and governor.adapter.guard is self.adapter.guard

    def tool(self, tool: Tool) -> Tool:
        """Return the governed copy of a tool; agents and components inside of it become governed."""
        if self.made(tool):
            return tool
        self.everything(tool)
        return governed_tool(self, tool)

    def everything(self, root: object) -> bool:
        """Govern all agents, retrievers and writers that can be reached from `root`.

        Returns whether there were any. Raises `ConfigurationError` for one that is under another guard.
        """
        found = False
        with _lock:
            for name, one in inside(root):
                if isinstance(one, Agent):
                    self._agent(one)
                elif kind_of(one):
                    govern_component(self, one, name)
                else:
                    continue
                found = True
        return found

    def _agent(self, agent: Agent) -> None:
        generator = agent.chat_generator
        if isinstance(generator, GovernedGenerator):
            if generator.governor.adapter.guard is not self.adapter.guard:
                raise ConfigurationError(
                    "this agent is under another guard already. Use one Guard for agents that call one "
                    "another, or govern a copy of it from before: agent.clone()"
                )
            return
        agent.chat_generator = GovernedGenerator(self, generator)
        agent.hooks = with_hooks(self, agent.hooks)


def govern(
    target: T,
    guard: Guard | str | Path | PolicySet | Sequence[str | Path],
    *,
    on_denied: Literal["message", "raise"] = "message",
    suspend: bool = False,
    unused: Collection[str] = (),
    backstop: bool = True,
) -> T:
    """Put an agent, a pipeline or a component under a guard, in place, and return it.

    `guard` is a `Guard`, or what one is made from: a policy file, a directory, several of them or a
    `PolicySet`. All agents, retrievers, document writers and, in pipelines, chat generators that can be
    reached from `target` are governed by it. Agents that call one another share one guard.

    `on_denied` says what becomes of a refusal in an agent: "message" tells the model, and the run goes
    on; "raise" raises it out of the run. `suspend` ends a run at a question to a human being, with
    `exit_reason` "approval_required", so that it can be resumed with its messages. `unused` names kinds
    of action that never happen here although the policy has rules for them. `backstop` refuses, in the
    whole process, every tool that an agent starts without a guard.

    Raises `ConfigurationError` for a target in which there is nothing to govern, for one that is under
    another guard already and for a rule that could never be asked, and what `Guard` raises.
    """
    if on_denied not in ("message", "raise"):
        raise ConfigurationError(f"on_denied is 'message' or 'raise', not {on_denied!r}")
    if isinstance(target, Tool | Toolset | list):
        raise ConfigurationError(
            "tools are governed in their agent: give them to it, and govern that"
        )
    adapter = Adapter("Haystack", guard, KINDS, unused=unused, cannot_wait=("output",))
    raises = on_denied == "raise"
    governor = Governor(adapter, raises=raises, suspends=suspend, backstop=backstop)
    if not governor.everything(target):
        what = "pipeline" if isinstance(target, PipelineBase) else type(target).__name__
        raise ConfigurationError(
            f"there is nothing to govern in this {what}: no agent, chat generator, retriever or writer"
        )
    if backstop:
        _backstop.install()
    return target
