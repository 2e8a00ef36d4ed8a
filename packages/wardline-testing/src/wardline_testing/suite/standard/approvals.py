"""Standard: an approval suspends the run by the framework's own means, and resumes it once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wardline import Operator
from wardline_testing.findings import Mismatch, NotSuspended, Overrun, RanDespiteDenial
from wardline_testing.resume import ALICE, ASKING, continued, in_a_new_process, scenario
from wardline_testing.suite.base import Room
from wardline_testing.world import DONE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wardline_testing.played import Played
    from wardline_testing.scene import EntryPoint
    from wardline_testing.world import Kit, World

__all__ = ["Approvals"]


class Approvals(Room):
    """The model pays bob, about whom somebody has to be asked, and asks a database beside it."""

    def test_approval_suspends(self, kit: Kit, path: EntryPoint) -> None:
        """The run is suspended with the question; the sibling runs, what is asked about does not."""
        world = kit.world(ASKING, durable=True, approvers={"testers": [ALICE]})
        question = _suspended(world, path)[1]
        shown = question.get("arguments")
        if question.get("tool") != "pay" or not shown or dict(shown).get("to") != "bob":
            raise NotSuspended(f"the question does not say what is asked about: {question}")

    def test_approval_resumes_in_a_new_process(self, kit: Kit, path: EntryPoint) -> None:
        """Approved in the store meanwhile, the call runs once, in another process; its sibling not again."""
        world = kit.world(ASKING, durable=True, approvers={"testers": [_me(kit)]})
        played, question = _suspended(world, path)
        world.close()
        with Operator(world.home) as operator:
            operator.answer(question["approval"], approved=True)
        told = in_a_new_process(self, played, me=_me(kit))
        _resumed(world, told)

    def test_approval_is_answered_on_resuming(self, kit: Kit) -> None:
        """Resumed with the answer itself, in another process, the call runs once."""
        world = kit.world(ASKING, durable=True, approvers={"testers": [ALICE]})
        played, question = _suspended(world, type(self).paths[0])
        world.close()
        answer = {"approved": True, "by": ALICE, "approval": question["approval"]}
        told = in_a_new_process(self, played, answer=answer, me=ALICE)
        _resumed(world, told)

    def test_denied_approval_never_runs(self, kit: Kit, path: EntryPoint) -> None:
        """Answered with no, the call never runs, and the model hears of that."""
        world = kit.world(ASKING, durable=True, approvers={"testers": [ALICE]})
        played, question = _suspended(world, path)
        again = _again(kit, world)
        answer = {"approved": False, "by": ALICE, "approval": question["approval"]}
        after = again.played(continued(again, played.scene, played.report.suspended, answer))
        after.never_ran("pay", "sql")
        if DONE not in after.report.final:
            raise NotSuspended(f"the run did not go on after the answer: {after.report}")
        after.visible("ask-1", "", "root")

    def test_answer_of_a_stranger_does_not_count(self, kit: Kit, path: EntryPoint) -> None:
        """An answer by somebody who is no approver, or about something else, lets nothing run."""
        for wrong in ({"by": "os:mallory"}, {"approval": "approval-of-something-else"}):
            world = kit.world(ASKING, durable=True, approvers={"testers": [ALICE]})
            played, question = _suspended(world, path)
            again = _again(kit, world)
            answer = {"approved": True, "by": ALICE, "approval": question["approval"], **wrong}
            after = again.played(continued(again, played.scene, played.report.suspended, answer))
            after.never_ran("pay", "sql")
            if after.error is None and after.report.suspended is None and not after.report.refused:
                raise Mismatch(f"the run ended as if it had been answered: {after.report}")

    def test_resuming_twice_runs_once(self, kit: Kit, path: EntryPoint) -> None:
        """A run that is resumed again from the same point does not do again what it has done."""
        world = kit.world(ASKING, durable=True, approvers={"testers": [ALICE]})
        played, question = _suspended(world, path)
        answer = {"approved": True, "by": ALICE, "approval": question["approval"]}
        for attempt in range(2):
            again = _again(kit, world)
            scene = continued(again, played.scene, played.report.suspended, answer)
            scene.folder = _copied(scene, attempt)
            after = again.played(scene)
            after.never_ran("sql")
            if attempt == 0:
                after.ended()
                after.ran("pay", {"to": "bob", "amount": 2})
            elif after.starts("pay"):
                raise Overrun("the call that had run was run again by resuming once more")


def _suspended(world: World, path: EntryPoint) -> tuple[Played, Mapping[str, Any]]:
    """Play the scenario up to its suspension; return the run and its question."""
    played = world.play(scenario(world), path, durable=True, thread="kept")
    if played.starts("pay"):
        raise RanDespiteDenial("the call that somebody has to be asked about ran")
    report = played.report
    if report.suspended is None:
        raise NotSuspended(f"the run was not suspended: {report}")
    try:
        json.dumps(report.suspended)
    except TypeError as error:
        raise NotSuspended(f"`suspended` cannot be carried by JSON: {error}") from error
    played.ran("sql", {"query": "select 1"})
    if len(report.questions) != 1 or not report.questions[0].get("approval"):
        raise NotSuspended(f"one question was to be shown, with its approval: {report.questions}")
    return played, report.questions[0]


def _again(kit: Kit, world: World) -> World:
    """Return a new world, as another process would have it, on the state of `world`."""
    world.close()
    return kit.world(ASKING, durable=True, approvers={"testers": [ALICE]}, home=world.home)


def _resumed(world: World, told: Mapping[str, Any]) -> None:
    starts = [(one["tool"], one["args"]) for one in told["starts"]]
    if starts != [("pay", {"to": "bob", "amount": 2})]:
        problem = Overrun if len(starts) > 1 else NotSuspended
        raise problem(f"the new process was to run `pay` once; it ran {starts}: {told}")
    if DONE not in told["final"]:
        raise NotSuspended(f"the run did not go on to its end: {told}")
    for tool in ("pay", "sql"):
        found = [one for one in world.decisions(tool) if not one.refused]
        if [one.outcomes for one in found] != [("succeeded",)]:
            raise Overrun(f"`{tool}` was to run once; the ledger says {found}")


def _me(kit: Kit) -> str:
    with Operator(kit.folder) as operator:
        return operator.by


def _copied(scene: Any, attempt: int) -> Any:
    """Return a copy of what the framework has kept, so that both attempts start from the same point."""
    import shutil

    copy = scene.folder.with_name(f"{scene.folder.name}-{attempt}")
    shutil.copytree(scene.folder, copy, dirs_exist_ok=True)
    return copy
