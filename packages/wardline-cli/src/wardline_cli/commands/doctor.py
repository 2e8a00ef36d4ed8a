"""`wardline doctor`: what is installed, and whether it can work here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from wardline_cli import exits, output
from wardline_cli.applications import reach
from wardline_cli.checks import Finding, all_checks
from wardline_cli.options import Home, Json, Paths, group

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["app", "doctor"]

app = group("doctor")


@app.default
def doctor(
    *policy: Annotated[Paths, Parameter(name="POLICY", help="Policies that should load.")],
    home: Home = None,
    application: Annotated[str, Parameter(name="--app")] = "",
    as_json: Json = False,
) -> int:
    """Say what is installed and whether state, ledger and policies here can be used.

    Everything it says names its source. Where there is no state or ledger, it makes
    none.

    For example:
        wardline doctor
        wardline doctor policy.yaml --home /var/lib/agent
        wardline doctor --app app.py:agent

    Exits with 1 if something is broken or ungoverned; what is merely absent is not.

    Parameters
    ----------
    application
        A module or file, or one object in it, whose agents are looked at: everything that they can reach
        is named, governed or not. It is imported.
    """
    findings = all_checks(home, policy, quiet=as_json)
    if application:
        findings += reach(application)
    broken = [one for one in findings if one.status in ("broken", "ungoverned")]
    if as_json:
        output.print_json({"ok": not broken, "findings": [_as_dict(one) for one in findings]})
    else:
        _show(findings)
    return exits.FAILED if broken else exits.OK


def _show(findings: Sequence[Finding]) -> None:
    colours = {"ok": "green", "broken": "red", "ungoverned": "red", "absent": "dim"}
    width = max(len(one.status) for one in findings)
    for one in findings:
        status = output.paint(f"{one.status:<{width}}", colours[one.status])
        detail = f": {one.detail}" if one.detail else ""
        output.say(f"{status}  {output.printable(one.what)}{output.printable(detail)}")
        output.say(output.paint(f"{'':{width}}  {output.printable(one.source)}", "dim"))


def _as_dict(finding: Finding) -> dict[str, Any]:
    return {
        "what": finding.what,
        "status": finding.status,
        "detail": finding.detail,
        "source": finding.source,
    }
