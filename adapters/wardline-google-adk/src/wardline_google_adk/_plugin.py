"""The plugin: which callback of ADK leads to which action."""

# ruff: noqa: ARG002 - ADK calls the callbacks by the names of their parameters

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Literal

from google.adk.agents.llm_agent import LlmAgent
from google.adk.agents.readonly_context import ReadonlyContext
from google.adk.plugins.base_plugin import BasePlugin
from google.adk.tools._forwarding_artifact_service import ForwardingArtifactService
from google.adk.tools.base_tool import BaseTool
from google.genai import types

from wardline import ActionRefused, ConfigurationError, Guard, PolicySet
from wardline.adapters import Adapter, Attached, Call, Way, beneath, put_before
from wardline_google_adk._models import GovernedModel, Models, text_of
from wardline_google_adk._place import place_of
from wardline_google_adk._stores import GovernedArtifacts, GovernedMemory
from wardline_google_adk._tools import GovernedExecutor, GovernedTool, Tools

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from google.adk.agents.base_agent import BaseAgent
    from google.adk.agents.callback_context import CallbackContext
    from google.adk.agents.invocation_context import InvocationContext
    from google.adk.events.event import Event
    from google.adk.memory.base_memory_service import BaseMemoryService
    from google.adk.models.llm_request import LlmRequest
    from google.adk.models.llm_response import LlmResponse
    from google.adk.tools.tool_context import ToolContext

__all__ = ["KINDS", "WardlinePlugin"]

KINDS: Final = (
    "input",
    "model_call",
    "tool_call",
    "delegation",
    "memory_read",
    "memory_write",
    "retrieval",
    "output",
)
"""The kinds of action that this adapter sees."""

_LOOP = Way(loop=True)
_ELSEWHERE: Final = ("LangGraphAgent", "ManagedAgent")


