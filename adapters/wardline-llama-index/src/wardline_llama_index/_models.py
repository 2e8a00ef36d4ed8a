"""Model calls: what stands before the model of an agent."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from wardline import ConfigurationError
from wardline.adapters import Call, Place, Way
from wardline_llama_index._results import Answer, Streamed, tokens
from wardline_llama_index._turns import FRAMEWORK, current

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from wardline_llama_index._governor import Governor

__all__ = ["GovernedLLM", "name_of"]

_CHARACTERS_PER_TOKEN: Final = 4  # of English text, where the model does not say what it took
_WHOLE: Final = frozenset({"achat", "achat_with_tools"})
_STREAMED: Final = frozenset({"astream_chat", "astream_chat_with_tools"})
_HOSTED: Final = ("built_in_tools", "built_in_tool", "server_tools")
_ASKING: Final = ("chat", "complete", "predict", "stream", "structured_predict")


def name_of(llm: Any) -> str:
    """Return the name that a model is registered under."""
    llm = getattr(llm, "llm", llm) if isinstance(llm, GovernedLLM) else llm
    name = getattr(llm.metadata, "model_name", "") or getattr(llm, "model", "")
    return name if isinstance(name, str) and name not in ("", "unknown") else type(llm).__name__


class GovernedLLM:
    """The model of an agent, whose calls are judged. Everything else is the model's own.

    An agent asks its model in few ways, all of them asynchronous; any other way is refused.
    """

    def __init__(self, governor: Governor, llm: Any) -> None:
        self.governor = governor
        self.llm = llm

    def __getattr__(self, name: str) -> Any:
        # Also while it is copied or unpickled, when there is no model yet.
        if name.startswith("__") or name in ("governor", "llm"):
            raise AttributeError(name)
        if name in _WHOLE:
            return partial(self._whole, name)
        if name in _STREAMED:
            return partial(self._streamed, name)
        if name == "as_structured_llm":
            return self._structured
        plain = name.removeprefix("a")
        if plain.startswith(_ASKING) and callable(getattr(self.llm, name, None)):
            return partial(self._refused, name)
        return getattr(self.llm, name)

    async def _whole(self, how: str, *args: Any, **kwargs: Any) -> Any:
        place, call = self._asked(args, kwargs)
        return await self.governor.adapter.act(
            Way(loop=True),
            place,
            call,
            lambda _args, _permit: getattr(self.llm, how)(*args, **kwargs),
            kind="model_call",
            result=Answer,
            usage=self._usage,
        )

    async def _streamed(self, how: str, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        place, call = self._asked(args, kwargs)
        return self.governor.adapter.astream(
            place,
            call,
            lambda _args, _permit: getattr(self.llm, how)(*args, **kwargs),
            way=Way(loop=True),
            whole=Streamed,
            usage=lambda pieces: self._usage(pieces[-1]) if pieces else {},
        )

    def _structured(self, *args: Any, **kwargs: Any) -> GovernedLLM:
        return GovernedLLM(self.governor, self.llm.as_structured_llm(*args, **kwargs))

    def _refused(self, how: str, *_args: Any, **_kwargs: Any) -> Any:
        with self.governor.adapter.guard.refusing("model_call", name_of(self.llm)):
            raise ConfigurationError(
                f"`{how}` of a governed model is not judged, so it is not called; ask it with achat or "
                "astream_chat"
            )

    def _asked(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Place, Call]:
        """Return the place and the call of one request."""
        adapter = self.governor.adapter
        name = name_of(self.llm)
        with adapter.guard.refusing("model_call", name):
            self._check_hosted(kwargs)
            here = current.get()
            place = here[0].place if here is not None else Place.open(adapter.guard, FRAMEWORK)
            messages = kwargs.get("chat_history") or kwargs.get("messages") or (args or ((),))[0]
            made: dict[str, Any] = {
                "message_count": len(messages),
                "tools": [one.metadata.get_name() for one in kwargs.get("tools") or ()],
            }
            if adapter.reads("messages"):
                made["messages"] = [
                    {"type": str(one.role.value), "text": one.content or ""} for one in messages
                ]
        return place, Call(name, made)

    def _check_hosted(self, kwargs: dict[str, Any]) -> None:
        """Refuse tools that the provider of the model executes."""
        listed: list[Any] = []
        more = getattr(self.llm, "additional_kwargs", None) or {}
        for some in (*(getattr(self.llm, one, None) for one in _HOSTED), more.get("tools")):
            listed += some if isinstance(some, list | tuple) else [some] if some else []
        listed += [one for one in kwargs.get("tools") or () if isinstance(one, dict)]
        names = [_hosted_name(one) for one in listed]
        if names:
            with self.governor.adapter.guard.refusing("tool_call", ", ".join(names)):
                raise ConfigurationError(
                    "the provider of the model executes it by itself, so it cannot be judged before it "
                    "runs. Take it out, or replace it by a tool that this process runs"
                )

    def _usage(self, answer: Any) -> dict[str, int]:
        """Return how many tokens the model says that it took; where a rule counts, not less than some."""
        took = tokens(answer)
        if not took and self.governor.adapter.counts_tokens:
            took = len(answer.message.content or "") // _CHARACTERS_PER_TOKEN + 1
        return {"tokens": took} if took else {}


def _hosted_name(tool: Any) -> str:
    if isinstance(tool, dict):
        return str(tool.get("name") or tool.get("type") or next(iter(tool), tool))
    return str(getattr(tool, "name", None) or type(tool).__name__)
