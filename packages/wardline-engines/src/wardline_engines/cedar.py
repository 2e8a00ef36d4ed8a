"""Cedar policies: parsed once, asked in process.

An error while a policy is evaluated denies, even where another policy permits: Cedar itself skips a
policy that errs, a `forbid` included.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from wardline import EngineError, Verdict
from wardline_engines.cedar_source import read_policies
from wardline_engines.cedar_terms import FILLED, question
from wardline_engines.nouns import NOUNS
from wardline_engines.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from wardline import Engine
    from wardline_engines.cedar_source import Written
    from wardline_engines.cedar_terms import Question

    Uid = tuple[str, str]

__all__ = ["KEYS", "open"]

KEYS: Final[Mapping[str, str]] = {
    "policies": "the policies, or a file that ends in .cedar",
    "schema": "a schema, or a file that ends in .cedarschema",
    "entities": "a list of entities, or a .json file in a folder of its own",
}

_MOST_KEPT: Final = 128
_MOST_SHOWN: Final = 3


def open(settings: Mapping[str, Any], read: Callable[[str], bytes]) -> Engine:
    """Open Cedar policies. Raises `EngineError` for what Cedar or its schema does not accept."""
    cedar = _library()
    found = Settings(settings, read)
    if "policies" not in found:
        raise EngineError("`with:` needs `policies`: the policies, or a file that ends in .cedar")
    written = read_policies(cedar, *found.source("policies", ".cedar"))
    schema, kinds = None, frozenset(NOUNS)
    if "schema" in found:
        schema, kinds = _schema(cedar, found, written)
    known = _Known(cedar, _entities(found), schema)
    return _Cedar(cedar, written, schema, known, kinds)


def _library() -> ModuleType:
    try:
        import cedarpy
    except ImportError as error:
        raise EngineError(
            f"Cedar needs cedarpy ({error}): pip install 'wardline-engines[cedar]'"
        ) from None
    return cedarpy


def _schema(cedar: ModuleType, settings: Settings, written: Written) -> tuple[Any, frozenset[str]]:
    """Return the parsed schema and the kinds of action it declares; every policy fits it."""
    text, file = settings.source("schema", ".cedarschema")
    where = f"{file}: " if file else ""
    try:
        schema = cedar.Schema.from_str(text)
    except ValueError as error:
        raise EngineError(f"{where}{error}", "schema") from None
    probe = 'permit(principal is Agent, action == Action::"{}", resource is {});'
    kinds = frozenset(
        kind
        for kind, noun in NOUNS.items()
        if cedar.validate_policies(probe.format(kind, noun), schema)
    )
    if not kinds:
        raise EngineError(
            f"{where}it declares none of the questions that are asked, such as "
            "`action tool_call appliesTo { principal: Agent, resource: Tool }`",
            "schema",
        )
    checked = cedar.validate_policies(written.text, schema)
    if not checked:
        problems = [written.named(error.error) for error in checked.errors]
        raise EngineError(f"against the schema: {_few(problems)}", "policies")
    return schema, kinds


def _entities(settings: Settings) -> list[Any]:
    value = settings.value("entities")
    if value is None:
        return []
    if type(value) is str:
        text, file = settings.source("entities", ".json")
        try:
            value = json.loads(text)
        except ValueError as error:
            raise EngineError(f"{file or 'entities'}: {error}", "entities") from None
    if type(value) is not list:
        raise EngineError("`entities` is a list of entities, or a file with one", "entities")
    return value


class _Cedar:
    """Policies, schema and known entities, ready to be asked by any thread."""

    __slots__ = ("_cedar", "_kinds", "_known", "_schema", "_written")

    def __init__(
        self,
        cedar: ModuleType,
        written: Written,
        schema: Any,
        known: _Known,
        kinds: frozenset[str],
    ) -> None:
        self._cedar = cedar
        self._written = written
        self._schema = schema
        self._known = known
        self._kinds = kinds

    def start(self) -> None:
        """Nothing is left to do: policies, schema and entities are parsed."""

    def judge(self, request: Mapping[str, Any], deadline: float) -> Verdict:
        """Return what the policies say. Nothing interrupts Cedar; a late answer is a denial."""
        started = time.monotonic()
        if (kind := request["action"]["kind"]) not in self._kinds:
            raise EngineError(f'the schema does not declare Action::"{kind}" on a {NOUNS[kind]}')
        verdict = self.answer(question(request))
        if time.monotonic() - started > deadline:
            raise EngineError(f"it took longer than {deadline * 1000:g} ms")
        return verdict

    def close(self) -> None:
        """Nothing is held that outlives this object."""

    def answer(self, asked: Question) -> Verdict:
        """Return what the policies say of a request in Cedar's own terms."""
        found = self._cedar.is_authorized(
            {
                "principal": _uid(asked.principal),
                "action": _uid(asked.action),
                "resource": _uid(asked.resource),
                "context": asked.context,
            },
            self._written.handle,
            self._known.beside(asked),
            self._schema,
        )
        written, told = self._written, found.diagnostics
        if told.errors:
            raise EngineError(_few([written.named(error) for error in told.errors]))
        rules = written.names(told.reasons)
        if found.decision is self._cedar.Decision.Allow:
            return Verdict("allow", f"permitted by {', '.join(rules)}", rules=rules)
        if found.decision is not self._cedar.Decision.Deny:
            raise EngineError(f"it came to no decision but {found.decision.name}")
        if not rules:
            return Verdict("deny", "no policy permits it")
        said = "; ".join(written.reasons(told.reasons))
        return Verdict("deny", said or f"forbidden by {', '.join(rules)}", rules=rules)


