"""The harness: how the conformance kit builds and runs agents of Google ADK."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncGenerator, Iterable
from typing import Any, ClassVar

from google.adk.agents import LlmAgent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.apps import App
from google.adk.events import Event
from google.adk.memory import BaseMemoryService
from google.adk.memory.base_memory_service import SearchMemoryResponse
from google.adk.memory.memory_entry import MemoryEntry
from google.adk.models import BaseLlm, LlmRequest, LlmResponse
from google.adk.plugins import BasePlugin
from google.adk.runners import Runner
from google.adk.sessions import InMemorySessionService
from google.adk.sessions.sqlite_session_service import SqliteSessionService
from google.adk.tools import AgentTool, BaseTool
from google.adk.tools.retrieval.base_retrieval_tool import BaseRetrievalTool
from google.genai import types

from wardline.adapters import Covered
from wardline_google_adk import KINDS, WardlinePlugin, coverage
from wardline_testing import AdapterConformance, AgentSpec, Denial, RunReport, Scene

USER = "user"
CONFIRM = "adk_request_confirmation"


def called(name: str, args: dict[str, Any], id: str) -> types.Part:
    return types.Part(function_call=types.FunctionCall(name=name, args=args, id=id))


class Scripted(BaseLlm):
    """A model that says what the scene's script says, in pieces where it streams."""

    model: str = "scripted"
    scene: Any
    agent: str

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        said = self.scene.speak(self.agent, llm_request.model_dump_json(include={"contents"}))
        parts = [types.Part(text=said.text)] if said.text and not said.asks else []
        parts += [called(one.tool, dict(one.args), one.id) for one in said.calls]
        if said.asks:
            parts.append(called(said.asks, {"request": said.text}, f"ask-{said.asks}"))
        if said.hands_to:
            args = {"agent_name": said.hands_to, "transfer_reason": said.text}
            parts.append(called("transfer_to_agent", args, f"hand-{said.hands_to}"))
        if stream:
            for part in parts:
                pieces = [part]
                if part.text:
                    pieces = [types.Part(text=word) for word in part.text.split(" ")]
                for piece in pieces:
                    yield LlmResponse(content=spoken(piece), partial=True)
        usage = types.GenerateContentResponseUsageMetadata(total_token_count=said.tokens)
        yield LlmResponse(content=spoken(*parts), usage_metadata=usage)


def spoken(*parts: types.Part) -> types.Content:
    return types.Content(role="model", parts=list(parts))


class Rewriting(BasePlugin):
    """The scene's rewriter, as a plugin behind the adapter's."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(name="rewriting")
        self._rewriter = scene.rewriter

    async def before_tool_callback(
        self, *, tool: BaseTool, tool_args: dict[str, Any], tool_context: Any
    ) -> None:
        assert self._rewriter is not None
        changed = self._rewriter(tool.name, dict(tool_args))
        tool_args.clear()
        tool_args.update(changed)


class Hosted(BaseTool):
    """A tool that the provider of the model runs."""

    async def process_llm_request(self, *, tool_context: Any, llm_request: LlmRequest) -> None:
        server = types.McpServer(name=self.name)
        llm_request.config.tools = [
            *(llm_request.config.tools or ()),
            types.Tool(mcp_servers=[server]),
        ]


class ShelfMemory(BaseMemoryService):
    """The scene's shelf, as a memory service of ADK."""

    def __init__(self, scene: Scene) -> None:
        self._shelf = scene.memory

    async def add_session_to_memory(self, session: Any) -> None:
        for event in session.events:
            self._shelf.write(said_in(event))

    async def add_memory(self, *, memories: Any, **more: Any) -> None:
        for one in memories:
            self._shelf.write(one.content.parts[0].text)

    async def search_memory(self, *, app_name: str, user_id: str, query: str) -> Any:
        texts = self._shelf.read(query)
        entries = [MemoryEntry(content=spoken(types.Part(text=text))) for text in texts]
        return SearchMemoryResponse(memories=entries)


