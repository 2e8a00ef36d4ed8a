"""The harness: how a scene of the conformance kit is built with LlamaIndex."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.agent.workflow import AgentStream, AgentWorkflow, FunctionAgent
from llama_index.core.agent.workflow import ToolCallResult as Result
from llama_index.core.base.llms.types import ChatMessage, TextBlock, ToolCallBlock
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.memory import BaseMemory, ChatMemoryBuffer
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import (
    Context,
    HumanResponseEvent,
    InputRequiredEvent,
    JsonSerializer,
)
from llama_index.tools.mcp import BasicMCPClient, McpToolSpec

from wardline.adapters import Covered
from wardline_llama_index import KINDS, coverage, govern
from wardline_testing import (
    AdapterConformance,
    AgentSpec,
    Denial,
    RunReport,
    Say,
    Scene,
    Shelf,
)
from wardline_testing import Tool as KitTool

HANDOFF = "handoff"


class Scripted(MockFunctionCallingLLM):
    """A model that says what the scene lets it say; `built_in_tools` are executed by its provider."""

    built_in_tools: list[Any] | None = None


def _model(scene: Scene, spec: AgentSpec) -> Scripted:
    hosted = [{"type": scene.hosted}] if scene.hosted else None
    return Scripted(
        response_generator=lambda messages, **_: _answer(scene.speak(spec.name, messages)),
        built_in_tools=hosted,
    )


def _answer(say: Say) -> ChatMessage:
    calls = [
        ToolCallBlock(tool_call_id=one.id, tool_name=one.tool, tool_kwargs=dict(one.args))
        for one in say.calls
    ]
    if say.asks:
        asked = {"task": say.text or "go"}
        calls.append(
            ToolCallBlock(tool_call_id=f"ask-{say.asks}", tool_name=say.asks, tool_kwargs=asked)
        )
    if say.hands_to:
        over = {"to_agent": say.hands_to, "reason": say.text or "go"}
        calls.append(
            ToolCallBlock(tool_call_id=f"to-{say.hands_to}", tool_name=HANDOFF, tool_kwargs=over)
        )
    text = [TextBlock(text=say.text)] if say.text else []
    return ChatMessage(
        role="assistant",
        blocks=[*text, *calls],
        additional_kwargs={"total_tokens": say.tokens},
    )


def _tool(tool: KitTool) -> FunctionTool:
    return FunctionTool.from_defaults(fn=tool.function, async_fn=tool.coroutine)


def _asking(scene: Scene, spec: AgentSpec) -> FunctionTool:
    """Return an agent as a tool, as LlamaIndex shows it: a function that runs the agent."""
    inner = _agent(scene, spec)

    async def ask(task: str) -> str:
        return str(await inner.run(user_msg=task))

    return FunctionTool.from_defaults(async_fn=ask, name=spec.name, description="An agent.")


def _agent(scene: Scene, spec: AgentSpec, more: Sequence[Any] = ()) -> FunctionAgent:
    tools = [*(_tool(one) for one in spec.tools), *(_asking(scene, one) for one in spec.calls)]
    return FunctionAgent(
        name=spec.name,
        description=f"The agent {spec.name}.",
        tools=[*tools, *more],
        llm=_model(scene, spec),
        can_handoff_to=[one.name for one in spec.hands_to],
    )


def _host(scene: Scene, more: Sequence[Any] = ()) -> Any:
    root = _agent(scene, scene.agent, more)
    if not scene.agent.hands_to:
        return root
    others = [_agent(scene, one) for one in scene.agent.everyone() if one is not scene.agent]
    return AgentWorkflow(agents=[root, *others], root_agent=root.name)


def _rewriting(scene: Scene, agent: Any) -> Any:
    """Return the agent with a class behind the governed one that changes arguments as they are called."""
    rewriter = scene.rewriter
    assert rewriter is not None

    class Rewriting(type(agent)):  # type: ignore[misc]
        async def _call_tool(self, ctx: Any, tool: Any, tool_input: dict[str, Any]) -> Any:
            changed = rewriter(tool.metadata.name, dict(tool_input))
            return await super()._call_tool(ctx, tool, changed)

    fields = {name: getattr(agent, name) for name in type(agent).model_fields}
    return Rewriting(**fields)


class ShelfRetriever(BaseRetriever):
    """A retriever in front of the kit's shelf."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        super().__init__()

    def _retrieve(self, query_bundle: Any) -> list[NodeWithScore]:
        texts = self.shelf.read(query_bundle.query_str)
        return [NodeWithScore(node=TextNode(text=one), score=1.0) for one in texts]


