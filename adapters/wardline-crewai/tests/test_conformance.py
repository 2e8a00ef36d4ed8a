"""CrewAI under the conformance kit."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack
from typing import Any, ClassVar

from crewai import Agent, BaseLLM, Crew, Task
from crewai.flow import Flow, listen, start
from crewai.flow.async_feedback import HumanFeedbackPending
from crewai.flow.persistence import SQLiteFlowPersistence
from crewai.hooks import InterceptionPoint
from crewai.hooks.dispatch import scoped_hooks
from crewai.knowledge.knowledge import Knowledge
from crewai.knowledge.storage.base_knowledge_storage import BaseKnowledgeStorage
from crewai.mcp import MCPServerStdio
from crewai.memory.types import MemoryRecord
from crewai.memory.unified_memory import Memory
from crewai.tools import tool
from pydantic import Field

from wardline import Reply
from wardline.adapters import Covered
from wardline_crewai import KINDS, coverage, govern
from wardline_testing import AdapterConformance, AgentSpec, Denial, Never, RunReport, Scene, Shelf

DELEGATE = "delegate_work_to_coworker"


class ScriptedModel(BaseLLM):
    """A model that says what the scene tells it to, by native function calls."""

    scene: Any = Field(exclude=True)
    agent: str = ""

    def call(self, messages: Any, tools: Any = None, **options: Any) -> Any:
        say = self.scene.speak(self.agent, messages)
        self._track_token_usage_internal(
            {"prompt_tokens": say.tokens, "completion_tokens": 0, "total_tokens": say.tokens}
        )
        calls = [(one.id, _offered(one.tool, one.args, tools), dict(one.args)) for one in say.calls]
        if say.asks:
            calls = [("ask-1", DELEGATE, {"task": say.text, "context": "", "coworker": say.asks})]
        answer = [
            {
                "id": id,
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(args)},
            }
            for id, name, args in calls
        ]
        if self._effective_stream():
            self._speak(say.text, answer, options)
        if answer:
            return answer
        return say.text if tools else f"Thought: I know\nFinal Answer: {say.text}"

    async def acall(self, messages: Any, tools: Any = None, **options: Any) -> Any:
        return self.call(messages, tools, **options)

    def _speak(self, text: str, calls: list[Any], options: Any) -> None:
        origin = {"from_task": options.get("from_task"), "from_agent": options.get("from_agent")}
        for word in [] if calls else text.split(" "):
            self._emit_stream_chunk_event(f"{word} ", **origin)
        for number, one in enumerate(calls):
            self._emit_stream_chunk_event("", tool_call={**one, "index": number}, **origin)

    def supports_function_calling(self) -> bool:
        return True


def _offered(name: str, args: Any, tools: Any) -> str:
    """Return the name under which a tool is offered.

    CrewAI puts its server in front of a tool's name and cuts what is too long, so a model has to go by
    what the tools take.
    """
    offered = {one["function"]["name"]: one["function"]["parameters"] for one in tools or ()}
    if name in offered or not name.startswith("mcp_"):
        return name
    fits = [one for one, takes in offered.items() if set(args) == set(takes["properties"])]
    return fits[0] if fits else name


class ShelfStorage:
    """A storage of CrewAI's memory in front of the kit's shelf."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf

    def save(self, records: list[MemoryRecord]) -> None:
        for record in records:
            self.shelf.write(record.content)

    def search(self, query_embedding: Any, **options: Any) -> list[tuple[MemoryRecord, float]]:
        return [(MemoryRecord(content=text), 0.9) for text in self.shelf.read()]

    def touch_records(self, ids: list[str]) -> None: ...


class ShelfDocuments(BaseKnowledgeStorage):
    """A storage of CrewAI's knowledge in front of the kit's shelf."""

    shelf: Any
    collection_name: str = "knowledge"

    def search(self, query: list[str], **options: Any) -> Any:
        return [
            {"id": str(n), "content": text, "metadata": {}, "score": 0.9}
            for n, text in enumerate(self.shelf.read(" ".join(query)))
        ]

    async def asearch(self, query: list[str], **options: Any) -> Any:
        return self.search(query)

    def save(self, documents: list[str]) -> None: ...
    async def asave(self, documents: list[str]) -> None: ...
    def reset(self) -> None: ...
    async def areset(self) -> None: ...


class Work(Flow[dict[str, Any]]):
    """A flow around a crew, which is what CrewAI can suspend."""

    crew: ClassVar[Any] = None

    @start()
    def work(self) -> Any:
        return self.crew.kickoff(inputs=self.state["inputs"])

    @listen("answered")
    def go_on(self) -> Any:
        return self.work()


