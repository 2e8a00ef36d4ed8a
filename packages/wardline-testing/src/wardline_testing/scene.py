"""One run to be played: the guard, the agent, the entry point, and what the framework should add."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from wardline_testing.script import AgentSpec, Say

if TYPE_CHECKING:
    from pathlib import Path

    from wardline import Guard
    from wardline_testing.tools import Probe

__all__ = ["EntryPoint", "Heard", "Rewriter", "Scene", "Shelf"]

EntryPoint: TypeAlias = Literal["sync", "async", "stream"]
Rewriter: TypeAlias = Callable[[str, dict[str, Any]], dict[str, Any]]
Heard: TypeAlias = tuple[str, str]


class Shelf:
    """A memory or a document store that belongs to the kit.

    The harness puts the framework's own memory or retriever class in front of it. What is on it shows
    what really happened.
    """

    def __init__(self, *texts: str) -> None:
        self._lock = threading.Lock()
        self._texts = list(texts)
        self.reads: list[str] = []
        self.writes: list[str] = []

    def write(self, text: str) -> None:
        """Put a text onto the shelf."""
        with self._lock:
            self._texts.append(text)
            self.writes.append(text)

    def read(self, query: str = "") -> list[str]:
        """Return all texts and remember that somebody looked."""
        with self._lock:
            self.reads.append(query)
            return list(self._texts)


@dataclass(slots=True)
class Scene:
    """What a harness gets to play.

    `guard` None asks for the same agent without the adapter, to see what the framework takes by itself;
    `backstop` False says that both are played in one process, where the adapter may leave no net behind.
    `names` maps `memory`, `retrieval` and `model_call` to the name that these are to have, where the
    framework lets them be named.

    `agent` is the root, `prompt` what the user says, `path` the framework's entry point: `sync`,
    `async`, or `stream` (asynchronous, with everything the consumer reads in the report). `on_denied`
    is the form of denial to ask the adapter for.

    `thread` names the conversation and `folder` is where the framework may persist it. `durable` asks for
    the framework's own persistence, for runs that are suspended. `resume` is what an earlier report said
    in `suspended`; `answer` is then what to resume with (`{"approved", "by", "approval"}`), or None where
    the answer is in the store by now.

    `rewriter`, where given, is to be installed as the framework's own hook, filter or middleware behind
    the adapter's, as late as the framework allows, so that it changes the arguments after the adapter
    has seen them; it takes a tool's name and arguments and returns others. `ungoverned` are tools to put
    beside the agent's own so that the adapter does not govern them, if the framework has a way. `hosted`
    names a tool that the model's provider executes, to be offered to the model. `mcp` is the command of
    an MCP server over stdio, whose tools the agent gets by the framework's own MCP client.

    `kept` is empty, or what an earlier scene left there: a harness that declares
    `test_one_adapter_object_serves_two_users` puts the adapter's own object (hook, middleware, plugin) there
    and takes it from there again.

    `spoke` is called, by the kit's wish, whenever a model is about to answer.
    """

    guard: Guard | None
    agent: AgentSpec
    path: EntryPoint = "async"
    prompt: str = "go"
    on_denied: Literal["message", "raise"] = "message"
    thread: str = ""
    folder: Path | None = None
    durable: bool = False
    resume: Any = None
    answer: Mapping[str, Any] | None = None
    rewriter: Rewriter | None = None
    backstop: bool = True
    ungoverned: tuple[Any, ...] = ()
    hosted: str = ""
    mcp: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    memory: Shelf = field(default_factory=Shelf)
    documents: Shelf = field(default_factory=Shelf)
    kept: dict[str, Any] = field(default_factory=dict)
    probe: Probe | None = None
    spoke: Callable[[str], None] | None = None
    spoken: dict[str, int] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def speak(self, agent: str, heard: object) -> Say:
        """Return the next answer of the model of `agent`.

        The scripted model of a harness calls this once for each request, with everything that it was
        sent: the kit looks there for what must not have reached a model.
        """
        spec = next((one for one in self.agent.everyone() if one.name == agent), self.agent)
        with self._lock:
            self.heard.append((agent, str(heard)))
            number = self.spoken.get(agent, 0)
            self.spoken[agent] = number + 1
        if self.spoke is not None:
            self.spoke(agent)
        return spec.says[number] if number < len(spec.says) else Say("done")
