"""The decision: pure, the only one there is, and the same for run, lint, test, explain and replay.

Every document that applies gives its own effect and the strictest holds. Inside a document
`deny` > `require_approval` > `allow` > its default. Order never matters. A rule whose condition
fails while it runs denies, unless it is an `allow` rule, which then does not match. Switches, limits
and the refusal of unknown names are standing rules, decided here and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wardline.action import DEFAULT_KINDS
from wardline.activation import Activation
from wardline.canonical import Plain, private_copy
from wardline.changes import apply_changes
from wardline.decision import ALLOW, ASK, DENY, Advice, Ask, Decision, Failure
from wardline.detectors import masks
from wardline.errors import CanonicalError, EvaluationError
from wardline.matching import match_rules
from wardline.policy.groups import Candidates, Group
from wardline.verdict import ENGINE_RULE, Verdict
from wardline.views import tool_view

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from wardline.action import Action
    from wardline.changes import Path
    from wardline.facts import Facts
    from wardline.policy.compile import PolicySet
    from wardline.policy.model import Consulted, Document, Limit, Rule

__all__ = ["decide", "is_consulted", "look_at"]

_RANK: Final = {ALLOW: 0, ASK: 1, DENY: 2}
_CHANGES: Final = frozenset({"redact", "transform"})
_NONE: Final[tuple[Any, ...]] = ()
_MOST_INTERNED: Final = 4096
_LAST_OF_OURS: Final = 1 << 30


def decide(policies: PolicySet, action: Action, facts: Facts) -> Decision:
    """Return the decision on `action` under `policies`, given `facts`.

    It reads nothing else: no file, clock or randomness. Never raises for an action of plain data.
    """
    if facts.switches:
        return _switched(policies, facts)
    if not facts.registered:
        return _standing(policies, "builtin:registered", "no tool of this name is registered")
    applied = policies.applicable(facts.principal)
    if not applied or not applied[0][1]:
        return _standing(policies, "builtin:no-policy", "no policy document applies to this agent")
    candidates = policies.candidates(
        action.kind, action.stage, action.name, action.type, action.verb
    )
    if not candidates.groups:
        return _settle(policies, action, facts, applied, _NONE, _NONE, None)
    matched, failed, replacement = _evaluate(policies, action, facts, applied, candidates)
    return _settle(policies, action, facts, applied, matched, failed, replacement)


def _settle(
    policies: PolicySet,
    action: Action,
    facts: Facts,
    applied: tuple[tuple[Document, bool], ...],
    matched: tuple[Rule, ...],
    failed: tuple[Failure, ...],
    replacement: Plain | None,
) -> Decision:
    """Combine what was found; answers that depend on nothing but the rules are made once."""
    if failed or replacement is not None or facts.exceeded or facts.modes or facts.verdicts:
        return _combine(policies, action, facts, applied, matched, failed, replacement)
    key = (applied, action.kind, action.stage, action.name, matched)
    known = policies.interned.get(key)
    if known is None:
        if len(policies.interned) >= _MOST_INTERNED:
            policies.interned.clear()
        known = _combine(policies, action, facts, applied, matched, failed, replacement)
        policies.interned[key] = known
    return known


# Which rules hold


def _evaluate(
    policies: PolicySet,
    action: Action,
    facts: Facts,
    applied: tuple[tuple[Document, bool], ...],
    candidates: Candidates,
) -> tuple[tuple[Rule, ...], tuple[Failure, ...], Plain | None]:
    """Return the rules that hold, those that failed, and the new arguments or result if any."""
    env = Activation(action, facts, action.args, facts.result)
    matched, failed = match_rules(env, action.verb, candidates, applied, facts)
    if not candidates.changes or facts.error is not None:
        return tuple(matched), tuple(failed), None  # what failed has no result to change
    documents = {document.name: document for document, _ in applied}
    changes = [
        rule
        for rule in matched
        if rule.action in _CHANGES and _binds(rule, documents[rule.document], facts)
    ]
    if not changes:
        return tuple(matched), tuple(failed), None
    replacement, broken = _changed(env, action, facts, changes, documents)
    if replacement is None:
        return tuple(matched), (*failed, *broken), None
    # Restricting rules hold on what came in and on what would run.
    if action.stage == "before":
        after = Activation(action, facts, replacement.tree, facts.result)
        verb = action.verb_of(replacement.tree)
        candidates = policies.candidates(action.kind, action.stage, action.name, action.type, verb)
    else:
        after = Activation(action, facts, action.args, replacement.tree)
        verb = action.verb
    after.budget = env.budget
    more, broken = match_rules(after, verb, candidates.again(), applied, facts)
    return (
        tuple(dict.fromkeys((*matched, *more))),
        (*failed, *(one for one in broken if all(one.rule is not known.rule for known in failed))),
        replacement,
    )


def look_at(
    rule: Rule, document: Document, action: Action, facts: Facts, *, acting: bool
) -> tuple[list[Rule], list[Failure]]:
    """Return whether one rule holds, as ([rule], []), fails, as ([], [failure]), or neither."""
    env = Activation(action, facts, action.args, facts.result)
    candidates = Candidates((Group((rule,)),))
    return match_rules(env, action.verb, candidates, ((document, acting),), facts)


def _binds(rule: Rule, document: Document, facts: Facts) -> bool:
    return rule.mode != "audit" and facts.modes.get(document.name, document.mode) != "audit"


def _changed(
    env: Activation,
    action: Action,
    facts: Facts,
    rules: Sequence[Rule],
    documents: Mapping[str, Document],
) -> tuple[Plain | None, list[Failure]]:
    """Return what redact and transform rules make of the arguments, or on `after` of the result.

    None where they change nothing or one of them fails.
    """
    values: dict[Rule, list[tuple[Path, Any]]] = {}
    for rule in rules:
        env.tool = tool_view(rule, documents[rule.document], action.type)
        try:
            values[rule] = [
                (path, private_copy(program.value(env), root="set").tree)
                for path, program in rule.set
            ]
        except (EvaluationError, CanonicalError) as error:
            return None, [Failure(rule, str(error))]
    before = action.args if action.stage == "before" else facts.result

    def made(some: Sequence[Rule]) -> tuple[Any, bool]:
        redacted = (path for rule in some if not rule.detectors for path in rule.paths)
        wanted = [(rule.paths, rule.detectors) for rule in some if rule.detectors]
        found = masks(before, wanted, env.spend) if wanted else {}
        assigned = (one for rule in some for one in values[rule])
        return apply_changes(before, redacted, assigned, found)

    try:
        tree, changed = made(rules)
        # It shares what did not change; the guard copies what it lets out of its hands.
        return (Plain(tree, simple=False) if changed else None), []
    except EvaluationError as error:
        return None, [Failure(_culprit(rules, made), str(error))]


def _culprit(rules: Sequence[Rule], made: Callable[[Sequence[Rule]], object]) -> Rule:
    """Return the first rule with which the changes no longer fit together."""
    fits, fails = 0, len(rules)
    while fails - fits > 1:
        middle = (fits + fails) // 2
        try:
            made(rules[:middle])
            fits = middle
        except EvaluationError:
            fails = middle
    return rules[fails - 1]


# What follows from them


def _combine(
    policies: PolicySet,
    action: Action,
    facts: Facts,
    applied: tuple[tuple[Document, bool], ...],
    matched: tuple[Rule, ...],
    failed: tuple[Failure, ...],
    replacement: Plain | None,
) -> Decision:
    claims: list[_Claim] = []
    advice: list[Advice] = []
    for document, acting in applied:
        own = _claims(document, action, facts, matched, failed)
        mode = facts.modes.get(document.name, document.mode)
        if mode == "audit":
            always = [claim for claim in own if claim.always]
            advice += [
                claim.advice() for claim in own if claim.effect != ALLOW and not claim.always
            ]
            claims += always or [_default(document, ALLOW)]
            continue
        binding = [claim for claim in own if claim.binds]
        advice += [claim.advice() for claim in own if not claim.binds]
        if not binding:
            binding = [_default(document, _default_effect(document, mode, action, acting=acting))]
        claims += binding
    claims.sort(key=_strictest)
    first = claims[0]
    return Decision(
        first.effect,
        rule=first.rule,
        policy=policies.digest,
        document=first.document,
        reason=first.reason,
        file=first.file,
        line=first.line,
        matched=matched,
        failed=failed,
        asks=tuple(claim.ask for claim in claims if claim.ask) if first.effect == ASK else (),
        advice=tuple(advice),
        replacement=replacement,
    )


class _Claim:
    """The effect that one rule, limit or default of one document asks for.

    `binds` says whether it does so in its document's own mode, `always` that it does in every mode.
    """

    __slots__ = (
        "always",
        "ask",
        "binds",
        "document",
        "effect",
        "file",
        "line",
        "order",
        "reason",
        "rule",
    )

    def __init__(
        self,
        effect: str,
        document: str,
        rule: str,
        *,
        reason: str = "",
        file: str = "",
        line: int = 0,
        order: int = _LAST_OF_OURS,
        binds: bool = True,
        always: bool = False,
        ask: Ask | None = None,
    ) -> None:
        self.effect = effect
        self.document = document
        self.rule = rule
        self.reason = reason
        self.file = file
        self.line = line
        self.order = order
        self.binds = binds
        self.always = always
        self.ask = ask

    def advice(self) -> Advice:
        """Return what the claim would have done."""
        return Advice(self.document, self.rule, self.effect)


def _strictest(claim: _Claim) -> tuple[int, int, str, str]:
    return -_RANK[claim.effect], claim.order, claim.document, claim.rule


def _claims(
    document: Document,
    action: Action,
    facts: Facts,
    matched: Iterable[Rule],
    failed: Iterable[Failure],
) -> list[_Claim]:
    """Return what a document asks for beyond its default."""
    claims = [
        _of_rule(rule, document, rule.action)
        for rule in matched
        if rule.document == document.name and rule.action in _RANK
    ]
    for failure in failed:
        rule = failure.rule
        if rule.document == document.name and rule.restricting:
            reason = f"error: {failure.message}"
            claims.append(_of_rule(rule, document, DENY, reason))
    claims += [
        _of_limit(limit, document) for limit in facts.exceeded if limit.document == document.name
    ]
    if (
        document.unlisted_tools == DENY
        and action.kind == "tool_call"
        and action.stage == "before"
        and document.tools.entry(action.name) is None
    ):
        reason = "the catalogue does not list this tool"
        claims.append(_Claim(DENY, document.name, "builtin:unlisted", reason=reason))
    if document.consulted is not None and is_consulted(action):
        claims += _of_engine(document, document.consulted, facts)
    return claims


def _of_engine(document: Document, consulted: Consulted, facts: Facts) -> list[_Claim]:
    """Return what another engine asks for: nothing where it lets the action through.

    It comes after every refusal of ours, so that the guard can see whether the engine matters.
    """
    verdict = facts.verdicts.get(document.name)
    if verdict is None:
        verdict = Verdict(DENY, "it was not asked", failed=True)
    if verdict.effect == ALLOW and not verdict.failed:
        return []
    effect, reason = verdict.effect, f"{consulted.name}: {verdict.reason or verdict.effect}"
    ask = None
    if effect == ASK and document.approvers and not verdict.failed:
        ask = Ask(document.name, ENGINE_RULE, document.approvers, reason=reason)
    elif effect == ASK:
        reason += "; nobody is named under `approvers` who could answer"
    claim = _Claim(
        ASK if ask else DENY,
        document.name,
        ENGINE_RULE,
        reason=reason,
        file=document.file,
        line=consulted.line,
        order=_LAST_OF_OURS + 1,
        always=verdict.failed,
        ask=ask,
    )
    return [claim]


def is_consulted(action: Action) -> bool:
    """Whether other engines have a say in actions of this kind and stage."""
    return action.stage == "before" and action.kind in DEFAULT_KINDS


def _of_rule(rule: Rule, document: Document, effect: str, reason: str = "") -> _Claim:
    reason = reason or rule.reason
    ask = None
    if effect == ASK:
        ask = Ask(
            rule.document,
            rule.name,
            rule.approvers or document.approvers,
            quorum=rule.quorum,
            expires_in=rule.expires_in,
            separation_of_duties=rule.separation_of_duties,
            reason=reason,
        )
    return _Claim(
        effect,
        rule.document,
        rule.name,
        reason=reason,
        file=rule.file,
        line=rule.line,
        order=rule.ordinal,
        binds=rule.mode != "audit",
        ask=ask,
    )


def _of_limit(limit: Limit, document: Document) -> _Claim:
    reason = f"the limit `{limit.name}` of {limit.at_most} {limit.count} per {limit.per} is used up"
    ask = None
    if limit.on_exceed == ASK:
        ask = Ask(document.name, "builtin:limits", document.approvers, reason=reason)
    return _Claim(
        limit.on_exceed,
        document.name,
        "builtin:limits",
        reason=reason,
        file=limit.file,
        line=limit.line,
        binds=limit.binding,
        ask=ask,
    )


def _default_effect(document: Document, mode: str, action: Action, *, acting: bool) -> str:
    if action.stage != "before" or action.kind not in DEFAULT_KINDS or mode == "permissive":
        return ALLOW
    if document.default_action is None or (document.default_action == ALLOW and not acting):
        return ALLOW
    return document.default_action


def _default(document: Document, effect: str) -> _Claim:
    if effect == ALLOW:
        return _Claim(ALLOW, document.name, "builtin:default")
    reason = "no rule allows it" if effect == DENY else "no rule allows it without approval"
    ask = None
    if effect == ASK:
        ask = Ask(document.name, "builtin:default", document.approvers, reason=reason)
    return _Claim(effect, document.name, "builtin:default", reason=reason, ask=ask)


def _standing(policies: PolicySet, rule: str, reason: str) -> Decision:
    return Decision(DENY, rule=rule, policy=policies.digest, reason=reason)


def _switched(policies: PolicySet, facts: Facts) -> Decision:
    switch = facts.switches[0]
    scope = f"{switch.scope} {switch.value}".strip()
    reason = f"{scope} is {switch.state} by {switch.by}"
    if switch.reason:
        reason += f": {switch.reason}"
    return _standing(policies, "builtin:switch", reason)
