"""The records that a guard writes, as the bytes of one JSON object each.

An `intent` says what was let through and why, an `outcome` what came of it, a `refusal` what was not
let through. All three carry enough to judge the same action again: the fingerprint of what would run,
the facts that the decision read, the digest of the policy, the rules, the principal and its chain, and
the labels that went in and came out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wardline import encoder

if TYPE_CHECKING:
    from wardline.action import Action, Principal
    from wardline.decision import Decision
    from wardline.facts import Facts

__all__ = ["Who", "body", "decided", "failures", "matched_names", "outcome"]

_MOST_KEPT: Final = 128
_LONGEST_KEPT: Final = 64


def body(fields: dict[str, Any]) -> bytes:
    """Return the bytes of a record; text that is no Unicode is escaped rather than lost."""
    try:
        return encoder.compact(fields)
    except (TypeError, UnicodeEncodeError):
        return encoder.compact(_scrubbed(fields))


class Who:
    """A principal as records show it, and the bytes of records that repeat for it."""

    __slots__ = ("fields", "kept")

    def __init__(self, principal: Principal) -> None:
        self.fields = {key: value for key, value in principal.view.items() if value}
        self.kept: dict[tuple[Any, ...], bytes] = {}


def decided(
    kind: str,
    action: Action,
    decision: Decision,
    facts: Facts | None,
    t: int,
    fingerprint: str,
    who: Who,
    more: dict[str, Any],
) -> bytes:
    """Return an intent or a refusal; `more` are the fields that only some have.

    What an intent says of decision, action and session repeats from call to call, so those bytes are
    kept for decisions that are made once.
    """
    if action.call_id:
        more["call_id"] = action.call_id
    if action.parent:
        more["parent"] = action.parent
    verb = action.verb
    if len(verb) > _LONGEST_KEPT:
        more["verb"], verb = verb, ""
    if facts is not None:
        _add_facts(more, facts)
    if decision.failed or decision.replacement is not None or decision.asks:
        said = body(_said(action, decision, who.fields, verb))[1:-1]
    else:
        key = (decision, action.name, action.session, action.run, action.framework, verb)
        kept = who.kept.get(key)
        if kept is None:
            if len(who.kept) >= _MOST_KEPT:
                who.kept.clear()
            kept = who.kept[key] = body(_said(action, decision, who.fields, verb))[1:-1]
        said = kept
    head = b'{"type":"%b","t":%d,"fingerprint":"%b",%b' % (
        kind.encode(),
        t,
        fingerprint.encode(),
        said,
    )
    return head + b"," + body(more)[1:] if more else head + b"}"


def outcome(
    t: int, intent: object, status: str, duration: int, result: object, more: dict[str, Any]
) -> bytes:
    """Return an outcome. `duration` is in microseconds, `result` the digest of what came back."""
    head = b'{"type":"outcome","t":%d,"intent":"%b","status":"%b","duration_us":%d' % (
        t,
        str(intent).encode(),
        status.encode(),
        duration,
    )
    if type(result) is str:
        head += b',"result":"%b"' % result.encode()
    elif result is not None:
        more["result"] = result
    return head + b"," + body(more)[1:] if more else head + b"}"


def matched_names(decision: Decision) -> list[str]:
    """Return the rules that held, as records name them."""
    return [f"{rule.document}/{rule.name}" for rule in decision.matched]


def failures(decision: Decision) -> list[list[str]]:
    """Return the rules that failed, each with how, as records name them."""
    return [
        [f"{failure.rule.document}/{failure.rule.name}", failure.message]
        for failure in decision.failed
    ]


def _said(
    action: Action, decision: Decision, principal: dict[str, Any], verb: str
) -> dict[str, Any]:
    """Return what decision, action, principal and session say, without what is empty."""
    fields: dict[str, Any] = {
        "effect": decision.effect,
        "rule": decision.rule,
        "document": decision.document,
        "policy": decision.policy,
        "kind": action.kind,
        "name": action.name,
        "session": action.session,
        "run": action.run,
        "principal": principal,
        "labels": {"in": [], "out": []},
    }
    if verb:
        fields["verb"] = verb
    if action.stage != "before":
        fields["stage"] = action.stage
    if action.framework:
        fields["framework"] = action.framework
    if decision.line:
        fields["at"] = f"{decision.file}:{decision.line}"
    if decision.matched:
        fields["matched"] = matched_names(decision)
    if decision.reason:
        fields["reason"] = decision.reason
    if decision.failed:
        fields["failed"] = failures(decision)
    if decision.advice:
        fields["advice"] = [
            [f"{advice.document}/{advice.rule}", advice.effect] for advice in decision.advice
        ]
    if decision.replacement is not None:
        fields["changed"] = True
    return fields


def _add_facts(more: dict[str, Any], facts: Facts) -> None:
    """Add the facts that the policy can read and that the rest of the record does not say."""
    said: dict[str, Any] = {}
    if len(facts.session) > _PLACE or len(facts.run) > _PLACE or facts.session["depth"]:
        said = {"session": facts.session, "run": facts.run}
    if facts.exceeded:
        said["exceeded"] = [f"{limit.document}/{limit.name}" for limit in facts.exceeded]
    if facts.switches:
        said["switches"] = [f"{switch.scope}:{switch.value}" for switch in facts.switches]
    if not facts.registered:
        said["registered"] = False
    if facts.modes:
        said["modes"] = dict(facts.modes)
    if facts.verdicts:
        said["verdicts"] = {
            name: [verdict.effect, verdict.reason, *(["failed"] if verdict.failed else [])]
            for name, verdict in facts.verdicts.items()
        }
    if facts.links is not None:
        leads = {path: real for path, real in facts.links.known.items() if path != real}
        if leads:
            said["links"] = leads
    if said:
        more["facts"] = said


_PLACE: Final = 2
"""Id and depth: what a view of session or run has when no counter is read."""


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_scrubbed(str(key)): _scrubbed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return value
    return str(value)
