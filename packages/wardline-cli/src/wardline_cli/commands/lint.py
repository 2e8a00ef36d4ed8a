"""`wardline lint`: whether a policy loads, and is probably meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline_cli import exits, output
from wardline_cli.failures import UsageError, problem_as_dict, show_problem
from wardline_cli.options import Approvers, Json, Paths, Strict, group

if TYPE_CHECKING:
    from wardline import PolicySet, Problem

__all__ = ["app", "check"]

app = group("lint")


@app.default
def check(
    *paths: Paths, strict: Strict = False, approver: Approvers = None, as_json: Json = False
) -> int:
    """Load policies as an agent would, and print every problem with its place.

    Warnings are about what loads and is probably not meant. All paths together
    are one set, so two documents cannot have one name.

    For example:
        wardline lint policy.yaml
        wardline lint policies/ --strict --json
        wardline lint policy.yaml --approver security-team=os:alice

    Exits with 0 if there are no problems but warnings, with 1 if there are
    (with --strict: or warnings).
    """
    from wardline import PolicyError, lint, load_policies

    if not paths:
        raise UsageError("name at least one policy, as in `wardline lint policy.yaml`")
    policies: PolicySet | None = None
    warnings: tuple[Problem, ...] = ()
    problems: tuple[Problem, ...] = ()
    try:
        policies = load_policies(*paths)
        warnings = lint(policies, approvers=_approvers(approver))
    except PolicyError as error:
        problems = error.problems
    failed = bool(problems or (strict and warnings))
    found = [(one, "error") for one in problems] + [(one, "warning") for one in warnings]
    documents = policies.documents if policies is not None else ()
    if as_json:
        output.print_json(
            {
                "ok": not failed,
                "documents": [
                    {"name": one.name, "file": one.file, "rules": len(one.rules)}
                    for one in documents
                ],
                "problems": [problem_as_dict(*one) for one in found],
            }
        )
        return exits.FAILED if failed else exits.OK
    for problem, severity in found:
        for line in show_problem(problem, severity, colour=output.out_colour()):
            output.say(line)
        output.say()
    for document in () if found else documents:
        output.say(
            f"{output.printable(document.file)}: {output.printable(document.name)}, "
            f"{output.count(len(document.rules), 'rule')}, nothing to complain about"
        )
    if found:
        output.say(
            f"{output.count(len(problems), 'error')}, {output.count(len(warnings), 'warning')}"
        )
    return exits.FAILED if failed else exits.OK


def _approvers(written: list[str] | None) -> dict[str, list[str]] | None:
    """Return who answers for each name, None where nothing was said of it."""
    if written is None:
        return None
    groups: dict[str, list[str]] = {}
    for text in written:
        name, equals, who = text.partition("=")
        if not (name.strip() and equals and who.strip()):
            raise UsageError(f"`--approver {text}`: write a name and who it is, as in ops=os:alice")
        groups.setdefault(name.strip(), []).append(who.strip())
    return groups
