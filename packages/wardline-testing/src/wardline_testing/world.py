"""The world of one guard: its policy, its ledger, the tools that leave a mark, and the runs in it."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wardline import Guard, LedgerError, MemoryStore, parse_policies
from wardline.ledger import Ledger, read
from wardline_testing.played import Played, drive
from wardline_testing.scene import Scene
from wardline_testing.tools import Probe, Tool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from wardline import Store
    from wardline_testing.scene import EntryPoint
    from wardline_testing.script import AgentSpec
    from wardline_testing.suite.base import Room

__all__ = ["DONE", "SECRET", "WHY", "Decided", "Kit", "Toolbox", "World"]

SECRET = "SECRET-5ac3"  # noqa: S105 - a marker in the text of a result
"""What the tool `leak` returns and nobody may hear."""

WHY = "REASON-77f1"
"""The reason that the kit's rules give, by which a refusal is recognised."""

DONE = "FINAL-40b2"
"""What the kit's models say at their end."""

_CATALOGUE = """
tools:
  shell: {args: {command: string}}
  sql: {args: {query: string}}
  pay: {effects: [write], args: {to: string, amount: number}}
  leak: {args: {topic: string}}
  broken: {args: {text: string}}
  slow: {args: {text: string}}
  flaky: {args: {text: string}}
  note: {args: {items: list(string), more: map}}
  freeze: {args: {why: string}}
"""

_HEAD = "apiVersion: wardline/v1\nname: kit\napprovers: [testers]\n"


class _BreakableLedger(Ledger):
    """A ledger that cannot write what contains `broken`, as if the disk failed at that moment."""

    broken = b""

    def append(self, body: bytes, *, reserved: bool = False) -> Any:
        """Write a record, or fail as a full disk does."""
        if self.broken and self.broken in body:
            raise LedgerError("the kit has broken this ledger")
        return super().append(body, reserved=reserved)


class Toolbox:
    """The tools of the kit, on one probe. `gate` is what `slow` waits for and `act` what `freeze` does."""

    def __init__(self, probe: Probe) -> None:
        self.gate = threading.Event()
        self.begun = threading.Event()
        self.act: Callable[[], None] = lambda: None
        self._failed = False
        self.shell = Tool(
            probe, "shell", "Run a command.", {"command": str}, lambda a: f"ran {a['command']}"
        )
        self.sql = Tool(
            probe, "sql", "Ask a database.", {"query": str}, lambda a: f"rows of {a['query']}"
        )
        self.pay = Tool(
            probe,
            "pay",
            "Pay somebody.",
            {"to": str, "amount": int},
            lambda a: f"paid {a['to']} {a['amount']}",
            defaults={"amount": 1},
        )
        self.leak = Tool(
            probe, "leak", "Look something up.", {"topic": str}, lambda a: f"{a['topic']}: {SECRET}"
        )
        self.broken = Tool(probe, "broken", "Fail.", {"text": str}, self._fail)
        self.slow = Tool(probe, "slow", "Wait.", {"text": str}, self._wait, abody=self._await)
        self.flaky = Tool(probe, "flaky", "Fail once.", {"text": str}, self._fail_once)
        self.note = Tool(
            probe,
            "note",
            "Take a note.",
            {"items": list, "more": dict},
            lambda _: "noted",
            defaults={"more": {}},
        )
        self.freeze = Tool(probe, "freeze", "Stop everything.", {"why": str}, self._freeze)

    @property
    def all(self) -> tuple[Tool, ...]:
        """Every tool."""
        return (self.shell, self.sql, self.pay, self.leak, self.note, self.broken)

    @staticmethod
    def _fail(args: Mapping[str, Any]) -> str:
        raise RuntimeError(f"broken: {args['text']}")

    def _fail_once(self, args: Mapping[str, Any]) -> str:
        failed, self._failed = self._failed, True
        return "went well" if failed else self._fail(args)

    def _freeze(self, _: Mapping[str, Any]) -> str:
        self.act()
        return "frozen"

    def _wait(self, _: Mapping[str, Any]) -> str:
        self.begun.set()
        self.gate.wait(20)
        return "waited"

    async def _await(self, _: Mapping[str, Any]) -> str:
        self.begun.set()
        end = time.monotonic() + 20
        while not self.gate.is_set() and time.monotonic() < end:  # noqa: ASYNC110 - set by a thread
            await asyncio.sleep(0.01)
        return "waited"


