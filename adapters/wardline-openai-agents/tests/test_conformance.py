"""The conformance kit, on real agents of the OpenAI Agents SDK with a scripted model."""

from __future__ import annotations

import asyncio
import json
from itertools import count
from typing import Any, ClassVar

from agents import (
    Agent,
    Handoff,
    Model,
    ModelResponse,
    RunHooks,
    Runner,
    RunState,
    SQLiteSession,
    Usage,
    function_tool,
)
from agents.items import ToolCallOutputItem
from openai_world import call, close_default_loop, say, streamed

from wardline_openai_agents import KINDS, answer, coverage, govern, questions
from wardline_testing import AdapterConformance, AgentSpec, Denial, RunReport, Scene


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

    async def get_response(self, instructions: Any, input: Any, *a: Any, **k: Any) -> ModelResponse:
        output, tokens = self._next(instructions, input)
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
    nesting = ("call", "handoff")
    denials: ClassVar = {"message": Denial.REFUSED, "raise": Denial.BARE}

    def agent(self, scene: Scene) -> Agent[Any]:
        agent = build(scene, scene.agent, count(1))
        agent.tools += scene.ungoverned
        if scene.guard is None:
            return agent
        return govern(agent, scene.guard, on_denied=scene.on_denied, backstop=False)

    async def run(self, scene: Scene) -> RunReport:
        agent = self.agent(scene)
        options: dict[str, Any] = {}
        if scene.rewriter is not None:
            options["hooks"] = Rewriting(scene)
        if scene.thread and scene.folder is not None:
            options["session"] = SQLiteSession(scene.thread, scene.folder / "sessions.db")
        stream: list[str] = []
        try:
            if scene.path == "sync":
                try:
                    state = asyncio.run(self._resumed(scene, agent))
                    result: Any = Runner.run_sync(agent, state, **options)
                finally:
                    close_default_loop()
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

    async def _resumed(self, scene: Scene, agent: Agent[Any]) -> Any:
        """Return what the run starts from."""
        if scene.resume is None:
            return scene.prompt
        state = await RunState.from_string(agent, scene.resume)
        if scene.answer is not None:
            await answer(state, scene.answer)
        return state

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