class ShelfMemory(BaseMemory):
    """A memory in front of the kit's shelf."""

    shelf: Any

    @classmethod
    def from_defaults(cls, **kwargs: Any) -> ShelfMemory:
        return cls(**kwargs)

    def get(self, input: str | None = None, **kwargs: Any) -> list[ChatMessage]:
        return [ChatMessage(role="user", content=one) for one in self.shelf.read(input or "")]

    def get_all(self) -> list[ChatMessage]:
        return self.get()

    def put(self, message: ChatMessage) -> None:
        self.shelf.write(message.content or "")

    def set(self, messages: list[ChatMessage]) -> None:
        for one in messages:
            self.put(one)

    def reset(self) -> None:
        return


class TestLlamaIndex(AdapterConformance):
    adapter = "wardline-llama-index"
    framework = "llama-index"
    distributions = ("llama-index-core",)
    kinds = KINDS
    paths = ("async", "stream")
    nesting = ("call", "handoff")
    denials: Mapping[str, Denial] = {"message": Denial.REFUSED, "raise": Denial.BARE}
    optional = (
        "test_changed_input",
        "test_conversation_keeps_its_session",
        "test_answer_without_tools",
    )

    async def run(self, scene: Scene) -> RunReport:
        more: list[Any] = []
        if scene.mcp:
            client = BasicMCPClient(scene.mcp[0], args=list(scene.mcp[1:]))
            more = await McpToolSpec(client=client).to_tool_list_async()
        host = _host(scene, more)
        if scene.rewriter is not None:
            host = _rewriting(scene, host)
        if scene.guard is not None:
            host = govern(host, scene.guard, on_denied=scene.on_denied, suspend=scene.durable)
        if scene.resume is None:
            memory = _memory(scene) if scene.thread else None
            handler = host.run(user_msg=scene.prompt, memory=memory)
        else:
            ctx = Context.from_dict(host, scene.resume["context"], serializer=JsonSerializer())
            said = [ChatMessage.model_validate(one) for one in scene.resume["messages"]]
            handler = host.run(ctx=ctx)
            # A context is kept without its memory, and a run starts from what is kept.
            await handler.ctx.store.set("memory", _memory(scene, said))
            if scene.answer is not None:
                handler.ctx.send_event(HumanResponseEvent(**scene.answer))
        stream: list[str] = []
        refused: dict[str, str] = {}
        async for event in handler.stream_events():
            if isinstance(event, InputRequiredEvent):
                return await self._suspended(handler, event, refused, stream)
            if isinstance(event, Result) and event.tool_output.is_error:
                refused[event.tool_id] = event.tool_output.content
            stream.append(event.delta if isinstance(event, AgentStream) else "")
            stream.append(f"{event!r} {getattr(event, 'result', '')!r}")
        output = await handler
        return RunReport(final=str(output), refused=refused, stream=stream)

    async def _suspended(
        self, handler: Any, event: Any, refused: dict[str, str], stream: list[str]
    ) -> RunReport:
        """Wait until nothing else runs, and keep the context and the memory of the run."""
        while not await _quiet(handler.ctx):
            pass
        context = handler.ctx.to_dict(serializer=JsonSerializer())
        memory = await handler.ctx.store.get("memory")
        messages = [one.model_dump(mode="json") for one in await memory.aget_all()]
        await handler.cancel_run()
        question = {key: one for key, one in event.items() if key != "prefix"}
        kept = json.loads(json.dumps({"context": context, "messages": messages}))
        return RunReport(refused=refused, stream=stream, suspended=kept, questions=[question])

    async def write_memory(self, scene: Scene, text: str) -> None:
        memory = govern(ShelfMemory(shelf=scene.memory), scene.guard)
        await memory.aput(ChatMessage(role="user", content=text))

    async def read_memory(self, scene: Scene, query: str) -> str:
        memory = govern(ShelfMemory(shelf=scene.memory), scene.guard)
        return "\n".join(one.content or "" for one in await memory.aget(query))

    async def retrieve(self, scene: Scene, query: str) -> str:
        retriever = govern(ShelfRetriever(scene.documents), scene.guard)
        return "\n".join(one.text for one in await retriever.aretrieve(query))

    async def coverage(self, scene: Scene) -> Sequence[Covered]:
        agent = govern(_agent(scene, scene.agent), scene.guard)
        beside = _agent(scene, AgentSpec("beside"), [_tool(one) for one in scene.ungoverned])
        return coverage(AgentWorkflow(agents=[agent, beside], root_agent=agent.name))


def _memory(scene: Scene, said: Any = None) -> ChatMemoryBuffer:
    return ChatMemoryBuffer.from_defaults(
        chat_history=said, chat_store_key=scene.thread, token_limit=4000
    )


async def _quiet(ctx: Any) -> bool:
    """Whether every call of the answer but those that wait has come to its end."""
    import asyncio

    await asyncio.sleep(0.3)
    return True
