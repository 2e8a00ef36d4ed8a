"""The harness: how the conformance kit builds and runs graphs of LangGraph."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Annotated, Any, ClassVar

from graphs import Documents, Shelved, graph_of
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import BaseTool, InjectedToolCallId, StructuredTool
from langchain_mcp_adapters.client import MultiServerMCPClient
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.store.base import BaseStore
from langgraph.types import Command
from scripted import Speaking

from wardline_langgraph import (
    KINDS,
    GovernedMemory,
    GovernedModel,
    GovernedRetriever,
    GovernedToolNode,
    coverage,
)
from wardline_testing import AdapterConformance, AgentSpec, Denial, RunReport, Say, Scene


def message(said: Say) -> AIMessage:
    """Return an answer of the script as the framework takes it."""
    calls = [{"name": one.tool, "args": dict(one.args), "id": one.id} for one in said.calls]
    if other := said.asks or said.hands_to:
        calls.append({"name": other, "args": {"text": said.text}, "id": f"ask-{other}"})
    half = said.tokens // 2
    usage = {"input_tokens": half, "output_tokens": said.tokens - half, "total_tokens": said.tokens}
    return AIMessage(said.text, tool_calls=calls, usage_metadata=usage)


class TestLangGraph(AdapterConformance):
    """Everything that graphs built by hand can do."""

    adapter = "wardline-langgraph"
    framework = "langgraph"
    distributions = ("langgraph", "langchain-core")
    kinds = KINDS
    nesting = ("call", "handoff")
    optional = (
        "test_changed_input",
        "test_conversation_keeps_its_session",
        "test_answer_without_tools",
    )
    no_rewriter = (
        "ToolNode has one wrapper around a call, and the adapter's stands inside the user's"
    )
    denials: ClassVar = {"message": Denial.REFUSED, "raise": Denial.BARE}

    async def run(self, scene: Scene) -> RunReport:
        async with AsyncExitStack() as stack:
            graph = self.graph(scene, await self._saver(scene, stack), await self._served(scene))
            given: Any = {"messages": [HumanMessage(scene.prompt)]}
            if scene.resume:
                answer = scene.answer or "see the store"
                given = Command(resume=dict.fromkeys(scene.resume["interrupts"], answer))
            config = {"configurable": {"thread_id": scene.thread or "kept"}}
            read: list[str] = []
            out: dict[str, Any] = {}
            if scene.path == "sync":
                out = graph.invoke(given, config)
            elif scene.path == "async":
                out = await graph.ainvoke(given, config)
            else:
                modes = ["messages", "tools", "custom", "values"]
                async for part in graph.astream(given, config, stream_mode=modes, subgraphs=True):
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
        """Build the root's graph, in a graph with those that it hands over to."""
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
        offered = [*tools, *([{"type": scene.hosted}] if scene.hosted else [])]
        model: Any = Speaking(
            says=lambda heard: message(scene.speak(spec.name, heard)),
            model_name=scene.names.get("model_call", "scripted"),
        )
        if scene.guard is None:
            return graph_of(model.bind_tools(offered), ToolNode(tools), saver, spec.name)
        options: dict[str, Any] = {"backstop": scene.backstop}
        if scene.rewriter is not None:
            options |= self._rewriting(scene)
        node = GovernedToolNode(tools, scene.guard, on_denied=scene.on_denied, **options)
        model = GovernedModel(model, scene.guard, on_denied=scene.on_denied).bind_tools(offered)
        return graph_of(
            model, node, saver, spec.name, [self._tool(one) for one in scene.ungoverned]
        )

    def _tool(self, tool: Any) -> BaseTool:
        return StructuredTool.from_function(
            tool.function, tool.coroutine, name=tool.name, description=tool.description
        )

    def _rewriting(self, scene: Scene) -> dict[str, Any]:
        def changed(request: Any) -> Any:
            call = request.tool_call
            args = scene.rewriter(call["name"], dict(call["args"]))
            return request.override(tool_call={**call, "args": args})

        async def arewrite(request: Any, execute: Any) -> Any:
            return await execute(changed(request))

        return {
            "wrap_tool_call": lambda request, execute: execute(changed(request)),
            "awrap_tool_call": arewrite,
        }

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

    async def write_memory(self, scene: Scene, text: str) -> None:
        await self._with_store(
            scene, lambda store: store.aput(("notes",), f"n{len(text)}", {"text": text})
        )

    async def read_memory(self, scene: Scene, query: str) -> str:
        found = await self._with_store(scene, lambda store: store.asearch(("notes",), query=query))
        return "\n".join(item.value["text"] for item in found)

    async def _with_store(self, scene: Scene, use: Any) -> Any:
        store: BaseStore = Shelved(scene.memory)
        if scene.guard is not None:
            store = GovernedMemory(store, scene.guard, name=scene.names.get("memory", "store"))
        found: list[Any] = []

        async def node(state: MessagesState, *, store: BaseStore) -> dict[str, Any]:
            found.append(await use(store))
            return {}

        graph = StateGraph(MessagesState).add_node("node", node).add_edge(START, "node")
        await graph.compile(store=store).ainvoke({"messages": []})
        return found[0]

    async def retrieve(self, scene: Scene, query: str) -> str:
        retriever: Any = Documents(shelf=scene.documents)
        if scene.guard is not None:
            name = scene.names.get("retrieval", "documents")
            retriever = GovernedRetriever(retriever, scene.guard, name=name)
        found: list[Any] = []

        async def node(state: MessagesState) -> dict[str, Any]:
            found.extend(await retriever.ainvoke(query))
            return {}

        graph = StateGraph(MessagesState)
        graph.add_node("node", RunnableLambda(lambda _: {}, afunc=node)).add_edge(START, "node")
        await graph.compile().ainvoke({"messages": []})
        return "\n".join(one.page_content for one in found)

    async def coverage(self, scene: Scene) -> Any:
        return coverage(self.graph(scene))
