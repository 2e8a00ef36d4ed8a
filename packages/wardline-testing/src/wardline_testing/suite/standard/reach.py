"""Standard: tools that others execute or bring, and those that nobody governs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from wardline_testing.findings import Mismatch, NotJudged, RanDespiteDenial
from wardline_testing.mcp_server import command
from wardline_testing.played import in_thread
from wardline_testing.script import AgentSpec, Say, ToolCall
from wardline_testing.suite.base import Room
from wardline_testing.suite.core.agents import nested
from wardline_testing.suite.core.decisions import one_call
from wardline_testing.world import DONE, WHY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline.adapters import Covered
    from wardline_testing.scene import EntryPoint
    from wardline_testing.world import Kit, World

__all__ = ["Governed", "Reach"]

_NO_MCP_SHELL = f"rules: [{{name: no-shell, tool: '*shell', action: deny, reason: {WHY}}}]"


class Reach(Room):
    """How far an adapter reaches."""

    def test_hosted_tool_is_refused(self, kit: Kit, path: EntryPoint) -> None:
        """A tool that the model's provider executes is refused before the model is asked with it."""
        world = kit.world()
        agent = one_call(world, "pay", to="alice")
        played = world.play(agent, path, hosted="web_search")
        if played.scene.spoken:
            raise RanDespiteDenial("the model was asked with a tool that its provider executes")
        played.noticed()

    def test_mcp_tools_are_governed(self, kit: Kit, awaited: EntryPoint) -> None:
        """Tools of an MCP server, behind the framework's own client, are judged like all others."""
        world = kit.world(_NO_MCP_SHELL)
        mark = kit.folder / "mcp.txt"
        calls = (
            ToolCall("mcp_pay", {"to": "alice"}, "c1"),
            ToolCall("mcp_shell", {"command": "ls"}, "c2"),
        )
        says = (*(Say(calls=(call,)) for call in calls), Say(DONE))
        played = world.play(AgentSpec(says=says), awaited, mcp=command(mark))
        ran = mark.read_text().splitlines() if mark.exists() else []
        if any(line.startswith("mcp_shell") for line in ran):
            raise RanDespiteDenial(f"the server ran {ran}")
        if ran != ['mcp_pay {"to": "alice"}']:
            played.ended()
            raise Mismatch(f"the server was to run mcp_pay once; it ran {ran}")
        if [one.refused for one in world.decisions()] != [False, True]:
            raise NotJudged(f"two calls were to be judged; the ledger says {world.decisions()}")
        played.visible("c2", WHY)


class Governed(Room):
    """What the adapter says that it governs."""

    def test_coverage_lists_what_is_governed(self, kit: Kit) -> None:
        """The adapter's `coverage` has every tool and every inner agent, and says that they are governed."""
        world = kit.world()
        found = self._covered(world)
        for name in ("pay", "shell", "sql", "leak"):
            lines = [one for one in found if one.name == name and one.kind == "tool_call"]
            if not lines or not all(one.governed for one in lines):
                raise Mismatch(f"`{name}` is governed; `coverage` says {lines}")
        if not self.has_model:
            return
        if not any("helper" in (one.name, one.owner) for one in found):
            raise Mismatch(f"the inner agent is missing: {found}")
        if not any(one.kind == "model_call" for one in found) and "model_call" in type(self).kinds:
            raise Mismatch(f"the models are missing: {found}")

    def test_coverage_names_the_ungoverned(self, kit: Kit) -> None:
        """A tool that the adapter does not govern is listed as such, with why."""
        world = kit.world()
        found = self._covered(world, ungoverned=(world.tools.freeze,))
        lines = [one for one in found if one.name == "freeze"]
        if not lines or any(one.governed or not one.why for one in lines):
            raise Mismatch(f"`freeze` is not governed; `coverage` says {lines}")

    def _covered(self, world: World, **options: object) -> Sequence[Covered]:
        agent = AgentSpec(tools=world.tools.all)
        if self.has_model:
            agent = nested(world, type(self).nesting[0])
        scene = world.scene(agent, type(self).paths[0], **options)
        found: Sequence[Covered] = in_thread(lambda: asyncio.run(self.coverage(scene))).get()
        return found