class _Known:
    """The entities that the document states, and beside them those of a request.

    What a file states of the very agent or tool that a request is about is joined with what the
    request states. Handles are kept for requests that look alike.
    """

    __slots__ = ("_bases", "_cedar", "_kept", "_schema", "_stated")

    def __init__(self, cedar: ModuleType, stated: list[Any], schema: Any) -> None:
        self._cedar = cedar
        self._schema = schema
        self._stated = {_key(entity): entity for entity in stated}
        if len(self._stated) != len(stated):
            raise EngineError("an entity is stated twice", "entities")
        for key, entity in self._stated.items():
            taken = FILLED & entity.get("attrs", {}).keys() if key[0] in _DESCRIBED else ()
            if taken:
                raise EngineError(
                    f'{key[0]}::"{key[1]}" has the attribute `{min(taken)}`, which the request states',
                    "entities",
                )
        self._kept: dict[str, Any] = {}
        self._bases: dict[frozenset[Uid], Any] = {}
        self._base(frozenset())

    def beside(self, asked: Question) -> Any:
        """Return a handle on the stated entities and those of a request.

        Raises `EngineError` for entities that contradict each other or the schema.
        """
        delta = json.dumps([self._joined(key, *rest) for key, rest in asked.entities.items()])
        handle = self._kept.get(delta)
        if handle is None:
            base = self._base(frozenset(asked.entities.keys() & self._stated.keys()))
            try:
                handle = base.with_added_json_str(delta, self._schema)
            except ValueError as error:
                raise EngineError(_entity_trouble(error)) from None
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[delta] = handle
        return handle

    def _base(self, without: frozenset[Uid]) -> Any:
        """Return a handle on the stated entities but for some."""
        handle = self._bases.get(without)
        if handle is None:
            rest = [entity for key, entity in self._stated.items() if key not in without]
            try:
                handle = self._cedar.Entities.from_json_str(json.dumps(rest), self._schema)
            except ValueError as error:
                raise EngineError(_entity_trouble(error), "entities") from None
            if len(self._bases) >= _MOST_KEPT:
                self._bases.clear()
            self._bases[without] = handle
        return handle

    def _joined(self, key: Uid, attrs: dict[str, Any], parents: list[Uid]) -> dict[str, Any]:
        stated = self._stated.get(key, {})
        return {
            "uid": _uid(key),
            "attrs": {**stated.get("attrs", {}), **attrs},
            "parents": [*map(_uid, parents), *stated.get("parents", [])],
            "tags": stated.get("tags", {}),
        }


_DESCRIBED: Final = frozenset({"Agent", *NOUNS.values()})


def _uid(key: Uid) -> dict[str, str]:
    return {"type": key[0], "id": key[1]}


def _key(entity: Any) -> Uid:
    """Return type and id of a stated entity, in either of the two forms that Cedar reads."""
    uid = entity.get("uid") if type(entity) is dict else None
    if type(uid) is dict:
        uid = uid.get("__entity", uid)
    if type(uid) is not dict or not all(type(uid.get(key)) is str for key in ("type", "id")):
        raise EngineError(f"an entity has no uid with type and id: {repr(entity)[:60]}", "entities")
    if type(entity.get("attrs", {})) is not dict or type(entity.get("parents", [])) is not list:
        raise EngineError("an entity has a map `attrs` and a list `parents`", "entities")
    return uid["type"], uid["id"]


def _entity_trouble(error: ValueError) -> str:
    return f"the entities do not fit together, or do not fit the schema: {error}"


def _few(messages: list[str]) -> str:
    """Return the first messages, and how many more there are."""
    shown = "; ".join(messages[:_MOST_SHOWN])
    more = len(messages) - _MOST_SHOWN
    return f"{shown}; and {more} more" if more > 0 else shown