class TestCrewAI(AdapterConformance):
    adapter = "wardline-crewai"
    framework = "crewai"
    distributions = ("crewai",)
    kinds = KINDS
    nesting = ("call",)
    denials: ClassVar = {"message": Denial.REFUSED, "raise": Denial.WRAPPED}
    gaps: ClassVar = {
        "test_cancellation": Never(
            "CrewAI runs each tool on a thread, which nothing can stop: a run that is cancelled leaves "
            "it to its end, and the ledger says how it ended"
        )
    }

    optional: ClassVar = (
        "test_answer_without_tools",
        "test_changed_input",
        "test_conversation_keeps_its_session",
    )

    async def run(self, scene: Scene) -> RunReport:
        crew = self._crew(scene)
        inputs = {"request": scene.prompt}
        stream: list[str] = []
        with ExitStack() as stack:
            if scene.rewriter is not None:
                hooks = {InterceptionPoint.PRE_TOOL_CALL: [_rewriting(scene.rewriter)]}
                stack.enter_context(scoped_hooks(hooks))
            if scene.durable and scene.path == "sync":
                return self._durable(scene, crew, inputs)
            if scene.durable:  # CrewAI refuses what is synchronous inside an event loop
                return await asyncio.to_thread(self._durable, scene, crew, inputs)
            if scene.path == "sync":
                result = crew.kickoff(inputs)
            elif scene.path == "async":
                result = await crew.akickoff(inputs)
            else:
                crew.stream = True
                output = await crew.akickoff(inputs)
                async for chunk in output:
                    stream.append(chunk.content)
                    if chunk.tool_call is not None:
                        stream.append(f"{chunk.tool_call.tool_name} {chunk.tool_call.arguments}")
                result = output.result
        return RunReport(final=result.raw, refused=_refused(crew), stream=stream)

    def _durable(self, scene: Scene, crew: Crew, inputs: dict[str, Any]) -> RunReport:
        assert scene.folder is not None
        Work.crew = crew
        kept = SQLiteFlowPersistence(str(scene.folder / "flows.db"))
        memory = Memory(storage=ShelfStorage(scene.memory), embedder=lambda t: [[1.0]] * len(t))
        if scene.resume is None:
            given = {"inputs": inputs, **({"id": scene.thread} if scene.thread else {})}
            result = Work(persistence=kept, memory=memory).kickoff(inputs=given)
        else:
            scene.spoken.clear()  # CrewAI starts the task again, and its model from the beginning
            flow = Work.from_pending(scene.resume["flow"], kept, memory=memory)
            if scene.answer is not None:
                asked = scene.resume["question"]
                reply = Reply(scene.answer["by"], approved=scene.answer["approved"])
                assert scene.guard is not None
                scene.guard.answer(scene.answer.get("approval") or asked["approval"], reply)
            result = flow.resume()
        if isinstance(result, HumanFeedbackPending):
            question = result.callback_info["wardline"]
            suspended = {"flow": result.context.flow_id, "question": question}
            return RunReport(suspended=suspended, questions=[question], refused=_refused(crew))
        return RunReport(final=result.raw, refused=_refused(crew))

    def _crew(self, scene: Scene) -> Crew:
        agents = {spec.name: self._agent(scene, spec) for spec in scene.agent.everyone()}
        root = agents[scene.agent.name]
        if scene.mcp:
            root.mcps = [MCPServerStdio(command=scene.mcp[0], args=list(scene.mcp[1:]))]
        task = Task(description="{request}", expected_output="an answer", agent=root)
        crew = Crew(agents=list(agents.values()), tasks=[task])
        return govern(crew, scene.guard, on_denied=scene.on_denied) if scene.guard else crew

    def _agent(self, scene: Scene, spec: AgentSpec) -> Agent:
        hosted = {"tools": [{"type": scene.hosted}]} if scene.hosted else {}
        model = ScriptedModel(
            model=scene.names.get("model_call", "scripted-1"),
            scene=scene,
            agent=spec.name,
            **hosted,
        )
        return Agent(
            role=spec.name,
            goal="help",
            backstory="a helper",
            llm=model,
            tools=[tool(one.name)(one.body(scene.path)) for one in spec.tools],
            allow_delegation=bool(spec.calls),
        )

    async def write_memory(self, scene: Scene, text: str) -> None:
        memory = self._remembering(scene)
        await memory.aremember(text, scope="/", categories=["kit"], metadata={}, importance=0.5)

    async def read_memory(self, scene: Scene, query: str) -> str:
        matches = await self._remembering(scene).arecall(query, depth="shallow")
        return "\n".join(match.format() for match in matches)

    def _remembering(self, scene: Scene) -> Memory:
        agent = self._agent(scene, scene.agent)
        agent.memory = Memory(
            llm=agent.llm, storage=ShelfStorage(scene.memory), embedder=lambda t: [[1.0]] * len(t)
        )
        memory = govern(agent, scene.guard).memory if scene.guard else agent.memory
        assert isinstance(memory, Memory)
        return memory

    async def retrieve(self, scene: Scene, query: str) -> str:
        agent = self._agent(scene, scene.agent)
        name = scene.names.get("retrieval", "knowledge")
        storage = ShelfDocuments(shelf=scene.documents, collection_name=name)
        agent.knowledge = Knowledge(collection_name=name, sources=[], storage=storage)
        knowledge = govern(agent, scene.guard).knowledge if scene.guard else agent.knowledge
        assert knowledge is not None
        return "\n".join(one["content"] for one in await knowledge.aquery([query]))

    async def coverage(self, scene: Scene) -> list[Covered]:
        crew = self._crew(scene)
        if scene.ungoverned:
            model = ScriptedModel(model="scripted-1", scene=scene, agent="late")
            late = Agent(role="late", goal="g", backstory="b", llm=model)
            late.tools = [tool(one.name)(one.body("sync")) for one in scene.ungoverned]
            crew.agents.append(late)
        return list(coverage(crew))


def _rewriting(rewriter: Any) -> Any:
    def hook(context: Any) -> None:
        changed = rewriter(context.tool_name, dict(context.tool_input))
        context.tool_input.clear()
        context.tool_input.update(changed)

    return hook


def _refused(crew: Crew) -> dict[str, str]:
    """Return the answers to calls that the framework itself counts as failed."""
    failed = {
        failure.failure.as_agent_message()
        for agent in crew.agents
        for failure in agent.last_tool_failures
    }
    return {
        str(message["tool_call_id"]): str(message["content"])
        for agent in crew.agents
        for message in agent.last_messages
        if message["role"] == "tool" and str(message["content"]) in failed
    }
