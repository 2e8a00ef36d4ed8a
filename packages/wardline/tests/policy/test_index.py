"""Candidates, principals, the merged catalogue, and what lint is certain of."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardline.action import Action, Principal, type_of
from wardline.policy import PolicySet, lint, parse_policies
from wardline.policy.compile import PolicySet as Compiled
from wardline.policy.globs import Globs, intersect
from wardline.policy.index import Index

HEAD = "apiVersion: wardline/v1\nname: p\n"


def rules(*lines: str, head: str = HEAD) -> PolicySet:
    return parse_policies(head + "rules:\n" + "".join(f"  - {{{line}}}\n" for line in lines))


MIXED = rules(
    "name: exact, tool: send_email, action: deny",
    "name: two, tool: [Send_Email, pay], action: deny",
    "name: glob, tool: 'send_*', action: deny",
    "name: type, condition: \"action.type == 'pay'\", action: deny",
    "name: types, condition: \"action.type in ['pay', 'drop'] && has(args.x)\", action: deny",
    "name: named, condition: \"action.name == 'Pay'\", action: deny",
    "name: both, tool: 'p*', condition: \"action.type == 'pay'\", action: deny",
    'name: rest, condition: "has(args.x)", action: deny',
    "name: after, on: tool_call.after, action: deny",
    "name: message, on: [message, tool_call], action: audit",
)


def found(name: str, verb: str = "", kind: str = "tool_call", stage: str = "before") -> list[str]:
    candidates = MIXED.candidates(kind, stage, name, type_of(name), verb).rules
    assert [rule.ordinal for rule in candidates] == sorted({rule.ordinal for rule in candidates})
    return [rule.name for rule in candidates]


def test_candidates_are_the_rules_that_can_match() -> None:
    for _ in range(2):  # the second time from the cache
        assert found("send_email") == ["exact", "two", "glob", "rest", "message"]
        assert found("\uff33END_email ") == ["exact", "two", "glob", "rest", "message"]
        assert found("Pay") == ["two", "type", "types", "named", "both", "rest", "message"]
        assert found("pay") == ["two", "type", "types", "both", "rest", "message"]
        assert found("sql", "drop") == ["types", "rest", "message"]
        assert found("sql", "pay") == ["type", "types", "rest", "message"]
        assert found("sql", "whatever") == ["rest", "message"]
        assert found("peer", kind="message") == ["message"]
        assert found("sql", stage="after") == ["after"]
        assert found("sql", kind="run") == []
    assert "tool_call" in MIXED.after
    assert "message" not in MIXED.after


def test_words_of_callers_do_not_fill_the_cache() -> None:
    index = Index(MIXED.rules)
    for i in range(5000):
        index.candidates("sql", "sql", f"verb-{i}")
        index.candidates(f"tool-{i}", f"tool-{i}", "")
        index.candidates("x" * 1000 + str(i), "x", "")
        index.candidates(f"send_{i}", f"send_{i}", "pay")
    assert len(index._cache) <= 1024
    # Whatever they are called, they meet the same groups of rules, so no code is made for a name.
    assert len(index._groups) < 20


def test_candidates_never_lose_a_rule() -> None:
    names = ["pay", "Pay", "send_email", "send_x", "drop", "sql"]
    for name in names:
        for verb in ["", "pay", "drop", "x"]:
            have = set(found(name, verb))
            for rule in MIXED.rules:
                if ("tool_call", "before") not in rule.on:
                    continue
                fits = rule.tool is None or rule.tool.match(type_of(name))
                fits &= rule.types is None or bool({type_of(name), verb} & rule.types)
                fits &= rule.names is None or name in rule.names
                assert (not fits) or rule.name in have


def test_LANG_7_tools_compare_in_normal_form() -> None:
    policies = rules("name: r, tool: '\uff24elete_*', action: deny")
    for name in ("delete_all", "DELETE_ALL", " delete_x", "\uff44elete_x"):
        action = Action("tool_call", name, {})
        assert policies.candidates("tool_call", "before", name, action.type, action.verb).rules


@given(st.text("ab*?", max_size=6), st.text("ab*?", max_size=6))
def test_patterns_that_share_a_name_intersect(one: str, other: str) -> None:
    names = {
        "",
        *(
            a + b + c + d
            for a in "ab"
            for b in ("", *"ab")
            for c in ("", *"ab")
            for d in ("", *"ab")
        ),
    }
    share = any(Globs((one,)).match(name) and Globs((other,)).match(name) for name in names)
    assert not share or intersect(one, other)
    assert intersect(one, other) == intersect(other, one)
    assert intersect(one, one)


def test_patterns_match_in_linear_time() -> None:
    assert not Globs(("*a" * 60 + "*b",)).match("a" * 20_000)
    assert Globs(("a*c?", "x")).match("abbcc.d"[:6])
    assert Globs(("*",)).match("a\nb")
    assert not Globs(("a.c",)).match("abc")


APPLIES = """\
apiVersion: wardline/v1
name: {name}
applies_to: {{agents: [{agents}], environments: [prod]}}
"""


def test_documents_apply_to_the_chain() -> None:
    policies = Compiled(
        [
            *parse_policies(APPLIES.format(name="child", agents="worker")).documents,
            *parse_policies(APPLIES.format(name="root", agents="boss")).documents,
            *parse_policies("apiVersion: wardline/v1\nname: z\n").documents,
        ]
    )
    worker = Principal(id="worker", chain=("boss",), environment="prod")
    for _ in range(2):
        assert [(d.name, acting) for d, acting in policies.applicable(worker)] == [
            ("child", True),
            ("z", True),
            ("root", False),
        ]
    stranger = Principal(id="x", environment="prod")
    assert [d.name for d, _ in policies.applicable(stranger)] == ["z"]
    elsewhere = Principal(id="worker", environment="dev")
    assert [d.name for d, _ in policies.applicable(elsewhere)] == ["z"]
    for i in range(1000):
        policies.applicable(Principal(id=f"agent-{i}"))
    assert len(policies._agents) <= 256


def test_the_catalogues_of_all_documents_merge_to_the_strictest() -> None:
    one = "apiVersion: wardline/v1\nname: a\ntools: {t: {clearance: secret, idempotent: true, effects: [read], type_from: action, returns: []}}\n"
    two = "apiVersion: wardline/v1\nname: b\ntools: {T: {clearance: public, opaque: [c], effects: [write], returns: [untrusted]}}\n"
    policies = Compiled([*parse_policies(one).documents, *parse_policies(two).documents])
    entry = policies.tool("t")
    assert entry is not None
    assert (entry.clearance, entry.idempotent, entry.type_from) == ("public", False, "")
    assert (entry.effects, entry.returns) == (
        frozenset({"read", "write"}),
        frozenset({"untrusted"}),
    )
    assert policies.tool("t").opaque == ("c",)
    assert not policies.tool("t").idempotent
    assert policies.tool("other") is None


def test_the_tools_that_rules_allow_are_named() -> None:
    policies = rules(
        "name: a, tool: read_file, action: allow",
        "name: b, condition: \"action.type == 'ls'\", action: allow",
        "name: c, tool: pay, action: deny",
    )
    assert policies.allowed_names() == ("ls", "read_file")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["name: a, tool: x, condition: \"action.name == 'y'\", action: deny"],
            "`a` can never match",
        ),
        (
            ["name: a, tool: x, condition: \"action.type == 'y'\", action: allow"],
            "`a` can never match",
        ),
        (
            ["name: a, condition: \"action.type == 'y' && action.type == 'z'\", action: deny"],
            "`a` can never match",
        ),
        (["name: a, tool: x, action: deny", "name: b, tool: x, action: deny"], "`b` repeats `a`"),
        (
            ["name: a, tool: x, action: allow", "name: b, tool: x, action: deny"],
            "`a` allows nothing",
        ),
        (
            [
                "name: a, tool: x, action: deny",
                "name: b, tool: x, action: deny, condition: has(args.y)",
            ],
            "`b` adds nothing",
        ),
    ],
)
def test_LANG_10_rules_that_can_never_fire_are_warnings(lines: list[str], message: str) -> None:
    (warning,) = lint(rules(*lines))
    assert message in warning.message
    assert warning.line


def test_limits_that_never_bind_are_warnings() -> None:
    text = HEAD + (
        "limits:\n  - {name: a, count: calls, at_most: 5, per: run}\n"
        "  - {name: b, count: calls, at_most: 9, per: run}\n"
        "  - {name: c, count: calls, at_most: 9, per: session}\n"
    )
    (warning,) = lint(parse_policies(text))
    assert "`b` never binds" in warning.message


def test_lint_is_silent_where_nothing_is_certain() -> None:
    assert (
        lint(
            rules(
                "name: a, tool: x, action: allow",
                "name: b, tool: 'x*', action: deny, agent: intern",
                "name: c, tool: x, action: deny, condition: \"action.type == 'verb'\"",
                "name: d, tool: x, action: deny, mode: audit",
            )
        )
        == ()
    )


def test_rules_are_numbered_by_document_and_place() -> None:
    texts = [
        f"apiVersion: wardline/v1\nname: {n}\nrules: [{{name: r, action: deny}}]\n" for n in "abcde"
    ]
    orders = set()
    for seed in range(5):
        shuffled = random.Random(seed).sample(texts, len(texts))
        documents = [document for text in shuffled for document in parse_policies(text).documents]
        for document in documents:
            for rule in document.rules:
                object.__setattr__(rule, "ordinal", -1)
        orders.add(tuple((r.document, r.ordinal) for r in Compiled(documents).rules))
    assert len(orders) == 1
