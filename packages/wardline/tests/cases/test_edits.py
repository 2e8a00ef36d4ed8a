"""An edit changes what it is meant to change and nothing else, however the document is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from wardline.cases.mutants.edits import (
    Edit,
    applied,
    inserted,
    item_removed,
    key_removed,
    replaced,
    rewritten,
)
from wardline.policy.reader import read
from wardline.policy.source import Source

if TYPE_CHECKING:
    from wardline.policy.reader import Node

KEYS = st.sampled_from(["a", "b", "c d", "e"])
SCALARS = st.one_of(
    st.integers(-5, 5),
    st.booleans(),
    st.text("ab '\"\\:#\n-é", max_size=6),
    st.sampled_from(["x && y", "{", "[1]", "- a", "a: b", "", "no"]),
)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3) | st.dictionaries(KEYS, inner, min_size=1)
    ),
    max_leaves=8,
)


def written(data: st.DataObject, tree: Any) -> str:
    """Write a tree as YAML in one of many styles, or as JSON."""
    if data.draw(st.booleans()):
        import json

        return json.dumps(tree, indent=data.draw(st.sampled_from([None, 2])), ensure_ascii=False)
    return yaml.safe_dump(
        tree,
        default_flow_style=data.draw(st.sampled_from([None, True, False])),
        default_style=data.draw(st.sampled_from([None, "'", '"'])) if only_text(tree) else None,
        indent=data.draw(st.integers(2, 4)),
        width=data.draw(st.sampled_from([10, 200])),
        allow_unicode=True,
        sort_keys=False,
    )


def only_text(tree: Any) -> bool:
    if isinstance(tree, dict):
        return all(map(only_text, tree.values()))
    if isinstance(tree, list):
        return all(map(only_text, tree))
    return isinstance(tree, str)


def after(source: Source, *edits: Edit) -> Any:
    return read(Source(applied(edits, source.text), "after")).plain()


def nodes(node: Node) -> list[Node]:
    below = node.value if node.kind == "list" else node.value.values() if node.kind == "map" else ()
    return [node, *(found for item in below for found in nodes(item))]


@given(data=st.data(), tree=st.dictionaries(KEYS, TREES, min_size=1))
def test_taking_away_and_replacing_leave_the_rest(data: st.DataObject, tree: Any) -> None:
    source = Source(written(data, tree), "p.yaml")
    root = read(source)
    assert root.plain() == read(Source(source.text, "again")).plain()
    whole = root.plain()
    above = data.draw(st.sampled_from([n for n in nodes(root) if n.kind in ("list", "map")]))
    before = above.plain()

    def holds(found: Any, wanted: Any) -> None:
        """The whole document with `above` replaced by `wanted`."""
        assert found == _with(root, above, wanted)

    if above.kind == "list":
        at = data.draw(st.integers(0, len(before) - 1))
        holds(after(source, item_removed(source, above, at)), before[:at] + before[at + 1 :])
    else:
        key = data.draw(st.sampled_from(list(before)))
        if len(before) > 1:
            rest = {name: value for name, value in before.items() if name != key}
            holds(after(source, key_removed(source, above, key)), rest)
        holds(after(source, inserted(source, above, "new", "word")), {"new": "word", **before})
    leaf = data.draw(st.sampled_from([n for n in nodes(root) if n.kind not in ("list", "map")]))
    text = data.draw(st.sampled_from(["word", "two words", "7-8", "it's: #1", ""]))
    assert after(source, replaced(source, leaf, text)) == _with(root, leaf, text)
    assert root.plain() == whole


def _with(node: Node, place: Node, value: Any) -> Any:
    if node is place:
        return value
    if node.kind == "list":
        return [_with(item, place, value) for item in node.value]
    if node.kind == "map":
        return {key: _with(item, place, value) for key, item in node.value.items()}
    return node.value


STYLES = [
    "condition: %s",
    "{ name: x, condition: %s }",
    "condition: '%s'",
    'condition: "%s"',
    "condition: |\n  %s\nname: x",
    "condition: >-\n  %s\n\nname: x",
]


@pytest.mark.parametrize("style", STYLES)
@given(data=st.data())
def test_a_piece_of_a_condition_becomes_another(style: str, data: st.DataObject) -> None:
    text = data.draw(
        st.sampled_from(
            [
                "args.n > 10 && action.type in ['a', 'b'] || !has(args.x)",
                'args.s == "it\'s" && true',
                r"args.q.matches('(?i)\\bdrop\\b')",
                "a < 1\n  && b",
                "!x",
            ]
        )
    )
    written = text
    if "'%s'" in style:
        written = text.replace("'", "''")
    elif '"%s"' in style:
        written = text.replace("\\", "\\\\").replace('"', '\\"')
    try:
        source = Source(style % written, "p.yaml")
        root = read(source)
    except ValueError:
        return  # a text that this style cannot hold
    node = root.value["condition"]
    if node.kind != "string":
        return
    value = node.value
    start = data.draw(st.integers(0, len(value)))
    end = data.draw(st.integers(start, len(value)))
    new = data.draw(st.sampled_from(["", "||", "!(x)", "'~'", '"', "\\d", ": #", "<=", "11", "\n"]))
    edit = rewritten(source, node, start, end, new)
    found = after(source, edit)
    rest = {key: item.value for key, item in root.value.items() if key != "condition"}
    assert {key: item for key, item in found.items() if key != "condition"} == rest
    assert found["condition"].strip() == (value[:start] + new + value[end:]).strip()


def test_edits_that_take_away_may_overlap() -> None:
    assert applied([Edit(2, 6, ""), Edit(4, 8, ""), Edit(0, 1, "x")], "0123456789") == "x189"
