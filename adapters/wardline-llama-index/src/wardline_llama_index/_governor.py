"""`govern`: what of a LlamaIndex application is put under a guard, and how."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from llama_index.core.agent.workflow import AgentWorkflow, CodeActAgent
from llama_index.core.agent.workflow.base_agent import BaseWorkflowAgent
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.memory import BaseMemory
from llama_index.core.tools import BaseTool
from workflows.runtime.types.results import WaitingForEvent

from wardline import ConfigurationError, Guard
from wardline.adapters import Adapter
from wardline_llama_index._agents import GovernedAgent, GovernedHost
from wardline_llama_index._models import GovernedLLM
from wardline_llama_index._shelves import GovernedMemory, governed_retriever
from wardline_llama_index._tools import governed_tool
from wardline_llama_index._walk import inside

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from llama_index.core.tools import AsyncBaseTool

    from wardline import PolicySet

__all__ = ["KINDS", "Governor", "govern"]

KINDS: Final = (
    "input",
    "model_call",
    "tool_call",
    "delegation",
    "retrieval",
    "memory_read",
    "memory_write",
    "output",
)
"""The kinds of action that this adapter sees."""

T = TypeVar("T")

_KINDS_OF: Final = (
    (BaseWorkflowAgent, GovernedAgent),
    (AgentWorkflow, GovernedHost),
    (BaseMemory, GovernedMemory),
    (BaseRetriever, None),
)

_lock = Lock()


class Governor:
    """One guard over agents, workflows of agents, retrievers and memories of LlamaIndex.

    `raises` lets a refusal leave the run, `suspends` lets a run wait for an approval.
    """

    def __init__(self, adapter: Adapter, *, raises: bool, suspends: bool) -> None:
        self.adapter = adapter
        self.raises = raises
        self.suspends = suspends
        self._classes: dict[type[Any], type[Any]] = {}

    def tool(self, tool: AsyncBaseTool) -> AsyncBaseTool:
        """Return the governed copy of a tool; what can be reached from it becomes governed."""
        self.everything(tool)
        return governed_tool(self, tool)

    def everything(self, root: object) -> bool:
        """Govern all that can be reached from `root`; return whether there was anything.

        Raises `ConfigurationError` for what is under another guard, or cannot be governed.
        """
        found = False
        with _lock:
            for one in inside(root):
                found = self._one(one) or found
        return found

    def _one(self, one: Any) -> bool:
        bases = [ours for theirs, ours in _KINDS_OF if isinstance(one, theirs)]
        if not bases:
            return False
        there = getattr(type(one), "wardline", None)
        if there is not None:
            if there.adapter.guard is not self.adapter.guard:
                raise ConfigurationError(
                    f"this {type(one).__name__} is under another guard already. Use one Guard for all "
                    "that belongs together, or make one of these for each"
                )
            return True
        if isinstance(one, CodeActAgent):
            raise ConfigurationError(
                f"the agent `{one.name}` runs code that its model writes, in which no call can be "
                "judged. Use a FunctionAgent or a ReActAgent, or take it out"
            )
        # The class, and not a wrapper: others hold this object, and it has to keep its type.
        object.__setattr__(one, "__class__", self._class(type(one), bases[0]))
        if isinstance(one, BaseWorkflowAgent):
            one.__dict__["llm"] = GovernedLLM(self, one.llm)
        return True

    def _class(self, kind: type[Any], base: type[Any] | None) -> type[Any]:
        """Return the class `kind` with the methods of `base` before its own."""
        made = self._classes.get(kind)
        if made is None and base is None:
            made = self._classes[kind] = governed_retriever(kind)
            made.wardline = self
        if made is None:
            assert base is not None
            names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
            names["__doc__"] = kind.__doc__ or ""
            meta: Any = type(kind)
            made = meta(kind.__name__, (base, kind), names)
            made.wardline = self
            if issubclass(base, GovernedHost):
                # Steps that were added to the class itself by `add_step`.
                made._step_functions = dict(kind._step_functions)
                made._step_functions_version = kind._step_functions_version + 1
            self._classes[kind] = made
        return made


def govern(
    target: T,
    guard: Guard | str | Path | PolicySet | Sequence[str | Path],
    *,
    on_denied: Literal["message", "raise"] = "message",
    suspend: bool = False,
    unused: Collection[str] = (),
) -> T:
    """Put an agent, an `AgentWorkflow`, a retriever or a memory under a guard, in place, and return it.

    `guard` is a `Guard`, or what one is made from: a policy file, a directory, several of them or a
    `PolicySet`. All agents and retrievers that can be reached from `target`, through its tools too, are
    governed by it. Agents that call one another share one guard.

    `on_denied` says what becomes of a refusal in an agent: "message" tells the model, and the run goes
    on; "raise" raises it out of the run. `suspend` lets a run wait for a human being by LlamaIndex's own
    events, and so in another process too. `unused` names kinds of action that never happen here although
    the policy has rules for them.

    Raises `ConfigurationError` for a target in which there is nothing to govern, for one that is under
    another guard already, for an agent that runs code, for a rule that could never be asked, and what
    `Guard` raises.
    """
    if on_denied not in ("message", "raise"):
        raise ConfigurationError(f"on_denied is 'message' or 'raise', not {on_denied!r}")
    if isinstance(target, BaseTool | list):
        raise ConfigurationError(
            "tools are governed in their agent: give them to it, and govern that"
        )
    adapter = Adapter(
        "LlamaIndex",
        guard,
        KINDS,
        unused=unused,
        cannot_wait=("output",),
        passing=(WaitingForEvent,),
    )
    governor = Governor(adapter, raises=on_denied == "raise", suspends=suspend)
    if not governor.everything(target):
        raise ConfigurationError(
            f"there is nothing to govern in this {type(target).__name__}: no agent, retriever or memory"
        )
    return target
