"""Every case of a policy, judged by the bare core and again through an adapter: the same, or a finding.

What a case says of the past (used limits, switches, the time, who acts) is put into the guard and its
store before the run, by this module alone.
"""

from __future__ import annotations

import asyncio
import keyword
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wardline import Action, ActionRefused, Clock, Guard, MemoryStore
from wardline.ledger import Ledger, read
from wardline.store import Charge
from wardline_testing.harness import Harness
from wardline_testing.played import causes, in_thread
from wardline_testing.scene import Scene
from wardline_testing.script import AgentSpec, Say, ToolCall
from wardline_testing.tools import Probe, Tool

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wardline import Facts, PolicySet
    from wardline.cases import Case
    from wardline.store import Reservation

__all__ = ["Judged", "bare", "through", "unplayable"]

_PLAYED_BY = {
    "memory_write": "write_memory",
    "memory_read": "read_memory",
    "retrieval": "retrieve",
}
_NAMED = {
    "memory_write": "memory",
    "memory_read": "memory",
    "retrieval": "retrieval",
    "model_call": "model_call",
}


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a case: who decided what, what ran and what came back.

    `ran` are the arguments that the body got, None where it did not run. `status` is the outcome.
    """

    effect: str
    rule: str
    ran: Mapping[str, Any] | None = None
    status: str = ""


class _Seeded(MemoryStore):
    """A store in which the limits of a case show what the case says that they have counted."""

    def __init__(self, used: Mapping[str, int], units: Mapping[str, int]) -> None:
        super().__init__()
        self._used = used
        self._units = units
        self._seeded: set[str] = set()

    def reserve(self, charges: Sequence[Charge], now: int, force: bool = False) -> Reservation:
        """Count what the case says first, then what is asked for."""
        for charge in charges:
            self._seed(charge, now)
        return super().reserve(charges, now, force)

    def used(self, charges: Sequence[Charge], now: int) -> tuple[int, ...]:
        """Do the same for who only looks."""
        for charge in charges:
            self._seed(charge, now)
        return super().used(charges, now)

    def _seed(self, charge: Charge, now: int) -> None:
        _, document, name, *_ = (*charge.key.split("/"), "", "")
        amount = self._used.get(f"{document}/{name}", self._used.get(name, 0))
        if not charge.key.startswith("limit/") or not amount or charge.key in self._seeded:
            return
        self._seeded.add(charge.key)
        if charge.item:
            items = [f"item-{number}" for number in range(amount)]
            seeds = [Charge(charge.key, 1, None, item=item) for item in items]
        else:
            total = amount * self._units.get(name, 1)
            seeds = [Charge(charge.key, total, None, charge.window, charge.bucket)]
        for seed in seeds:
            super().reserve([seed], now)


@dataclass(slots=True)
class _Stage:
    """A guard with the past of one case, and the ledger it writes."""

    guard: Guard
    folder: Path
    facts: Facts
    _open: list[Any] = field(default_factory=list)

    @classmethod
    def of(cls, policies: PolicySet, case: Case, folder: Path) -> _Stage:
        given = case.given
        facts = given.facts(policies)
        units = {
            limit.name: 1_000_000
            for document in policies.documents
            for limit in document.limits
            if limit.count == "seconds"
        }
        store = _Seeded(given.used, units)
        for switch in facts.switches:
            store.set_switch(switch)
        guard = Guard(
            policies,
            store=store,
            ledger=Ledger(folder / "ledger"),
            principal=facts.principal,
            environment=facts.principal.environment,
            tenant=facts.principal.tenant,
            approvers={name: ["os:nobody-here"] for name in policies.approver_names()},
            clock=Clock(wall=lambda: facts.now * 1000),
        )
        return cls(guard, folder, facts)

    def judged(self, action: Action, ran: Mapping[str, Any] | None) -> Judged | None:
        """Return what the ledger says of the action's kind; None where it was never judged."""
        records = [(str(one.ref), one.fields) for one in read(self.folder / "ledger")]
        for ref, fields in records:
            if fields["type"] not in ("intent", "refusal") or fields["kind"] != action.kind:
                continue
            if action.kind in ("tool_call", "delegation") and fields["name"] != action.name:
                continue
            ends = [one for _, one in records if one["type"] == "outcome" and one["intent"] == ref]
            status = str(ends[0]["status"]) if ends else ""
            return Judged(fields["effect"], fields["rule"], ran, status)
        for asked in self.guard.store.approvals():
            if asked.kind == action.kind:
                rules = sorted(need.rule for need in asked.requirements)
                return Judged("require_approval", ", ".join(rules), ran)
        return None

    def stopped_before(self) -> bool:
        """Whether something else was refused, or asked about, on the way to the action."""
        types = [one.fields["type"] for one in read(self.folder / "ledger")]
        return "refusal" in types or "approval" in types

    def close(self) -> None:
        self.guard.ledger.close()
        self.guard.close()


