"""The values that generated code reads: each once for all conditions, with what its type allows."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from wardline.cel.scope import argument_of, is_args
from wardline.cel.tree import Index, Literal, Name, Node, Select
from wardline.cel.values import search_cost

__all__ = ["NAMES", "Place", "Values", "argument_place", "place_of"]

Place: TypeAlias = tuple[str, ...]
"""Where a value lies: a root and the fields below it, such as `("args", "path")`."""

_TEXTS: Final = frozenset(("kind", "stage", "type", "name", "framework", "call_id"))
_RESULTS: Final = frozenset(("result", "error", "duration_ms"))
_MAPS: Final = frozenset(("principal", "session", "run", "tool"))

_FEW: Final = 64
_SHORT: Final = 256
_EXACT: Final = 2**53
"""Up to here integers and doubles compare alike in CEL and in Python."""


def _words(value: Any) -> bool:
    return type(value) is list and len(value) <= _FEW and all(type(word) is str for word in value)


_NUMBER: Final = f"{{t}} is float or {{t}} is int and {-_EXACT} <= {{v}} <= {_EXACT}"
_TESTS: Final = {
    "text": "{t} is str",
    "short": f"{{t}} is str and len({{v}}) <= {_SHORT}",
    "ascii": f"{{t}} is str and len({{v}}) <= {_SHORT} and isascii({{v}})",
    "number": _NUMBER,
    "key": f"{{t}} is str or {_NUMBER}",
    # What equals a literal or does not, without a question to the value itself.
    "plain": f"{{t}} in PLAIN or {_NUMBER}",
    "truth": "{t} is bool",
    "sized": "{t} in SIZED",
    "map": "{t} is dict",
    "words": "words({v})",
}
"""What a value has to be, in terms of the value `v` and its type `t`; MISSING passes none."""

NAMES: Final[dict[str, Any]] = {
    "MISSING": object(),
    "PLAIN": frozenset((str, bool, type(None), bytes, list, tuple, dict)),
    "SIZED": frozenset((str, bytes, list, tuple, dict)),
    "bool": bool,
    "dict": dict,
    "float": float,
    "int": int,
    "isascii": str.isascii,
    "len": len,
    "search_cost": search_cost,
    "str": str,
    "type": type,
    "words": _words,
}
"""The global names of generated code; there are no others, and no builtins."""


def place_of(node: Node) -> Place | None:
    """The place that a chain of fields below a root reads; None for every other node.

    The caller has made sure that no macro's variable hides a root.
    """
    if not isinstance(node, Select | Index):
        return None
    argument = argument_of(node)
    if argument is not None:
        return ("args", argument)
    if isinstance(node, Index) and isinstance(node.index, Literal):
        field, operand = node.index.value, node.operand
    elif isinstance(node, Select):
        field, operand = node.field, node.operand
    else:
        return None
    if not isinstance(field, str):
        return None
    if isinstance(operand, Name):
        known = isinstance(node, Select) and (
            operand.name in _MAPS or (operand.name == "action" and field in _TEXTS | _RESULTS)
        )
        return (operand.name, field) if known else None
    above = place_of(operand)
    return None if above is None else (*above, field)


def argument_place(operand: Node, field: str) -> Place | None:
    """The place of `field` in what `has(operand.field)` or `field in operand` looks into."""
    if is_args(operand):
        return ("args", field)
    if isinstance(operand, Name):
        return (operand.name, field) if operand.name in _MAPS else None
    above = place_of(operand)
    return None if above is None else (*above, field)


class Values:
    """Collects the lines that begin a generated function: every value and test once."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._places: dict[Place, str] = {}
        self._tests: dict[tuple[str, str], str] = {}
        self._roots: dict[str, str] = {}
        self._costs: dict[tuple[str, int], str] = {}
        self._ends: dict[tuple[str, int], str] = {}
        self._map: str | None = None

    def value(self, place: Place) -> str:
        """The local that holds what lies at `place`, or MISSING."""
        known = self._places.get(place)
        if known is not None:
            return known
        root, field = place[0], place[-1]
        number = len(self._places)
        if len(place) > 2:
            above = self.value(place[:-1])
            is_map = self.test(place[:-1], "map")
            number = len(self._places)
            code = f"{above}[{field!r}] if {is_map} and {field!r} in {above} else MISSING"
        elif root == "action":
            code = f"e.{field}"
        else:
            held = self._root(root)
            code = f"{held}[{field!r}] if {field!r} in {held} else MISSING"
        name = f"v{number}"
        self._places[place] = name
        self.lines += [f"{name} = {code}", f"t{number} = type({name})"]
        return name

    def test(self, place: Place, test: str) -> str:
        """The local that says whether the value at `place` passes `test`; false if it is missing."""
        value = self.value(place)
        known = self._tests.get((value, test))
        if known is None:
            known = self._tests[value, test] = f"p{len(self._tests)}"
            code = _TESTS[test].format(v=value, t=self.type_of(place))
            self.lines.append(f"{known} = {code}")
        return known

    def type_of(self, place: Place) -> str:
        """The local that holds the type of the value at `place`."""
        return "t" + self.value(place)[1:]

    def search(self, place: Place, part: int) -> str:
        """The local with the steps it takes to look for `part` characters in a short text."""
        value, short = self.value(place), self.test(place, "short")
        known = self._costs.get((value, part))
        if known is None:
            known = self._costs[value, part] = f"s{len(self._costs)}"
            self.lines.append(
                f"{known} = search_cost(len({value}), {part}) if {short} and len({value}) > 48 else 0"
            )
        return known

    def end(self, place: Place, length: int) -> str:
        """The local with the first `length` characters of a text, or the last where it is negative."""
        value, text = self.value(place), self.test(place, "text")
        known = self._ends.get((value, length))
        if known is None:
            known = self._ends[value, length] = f"x{len(self._ends)}"
            part = f":{length}" if length > 0 else f"{length}:"
            self.lines.append(f"{known} = {value}[{part}] if {text} else MISSING")
        return known

    def arguments_are_a_map(self) -> str:
        """The local that says whether `args` as a whole is a map of CEL."""
        if self._map is None:
            self._map = "m0"
            self.lines.append(f"m0 = type({self._root('args')}) is dict")
        return self._map

    def _root(self, root: str) -> str:
        name = self._roots.get(root)
        if name is None:
            name = self._roots[root] = f"r{len(self._roots)}"
            self.lines.append(f"{name} = e.{root}")
        return name
