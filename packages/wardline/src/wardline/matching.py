"""Which rules hold for an action, and which fail while they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from wardline.activation import UNLISTED, UNLISTED_FOR_ALLOW
from wardline.decision import Failure
from wardline.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from wardline.action import Principal
    from wardline.activation import Activation
    from wardline.facts import Facts
    from wardline.policy.groups import Group
    from wardline.policy.model import Document, Rule

__all__ = ["match_rules", "tool_view"]


class _Look(NamedTuple):
    """How the rules of a group look at an action: what `tool` is to them, and `action.type` in turn.

    A rule holds if it does under one of the types.
    """

    group: Group
    tool: Mapping[str, Any]
    types: tuple[str, ...]


class _Found:
    """What was found so far."""

    __slots__ = ("failed", "matched")

    def __init__(self) -> None:
        self.matched: list[Rule] = []
        self.failed: list[Failure] = []

    def ask(self, rule: Rule, env: Activation, types: Iterable[str]) -> None:
        """Evaluate one rule strictly."""
        program = rule.program
        assert program is not None, "a rule without a condition is not asked"
        problem: EvaluationError | None = None
        for type_ in types:
            env.type = type_
            try:
                if program.test(env):
                    self.matched.append(rule)
                    return
            except EvaluationError as error:
                problem = error
        if problem is not None:
            self.failed.append(Failure(rule, str(problem)))


def match_rules(
    env: Activation,
    verb: str,
    groups: Iterable[Group],
    applied: Iterable[tuple[Document, bool]],
    facts: Facts,
) -> tuple[list[Rule], list[Failure]]:
    """Return the rules that hold and those that failed, each by ordinal.

    The answer, and what is left of the budget of `env`, is that of evaluating rule after rule. That
    is what happens where the budget runs out, since then their order tells; as long as it lasts, what
    each group spends adds up in any order, so that many conditions can be evaluated at once.
    """
    own, before = env.type, env.budget
    looks = list(_looks(own, verb, groups, applied, facts))
    found = _together(env, looks)
    if env.budget < 0:
        env.budget = before
        found = _in_order(env, looks)
    env.type = own
    return found.matched, found.failed


def _together(env: Activation, looks: Iterable[_Look]) -> _Found:
    found = _Found()
    for group, tool, all_types in looks:
        rules, types = group.rules, all_types
        if group.always:
            found.matched += rules
            continue
        env.tool = tool
        env.type = types[0]
        holds, doubts = group.batch.screen(env)
        if len(types) > 1:
            if holds or doubts:
                # A rule that holds is not looked at again, so the rest is asked one by one.
                known = {*holds, *doubts}
                for number, rule in enumerate(rules):
                    if number not in known:
                        found.ask(rule, env, types[1:])
            else:
                types = types[1:]
                env.type = types[0]
                holds, doubts = group.batch.screen(env)
        if holds:
            found.matched += [rules[number] for number in holds]
        for number in doubts:
            found.ask(rules[number], env, types)
    if len(found.matched) > 1:
        found.matched.sort(key=lambda rule: rule.ordinal)
    if len(found.failed) > 1:
        found.failed.sort(key=lambda failure: failure.rule.ordinal)
    return found


def _in_order(env: Activation, looks: Iterable[_Look]) -> _Found:
    found = _Found()
    rules = [(rule, look) for look in looks for rule in look.group.rules]
    rules.sort(key=lambda pair: pair[0].ordinal)
    for rule, (group, tool, types) in rules:
        if group.always:
            found.matched.append(rule)
        else:
            env.tool = tool
            found.ask(rule, env, types)
    return found


def _looks(
    own: str,
    verb: str,
    groups: Iterable[Group],
    applied: Iterable[tuple[Document, bool]],
    facts: Facts,
) -> Iterator[_Look]:
    """Yield how each group looks at the action, without those that do not."""
    documents = {document.name: (document, acting) for document, acting in applied}
    for group in groups:
        known = documents.get(group.document)
        if known is None:
            continue
        document, acting = known
        restricting = group.restricting
        if not (restricting or acting):
            continue
        if group.agent is not None and not _is_agent(group, facts.principal):
            continue
        if facts.error is not None and not (group.always or group.reads_error):
            continue  # what failed has no result that the other rules on `after` could read
        types: tuple[str, ...] = (own,)
        if verb and verb != own and group.reads_type:
            types = _types(own, verb, document, restricting=restricting)
        tool = tool_view(document, own, restricting=restricting) if group.reads_tool else UNLISTED
        yield _Look(group, tool, types)


def _types(own: str, verb: str, document: Document, *, restricting: bool) -> tuple[str, ...]:
    """Return the values of `action.type` under which rules look at the action."""
    if restricting:
        return (own, verb)
    entry = document.tools.find(own)
    return (verb,) if entry is not None and entry.type_from == "action" else (own,)


def tool_view(document: Document, type_: str, *, restricting: bool) -> Mapping[str, Any]:
    """Return what a rule of `document` sees as `tool`, for the tool of this type."""
    entry = document.tools.find(type_)
    if entry is not None:
        return entry.view
    return UNLISTED if restricting else UNLISTED_FOR_ALLOW


def _is_agent(group: Group, principal: Principal) -> bool:
    """Whether the rules are for this principal; restricting ones also for anybody it acts for."""
    assert group.agent is not None
    match = group.agent.match
    if match(principal.id) or match(principal.name or principal.id):
        return True
    return group.restricting and any(match(member) for member in principal.chain)
