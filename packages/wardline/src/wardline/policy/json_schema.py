"""The JSON Schema of policy documents, for editors.

It is made of the tables that the loader reads by, so a key is known here as soon as it is known there.
What a schema can say, it says: closed keys, closed sets, types, keys that belong to one effect. The
rest, conditions above all, is for `wardline lint`: whatever loads is valid here, not the other way
round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wardline.policy import agt, engine
from wardline.policy.catalogue import TYPES
from wardline.policy.fields import DURATION, LARGEST_INTEGER
from wardline.policy.keys import (
    ACTIONS,
    AGT_DOCUMENT_KEYS,
    AGT_RULE_KEYS,
    APPLIES_TO_KEYS,
    ARGUMENT_KEYS,
    BELONGS,
    COUNTS,
    DEFAULTS,
    DOCUMENT_KEYS,
    EFFECTS,
    ENGINE_DOCUMENT_KEYS,
    LIMIT_KEYS,
    MODES,
    NATIVE,
    PERIODS,
    PLACES,
    RULE_KEYS,
    SCOPES,
    TOOL_KEYS,
    TOOLKIT,
    carries,
)
from wardline.policy.model import CLEARANCES

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Sequence

__all__ = ["SECTIONS", "SHAPES", "Schema", "build"]

Schema = dict[str, Any]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


# Shapes of values, each with what the key is for


def _text(description: str, pattern: str = r"\S") -> Schema:
    return {"type": "string", "pattern": pattern, "description": description}


def _choice(options: Sequence[str], description: str) -> Schema:
    return {"enum": list(options), "description": description}


def _flag(description: str) -> Schema:
    return {"type": "boolean", "description": description}


def _whole(least: int, most: int, description: str) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most, "description": description}


def _some(item: Schema, description: str, least: int = 1) -> Schema:
    """Return the shape of a list of different things, or of one of them."""
    items = {"type": "array", "items": item, "minItems": least, "uniqueItems": True}
    return {"anyOf": [item, items], "description": description}


def _texts(description: str, least: int = 1) -> Schema:
    return _some({"type": "string", "pattern": r"\S"}, description, least)


def _globs(description: str) -> Schema:
    return _some({"type": "string", "pattern": r"^[^\[\]]*[^\[\]\s][^\[\]]*$"}, description)


def _duration(description: str) -> Schema:
    return _text(f"{description}: 90s, 5m, 24h or 7d", _whole_of(DURATION))


def _whole_of(pattern: re.Pattern[str]) -> str:
    return f"^(?:{pattern.pattern})$"


def _listed(section: str, description: str) -> Schema:
    return {"type": "array", "items": _ref(section), "description": description}


def _ref(section: str) -> Schema:
    return {"$ref": f"#/$defs/{section.replace(' ', '_')}"}


def _anything(schema: Schema) -> Schema:
    """Return a shape that also takes what stands for an absent key in files from elsewhere."""
    empty = [{"type": "null"}, {"const": []}, {"type": "string", "pattern": r"^\s*$"}]
    description = schema["description"]
    return {"anyOf": [schema, *empty], "description": description}


_TYPE: Final = rf"^ *(?:l *i *s *t *\( *)*(?:{'|'.join(' *'.join(t) for t in TYPES)})(?: *\))* *$"
_CALENDAR: Final = rf"^(?:{'|'.join(PERIODS)})(?: .*)?$"

SHAPES: Final[dict[str, dict[str, Schema]]] = {
    "document": {
        "apiVersion": {"const": NATIVE, "description": "the language of the document"},
        "name": _text("the document's name, unique in a set"),
        "description": _text("for people"),
        "extends": _texts("documents that this one builds on, relative to it"),
        "default_action": _choice(DEFAULTS, "what happens where no rule says anything; deny if left out"),
        "approvers": _texts("who answers where something asks and names nobody"),
        "mode": _choice(MODES, "strict if left out; audit records and binds nothing"),
        "applies_to": {**_ref("applies to"), "description": "whom the document is for; everybody if left out"},
        "unlisted_tools": _choice(("allow", "deny"), "tools that the catalogue does not list"),
        "tools": {
            "type": "object",
            "additionalProperties": _ref("tool"),
            "description": "the catalogue: what tools do and take, by name or glob",
        },
        "limits": _listed("limit", "counted bounds"),
        "rules": _listed("rule", "their order never matters: deny wins over require_approval over allow"),
    },
    "engine document": {
        "apiVersion": {"const": NATIVE, "description": "the language of the document"},
        "name": _text("the document's name, unique in a set"),
        "description": _text("for people"),
        "engine": _text("the engine that gives the effect, such as cedar or rego"),
        "with": {"type": "object", "description": "the settings of the engine"},
        "deadline": _text("how long an answer may take: 50ms or 1s", _whole_of(engine.DEADLINE)),
        "approvers": _texts("who answers where the engine asks"),
        "mode": _choice(("strict", "audit"), "strict if left out"),
        "applies_to": {**_ref("applies to"), "description": "whom the document is for; everybody if left out"},
    },
    "applies to": {
        "agents": _globs("names or ids of agents"),
        "environments": _globs("environments, such as prod"),
        "tenants": _globs("tenants"),
    },
    "rule": {
        "name": _text("the rule's name, unique in the document"),
        "description": _text("for people"),
        "on": _some({"enum": list(PLACES)}, "the kinds of action it is for; tool_call if left out"),
        "tool": _globs("the tools it is for; letter case, width and outer spaces do not count"),
        "agent": _globs("the names or ids of the agents it is for"),
        "condition": _text("CEL; always if left out"),
        "action": _choice(ACTIONS, "what the rule does"),
        "reason": _text("one sentence, for the model and for people"),
        "mode": _choice(("audit",), "evaluated and recorded, binds nothing"),
        "approvers": _texts("who may answer"),
        "quorum": _whole(1, 1000, "how many have to say yes; 1 if left out"),
        "expires_in": _duration("how long an answer is waited for"),
        "separation_of_duties": _flag("whoever takes part in the action may not answer"),
        "paths": _texts("the places to replace or to look in, such as args.card or result.rows[*].ssn"),
        "detectors": _texts("what to look for and replace: pii, secrets, or single detectors"),
        "set": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "string", "pattern": r"\S"},
            "description": "from a place such as args.limit to CEL, whose value goes there",
        },
    },
    "limit": {
        "name": _text("the limit's name, unique in the document"),
        "count": _choice(COUNTS, "what is counted"),
        "at_most": _whole(0, LARGEST_INTEGER, "the bound"),
        "per": _choice(SCOPES, "what has a counter of its own"),
        "window": _duration("the length of a sliding window"),
        "calendar": _text("a period and a time zone, such as day Europe/Berlin", _CALENDAR),
        "tool": _globs("the tools whose calls count"),
        "rule": _text("the rule of this document whose matches alone count"),
        "on_exceed": _choice(("deny", "require_approval"), "deny if left out"),
        "estimate": _whole(0, LARGEST_INTEGER, "what is reserved before the true amount is known"),
    },
    "tool": {
        "effects": _some({"enum": list(EFFECTS)}, "what a call can do"),
        "args": {
            "type": "object",
            "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
            "additionalProperties": {"anyOf": [{"type": "string", "pattern": _TYPE}, _ref("argument")]},
            "description": "its arguments and their types",
        },
        "returns": _texts("labels of what comes back; an empty list declares it trusted", 0),
        "clearance": _choice(CLEARANCES, "the most confidential that it may be given"),
        "changes": _text("the argument that names what a call changes, such as args.path"),
        "type_from": _choice(("action",), "the tool is many verbs, named by its argument `action`"),
        "idempotent": _flag("a call may be repeated after a crash"),
        "opaque": _texts("arguments that pass by reference and that no condition can read"),
        "ring": _whole(0, 3, "the privilege that it needs; 0 is the most"),
    },
    "argument": {"type": _text("string, number, boolean, date, map or list(…)", _TYPE)},
    "toolkit document": {
        "apiVersion": {"const": TOOLKIT, "description": "the language of the document"},
        "name": _text("the document's name, unique in a set"),
        "version": {"type": ["string", "number", "boolean"], "description": "decides nothing"},
        "description": _text("for people"),
        "extends": _texts("documents that this one builds on, relative to it"),
        "agent": _globs("the agent it is for"),
        "agents": _globs("the agents it is for"),
        "scope": _choice(("global", "tenant", "agent"), "decides nothing"),
        "default_action": _choice(("allow", "deny"), "what happens where no rule says anything"),
        "rules": _listed("toolkit rule", "their order never matters"),
    },
    "toolkit rule": {
        "name": _text("the rule's name, unique in the document"),
        "description": _text("for people"),
        "stage": _choice(tuple(agt.STAGES), "pre_tool if left out"),
        "condition": _text("comparisons with `and` and `or`"),
        "action": _choice(tuple(agt.ACTIONS), "what the rule does; deny if left out"),
        "limit": _text("a rate, such as 100/hour", rf"^\s*(?:{agt.RATE.pattern})\s*$"),
        "approvers": _texts("who may answer"),
        "priority": _whole(-(2**31), 2**31, "decides nothing: the strictest wins"),
        "enabled": _flag("false switches the rule off"),
    },
}  # fmt: skip
"""The shape of the value of every key, by the kind of map that it stands in."""

SECTIONS: Final[dict[str, tuple[str, ...]]] = {
    "document": DOCUMENT_KEYS,
    "engine document": ENGINE_DOCUMENT_KEYS,
    "applies to": APPLIES_TO_KEYS,
    "rule": RULE_KEYS,
    "limit": LIMIT_KEYS,
    "tool": TOOL_KEYS,
    "argument": ARGUMENT_KEYS,
    "toolkit document": AGT_DOCUMENT_KEYS,
    "toolkit rule": AGT_RULE_KEYS,
}
"""The keys of every kind of map: the loader's own tables."""

