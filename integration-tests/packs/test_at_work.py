"""Packs at work: with a guard, real files and real functions, as their READMEs say to set them up."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wardline import (
    ActionDenied,
    CallbackApprover,
    Clock,
    Guard,
    MemoryStore,
    Principal,
    Reply,
    govern,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHARED = Path(__file__).parents[2] / "shared-policies"
WEDNESDAY = int(datetime(2026, 1, 7, 10, tzinfo=UTC).timestamp()) * 10**9
SUNDAY = int(datetime(2026, 1, 11, 10, tzinfo=UTC).timestamp()) * 10**9


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Callable[..., Guard]]:
    """Make guards that are closed in the end."""
    made: list[Guard] = []

    def make(policy: Path, **settings: Any) -> Guard:
        made.append(Guard(policy, home=tmp_path / f"home-{len(made)}", **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


def adapted(pack: str, tmp_path: Path, old: str, new: str) -> Path:
    """Return a copy of a pack with another folder in it."""
    text = (SHARED / pack / "policy.yaml").read_text()
    assert old in text
    policy = tmp_path / "policy.yaml"
    policy.write_text(text.replace(old, new))
    return policy


@pytest.mark.parametrize(
    ("pack", "folder", "group"),
    [("coding-agent", "/workspace", "developer"), ("mcp-client", "/projects", "operator")],
)
def test_a_link_out_of_the_project_is_followed_before_the_decision(
    pack: str, folder: str, group: str, tmp_path: Path, guard: Callable[..., Guard]
) -> None:
    """BOX-3"""
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "outside.txt").write_text("private")
    (project / "inside.txt").write_text("public")
    (project / "link.txt").symlink_to(tmp_path / "outside.txt")

    def read_file(path: str) -> str:
        return Path(path).read_text()

    policy = adapted(pack, tmp_path, folder, str(project))
    safe = govern(read_file, guard=guard(policy, approvers={group: ["os:alice"]}))
    assert safe(str(project / "inside.txt")) == "public"
    for path in (project / "link.txt", project / ".." / "outside.txt", tmp_path / "outside.txt"):
        with pytest.raises(ActionDenied, match="by their absolute path"):
            safe(str(path))


def test_a_key_in_a_file_does_not_reach_the_model(guard: Callable[..., Guard]) -> None:
    def read_file(path: str) -> str:
        return f"{path}: AKIAIOSFODNN7EXAMPLE"

    safe = govern(
        read_file, guard=guard(SHARED / "coding-agent", approvers={"developer": ["os:alice"]})
    )
    assert safe("/workspace/a.py") == "/workspace/a.py: [REDACTED:aws_access_key]"


class Bank:
    """Payments under the pack `finance`: what was paid, and who was asked about it."""

    def __init__(
        self, guard: Callable[..., Guard], *roles: str, at: int = WEDNESDAY, says: bool = True
    ) -> None:
        self.paid: list[float] = []
        self.asked: list[float] = []
        started = time.time_ns()

        def create_payment(
            from_account: str, beneficiary_id: str, amount: float, currency: str, reference: str
        ) -> str:
            self.paid.append(amount)
            return "paid"

        def answer(request: Any) -> Reply:
            self.asked.append(json.loads(request.arguments)["amount"])
            return Reply("os:alice", approved=says)

        self.pay = govern(
            create_payment,
            guard=guard(
                SHARED / "finance",
                store=MemoryStore(),
                principal=Principal("payments-1", roles=roles),
                approvers={"treasury": ["os:alice", "os:bob"], "head-of-finance": ["os:carol"]},
                approver=CallbackApprover(answer),
                clock=Clock(lambda: at + time.time_ns() - started),
            ),
        )

    def __call__(self, amount: float) -> str:
        """Pay an amount to a beneficiary."""
        return self.pay("main", "b-17", amount, "EUR", "invoice 4711")


def test_a_payment_asks_whom_the_pack_names(guard: Callable[..., Guard]) -> None:
    bank = Bank(guard, "payer")
    assert bank(500) == "paid"
    assert bank.asked == []
    assert bank(501) == "paid"
    assert bank.asked == [501]


def test_a_payment_that_is_refused_is_not_made(guard: Callable[..., Guard]) -> None:
    refusing = Bank(guard, "payer", says=False)
    with pytest.raises(ActionDenied):
        refusing(501)
    with pytest.raises(ActionDenied, match="come back then"):
        Bank(guard, "payer", at=SUNDAY)(501)
    with pytest.raises(ActionDenied, match="hand the payment over"):
        Bank(guard, "clerk")(5)
    assert refusing.paid == []
