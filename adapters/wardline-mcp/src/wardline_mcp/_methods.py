"""What each request of the protocol does: which act, as which kind of action, and which pass.

What is in none of these tables is refused: nobody here knows what it would do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from wardline import ConfigurationError
from wardline.adapters import same
from wardline_mcp._results import (
    ElicitationResult,
    InterimResult,
    OtherResult,
    PromptResult,
    ResourceResult,
    SamplingResult,
    Shaped,
    ToolResult,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
__all__ = ["ACTS", "ANSWERING", "PASSING", "Act"]

_ROUND: Final = frozenset({"_meta", "inputResponses", "requestState"})
"""What a request carries beside its own parameters: metadata, and the answers to a question back."""

_SAMPLING: Final = (
    *("messages", "systemPrompt", "includeContext", "tools", "toolChoice", "modelPreferences"),
    *("temperature", "maxTokens", "stopSequences", "metadata"),
)


class Act:
    """A request that acts: `kind` is what it is as an action, `listed` the list that has its names.

    What goes by no name of its own goes by the method's.
    """

    method: ClassVar[str]
    kind: ClassVar[str]
    listed: ClassVar[str] = ""
    shape: ClassVar[type[Shaped]]

    def name(self, params: Mapping[str, Any]) -> str:  # noqa: ARG002 - others look there
        """Return the name of what is asked for."""
        return self.method

    def args(self, params: Mapping[str, Any], reads: Callable[[str], bool]) -> dict[str, Any]:
        """Return the arguments; what no rule `reads` may be left out where it is long.

        Raises `ConfigurationError` where the request carries what cannot be judged.
        """
        raise NotImplementedError

    def put(
        self, params: Mapping[str, Any], given: Mapping[str, Any], args: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the parameters with the arguments that were let through; `given` came in.

        Raises `ConfigurationError` where the request has no place for a change.
        """
        raise NotImplementedError

    def result(self, raw: dict[str, Any]) -> Shaped:
        """Return what came back, taken apart."""
        tag = raw.get("resultType", "complete")
        if tag == "input_required":
            return InterimResult(raw)
        return self.shape(raw) if tag == "complete" else OtherResult(raw)

    def _only(self, params: Mapping[str, Any], *names: str) -> None:
        if unknown := sorted(params.keys() - _ROUND - set(names)):
            raise ConfigurationError(
                f"`{self.method}` carries `{unknown[0]}`, which cannot be judged; leave it out"
            )

    def _text(self, params: Mapping[str, Any], name: str) -> str:
        value = params.get(name)
        if type(value) is not str:
            raise ConfigurationError(f"`{name}` of `{self.method}` is {value!r}, no text")
        return value

    def _object(self, params: Mapping[str, Any], name: str) -> dict[str, Any]:
        value = params.get(name)
        if value is not None and type(value) is not dict:
            raise ConfigurationError(f"`{name}` of `{self.method}` is {value!r}, no object")
        return dict(value or {})

    def _unchanged(
        self, given: Mapping[str, Any], args: Mapping[str, Any], *free: str
    ) -> Mapping[str, Any]:
        for name in sorted(given.keys() | args.keys() - set(free)):
            if name not in free and not (
                name in given and name in args and same(given[name], args[name])
            ):
                raise ConfigurationError(
                    f"a rule changed `{name}` of `{self.method}`, which has no place for that; "
                    "deny it instead"
                )
        return args


class _Tool(Act):
    method = "tools/call"
    kind = "tool_call"
    listed = "tools"
    shape = ToolResult

    def name(self, params: Mapping[str, Any]) -> str:
        return self._text(params, "name")

    def args(self, params: Mapping[str, Any], reads: Callable[[str], bool]) -> dict[str, Any]:  # noqa: ARG002
        self._only(params, "name", "arguments")
        return self._object(params, "arguments")

    def put(
        self, params: Mapping[str, Any], given: Mapping[str, Any], args: Mapping[str, Any]
    ) -> dict[str, Any]:
        if not args and not given:
            return dict(params)
        return {**params, "arguments": dict(args)}


