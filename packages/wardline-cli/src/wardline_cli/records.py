"""Records of the ledger as entries for programs and as lines for people."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from wardline_cli.output import EFFECT_COLOURS, folded, paint, printable
from wardline_cli.times import is_time, iso, local

if TYPE_CHECKING:
    from wardline.ledger import StoredRecord

__all__ = ["HIDDEN", "entry", "line", "outcome_of", "unreadable"]

_DAY: Final = 86_400_000_000
_NO_TIME: Final = "?" + " " * 18

HIDDEN: Final = frozenset({"segment", "close"})
"""The types of records that only say where a writer began and ended."""


def entry(record: StoredRecord) -> dict[str, Any]:
    """Return what a reader wants to know of a record; `record` has all its fields."""
    fields = record.fields
    made: dict[str, Any] = {
        "ref": str(record.ref),
        "time": iso(fields["t"]) if is_time(fields.get("t")) else None,
        "type": record.type,
    }
    for key in ("effect", "kind", "stage", "name", "rule", "reason", "principal"):
        made[key] = fields.get(key)
    made["outcome"] = outcome_of(record) if record.type == "outcome" else None
    made["record"] = fields
    return made


def outcome_of(record: StoredRecord) -> dict[str, Any]:
    """Return what came of an action, from the record of its outcome."""
    fields = record.fields
    made: dict[str, Any] = {"ref": str(record.ref)}
    for key in ("status", "duration_us", "error", "reason"):
        if key in fields:
            made[key] = fields[key]
    return made


def unreadable(record: StoredRecord, why: str) -> dict[str, Any]:
    """Return the entry of a line that is no record."""
    return {
        "ref": str(record.ref),
        "type": "unreadable",
        "reason": why,
        "time": None,
        "record": None,
    }


def line(made: dict[str, Any], known: dict[str, dict[str, Any]]) -> str:
    """Return an entry as one line. `known` has the entries of intents, by reference."""
    fields = made["record"]
    if fields is None:
        return printable(f"{_NO_TIME}  unreadable  {made['reason']}")
    time = local(fields["t"]) if made["time"] else _NO_TIME
    kind = made["type"]
    if kind in ("intent", "refusal"):
        word, text = str(made["effect"]), _decision(made)
    elif kind == "outcome":
        word, text = "outcome", _outcome(made, known)
    elif kind == "approval":
        word, text = "approval", _approval(fields)
    elif kind == "switch":
        scope = f"{fields.get('scope')} {fields.get('value')}".strip()
        word = "switch"
        text = f"{fields.get('switch')} {scope} by {fields.get('by')}: {fields.get('reason')}"
    elif kind == "note":
        word, text = "note", str(fields.get("what") or fields.get("note") or "")
    else:
        word, text = kind or "record", str(made["ref"])
    word = f"{printable(word):<8}"
    text = folded(printable(text), sys.stdout, first=len(f"{time}  {word}  "), then=len(time) + 2)
    return f"{time}  {paint(word, EFFECT_COLOURS.get(word.strip(), 'dim'))}  {text}"


def _decision(made: dict[str, Any]) -> str:
    reason = f": {made['reason']}" if made["reason"] else ""
    text = f"{_action(made)}, by {_who(made['principal'])}, rule {made['rule']}{reason}"
    if made["outcome"] is not None:
        return f"{text} -> {_result(made['outcome'])}"
    return f"{text} -> no outcome yet" if made["type"] == "intent" else text


def _outcome(made: dict[str, Any], known: dict[str, dict[str, Any]]) -> str:
    intent = str(made["record"].get("intent"))
    of = known.get(intent)
    return f"{_action(of) if of else intent} -> {_result(made['outcome'])}"


def _result(outcome: dict[str, Any]) -> str:
    parts = [str(outcome.get("status"))]
    duration = outcome.get("duration_us")
    if type(duration) is int and duration < _DAY:
        parts.append(f"after {duration / 1000:.3g} ms")
    if why := outcome.get("error") or outcome.get("reason"):
        parts.append(f"({why})")
    return " ".join(parts)


def _action(made: dict[str, Any]) -> str:
    stage = ".after" if made["stage"] == "after" else ""
    return f"{made['kind']}{stage} {made['name']}"


def _approval(fields: dict[str, Any]) -> str:
    id_ = fields.get("approval")
    if "approved" in fields:
        said = "yes" if fields["approved"] else "no"
        note = f": {fields['note']}" if fields.get("note") else ""
        return f"{id_}: {fields.get('by')} said {said}, so it is {fields.get('status')}{note}"
    until = fields.get("expires")
    when = f" until {local(until)}" if is_time(until) else ""
    return f"{id_}: {fields.get('name')} is {fields.get('status')}{when}"


def _who(principal: Any) -> str:
    if not isinstance(principal, dict):
        return str(principal)
    chain = principal.get("chain")
    behalf = f" for {' > '.join(map(str, chain))}" if isinstance(chain, list) and chain else ""
    return f"{principal.get('id')}{behalf}"
