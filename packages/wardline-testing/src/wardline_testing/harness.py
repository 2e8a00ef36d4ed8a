"""What the author of an adapter writes: how to build a real agent, and what the framework lacks."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from wardline.adapters import Covered
    from wardline_testing.gaps import Gap
    from wardline_testing.report import RunReport
    from wardline_testing.scene import EntryPoint, Scene

__all__ = ["Denial", "Harness", "Nesting"]


class Denial(Enum):
    """The form in which a denial becomes visible."""

    REFUSED = "refused"
    """The run goes on, and the framework's transcript answers that very call with the refusal."""

    BARE = "bare"
    """The run raises the `ActionRefused` itself."""

    WRAPPED = "wrapped"
    """The run raises the framework's exception with the `ActionRefused` on its cause chain."""


Nesting = Literal["call", "handoff"]


class Harness:
    """Builds and runs real agents. One class per adapter, with one method that must be written: `run`.

    `adapter` is the adapter's distribution and `framework` the value of `Action.framework`.
    `distributions` are the packages of the framework, really installed, whose code runs the model.
    `kinds` are the kinds of action that the adapter maps. `paths` are the entry points that the framework
    has. `nesting` says how its agents reach one another: `call` (an agent as a tool), `handoff`; at least
    one. `denials` maps what `Scene.on_denied` asks for to the form that comes of it. `gaps` maps the
    name of a test of the standard tier to why it is not passed, and `test_x[stream]` names it on one path
    alone. `optional` names the tests of the optional tier that are passed. `no_rewriter` says why the
    framework has no hook that could change a call behind the adapter's; "" where it has one, and then
    the harness installs `Scene.rewriter` there.

    A harness builds agents as a user would: no patching, no internals, nothing caught.
    """

    adapter: ClassVar[str]
    framework: ClassVar[str]
    distributions: ClassVar[Sequence[str]]
    kinds: ClassVar[Collection[str]]
    paths: ClassVar[Sequence[EntryPoint]] = ("sync", "async", "stream")
    nesting: ClassVar[Sequence[Nesting]] = ("call",)
    denials: ClassVar[Mapping[str, Denial]] = {"message": Denial.REFUSED}
    gaps: ClassVar[Mapping[str, Gap]] = {}
    optional: ClassVar[Collection[str]] = ()
    no_rewriter: ClassVar[str] = ""

    async def run(self, scene: Scene) -> RunReport:
        """Build the scene's agent with a scripted model, run it to its end or suspension, report.

        The model calls `scene.speak(agent, everything it was sent)` once a request. The tools are given
        to the framework as `tool.body(scene.path)`, or both bodies where it takes both. For `sync`, the
        synchronous entry point is called right here.
        """
        raise NotImplementedError

    async def write_memory(self, scene: Scene, text: str) -> None:
        """Write `text` by the framework's memory, governed, in front of `scene.memory`."""
        raise NotImplementedError(_hint("write_memory"))

    async def read_memory(self, scene: Scene, query: str) -> str:
        """Read by the framework's memory, governed; return the text that an agent would get."""
        raise NotImplementedError(_hint("read_memory"))

    async def retrieve(self, scene: Scene, query: str) -> str:
        """Retrieve by the framework's retriever, governed, in front of `scene.documents`."""
        raise NotImplementedError(_hint("retrieve"))

    async def coverage(self, scene: Scene) -> Sequence[Covered]:
        """Build the scene's agent with its `ungoverned` tools and return the adapter's `coverage` of it."""
        raise NotImplementedError(_hint("coverage"))


def _hint(name: str) -> str:
    return f"the harness has no `{name}`: write it, or declare in `gaps` why it cannot be written"