class ShelfRetriever(BaseRetrievalTool):
    """The scene's documents, as a retriever of ADK."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(name=scene.names.get("retrieval", "documents"), description="Look it up.")
        self._shelf = scene.documents

    async def run_async(self, *, args: dict[str, Any], tool_context: Any) -> Any:
        return self._shelf.read(args["query"])


def said_in(event: Event) -> str:
    parts = (event.content.parts if event.content else None) or []
    return "".join(part.text or "" for part in parts)


def readable(event: Event) -> Iterable[str]:
    """Return all that a consumer can read in an event; of a call that is marked as refused its name."""
    refused = (event.custom_metadata or {}).get("wardline", {}).get("refused", {})
    yield said_in(event)
    for call in event.get_function_calls():
        yield f"{call.name} is refused" if call.id in refused else f"{call.name} {call.args}"
    for response in event.get_function_responses():
        yield str(response.response)


class TestGoogleADK(AdapterConformance):
    """Runners of ADK: `run`, `run_async`, and `run_async` with streaming."""

    adapter = "wardline-google-adk"
    framework = "google-adk"
    distributions = ("google-adk",)
    kinds = KINDS
    nesting = ("call", "handoff")
    denials: ClassVar = {"message": Denial.REFUSED, "raise": Denial.BARE}

    optional = (
        "test_changed_input",
        "test_conversation_keeps_its_session",
        "test_answer_without_tools",
    )

    async def run(self, scene: Scene) -> RunReport:
        runner = self.runner(scene)
        told: dict[str, Any] = {"user_id": USER, "new_message": self.message(scene)}
        told["session_id"] = scene.thread or (
            "kept" if scene.durable or scene.resume else uuid.uuid4().hex
        )
        mode = StreamingMode.SSE if scene.path == "stream" else StreamingMode.NONE
        told["run_config"] = RunConfig(streaming_mode=mode)
        if scene.path == "sync":
            return self.report(list(runner.run(**told)))
        async with runner:
            return self.report([event async for event in runner.run_async(**told)])

    def message(self, scene: Scene) -> types.Content:
        """Return what the user says: the prompt, or the answers to the questions of a suspended run."""
        if scene.resume is None:
            return types.Content(role="user", parts=[types.Part(text=scene.prompt)])
        answer = dict(scene.answer or {"approved": True})
        response = {"confirmed": answer.pop("approved"), "payload": answer}
        parts = [
            types.Part(
                function_response=types.FunctionResponse(id=id, name=CONFIRM, response=response)
            )
            for id in scene.resume
        ]
        return types.Content(role="user", parts=parts)

    def runner(self, scene: Scene) -> Runner:
        """Return a new runner of the scene's app, as a new process would make it."""
        assert scene.folder is not None
        kept = scene.durable or scene.resume is not None
        sessions: Any = InMemorySessionService()
        if kept:
            sessions = SqliteSessionService(str(scene.folder / "sessions.db"))
        memory = type(scene.names.get("memory", "ShelfMemory"), (ShelfMemory,), {})
        return Runner(
            app=self.app(scene),
            session_service=sessions,
            memory_service=memory(scene),
            auto_create_session=True,
        )

    def app(self, scene: Scene) -> App:
        """Return the scene's app, with the governor first."""
        plugins: list[BasePlugin] = []
        if scene.guard is not None:
            plugins.append(WardlinePlugin(scene.guard, on_denied=scene.on_denied))
        if scene.rewriter is not None:
            plugins.append(Rewriting(scene))
        return App(name="kit", root_agent=self.agent(scene, scene.agent), plugins=plugins)

    def agent(self, scene: Scene, spec: AgentSpec) -> LlmAgent:
        """Build an agent and those that it reaches."""
        tools: list[Any] = [one.body(scene.path) for one in spec.tools]
        tools += [AgentTool(self.agent(scene, one)) for one in spec.calls]
        if spec is scene.agent:
            if scene.ungoverned:
                aside = LlmAgent(
                    name="aside", model="m", tools=[one.function for one in scene.ungoverned]
                )
                tools.append(AgentTool(aside, include_plugins=False))
            if scene.hosted:
                tools.append(Hosted(name=scene.hosted, description="hosted"))
            if scene.mcp:
                tools.append(mcp_tools(scene.mcp))
        return LlmAgent(
            name=spec.name,
            description=f"Does what {spec.name} does.",
            model=Scripted(
                scene=scene, agent=spec.name, model=scene.names.get("model_call", "scripted")
            ),
            tools=tools,
            sub_agents=[self.agent(scene, one) for one in spec.hands_to],
        )

    def report(self, events: list[Event]) -> RunReport:
        questions = [
            (call.id, (call.args or {})["toolConfirmation"])
            for event in events
            for call in event.get_function_calls()
            if call.name == CONFIRM
        ]
        pending = {id for event in events for id in event.actions.requested_tool_confirmations}
        responses = [one for event in events for one in event.get_function_responses()]
        final = [said_in(one) for one in events if one.is_final_response() and not one.partial]
        return RunReport(
            final=next(filter(None, reversed(final)), ""),
            refused={
                one.id: one.response["error"]
                for one in responses
                if one.id and one.response and "error" in one.response and one.id not in pending
            },
            stream=[text for event in events for text in readable(event) if text],
            suspended=[id for id, _ in questions] or None,
            questions=[one["payload"] for _, one in questions],
        )

    async def write_memory(self, scene: Scene, text: str) -> None:
        entry = MemoryEntry(content=spoken(types.Part(text=text)))
        await self.memory(scene).add_memory(app_name="kit", user_id=USER, memories=[entry])

    async def read_memory(self, scene: Scene, query: str) -> str:
        found = await self.memory(scene).search_memory(app_name="kit", user_id=USER, query=query)
        return "\n".join(one.content.parts[0].text for one in found.memories)

    def memory(self, scene: Scene) -> BaseMemoryService:
        """Return the runner's memory as the application's own code uses it."""
        memory = self.runner(scene).memory_service
        assert memory is not None
        return WardlinePlugin(scene.guard).memory(memory) if scene.guard else memory

    async def retrieve(self, scene: Scene, query: str) -> str:
        (response,) = await self.use(scene, ShelfRetriever(scene), {"query": query})
        return json.dumps(response)

    async def use(self, scene: Scene, tool: Any, args: dict[str, Any]) -> list[Any]:
        """Run an agent whose model calls one tool; return what came of the call."""
        runner = self.runner(scene)
        name = getattr(tool, "name", None) or tool.__name__
        runner.agent.tools = [tool]
        runner.agent.model = Once(part=called(name, args, "once"))
        message = types.Content(role="user", parts=[types.Part(text="go")])
        told: dict[str, Any] = {"user_id": USER, "session_id": scene.thread or uuid.uuid4().hex}
        async with runner:
            events = [one async for one in runner.run_async(new_message=message, **told)]
        return [one.response for event in events for one in event.get_function_responses()]

    async def coverage(self, scene: Scene) -> Any:
        found: list[Covered] = list(coverage(self.app(scene)))
        return found


class Once(BaseLlm):
    """A model that makes one call and is done."""

    model: str = "scripted"
    part: Any

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        contents = llm_request.contents
        spent = any(part.function_response for one in contents for part in one.parts or ())
        yield LlmResponse(content=spoken(types.Part(text="done") if spent else self.part))


def mcp_tools(command: tuple[str, ...]) -> Any:
    from google.adk.tools.mcp_tool import McpToolset, StdioConnectionParams
    from mcp import StdioServerParameters

    server = StdioServerParameters(command=command[0], args=list(command[1:]))
    return McpToolset(connection_params=StdioConnectionParams(server_params=server))
