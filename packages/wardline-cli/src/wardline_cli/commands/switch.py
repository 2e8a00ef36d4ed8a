"""`wardline switch`: stop agents, and let them go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from wardline_cli import exits, output
from wardline_cli.failures import CommandError, UsageError
from wardline_cli.options import Home, Json, Reason, Scope, group
from wardline_cli.state import operator, reading
from wardline_cli.times import ago, iso

if TYPE_CHECKING:
    from wardline.store import Switch

__all__ = ["app", "freeze", "list_", "thaw"]

app = group("switch", "Freeze what agents do, by scope, and thaw it again.")

_Value = Annotated[
    str, Parameter(name="VALUE", help="Which one; nothing for everything.", show_default=False)
]


@app.command
def freeze(
    scope: Scope, value: _Value = "", /, *, reason: Reason, home: Home = None, as_json: Json = False
) -> int:
    """Refuse every action in scope from now on.

    It holds in every process that shares this state, until it is thawed. Where there
    is no state yet, it is made, and holds for the agents that start there.

    For example:
        wardline switch freeze everything --reason "incident 42"
        wardline switch freeze tool send_email --reason "wrong recipients"
    """
    from wardline import LedgerError

    _check(scope, value, reason)
    with operator(home, create=True) as hand:
        try:
            hand.freeze(scope, value, reason)
        except LedgerError as error:
            raise CommandError(
                f"{_named(scope, value)} IS frozen, but the ledger has no record of it: {error}"
            ) from error
        return _done("frozen", f"{_named(scope, value)} is frozen", hand.state, as_json=as_json)


@app.command
def thaw(
    scope: Scope, value: _Value = "", /, *, reason: Reason, home: Home = None, as_json: Json = False
) -> int:
    """Lift a freeze of exactly this scope and value.

    For example:
        wardline switch thaw tool send_email --reason "fixed"

    Exits with 1 if there is no such freeze.
    """
    _check(scope, value, reason)
    with operator(home) as hand:
        if not hand.thaw(scope, value, reason):
            raise CommandError(
                f"there is no freeze of {_named(scope, value)} in {hand.state}; see what there is "
                "with `wardline switch list`"
            )
        return _done("thawed", f"{_named(scope, value)} is thawed", hand.state, as_json=as_json)


@app.command(name="list")
def list_(*, home: Home = None, as_json: Json = False) -> int:
    """List what is frozen, by whom and why.

    For example:
        wardline switch list --json
    """
    with reading(home) as (hand, source):
        switches = hand.switches()
        if as_json:
            output.print_json(
                {"source": str(hand.state), "switches": [_as_dict(one) for one in switches]}
            )
            return exits.OK
        if switches:
            output.table(
                ("SCOPE", "STATE", "BY", "SINCE", "REASON"),
                [
                    (f"{one.scope} {one.value}".strip(), one.state, one.by, ago(one.t), one.reason)
                    for one in switches
                ],
            )
        else:
            output.say("nothing is frozen")
        output.say()
        output.say(source)
    return exits.OK


def _check(scope: str, value: str, reason: str) -> None:
    """Refuse a switch that could cover nothing."""
    if scope == "everything" and value:
        raise UsageError(f"the scope everything takes no value; leave `{value}` out")
    if scope != "everything" and not value:
        raise UsageError(f"say which {scope}, as in `wardline switch freeze {scope} VALUE`")
    if not reason.strip():
        raise UsageError("--reason is empty; say why, for those who come after you")
    if scope == "kind":
        from wardline import KINDS

        if value not in KINDS:
            raise UsageError(f"`{value}` is no kind of action; the kinds are {', '.join(KINDS)}")


def _done(state: str, message: str, source: object, *, as_json: bool) -> int:
    if as_json:
        output.print_json({"source": str(source), "state": state, "message": message})
    else:
        output.say(output.printable(f"{message} (recorded in {source} and the ledger beside it)"))
    return exits.OK


def _named(scope: str, value: str) -> str:
    return f"{scope} {value}".strip()


def _as_dict(switch: Switch) -> dict[str, Any]:
    return {
        "scope": switch.scope,
        "value": switch.value,
        "state": switch.state,
        "by": switch.by,
        "reason": switch.reason,
        "since": iso(switch.t),
    }
