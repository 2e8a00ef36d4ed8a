"""One run, played: how the kit drives it, and what may be asked of it afterwards."""

from __future__ import annotations

import asyncio
import contextvars
import re
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

from wardline import ActionRefused, ConfigurationError
from wardline_testing.evidence import Witness
from wardline_testing.findings import (
    Crashed,
    Finding,
    FrameworkMissing,
    Mismatch,
    NotJudged,
    Overrun,
    RanDespiteDenial,
    SilentDenial,
)
from wardline_testing.harness import Denial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from wardline_testing.report import RunReport
    from wardline_testing.scene import Scene
    from wardline_testing.suite.base import Room
    from wardline_testing.tools import Start
    from wardline_testing.world import Decided, World

__all__ = ["DEADLINE", "Ending", "Played", "causes", "drive", "in_thread"]

DEADLINE = 30.0
"""Seconds after which a run counts as hanging."""

_REFUSAL = re.compile(r"was not run|was refused|withheld|withholds|could not be recorded")


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what lies behind it, groups included."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__context__, one.__cause__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions


class Ending:
    """How a piece of work ended: its value, or the error that it raised."""

    __slots__ = ("error", "value")

    def __init__(self) -> None:
        self.value: Any = None
        self.error: BaseException | None = None

    def get(self) -> Any:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.value

    def __enter__(self) -> Ending:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        self.error = error
        return True


def in_thread(work: Callable[[], Any], deadline: float = DEADLINE) -> Ending:
    """Do `work` in a thread of its own. A hang raises `Crashed` and says where it hangs."""
    ending = Ending()

    def do() -> None:
        with ending:
            ending.value = work()

    thread = threading.Thread(target=contextvars.copy_context().run, args=(do,), daemon=True)
    thread.start()
    thread.join(deadline)
    if thread.is_alive():
        frame = sys._current_frames().get(thread.ident or 0)
        where = "".join(traceback.format_stack(frame)[-12:]) if frame is not None else "somewhere"
        raise Crashed(f"the run did not end within {deadline:g} s; it stands in\n{where}")
    return ending


def _to_its_end(harness: Room, scene: Scene) -> RunReport:
    """Run the harness: without an event loop for `sync`, in a new one otherwise."""
    if scene.path != "sync":
        return asyncio.run(harness.run(scene))
    coroutine = harness.run(scene)
    try:
        coroutine.send(None)
    except StopIteration as end:
        report: RunReport = end.value
        return report
    coroutine.close()
    raise Crashed(
        "`run` awaited something on the path `sync`, for which there is no event loop: call the "
        "framework's synchronous entry point"
    )


def drive(
    harness: Room, scene: Scene, deadline: float = DEADLINE
) -> tuple[RunReport | None, BaseException | None]:
    """Play a scene; return the report, or the exception that ended the run.

    Raises `Crashed` for a hang or a skip, and `FrameworkMissing` where no code of the framework was
    there when the model spoke.
    """
    witness = Witness(type(harness).distributions)
    wish = scene.spoke
    spoken: list[str] = []

    def spoke(agent: str) -> None:
        witness.look()
        spoken.append(agent)
        if wish is not None:
            wish(agent)

    scene.spoke = spoke
    if not harness.has_model and scene.probe is not None:
        scene.probe.watches.append(witness.look)
    before = len(scene.probe.starts) if scene.probe is not None else 0
    ending = in_thread(lambda: _to_its_end(harness, scene), deadline)
    scene.spoke = wish
    error = ending.error
    if isinstance(error, Crashed):
        raise error
    if type(error).__module__.startswith(("_pytest", "pytest")):
        raise Crashed(f"the harness skipped or failed by itself: {error}") from error
    if harness.has_model:
        called, where = bool(spoken), "`Scene.speak`: call it from the framework's own model class"
    else:
        called = scene.probe is not None and len(scene.probe.starts) > before
        where = "a tool's body: give the body to the framework, and do not call it yourself"
    if called and not witness.seen:
        raise FrameworkMissing(
            f"no file of {', '.join(type(harness).distributions)} was on the stack of {where}"
        )
    return ending.value, error