_REQUIRED: Final = {
    "document": ("apiVersion", "name"),
    "engine document": ("apiVersion", "name", "engine"),
    "rule": ("name", "action"),
    "limit": ("name",),
    "toolkit document": ("apiVersion", "name"),
    "toolkit rule": ("name", "condition"),
}


def build(*, toolkit: bool = False) -> Schema:
    """Return the schema of `wardline/v1`, or of `governance.toolkit/v1`."""
    sections = [name for name in SECTIONS if name.startswith("toolkit ") == toolkit]
    definitions = {name.replace(" ", "_"): _section(name) for name in sections}
    whole: Schema = {
        "$schema": _DIALECT,
        "title": f"A policy in {TOOLKIT if toolkit else NATIVE}",
        "type": "object",
    }
    if toolkit:
        whole.update(_ref("toolkit document"))
    else:
        whole.update(
            {
                "if": {"required": ["engine"]},
                "then": _ref("engine document"),
                "else": _ref("document"),
            }
        )
    whole["$defs"] = definitions
    return whole


def _section(name: str) -> Schema:
    shapes = {key: SHAPES[name][key] for key in SECTIONS[name]}
    required = _REQUIRED.get(name, ())
    if name.startswith("toolkit "):
        shapes = {key: s if key in required else _anything(s) for key, s in shapes.items()}
    made: Schema = {"type": "object", "properties": shapes, "additionalProperties": False}
    if required:
        made["required"] = list(required)
    made.update(_CONDITIONS.get(name, {}))
    return made


