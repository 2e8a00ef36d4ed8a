"""Documents of governance.toolkit/v1, translated into what wardline/v1 has.

Everything that their own engine ignores without a word is an error here; what it understands
differently becomes a note for `lint`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from wardline.clock import HOUR, MINUTE, SECOND
from wardline.policy.agt_condition import UntranslatableError, translate
from wardline.policy.catalogue import read_catalogue
from wardline.policy.conditions import Condition, Conditions, Written
from wardline.policy.fields import Fields, Report
from wardline.policy.globs import Globs
from wardline.policy.keys import AGT_RULE_KEYS, TOOLKIT
from wardline.policy.model import AppliesTo, Document, Limit, Rule
from wardline.policy.places import locate
from wardline.policy.reader import A_KIND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline.errors import Problem
    from wardline.policy.reader import Node

__all__ = ["ACTIONS", "RATE", "STAGES", "drop_empty", "read_document"]

STAGES: Final = {
    "pre_input": ("input", "before"),
    "pre_tool": ("tool_call", "before"),
    "post_tool": ("tool_call", "after"),
    "pre_output": ("output", "before"),
}
ACTIONS: Final = {
    "allow": "allow",
    "deny": "deny",
    "require_approval": "require_approval",
    "warn": "audit",
    "log": "audit",
}
RATE: Final = re.compile(r"([0-9]{1,12})\s*/\s*(second|minute|hour|day)")
_WINDOWS: Final = {"second": SECOND, "minute": MINUTE, "hour": HOUR, "day": 24 * HOUR}


def drop_empty(fields: Fields) -> None:
    """Take keys without a value for absent, as tools that write such files leave them."""
    for key, node in list(fields.values.items()):
        if (
            node.kind == "null"
            or (node.kind == "string" and not node.value.strip())
            or (node.kind == "list" and not node.value)
        ):
            del fields.values[key]


def read_document(
    fields: Fields, ancestors: Sequence[Document], parents: Sequence[str]
) -> Document:
    """Return the document; problems go to the report of `fields`."""
    return _Translator(fields, ancestors).document(parents)


class _Translator:
    """What the rules of one document share."""

    def __init__(self, fields: Fields, ancestors: Sequence[Document]) -> None:
        self._fields = fields
        self._report: Report = fields.report
        self._notes: list[Problem] = []
        self._limits: list[Limit] = []
        self._ancestors = ancestors
        self._taken = {
            rule.name: parent.name for parent in reversed(ancestors) for rule in parent.rules
        }
        self.name = fields.text("name", required=True)
        self._catalogue = read_catalogue(fields, self.name, ancestors)
        self._conditions = Conditions(
            self._report,
            self._catalogue,
            listed_only=any(parent.unlisted_tools == "deny" for parent in ancestors),
        )

    def document(self, parents: Sequence[str]) -> Document:
        fields = self._fields
        default: str | None = fields.choice("default_action", ("allow", "deny"), "")
        if not default:
            default = None if parents or "extends" in fields.values else "deny"
        if "version" in fields.values and fields.raw("version") is None:
            fields.complain("version", "`version` is a string or a number")
        if fields.choice("scope", ("global", "tenant", "agent"), ""):
            self._note(
                fields.values["scope"],
                "`scope` decides nothing: whichever document refuses, wins",
                "use `agents` to say whom the document is for",
            )
        rules: dict[str, Rule] = {}
        seen: dict[str, int] = {}
        for node in fields.maps("rules"):
            rule = self._rule(node)
            if rule is None:
                continue
            if rule.name in seen:
                self._report.at(
                    (rule.line, rule.column),
                    f"there are two rules named `{rule.name}`; the first is on line {seen[rule.name]}",
                    "give one of them another name",
                )
                continue
            seen[rule.name] = rule.line
            rules[rule.name] = rule
        return Document(
            name=self.name,
            file=self._report.source.file,
            api_version=TOOLKIT,
            default_action=default,
            description=fields.text("description"),
            applies_to=self._applies_to(),
            tools=self._catalogue,
            limits=tuple(limit for limit in self._limits if limit.rule in rules),
            rules=tuple(rule for rule in rules.values() if rule.on),
            parents=tuple(parents),
            notes=tuple(self._notes),
            source=self._report.source,
        )

    def _applies_to(self) -> AppliesTo | None:
        patterns = [*self._fields.texts("agent"), *self._fields.texts("agents")]
        for key in ("agent", "agents"):
            self._fields.globs(key)  # reports patterns that mean nothing
        if not patterns or "*" in patterns:
            return None
        return AppliesTo(agents=Globs(patterns))

    def _rule(self, node: Node) -> Rule | None:
        """Return a rule; one that is switched off is checked and has no place to act on."""
        named = node.value.get("name") if node.kind == "map" else None
        label = f"rule `{named.value}`" if named and named.kind == "string" else "a rule"
        fields = Fields(self._report, node, "toolkit rule", label, AGT_RULE_KEYS)
        drop_empty(fields)
        name = fields.text("name", required=True)
        place = fields.keys.get("name", (node.line, node.column))
        stated = fields.choice("action", tuple(ACTIONS), "deny")
        stage = fields.choice("stage", tuple(STAGES), "pre_tool")
        on = frozenset({STAGES[stage]})
        condition = self._condition(fields, label)
        program = None
        if condition is not None:
            program = self._conditions.compile(condition, label, on, None)
        if program is not None and "action.name" in program.reads:
            self._note(
                fields.values["condition"],
                f"{label}: here `action.tool` is the tool's name; AGT's govern() does not tell it to "
                "its rules",
                "test the rule before you rely on it",
            )
        enabled = fields.boolean("enabled", True)
        fields.integer("priority", -(2**31), 2**31)
        approvers = fields.texts("approvers")
        rule = Rule(
            document=self.name,
            name=name,
            action=ACTIONS[stated],
            on=on if enabled else frozenset(),
            description=fields.text("description"),
            condition=condition.written.text if condition else "",
            program=program,
            approvers=approvers if stated == "require_approval" else (),
            file=self._report.source.file,
            line=place[0],
            column=place[1],
            types=condition.types if condition else None,
            names=condition.names if condition else None,
        )
        self._limit(fields, rule)
        self._rule_notes(fields, label, stated, stage)
        if name in self._taken:
            self._report.at(
                place,
                f"the parent `{self._taken[name]}` has a rule named `{name}` already",
                "give this one another name; both will hold, the strictest wins",
            )
        return rule if name else None

    def _condition(self, fields: Fields, label: str) -> Condition | None:
        node = fields.values.get("condition")
        if node is None:
            if fields.node.kind == "map":
                self._report.at(
                    fields.node, f"{label} has no `condition`", 'use `condition: "true"` for always'
                )
            return None
        if node.kind != "string":
            self._report.at(
                node,
                f"a condition is a string, and this is {A_KIND[node.kind]}",
                "put it in quotes",
            )
            return None
        try:
            translation = translate(node.value)
        except UntranslatableError as error:
            self._report.at(locate(self._report.source, node, error.at), str(error), error.hint)
            return None
        if translation.guarded:
            names = ", ".join(f"`{name}`" for name in translation.guarded)
            self._note(
                node,
                f"{label}: without {names} the comparison does not hold; AGT takes a missing "
                "argument for zero or empty",
                "write `has(args.x)` yourself in a wardline/v1 document",
            )
        if translation.folded:
            self._note(
                node,
                f"{label}: types have no letter case here, so {', '.join(translation.folded)} is "
                "read in lower case",
                "AGT matches these letters exactly, and lets every other spelling pass",
            )
        if translation.beyond:
            self._note(
                node,
                f"{label}: AGT reads only a part of this condition, or nothing; here all of it holds",
                "test the rule before you rely on it",
            )
        return self._conditions.parse(Written(node, translation.text, translation.origin))

    def _limit(self, fields: Fields, rule: Rule) -> None:
        """Make the rate of a rule into a limit that counts the matches of that rule alone."""
        text = fields.text("limit")
        if not text:
            return
        found = RATE.fullmatch(text.strip())
        if found is None:
            fields.complain(
                "limit", f"`{text[:60]}` is no rate", "write N/second, N/minute, N/hour or N/day"
            )
            return
        line, column = fields.place("limit")
        if rule.action == "deny":
            self._note(
                (line, column),
                f"rule `{rule.name}` denies whatever its limit says",
                "remove the limit, or allow up to it",
            )
            return
        self._limits.append(
            Limit(
                document=self.name,
                name=rule.name,
                count="calls",
                at_most=int(found[1]),
                per="tenant",
                window=_WINDOWS[found[2]],
                rule=rule.name,
                file=self._report.source.file,
                line=line,
                column=column,
            )
        )

    def _rule_notes(self, fields: Fields, label: str, stated: str, stage: str) -> None:
        if stated in ("warn", "log"):
            self._note(
                fields.values["action"],
                f"{label}: `{stated}` is recorded and refuses nothing; AGT's govern() denies",
                "write `action: deny` if it is meant to refuse",
            )
        if "action" not in fields.values:
            self._note(
                fields.node, f"{label} has no `action` and denies, as in AGT", "write it out"
            )
        if stage != "pre_tool":
            self._note(
                fields.values["stage"],
                f"{label}: `{stage}` is judged here; AGT's govern() never does",
                "test the rule before you rely on it",
            )
        if fields.raw("priority"):
            self._note(
                fields.values["priority"],
                f"{label}: `priority` decides nothing: deny wins over require_approval over allow",
                "remove it",
            )
        if fields.raw("enabled") is False:
            self._note(fields.values["enabled"], f"{label} is switched off", "remove it")
        if stated == "require_approval" and "approvers" not in fields.values:
            self._note(
                fields.node,
                f"{label} asks for approval and names nobody who could give it",
                "add `approvers: [...]`, or name default approvers where the guard is set up",
            )

    def _note(self, place: Node | tuple[int, int], message: str, hint: str) -> None:
        line, column = place if isinstance(place, tuple) else (place.line, place.column)
        self._notes.append(self._report.source.problem(message, line, column, hint))
