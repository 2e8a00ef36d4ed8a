"""Rego policies, decided by an OPA server of their own on a socket that nobody else can reach.

A function that errs makes the whole answer an error: OPA by itself lets the rule around it quietly not
hold, a `deny` included. Without a result the answer is no.
"""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any, Final

from wardline import EngineError, Verdict
from wardline_engines.json_forms import exact, read_json, sentence
from wardline_engines.opa import Server, check, find
from wardline_engines.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wardline import Engine
    from wardline_engines.wire import Answer

__all__ = ["KEYS", "open"]

KEYS: Final[Mapping[str, str]] = {
    "policies": "the policy, a file that ends in .rego, or a list of such files",
    "data": "what policies read under `data`, or a .json file in a folder of its own",
    "query": "what is asked for, data.wardline.decision by default",
    "opa": "the absolute path of the opa binary",
}

_QUERY: Final = "data.wardline.decision"
_PATH: Final = re.compile(r"data(?:\.[A-Za-z_][A-Za-z0-9_]*)+")
_EFFECTS: Final = frozenset({"allow", "deny", "require_approval"})
_OK: Final = 200
_INLINE: Final = "policies"


def open(settings: Mapping[str, Any], read: Callable[[str], bytes]) -> Engine:
    """Open Rego policies. OPA checks them at once and is started when a guard opens.

    Raises `EngineError` for what OPA does not accept, or where there is no OPA.
    """
    found = Settings(settings, read)
    if "policies" not in found:
        raise EngineError("`with:` needs `policies`: the policy, or a file that ends in .rego")
    query = found.text("query", _QUERY)
    if not _PATH.fullmatch(query):
        raise EngineError("`query` is a path such as data.wardline.decision", "query")
    modules = _modules(found)
    files = {f"{number}.rego": text.encode() for number, (_, text) in enumerate(modules)}
    if "data" in found:
        files["data.json"] = json.dumps(_data(found)).encode()
    opa = find(found.text("opa") if "opa" in found else "")
    names = {f"{number}.rego": name for number, (name, _) in enumerate(modules)}
    if wrong := check(opa, files, query):
        raise EngineError(_named(_few_lines(wrong), names), "policies")
    return _Rego(Server(opa, files), query.partition(".")[2].replace(".", "/"), names)


def _modules(settings: Settings) -> list[tuple[str, str]]:
    """Return the names and texts of all modules; a text within the document has no name of its own."""
    given = settings.value("policies")
    if type(given) is not list:
        text, file = settings.source("policies", ".rego")
        return [(file or _INLINE, text)]
    if not given or any(type(name) is not str or not name.endswith(".rego") for name in given):
        raise EngineError("`policies` is a text, a .rego file or a list of .rego files", "policies")
    if len(set(given)) != len(given):
        raise EngineError("`policies` names a file twice", "policies")
    return [(name, settings.file("policies", name)) for name in given]


def _data(settings: Settings) -> dict[str, Any]:
    value = settings.value("data")
    if type(value) is str:
        text, file = settings.source("data", ".json")
        try:
            value = json.loads(text)
        except ValueError as error:
            raise EngineError(f"{file or 'data'}: {error}", "data") from None
    if type(value) is not dict:
        raise EngineError("`data` is a map, or a file with one", "data")
    try:
        exact(value, wide=True)
    except EngineError as error:
        raise EngineError(str(error), "data") from None
    return value


def _named(message: str, names: Mapping[str, str]) -> str:
    """Return a message of OPA with the names that the document has for its modules."""
    return re.sub(r"\b[0-9]+\.rego\b", lambda found: names.get(found[0], found[0]), message)


def _few_lines(message: str) -> str:
    lines = [line.strip() for line in message.splitlines() if line.strip(" \t^")]
    return sentence(" / ".join(line.removeprefix("error: ") for line in lines))


class _Rego:
    """A policy with its server. Any thread may ask."""

    __slots__ = ("_names", "_path", "_server")

    def __init__(self, server: Server, path: str, names: Mapping[str, str]) -> None:
        self._server = server
        self._path = f"/v1/data/{path}?strict-builtin-errors=true"
        self._names = names

    def start(self) -> None:
        """Start OPA and wait until it listens."""
        self._server.start()

    def judge(self, request: Mapping[str, Any], deadline: float) -> Verdict:
        """Return what the policy says, or raise `EngineError` within `deadline` seconds."""
        until = time.monotonic() + deadline
        body = json.dumps({"input": exact(dict(request), wide=True)}, allow_nan=False).encode()
        answer = self._server.post(self._path, body, until)
        told = read_json(answer.body)
        if type(told) is not dict:
            raise EngineError("OPA answered something else than an object")
        if answer.status != _OK:
            raise EngineError(self._trouble(answer, told))
        if "result" not in told:
            return Verdict("deny", "the policy has no decision for it")
        return _verdict(told["result"])

    def close(self) -> None:
        """End OPA; from now on there is no answer."""
        self._server.close()

    def _trouble(self, answer: Answer, told: dict[str, Any]) -> str:
        """Return what OPA says went wrong, and where."""
        errors = told.get("errors")
        first = errors[0] if type(errors) is list and errors else told
        first = first if type(first) is dict else {}
        place = first.get("location")
        where = ""
        if type(place) is dict:
            file = str(place.get("file", "")).rpartition("/")[2]
            where = f"{self._names.get(file, file)}:{place.get('row', 0)}: "
        return f"{where}{sentence(first.get('message')) or f'OPA answered {answer.status}'}"


def _verdict(result: Any) -> Verdict:
    if type(result) is bool:
        return Verdict("allow", "it says yes") if result else Verdict("deny", "it says no")
    if type(result) is not dict:
        raise EngineError(f"the decision is {_shown(result)}: it is a boolean, or has an `effect`")
    if odd := result.keys() - {"effect", "reason"}:
        raise EngineError(f"the decision has `{sentence(min(odd))}`: it has `effect` and `reason`")
    effect, reason = result.get("effect"), result.get("reason", "")
    if type(effect) is not str or effect not in _EFFECTS:
        raise EngineError(
            f"the decision's `effect` is {_shown(effect)}: it is allow, deny or require_approval"
        )
    if type(reason) is not str:
        raise EngineError(f"the decision's `reason` is {_shown(reason)}: it is a string")
    return Verdict(effect, sentence(reason) or f"it says {effect}")


def _shown(value: object) -> str:
    return sentence(json.dumps(value)[:60])
