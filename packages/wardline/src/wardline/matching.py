"""Which rules hold for an action, and which fail while they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wardline.activation import UNLISTED
from wardline.decision import Failure
from wardline.errors import EvaluationError
from wardline.views import is_for, tool_view, types_seen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from wardline.activation import Activation
    from wardline.facts import Facts
    from wardline.policy.groups import Candidates, Group
    from wardline.policy.model import Document, Rule

__all__ = ["match_rules"]

_MOST_KEPT: Final = 256


class _Look(NamedTuple):
    """How the rules of a group look at an action: what `tool` is to them, and `action.type` in turn.

    A rule holds if it does under one of the types.
    """

    group: Group
    tool: Mapping[str, Any]
    types: tuple[str, ...]


def match_rules(
    env: Activation,
    verb: str,
    candidates: Candidates,
    applied: tuple[tuple[Document, bool], ...],
    facts: Facts,
) -> tuple[list[Rule], list[Failure]]:
    """Return the rules that hold and those that failed, each by ordinal.

    The answer, and what is left of the budget of `env`, is that of evaluating rule after rule. That
    is what happens where the budget runs out, since then their order tells; as long as it lasts, what
    each group spends adds up in any order, so that many conditions can be evaluated at once.
    """
    own, before = env.type, env.budget
    # Who acts, what failed and an unknown verb are not the policy's: with them nothing is kept.
    steady = facts.error is None and not candidates.has_agents
    if steady and verb and verb != own:
        steady = not candidates.reads_type
    looks: tuple[_Look, ...] | None = candidates.kept.get(applied) if steady else None
    if looks is None:
        looks = tuple(_looks(own, verb, candidates, applied, facts))
        if steady:
            if len(candidates.kept) >= _MOST_KEPT:
                candidates.kept.clear()
            candidates.kept[applied] = looks
    found = _together(env, looks)
    if env.budget < 0:
        env.budget = before
        env.facets.clear()  # what is parsed is paid for once
        found = _in_order(env, looks)
    env.type = own
    return found


def _together(env: Activation, looks: Iterable[_Look]) -> tuple[list[Rule], list[Failure]]:
    matched: list[Rule] = []
    failed: list[Failure] = []
    for group, tool, types in looks:
        rules = group.rules
        if group.always:
            matched += rules
            continue
        env.tool = tool
        env.type = types[0]
        left = types
        holds, doubts = group.batch.screen(env)
        if len(types) > 1:
            if holds or doubts:
                # A rule that holds is not looked at again, so the rest is asked one by one.
                known = {*holds, *doubts}
                for number, rule in enumerate(rules):
                    if number not in known:
                        _ask(rule, env, types[1:], matched, failed)
            else:
                left = types[1:]
                env.type = left[0]
                holds, doubts = group.batch.screen(env)
        if holds:
            matched += [rules[number] for number in holds]
        for number in doubts:
            _ask(rules[number], env, left, matched, failed)
    if len(matched) > 1:
        matched.sort(key=lambda rule: rule.ordinal)
    if len(failed) > 1:
        failed.sort(key=lambda failure: failure.rule.ordinal)
    return matched, failed


def _in_order(env: Activation, looks: Iterable[_Look]) -> tuple[list[Rule], list[Failure]]:
    matched: list[Rule] = []
    failed: list[Failure] = []
    rules = [(rule, look) for look in looks for rule in look.group.rules]
    rules.sort(key=lambda pair: pair[0].ordinal)
    for rule, (group, tool, types) in rules:
        if group.always:
            matched.append(rule)
        else:
            env.tool = tool
            _ask(rule, env, types, matched, failed)
    return matched, failed


def _ask(
    rule: Rule,
    env: Activation,
    types: Iterable[str],
    matched: list[Rule],
    failed: list[Failure],
) -> None:
    """Evaluate one rule strictly and add it where it belongs."""
    program = rule.program
    assert program is not None, "a rule without a condition is not asked"
    problem: EvaluationError | None = None
    for type_ in types:
        env.type = type_
        try:
            if program.test(env):
                matched.append(rule)
                return
        except EvaluationError as error:
            problem = error
    if problem is not None:
        failed.append(Failure(rule, str(problem)))


def _looks(
    own: str,
    verb: str,
    candidates: Candidates,
    applied: Iterable[tuple[Document, bool]],
    facts: Facts,
) -> Iterator[_Look]:
    """Yield how each group looks at the action, without those that do not."""
    documents = {document.name: (document, acting) for document, acting in applied}
    for group in candidates.groups:
        known = documents.get(group.document)
        if known is None:
            continue
        document, acting = known
        if not (group.restricting or acting):
            continue
        if group.agent is not None and not is_for(group, facts.principal):
            continue
        if facts.error is not None and not (group.always or group.reads_error):
            continue  # what failed has no result that the other rules on `after` could read
        tool = tool_view(group, document, own) if group.reads_tool else UNLISTED
        yield _Look(group, tool, types_seen(group, document, own, verb))
