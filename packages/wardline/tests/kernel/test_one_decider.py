"""What holds of the decider as a whole: one vocabulary, all kinds, and cost that does not grow."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from wardline import (
    KINDS,
    Action,
    Decision,
    Facts,
    Guard,
    MemoryStore,
    Principal,
    decide,
    explain,
    parse_policies,
)
from wardline.action import DEFAULT_KINDS
from wardline.decision import EFFECTS

HEAD = "apiVersion: wardline/v1\nname: p\n"
ME = Principal("me")


def facts(**given: Any) -> Facts:
    return Facts(ME, {"id": "s", "depth": 0}, {"id": "r", "depth": 0}, 1, **given)


@pytest.mark.parametrize("kind", KINDS)
def test_ENG_14_every_kind_can_be_decided_on(kind: str, tmp_path: Any) -> None:
    rule = f"rules: [{{name: no, on: {kind}, action: deny}}]\n"
    silent, strict = parse_policies(HEAD), parse_policies(HEAD + "default_action: allow\n" + rule)
    with Guard(strict, home=tmp_path, store=MemoryStore()) as guard:
        guard.register(kind, "x")
        assert guard.screen([Action(kind, "x", {})])[0] is not None
    default = decide(silent, Action(kind, "x", {}), facts())
    assert default.effect == ("deny" if kind in DEFAULT_KINDS else "allow")


def test_WRAP_9_what_only_advises_changes_nothing_and_its_failure_is_recorded() -> None:
    broken = (
        "rules:\n"
        "- {name: main, tool: t, action: allow}\n"
        "- {name: watch, tool: t, mode: audit, action: deny, condition: 'size(args.x) > 0'}\n"
        "- {name: note, tool: t, action: audit, condition: 'args.x.y == 1'}\n"
        "tools: {t: {args: {x: map}}}\n"
    )
    policies = parse_policies(HEAD + broken)
    held = decide(policies, Action("tool_call", "t", {"x": {"y": 1}}), facts())
    assert (held.effect, held.rule) == ("allow", "main")
    assert [(one.rule, one.effect) for one in held.advice] == [("watch", "deny")]
    failing = decide(policies, Action("tool_call", "t", {"x": 3}), facts())
    assert (failing.effect, failing.rule) == ("allow", "main")
    assert {failure.rule.name for failure in failing.failed} == {"watch", "note"}


def test_ENG_10_one_vocabulary_and_one_strategy_wherever_one_asks() -> None:
    """The strictest of all combinations of effects, by `decide` and by `explain` alike."""
    strict = {effect: rank for rank, effect in enumerate(EFFECTS)}
    for effects in itertools.product(EFFECTS, repeat=3):
        rules = "".join(
            f"- {{name: r{i}, tool: t, action: {effect}}}\n" for i, effect in enumerate(effects)
        )
        policies = parse_policies(f"{HEAD}approvers: ['os:a']\nrules:\n{rules}")
        action = Action("tool_call", "t", {})
        wanted = max(effects, key=strict.__getitem__)
        assert decide(policies, action, facts()).effect == wanted
        assert explain(policies, action, facts()).decision.effect == wanted


def test_ENG_12_ten_thousand_anchored_rules_cost_what_a_hundred_do() -> None:
    def looked_at(count: int) -> int:
        rules = "".join(
            f"- {{name: r{i}, condition: \"action.type == 'tool-{i}'\", action: deny}}\n"
            for i in range(count)
        )
        policies = parse_policies(f"{HEAD}default_action: allow\nrules:\n{rules}")
        found = policies.candidates("tool_call", "before", "tool-7", "tool-7").rules
        assert [rule.name for rule in found] == ["r7"]
        return len(policies.candidates("tool_call", "before", "other", "other").rules)

    assert looked_at(100) == looked_at(10_000) == 0


def test_ENG_8_a_decision_is_made_by_nothing_outside_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*args: Any, **options: Any) -> Any:
        raise AssertionError("a decision reached for the outside")

    policies = parse_policies(
        HEAD + "tools: {t: {args: {x: string}}}\nrules:\n- {name: r, tool: t, action: allow, "
        "condition: \"args.x.matches('^a+b') && path('/srv/' + args.x).under('/srv')\"}\n"
    )
    for name in ("subprocess.Popen", "os.fork", "socket.socket", "builtins.open", "time.time_ns"):
        monkeypatch.setattr(name, never)
    decision = decide(policies, Action("tool_call", "t", {"x": "aab"}), facts())
    monkeypatch.undo()
    assert isinstance(decision, Decision)
    assert decision.effect == "allow"
