"""What a model is asked and what it answers, as rules and limits read it."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any, Final

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatGeneration, ChatResult

from wardline import ConfigurationError
from wardline_langgraph._results import as_content

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from langchain_core.outputs import ChatGenerationChunk

    from wardline.adapters import Adapter

__all__ = ["Answer", "joined", "model_name", "refusal", "tool_names", "usage"]

_OURS: Final = ("input_schema", "parameters", "properties", "args_schema", "toolSpec")
_DECLARATIONS: Final = ("function_declarations", "functionDeclarations")


def model_name(model: Any) -> str:
    """Return the name that a model is registered under."""
    for attribute in ("model_name", "model"):
        name = getattr(model, attribute, None)
        if isinstance(name, str) and name:
            return name
    return type(model).__name__


def tool_names(tools: Iterable[Any]) -> tuple[list[str], list[str]]:
    """Return the names of the tools that a model is offered, ours and those its provider executes.

    Tools stand here as their provider's API takes them; what declares parameters is called by us.
    """
    ours: list[str] = []
    hosted: list[str] = []
    for tool in tools:
        if not isinstance(tool, dict):
            ours.append(str(getattr(tool, "name", None) or getattr(tool, "__name__", tool)))
            continue
        declared = [one for key in _DECLARATIONS for one in tool.get(key) or ()]
        if isinstance(tool.get("function"), dict):
            ours.append(str(tool["function"].get("name", "")))
        elif any(key in tool for key in _OURS) or tool.get("type") == "custom":
            spec = tool.get("toolSpec") or tool
            ours.append(str(spec.get("name") or spec.get("title") or ""))
        elif declared:
            ours += [str(one.get("name", "")) for one in declared]
            hosted += [key for key in tool if key not in _DECLARATIONS]
        else:
            hosted.append(str(tool.get("name") or tool.get("type") or next(iter(tool), "")))
    return ours, hosted


def refusal(error: Exception) -> ChatResult:
    """Return the answer where the model may not give one."""
    message = AIMessage(str(error), response_metadata={"wardline_refusal": True})
    return ChatResult(generations=[ChatGeneration(message=message)])


def joined(chunks: Sequence[ChatGenerationChunk]) -> ChatResult:
    """Return the answer that a stream was."""
    if not chunks:
        return ChatResult(generations=[])
    return ChatResult(generations=[reduce(add, chunks)])


def usage(adapter: Adapter, said: Sequence[BaseMessage], result: ChatResult) -> Mapping[str, int]:
    """Return what the model says it took; where it says nothing and it counts, an approximation."""
    messages = [one.message for one in result.generations]
    used = [one.usage_metadata for one in messages if isinstance(one, AIMessage)]
    tokens = sum(one["total_tokens"] for one in used if one is not None)
    if not tokens and adapter.counts_tokens:
        tokens = count_tokens_approximately([*said, *messages])
    return {"tokens": tokens} if tokens else {}


class Answer:
    """An answer of the model, of which rules read the text."""

    failed = ""

    def __init__(self, result: ChatResult) -> None:
        self._result = result
        texts = [str(one.message.text) for one in result.generations]
        self.content: Any = "\n".join(text for text in texts if text)

    @property
    def calls_tools(self) -> bool:
        """Whether the answer is not the last one."""
        return any(getattr(one.message, "tool_calls", ()) for one in self._result.generations)

    def released(self, content: Any) -> ChatResult:
        """Return the answer with nothing in it but what was released and its tool calls."""
        found = self._result.generations
        changed = content != self.content
        if changed and len(found) != 1:
            raise ConfigurationError(
                "a rule made something else of several answers at once; nothing is released"
            )
        made = []
        for one in found:
            text = as_content(content) if changed else str(one.message.text)
            update: dict[str, Any] = {"content": text, "additional_kwargs": {}}
            made.append(ChatGeneration(message=one.message.model_copy(update=update)))
        return ChatResult(generations=made)
