"""The harness: how the conformance kit builds and runs agents of this framework."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, ClassVar

from toyagents import (
    Agent,
    Answer,
    Call,
    Event,
    Hook,
    Memory,
    Retriever,
    Run,
    Server,
    Tool,
    ToolRequest,
)
from wardline_toy import KINDS, Governor, coverage

from wardline_testing import AdapterConformance, AgentSpec, Denial, RunReport, Scene


class Scripted:
    """A model that says what the scene's script says."""

    def __init__(self, scene: Scene, agent: str) -> None:
        self._scene = scene
        self._agent = agent

    def answer(self, request: Any) -> Answer:
        said = self._scene.speak(self._agent, request.messages)
        calls = [Call(one.tool, dict(one.args), one.id) for one in said.calls]
        if said.asks:
            calls.append(Call(said.asks, {"task": said.text}, f"ask-{said.asks}"))
        return Answer(said.text, calls, said.hands_to, said.tokens)

    async def aanswer(self, request: Any) -> Answer:
        return self.answer(request)


class Rewriting(Hook):
    """The scene's rewriter, as a hook behind the adapter's."""

    inherits = True

    def __init__(self, scene: Scene) -> None:
        self._rewriter = scene.rewriter

    def _changed(self, request: ToolRequest) -> ToolRequest:
        assert self._rewriter is not None
        request.call.args = self._rewriter(request.tool.name, dict(request.call.args))
        return request

    def wrap_tool(self, request: ToolRequest, call: Any) -> Any:
        return call(self._changed(request))

    async def awrap_tool(self, request: ToolRequest, call: Any) -> Any:
        return await call(self._changed(request))


class TestToy(AdapterConformance):
    """Everything that the framework can do."""

    adapter = "wardline-toy"
    framework = "toyagents"
    distributions = ("toyagents",)
    kinds = KINDS
    governor = Governor
    nesting = ("call", "handoff")
    optional = (
        "test_changed_input",
        "test_conversation_keeps_its_session",
        "test_one_adapter_object_serves_two_users",
    )
    denials: ClassVar = {"message": Denial.REFUSED, "raise": Denial.BARE}

    async def run(self, scene: Scene) -> RunReport:
        if "governor" not in scene.kept:
            scene.kept["governor"] = self.governor(scene.guard, on_denied=scene.on_denied)
        hooks: list[Hook] = [scene.kept["governor"]]
        if scene.rewriter is not None:
            hooks.append(Rewriting(scene))
        with ExitStack() as stack:
            served = stack.enter_context(Server(scene.mcp)).tools() if scene.mcp else []
            agent = self.agent(scene, scene.agent, hooks, served)
            return await self.play(scene, agent)

    async def play(self, scene: Scene, agent: Agent) -> RunReport:
        resume = scene.resume and self.answers(scene)
        thread = scene.thread or ("kept" if scene.durable else "")
        if scene.path == "sync":
            return self.report(agent.run(scene.prompt, thread=thread, resume=resume), [])
        if scene.path == "async":
            return self.report(await agent.arun(scene.prompt, thread=thread, resume=resume), [])
        events: list[Event] = []
        async for item in agent.astream(scene.prompt, thread=thread, resume=resume):
            if isinstance(item, Run):
                return self.report(item, events)
            events.append(item)
        raise AssertionError("a stream ends with its run")

    def agent(
        self, scene: Scene, spec: AgentSpec, hooks: list[Hook], served: list[Tool] | None = None
    ) -> Agent:
        """Build an agent and those that it reaches; only the root is given hooks."""
        tools = [Tool(one.name, one.description, one.function, one.coroutine) for one in spec.tools]
        tools += served or []
        if spec is scene.agent:
            tools += [
                Tool(one.name, one.description, one.function, one.coroutine, raw=True)
                for one in scene.ungoverned
            ]
        return Agent(
            spec.name,
            Scripted(scene, spec.name),
            tools,
            agents=[self.agent(scene, one, []) for one in spec.calls],
            hand_overs=[self.agent(scene, one, []) for one in spec.hands_to],
            hooks=hooks,
            hosted=(scene.hosted,) if scene.hosted else (),
            folder=scene.folder or ".",
        )

    def report(self, run: Run, events: list[Event]) -> RunReport:
        return RunReport(
            final=run.final,
            refused=run.errors,
            stream=[one.text for one in events],
            suspended={"calls": [one["call"] for one in run.questions]} if run.questions else None,
            questions=run.questions,
        )

    def answers(self, scene: Scene) -> dict[str, Any]:
        return {call: scene.answer for call in scene.resume["calls"] if scene.answer}

    async def write_memory(self, scene: Scene, text: str) -> None:
        await Memory(scene.memory, [self.governor(scene.guard)]).awrite(text)

    async def read_memory(self, scene: Scene, query: str) -> str:
        return "\n".join(await Memory(scene.memory, [self.governor(scene.guard)]).aread(query))

    async def retrieve(self, scene: Scene, query: str) -> str:
        return "\n".join(
            await Retriever(scene.documents, [self.governor(scene.guard)]).asearch(query)
        )

    async def coverage(self, scene: Scene) -> Any:
        return coverage(self.agent(scene, scene.agent, [self.governor(scene.guard)]))
