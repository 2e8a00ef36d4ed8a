"""Holds our evaluator against another whole implementation of CEL, on expressions made up by Hypothesis.

`python oracle.py --examples 100000` in an environment with `cel-expr-python`. It prints how many
expressions gave the same type and value (or an error in both), and how many differ for a reason that
is known. Anything else ends it with the smallest example found, and exit code 1.

What is known is not a list of expressions but of meanings: the other one's own reading is put into
our evaluator for a moment, and only if the two then agree is the difference a known one. The reasons
why ours stays as it is are in docs/reference/cel.md.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
import time
from collections import Counter
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

from cel_expr_python import cel as other
from cel_expr_python.ext import ext_bindings, ext_encoders, ext_math, ext_optional, ext_strings
from expressions import KINDS, Case, grow, held, loads
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from wardline.cel import conversions, formats, functions, loops, members, sorts, times
from wardline.cel.evaluate import Builder
from wardline.cel.kinds import ABSENT, Duration, Keyed, Optional, Timestamp, TypeName, UInt
from wardline.cel.members import entries, place
from wardline.cel.parser import parse
from wardline.cel.values import BudgetError
from wardline.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DIALECT", "main"]

ENV = other.NewEnv(
    variables={"args": other.Type.DYN},
    extensions=[
        ext_bindings.ExtBindings(),
        ext_encoders.ExtEncoders(),
        ext_math.ExtMath(),
        ext_optional.ExtOptional(),
        ext_strings.ExtStrings(),
    ],
)
ERROR = ("error",)
REFUSED = ("refused",)
ENDED = ("ended",)  # an error that no operator can absorb: the evaluation as a whole fails


class _Env:
    def __init__(self, args: dict[str, Any]) -> None:
        self.args = args
        self.budget = 1_000_000


def outcome(case: Case) -> Any:
    """What we make of a case, in a form to compare; None where it takes too many steps."""
    builder = Builder(parse(case.text))
    run = builder.build()
    try:
        return form(run(_Env(case.args), [None] * builder.slots))
    except BudgetError:
        return None
    except EvaluationError:
        return ERROR


def form(value: Any) -> Any:
    """A value of ours as type and content."""
    kind = type(value)
    if kind is UInt:
        return ("uint", value.value)
    if kind is Timestamp or kind is datetime:
        micros = value.nanos // 1000 if kind is Timestamp else round_micros(value)
        return ("timestamp", micros)
    if kind is Duration:
        return ("duration", abs(value.nanos) // 1000 * (-1 if value.nanos < 0 else 1))
    if kind is TypeName:
        return ("type", value.name)
    if kind is Optional:
        return ("optional",)
    if kind in (list, tuple):
        return ("list", tuple(map(form, value)))
    if kind in (dict, Keyed):
        return (
            "map",
            tuple(sorted((repr(place(key)), form(item)) for key, item in entries(value))),
        )
    return number(kind, value)


def _key(key: Any) -> Any:
    return (key,) if type(key) is bool else key


def number(kind: type, value: Any) -> Any:
    if (
        kind is str
        and not value.isprintable()
        and any("\udc80" <= char <= "\udcff" for char in value)
    ):
        return ("unconvertible", "STRING")
    if kind is _Hidden:
        raise EvaluationError("hidden")
    if kind is float:
        return ("double", "nan" if math.isnan(value) else repr(value))
    if kind is bytearray:
        return ("bytes", bytes(value))
    return (kind.__name__, value)


def round_micros(value: datetime) -> int:
    return (value - datetime.fromisoformat("1970-01-01T00:00:00Z")) // timedelta(microseconds=1)


def theirs(case: Case) -> Any:
    """What the other one makes of it."""
    try:
        program = ENV.compile(case.text, disable_check=True)
    except RuntimeError:
        return REFUSED
    try:
        return their_form(program.eval(data={"args": case.args}))
    except RuntimeError:
        return ENDED


def their_form(result: Any) -> Any:
    name = result.type().name()
    try:
        value = result.value()
    except (TypeError, SystemError):
        return ("optional",) if name == "ERROR" else ("unconvertible", name)
    if name == "ERROR":
        return ERROR
    if name == "UINT":
        return ("uint", value)
    if isinstance(value, datetime):
        return ("timestamp", round_micros(value))
    if isinstance(value, timedelta):
        return ("duration", value // timedelta(microseconds=1))
    if isinstance(value, other.Type):
        return ("type", TYPES_BY_NAME[value.name().partition("<")[0]])
    if isinstance(value, list):
        return ("list", tuple(map(their_form, value)))
    if isinstance(value, dict):
        return (
            "map",
            tuple(sorted((repr(_key(key)), their_form(item)) for key, item in value.items())),
        )
    return number(type(value), value)


TYPES_BY_NAME = {
    "NULL": "null_type", "TIMESTAMP": "google.protobuf.Timestamp", "DURATION": "google.protobuf.Duration",
    **{name.upper(): name for name in ("bool", "int", "uint", "double", "string", "bytes", "list", "map", "type")},
    "optional_type": "optional_type",
}  # fmt: skip


# What the other one reads differently


def _exponent(value: float) -> str:
    text = DOUBLE_TEXT(value)
    return {"+Inf": "inf", "-Inf": "-inf", "NaN": "nan"}.get(text, text)


def _negative_nan(value: float) -> str:
    return "-nan" if math.isnan(value) else _exponent(value)


def _grouped(nanos: int) -> str:
    """Decimals in groups of three."""
    text = f"{nanos:09}"
    while text.endswith("000"):
        text = text[:-3]
    return f".{text}" if text else ""


def _short(value: float) -> str:
    """Doubles in `%s`: with six digits."""
    return formats._special(value) or f"{value:g}"


def _fixed(env: Any, value: Any, decimals: int) -> str:
    """Doubles in `%d`: with six decimals."""
    if type(value) is float and math.isfinite(value):
        return f"{value:f}"
    return DECIMAL(env, value, decimals)


def _int(env: Any, value: Any) -> int:
    return int(value) if type(value) is bool else INT(env, value)


def _stripped(name: str) -> Callable[..., Any]:
    read = functions.CALLS[name]

    def stripped(env: Any, value: Any) -> Any:
        return read(env, value.strip() if type(value) is str else value)

    return stripped


def _split(env: Any, text: Any, separator: Any, limit: Any = -1) -> list[str]:
    parts = SPLIT(env, text, separator, limit)
    return parts if parts or limit == 0 or type(limit) is not int else [""]


def _lenient(pairs: list[tuple[Any, Any]]) -> Any:
    """A map in which 1 and 1u, written as two keys, are two entries, and the last is found."""
    if len({(type(key) is UInt, place(key)) for key, _ in pairs}) == len(pairs):
        pairs = list({place(key): (key, value) for key, value in pairs}.values())
    return KEYED(pairs)


def _lenient_first(pairs: list[tuple[Any, Any]]) -> Any:
    """The same where the first is found."""
    return _lenient(pairs[::-1])


def _apart(pairs: list[tuple[Any, Any]]) -> Any:
    """The same where both count, and the first is found."""
    found: dict[Any, tuple[Any, Any]] = {}
    for key, value in pairs:
        at = place(key)
        found[(type(key), at) if at in found else at] = (key, value)
    return Keyed(found) if len(found) == len(pairs) else KEYED(pairs)


def _reordered(order: tuple[int, ...]) -> Callable[[Any], Any]:
    """The keys of maps of up to three entries in another order."""

    def over(value: Any) -> Any:
        if type(value) not in (dict, Keyed):
            return RANGE(value)
        keys = list(value)
        return [keys[place] for place in order if place < len(keys)] + keys[3:]

    return over


def _text_of(env: Any, value: Any) -> Any:
    if type(value) is bytes:
        return value.decode("utf-8", "surrogateescape")
    return TEXT_OF(env, value)


def _bytes(env: Any, value: Any) -> bytes:
    return value.encode("utf-8", "surrogateescape") if type(value) is str else BYTES(env, value)


class _Hidden:
    """An error inside an optional."""


def _year(value: Timestamp) -> str:
    return TIMESTAMP_TEXT(value).lstrip("0")


def _index(over: Any, by: Any, env: Any) -> Any:
    try:
        found = INDEX(over, by, env)
    except EvaluationError:
        if type(over) is Optional and over.present:
            return Optional(_Hidden())
        raise
    if found is ABSENT and type(over) is Optional and type(over.value) is list:
        return Optional(_Hidden())
    return found


def _optional_index(over: Any, by: Any, env: Any) -> Any:
    held = over.value if type(over) is Optional else over
    if type(held) in (dict, Keyed) and type(by) not in (str, bool, int, float, UInt):
        return ABSENT
    return OPTIONAL_INDEX(over, by, env)


def _optional_map(operand: Any, slot: int, step: Any, *, flat: bool) -> Any:
    """`optFlatMap` gives what its step gives, optional or not."""
    if not flat:
        return OPTIONAL_MAP(operand, slot, step, flat=False)

    def run(env: Any, frame: Any) -> Any:
        value = operand(env, frame)
        if type(value) is not Optional:
            raise EvaluationError("no optional")
        frame[slot] = value.value
        return step(env, frame) if value.present else ABSENT

    return run


def _substring(env: Any, text: Any, start: Any, *end: Any) -> str:
    part = SUBSTRING(env, text, start, *end)
    if part and end == (len(text),):
        raise EvaluationError("out of range")
    return part


def _decode(env: Any, value: Any) -> bytes:
    return DECODE(env, "".join(value.split()) if type(value) is str else value)


DECODE = functions.CALLS["base64.decode"]
INDEX = members.index
TIMESTAMP_TEXT = times.timestamp_text
KEYED = members.keyed
SUBSTRING = functions.METHODS["substring"]
OPTIONAL_MAP = loops.optional_map
OPTIONAL_INDEX = members.optional_index
DOUBLE_TEXT = conversions.double_text
DECIMAL = formats._CLAUSES["d"]
INT = functions.CALLS["int"]
SPLIT = functions.METHODS["split"]

BYTES = functions.CALLS["bytes"]
RANGE = loops._range
TEXT_OF = formats.text_of

DIALECT: dict[str, Callable[[], list[Any]]] = {
    "texts of infinities and NaN": lambda: [
        mock.patch.object(conversions, "double_text", _exponent)
    ],
    "the sign of NaN": lambda: [mock.patch.object(conversions, "double_text", _negative_nan)],
    "decimals of times in groups of three": lambda: [
        mock.patch.object(times, "_decimals", _grouped)
    ],
    "years before 1000": lambda: [mock.patch.object(times, "timestamp_text", _year)],
    "doubles in formats": lambda: [
        mock.patch.object(formats, "_plain", _short),
        mock.patch.dict(formats._CLAUSES, {"d": _fixed}),
    ],
    "int(true)": lambda: [mock.patch.dict(functions.CALLS, {"int": _int})],
    "white space around numbers": lambda: [
        mock.patch.dict(
            functions.CALLS, {name: _stripped(name) for name in ("int", "uint", "double")}
        )
    ],
    "white space in base 64": lambda: [
        mock.patch.dict(functions.CALLS, {"base64.decode": _decode})
    ],
    "an optional index that no key can be": lambda: [
        mock.patch.object(members, "optional_index", _optional_index)
    ],
    "an index that fails on an optional": lambda: [
        mock.patch.object(members, "index", _index),
        mock.patch.dict(sorts.KINDS, {_Hidden: "error"}),
    ],
    "1 and 1u as two keys of a map": lambda: [mock.patch.object(members, "keyed", _lenient)],
    "1 and 1u as two keys of a map, the first found": lambda: [
        mock.patch.object(members, "keyed", _lenient_first)
    ],
    "1 and 1u as two keys of a map, both counted": lambda: [
        mock.patch.object(members, "keyed", _apart)
    ],
    "optFlatMap to what is no optional": lambda: [
        mock.patch.object(loops, "optional_map", _optional_map)
    ],
    "substring up to the end, stated": lambda: [
        mock.patch.dict(functions.METHODS, {"substring": _substring})
    ],
    "bytes that are not UTF-8 in formats": lambda: [
        mock.patch.object(formats, "text_of", _text_of),
        mock.patch.dict(functions.CALLS, {"bytes": _bytes}),
    ],
    "an empty text split": lambda: [mock.patch.dict(functions.METHODS, {"split": _split})],
}
"""What can be put into our evaluator to make it read as the other one does, by name."""

# Differences that lie in how values go into the other one and come out of it, or in its parser.
_AROUND = {
    "math.greatest or least of what is no number, refused while it loads": "math.",
    "a least integer after two signs": "--9223372036854775808",
}


def known(case: Case, mine: Any, its: Any) -> str:
    """The known reason why two outcomes differ, or an empty string."""
    if its == REFUSED:
        return next((name for name, part in _AROUND.items() if part in case.text), "")
    if its == ENDED:
        return "an error that ends everything, though an operator or macro could absorb it"
    if _both_keys(mine) and _without(mine) == _without(its):
        return "true and 1 are one key once a result has become a Python dict"
    if _cut(case.args) != case.args and outcome(case._replace(args=_cut(case.args))) == its:
        return "bytes are cut at their first zero on the way in"
    for name, patches in DIALECT.items():
        if _agrees(case, its, patches()):
            return name
    for order in itertools.permutations(range(3)):
        if _agrees(case, its, [mock.patch.object(loops, "_range", _reordered(order))]):
            return "the order of a map's keys"
    # Two readings of one thing exclude each other: the last one holds.
    for last in DIALECT:
        order = [name for name in DIALECT if name != last] + [last]
        if _agrees(case, its, [one for name in order for one in DIALECT[name]()]):
            return "several of these"
    return ""


def _agrees(case: Case, its: Any, patches: list[Any]) -> bool:
    with ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch)
        mine = outcome(case)
    return bool(mine == its or (_both_keys(mine) and _without(mine) == _without(its)))


def _without(found: Any) -> Any:
    """A result without what lies under true, 1, false and 0."""
    if found[0] == "map":
        kept = (entry for entry in found[1] if entry[0] not in _MERGED)
        return ("map", tuple((key, _without(item)) for key, item in kept))
    return ("list", tuple(map(_without, found[1]))) if found[0] == "list" else found


_MERGED = frozenset(("(True,)", "(False,)", "1", "0"))


def _both_keys(found: Any) -> bool:
    if not isinstance(found, tuple) or len(found) != 2:
        return False
    if found[0] == "map":
        keys = {key for key, _ in found[1]}
        return bool({"(True,)", "1"} <= keys or {"(False,)", "0"} <= keys) or any(
            _both_keys(item) for _, item in found[1]
        )
    return found[0] == "list" and any(map(_both_keys, found[1]))


def _cut(value: Any) -> Any:
    if type(value) is bytes:
        return value.partition(b"\0")[0]
    if type(value) is list:
        return [_cut(item) for item in value]
    return {key: _cut(item) for key, item in value.items()} if type(value) is dict else value


_TURNS = 26  # expressions for each example of Hypothesis, whose own work would be most of it


def _turned(data: bytes, turn: int) -> bytes:
    """Other choices out of the same bytes; the first turn has the bytes themselves."""
    return bytes((byte + turn * (37 + 2 * place)) % 256 for place, byte in enumerate(data))


def compare(case: Case, seen: Counter[str]) -> None:
    """Count what came of one expression; AssertionError for a difference that is not known."""
    mine = outcome(case)
    if mine is None:
        seen["took too many steps"] += 1
        return
    its = theirs(case)
    if mine == its:
        seen["both fail" if mine == ERROR else "agreed"] += 1
    elif mine == ERROR and its in (REFUSED, ENDED):
        seen["both fail"] += 1
    else:
        reason = known(case, mine, its)
        assert reason, f"{case.text}\n  with {case.args}\n  ours   {mine}\n  theirs {its}"
        seen[reason] += 1
    total = sum(seen.values())
    if total % 10_000 == 0:
        print(f"{total:,} …", flush=True)


def main() -> int:
    """Run; 0 if every difference is a known one."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--examples", type=int, default=100_000)
    wanted = parser.parse_args().examples
    seen: Counter[str] = Counter()
    started = time.monotonic()

    @settings(
        max_examples=-(-wanted // _TURNS),
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.binary(min_size=16, max_size=96), st.binary(min_size=8, max_size=48))
    def agree(text: bytes, args: bytes) -> None:
        turn = compared = 0
        while compared < _TURNS and turn < 3 * _TURNS:
            grown = grow(_turned(text, turn), KINDS[turn % len(KINDS)], roots=False)
            if loads(grown):
                compare(Case(grown, held(_turned(args, turn), plain=True)), seen)
                compared += 1
            turn += 1

    failed = False
    try:
        agree()
    except AssertionError as error:
        failed = True
        print(f"a difference that is not known:\n{error}")
    for reason, count in seen.most_common():
        print(f"{count:9,}  {reason}")
    print(f"{sum(seen.values()):9,}  in {time.monotonic() - started:.0f} s")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
