"""What another policy engine says of an action, and what such an engine is to us."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["ENGINE_RULE", "Engine", "EngineModule", "Verdict"]

ENGINE_RULE: Final = "builtin:engine"
"""The standing rule under which the effect of another engine enters a decision."""


class Verdict:
    """The answer of an engine: `effect`, a `reason` for the reader, and whether it `failed`.

    A verdict that failed (an error, no answer in time) denies and binds in every mode. `rules` are
    the engine's own names of what decided.
    """

    __slots__ = ("effect", "failed", "reason", "rules")

    def __init__(
        self, effect: str, reason: str = "", *, rules: tuple[str, ...] = (), failed: bool = False
    ) -> None:
        self.effect = effect
        self.reason = reason
        self.rules = rules
        self.failed = failed

    def __repr__(self) -> str:
        return f"Verdict({self.effect!r}, {self.reason!r})"


class Engine(Protocol):
    """One loaded policy of another engine. Its methods may be called from several threads."""

    def start(self) -> None:
        """Get ready to answer in time, which may itself take seconds; a guard calls this when it opens.

        Raises `EngineError` where the engine cannot get ready: the guard then refuses to start.
        Whoever never called it may still ask.
        """
        ...

    def judge(self, request: Mapping[str, Any], deadline: float) -> Verdict:
        """Return the verdict on an action within `deadline` seconds.

        `request` holds the roots of the policy language as plain data: `action`, `principal`,
        `session`, `run`, `tool` and `now` (RFC 3339). Whatever this raises denies.
        """
        ...

    def close(self) -> None:
        """Let go of processes, connections and handles."""
        ...


class EngineModule(Protocol):
    """What an entry point of the group `wardline.engines` names."""

    KEYS: Mapping[str, str]
    """The keys of `with` that the engine takes, each with one line that says what it is for."""

    open: Callable[[Mapping[str, Any], Callable[[str], bytes]], Engine]
    """Open a policy: the settings under `with`, and a function that reads a file beside the document.

    Raises `EngineError` for settings or a policy that the engine does not accept.
    """
