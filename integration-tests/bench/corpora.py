"""The rules that all engines decide by, in no engine's language, and the requests they decide on.

Every rule denies and the default allows; the rule that fires for `drop` is always the last, so every
other one counts. A rule is a conjunction of tests, each of a field and a constant.

* `simple`: lists of types, and names with one or two thresholds (AGT can say all of it);
* `full`: also prefixes and patterns, and from ten rules on four that no name or type is in;
* `single`: one test in each rule, which is all that `agent_os.policies` takes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["CORPORA", "REQUESTS", "Request", "Rule", "Test"]


class Test(NamedTuple):
    """`field` is `type`, `tool`, an argument's name, or `session.<counter>`; `op` is CEL's."""

    field: str
    op: str
    value: Any


Rule = tuple[Test, ...]


class Request(NamedTuple):
    """What is decided on."""

    type: str
    tool: str
    args: dict[str, Any]
    session: dict[str, int]


_SESSION = {"tool_calls": 720, "denials": 2}
_ARGS = {
    "path": "/srv/data/report.csv",
    "command": "ls -la /srv/data",
    "amount": 250,
    "to": "bob@example.com",
    "body": "n" * 80,
}

REQUESTS = {
    "allow": Request("read", "tool_4", _ARGS, _SESSION),
    "deny": Request("drop", "tool_4", _ARGS, _SESSION),
    "other": Request("read", "tool_4", {**_ARGS, "amount": 2_000_000}, _SESSION),
}
"""The first is timed, and the others too only for their answer."""

_LAST: Rule = (Test("type", "in", ("drop", "delete", "truncate")),)


def _types(i: int) -> Rule:
    return (Test("type", "in", (f"drop{i}", f"delete{i}", f"truncate{i}")),)


def _amount(i: int) -> Rule:
    return (Test("tool", "==", f"tool_{i}"), Test("amount", ">", 1000))


def _counters(i: int) -> Rule:
    return (
        Test("tool", "==", f"tool_{i}"),
        Test("session.tool_calls", "<", 500),
        Test("session.denials", ">=", 2),
    )


def simple(count: int) -> list[Rule]:
    """Rules that AGT's engine can say too."""
    makers = (_types, _amount, _counters)
    return [*(makers[i % 3](i) for i in range(count - 1)), _LAST]


def full(count: int) -> list[Rule]:
    """Rules with prefixes and patterns, four of them without a name or type."""
    makers = (
        _types,
        _amount,
        lambda i: (Test("tool", "==", f"tool_{i}"), Test("path", "startsWith", f"/etc/{i}")),
        lambda i: (
            Test("tool", "==", f"tool_{i}"),
            Test("command", "matches", rf"rm\s+-[rf]+\s+/{i}"),
        ),
        _counters,
    )
    rules = [makers[i % 5](i) for i in range(count - 1)]
    if count >= 10:
        rules[-4:] = [
            (Test("amount", ">", 1_000_000),),
            (Test("session.tool_calls", "<", 100),),
            (Test("command", "matches", r"rm\s+-[rf]+\s+/x"),),
            (Test("path", "startsWith", "/etc/shadow"),),
        ]
    return [*rules, _LAST]


def single(count: int) -> list[Rule]:
    """Rules of one test: a name, a threshold, a type."""
    makers = (
        lambda i: (Test("tool", "==", f"other_{i}"),),
        lambda i: (Test("amount", ">", 1_000_000 + i),),
        lambda i: (Test("type", "==", f"drop{i}"),),
    )
    return [*(makers[i % 3](i) for i in range(count - 1)), (Test("type", "==", "drop"),)]


CORPORA = {"simple": simple, "full": full, "single": single}
