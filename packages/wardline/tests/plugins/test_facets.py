"""What other distributions bring to conditions, found by their entry points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from wardline.action import Action, Principal
from wardline.activation import BUDGET, Activation
from wardline.decide import decide
from wardline.errors import ConfigurationError, EvaluationError, PolicyError
from wardline.facts import Facts
from wardline.matching import match_rules
from wardline.plugins import installed
from wardline.policy import parse_policies

if TYPE_CHECKING:
    from collections.abc import Callable

    from wardline.decision import Decision
    from wardline.policy import PolicySet

    Install = Callable[..., None]

pytestmark = pytest.mark.skipif(
    "sql" in installed("wardline.facets"), reason="wardline-facets is installed"
)

VIEW = '{"statements": [text], "writes": "DROP" in text, "verbs": ["DROP"], "tables": [], "opaque": False}'
WRITES = "has(args.query) && sql(args.query).writes"


def ask(condition: str, args: dict[str, Any], effect: str = "deny") -> Decision:
    default = "allow" if effect == "deny" else "deny"
    policies = parse_policies(
        f"apiVersion: wardline/v1\nname: p\ndefault_action: {default}\nrules:\n"
        f'- {{name: r, condition: "{condition}", action: {effect}}}\n'
    )
    return decide(policies, Action("tool_call", "t", args), Facts(Principal("a"), {}, {}, 0))


@pytest.mark.parametrize("function", ["sql", "shell", "pii", "secrets"])
def test_without_the_distribution_the_policy_does_not_load(function: str) -> None:
    field = {"sql": ".writes", "shell": ".writes"}.get(function, " == []")
    with pytest.raises(PolicyError, match="needs the package wardline-facets") as caught:
        ask(f"has(args.q) && {function}(args.q){field}", {})
    assert "pip install wardline-facets" in str(caught.value)
    assert caught.value.problems[0].column > 0


@pytest.fixture
def brought(install: Install) -> Install:
    install(
        "wardline.facets",
        "sql",
        f"calls = []\ndef view(text, dialect=''):\n    calls.append((text, dialect))\n    return {VIEW}\n",
    )
    return install


def test_a_facet_is_read_by_conditions(brought: Install) -> None:
    assert ask(WRITES, {"query": "DROP TABLE t"}).effect == "deny"
    assert ask(WRITES, {"query": "SELECT 1"}).effect == "allow"
    verbs = "has(args.query) && sql(args.query).verbs.exists(v, v == 'DROP')"
    assert ask(verbs, {"query": "x"}).effect == "deny"


def test_a_facet_is_worked_out_once(brought: Install) -> None:
    twice = f"{WRITES} || ({WRITES}) || sql(args.query, 'mysql').writes"
    ask(f"has(args.query) && ({twice})", {"query": "SELECT 1"})
    import brought_sql  # type: ignore[import-not-found]

    assert brought_sql.calls == [("SELECT 1", ""), ("SELECT 1", "mysql")]


def test_what_is_not_text_fails_and_a_failure_denies(brought: Install) -> None:
    decision = ask(WRITES, {"query": 5})
    assert decision.effect == "deny"
    assert "`sql` is not defined for int" in decision.reason
    assert ask(WRITES, {"query": 5}, "allow").effect == "deny"


def test_a_text_too_long_for_one_decision_denies(brought: Install) -> None:
    decision = ask(WRITES, {"query": "x" * 60_000})
    assert decision.effect == "deny"
    assert "more steps" in decision.reason


@pytest.mark.parametrize(
    "view", ["{}", "{**V, 'more': 1}", "{**V, 'writes': 'yes'}", "{**V, 'verbs': None}"]
)
def test_a_view_of_another_shape_denies(install: Install, view: str) -> None:
    install(
        "wardline.facets",
        "sql",
        f"def view(text, dialect=''):\n    V = {VIEW}\n    return {view}\n",
    )
    decision = ask(WRITES, {"query": "SELECT 1"})
    assert decision.effect == "deny"
    assert "another shape" in decision.reason


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("sql(args.q).verb == []", "did you mean `verbs`"),
        ("sql(args.q, 5).writes", "wants a string, not an integer"),
        ("sql(args.q)", "wants true or false, not a view of SQL"),
        ("sql(args.q) == 'x'", "never equal"),
    ],
)
def test_views_are_checked_when_the_policy_loads(
    brought: Install, condition: str, message: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        ask(f"has(args.q) && {condition}", {})
    assert message.casefold() in str(caught.value).casefold()


def test_two_distributions_that_bring_the_same_are_refused(install: Install) -> None:
    install("wardline.facets", "sql", "")
    install("wardline.facets", "sql", "", "other")
    with pytest.raises(ConfigurationError, match="brought_sql and other: uninstall one"):
        ask(WRITES, {})


def test_what_is_parsed_is_paid_for_once_whatever_the_budget(brought: Install) -> None:
    """The rules stand in two groups; where the budget runs out, their order tells which of them fails."""
    policies = parse_policies(
        "apiVersion: wardline/v1\nname: p\nrules:\n"
        f'- {{name: r0, condition: "{WRITES}", action: audit}}\n'
        f'- {{name: r1, condition: "{WRITES}", action: deny}}\n'
        f'- {{name: r2, condition: "{WRITES}", action: audit}}\n'
    )
    action = Action("tool_call", "t", {"query": "DROP TABLE t"})
    facts = Facts(Principal("a"), {}, {}, 0)
    candidates = policies.candidates("tool_call", "before", "t", "t")

    def fresh(budget: int) -> Activation:
        env = Activation(action, facts, action.args, None)
        env.budget = budget
        return env

    needed = BUDGET - _one_by_one(policies, fresh(BUDGET))[2]
    seen = set()
    for budget in range(needed + 3):
        env = fresh(budget)
        matched, failed = match_rules(
            env, "", candidates, policies.applicable(facts.principal), facts
        )
        found = [rule.name for rule in matched], [one.rule.name for one in failed], env.budget
        assert found == _one_by_one(policies, fresh(budget))
        seen.add(len(matched))
    assert seen == {0, 1, 2, 3}


def _one_by_one(policies: PolicySet, env: Activation) -> tuple[list[str], list[str], int]:
    matched, failed = [], []
    for rule in policies.rules:
        assert rule.program is not None
        try:
            if rule.program.test(env):
                matched.append(rule.name)
        except EvaluationError:
            failed.append(rule.name)
    return matched, failed, env.budget
