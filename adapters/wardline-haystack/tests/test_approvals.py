"""A run that waits for somebody: it ends, and goes on in another process."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from haystack.dataclasses import ChatMessage

from wardline import Operator, Reply
from wardline_haystack import questions

ASK = """
default_action: allow
rules:
  - {name: ask, tool: pay, action: require_approval, approvers: ["os:alice"]}
"""
HOW = pytest.mark.parametrize("how", ["sync", "async"])


def payer(home: Path, *answer: str) -> Any:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("payer.py")), str(home), *answer],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def test_a_run_goes_on_in_another_process_and_pays_once(tmp_path: Path) -> None:
    out = payer(tmp_path)
    assert out["exit"] == "approval_required"
    (asked,) = out["questions"]
    assert (asked["tool"], asked["arguments"]) == ("pay", {"to": "bob"})
    assert asked["approvers"] == ["os:alice"]
    assert lines(tmp_path / "paid") == []
    saved = (tmp_path / "messages.json").read_text()
    out = payer(tmp_path, "yes")
    assert out["exit"] == "text"
    assert lines(tmp_path / "paid") == ["bob"]
    assert lines(tmp_path / "looked") == ["it"]
    roles = [role for role, _, _ in out["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "tool", "assistant"]
    assert [results for _, _, results in out["messages"] if results] == [["seen"], ["paid bob"]]
    (tmp_path / "messages.json").write_text(saved)
    out = payer(tmp_path)
    assert lines(tmp_path / "paid") == ["bob"]
    assert any("already run" in text for _, _, texts in out["messages"] for text in texts)


def run(agent: Any, how: str, messages: Any = None, **context: Any) -> Any:
    given = {
        "messages": messages or [ChatMessage.from_user("go")],
        "hook_context": {"wardline": context},
    }
    return agent.run(**given) if how == "sync" else asyncio.run(agent.run_async(**given))


@HOW
def test_an_answer_that_was_given_elsewhere_counts(world: Any, how: str) -> None:
    guard = world.guard(ASK)
    agent = world.agent(guard, world.turn(("pay", {"to": "bob"})), suspend=True)
    out = run(agent, how)
    assert out["exit_reason"] == "approval_required"
    (asked,) = questions(out)
    guard.answer(asked["approval"], Reply("os:alice", approved=True))
    out = run(agent, how, out["messages"])
    assert out["last_message"].text == "done"
    assert world.ran == [("pay", "bob", 1)]
    assert questions(out) == []


@HOW
def test_a_no_is_told_to_the_model(world: Any, how: str) -> None:
    agent = world.agent(ASK, world.turn(("pay", {"to": "bob"})), suspend=True)
    out = run(agent, how)
    (asked,) = questions(out)
    answer = {"approval": asked["approval"], "approved": False, "by": "os:alice"}
    out = run(agent, how, out["messages"], answers=[answer])
    assert out["exit_reason"] == "text"
    assert "os:alice" in world.results(out)[0][0]
    assert world.ran == []


@HOW
def test_an_answer_that_does_not_count_asks_again_and_says_why(world: Any, how: str) -> None:
    agent = world.agent(ASK, world.turn(("pay", {"to": "bob"})), suspend=True)
    out = run(agent, how)
    (asked,) = questions(out)
    answer = {"approval": asked["approval"], "approved": True, "by": "os:mallory"}
    out = run(agent, how, out["messages"], answers=[answer])
    assert out["exit_reason"] == "approval_required"
    (again,) = questions(out)
    assert again["approval"] == asked["approval"]
    assert "os:mallory" in again["why"]
    assert world.ran == []


def test_two_questions_of_one_answer_are_answered_one_after_the_other(world: Any) -> None:
    agent = world.agent(
        ASK, world.turn(("pay", {"to": "ada"}), ("pay", {"to": "bob"})), suspend=True
    )
    out = run(agent, "sync")
    first, second = questions(out)

    def yes(asked: Any) -> Any:
        return {"approval": asked["approval"], "approved": True, "by": "os:alice"}

    out = run(agent, "sync", out["messages"], answers=[yes(second)])
    assert [one["approval"] for one in questions(out)] == [first["approval"]]
    assert world.ran == [("pay", "bob", 1)]
    out = run(agent, "sync", out["messages"], answers=[yes(first)])
    assert world.ran == [("pay", "bob", 1), ("pay", "ada", 1)]
    assert out["exit_reason"] == "text"


def test_a_switch_that_was_thrown_meanwhile_binds(world: Any) -> None:
    guard = world.guard(ASK, store=None)
    agent = world.agent(guard, world.turn(("pay", {"to": "bob"})), suspend=True)
    out = run(agent, "sync")
    (asked,) = questions(out)
    guard.answer(asked["approval"], Reply("os:alice", approved=True))
    with Operator(world.home) as operator:
        operator.freeze("everything", "", "drill")
    out = run(agent, "sync", out["messages"])
    assert world.ran == []
    assert out["exit_reason"] != "approval_required"


@HOW
def test_without_suspension_the_model_hears_what_is_pending(world: Any, how: str) -> None:
    out = run(world.agent(ASK, world.turn(("pay", {"to": "bob"}))), how)
    assert "asks for the approval of os:alice" in world.results(out)[0][0]
    assert out["exit_reason"] == "text"
