"""The harness: how the conformance kit builds and runs agents of LangChain."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Annotated, Any, ClassVar

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import BaseTool, InjectedToolCallId, StructuredTool
from langchain_mcp_adapters.client import MultiServerMCPClient
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command

from wardline_langchain import KINDS, WardlineMiddleware, coverage
from wardline_testing import AdapterConformance, AgentSpec, Denial, Never, RunReport, Say, Scene

NO_MEMORY = Never("LangChain has no memory of its own: LangGraph's store is the other adapter's")
NO_RETRIEVAL = Never("a retriever reaches an agent as a tool: LangGraph's adapter governs it alone")


class Scripted(BaseChatModel):
    """A model that says what the scene's script says."""

    model_name: str = "scripted"
    scene: Any
    agent: str
    tools: Any = ()

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self.model_copy(update={"tools": tools})

    def _answer(self, messages: Any) -> AIMessage:
        return message(self.scene.speak(self.agent, [*messages, *self.tools]))

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kw: Any) -> Any:
        return ChatResult(generations=[ChatGeneration(message=self._answer(messages))])

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kw: Any) -> Any:
        answer = self._answer(messages)
        for word in answer.text.replace(" ", " \0").split("\0"):
            yield ChatGenerationChunk(message=AIMessageChunk(word))
        calls = [
            {"name": c["name"], "args": json.dumps(c["args"]), "id": c["id"], "index": i}
            for i, c in enumerate(answer.tool_calls)
        ]
        last = AIMessageChunk("", tool_call_chunks=calls, usage_metadata=answer.usage_metadata)
        yield ChatGenerationChunk(message=last)


def message(said: Say) -> AIMessage:
    """Return an answer of the script as the framework takes it."""
    calls = [{"name": one.tool, "args": dict(one.args), "id": one.id} for one in said.calls]
    if other := said.asks or said.hands_to:
        calls.append({"name": other, "args": {"text": said.text}, "id": f"ask-{other}"})
    half = said.tokens // 2
    usage = {"input_tokens": half, "output_tokens": said.tokens - half, "total_tokens": said.tokens}
    return AIMessage(said.text, tool_calls=calls, usage_metadata=usage)


class Rewriting(AgentMiddleware):
    """The scene's rewriter, as a middleware behind the adapter's."""

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self._scene = scene

    def _changed(self, request: Any) -> Any:
        call = request.tool_call
        args = self._scene.rewriter(call["name"], dict(call["args"]))
        return request.override(tool_call={**call, "args": args})

    def wrap_tool_call(self, request: Any, handler: Any) -> Any:
        return handler(self._changed(request))

    async def awrap_tool_call(self, request: Any, handler: Any) -> Any:
        return await handler(self._changed(request))


