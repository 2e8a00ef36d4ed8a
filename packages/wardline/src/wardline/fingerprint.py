"""The fingerprint: what an approval, a permit and a record are bound to."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from json import dumps
from typing import TYPE_CHECKING, Final

from wardline.errors import CanonicalError

if TYPE_CHECKING:
    from wardline.action import Action, Principal

__all__ = ["fingerprint"]

_VERSION: Final = "wardline/v1"


def fingerprint(action: Action, principal: Principal, arguments: bytes) -> str:
    """Return the fingerprint of an action in lower-case hexadecimal.

    It is SHA-256 of the canonical form of version, kind, stage, name, args, principal id, digest of
    the principal's chain, and tenant. `arguments` are the canonical bytes of the arguments. Raises
    `CanonicalError` for a name that no UTF-8 text can carry.
    """
    try:
        frame = _frame(
            action.kind,
            action.stage,
            action.name,
            principal.id,
            principal.chain_digest,
            principal.tenant,
        )
    except UnicodeEncodeError:
        raise CanonicalError(
            "contains a lone surrogate, which no UTF-8 text can carry", "name"
        ) from None
    return sha256(b'{"args":' + arguments + frame).hexdigest()


@lru_cache(maxsize=4096)
def _frame(kind: str, stage: str, name: str, id: str, chain: str, tenant: str) -> bytes:
    """Return the canonical bytes that follow the arguments; the keys are in order."""
    rest = {
        "chain": chain,
        "kind": kind,
        "name": name,
        "principal": id,
        "stage": stage,
        "tenant": tenant,
        "version": _VERSION,
    }
    return ("," + dumps(rest, ensure_ascii=False, separators=(",", ":"))[1:]).encode()
