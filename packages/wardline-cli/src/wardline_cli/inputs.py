"""Actions, principals and facts as people give them on the command line: JSON, checked strictly."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wardline_cli.failures import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wardline import Action, Facts

__all__ = ["read_action"]

_ACTION: Final = ("args", "call_id", "framework", "kind", "name", "stage")
_RESULT: Final = ("duration_ms", "error", "result")
_PRINCIPAL: Final[Mapping[str, type]] = {
    "id": str,
    "name": str,
    "chain": list,
    "roles": list,
    "tenant": str,
    "environment": str,
    "assurance": str,
}


def read_action(action: str, principal: str, session: str, run: str) -> tuple[Action, Facts]:
    """Return the action and the facts that the options of a command describe."""
    from wardline import AFTER_KINDS, KINDS, Action, Facts

    fields = _object("--action", action)
    kind = _text("--action", fields, "kind", "tool_call")
    stage = _text("--action", fields, "stage", "before")
    _known("--action", fields, (*_ACTION, *(_RESULT if stage == "after" else ())))
    _one_of("--action: `kind`", kind, KINDS)
    _one_of("--action: `stage`", stage, ("before", "after"))
    if stage == "after" and kind not in AFTER_KINDS:
        raise UsageError(f"--action: `{kind}` has no stage `after`; nothing comes back from it")
    if not _text("--action", fields, "name", ""):
        raise UsageError('--action: say which action, as in {"name": "read_file"}')
    args = _typed("--action", fields, "args", dict, {})
    who = _principal(principal)
    made = Action(
        kind,
        fields["name"],
        _plain("args", args),
        stage=stage,
        principal=who,
        framework=_text("--action", fields, "framework", ""),
        call_id=_text("--action", fields, "call_id", ""),
    )
    error = _text("--action", fields, "error", "")
    facts = Facts(
        who,
        session=_counters("--session", session),
        run=_counters("--run", run),
        now=_now(),
        result=_plain("result", fields.get("result")),
        error=error or None,
        duration_ms=_typed("--action", fields, "duration_ms", int, 0),
    )
    return made, facts


def _now() -> int:
    from wardline import Clock

    return Clock().now()


def _principal(text: str) -> Any:
    from wardline import Principal

    fields = _object("--principal", text)
    _known("--principal", fields, _PRINCIPAL)
    for key, kind in _PRINCIPAL.items():
        value = _typed("--principal", fields, key, kind, kind())
        if kind is list and not all(isinstance(item, str) for item in value):
            raise UsageError(f"--principal: `{key}` is a list of texts")
    return Principal(**fields)


def _counters(option: str, text: str) -> dict[str, Any]:
    """Return a session or run as conditions see it; what is not given has not happened."""
    from wardline import COUNTERS

    fields = _object(option, text)
    _known(option, fields, ("id", "depth", *COUNTERS))
    made: dict[str, Any] = {"id": _text(option, fields, "id", "")}
    for key in ("depth", *COUNTERS):
        made[key] = _typed(option, fields, key, int, 0)
        if made[key] < 0:
            raise UsageError(f"{option}: `{key}` is less than 0")
    return made


def _object(option: str, text: str) -> dict[str, Any]:
    """Return the JSON object that an option gives, in itself, in `@file` or on standard input (`@-`)."""
    try:
        if text == "@-":
            text = sys.stdin.read()
        elif text.startswith("@"):
            text = Path(text[1:]).read_text(encoding="utf-8")
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_constant)
    except OSError as error:
        raise UsageError(f"{option}: {error.filename} cannot be read: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{option} is not JSON: {error}\n"
            'write an object, as in \'{"name": "read_file"}\' (mind the shell: single quotes outside)'
        ) from error
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error
    except RecursionError as error:
        raise UsageError(f"{option} is nested too deeply") from error
    if not isinstance(value, dict):
        raise UsageError(f'{option} is not a JSON object; write one, as in \'{{"name": "…"}}\'')
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        message = f"the key `{twice}` occurs twice in one object"
        raise ValueError(message)
    return fields


def _constant(text: str) -> Any:
    message = f"{text} is not JSON"
    raise ValueError(message)


def _known(option: str, fields: Mapping[str, Any], known: Iterable[str]) -> None:
    names = sorted(known)
    for key in fields:
        if key not in names:
            raise UsageError(f"{option} has an unknown key `{key}`{_suggestion(key, names)}")


def _one_of(what: str, value: str, known: Iterable[str]) -> None:
    names = list(known)
    if value not in names:
        raise UsageError(f"{what} cannot be `{value}`{_suggestion(value, names)}")


def _suggestion(word: str, known: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word.casefold(), known, n=1)
    return f"; did you mean `{near[0]}`?" if near else f"; known are {', '.join(known)}"


def _text(option: str, fields: Mapping[str, Any], key: str, default: str) -> str:
    value: str = _typed(option, fields, key, str, default)
    return value


def _typed(option: str, fields: Mapping[str, Any], key: str, kind: type, default: Any) -> Any:
    value = fields.get(key, default)
    if type(value) is not kind:
        names = {str: "a text", list: "a list", dict: "an object", int: "a whole number"}
        raise UsageError(f"{option}: `{key}` is {names[kind]}")
    return value


def _plain(root: str, value: Any) -> Any:
    """Return a value as a guard would judge it."""
    from wardline import CanonicalError, private_copy

    try:
        plain = private_copy(value, root=root)
        plain.encode()
        return plain.tree
    except CanonicalError as error:
        raise UsageError(f"--action: a guard would refuse this at once: {error}") from error
