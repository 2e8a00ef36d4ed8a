"""Model calls: the chat generator of an agent, and the chunks that it streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from haystack.dataclasses import ChatMessage
from haystack.tools import Toolset
from haystack.utils.async_utils import _execute_component_async

from wardline import ActionRefused, ConfigurationError
from wardline.adapters import Call, Place, Way, now
from wardline_haystack._runs import CONTEXT, REFUSED, current
from wardline_haystack._streams import Stream
from wardline_haystack._values import with_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wardline import Permit
    from wardline_haystack._governor import Governor
    from wardline_haystack._runs import Run

__all__ = ["GovernedGenerator", "is_refusal", "name_of", "refusal_message"]

_CHARACTERS_PER_TOKEN = 4  # of English text, where the model does not say what it took


def refusal_message(refusal: ActionRefused) -> ChatMessage:
    """Return the agent's answer where the model may not give one."""
    return ChatMessage.from_assistant(str(refusal), meta={CONTEXT: REFUSED})


def is_refusal(message: ChatMessage) -> bool:
    """Whether `refusal_message` made this message."""
    return message.meta.get(CONTEXT) == REFUSED


class GovernedGenerator:
    """A chat generator whose calls are judged. Everything else is the generator's own."""

    def __init__(self, governor: Governor, generator: Any) -> None:
        self.governor = governor
        self.generator = generator
        # Bound here, because a generator in a pipeline gets these methods for its own.
        self._run = generator.run
        self._run_async = getattr(generator, "run_async", None)

    def __getattr__(self, name: str) -> Any:
        # Also while it is copied or unpickled, when there is no generator yet.
        if name.startswith("__") or name in ("generator", "governor"):
            raise AttributeError(name)
        return getattr(self.generator, name)

    def run(
        self, messages: Any, streaming_callback: Any = None, *, tools: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Do what the generator's `run` does, as far as it may be done."""
        way = Way(loop=False)
        return now(self._answered(way, messages, streaming_callback, tools, kwargs))

    async def run_async(
        self, messages: Any, streaming_callback: Any = None, *, tools: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Do the same inside an event loop."""
        way = Way(loop=True)
        return await self._answered(way, messages, streaming_callback, tools, kwargs)

    async def _answered(
        self, way: Way, messages: Any, callback: Any, tools: Any, kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        run = current.get()
        callback = callback or getattr(self.generator, "streaming_callback", None)
        stream = Stream(callback, calls_wait=run is not None)
        if run is not None:
            run.stream = stream
        try:
            answer = await self._call(way, run, stream, {**kwargs, "messages": messages}, tools)
        except ActionRefused as refusal:
            if self.governor.raises or run is None:
                raise
            answer = {"replies": [refusal_message(refusal)]}
            stream.held = True
        await stream.end(_text(answer["replies"]), final=_is_final(answer))
        return answer

    async def _call(
        self, way: Way, run: Run | None, stream: Stream, given: dict[str, Any], tools: Any
    ) -> dict[str, Any]:
        """Return the answer as far as it may be given."""
        adapter = self.governor.adapter
        name = name_of(self.generator)
        speaks = adapter.guard.policies.speaks_of("output")
        with adapter.guard.refusing("model_call", name):
            self._check_tools(run, tools, given)
            place = run.place if run is not None else Place.open(adapter.guard, "haystack")
            call = Call(name, self._arguments(given["messages"], tools))

        def body(_args: object, permit: Permit) -> Any:
            stream.held = speaks or permit.buffers
            show = stream.taker(loop=way.loop and self._run_async is not None)
            more = {"streaming_callback": show, "tools": tools}
            given.update((key, value) for key, value in more.items() if value)
            if not way.loop:
                return self._run(**given)
            # In a thread where there is no asynchronous `run`, as Haystack does it.
            return _execute_component_async(_Bare(self._run, self._run_async), **given)

        answer: dict[str, Any] = await adapter.act(
            way, place, call, body, kind="model_call", result=_Answer, usage=self._usage
        )
        if not speaks or not _is_final(answer):
            return answer
        text = _text(answer["replies"])
        released = await adapter.text(way, place, "output", text)
        return answer if released == text else _Answer(answer).released(released)

    def _check_tools(self, run: Run | None, tools: Any, kwargs: Mapping[str, Any]) -> None:
        """Refuse tools that nobody can judge before they run."""
        generator = self.generator
        offered = [tools, getattr(generator, "tools", None)]
        settings = {
            **(getattr(generator, "generation_kwargs", None) or {}),
            **(kwargs.get("generation_kwargs") or {}),
        }
        offered.append(settings.get("tools"))
        listed = [one for some in offered if isinstance(some, list | tuple) for one in some]
        hosted = [str(one.get("name") or one.get("type")) for one in listed if _is_hosted(one)]
        hosted += [key for key in settings if key == "web_search_options"]
        if hosted:
            guard = self.governor.adapter.guard
            with guard.refusing("tool_call", ", ".join(hosted)):
                raise ConfigurationError(
                    "the provider of the model executes it by itself, so it cannot be judged before it "
                    "runs. Take it out, or replace it by a tool that this process runs"
                )
        if run is not None and tools and tools is not run.tools:
            raise ConfigurationError(
                "the agent runs other tools than those that were put under the guard in this step: let "
                "no hook replace the list of tools"
            )

    def _arguments(self, messages: Any, tools: Any) -> dict[str, Any]:
        listed: Sequence[Any] = messages if isinstance(messages, list) else [messages]
        offered = list(tools) if isinstance(tools, list | tuple | Toolset) else []
        args: dict[str, Any] = {
            "message_count": len(listed),
            "tools": [one.name for one in offered],
        }
        if self.governor.adapter.reads("messages"):
            args["messages"] = [
                {"type": one.role.value, "text": _texts(one)}
                if isinstance(one, ChatMessage)
                else {"type": "user", "text": str(one)}
                for one in listed
            ]
        return args

    def _usage(self, raw: Any) -> dict[str, int]:
        """Return how many tokens the model says that it took; where a rule counts, not less than some."""
        tokens = sum(_tokens(one) for one in raw["replies"])
        if not tokens and self.governor.adapter.counts_tokens:
            tokens = len(_text(raw["replies"])) // _CHARACTERS_PER_TOKEN + 1
        return {"tokens": tokens} if tokens else {}


class _Bare:
    """The generator's own methods, whatever the generator calls its methods by now."""

    def __init__(self, run: Callable[..., Any], run_async: Callable[..., Any] | None) -> None:
        self.run = run
        if run_async is not None:
            self.run_async = run_async


class _Answer:
    """What a chat generator returned; its text is judged."""

    __slots__ = ("_raw", "content")

    failed = ""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self.content = _text(raw["replies"])

    def released(self, content: Any) -> Any:
        """Return the same answer with `content` for its text, and its tool calls."""
        replies = self._raw["replies"]
        if len(replies) != 1:
            raise ConfigurationError(
                "a rule changed one of several answers to one request; nothing is released"
            )
        return {**self._raw, "replies": [with_text(replies[0], str(content))]}


def _is_hosted(tool: object) -> bool:
    """Whether a tool that is given as a dictionary is not one that the application runs."""
    return isinstance(tool, dict) and tool.get("type") != "function"


def _is_final(raw: Any) -> bool:
    return not any(one.tool_calls for one in raw["replies"])


def _texts(message: ChatMessage) -> str:
    return "\n".join(message.texts)


def _text(replies: list[ChatMessage]) -> str:
    return "\n".join(text for one in replies if (text := _texts(one)))


def name_of(generator: Any) -> str:
    """Return the name that a model is registered under."""
    for attribute in ("model", "model_name", "azure_deployment"):
        name = getattr(generator, attribute, None)
        if isinstance(name, str) and name:
            return name
    return type(generator).__name__


def _tokens(message: ChatMessage) -> int:
    usage = message.meta.get("usage")
    if not isinstance(usage, dict):
        return 0
    total = usage.get("total_tokens")
    if isinstance(total, int):
        return total
    keys = ("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens")
    return sum(usage[key] for key in keys if isinstance(usage.get(key), int))
