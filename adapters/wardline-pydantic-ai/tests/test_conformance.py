"""The conformance kit, on real agents of Pydantic AI with a scripted model."""

from __future__ import annotations

from itertools import count
from typing import Any, ClassVar

from pydantic_ai import Agent, DeferredToolRequests, DeferredToolResults, Tool
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.mcp import MCPToolset, StdioTransport
from pydantic_ai.messages import ModelMessagesTypeAdapter, ToolReturnPart
from pydantic_ai.native_tools import WebSearchTool
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets import ExternalToolset
from pydantic_world import call, close_default_loop, model_of, say

from wardline_pydantic_ai import KINDS, Wardline, coverage, questions
from wardline_testing import AdapterConformance, AgentSpec, Denial, Never, RunReport, Scene


class Rewriting(AbstractCapability[Any]):
    """A capability whose hook is the last one before a tool."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    async def before_tool_execute(self, ctx: Any, *, call: Any, tool_def: Any, args: Any) -> Any:
        assert self.scene.rewriter is not None
        return self.scene.rewriter(tool_def.name, dict(args))


def model(scene: Scene, agent: str, numbers: Any) -> Any:
    def answer(messages: Any) -> tuple[list[Any], int]:
        said = scene.speak(agent, messages)
        parts: list[Any] = [say(said.text)] if said.text and said.final else []
        parts += [call(one.tool, one.id, **one.args) for one in said.calls]
        if said.asks:
            parts.append(call(said.asks, f"ask-{next(numbers)}", task=said.text))
        return parts, said.tokens

    return model_of(answer)


def build(scene: Scene, spec: AgentSpec, numbers: Any, **options: Any) -> Agent[Any, Any]:
    tools: list[Any] = [tool.body(scene.path) for tool in spec.tools]
    tools += [asking(scene, build(scene, one, numbers)) for one in spec.calls]
    return Agent(model(scene, spec.name, numbers), name=spec.name, tools=tools, **options)


def asking(scene: Scene, inner: Agent[Any, Any]) -> Any:
    """Return a tool that asks another agent, as one writes it: the agent knows of no guard."""

    async def ask(task: str) -> str:
        return str((await inner.run(task)).output)

    return Tool(ask, name=inner.name, description="Ask an agent.")


class TestPydanticAI(AdapterConformance):
    adapter = "wardline-pydantic-ai"
    framework = "pydantic-ai"
    distributions = ("pydantic-ai-slim",)
    kinds = KINDS
    denials: ClassVar = {"message": Denial.REFUSED, "raise": Denial.BARE}
    optional = (
        "test_changed_input",
        "test_conversation_keeps_its_session",
        "test_answer_without_tools",
    )
    gaps: ClassVar = {
        name: Never(
            "the framework has no retriever and no memory that an agent reads or writes by itself"
        )
        for name in (
            "test_memory_write",
            "test_denied_memory_write",
            "test_memory_read",
            "test_denied_memory_read",
            "test_retrieval",
            "test_denied_retrieval",
            "test_withheld_retrieval",
            "test_redacted_retrieval",
        )
    }

    def agent(self, scene: Scene, *toolsets: Any) -> Agent[Any, Any]:
        capabilities: list[Any] = []
        if scene.guard is not None:
            capabilities.append(Wardline(scene.guard, on_denied=scene.on_denied, backstop=False))
        if scene.rewriter is not None:
            capabilities.append(Rewriting(scene))
        if scene.hosted:
            from pydantic_ai.capabilities import NativeTool

            capabilities.append(NativeTool(WebSearchTool()))
        outside = [
            ExternalToolset(
                [
                    ToolDefinition(
                        name=one.name,
                        parameters_json_schema=one.schema,
                        description=one.description,
                    )
                ]
            )
            for one in scene.ungoverned
        ]
        return build(
            scene,
            scene.agent,
            count(1),
            capabilities=capabilities,
            toolsets=[*toolsets, *outside],
        )

    async def run(self, scene: Scene) -> RunReport:
        if not scene.mcp:
            return await self._run(scene, self.agent(scene))
        command, *args = scene.mcp
        server = MCPToolset(StdioTransport(command, args))
        agent = self.agent(scene, server)
        async with agent:
            return await self._run(scene, agent)

    async def _run(self, scene: Scene, agent: Agent[Any, Any]) -> RunReport:
        prompt, options = self._start(scene)
        stream: list[str] = []
        if scene.path == "sync":
            try:
                result: Any = agent.run_sync(prompt, **options)
            finally:
                close_default_loop()
        elif scene.path == "async":
            result = await agent.run(prompt, **options)
        else:
            async with agent.run_stream_events(prompt, **options) as events:
                async for event in events:
                    stream.append(str(event))
                    result = getattr(event, "result", None)
        asked = result.output if isinstance(result.output, DeferredToolRequests) else None
        refused = {
            part.tool_call_id: str(part.content)
            for message in result.all_messages()
            for part in message.parts
            if (isinstance(part, ToolReturnPart) and part.outcome == "failed")
            or part.part_kind == "retry-prompt"
        }
        return RunReport(
            final="" if asked else str(result.output),
            refused=refused,
            stream=stream,
            suspended={
                "messages": result.all_messages_json().decode(),
                "calls": [one.tool_call_id for one in asked.approvals],
            }
            if asked
            else None,
            questions=questions(asked) if asked else (),
        )

    def _start(self, scene: Scene) -> tuple[str | None, dict[str, Any]]:
        options: dict[str, Any] = {}
        if scene.thread:
            options["conversation_id"] = scene.thread
        if scene.durable:
            options["output_type"] = [str, DeferredToolRequests]
        if scene.resume is None:
            return scene.prompt, options
        options["message_history"] = ModelMessagesTypeAdapter.validate_json(
            scene.resume["messages"]
        )
        answers = {one: dict(scene.answer) for one in scene.resume["calls"] if scene.answer}
        options["deferred_tool_results"] = DeferredToolResults(
            approvals=dict.fromkeys(scene.resume["calls"], True), metadata=answers
        )
        return None, options

    async def coverage(self, scene: Scene) -> Any:
        return coverage(self.agent(scene))
