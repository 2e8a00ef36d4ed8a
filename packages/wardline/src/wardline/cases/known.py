"""Reading the facts of a case: what is known beside the action."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wardline.action import Principal
from wardline.cases.plain import microseconds, moment
from wardline.decision import EFFECTS
from wardline.errors import ConfigurationError
from wardline.facts import COUNTERS
from wardline.policy.fields import Fields
from wardline.policy.keys import MODES
from wardline.policy.reader import Node
from wardline.store.types import Switch
from wardline.symlinks import SymbolicLinks
from wardline.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline.policy.fields import Report

__all__ = ["FACT_KEYS", "Known"]

FACT_KEYS: Final = (
    "principal",
    "session",
    "run",
    "now",
    "exceeded",
    "used",
    "switches",
    "registered",
    "modes",
    "verdicts",
    "links",
)
_PRINCIPAL_KEYS: Final = (
    "id",
    "name",
    "chain",
    "roles",
    "tenant",
    "environment",
    "assurance",
)
_PLACE_KEYS: Final = ("id", "depth", *COUNTERS)
_VERDICT_KEYS: Final = ("effect", "reason", "failed")
_SWITCH_KEYS: Final = ("scope", "value", "state", "by", "reason")


class Known:
    """The facts of one case while they are read; what is wrong goes to the report."""

    def __init__(self, report: Report, node: Node | None, now: int) -> None:
        node = node or Node("map", {}, 1, 1)
        self.fields = Fields(report, node, "facts", "`facts`", FACT_KEYS)
        self._report = report
        self._now = now

    def _below(self, key: str, known: Sequence[str]) -> Fields | None:
        node = self.fields.get(key, "map", f"its keys are {', '.join(known)}")
        return None if node is None else Fields(self._report, node, key, f"`{key}`", known)

    def principal(self) -> Principal:
        """Return who acts."""
        fields = self._below("principal", _PRINCIPAL_KEYS)
        if fields is None:
            return Principal()
        texts = {
            key: fields.text(key)
            for key in ("id", "name", "tenant", "environment", "assurance")
            if key in fields.values
        }
        return Principal(
            **texts,
            chain=fields.texts("chain", empty=True),
            roles=fields.texts("roles", empty=True),
        )

    def place(self, key: str) -> dict[str, Any]:
        """Return a session or run as conditions see it."""
        fields = self._below(key, _PLACE_KEYS)
        made: dict[str, Any] = {"id": fields.text("id") if fields else ""}
        for count in ("depth", *COUNTERS):
            made[count] = (fields.integer(count, 0) if fields else 0) or 0
        return made

    def now(self) -> int:
        """Return the time in microseconds."""
        text = self.fields.text("now")
        if not text:
            return self._now
        try:
            return microseconds(moment(text))
        except ValueError as error:
            self.fields.complain(
                "now", f"`{text[:60]}` is no time: {error}", "write 2026-01-01T00:00:00Z"
            )
            return self._now

    def switches(self) -> tuple[Switch, ...]:
        """Return the switches that cover the action."""
        found = []
        for node in self.fields.maps("switches"):
            fields = Fields(self._report, node, "switch", "a switch", _SWITCH_KEYS)
            try:
                switch = Switch(
                    fields.text("scope", "everything"),  # type: ignore[arg-type]  # it checks
                    fields.text("value"),
                    fields.choice("state", ("frozen", "killed"), "frozen"),  # type: ignore[arg-type]
                    fields.text("by", "os:operator"),
                    fields.text("reason"),
                    self._now,
                )
            except ConfigurationError as error:
                self._report.at(node, str(error))
            else:
                found.append(switch)
        return tuple(found)

    def modes(self) -> dict[str, str]:
        """Return the modes of documents that were changed at run time."""
        node = self.fields.get("modes", "map", "write `<document>: audit`")
        if node is None:
            return {}
        names = list(node.value)
        inner = Fields(self._report, node, "modes", "`modes`", names)
        return {name: inner.choice(name, MODES, "strict") for name in names}

    def verdicts(self) -> dict[str, Verdict]:
        """Return what other engines are said to answer."""
        node = self.fields.get("verdicts", "map", "write `<document>: deny`")
        if node is None:
            return {}
        whole = Fields(self._report, node, "verdicts", "`verdicts`", list(node.value))
        made = {}
        for name, item in node.value.items():
            if item.kind != "map":
                made[name] = Verdict(whole.choice(name, EFFECTS, ""))
                continue
            fields = Fields(self._report, item, "verdict", "a verdict", _VERDICT_KEYS)
            effect = fields.choice("effect", EFFECTS, "")
            if "effect" not in fields.values:
                self._report.at(item, "a verdict has no `effect`", f"add {', '.join(EFFECTS)}")
            made[name] = Verdict(
                effect, fields.text("reason"), failed=fields.boolean("failed", False)
            )
        return made

    def links(self) -> SymbolicLinks | None:
        """Return where paths are said to lead."""
        node = self.fields.get("links", "map", "write `<path>: <where it leads>`")
        if node is None:
            return None
        whole = Fields(self._report, node, "links", "`links`", list(node.value))
        return SymbolicLinks({path: whole.text(path) for path in node.value})

    def used(self) -> dict[str, int]:
        """Return what the counters of limits show, in their own units."""
        node = self.fields.get("used", "map", "write `<limit>: <how much so far>`")
        if node is None:
            return {}
        names = list(node.value)
        inner = Fields(self._report, node, "used", "`used`", names)
        return {name: inner.integer(name, 0) or 0 for name in names}
