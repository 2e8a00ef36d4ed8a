"""`wardline approvals`: what waits for an answer, and the answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from wardline_cli import exits, output
from wardline_cli.failures import CommandError
from wardline_cli.options import Home, Json, Note, Status, group
from wardline_cli.state import operator, reading
from wardline_cli.times import ago, iso, local, now, span

if TYPE_CHECKING:
    from wardline import Approval, Operator

__all__ = ["app", "approve", "deny", "list_", "show"]

app = group("approvals", "List, show and answer what agents ask people for.")

_Id = Annotated[str, Parameter(name="ID", help="The approval, as `approvals list` names it.")]


@app.command(name="list")
def list_(*, status: Status = None, home: Home = None, as_json: Json = False) -> int:
    """List approvals, the oldest first.

    For example:
        wardline approvals list --status pending
    """
    with reading(home) as (hand, source):
        found = hand.approvals(status)
        if as_json:
            output.print_json(
                {"source": str(hand.state), "approvals": [_as_dict(one) for one in found]}
            )
            return exits.OK
        if not found:
            which = f"{status} " if status else ""
            output.say(f"there are no {which}approvals")
        for one in found:
            _entry(one)
        output.say()
        output.say(source)
    return exits.OK


@app.command
def show(id_: _Id, /, *, home: Home = None, as_json: Json = False) -> int:
    """Show one approval.

    Says who asks and why, and has the exact arguments that will run.

    For example:
        wardline approvals show approval-70204be914dcd796ccf65f94
    """
    with reading(home) as (hand, source):
        approval = hand.approval(id_)
        if as_json:
            output.print_json({"source": str(hand.state), "approval": _as_dict(approval)})
            return exits.OK
        _show(approval)
        output.say()
        output.say(source)
    return exits.OK


@app.command
def approve(id_: _Id, /, *, note: Note = "", home: Home = None, as_json: Json = False) -> int:
    """Say yes to one pending approval, as the user who runs this command.

    It prints what was approved. The action runs once, when the agent tries again.

    For example:
        wardline approvals approve approval-70204be914dcd796ccf65f94
        wardline approvals approve approval-70204be914dcd796ccf65f94 --note "as agreed"

    Exits with 1 if the answer does not count: you are not among the approvers,
    have answered already or asked yourself, or nobody waits for it any more.
    """
    with operator(home) as hand:
        return _answer(hand, id_, note, approved=True, as_json=as_json)


@app.command
def deny(id_: _Id, /, *, note: Note = "", home: Home = None, as_json: Json = False) -> int:
    """Say no to one pending approval, as the user who runs this command.

    One no is enough, however many people were asked.

    For example:
        wardline approvals deny approval-70204be914dcd796ccf65f94 --note "no"

    Exits with 1 if the answer does not count, as for `approve`.
    """
    with operator(home) as hand:
        return _answer(hand, id_, note, approved=False, as_json=as_json)


def _answer(hand: Operator, id_: str, note: str, *, approved: bool, as_json: bool) -> int:
    from wardline import LedgerError

    try:
        approval = hand.answer(id_, approved=approved, note=note)
    except LedgerError as error:
        said = "yes" if approved else "no"
        raise CommandError(
            f"the {said} of {hand.by} to {id_} COUNTS, but the ledger has no record of it: {error}"
        ) from error
    if as_json:
        output.print_json({"source": str(hand.state), "approval": _as_dict(approval)})
        return exits.OK
    _show(approval)
    output.say()
    if approval.status == "approved":
        left = span(approval.expires - now())
        output.say(f"approved by {hand.by}; it runs once if the agent tries again within {left}")
    elif approval.status == "pending":
        output.say(f"the yes of {hand.by} is recorded; it still needs {_missing(approval)}")
    else:
        output.say(f"{approval.status} by {hand.by}")
    return exits.OK


def _entry(approval: Approval) -> None:
    """Write an approval for the list: never shortened, because the id is there to be copied."""
    words = [_status(approval), f"asked {ago(approval.created)}"]
    if approval.status in ("pending", "approved"):
        words.append(f"expires in {span(approval.expires - now())}")
    output.say(f"{output.printable(approval.id)}  {', '.join(words)}")
    output.say(
        output.printable(f"    {_who(approval)} wants to run {approval.kind} {approval.name}")
    )
    for need in approval.requirements:
        people = ", ".join(need.approvers) or "nobody: no approver is mapped to a person"
        output.say(output.printable(f"    rule {need.rule} asks {people}"))


def _show(approval: Approval) -> None:
    from wardline import render_request

    output.say(render_request(approval).lstrip("\n"))
    output.say(f"  status: {_status(approval)}")
    output.say(f"  asked {local(approval.created)}, expires {local(approval.expires)}")
    for need in approval.requirements:
        people = ", ".join(need.approvers) or "nobody: no approver is mapped to a person"
        output.say(output.printable(f"  rule {need.rule}: {need.quorum} of {people}"))
    for answer in approval.answers:
        said = "yes" if answer.approved else "no"
        note = f": {answer.note}" if answer.note else ""
        at = local(answer.t)
        output.say(output.printable(f"  {answer.by} said {said} at {at} ({answer.how}){note}"))
    if approval.note and all(approval.note != answer.note for answer in approval.answers):
        output.say(output.printable(f"  note: {approval.note}"))


def _status(approval: Approval) -> str:
    colours = {"pending": "yellow", "approved": "green", "denied": "red"}
    return output.paint(approval.status, colours.get(approval.status, ""))


def _who(approval: Approval) -> str:
    return (
        f"{approval.principal}, for {' > '.join(approval.chain)},"
        if approval.chain
        else approval.principal
    )


def _missing(approval: Approval) -> str:
    """Return what keeps an approval pending after a yes."""
    yes = {answer.by for answer in approval.answers if answer.approved}
    parts = []
    for need in approval.requirements:
        left = need.quorum - len(yes.intersection(need.approvers))
        if left > 0:
            others = ", ".join(one for one in need.approvers if one not in yes)
            parts.append(f"{left} of {others} for rule {need.rule}")
    return output.printable("; ".join(parts) or "somebody else, because of separation of duties")


def _as_dict(approval: Approval) -> dict[str, Any]:
    return {
        "id": approval.id,
        "status": approval.status,
        "kind": approval.kind,
        "name": approval.name,
        "principal": approval.principal,
        "chain": list(approval.chain),
        "session": approval.session,
        "run": approval.run,
        "call_id": approval.call_id,
        "arguments": json.loads(approval.arguments),
        "reason": approval.reason,
        "requirements": [
            {
                "document": need.document,
                "rule": need.rule,
                "approvers": list(need.approvers),
                "quorum": need.quorum,
                "separation_of_duties": need.separation_of_duties,
                "reason": need.reason,
            }
            for need in approval.requirements
        ],
        "answers": [
            {
                "by": answer.by,
                "how": answer.how,
                "approved": answer.approved,
                "time": iso(answer.t),
                "note": answer.note,
            }
            for answer in approval.answers
        ],
        "created": iso(approval.created),
        "expires": iso(approval.expires),
        "closed": iso(approval.closed) if approval.closed else None,
        "note": approval.note,
        "fingerprint": approval.fingerprint,
        "policy": approval.policy,
    }