def _when(key: str, value: str, then: Schema, otherwise: Schema | None = None) -> Schema:
    made: Schema = {"if": _has(key, value), "then": then}
    if otherwise is not None:
        made["else"] = otherwise
    return made


def _has(key: str, value: str) -> Schema:
    return {"properties": {key: {"const": value}}, "required": [key]}


def _without(keys: Iterable[str]) -> Schema:
    return {"properties": dict.fromkeys(keys, False)}


def _carried(action: str) -> Schema:
    """Return what a rule with this action may stand on."""
    wrong = [place for place in PLACES if not carries(*_stage(place), action)]
    return {"properties": {"on": {"not": {"anyOf": [
        {"enum": wrong}, {"type": "array", "contains": {"enum": wrong}},
    ]}}}} if wrong else {}  # fmt: skip


def _stage(place: str) -> tuple[str, str]:
    kind, _, stage = place.partition(".")
    return kind, stage or "before"


def _rule_conditions() -> Schema:
    """Return which keys of a rule belong to which action, and which of them have to be there."""
    needed: dict[str, Schema] = {
        "redact": {"anyOf": [{"required": ["paths"]}, {"required": ["detectors"]}]},
        "transform": {"required": ["set"]},
    }
    found = []
    for action in dict.fromkeys(BELONGS.values()):
        keys = [key for key, belongs in BELONGS.items() if belongs == action]
        then = {**needed.get(action, {}), **_carried(action)}
        found.append(_when("action", action, then, _without(keys)))
    return {"allOf": found}


_CONDITIONS: Final[dict[str, Schema]] = {
    "document": {
        "allOf": [
            _when("mode", "permissive", {"properties": {"default_action": {"const": "allow"}}}),
            {
                "if": {"required": ["extends"]},
                "else": {
                    "properties": {"limits": {"items": {"required": ["count", "at_most", "per"]}}}
                },
            },
        ]
    },
    "applies to": {"minProperties": 1},
    "limit": {"not": {"required": ["window", "calendar"]}},
    "rule": _rule_conditions(),
}
"""What keys of one map say about one another."""
