"""The harness: how a scene of the conformance kit is built with Haystack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from haystack import Document, Pipeline, component
from haystack.components.agents import Agent
from haystack.components.agents.state import State, replace_values
from haystack.components.generators.chat import MockChatGenerator
from haystack.components.writers import DocumentWriter
from haystack.dataclasses import ChatMessage, StreamingChunk, ToolCall
from haystack.document_stores.types import DuplicatePolicy
from haystack.hooks import hook
from haystack.tools import AgentTool, Tool, Toolset
from haystack_integrations.tools.mcp import MCPToolset, StdioServerInfo

from wardline.adapters import Covered
from wardline_haystack import KINDS, coverage, govern, questions
from wardline_testing import (
    AdapterConformance,
    AgentSpec,
    Denial,
    Never,
    RunReport,
    Say,
    Scene,
    Shelf,
)
from wardline_testing import Tool as KitTool


class Scripted(MockChatGenerator):
    """A model that says what the scene lets it say; `hosted` is executed by its provider."""

    def __init__(self, scene: Scene, agent: str) -> None:
        super().__init__(response_fn=lambda messages: _answer(scene.speak(agent, messages)))
        self.tools = [{"type": scene.hosted}] if scene.hosted else None


def _answer(say: Say) -> ChatMessage:
    calls = [ToolCall(one.tool, dict(one.args), id=one.id) for one in say.calls]
    if say.asks:
        task = {"messages": [{"role": "user", "content": say.text or "go"}]}
        calls.append(ToolCall(say.asks, task, id=f"ask-{say.asks}"))
    return ChatMessage.from_assistant(
        say.text or None, tool_calls=calls, meta={"usage": {"total_tokens": say.tokens}}
    )


def _tool(tool: KitTool) -> Tool:
    return Tool(
        name=tool.name,
        description=tool.description,
        parameters=tool.schema,
        function=tool.function,
        async_function=tool.coroutine,
    )


def _agent(scene: Scene, spec: AgentSpec, hooks: Any = None) -> Agent:
    tools: list[Tool | Toolset] = [_tool(one) for one in spec.tools]
    tools += [
        AgentTool(agent=_agent(scene, one), name=one.name, description="An agent.")
        for one in spec.calls
    ]
    if scene.mcp and spec is scene.agent:
        server = StdioServerInfo(command=scene.mcp[0], args=list(scene.mcp[1:]))
        tools.append(MCPToolset(server))
    return Agent(chat_generator=Scripted(scene, spec.name), tools=tools, hooks=hooks)


def _rewriting(scene: Scene) -> Any:
    @hook
    def rewrite(state: State) -> None:
        *past, last = state.data["messages"]
        assert scene.rewriter is not None
        calls = [
            ToolCall(one.tool_name, scene.rewriter(one.tool_name, dict(one.arguments)), id=one.id)
            for one in last.tool_calls
        ]
        changed = ChatMessage.from_assistant(last.text, tool_calls=calls, meta=last.meta)
        state.set("messages", [*past, changed], handler_override=replace_values)

    return rewrite


class ShelfStore:
    """A document store in front of the kit's shelf."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf

    def write_documents(
        self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE
    ) -> int:
        for one in documents:
            self.shelf.write(one.content or "")
        return len(documents)

    def search(self, query: str) -> list[Document]:
        return [Document(content=text) for text in self.shelf.read(query)]

    def to_dict(self) -> dict[str, Any]:
        return {}


@component
class ShelfRetriever:
    """A retriever of such a store."""

    def __init__(self, document_store: ShelfStore) -> None:
        self.document_store = document_store

    @component.output_types(documents=list[Document])
    def run(self, query: str) -> dict[str, Any]:
        return {"documents": self.document_store.search(query)}


class TestHaystack(AdapterConformance):
    adapter = "wardline-haystack"
    framework = "haystack"
    distributions = ("haystack-ai",)
    kinds = KINDS
    nesting = ("call",)
    denials: Mapping[str, Denial] = {"message": Denial.REFUSED, "raise": Denial.BARE}
    optional = (
        "test_changed_input",
        "test_conversation_keeps_its_session",
        "test_answer_without_tools",
    )
    gaps: Mapping[str, Never] = dict.fromkeys(
        ("test_memory_read", "test_denied_memory_read"),
        Never("what is written into a document store is read again by a retriever: `retrieval`"),
    )

    async def run(self, scene: Scene) -> RunReport:
        agent = _agent(scene, scene.agent)
        if scene.guard is not None:
            agent = govern(
                agent,
                scene.guard,
                on_denied=scene.on_denied,
                suspend=scene.durable,
                backstop=scene.backstop,
            )
        if scene.rewriter is not None:
            # Behind the governor, where the list of hooks ends.
            hooks = {**agent.hooks, "before_tool": [*agent.hooks["before_tool"], _rewriting(scene)]}
            agent = agent.clone(hooks=hooks)
        messages = [ChatMessage.from_user(scene.prompt)]
        if scene.resume is not None:
            messages = [ChatMessage.from_dict(one) for one in scene.resume]
        mine: dict[str, Any] = {"session": scene.thread} if scene.thread else {}
        if scene.answer is not None:
            mine["answers"] = [dict(scene.answer)]
        given: dict[str, Any] = {"messages": messages, "hook_context": {"wardline": mine}}
        stream: list[str] = []

        async def show(chunk: StreamingChunk) -> None:
            stream.append(f"{chunk.content}{chunk.tool_calls or ''}{chunk.tool_call_result or ''}")

        if scene.path == "sync":
            out = agent.run(**given)
        elif scene.path == "async":
            out = await agent.run_async(**given)
        else:
            out = await agent.run_async(**given, streaming_callback=show)
        results = [result for one in out["messages"] for result in one.tool_call_results]
        waits = questions(out)
        return RunReport(
            final=out["last_message"].text or "",
            refused={str(one.origin.id): str(one.result) for one in results if one.error},
            stream=stream,
            suspended=[one.to_dict() for one in out["messages"]] if waits else None,
            questions=waits,
        )

    async def write_memory(self, scene: Scene, text: str) -> None:
        pipeline = Pipeline()
        pipeline.add_component("writer", DocumentWriter(ShelfStore(scene.memory)))
        govern(pipeline, scene.guard)
        pipeline.run({"writer": {"documents": [Document(content=text)]}})

    async def retrieve(self, scene: Scene, query: str) -> str:
        pipeline = Pipeline()
        pipeline.add_component("retriever", ShelfRetriever(ShelfStore(scene.documents)))
        govern(pipeline, scene.guard)
        out = pipeline.run({"retriever": {"query": query}})
        return "\n".join(one.content or "" for one in out["retriever"]["documents"])

    async def coverage(self, scene: Scene) -> Sequence[Covered]:
        agent = govern(_agent(scene, scene.agent), scene.guard)
        beside = Agent(
            chat_generator=Scripted(scene, "beside"),
            tools=[_tool(one) for one in scene.ungoverned],
        )
        pipeline = Pipeline()
        pipeline.add_component("agent", agent)
        pipeline.add_component("beside", beside)
        return coverage(pipeline)