class _Prompt(Act):
    method = "prompts/get"
    kind = "retrieval"
    listed = "prompts"
    shape = PromptResult

    def name(self, params: Mapping[str, Any]) -> str:
        return self._text(params, "name")

    def args(self, params: Mapping[str, Any], reads: Callable[[str], bool]) -> dict[str, Any]:  # noqa: ARG002
        self._only(params, "name", "arguments")
        return {"query": params["name"], "arguments": self._object(params, "arguments")}

    def put(
        self, params: Mapping[str, Any], given: Mapping[str, Any], args: Mapping[str, Any]
    ) -> dict[str, Any]:
        put = self._unchanged(given, args, "arguments").get("arguments")
        return {**params, "arguments": dict(put)} if put else dict(params)


class _Resource(Act):
    method = "resources/read"
    kind = "retrieval"
    shape = ResourceResult

    def args(self, params: Mapping[str, Any], reads: Callable[[str], bool]) -> dict[str, Any]:  # noqa: ARG002
        self._only(params, "uri")
        return {"query": self._text(params, "uri")}

    def put(
        self, params: Mapping[str, Any], given: Mapping[str, Any], args: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {**params, "uri": self._unchanged(given, args, "query")["query"]}


class _Sampling(Act):
    method = "sampling/createMessage"
    kind = "model_call"
    shape = SamplingResult

    def args(self, params: Mapping[str, Any], reads: Callable[[str], bool]) -> dict[str, Any]:
        self._only(params, *_SAMPLING)
        messages = params.get("messages") or []
        args: dict[str, Any] = {
            "message_count": len(messages),
            "tools": [one.get("name", "") for one in params.get("tools") or []],
            "system_prompt": params.get("systemPrompt") or "",
            "include_context": params.get("includeContext") or "none",
        }
        if reads("messages"):
            args["messages"] = [
                {"type": str(one.get("role")), "text": text_of(one.get("content"))}
                for one in messages
            ]
        return args

    def put(
        self, params: Mapping[str, Any], given: Mapping[str, Any], args: Mapping[str, Any]
    ) -> dict[str, Any]:
        put = dict(params)
        self._unchanged(given, args, "messages", "system_prompt")
        if args.get("system_prompt") != given.get("system_prompt"):
            put["systemPrompt"] = args.get("system_prompt")
        before, after = given.get("messages", []), args.get("messages", [])
        if len(before) != len(after):
            raise ConfigurationError("a rule added or removed messages of a sampling request")
        put["messages"] = [
            raw
            if same(old, new)
            else {**raw, "content": {"type": "text", "text": str(new.get("text", ""))}}
            for raw, old, new in zip(params.get("messages") or [], before, after, strict=False)
        ] or params.get("messages")
        return put


class _Elicitation(Act):
    method = "elicitation/create"
    kind = "message"
    shape = ElicitationResult

    def args(self, params: Mapping[str, Any], reads: Callable[[str], bool]) -> dict[str, Any]:  # noqa: ARG002
        self._only(params, "mode", "message", "requestedSchema", "url", "elicitationId")
        return {
            "text": self._text(params, "message"),
            "url": str(params.get("url") or ""),
            "fields": sorted(self._object(params, "requestedSchema").get("properties") or {}),
        }

    def put(
        self, params: Mapping[str, Any], given: Mapping[str, Any], args: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {**params, "message": self._unchanged(given, args, "text")["text"]}


_ALL: Final = (_Tool(), _Prompt(), _Resource(), _Sampling(), _Elicitation())

ACTS: Final[Mapping[str, Act]] = {act.method: act for act in _ALL}
"""The requests that act, in both directions."""

PASSING: Final = frozenset(
    {
        "completion/complete",
        "initialize",
        "logging/setLevel",
        "ping",
        "prompts/list",
        "resources/list",
        "resources/subscribe",
        "resources/templates/list",
        "resources/unsubscribe",
        "server/discover",
        "subscriptions/listen",
        "tools/list",
    }
)
"""Requests of a client that do nothing, and bring nothing that a model reads as a result."""

ANSWERING: Final = frozenset({"ping", "roots/list"})
"""Requests of a server that a client answers from what it is, without doing anything."""
