"""Documents whose effect another policy engine gives."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Protocol

from wardline.errors import EngineError
from wardline.plugins import installed, missing, plugin
from wardline.policy.model import Consulted
from wardline.policy.source import suggestion

if TYPE_CHECKING:
    from wardline.policy.fields import Fields
    from wardline.verdict import EngineModule

__all__ = ["DEADLINE", "FileReader", "read_engine"]

_USUAL: Final = 0.05
_LONGEST: Final = 5.0
DEADLINE: Final = re.compile(r"([0-9]{1,4})(ms|s)")
_UNITS: Final = {"ms": 0.001, "s": 1.0}


class FileReader(Protocol):
    """Reads a file that a document names, from inside the policy root."""

    def __call__(self, name: str) -> bytes:
        """Return its bytes. Raises `EngineError` saying why they cannot be read."""
        ...


def read_engine(fields: Fields, read: FileReader) -> Consulted | None:
    """Return the engine of a document, None after reporting what is wrong."""
    name = fields.text("engine")
    deadline = _deadline(fields)
    if not name:
        return None
    module: EngineModule | None = plugin("wardline.engines", name)
    if module is None:
        _unknown(fields, name)
        return None
    settings = _settings(fields, module)
    if settings is None or deadline is None:
        return None
    digests: list[str] = []

    def reading(file: str) -> bytes:
        data = read(file)
        digests.append(sha256(data).hexdigest())
        return data

    try:
        engine = module.open(settings, reading)
    except EngineError as error:
        _refused(fields, name, error)
        return None
    return Consulted(
        name=name,
        engine=engine,
        deadline=deadline,
        files=tuple(digests),
        line=fields.place("engine")[0],
    )


def _deadline(fields: Fields) -> float | None:
    """Return the deadline in seconds, None after reporting a wrong one."""
    text = fields.text("deadline")
    if not text:
        return None if "deadline" in fields.values else _USUAL
    found = DEADLINE.fullmatch(text)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if 0 < seconds <= _LONGEST:
        return seconds
    fields.complain("deadline", f"`{text[:60]}` is no deadline", "write 50ms or 1s; at most 5s")
    return None


def _unknown(fields: Fields, name: str) -> None:
    known = installed("wardline.engines")
    message, hint = missing("wardline.engines", f"`engine: {name[:60]}`")
    if known:
        message, hint = f"there is no engine `{name[:60]}`", suggestion(name, known)
    fields.complain("engine", message, hint)


def _settings(fields: Fields, module: EngineModule) -> dict[str, Any] | None:
    entries = fields.entries("with")
    right = True
    for key in entries:
        if key not in module.KEYS:
            fields.report.at(
                fields.key_place("with", key),
                f"this engine has no setting `{key[:60]}`",
                suggestion(key, module.KEYS),
            )
            right = False
    return {key: node.plain() for key, node in entries.items()} if right else None


def _refused(fields: Fields, name: str, error: EngineError) -> None:
    settings = fields.values.get("with")
    if settings is not None and settings.kind == "map" and error.key in settings.value:
        fields.report.at(settings.value[error.key], f"{name}: {error}")
    else:
        fields.complain("engine", f"{name}: {error}")