class WardlinePlugin(BasePlugin):
    """Governs one app. Put it first in the app's list of plugins.

    `guard` is a `Guard`, or what one is made from: a policy file, a directory, several of them or a
    `PolicySet`.

    `on_denied` says what becomes of a refusal: "message" tells the model, and the run goes on; "raise"
    raises it out of the run. `unused` names kinds of action that this app never takes although the
    policy has rules for them.

    Raises `ConfigurationError` for a rule that could never be asked, and what `Guard` raises.
    """

    def __init__(
        self,
        guard: Guard | str | Path | PolicySet | Sequence[str | Path],
        *,
        on_denied: Literal["message", "raise"] = "message",
        unused: Collection[str] = (),
        name: str = "wardline",
    ) -> None:
        super().__init__(name=name)
        if on_denied not in ("message", "raise"):
            raise ConfigurationError(f"on_denied is 'message' or 'raise', not {on_denied!r}")
        self._adapter = Adapter("Google ADK", guard, KINDS, unused=unused, cannot_wait=("output",))
        self._raises = on_denied == "raise"
        self._refused: Attached[str] = Attached()
        self.tools = Tools(self._adapter, raises=self._raises)
        self.models = Models(self._adapter, self.tools, raises=self._raises)

    @property
    def guard(self) -> Guard:
        """Who decides."""
        return self._adapter.guard

    def memory(self, service: BaseMemoryService) -> BaseMemoryService:
        """Return `service` behind the guard, for what your own code reads and writes outside a run."""
        return GovernedMemory(self._adapter, service)

    # The run as a whole

    async def on_user_message_callback(
        self, *, invocation_context: InvocationContext, user_message: types.Content
    ) -> types.Content | None:
        """Judge what the user said."""
        text = text_of(user_message)
        if not text or not self.guard.policies.speaks_of("input"):
            return None
        try:
            with self.guard.refusing("input", "input"):
                place = place_of(self.guard, invocation_context)
            named = f"input/{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"
            call_id = named if self.guard.policies.can_ask else ""
            released = await self._adapter.text(_LOOP, place, "input", text, call_id=call_id)
        except ActionRefused as refused:
            if self._raises:
                raise
            self._refused.attach(invocation_context.session, str(refused))
            return _said("")
        if released == text:
            return None
        others = [part for part in user_message.parts or () if not part.text]
        return types.Content(role=user_message.role, parts=[types.Part(text=released), *others])

    async def before_run_callback(
        self, *, invocation_context: InvocationContext
    ) -> types.Content | None:
        """Refuse to start where this plugin could be passed by, and stand in front of the services."""
        context = invocation_context
        if context.plugin_manager.plugins[0] is not self:
            first = context.plugin_manager.plugins[0].name
            raise ConfigurationError(
                f"WardlinePlugin has to be the first plugin of the app, and `{first}` is: what comes "
                "before it could answer in the place of everything that it judges"
            )
        if context.live_request_queue is not None or getattr(
            context.run_config, "support_cfc", False
        ):
            raise ConfigurationError(
                "a live connection with a model passes by what judges its calls; use run_async, and "
                "leave support_cfc out"
            )
        if refused := self._refused.find(context.session):
            self._refused.attach(context.session, "")
            return _said(refused)
        memory, artifacts = context.memory_service, context.artifact_service
        if memory is not None and not isinstance(memory, GovernedMemory):
            context.memory_service = GovernedMemory(self._adapter, memory, context)
        # An agent that runs as a tool writes by the context of its caller, which is governed already.
        if artifacts is not None and not isinstance(
            artifacts, GovernedArtifacts | ForwardingArtifactService
        ):
            context.artifact_service = GovernedArtifacts(self._adapter, artifacts, context)
        return None

    async def on_event_callback(
        self, *, invocation_context: InvocationContext, event: Event
    ) -> Event | None:
        """Judge a final answer that did not come from a model as it was judged there."""
        text = text_of(event.content)
        if (
            not text
            or event.partial
            or not event.is_final_response()
            or not self.guard.policies.speaks_of("output")
            or self.models.released(invocation_context, text)
        ):
            return None
        try:
            with self.guard.refusing("output", "output"):
                place = place_of(self.guard, invocation_context)
            released = await self._adapter.text(_LOOP, place, "output", text)
        except ActionRefused as refused:
            if self._raises:
                raise
            released = str(refused)
        return None if released == text else event.model_copy(update={"content": _said(released)})

    # Agents

    async def before_agent_callback(
        self, *, agent: BaseAgent, callback_context: CallbackContext
    ) -> types.Content | None:
        """Authorise an agent that is started by code and not by a call, which would be judged."""
        context = callback_context._invocation_context
        try:
            with self.guard.refusing("delegation", agent.name):
                if any(one.__name__ in _ELSEWHERE for one in type(agent).__mro__):
                    raise ConfigurationError(
                        f"a {type(agent).__name__} calls its tools by itself, so nobody could judge "
                        "them; govern it where it runs, and call it by a tool"
                    )
                executor = getattr(agent, "code_executor", None)
                if executor is not None:
                    put_before(executor, GovernedExecutor)
                if not _started_by_code(agent):
                    return None
                place = place_of(self.guard, context)
                parent = agent.parent_agent.name if agent.parent_agent else ""
                call = Call(agent.name, {"text": text_of(context.user_content), "from": parent})
            await self._adapter.act(_LOOP, place, call, lambda *_: None, kind="delegation")
        except ActionRefused as refused:
            if self._raises:
                raise
            return _said(str(refused))
        return None

    # The model

    async def before_model_callback(
        self, *, callback_context: CallbackContext, llm_request: LlmRequest
    ) -> LlmResponse | None:
        """Stand in front of the model, and remember what tools it is offered."""
        context = callback_context._invocation_context
        agent: Any = context.agent
        try:
            with self.guard.refusing("model_call", llm_request.model or ""):
                readonly = ReadonlyContext(context)
                model = await agent.canonical_model_async(readonly)
                replayed = "_adk_replay_config" in context.session.state
                if replayed or await agent.canonical_model_async(readonly) is not model:
                    raise ConfigurationError(
                        f"`{agent.name}` has another model at each call, so nobody can stand in front of "
                        "it; give the agent one model object"
                    )
                put_before(model, GovernedModel)
                for tool in llm_request.tools_dict.values():
                    put_before(tool, GovernedTool)
                self.tools.offer(context, llm_request.tools_dict)
                self.models.expect(context, llm_request)
        except ActionRefused as refused:
            if self._raises:
                raise
            return self.models.refusal(context, refused)
        return None

    # The tools

    async def before_tool_callback(
        self, *, tool: BaseTool, tool_args: dict[str, Any], tool_context: ToolContext
    ) -> dict[str, Any] | None:
        """Judge the answer that this call is in, and stand in front of the tool for what starts."""
        try:
            with self.guard.refusing("tool_call", tool.name):
                put_before(tool, GovernedTool)
            refused = await self.tools.screened(tool_context)
            if beneath(tool) is BaseTool and refused is None:  # ADK's word for `no such tool`
                with self.guard.refusing("tool_call", tool.name):
                    raise ConfigurationError(f"this agent has no tool `{tool.name}`")
        except ActionRefused as error:
            if self._raises:
                raise
            refused = error
        if refused is None or self._raises:
            return None  # in front of the tool the refusal is raised as what it is
        return {"error": str(refused)}


def _started_by_code(agent: BaseAgent) -> bool:
    """Whether no tool call leads to `agent`: a member of a workflow, or one that gets a whole task."""
    if agent.parent_agent is None:
        return False
    return not isinstance(agent.parent_agent, LlmAgent) or getattr(agent, "mode", None) == "task"


def _said(text: str) -> types.Content:
    return types.Content(role="model", parts=[types.Part(text=text)])