class TestLangChain(AdapterConformance):
    """Everything that agents of `create_agent` can do."""

    adapter = "wardline-langchain"
    framework = "langchain"
    distributions = ("langchain", "langchain-core", "langgraph")
    kinds = KINDS
    nesting = ("call", "handoff")
    optional = (
        "test_changed_input",
        "test_conversation_keeps_its_session",
        "test_answer_without_tools",
    )
    gaps: ClassVar = {
        **dict.fromkeys(
            (
                "test_memory_write",
                "test_denied_memory_write",
                "test_memory_read",
                "test_denied_memory_read",
            ),
            NO_MEMORY,
        ),
        **dict.fromkeys(
            (
                "test_retrieval",
                "test_denied_retrieval",
                "test_withheld_retrieval",
                "test_redacted_retrieval",
            ),
            NO_RETRIEVAL,
        ),
    }
    denials: ClassVar = {"message": Denial.REFUSED, "raise": Denial.BARE}

    async def run(self, scene: Scene) -> RunReport:
        async with AsyncExitStack() as stack:
            saver = await self._saver(scene, stack)
            agent = self.graph(scene, saver, await self._served(scene))
            given: Any = {"messages": [HumanMessage(scene.prompt)]}
            if scene.resume:
                answer = scene.answer or "see the store"
                given = Command(resume=dict.fromkeys(scene.resume["interrupts"], answer))
            config = {"configurable": {"thread_id": scene.thread or "kept"}}
            read: list[str] = []
            out: dict[str, Any] = {}
            if scene.path == "sync":
                out = agent.invoke(given, config)
            elif scene.path == "async":
                out = await agent.ainvoke(given, config)
            else:
                modes = ["messages", "tools", "custom", "values"]
                async for part in agent.astream(given, config, stream_mode=modes, subgraphs=True):
                    space, mode, item = part
                    if mode == "values":
                        out = out if space else {**out, **item}
                    else:
                        read.append(item[0].text if mode == "messages" else str(item))
            return self._report(out, read)

    async def _saver(self, scene: Scene, stack: AsyncExitStack) -> Any:
        if not (scene.durable or scene.resume):
            return InMemorySaver() if scene.thread else None
        file = str(scene.folder / "checkpoints.db")
        if scene.path == "sync":
            return stack.enter_context(SqliteSaver.from_conn_string(file))
        return await stack.enter_async_context(AsyncSqliteSaver.from_conn_string(file))

    async def _served(self, scene: Scene) -> list[BaseTool]:
        if not scene.mcp:
            return []
        command, *args = scene.mcp
        server = {"transport": "stdio", "command": command, "args": args}
        return await MultiServerMCPClient({"kit": server}).get_tools()

    def graph(self, scene: Scene, saver: Any = None, served: Sequence[BaseTool] = ()) -> Any:
        """Build the root agent, in a graph with those that it hands over to."""
        root = scene.agent
        if not root.hands_to:
            return self.agent(scene, root, saver, served)
        graph = StateGraph(MessagesState)
        for spec in (root, *root.hands_to):
            graph.add_node(spec.name, self.agent(scene, spec))
        graph.add_edge(START, root.name)
        return graph.compile(checkpointer=saver)

    def agent(
        self, scene: Scene, spec: AgentSpec, saver: Any = None, served: Sequence[BaseTool] = ()
    ) -> Any:
        tools: list[Any] = [*served, *(self._tool(one) for one in spec.tools)]
        tools += [self._asking(self.agent(scene, one), one.name) for one in spec.calls]
        tools += [self._handing(one.name) for one in spec.hands_to]
        if scene.ungoverned and spec is scene.agent:  # an agent without the middleware is the way
            raw = [self._tool(one) for one in scene.ungoverned]
            model = Scripted(scene=scene, agent="raw")
            tools.append(self._asking(create_agent(model, raw, name="raw"), "raw"))
        if scene.hosted:
            tools.append({"type": scene.hosted, "name": scene.hosted})
        middleware: list[Any] = []
        if scene.guard is not None:
            options = {"on_denied": scene.on_denied, "backstop": scene.backstop}
            middleware.append(WardlineMiddleware(scene.guard, **options))
        if scene.rewriter is not None:
            middleware.append(Rewriting(scene))
        name = scene.names.get("model_call", "scripted")
        model = Scripted(scene=scene, agent=spec.name, model_name=name)
        return create_agent(model, tools, middleware=middleware, checkpointer=saver, name=spec.name)

    def _tool(self, tool: Any) -> BaseTool:
        return StructuredTool.from_function(
            tool.function, tool.coroutine, name=tool.name, description=tool.description
        )

    def _asking(self, agent: Any, name: str) -> BaseTool:
        def ask(text: str) -> str:
            return agent.invoke({"messages": [HumanMessage(text)]})["messages"][-1].text

        async def aask(text: str) -> str:
            out = await agent.ainvoke({"messages": [HumanMessage(text)]})
            return out["messages"][-1].text

        return StructuredTool.from_function(ask, aask, name=name, description="Ask an agent.")

    def _handing(self, name: str) -> BaseTool:
        def hand_over(text: str, tool_call_id: Annotated[str, InjectedToolCallId]) -> Command:
            told = ToolMessage(f"over to {name}", tool_call_id=tool_call_id)
            return Command(goto=name, graph=Command.PARENT, update={"messages": [told]})

        return StructuredTool.from_function(hand_over, name=name, description="Hand over.")

    def _report(self, out: Any, read: list[str]) -> RunReport:
        messages = out["messages"]
        asked = out.get("__interrupt__", ())
        return RunReport(
            final="" if asked else messages[-1].text,
            refused={
                one.tool_call_id: one.text
                for one in messages
                if isinstance(one, ToolMessage) and one.status == "error"
            },
            stream=read,
            suspended={"interrupts": [one.id for one in asked]} if asked else None,
            questions=[one.value for one in asked],
        )

    async def coverage(self, scene: Scene) -> Any:
        return coverage(self.graph(scene))