class Played:
    """One run that was played, and what is expected of it."""

    def __init__(
        self,
        world: World,
        scene: Scene,
        report: RunReport | None,
        error: BaseException | None,
    ) -> None:
        self.world = world
        self.scene = scene
        self._report = report
        self.error = error

    @property
    def report(self) -> RunReport:
        """What the run returned. Raises `Crashed` where it raised instead."""
        if self._report is None:
            raise Crashed(f"the run raised {self.error!r}") from self.error
        return self._report

    def ended(self) -> None:
        """Expect that the run ended, or was suspended, and did not raise."""
        _ = self.report

    @property
    def refusal(self) -> ActionRefused | None:
        """The refusal that the run raised, bare or behind another error."""
        return next((one for one in causes(self.error) if isinstance(one, ActionRefused)), None)

    # What ran

    def starts(self, tool: str) -> list[Start]:
        """Return the starts of a tool's body, in this world."""
        return self.world.probe.of(tool)

    def never_ran(self, *tools: str) -> None:
        """Expect that no body of these tools started."""
        for tool in tools:
            if found := self.starts(tool):
                raise RanDespiteDenial(f"`{tool}` ran: {[dict(one.args) for one in found]}")

    def ran(self, tool: str, *calls: Mapping[str, Any]) -> None:
        """Expect that a tool ran once for each of `calls`, in any order, with these arguments."""
        found = [dict(one.args) for one in self.starts(tool)]
        wanted = [dict(one) for one in calls]
        if _sorted(found) == _sorted(wanted):
            return
        if len(found) > len(wanted):
            raise Overrun(f"`{tool}` ran with {found}, and should have with {wanted}")
        raise self._or_crashed(Mismatch(f"`{tool}` ran with {found}, and not with {wanted}"))

    # What was decided

    def decided(
        self, tool: str, *, allowed: int = 0, refused: int = 0, kind: str = "tool_call"
    ) -> list[Decided]:
        """Expect exactly these binding decisions about a tool; return them."""
        found = self.world.decisions(tool, kind)
        yes = [one for one in found if not one.refused]
        no = [one for one in found if one.refused]
        said = f"`{tool}` was let through {len(yes)} and refused {len(no)} times, expected "
        said += f"{allowed} and {refused}"
        if len(found) < allowed + refused:
            raise self._or_crashed(NotJudged(f"{said}: {self._what_happened()}"))
        if len(found) > allowed + refused:
            raise Overrun(f"{said}: {self._what_happened()}")
        if len(yes) != allowed:
            raise Mismatch(f"{said}: {self._what_happened()}")
        return found

    def judged_before(self) -> None:
        """Expect that whatever started had its intent on record by then, with the same arguments."""
        starts = self.world.probe.starts
        for number, start in enumerate(starts, 1):
            if start.intents < number:
                raise NotJudged(
                    f"`{start.tool}` was start {number}, and the ledger held {start.intents} intents"
                )
        judged = [(one.name, dict(one.args)) for one in self.world.decisions() if not one.refused]
        for start in starts:
            ran = (start.tool, dict(start.args))
            found = [one for one in judged if ran in (one, self._with_defaults(*one))]
            if not found:
                raise Mismatch(f"{ran} ran; what was let through is {judged}")
            judged.remove(found[0])

    def _with_defaults(self, tool: str, args: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return a call as the body gets it where the tool itself fills in what was left out."""
        spec = getattr(self.world.tools, tool, None)
        return tool, {**(spec.defaults if spec is not None else {}), **args}

    # Who learned of it

    def visible(self, call_id: str, why: str = "", agent: str = "root") -> None:
        """Expect the denial of a call in the form that the harness declares.

        `why` is a text that must have come along; `agent` is whose model must hear it.
        """
        form = type(self.world.harness).denials[self.scene.on_denied]
        if form is not Denial.REFUSED:
            self._raised(form, why)
            return
        text = self.report.refused.get(call_id)
        if text is None:
            raise SilentDenial(
                f"the framework's transcript has no refusal for the call {call_id!r}: "
                f"{dict(self.report.refused)}"
            )
        if why and why not in text:
            raise SilentDenial(f"the refusal of {call_id!r} does not say why ({why}): {text!r}")
        told = self.heard(why or "not run", agent) or (not why and self.heard(text, agent))
        if self.world.harness.has_model and not told:
            raise SilentDenial(
                f"the model of `{agent}` was never told that {call_id!r} was refused"
            )

    def _raised(self, form: Denial, why: str) -> None:
        refusal = self.refusal
        if refusal is None:
            if self.error is not None:
                raise SilentDenial(
                    f"the refusal is not on the cause chain of {self.error!r}"
                ) from self.error
            raise SilentDenial("the run ended as if nothing had been refused")
        if form is Denial.BARE and self.error is not refusal:
            raise SilentDenial(
                f"the run raised {self.error!r}, and not the refusal"
            ) from self.error
        if why and why not in str(refusal):
            raise SilentDenial(f"the refusal does not say why ({why}): {refusal}")

    def noticed(self) -> None:
        """Expect that somebody learned of a refusal, wherever on its way the run was stopped."""
        if self._report is None:
            if not any(
                isinstance(e, ActionRefused | ConfigurationError) for e in causes(self.error)
            ):
                raise Crashed(f"the run raised {self.error!r}") from self.error
            return
        said = [self._report.final, *self._report.refused.values(), *self._report.stream]
        said += [text for _, text in self.scene.heard]
        if not any(_REFUSAL.search(text) for text in said):
            raise SilentDenial("the run ended as if nothing had been refused")

    def heard(self, text: str, agent: str = "") -> bool:
        """Whether a model was sent `text`; any model, or that of `agent`."""
        return any(text in sent for name, sent in self.scene.heard if agent in ("", name))

    def _or_crashed(self, finding: Finding) -> Finding:
        """Return that the run crashed where that is why something is missing, else the finding."""
        if self.error is None or self.refusal is not None:
            return finding
        finding = Crashed(f"the run raised {self.error!r}; {finding}")
        finding.__cause__ = self.error
        return finding

    def _what_happened(self) -> str:
        decided = [
            f"{'refused' if one.refused else 'allowed'} {one.kind} {one.name} {dict(one.args)}"
            for one in self.world.decisions()
        ]
        ran = [f"{one.tool} {dict(one.args)}" for one in self.world.probe.starts]
        end = f"raised {self.error!r}" if self.error is not None else f"ended with {self._report}"
        return f"decided {decided}, ran {ran}, {end}"


def _sorted(calls: list[dict[str, Any]]) -> list[str]:
    return sorted(repr(sorted(one.items(), key=repr)) for one in calls)
