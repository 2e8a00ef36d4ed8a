"""The conformance kit, on real agents of the OpenAI Agents SDK with a scripted model."""

from __future__ import annotations

import asyncio
import json
from itertools import count
from typing import Any, ClassVar

from agents import (
    Agent,
    CustomTool,
    Handoff,
    Model,
    ModelResponse,
    RunHooks,
    Runner,
    RunState,
    SQLiteSession,
    Usage,
    WebSearchTool,
    function_tool,
)
from agents.items import ToolCallOutputItem
from agents.mcp import MCPServerStdio
from agents.memory import SessionABC
from openai_world import call, close_default_loop, say, streamed

from wardline_openai_agents import KINDS, GovernedMemory, answer, coverage, govern, questions
from wardline_testing import AdapterConformance, AgentSpec, Denial, Never, RunReport, Scene, Shelf


class KitModel(Model):
    """Says what the scene says."""

    def __init__(self, scene: Scene, agent: str, numbers: Any) -> None:
        self.scene, self.agent, self.numbers = scene, agent, numbers

    def _next(self, *heard: Any) -> tuple[list[Any], int]:
        said = self.scene.speak(self.agent, heard)
        output: list[Any] = [say(said.text)] if said.text and said.final else []
        output += [call(one.tool, one.id, **one.args) for one in said.calls]
        if said.asks:
            output.append(call(said.asks, f"ask-{next(self.numbers)}", input=said.text))
        if said.hands_to:
            name = Handoff.default_tool_name(Agent(said.hands_to))
            output.append(call(name, f"hand-{next(self.numbers)}"))
        return output, said.tokens

    async def get_response(self, *given: Any, **named: Any) -> ModelResponse:
        output, tokens = self._next(*given, *named.values())
        return ModelResponse(output, Usage(1, tokens, total_tokens=tokens), None)

    async def stream_response(self, instructions: Any, input: Any, *a: Any, **k: Any) -> Any:
        output, tokens = self._next(instructions, input)
        for event in streamed(output, tokens):
            yield event


class Rewriting(RunHooks[Any]):
    """The SDK's hook that comes last before a tool, and that can reach its arguments."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
        made = context.tool_call
        assert self.scene.rewriter is not None
        made.arguments = json.dumps(self.scene.rewriter(tool.name, json.loads(made.arguments)))


class OnShelf(SessionABC):
    """A session of the SDK that keeps its items on the kit's shelf."""

    session_id = "shelf"

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf

    async def get_items(self, limit: int | None = None) -> Any:
        return [{"role": "user", "content": text} for text in self.shelf.read()]

    async def add_items(self, items: Any) -> None:
        for item in items:
            self.shelf.write(item["content"])

    async def pop_item(self) -> Any:
        return None

    async def clear_session(self) -> None:
        return None


def build(scene: Scene, spec: AgentSpec, numbers: Any) -> Agent[Any]:
    tools: list[Any] = [
        function_tool(tool.body(scene.path), strict_mode=False) for tool in spec.tools
    ]
    for one in spec.calls:
        tools.append(build(scene, one, numbers).as_tool(one.name, f"Ask {one.name}."))
    return Agent(
        spec.name,
        model=KitModel(scene, spec.name, numbers),
        tools=tools,
        handoffs=[build(scene, one, numbers) for one in spec.hands_to],
    )


class TestOpenAIAgents(AdapterConformance):
    adapter = "wardline-openai-agents"
    framework = "openai-agents"
    distributions = ("openai-agents",)
    kinds = KINDS
    optional = (
        "test_changed_input",
        "test_conversation_keeps_its_session",
        "test_answer_without_tools",
    )
    gaps: ClassVar = {
        "test_call_ids_may_repeat": Never(
            "the SDK takes a call with an id and arguments that its run has had for a replay, and "
            "does not run it again"
        ),
        "test_memory_read": Never("a session of the SDK is read without a query"),
        **{
            name: Never(
                "the SDK has no retriever; file search runs at the provider, and is refused"
            )
            for name in (
                "test_retrieval",
                "test_denied_retrieval",
                "test_withheld_retrieval",
                "test_redacted_retrieval",
            )
        },
    }
    nesting = ("call", "handoff")
    denials: ClassVar = {"message": Denial.REFUSED, "raise": Denial.BARE}

    def agent(self, scene: Scene, *servers: Any) -> Agent[Any]:
        agent = build(scene, scene.agent, count(1))
        agent.tools += [
            CustomTool(name=one.name, description=one.description, on_invoke_tool=one.coroutine)
            for one in scene.ungoverned
        ]
        agent.tools += [WebSearchTool()] if scene.hosted else []
        agent.mcp_servers += servers
        if scene.guard is None:
            return agent
        return govern(agent, scene.guard, on_denied=scene.on_denied, backstop=False)

    async def run(self, scene: Scene) -> RunReport:
        if not scene.mcp:
            return await self._run(scene, self.agent(scene))
        command, *args = scene.mcp
        async with MCPServerStdio({"command": command, "args": args}) as server:
            return await self._run(scene, self.agent(scene, server))

    async def _run(self, scene: Scene, agent: Agent[Any]) -> RunReport:
        options: dict[str, Any] = {}
        if scene.rewriter is not None:
            options["hooks"] = Rewriting(scene)
        if scene.thread and scene.folder is not None:
            options["session"] = SQLiteSession(scene.thread, scene.folder / "sessions.db")
        stream: list[str] = []
        try:
            if scene.path == "sync":
                result: Any = self._sync(scene, agent, options)
            elif scene.path == "async":
                result = await Runner.run(agent, await self._resumed(scene, agent), **options)
            else:
                result = Runner.run_streamed(agent, await self._resumed(scene, agent), **options)
                async for event in result.stream_events():
                    stream.append(shown(event))
        finally:
            if "session" in options:
                options["session"].close()
        return RunReport(
            final=str(result.final_output or ""),
            refused={
                item.raw_item["call_id"]: str(item.output)
                for item in result.new_items
                if isinstance(item, ToolCallOutputItem) and "wardline" in (item.custom_data or {})
            },
            stream=stream,
            suspended=result.to_state().to_string() if result.interruptions else None,
            questions=questions(result),
        )

    def _sync(self, scene: Scene, agent: Agent[Any], options: dict[str, Any]) -> Any:
        state = asyncio.run(self._resumed(scene, agent))
        try:
            return Runner.run_sync(agent, state, **options)
        finally:
            close_default_loop()

    async def _resumed(self, scene: Scene, agent: Agent[Any]) -> Any:
        """Return what the run starts from."""
        if scene.resume is None:
            return scene.prompt
        state = await RunState.from_string(agent, scene.resume)
        if scene.answer is not None:
            await answer(state, scene.answer)
        return state

    async def write_memory(self, scene: Scene, text: str) -> None:
        assert scene.guard is not None
        await GovernedMemory(OnShelf(scene.memory), scene.guard).add_items(
            [{"role": "user", "content": text}]
        )

    async def read_memory(self, scene: Scene, query: str) -> str:
        assert scene.guard is not None
        items = await GovernedMemory(OnShelf(scene.memory), scene.guard).get_items()
        return " ".join(item["content"] for item in items)

    async def coverage(self, scene: Scene) -> Any:
        return coverage(self.agent(scene))


def shown(event: Any) -> str:
    """Return everything that can be read in an event."""
    if event.type == "raw_response_event":
        data = event.data
        return getattr(data, "delta", None) or data.model_dump_json()
    if event.type == "run_item_stream_event":
        return f"{event.name} {event.item.raw_item} {getattr(event.item, 'output', '')}"
    return str(event.new_agent.name)
