"""The harness: how the conformance kit builds and runs agents of Microsoft Agent Framework."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, ClassVar

from agent_framework import (
    Agent,
    AgentSession,
    BaseChatClient,
    ChatMiddlewareLayer,
    ChatResponse,
    ChatResponseUpdate,
    Content,
    ContextProvider,
    FunctionInvocationLayer,
    FunctionMiddleware,
    FunctionTool,
    MCPStdioTool,
    Message,
    ResponseStream,
    SessionContext,
    UsageDetails,
)

from wardline_agent_framework import KINDS, WardlineMiddleware, coverage
from wardline_testing import AdapterConformance, AgentSpec, Denial, Never, RunReport, Say, Scene

REJECTED = "Error: Tool call invocation was rejected"
"""How the framework answers a call that a person said no to."""


class Scripted(FunctionInvocationLayer, ChatMiddlewareLayer, BaseChatClient):
    """A client whose model says what the scene's script says, in pieces where it streams."""

    def __init__(self, scene: Scene, agent: str) -> None:
        super().__init__()
        self.model = scene.names.get("model_call", "scripted")
        self._scene = scene
        self._agent = agent

    def _inner_get_response(self, *, messages: Any, stream: bool, options: Any, **more: Any) -> Any:
        heard = json.dumps([message.to_dict() for message in messages], default=str)
        said = self._scene.speak(self._agent, heard)
        contents = self._contents(said)
        usage = UsageDetails(total_token_count=said.tokens)
        if stream:
            return ResponseStream(
                self._updates(contents, usage), finalizer=ChatResponse.from_updates
            )

        async def response() -> ChatResponse[Any]:
            message = Message(role="assistant", contents=contents)
            return ChatResponse(messages=[message], usage_details=usage)

        return response()

    def _contents(self, said: Say) -> list[Content]:
        contents = [Content.from_text(said.text)] if said.text and not said.asks else []
        for one in said.calls:
            args = dict(one.args)
            contents.append(
                Content.from_function_call(call_id=one.id, name=one.tool, arguments=args)
            )
        if said.asks:
            args = {"task": said.text}
            call = Content.from_function_call(
                call_id=f"ask-{said.asks}", name=said.asks, arguments=args
            )
            contents.append(call)
        return contents

    async def _updates(
        self, contents: list[Content], usage: UsageDetails
    ) -> AsyncIterator[ChatResponseUpdate]:
        for content in contents:
            pieces = [content]
            if content.type == "text":
                words = (content.text or "").split(" ")
                pieces = [
                    Content.from_text(word + " " * (number < len(words) - 1))
                    for number, word in enumerate(words)
                ]
            for piece in pieces:
                yield ChatResponseUpdate(role="assistant", contents=[piece])
        yield ChatResponseUpdate(role="assistant", contents=[Content.from_usage(usage)])


class Rewriting(FunctionMiddleware):
    """The scene's rewriter, as a middleware behind the adapter's."""

    def __init__(self, scene: Scene) -> None:
        self._rewriter = scene.rewriter

    async def process(self, context: Any, call_next: Any) -> None:
        assert self._rewriter is not None
        context.arguments = self._rewriter(context.function.name, dict(context.arguments))
        await call_next()


