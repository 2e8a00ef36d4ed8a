"""What tools, models and retrievers return: the content that is judged, and the same with other content."""

from __future__ import annotations

from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, TextBlock
from llama_index.core.schema import MetadataMode, NodeWithScore, TextNode
from llama_index.core.tools import ToolOutput

from wardline import ActionRefused, ConfigurationError

__all__ = [
    "Answer",
    "Found",
    "Output",
    "Streamed",
    "refusal_output",
    "refused_by",
    "tokens",
    "with_text",
]


def with_text(message: ChatMessage, text: str) -> ChatMessage:
    """Return the message with `text`, and nothing else that could say what it said before."""
    rest = [one for one in message.blocks if one.block_type == "tool_call"]
    blocks: list[Any] = [TextBlock(text=text), *rest] if text or not rest else rest
    # Some models keep their tool calls here instead.
    kept = {key: one for key, one in message.additional_kwargs.items() if key == "tool_calls"}
    return ChatMessage(role=message.role, blocks=blocks, additional_kwargs=kept)


def refusal_output(tool: str, refusal: BaseException) -> ToolOutput:
    """Return what a tool returns that was refused; its arguments are not in there."""
    return ToolOutput(
        content=str(refusal),
        tool_name=tool,
        raw_input={},
        raw_output=str(refusal),
        is_error=True,
        exception=refusal if isinstance(refusal, Exception) else None,
    )


class Output:
    """What a tool returned: rules read its text, as the model would."""

    __slots__ = ("_raw", "content", "failed")

    def __init__(self, raw: Any) -> None:
        if not isinstance(raw, ToolOutput):
            raise ConfigurationError(
                f"a tool returned {type(raw).__name__} and no ToolOutput, which cannot be judged"
            )
        self._raw = raw
        self.content = raw.content
        self.failed = (raw.content or "the tool failed") if raw.is_error else ""

    def released(self, content: Any) -> Any:
        """Return an output with `content`, and without the object that it was made of."""
        text = str(content)
        raw = self._raw
        return ToolOutput(
            content=text, tool_name=raw.tool_name, raw_input=raw.raw_input, raw_output=text
        )


class Answer:
    """What a model answered; its text is judged."""

    __slots__ = ("_raw", "content")

    failed = ""

    def __init__(self, raw: ChatResponse) -> None:
        self._raw = raw
        self.content = raw.message.content or ""

    def released(self, content: Any) -> Any:
        """Return the answer with `content` for its text, and its tool calls."""
        message = with_text(self._raw.message, str(content))
        return ChatResponse(message=message, delta=str(content))


class Streamed(Answer):
    """What a model streamed: each piece has the whole answer up to there."""

    __slots__ = ()

    def __init__(self, pieces: list[Any]) -> None:
        super().__init__(pieces[-1] if pieces else ChatResponse(message=ChatMessage()))

    def released(self, content: Any) -> Any:
        """Return the one piece that is left."""
        return [super().released(content)]


class Found:
    """What a retriever found: rules read the texts of the nodes."""

    __slots__ = ("_raw", "content")

    failed = ""

    def __init__(self, raw: Any) -> None:
        self._raw = list(raw)
        self.content = [one.node.get_content(metadata_mode=MetadataMode.NONE) for one in self._raw]

    def released(self, content: Any) -> Any:
        """Return the nodes with these texts in them."""
        if not isinstance(content, list) or len(content) != len(self._raw):
            raise ConfigurationError(
                "a rule changed how many nodes were found, or made something else of them; nothing is "
                "released"
            )
        return [
            one if text == judged else _with_content(one, str(text))
            for one, text, judged in zip(self._raw, content, self.content, strict=True)
        ]


def _with_content(found: NodeWithScore, text: str) -> NodeWithScore:
    if not isinstance(found.node, TextNode):
        raise ConfigurationError(
            f"a rule changed the text of a {type(found.node).__name__}, which is no text; nothing is "
            "released"
        )
    return NodeWithScore(node=found.node.model_copy(update={"text": text}), score=found.score)


def tokens(response: Any) -> int:
    """Return how many tokens a model says that its answer took, 0 where it says nothing."""
    raw = getattr(response, "raw", None)
    usage = raw.get("usage") if isinstance(raw, dict) else getattr(raw, "usage", None)
    for said in (response.additional_kwargs, response.message.additional_kwargs, usage):
        read = (
            said.get if isinstance(said, dict) else lambda key, said=said: getattr(said, key, None)
        )
        if isinstance(total := read("total_tokens"), int):
            return total
        pairs = (("prompt_tokens", "completion_tokens"), ("input_tokens", "output_tokens"))
        for pair in pairs:
            counted = [one for one in map(read, pair) if isinstance(one, int)]
            if counted:
                return sum(counted)
    return 0


def refused_by(output: ToolOutput) -> ActionRefused | None:
    """Return the refusal because of which a tool did not run, or failed."""
    cause: BaseException | None = output.exception
    while cause is not None and not isinstance(cause, ActionRefused):
        cause = cause.__cause__ or cause.__context__
    return cause