def bare(policies: PolicySet, case: Case, folder: Path) -> Judged:
    """Judge a case by a guard alone."""
    stage = _Stage.of(policies, case, folder)
    given = case.given.action
    guard = stage.guard
    try:
        guard.register(given.kind, given.name)
        ran = None
        try:
            with guard.authorize(Action(given.kind, given.name, given.args)) as permit:
                ran = dict(permit.arguments)
                permit.succeeded(stage.facts.result)
        except ActionRefused:
            pass
        judged = stage.judged(given, ran)
        assert judged is not None, "the guard records what it decides"
        return judged
    finally:
        stage.close()


def unplayable(harness: type[Harness], case: Case) -> str:
    """Return why a framework cannot play a case, or ""."""
    action = case.given.action
    if action.kind not in harness.kinds:
        return f"the adapter does not see {action.kind}"
    if action.kind == "message":
        return "no agent sends a message by itself"
    if action.kind in ("model_call", "input", "output") and not getattr(harness, "has_model", True):
        return f"the harness has no model, of which {action.kind} would come"
    method = _PLAYED_BY.get(action.kind)
    if method and getattr(harness, method) is getattr(Harness, method):
        return f"the harness has no {method}"
    if not all(key.isidentifier() and not keyword.iskeyword(key) for key in action.args):
        return "an argument's name is no parameter of a Python function"
    if action.kind == "tool_call" and not _is_json(dict(action.args)):
        return "a model cannot write an argument of this type"
    return ""


def through(harness: type[Harness], policies: PolicySet, case: Case, folder: Path) -> Judged | None:
    """Judge a case through an adapter; None where its action was never reached.

    The effect is `before` where an action that leads to it was refused, as the tool call of a retriever.
    """
    stage = _Stage.of(policies, case, folder)
    try:
        probe = Probe()
        ending = in_thread(lambda: asyncio.run(_play(harness(), stage, case, probe)))
        refused = any(isinstance(one, ActionRefused) for one in causes(ending.error))
        if ending.error is not None and not refused:
            raise ending.error
        starts = probe.of(case.given.action.name)
        judged = stage.judged(case.given.action, starts[0].args if starts else None)
        return Judged("before", "") if judged is None and stage.stopped_before() else judged
    finally:
        stage.close()


async def _play(harness: Harness, stage: _Stage, case: Case, probe: Probe) -> None:
    action = case.given.action
    text = str(action.args.get("text", action.args.get("query", "")))
    scene = _scene(harness, stage, case, probe)
    scene.names = {_NAMED[action.kind]: action.name} if action.kind in _NAMED else {}
    if action.kind == "memory_write":
        await harness.write_memory(scene, text)
    elif action.kind == "memory_read":
        await harness.read_memory(scene, text)
    elif action.kind == "retrieval":
        await harness.retrieve(scene, text)
    else:
        await harness.run(scene)


def _scene(harness: Harness, stage: _Stage, case: Case, probe: Probe) -> Scene:
    action = case.given.action
    text = str(action.args.get("text", ""))
    agent = AgentSpec(says=(Say("done"),))
    if action.kind == "tool_call":
        call = ToolCall(action.name, dict(action.args))
        agent = AgentSpec(tools=(_tool(case, stage.facts, probe),), says=(Say(calls=(call,)),))
    elif action.kind == "delegation":
        other = AgentSpec(action.name)
        if "handoff" in harness.nesting:
            agent = AgentSpec(hands_to=(other,), says=(Say(text, hands_to=action.name),))
        else:
            agent = AgentSpec(calls=(other,), says=(Say(text, asks=action.name),))
    elif action.kind == "output":
        agent = AgentSpec(says=(Say(text),))
    path = "async" if "async" in harness.paths else harness.paths[0]
    prompt = text if action.kind == "input" else "go"
    return Scene(stage.guard, agent, path, prompt, thread="case", folder=stage.folder, probe=probe)


def _tool(case: Case, facts: Facts, probe: Probe) -> Tool:
    action = case.given.action
    result = facts.result if facts.result is not None else "done"
    parameters = {name: _type(value) for name, value in action.args.items()}
    said = f"Do {action.name}."
    return Tool(probe, action.name, said, parameters, lambda _: result, returns=type(result))


def _type(value: object) -> type:
    return next(
        (kind for kind in (bool, int, float, str, list, dict) if type(value) is kind), object
    )


def _is_json(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(type(key) is str and _is_json(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_is_json, value))
    return value is None or type(value) in (bool, int, float, str)
