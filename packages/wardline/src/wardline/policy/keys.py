"""The keys and values that the language has, and those that this version cannot enforce yet."""

from __future__ import annotations

from typing import Final

from wardline.action import AFTER_KINDS, KINDS

__all__ = [
    "ACTIONS",
    "AGT_DOCUMENT_KEYS",
    "AGT_RULE_KEYS",
    "APPLIES_TO_KEYS",
    "ARGUMENT_KEYS",
    "ASKING_KEYS",
    "BELONGS",
    "COUNTS",
    "DEFAULTS",
    "DOCUMENT_KEYS",
    "EFFECTS",
    "ENGINE_DOCUMENT_KEYS",
    "LATER",
    "LIMIT_KEYS",
    "MODES",
    "NATIVE",
    "PERIODS",
    "PLACES",
    "RULE_KEYS",
    "SCOPES",
    "SYNONYMS",
    "TOOLKIT",
    "TOOL_KEYS",
    "carries",
    "later",
]

NATIVE: Final = "wardline/v1"
TOOLKIT: Final = "governance.toolkit/v1"

DOCUMENT_KEYS: Final = (
    "apiVersion",
    "name",
    "description",
    "extends",
    "default_action",
    "approvers",
    "mode",
    "applies_to",
    "unlisted_tools",
    "tools",
    "limits",
    "rules",
)
ENGINE_DOCUMENT_KEYS: Final = (
    "apiVersion",
    "name",
    "description",
    "engine",
    "with",
    "deadline",
    "approvers",
    "mode",
    "applies_to",
)
ASKING_KEYS: Final = ("approvers", "quorum", "expires_in", "separation_of_duties")
RULE_KEYS: Final = (
    "name",
    "description",
    "on",
    "tool",
    "agent",
    "condition",
    "action",
    "reason",
    "mode",
    *ASKING_KEYS,
    "paths",
    "detectors",
    "set",
)
BELONGS: Final = {
    **dict.fromkeys(ASKING_KEYS, "require_approval"),
    "paths": "redact",
    "detectors": "redact",
    "set": "transform",
}
"""The keys of a rule that mean something with one `action` only."""

LIMIT_KEYS: Final = (
    "name",
    "count",
    "at_most",
    "per",
    "window",
    "calendar",
    "tool",
    "rule",
    "on_exceed",
    "estimate",
)
TOOL_KEYS: Final = (
    "effects",
    "args",
    "returns",
    "clearance",
    "changes",
    "type_from",
    "idempotent",
    "opaque",
    "ring",
)
APPLIES_TO_KEYS: Final = ("agents", "environments", "tenants")
ARGUMENT_KEYS: Final = ("type",)
AGT_DOCUMENT_KEYS: Final = (
    "apiVersion",
    "name",
    "version",
    "description",
    "extends",
    "agent",
    "agents",
    "scope",
    "default_action",
    "rules",
)
AGT_RULE_KEYS: Final = (
    "name",
    "description",
    "stage",
    "condition",
    "action",
    "limit",
    "approvers",
    "priority",
    "enabled",
)

ACTIONS: Final = ("allow", "deny", "require_approval", "redact", "transform", "audit")
EFFECTS: Final = ("read", "write", "network", "destructive")
PLACES: Final = (*KINDS, *(f"{kind}.after" for kind in KINDS if kind in AFTER_KINDS))
"""What `on` of a rule can say."""
DEFAULTS: Final = ("deny", "allow", "require_approval")
MODES: Final = ("strict", "permissive", "audit")
COUNTS: Final = (
    "tool_calls",
    "model_calls",
    "calls",
    "tokens",
    "files_changed",
    "seconds",
    "denials",
)
SCOPES: Final = ("run", "session", "agent", "tenant")
PERIODS: Final = ("hour", "day", "week", "month")

SYNONYMS: Final = {
    ("rule", "stage"): "on",
    ("rule", "effect"): "action",
    ("rule", "when"): "condition",
    ("rule", "if"): "condition",
    ("rule", "tools"): "tool",
    ("rule", "message"): "reason",
    ("rule", "timeout"): "expires_in",
    ("limit", "max"): "at_most",
    ("limit", "limit"): "at_most",
    ("limit", "scope"): "per",
    ("document", "default"): "default_action",
    ("document", "rulez"): "rules",
}
"""Keys of other languages that are spelt too differently to be found as near misses."""

_ALREADY: Final = "leave it out until a later version"

LATER: Final = {
    ("document", "on_origin"): "origins are not tracked",
    ("document", "on_plan"): "plans cannot be pinned",
    ("rule", "add_labels"): "labels are not tracked",
    ("rule", "relabel"): "labels are not tracked",
    ("rule", "declassifies"): "labels are not tracked",
    ("tool", "answers"): "origins are not tracked",
    ("tool", "anchor"): "origins are not tracked",
    ("argument", "from"): "origins are not tracked",
    ("argument", "content"): "origins are not tracked",
    ("argument", "narrow"): "labels are not tracked",
    ("count", "cost_usd"): "money is not counted; limit `tokens` or `calls`",
}
"""What is part of wardline/v1 and would load without being enforced: delete a row when it is built."""


def later(section: str, word: str) -> tuple[str, str] | None:
    """Return message and hint for a word that this version cannot enforce, None for any other."""
    why = LATER.get((section, word))
    if why is None:
        return None
    message = f"`{word}` is part of {NATIVE}, but this version cannot enforce it yet"
    return message, f"{why}; {_ALREADY}" if ";" not in why else why


# Whether a stage can carry an effect. Everything can be let through, refused, asked about and noted.
# A change needs something to change: `run` has no arguments that anything is made of, so its content
# is changed where it passes, on `input` and `output`.
_UNCHANGEABLE: Final = frozenset({("run", "before"), ("run", "after")})


def carries(kind: str, stage: str, action: str) -> bool:
    """Return whether a rule with this `action` means something there."""
    if kind not in KINDS or (stage == "after" and kind not in AFTER_KINDS):
        return False
    return action not in ("redact", "transform") or (kind, stage) not in _UNCHANGEABLE
