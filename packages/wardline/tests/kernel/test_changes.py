"""Redact and transform: paths, and changes that are made all at once or not at all."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest

from wardline.canonical import Opaque
from wardline.changes import (
    EVERY,
    MOST_PLACES,
    REDACTED,
    apply_changes,
    format_path,
    overlap,
    parse_path,
)
from wardline.errors import EvaluationError


@pytest.mark.parametrize(
    ("text", "root", "path"),
    [
        ("args.a", "args", ("a",)),
        ("action.args.a.b", "args", ("a", "b")),
        ("args.rows[*].ssn", "args", ("rows", EVERY, "ssn")),
        ("args.rows[0][12]", "args", ("rows", 0, 12)),
        ("result", "result", ()),
        ("action.result[3]", "result", (3,)),
    ],
)
def test_paths_are_read_and_written(text: str, root: str, path: tuple[Any, ...]) -> None:
    assert parse_path(text) == (root, path)
    assert parse_path(format_path(root, path)) == (root, path)


@pytest.mark.parametrize(
    "text",
    ["", "args", "args[0]", "args[*]", "arg.x", "args.", "args..x", "args.x[", "args.x[-1]",
     "args.x[**]", "args.x y", "argsx.y", "result.1a", "args.ä"],
)  # fmt: skip
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="`"):
        parse_path(text)


def test_paths_overlap_where_one_is_above_the_other() -> None:
    assert overlap(("a",), ("a", "b"))
    assert overlap(("a", EVERY), ("a", 3, "x"))
    assert not overlap(("a",), ("b",))
    assert not overlap(("a", 1), ("a", 2))


def test_changes_are_made_on_a_copy() -> None:
    tree = {"rows": [{"ssn": "1", "n": 1}, {"ssn": "2"}, {"n": 3}], "x": [1, 2], "t": ("a", "b")}
    before = copy.deepcopy(tree)
    changed, any_made = apply_changes(
        tree,
        [("rows", EVERY, "ssn"), ("missing", "deeper"), ("x", 7), ("t", 0)],
        [(("x", 1), "new"), (("made",), {"k": 1})],
    )
    assert any_made
    assert tree == before
    assert changed == {
        "rows": [{"ssn": REDACTED, "n": 1}, {"ssn": REDACTED}, {"n": 3}],
        "x": [1, "new"],
        "t": (REDACTED, "b"),
        "made": {"k": 1},
    }


def test_the_order_of_changes_does_not_matter() -> None:
    tree = {"a": {"x": 1, "y": 2}, "b": [1, 2]}
    redacted = [("a", "x"), ("b", 0)]
    assigned: list[tuple[Any, Any]] = [(("a", "y"), 5), (("b", 1), 6), (("c",), 7)]
    results = [
        apply_changes(tree, r, a)[0]
        for r in itertools.permutations(redacted)
        for a in itertools.permutations(assigned)
    ]
    assert all(result == results[0] for result in results)


def test_nothing_to_change_is_said() -> None:
    tree = {"a": 1}
    assert apply_changes(tree, [("b",), ("a", "c"), ("a", 0), ("a", EVERY)], []) == (tree, False)


@pytest.mark.parametrize(
    ("redacted", "assigned"),
    [
        ([("a",)], [(("a",), 1)]),
        ([("a",)], [(("a", "x"), 1)]),
        ([("a", "x")], [(("a",), 1)]),
        ([("l", EVERY)], [(("l", 0), 1)]),
        ([("a",), ("a",)], []),
        ([], [(("a", "x"), 1), (("a", "x"), 1)]),
    ],
)
def test_two_changes_of_one_place_are_refused(redacted: Any, assigned: Any) -> None:
    with pytest.raises(EvaluationError, match="overlap"):
        apply_changes({"a": {"x": 1}, "l": [1, 2]}, redacted, assigned)


@pytest.mark.parametrize(
    "path", [("a", "x", "y"), ("a", "b", 0), ("s", "x"), ("l", 5), ("none", "x"), ("n", 0)]
)
def test_a_new_value_needs_a_container_above_it(path: Any) -> None:
    with pytest.raises(EvaluationError):
        apply_changes({"a": {"b": 1}, "s": "text", "l": [1], "n": None}, [], [(path, 1)])


@pytest.mark.parametrize("path", [("conn", "password"), ("conn", EVERY), ("conn", 0)])
def test_what_is_opaque_cannot_be_looked_into(path: Any) -> None:
    """A redaction that would silently miss is worse than none."""
    with pytest.raises(EvaluationError, match="passes by reference"):
        apply_changes({"conn": Opaque(object())}, [path], [])
    assert apply_changes({"conn": Opaque(object())}, [("conn",)], [])[0] == {"conn": REDACTED}


def test_a_result_without_canonical_form_cannot_be_redacted() -> None:
    with pytest.raises(EvaluationError):
        apply_changes(Opaque(object()), [("ssn",)], [])


def test_only_so_many_places_are_changed() -> None:
    apply_changes({"l": [1] * MOST_PLACES}, [("l", EVERY)], [])
    with pytest.raises(EvaluationError, match="more than 8,192 places"):
        apply_changes({"l": [1] * (MOST_PLACES + 1)}, [("l", EVERY)], [])
