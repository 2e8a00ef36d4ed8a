"""Reading files of cases, strictly: whatever means nothing is an error with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from wardline.cases.expected import read_expected
from wardline.cases.given import ACTION_KEYS, overlaid, read_given
from wardline.cases.known import FACT_KEYS
from wardline.cases.model import Case, CaseFile
from wardline.policy.fields import Fields, Report
from wardline.policy.load import display
from wardline.policy.reader import Node, read
from wardline.policy.source import Source

__all__ = ["CASE_KEYS", "FILE_KEYS", "read_cases"]

FILE_KEYS: Final = ("policy", "defaults", "cases")
CASE_KEYS: Final = ("name", "action", "facts", "expect")
_DEFAULTS_KEYS: Final = ("action", "facts")
_DEFAULT_POLICY: Final = "../policy.yaml"


def read_cases(path: str | Path) -> CaseFile:
    """Return the cases in a file. Raises `PolicyError` with every problem."""
    path = Path(path)
    source = Source.load(path, display(path.resolve()))
    report = Report(source)
    root = read(source)
    fields = Fields(report, root, "case file", "a file of cases", FILE_KEYS)
    policies = _policies(fields, path)
    defaults = fields.get("defaults", "map", "write `action:` and `facts:` under it")
    action, facts = _defaults(report, defaults)
    cases: dict[str, Case] = {}
    for node in fields.maps("cases"):
        case = _case(report, node, action, facts)
        if case is None:
            continue
        if case.name in cases:
            report.at(
                node,
                f"there are two cases named `{case.name}`; the first is on line "
                f"{cases[case.name].line}",
                "give one of them another name",
            )
        cases[case.name] = case
    if "cases" not in fields.values and root.kind == "map":
        report.at(root, "the file has no `cases`", "add `cases:`")
    elif root.kind == "map" and fields.values["cases"].value == []:
        fields.complain("cases", "there is no case in it", "add one, or remove the file")
    report.problems = list(dict.fromkeys(report.problems))  # what is wrong in defaults, once
    report.finish()
    return CaseFile(path, source.file, policies, tuple(cases.values()))


def _policies(fields: Fields, path: Path) -> tuple[Path, ...]:
    """Return the policies that a file of cases names, relative to itself."""
    named = fields.items("policy")
    if "policy" not in fields.values:
        default = path.parent / _DEFAULT_POLICY
        if not default.exists():
            fields.report.at(
                fields.node,
                f"there is no policy at {display(default.resolve())}, where cases look for it",
                "name it with `policy:`, relative to this file",
            )
        return (default,)
    found = []
    for text, node in named:
        policy = path.parent / text
        if not policy.exists():
            fields.report.at(
                node,
                f"there is no policy at {display(policy.resolve())}",
                "the path is relative to this file",
            )
        found.append(policy)
    return tuple(found)


def _defaults(report: Report, node: Node | None) -> tuple[Node | None, Node | None]:
    if node is None:
        return None, None
    fields = Fields(report, node, "defaults", "`defaults`", _DEFAULTS_KEYS)
    action = fields.get("action", "map", f"its keys are {', '.join(ACTION_KEYS)}")
    facts = fields.get("facts", "map", f"its keys are {', '.join(FACT_KEYS)}")
    if action is not None:  # wrong keys are reported here once, and not with every case
        Fields(report, action, "action", "the action", ACTION_KEYS)
    if facts is not None:
        Fields(report, facts, "facts", "`facts`", FACT_KEYS)
    return action, facts


def _case(report: Report, node: Node, action: Node | None, facts: Node | None) -> Case | None:
    named = node.value.get("name") if node.kind == "map" else None
    label = f"case `{named.value}`" if named is not None and named.kind == "string" else "a case"
    fields = Fields(report, node, "case", label, CASE_KEYS)
    name = fields.text("name", required=True)
    whole = overlaid(action, fields.get("action", "map", "write `{name: …, args: {…}}`"))
    expect = fields.values.get("expect")
    if node.kind == "map" and "action" not in fields.values and action is None:
        report.at(node, f"{label} has no `action`", "add `action: {name: …, args: {…}}`")
    if expect is None:
        if node.kind == "map":
            report.at(node, f"{label} does not say what it expects", "add `expect: deny`")
        return None
    stage = whole.value.get("stage") if whole is not None else None
    expected = read_expected(
        expect, report, stage.value if stage is not None and stage.kind == "string" else "before"
    )
    if whole is None:
        return None
    given = read_given(whole, overlaid(facts, fields.get("facts", "map")), report)
    if given is None or not name:
        return None
    return Case(name, given, expected, report.source.file, node.line)
