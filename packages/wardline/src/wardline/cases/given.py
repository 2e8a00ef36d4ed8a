"""An action and the facts it meets, as a case or a command line gives them.

There is one vocabulary for both: the fields of an action, of a principal, and of the facts that
`decide` sees. What is not given has not happened: counters are 0 and nothing is switched off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wardline.action import AFTER_KINDS, KINDS, STAGES, Action
from wardline.canonical import private_copy
from wardline.cases.known import Known
from wardline.cases.plain import value_of
from wardline.cases.used import exceeded_by_use
from wardline.consult import Consultant
from wardline.errors import CanonicalError, PolicyError
from wardline.facts import Facts
from wardline.policy.fields import Fields, Report
from wardline.policy.reader import Node, read
from wardline.policy.source import Source, suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wardline.errors import Problem
    from wardline.policy.compile import PolicySet
    from wardline.policy.model import Limit

__all__ = [
    "ACTION_KEYS",
    "NOW",
    "Given",
    "overlaid",
    "parse_given",
    "read_given",
]

ACTION_KEYS: Final = (
    "kind",
    "stage",
    "name",
    "args",
    "framework",
    "call_id",
    "result",
    "error",
    "duration_ms",
)
NOW: Final = 1_767_225_600_000_000
"""The time of a case that does not say: 2026-01-01T00:00:00Z."""

_AFTER_ONLY: Final = ("result", "error", "duration_ms")


class Given:
    """An action, and what is known beside it.

    `exceeded` names limits that the action would break; `used` says what the counters of limits show
    before it. Both mean something only together with a policy, so `facts` takes one. `named` has
    every name of a limit or document with its line and column.
    """

    __slots__ = ("_facts", "_named", "_source", "action", "exceeded", "used")

    def __init__(
        self,
        action: Action,
        facts: Facts,
        *,
        exceeded: Sequence[str] = (),
        used: Mapping[str, int] | None = None,
        named: Sequence[tuple[str, str, tuple[int, int]]] = (),
        source: Source,
    ) -> None:
        self.action = action
        self.exceeded = tuple(exceeded)
        self.used = dict(used or {})
        self._facts = facts
        self._named = tuple(named)
        self._source = source

    def facts(self, policies: PolicySet) -> Facts:
        """Return the facts under these policies.

        Raises `PolicyError` where limits or documents are named that they do not have, and
        `ConfigurationError` where an engine that has to be asked cannot start.
        """
        if not self._named:
            return self._with_verdicts(policies, self._facts)
        limits = [limit for document in policies.documents for limit in document.limits]
        known = {
            "document": [document.name for document in policies.documents],
            "limit": [name for limit in limits for name in _names(limit)],
        }
        for what, name, place in self._named:
            if name not in known[what]:
                hint = suggestion(name, known[what]) or f"the policy has no {what}s"
                message = f"the policy has no {what} `{name}`"
                raise PolicyError(self._source.problem(message, *place, hint))
        found = [limit for limit in limits if any(name in self.exceeded for name in _names(limit))]
        if self.used:
            found += exceeded_by_use(policies, self.action, self._facts, self.used)
        facts = self._facts.with_exceeded(tuple(dict.fromkeys(found)))
        return self._with_verdicts(policies, facts)

    def _with_verdicts(self, policies: PolicySet, facts: Facts) -> Facts:
        """Ask the engines whose verdict is not given; where paths lead is not looked up.

        Raises `ConfigurationError` where one cannot start.
        """
        if all(document.name in facts.verdicts for document in policies.engines):
            return facts
        policies.start()
        consultant = Consultant(policies)
        try:
            _, asked = consultant.decide(self.action, facts)
        finally:
            consultant.close()
        return facts.with_verdicts(asked.verdicts)


def _names(limit: Limit) -> tuple[str, str]:
    return limit.name, f"{limit.document}/{limit.name}"


def overlaid(below: Node | None, above: Node | None, depth: int = 1) -> Node | None:
    """Return `below` with what `above` says: maps are put together key by key, `depth` levels deep."""
    if below is None or above is None or not below.kind == above.kind == "map":
        return below if above is None else above
    made = Node("map", dict(below.value), above.line, above.column)
    made.keys = {**below.keys, **above.keys}
    for key, item in above.value.items():
        made.value[key] = overlaid(below.value.get(key), item, depth - 1) if depth else item
    return made


def parse_given(
    action: str, facts: str = "{}", *, files: tuple[str, str] = ("action", "facts"), now: int = NOW
) -> Given:
    """Return what two texts describe, in YAML or JSON; `files` name them in messages.

    Raises `PolicyError` with every problem.
    """
    reports = [
        Report(Source(text, file)) for text, file in zip((action, facts), files, strict=True)
    ]
    problems: list[Problem] = []
    nodes = []
    for report in reports:
        try:
            nodes.append(read(report.source))
        except PolicyError as error:
            problems += error.problems
    if problems:
        raise PolicyError(problems)
    given = read_given(nodes[0], nodes[1], reports[0], facts_report=reports[1], now=now)
    if given is None:
        raise PolicyError([problem for report in reports for problem in report.problems])
    return given


def read_given(
    action: Node,
    facts: Node | None,
    report: Report,
    *,
    facts_report: Report | None = None,
    now: int = NOW,
) -> Given | None:
    """Return what the nodes describe; report what is wrong, and return None where it means nothing.

    `facts_report` is for facts that stand in another text.
    """
    beside = facts_report or report
    before = len(report.problems), len(beside.problems)
    fields = Fields(report, action, "action", "the action", ACTION_KEYS)
    kind = fields.choice("kind", KINDS, "tool_call")
    stage = fields.choice("stage", STAGES, "before")
    if stage == "after" and kind not in AFTER_KINDS:
        fields.complain("stage", f"`{kind}` has no stage `after`: nothing comes back from it")
    for key in _AFTER_ONLY:
        if stage == "before" and key in fields.values:
            report.at(
                fields.keys[key], f"`{key}` exists on the `after` stage only", "add `stage: after`"
            )
    name = fields.text("name", required=True)
    args = _plain(fields, "args", report, "map")
    result = _plain(fields, "result", report)
    known = Known(beside, facts, now)
    facts_made = Facts(
        known.principal(),
        known.place("session"),
        known.place("run"),
        known.now(),
        known.switches(),
        registered=known.fields.boolean("registered", True),
        modes=known.modes(),
        verdicts=known.verdicts(),
        links=known.links(),
        result=result,
        error=fields.text("error") or None,
        duration_ms=fields.integer("duration_ms", 0) or 0,
    )
    exceeded, used = known.fields.items("exceeded"), known.used()
    if (len(report.problems), len(beside.problems)) != before:
        return None
    made = Action(
        kind,
        name,
        args or {},
        stage=stage,
        principal=facts_made.principal,
        framework=fields.text("framework"),
        call_id=fields.text("call_id"),
    )
    place = known.fields.key_place
    named = [
        *(("limit", name, (node.line, node.column)) for name, node in exceeded),
        *(("limit", name, place("used", name)) for name in used),
        *(("document", name, place("modes", name)) for name in facts_made.modes),
        *(("document", name, place("verdicts", name)) for name in facts_made.verdicts),
    ]
    return Given(
        made,
        facts_made,
        exceeded=[name for name, _ in exceeded],
        used=used,
        named=named,
        source=beside.source,
    )


def _plain(fields: Fields, key: str, report: Report, kind: str = "") -> Any:
    """Return a value as a guard would judge it."""
    node = fields.get(key, "map", "write `name: value`") if kind else fields.values.get(key)
    if node is None:
        return None
    value = value_of(node, report)
    try:
        plain = private_copy(value, root=key)
        plain.encode()
    except CanonicalError as error:
        report.at(node, f"a guard would refuse this at once: {error}")
        return None
    return plain.tree