class ShelfMemory(ContextProvider):
    """The scene's shelf, as a provider of context."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene.names.get("memory", "memory"))
        self._shelf = scene.memory

    async def before_run(self, *, context: SessionContext, **more: Any) -> None:
        query = "\n".join(message.text for message in context.input_messages)
        for text in self._shelf.read(query):
            context.extend_messages(self.source_id, [Message(role="user", contents=[text])])

    async def after_run(self, *, context: SessionContext, **more: Any) -> None:
        for message in context.input_messages:
            self._shelf.write(message.text)


def readable(contents: list[Content]) -> list[str]:
    """Return all that a consumer can read in contents; of a call that is marked as refused its name."""
    texts = []
    for one in contents:
        if one.type == "function_call":
            refused = "wardline" in one.additional_properties
            texts.append(f"{one.name} is refused" if refused else f"{one.name} {one.arguments}")
        else:
            texts += [str(value) for value in (one.text, one.result) if value]
    return texts


class TestAgentFramework(AdapterConformance):
    """Agents: `run`, and `run` with streaming."""

    adapter = "wardline-agent-framework"
    framework = "agent-framework"
    distributions = ("agent-framework-core",)
    kinds = KINDS
    paths = ("async", "stream")
    nesting = ("call",)
    denials: ClassVar = {"message": Denial.REFUSED, "raise": Denial.WRAPPED}
    optional = (
        "test_changed_input",
        "test_conversation_keeps_its_session",
        "test_answer_without_tools",
    )
    gaps: ClassVar = dict.fromkeys(
        (
            "test_retrieval",
            "test_denied_retrieval",
            "test_withheld_retrieval",
            "test_redacted_retrieval",
        ),
        Never("a search of a store of vectors is the call of a tool, and judged as one"),
    )

    async def run(self, scene: Scene) -> RunReport:
        agent = self.agent(scene, scene.agent)
        session, message = self.told(scene, agent)
        updates: list[Any] = []
        async with agent:
            if scene.path == "stream":
                stream = agent.run(message, session=session, stream=True)
                updates = [update async for update in stream]
                response = await stream.get_final_response()
            else:
                response = await agent.run(message, session=session)
        return self.report(response, session, updates)

    def told(self, scene: Scene, agent: Agent) -> tuple[AgentSession | None, Any]:
        """Return the session, and what the user says: the prompt, or answers to a suspended run."""
        if scene.resume is None:
            needed = scene.durable or scene.thread
            session = AgentSession(session_id=scene.thread or None) if needed else None
            return session, scene.prompt
        answers = []
        for one in scene.resume["requests"]:
            request = Content.from_dict(one)
            given = dict(scene.answer or {"approved": True})
            answer = request.to_function_approval_response(approved=given.pop("approved"))
            if scene.answer is not None:
                answer.additional_properties["wardline"] = given
            answers.append(answer)
        session = AgentSession.from_dict(scene.resume["session"])
        return session, Message(role="user", contents=answers)

    def agent(self, scene: Scene, spec: AgentSpec) -> Agent:
        """Build an agent and those that it calls; only the root is given middleware."""
        tools: list[Any] = [
            FunctionTool(name=one.name, description=one.description, func=one.body(scene.path))
            for one in spec.tools
        ]
        tools += [self.agent(scene, one).as_tool(name=one.name) for one in spec.calls]
        middleware: list[Any] = []
        if spec is scene.agent:
            if scene.ungoverned:
                hosted = [{"type": "function", "name": one.name} for one in scene.ungoverned]
                tools += hosted
            if scene.hosted:
                tools.append({"type": scene.hosted})
            if scene.mcp:
                tools.append(MCPStdioTool("kit", scene.mcp[0], args=list(scene.mcp[1:])))
            if scene.guard is not None:
                middleware.append(WardlineMiddleware(scene.guard, on_denied=scene.on_denied))
            if scene.rewriter is not None:
                middleware.append(Rewriting(scene))
        return Agent(
            client=Scripted(scene, spec.name),
            name=spec.name,
            description=f"Does what {spec.name} does.",
            tools=tools,
            middleware=middleware,
        )

    def report(self, response: Any, session: AgentSession | None, updates: list[Any]) -> RunReport:
        contents = [one for message in response.messages for one in message.contents]
        results = [one for one in contents if one.type == "function_result"]
        refused = {
            one.call_id: item.text or ""
            for one in results
            for item in one.items or ()
            if "wardline" in item.additional_properties
        }
        refused |= {
            one.call_id: str(one.result)
            for one in results
            if one.exception is not None or str(one.result).startswith(REJECTED)
        }
        requests = response.user_input_requests
        suspended = None
        if requests and session is not None:
            suspended = {
                "session": session.to_dict(),
                "requests": [one.to_dict() for one in requests],
            }
        return RunReport(
            final=response.messages[-1].text if response.messages else "",
            refused=refused,
            stream=[text for update in updates for text in readable(update.contents)],
            suspended=json.loads(json.dumps(suspended)) if suspended else None,
            questions=[one.additional_properties.get("wardline", {}) for one in requests],
        )

    def memory(self, scene: Scene) -> Any:
        """Return a provider as the application's own code uses it."""
        provider = ShelfMemory(scene)
        return WardlineMiddleware(scene.guard).memory(provider) if scene.guard else provider

    async def write_memory(self, scene: Scene, text: str) -> None:
        message = Message(role="user", contents=[text])
        session = AgentSession(session_id=scene.thread or None)
        context = SessionContext(input_messages=[message])
        await self.memory(scene).after_run(agent=None, session=session, context=context, state={})

    async def read_memory(self, scene: Scene, query: str) -> str:
        context = SessionContext(input_messages=[Message(role="user", contents=[query])])
        session = AgentSession(session_id=scene.thread or None)
        await self.memory(scene).before_run(agent=None, session=session, context=context, state={})
        found = [one for messages in context.context_messages.values() for one in messages]
        return "\n".join(message.text for message in found)

    async def coverage(self, scene: Scene) -> Any:
        return list(coverage(self.agent(scene, scene.agent)))
