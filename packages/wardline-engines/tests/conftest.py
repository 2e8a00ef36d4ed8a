from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from wardline import Action, Consultant, Facts, Guard, MemoryStore, Principal, govern, load_policies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from wardline import Verdict

NATIVE = """
apiVersion: wardline/v1
name: own
default_action: allow
tools:
  pay: { effects: [write], clearance: internal, args: { to: string } }
  look: { effects: [read] }
rules:
  - { name: never, tool: format_disk, action: deny }
"""
NOW = 1_784_000_000_123_456
"""2026-07-14T03:33:20.123456Z in microseconds."""


class Asked:
    """One document with an engine, asked about one action after the other."""

    def __init__(self, folder: Path, engine: str, settings: dict[str, Any], **keys: Any) -> None:
        folder.mkdir(exist_ok=True)
        document = {"apiVersion": "wardline/v1", "name": "other", "engine": engine, **keys}
        document["approvers"] = ["os:alice"]
        (folder / "own.yaml").write_text(NATIVE)
        (folder / "other.yaml").write_text(json.dumps({**document, "with": settings}))
        self.policies = load_policies(folder)
        self._consultant = Consultant(self.policies)

    def verdict(
        self,
        args: dict[str, Any] | None = None,
        *,
        name: str = "pay",
        kind: str = "tool_call",
        principal: Principal | None = None,
        session: dict[str, Any] | None = None,
        run: dict[str, Any] | None = None,
        now: int = NOW,
    ) -> Verdict:
        """Return what the engine said, as the decision has it."""
        action = Action(kind, name, args or {}, call_id="c1")
        who = principal or Principal("bot", roles=("clerk",), tenant="acme", environment="prod")
        view = {"id": "s1", "depth": 0, "tool_calls": 2, **(session or {})}
        facts = Facts(who, view, {"id": "r1", "depth": 0, "tool_calls": 1, **(run or {})}, now)
        decision, facts = self._consultant.decide(action, facts)
        verdict = facts.verdicts["other"]
        assert decision.effect == ("deny" if verdict.failed else verdict.effect)
        return verdict

    def close(self) -> None:
        self._consultant.close()
        self.policies.close()


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Callable[..., Asked]]:
    """Make documents with an engine and its settings; each is closed at the end."""
    made: list[Asked] = []

    def make(engine: str, settings: dict[str, Any], **keys: Any) -> Asked:
        # A loaded machine must not turn a test about answers into one about deadlines.
        keys = {"deadline": "5s", **keys}
        made.append(Asked(tmp_path / "policies", engine, settings, **keys))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def governed(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Govern a function by a native document and one with an engine."""
    guards: list[Guard] = []

    def make(
        function: Callable[..., Any], engine: str, settings: dict[str, Any], **keys: Any
    ) -> Any:
        folder = tmp_path / "governing"
        folder.mkdir()
        (folder / "own.yaml").write_text(NATIVE)
        document = {"apiVersion": "wardline/v1", "name": "other", "engine": engine}
        document |= {"deadline": "5s", **keys, "with": settings}
        (folder / "other.yaml").write_text(json.dumps(document))
        guard = Guard(folder, home=tmp_path / "home", store=MemoryStore())
        guards.append(guard)
        tool = govern(function, guard=guard)
        tool.guard = guard
        return tool

    yield make
    for guard in guards:
        guard.close()


@pytest.fixture(scope="session")
def opa() -> str:
    """The OPA binary that tests run with."""
    found = os.environ.get("WARDLINE_OPA") or shutil.which("opa")
    if not found:
        pytest.skip("there is no OPA: name one in WARDLINE_OPA; `nox -s core` fetches its own")
    return found
