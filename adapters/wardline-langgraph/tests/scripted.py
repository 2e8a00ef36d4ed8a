"""A chat model whose answers are given beforehand."""

from __future__ import annotations

import json
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

__all__ = ["Speaking"]


class Speaking(BaseChatModel):
    """Says what `says(everything it was sent)` returns, as a whole or word by word."""

    model_name: str = "scripted"
    says: Any
    tools: Any = ()

    @property
    def _llm_type(self) -> str:
        return "speaking"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self.model_copy(update={"tools": [*tools]}).bind(tools=[*tools])

    def _answer(self, messages: Any) -> AIMessage:
        return self.says([*messages, *self.tools])

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
