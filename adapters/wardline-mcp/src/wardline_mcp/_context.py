"""What a governed client tells a governed server: in whose session, run and name a call happens.

It is a claim, and not signed. A server takes it only where it was told to trust its clients.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from wardline import ConfigurationError
from wardline.adapters import Ids, Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wardline import Guard, Permit, Principal

__all__ = ["CALL", "CONTEXT", "call_id", "claimed", "with_context", "without_context"]

CONTEXT: Final = "org.wardline/context"
"""The key of `_meta` under which the context travels."""

CALL: Final = "org.wardline/call"
"""The key of `_meta` by which a caller names a call, to have it run once however often it is sent."""

_LONGEST: Final = 512


def with_context(params: Mapping[str, Any], place: Place, permit: Permit) -> dict[str, Any]:
    """Return the parameters of a request with the context of the action that it is."""
    action, session = permit.action, place.session
    acting = action.principal or place.guard.principal
    context = {
        "session": session.root,
        "run": action.run,
        "call": str(permit.intent),
        "principal": {"id": acting.id, "name": acting.name, "chain": list(acting.chain)},
    }
    return {**params, "_meta": {**(params.get("_meta") or {}), CONTEXT: context}}


def without_context(params: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a request without a context that its caller made up."""
    meta = params.get("_meta")
    if not isinstance(meta, dict) or CONTEXT not in meta:
        return params
    return {**params, "_meta": {key: value for key, value in meta.items() if key != CONTEXT}}


def call_id(params: Mapping[str, Any]) -> str:
    """Return the name that the caller gave to a call, "" where it gave none.

    Raises `ConfigurationError` for what is no name.
    """
    meta = params.get("_meta")
    return _text(meta, CALL) if isinstance(meta, dict) and CALL in meta else ""


def claimed(
    guard: Guard, framework: str, params: Mapping[str, Any], server: str, verified: Principal | None
) -> Place | None:
    """Return the place that a client says a call happens in, None where it says nothing.

    The session lies below the client's, so that limits count together. `verified` is who the client
    has proved to be: then the claim can only say on whose behalf. Raises `ConfigurationError` for a
    claim that cannot be read.
    """
    meta = params.get("_meta")
    context = meta.get(CONTEXT) if isinstance(meta, dict) else None
    if context is None:
        return None
    root, run, who = _text(context, "session"), _text(context, "run"), context.get("principal")
    chain = who.get("chain") if isinstance(who, dict) else None
    if not isinstance(chain, list) or not all(isinstance(one, str) and one for one in chain):
        raise ConfigurationError(f"the client's {CONTEXT} has no principal with a chain")
    acting = _text(who, "id")
    if verified is None:
        name = who.get("name")
        principal = replace(
            guard.principal,
            id=acting,
            name=name if isinstance(name, str) else "",
            chain=tuple(chain),
            roles=(),
            assurance="claimed",
        )
    else:
        above = () if acting == verified.id else (acting,)
        principal = replace(verified, chain=(*chain, *above))
    ids = Ids(session=f"{root}/{server}", parent=root, run=run, agents=[])
    return Place(guard, framework, ids, principal)


def _text(fields: Any, name: str) -> str:
    value = fields.get(name) if isinstance(fields, dict) else None
    if not isinstance(value, str) or not value or len(value) > _LONGEST:
        raise ConfigurationError(f"the client's metadata has no usable `{name}`")
    return value
