"""Standard: memory and retrieval."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from wardline import ActionRefused
from wardline_testing.findings import Crashed, Leaked, Mismatch, NotJudged, RanDespiteDenial
from wardline_testing.played import causes, in_thread
from wardline_testing.scene import Shelf
from wardline_testing.script import AgentSpec
from wardline_testing.suite.base import Room
from wardline_testing.world import SECRET, WHY

if TYPE_CHECKING:
    from collections.abc import Callable

    from wardline_testing.scene import Scene
    from wardline_testing.world import Kit, World

__all__ = ["Shelves"]


def _on(kind: str, effect: str) -> str:
    return f"rules: [{{name: shelf, on: {kind}, {effect}, reason: {WHY}}}]"


class Shelves(Room):
    """What the framework remembers and looks up; the shelf itself is the kit's."""

    def test_memory_write(self, kit: Kit) -> None:
        """A write is judged before it happens, with its text."""
        world = kit.world(_on("memory_write", "action: audit"))
        scene = _scene(world)
        _do(lambda: self.write_memory(scene, "remember this"), refused=False)
        if not any("remember this" in one for one in scene.memory.writes):
            raise Mismatch(f"what was written is {scene.memory.writes}")
        _judged(world, "memory_write", text="remember this")

    def test_denied_memory_write(self, kit: Kit) -> None:
        """A write that a rule denies for its text does not happen."""
        world = kit.world(
            _on(
                "memory_write",
                f"condition: \"has(args.text) && args.text == '{SECRET}'\", action: deny",
            )
        )
        scene = _scene(world)
        _do(lambda: self.write_memory(scene, SECRET), refused=True)
        if scene.memory.writes:
            raise RanDespiteDenial(f"what was written is {scene.memory.writes}")
        _refused(world, "memory_write")

    def test_memory_read(self, kit: Kit) -> None:
        """A read is judged before it happens, and returns what is on the shelf."""
        world = kit.world(_on("memory_read", "action: audit"))
        scene = _scene(world, memory=Shelf("the door code"))
        found = _do(lambda: self.read_memory(scene, "door"), refused=False)
        if "the door code" not in str(found):
            raise Mismatch(f"what was read is {found!r}")
        _judged(world, "memory_read", query="door")

    def test_denied_memory_read(self, kit: Kit) -> None:
        """A read that a rule denies does not happen."""
        world = kit.world(_on("memory_read", "action: deny"))
        scene = _scene(world, memory=Shelf(SECRET))
        found = _do(lambda: self.read_memory(scene, "door"), refused=True)
        if scene.memory.reads or SECRET in str(found):
            raise RanDespiteDenial(f"the memory was read: {scene.memory.reads}, {found!r}")
        _refused(world, "memory_read")

    def test_retrieval(self, kit: Kit) -> None:
        """A retrieval is judged before it happens, and returns what is on the shelf."""
        world = kit.world(_on("retrieval", "action: audit"))
        scene = _scene(world, documents=Shelf("a document"))
        found = _do(lambda: self.retrieve(scene, "anything"), refused=False)
        if "a document" not in str(found):
            raise Mismatch(f"what was retrieved is {found!r}")
        _judged(world, "retrieval", query="anything")

    def test_denied_retrieval(self, kit: Kit) -> None:
        """A retrieval that a rule denies does not happen."""
        world = kit.world(_on("retrieval", "action: deny"))
        scene = _scene(world, documents=Shelf(SECRET))
        found = _do(lambda: self.retrieve(scene, "anything"), refused=True)
        if scene.documents.reads or SECRET in str(found):
            raise RanDespiteDenial(f"documents were read: {scene.documents.reads}, {found!r}")
        _refused(world, "retrieval")

    def test_withheld_retrieval(self, kit: Kit) -> None:
        """Documents that a rule withholds reach nobody."""
        world = kit.world(_on("retrieval.after", "action: deny"))
        scene = _scene(world, documents=Shelf(SECRET))
        found = _do(lambda: self.retrieve(scene, "anything"), refused=True)
        if SECRET in str(found):
            raise Leaked(f"a withheld document was handed out: {found!r}")

    def test_redacted_retrieval(self, kit: Kit) -> None:
        """Documents come as a rule has left them."""
        rule = "action: transform, set: {result: \"['GONE']\"}"
        world = kit.world(_on("retrieval.after", rule).replace(f", reason: {WHY}", ""))
        scene = _scene(world, documents=Shelf(SECRET))
        found = _do(lambda: self.retrieve(scene, "anything"), refused=False)
        if SECRET in str(found) or "GONE" not in str(found):
            raise Leaked(f"a redacted document was handed out as {found!r}")


def _scene(world: World, **shelves: Shelf) -> Scene:
    return world.scene(AgentSpec(tools=world.tools.all), "async", **shelves)


def _do(work: Callable[[], Any], *, refused: bool) -> Any:
    """Do something to a shelf; a refusal may be raised, or told in the place of the text."""
    ending = in_thread(lambda: asyncio.run(work()))
    if ending.error is None:
        return ending.value
    if refused and any(isinstance(one, ActionRefused) for one in causes(ending.error)):
        return ""
    raise Crashed(f"it raised {ending.error!r}") from ending.error


def _judged(world: World, kind: str, **args: str) -> None:
    found = world.decisions(kind=kind)
    if len(found) != 1 or found[0].refused or found[0].outcomes != ("succeeded",):
        raise NotJudged(f"one {kind} happened; the ledger says {found}")
    if not args.items() <= dict(found[0].args).items():
        raise Mismatch(f"{args} happened; what was judged is {dict(found[0].args)}")


def _refused(world: World, kind: str) -> None:
    found = world.decisions(kind=kind)
    if len(found) != 1 or not found[0].refused:
        raise NotJudged(f"one {kind} was refused; the ledger says {found}")