@dataclass(frozen=True, slots=True)
class Decided:
    """One binding decision as the ledger has it, and what came of it ("open" while nobody knows)."""

    kind: str
    name: str
    refused: bool
    outcomes: tuple[str, ...]
    args: Mapping[str, Any]
    record: Mapping[str, Any] = field(repr=False)

    @property
    def session(self) -> str:
        """The session that it belongs to."""
        return str(self.record["session"])

    @property
    def depth(self) -> int:
        """How far below the outermost session that is."""
        depth = self.record.get("facts", {}).get("session", {}).get("depth", 0)
        return int(depth)

    @property
    def chain(self) -> tuple[str, ...]:
        """On whose behalf it was, outermost first."""
        return tuple(self.record["principal"].get("chain", ()))


class World:
    """One guard with its own state, ledger, probe and tools.

    `policy` is what follows the head of a document: limits and rules. What no rule speaks of is allowed
    unless `policy` states another default. State is in memory unless `durable` or given as `store`.
    """

    def __init__(
        self,
        harness: Room,
        home: Path,
        policy: str,
        *,
        store: Store | None = None,
        durable: bool = False,
        **options: Any,
    ) -> None:
        self.harness = harness
        self.home = home
        self.ledger = _BreakableLedger(home / "ledger")
        options.setdefault("record_arguments", True)
        if "default_action:" not in policy:
            policy = f"default_action: allow\n{policy}"
        self.guard = Guard(
            parse_policies(_HEAD + _CATALOGUE + policy),
            home=home,
            store=None if durable else store or MemoryStore(),
            ledger=self.ledger,
            **options,
        )
        self.probe = Probe(lambda: self._count("intent"), lambda: self._count("refusal"))
        self.tools = Toolbox(self.probe)

    def _count(self, type_: str) -> int:
        return sum(one["type"] == type_ and one["kind"] == "tool_call" for one in self.records())

    def records(self) -> list[dict[str, Any]]:
        """Return what the ledger holds, oldest first, each record with its reference as `ref`."""
        return [{**one.fields, "ref": str(one.ref)} for one in read(self.home / "ledger")]

    def decisions(self, name: str = "", kind: str = "tool_call") -> list[Decided]:
        """Return the binding decisions about actions of a kind, and of a name where one is given."""
        records = self.records()
        outcomes: dict[str, list[str]] = {}
        for one in records:
            if one["type"] == "outcome":
                outcomes.setdefault(one["intent"], []).append(one["status"])
        return [
            Decided(
                one["kind"],
                one["name"],
                one["type"] == "refusal",
                tuple(outcomes.get(one["ref"], ())),
                _plain(json.loads(one.get("arguments", "{}"))),
                one,
            )
            for one in records
            if one["type"] in ("intent", "refusal")
            and one["kind"] == kind
            and name in ("", one["name"])
        ]

    def scene(self, agent: AgentSpec, path: EntryPoint, **options: Any) -> Scene:
        """Return a scene under this world's guard."""
        options.setdefault("folder", self.home / "framework")
        options["folder"].mkdir(parents=True, exist_ok=True)
        return Scene(self.guard, agent, path, probe=self.probe, **options)

    def play(self, agent: AgentSpec, path: EntryPoint, **options: Any) -> Played:
        """Play a scene to its end or suspension."""
        return self.played(self.scene(agent, path, **options))

    def played(self, scene: Scene) -> Played:
        """Play a scene that was made before."""
        report, error = drive(self.harness, scene)
        return Played(self, scene, report, error)

    def close(self) -> None:
        """Let go of the guard."""
        self.tools.gate.set()
        self.ledger.broken = b""
        self.ledger.close()
        self.guard.close()


def _plain(value: Any) -> Any:
    """Return recorded arguments with their floats as floats."""
    if isinstance(value, dict):
        if set(value) == {"$float"}:
            return float(value["$float"])
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


class Kit:
    """Makes the worlds of one test, and ends them with it."""

    def __init__(self, harness: Room, folder: Path) -> None:
        self.harness = harness
        self.folder = folder
        self._worlds: list[World] = []

    def world(self, policy: str = "", **options: Any) -> World:
        """Return a new world under `policy`."""
        home = self.folder / f"world-{len(self._worlds)}"
        world = World(self.harness, options.pop("home", home), policy, **options)
        self._worlds.append(world)
        return world

    def close(self) -> None:
        """End all worlds."""
        for world in self._worlds:
            world.close()
