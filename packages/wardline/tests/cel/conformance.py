"""Runs the conformance cases of the CEL specification, and prints a table of what came of them.

`python conformance.py <folder>`, where the folder holds `cel-spec/` (the cases as JSON), prints one
line per suite file and exits with 1 if a case fails. The test of the same name takes the folder from
WARDLINE_TEST_DATA. Cases that expect an error are counted apart: an evaluator without a function
"passes" each of them. An unknown function is such an error only where the suite asks for one.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from pathlib import Path
from typing import Any

from wardline.cel import Scope
from wardline.cel.check import check
from wardline.cel.kinds import Duration, Keyed, Timestamp, TypeName, UInt
from wardline.cel.parser import parse
from wardline.cel.program import compile_open
from wardline.cel.tree import (
    Bind,
    Comprehension,
    Expr,
    Name,
    Node,
    OptionalMap,
    PairComprehension,
    Select,
)
from wardline.errors import EvaluationError, PolicyError

__all__ = ["CORE", "SKIPPED", "SUITES", "Result", "refused", "resolve", "run", "same"]

CORE = (
    "basic", "comparisons", "conversions", "fields", "fp_math", "integer_math", "lists", "logic",
    "macros", "namespace", "parse", "plumbing", "string", "timestamps",
)  # fmt: skip
EXTENSIONS = (
    "string_ext", "math_ext", "optionals", "macros2", "network_ext", "bindings_ext", "encoders_ext",
)  # fmt: skip
SUITES = (*CORE, *EXTENSIONS)
SKIPPED = {
    "block_ext": "written by optimisers, not by people: `cel.block` and `cel.index`",
    "dynamic": "needs protocol buffer messages",
    "enums": "needs protocol buffer messages",
    "proto2": "needs protocol buffer messages",
    "proto2_ext": "needs protocol buffer messages",
    "proto3": "needs protocol buffer messages",
    "wrappers": "needs protocol buffer messages",
    "type_deduction": "tests the types that a checker deduces; ours are coarser",
    "unknowns": "has no cases",
}
"""Whole files that do not run, with the reason. In the others, cases with messages do not."""

_UNBOUND = "basic/functions/unbound"


class Result:
    """What came of one file: how many cases ran, by what they expect, and what failed."""

    def __init__(self, suite: str) -> None:
        self.suite = suite
        self.cases = self.values = self.errors = self.skipped = 0
        self.failed: list[str] = []

    @property
    def ran(self) -> int:
        return self.values + self.errors


class _Env:
    budget = 10_000_000


def run(folder: Path, suite: str) -> Result:
    """Run the cases of one file."""
    result = Result(suite)
    for case in json.loads((folder / "cel-spec" / f"{suite}.json").read_text()):
        result.cases += 1
        if "protobuf" in case.get("needs", ()) or case.get("check_only"):
            result.skipped += 1
            continue
        fails = "error" in case["expect"]
        result.errors += fails
        result.values += not fails
        problem = _problem(case, fails)
        if problem:
            result.failed.append(f"{case['id']}: {case['expr']}: {problem}")
    return result


def refused(folder: Path, suite: str) -> list[str]:
    """The checked cases that give a value and that our check, types and all, would not load."""
    found: list[str] = []
    for case in json.loads((folder / "cel-spec" / f"{suite}.json").read_text()):
        expected = case["expect"].get("value")
        if expected is None or "protobuf" in case.get("needs", ()) or case.get("disable_check"):
            continue
        variables = [f".{key}" for key in case.get("bindings", {})]
        parsed = parse(case["expr"])
        root = resolve(parsed.root, frozenset(variables), case.get("container", ""))
        try:
            check(
                Expr(root, parsed.source),
                Scope(),
                condition="bool" in expected,
                variables=variables,
            )
        except PolicyError as error:
            if "cannot be an argument" not in str(error):
                found.append(f"{case['id']}: {error}")
    return found


def _problem(case: dict[str, Any], fails: bool) -> str:
    """What is wrong with the outcome of a case, or an empty string."""
    bindings = {f".{key}": decode(value) for key, value in case.get("bindings", {}).items()}
    try:
        parsed = parse(case["expr"])
        root = resolve(parsed.root, frozenset(bindings), case.get("container", ""))
        checked = not case.get("disable_check", False)
        value = compile_open(Expr(root, parsed.source), sorted(bindings), checked=checked)(
            _Env(), bindings
        )
    except (PolicyError, EvaluationError) as error:
        if not fails:
            return str(error)
        if "unknown function" in str(error) and case["id"] != _UNBOUND and not _arity(case):
            return f"fails for the wrong reason: {error}"
        return ""
    if fails:
        return f"gave {value!r}, not an error"
    expected = decode(case["expect"]["value"])
    return "" if same(value, expected) else f"gave {value!r}, not {expected!r}"


def _arity(case: dict[str, Any]) -> bool:
    """Whether the case calls a known function with too many arguments, unchecked."""
    return case["id"].startswith("string_ext/type_errors/")


def decode(value: dict[str, Any]) -> Any:
    """The value that a typed value of the data stands for."""
    ((tag, held),) = value.items()
    match tag:
        case "null" | "bool" | "int" | "string":
            return held
        case "uint":
            return UInt(held)
        case "double":
            return float(held)
        case "bytes":
            return bytes.fromhex(held)
        case "list":
            return [decode(item) for item in held]
        case "map":
            return {decode(key): decode(item) for key, item in held}
        case "type":
            return TypeName(held)
        case "timestamp" | "duration":
            kind = Timestamp if tag == "timestamp" else Duration
            return kind(held["seconds"] * 10**9 + held["nanos"])
    raise ValueError(f"a value of type {tag} needs protocol buffers")


def same(left: Any, right: Any) -> bool:
    """Whether two values are the same in type and content; a NaN is the same as any other."""
    if type(left) is not type(right):
        return False
    if type(left) is float:
        if math.isnan(left) or math.isnan(right):
            return math.isnan(left) and math.isnan(right)
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    if type(left) is list:
        return len(left) == len(right) and all(map(same, left, right))
    if type(left) is dict:
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if type(left) is Keyed:
        return left.entries.keys() == right.entries.keys() and all(
            same(list(left.entries[key]), list(right.entries[key])) for key in left.entries
        )
    return bool(left == right)


def resolve(node: Node, variables: frozenset[str], container: str) -> Node:
    """The tree with its free variables as names that begin with a dot.

    The suite has variables with dots in their names and a container, in which names are looked up
    first; the longest name that is a variable wins, but for the variables of macros.
    """
    return _Resolver(variables, container).node(node, frozenset())


class _Resolver:
    def __init__(self, variables: frozenset[str], container: str) -> None:
        self.variables = variables
        parts = container.split(".") if container else []
        self.prefixes = [".".join(["", *parts[:end], ""]) for end in range(len(parts), -1, -1)]

    def node(self, node: Node, bound: frozenset[str]) -> Node:
        found = self.variable(node, bound)
        if found:
            return Name(node.at, found)
        inner = bound
        if isinstance(node, Comprehension | OptionalMap | Bind):
            inner = bound | {node.variable}
        elif isinstance(node, PairComprehension):
            inner = bound | {node.key, node.variable}
        changes = {}
        for field in dataclasses.fields(node):
            seen = inner if field.name in ("step", "guard") else bound
            changes[field.name] = self.part(getattr(node, field.name), seen)
        return dataclasses.replace(node, **changes)

    def part(self, value: Any, bound: frozenset[str]) -> Any:
        if isinstance(value, tuple):
            return tuple(self.part(item, bound) for item in value)
        return self.node(value, bound) if dataclasses.is_dataclass(value) else value

    def variable(self, node: Node, bound: frozenset[str]) -> str:
        parts: list[str] = []
        at = node
        while isinstance(at, Select):
            parts.append(at.field)
            at = at.operand
        if not isinstance(at, Name) or (at.name in bound and not at.rooted):
            return ""
        path = ".".join([at.name, *reversed(parts)])
        for prefix in ["."] if at.rooted else self.prefixes:
            if prefix + path in self.variables:
                return prefix + path
        return ""


def main(folder: Path) -> int:
    """Print the table; 1 if a case fails."""
    print(
        f"{'suite':14}{'cases':>7}{'value':>7}{'error':>7}{'passed':>8}{'skipped':>9}  why skipped"
    )
    results = [run(folder, suite) for suite in SUITES]
    for result in results:
        passed = result.ran - len(result.failed)
        why = "needs protocol buffer messages" if result.skipped else ""
        print(
            f"{result.suite:14}{result.cases:7}{result.values:7}{result.errors:7}{passed:8}"
            f"{result.skipped:9}  {why}".rstrip()
        )
    for suite, reason in SKIPPED.items():
        count = len(json.loads((folder / "cel-spec" / f"{suite}.json").read_text()))
        print(f"{suite:14}{count:7}{0:7}{0:7}{0:8}{count:9}  {reason}")
    for name, suites in (("core", CORE), ("extensions", EXTENSIONS)):
        of = [result for result in results if result.suite in suites]
        ran, failed = sum(one.ran for one in of), sum(len(one.failed) for one in of)
        print(f"{name} {ran - failed:,}/{ran:,}")
    failed = [line for result in results for line in result.failed]
    for line in failed:
        print(f"FAILED {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(
            "conformance.py wants the folder that holds cel-spec/: set WARDLINE_TEST_DATA to it"
        )
    sys.exit(main(Path(sys.argv[1])))
