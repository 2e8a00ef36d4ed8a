"""A run that goes on in another process: `python -m wardline_testing.resume` with its story on stdin."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wardline_testing.findings import NotSuspended
from wardline_testing.loading import load_harness
from wardline_testing.script import AgentSpec, Say, ToolCall
from wardline_testing.world import DONE, World

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wardline_testing.played import Played
    from wardline_testing.scene import EntryPoint, Scene
    from wardline_testing.suite.base import Room

__all__ = ["ALICE", "ASKING", "continued", "in_a_new_process", "main", "scenario"]

ALICE: Final = "os:alice"
"""Who may answer, in this process."""

ASKING: Final = """
rules: [{name: ask, tool: pay, action: require_approval}]
"""
"""The policy under which paying asks."""

_DEADLINE: Final = 90.0


def scenario(world: World) -> AgentSpec:
    """Return the agent of the approval tests: one call that asks, and one beside it that does not."""
    calls = (
        ToolCall("pay", {"to": "bob", "amount": 2}, "ask-1"),
        ToolCall("sql", {"query": "select 1"}, "sql-1"),
    )
    return AgentSpec(tools=world.tools.all, says=(Say(calls=calls), Say(DONE)))


def continued(
    world: World, scene: Scene, suspended: Any, answer: Mapping[str, Any] | None
) -> Scene:
    """Return the scene that goes on with a suspended one; its models go on with their scripts."""
    return world.scene(
        scenario(world),
        scene.path,
        durable=True,
        thread=scene.thread,
        folder=scene.folder,
        resume=json.loads(json.dumps(suspended)),
        answer=answer,
        spoken=dict(scene.spoken),
    )


def in_a_new_process(
    harness: Room, played: Played, *, me: str, answer: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Go on with a suspended run in another process; return what ran there and how it ended."""
    cls = type(harness)
    story = {
        "path": [one for one in sys.path if one],
        "file": inspect.getfile(cls),
        "module": cls.__module__,
        "class": cls.__name__,
        "home": str(played.world.home),
        "folder": str(played.scene.folder),
        "entry": played.scene.path,
        "thread": played.scene.thread,
        "spoken": played.scene.spoken,
        "suspended": played.report.suspended,
        "answer": answer,
        "me": me,
    }
    done = subprocess.run(
        [sys.executable, "-m", "wardline_testing.resume"],
        input=json.dumps(story),
        capture_output=True,
        text=True,
        timeout=_DEADLINE,
        check=False,
    )
    if done.returncode:
        raise NotSuspended(f"the new process failed:\n{done.stderr[-4000:]}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def main() -> None:
    """Tell, as the last line of stdout, what came of going on."""
    story = json.loads(sys.stdin.read())
    sys.path[:] = [*dict.fromkeys([*sys.path, *story["path"]])]
    cls: Any = load_harness(f"{story['file']}:{story['class']}", story["module"])
    world = World(
        cls(), Path(story["home"]), ASKING, durable=True, approvers={"testers": [story["me"]]}
    )
    entry: EntryPoint = story["entry"]
    scene = world.scene(
        scenario(world),
        entry,
        durable=True,
        thread=story["thread"],
        folder=Path(story["folder"]),
        resume=story["suspended"],
        answer=story["answer"],
        spoken=dict(story["spoken"]),
    )
    played = world.played(scene)
    report = played.report
    told = {
        "starts": [{"tool": one.tool, "args": dict(one.args)} for one in world.probe.starts],
        "final": report.final,
        "refused": dict(report.refused),
        "suspended": report.suspended is not None,
    }
    world.close()
    sys.stdout.write(f"\n{json.dumps(told)}\n")


if __name__ == "__main__":
    main()
