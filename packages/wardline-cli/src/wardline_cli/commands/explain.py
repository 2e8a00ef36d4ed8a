"""`wardline explain`: what would happen to an action, and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import Parameter

from wardline_cli import exits, output
from wardline_cli.inputs import read_options
from wardline_cli.options import Json, Paths, group

if TYPE_CHECKING:
    from wardline import Action, Decision, Explanation, Finding

__all__ = ["app", "explain"]

app = group("explain")

_CODES: Final = {
    "allow": exits.OK,
    "deny": exits.DENY,
    "require_approval": exits.REQUIRE_APPROVAL,
}
_HEADINGS: Final = {
    "Rules that matched": "matched",
    "Rules that failed": "failed",
    "Rules that nearly matched": "nearly",
    "Rules that did not match": "not matched",
}
_SCOPE: Final = "of switches, limits and earlier actions it knows what --facts says"


@app.default
def explain(
    policy: Annotated[
        Paths, Parameter(name="POLICY", help="A policy file, or a directory of them.")
    ],
    /,
    *,
    action: Annotated[
        str, Parameter(help="The action in YAML or JSON, @FILE, or @- for standard input.")
    ],
    facts: Annotated[
        str, Parameter(help="What is known beside it, in the same way.", show_default=False)
    ] = "{}",
    as_json: Json = False,
) -> int:
    r"""Say what would happen to an action, which rule decides, and why others do not.

    Keys of the action: name, args, kind (tool_call), stage (before), framework,
    call_id; on the stage after also result, error, duration_ms. Keys of the
    facts: principal, session, run, now, exceeded, used, switches, registered,
    modes. Cases of `wardline test` have the same.

    For example:
        wardline explain policy.yaml --action '{name: read_file}'
        wardline explain policy.yaml --action @action.json \
            --facts '{principal: {id: intern-7}, run: {tool_calls: 12}}'

    Exits with 0 for allow, 3 for deny, 4 for require_approval.
    """
    from wardline import explain as explained
    from wardline import load_policies

    given = read_options(action, facts)
    policies = load_policies(policy)
    explanation = explained(policies, given.action, given.facts(policies))
    decision = explanation.decision
    if as_json:
        output.print_json({**explanation.as_dict(), "source": str(policy), "scope": _SCOPE})
    else:
        _show(given.action, explanation)
        output.say()
        output.say(f"judged by {output.printable(policy)} (digest {decision.policy[:12]}…) alone:")
        output.say(_SCOPE)
    return _CODES[decision.effect]


def _show(action: Action, explanation: Explanation) -> None:
    decision = explanation.decision
    effect = output.paint(decision.effect, output.EFFECT_COLOURS[decision.effect])
    stage = "" if action.stage == "before" else f".{action.stage}"
    output.say(f"{effect}: {action.kind}{stage} {output.printable(action.name)}")
    for line in _reasons(decision):
        output.say(f"  {output.printable(line)}")
    output.say()
    output.say(output.paint("Gates", "bold"))
    for gate in explanation.gates:
        effect = output.paint(f"{gate.effect:<16}", output.EFFECT_COLOURS[gate.effect])
        output.say(f"  {gate.name:<11}  {effect}  {output.printable(gate.why)}")
    for heading, wanted in _HEADINGS.items():
        found = [one.as_dict() for one in explanation.findings if _kind(one) == wanted]
        if found:
            output.say()
            output.say(output.paint(heading, "bold"))
            _findings(found)
    output.say()
    output.say(output.paint("What would change the decision", "bold"))
    for flip in explanation.flips or ():
        effect = output.paint(flip.effect, output.EFFECT_COLOURS[flip.effect])
        told = " and ".join(_told(one) for one in flip.as_dict()["changes"])
        output.say(f"  {effect}, if {output.printable(told)} ({output.printable(flip.rule)})")
    if explanation.flips is None:
        output.say(
            "  not looked for: another engine has a say, and would have to be asked each time"
        )
    elif not explanation.flips:
        output.say("  no small change was found")


def _kind(finding: Finding) -> str:
    return "nearly" if finding.miss is not None else finding.status


_TOLD: Final = {
    "limits": "no limit were used up",
    "switches": "nothing were frozen",
    "registered": "the name were registered",
}


def _told(change: dict[str, Any]) -> str:
    """Return a change in words, behind `if`."""
    what = change["what"]
    if what in _TOLD:
        return _TOLD[what]
    if "to" not in change:
        return f"{what} were not there"
    new = json.dumps(change["to"], ensure_ascii=False)
    if "from" not in change:
        return f"{what} were there, as {new}"
    return f"{what} were {new} instead of {json.dumps(change['from'], ensure_ascii=False)}"


def _findings(found: list[dict[str, Any]]) -> None:
    for one in found:
        output.say(
            f"  {output.printable(one['rule'])} ({one['action']}, {output.printable(one['at'])})"
        )
        output.say(f"      {output.printable(one['why'])}")


def _reasons(decision: Decision) -> list[str]:
    where = f"{decision.file}:{decision.line}" if decision.line else ""
    lines = []
    if decision.rule.startswith("builtin:"):
        document = f" of document {decision.document}" if decision.document else ""
        lines.append(f"by the standing rule {decision.rule}{document}")
        if where:
            lines.append(f"stated at {where}")
    else:
        lines.append(f"by rule {decision.rule} of document {decision.document}, {where}")
    if decision.reason:
        lines.append(f"reason: {decision.reason}")
    for ask in decision.asks:
        people = f"{ask.quorum} of " if ask.quorum > 1 else ""
        lines.append(f"rule {ask.rule} asks {people}{', '.join(ask.approvers)}")
    if decision.replacement is not None:
        changed = decision.replacement.encode().decode()
        lines.append(f"what runs or is released is changed to {changed}")
    lines += [
        f"recorded only: rule {advice.rule} of {advice.document} would say {advice.effect}"
        for advice in decision.advice
    ]
    return lines
