"""Files, directories, text; what documents extend, and what a child may narrow."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from wardline.errors import PolicyError
from wardline.policy import load_policies, parse_policies

if TYPE_CHECKING:
    from pathlib import Path

CHILD = "apiVersion: wardline/v1\nname: child\n"
PARENT = "apiVersion: wardline/v1\nname: parent\n"


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def fails(*sources: Path, root: Path | None = None) -> str:
    with pytest.raises(PolicyError) as caught:
        load_policies(*sources, root=root)
    return str(caught.value)


def test_WRAP_10_a_missing_file_is_an_error_that_names_the_path(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.yaml"
    assert str(missing) in fails(missing)
    with pytest.raises(PolicyError, match="parse_policies"):
        load_policies("apiVersion: wardline/v1\nname: p\n")
    with pytest.raises(PolicyError, match="parse_policies"):
        load_policies("x" * 5000)
    with pytest.raises(PolicyError):
        load_policies("a\x00b")


def test_ENG_1_no_policy_is_an_error(tmp_path: Path) -> None:
    assert "no policy in it" in fails(tmp_path)
    with pytest.raises(PolicyError, match="name a file"):
        load_policies()


def test_a_directory_loads_its_documents_sorted(tmp_path: Path) -> None:
    write(tmp_path, b=PARENT, a=CHILD)
    (tmp_path / "c.json").write_text('{"apiVersion":\t"wardline/v1", "name": "json"}')
    (tmp_path / "d.yml").write_text("apiVersion: wardline/v1\nname: yml\n")
    (tmp_path / "notes.txt").write_text("not a policy")
    names = [document.name for document in load_policies(tmp_path).documents]
    assert names == ["child", "json", "parent", "yml"]


def test_files_that_are_no_text_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(b"name: a\nx: \xff")
    assert "p.yaml:2:4: the file is not UTF-8" in fails(path)
    path.write_bytes(b"\xef\xbb\xbfapiVersion: wardline/v1\nname: bom\n")
    assert load_policies(path).documents[0].name == "bom"


def test_problems_of_all_documents_are_reported_at_once(tmp_path: Path) -> None:
    write(tmp_path, a=CHILD + "x: 1\n", b=PARENT + "y: 1\n")
    message = fails(tmp_path)
    assert "a.yaml:3:1" in message
    assert "b.yaml:3:1" in message


def test_names_are_unique_in_a_set(tmp_path: Path) -> None:
    write(tmp_path, a=CHILD, b=CHILD)
    message = fails(tmp_path)
    assert "a.yaml" in message
    assert "b.yaml" in message


def test_LANG_11_parents_are_documents_of_the_set(tmp_path: Path) -> None:
    write(
        tmp_path,
        child=CHILD + "extends: [parent.yaml]\n",
        parent=PARENT + "default_action: deny\nrules:\n  - {name: r, action: deny}\n",
    )
    policies = load_policies(tmp_path / "child.yaml")
    child, parent = policies.documents
    assert (child.default_action, parent.default_action) == (None, "deny")
    assert child.parents == ("parent",)
    assert [rule.name for rule in policies.rules] == ["r"]
    # The file is loaded once, however it is reached.
    assert load_policies(tmp_path).digest == policies.digest


def test_LANG_11_text_and_file_behave_alike(tmp_path: Path) -> None:
    text = CHILD + "extends: [parent.yaml]\ndefault_action: allow\n"
    write(tmp_path, child=text, parent=PARENT)
    with pytest.raises(PolicyError) as caught:
        parse_policies(text)
    assert (caught.value.problems[0].line, caught.value.problems[0].column) == (3, 11)
    assert "root" in caught.value.problems[0].hint
    assert parse_policies(text, root=tmp_path).digest == load_policies(tmp_path).digest


def test_LANG_11_a_missing_parent_names_both_files(tmp_path: Path) -> None:
    write(tmp_path, child=CHILD + "extends: [other.yaml]\n")
    message = fails(tmp_path / "child.yaml")
    assert "child.yaml:3:11" in message
    assert "other.yaml" in message


@pytest.mark.parametrize("name", ['"a\\0b"', "loop.yaml", "x" * 5000, "/", "."])
def test_parents_that_are_no_files_are_errors(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    write(tmp_path, child=CHILD + f"extends: [{name}]\n")
    assert "child.yaml:3:11" in fails(tmp_path / "child.yaml")


def test_LANG_11_cycles_are_errors(tmp_path: Path) -> None:
    write(
        tmp_path,
        child=CHILD + "extends: [parent.yaml]\n",
        parent=PARENT + "extends: [child.yaml]\n",
        own="apiVersion: wardline/v1\nname: own\nextends: [own.yaml]\n",
    )
    message = fails(tmp_path / "child.yaml")
    assert "child.yaml -> parent.yaml -> child.yaml" in message
    assert "circle" in fails(tmp_path / "own.yaml")


def test_parents_outside_of_the_root_are_errors(tmp_path: Path) -> None:
    write(tmp_path, org=PARENT)
    inner = write(tmp_path / "team", child=CHILD + "extends: [../org.yaml]\n")
    message = fails(inner / "child.yaml")
    assert "outside of the policy root" in message
    assert "../org.yaml" in message
    assert len(load_policies(inner / "child.yaml", root=tmp_path).documents) == 2
    (inner / "link.yaml").symlink_to(tmp_path / "org.yaml")
    write(inner, child=CHILD + "extends: [link.yaml]\n")
    assert "outside of the policy root" in fails(inner / "child.yaml")


def test_the_default_root_is_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, org=PARENT)
    write(tmp_path / "team", child=CHILD + "extends: [../org.yaml]\n")
    monkeypatch.chdir(tmp_path)
    assert len(load_policies("team/child.yaml").documents) == 2


BASE = (
    PARENT
    + """\
unlisted_tools: deny
tools:
  mail: {effects: [network], clearance: internal, returns: [untrusted], args: {to: string}}
limits:
  - {name: l, count: calls, at_most: 10, per: run}
rules:
  - {name: r, action: deny, condition: "has(args.x)"}
"""
)


def child_of(tmp_path: Path, text: str) -> Path:
    write(tmp_path, parent=BASE, child=CHILD + "extends: [parent.yaml]\n" + text)
    return tmp_path / "child.yaml"


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("tools: {mail: {clearance: secret}}", "4:27", "at most `internal`"),
        ("tools: {mail: {returns: []}}", "4:25", "at least untrusted"),
        ("tools: {MAIL: {effects: [read]}}", "4:25", "`effects` of tool `mail` loosens"),
        ("tools: {mail: {args: {to: number}}}", "4:22", "`args` of tool `mail` loosens"),
        ("tools: {mail: {idempotent: true}}", "4:28", "`idempotent` of tool"),
        ("limits: [{name: l, at_most: 11}]", "4:29", "at most 10"),
        ("limits: [{name: l, at_most: 9, per: session}]", "4:37", "changes `per`"),
        ("limits: [{name: l, at_most: 9, window: 1h}]", "4:40", "changes `window`"),
        ("rules: [{name: r, action: deny}]", "4:10", "already"),
    ],
)
def test_LANG_11_a_child_never_loosens(tmp_path: Path, text: str, place: str, message: str) -> None:
    found = fails(child_of(tmp_path, text))
    assert f"child.yaml:{place}" in found
    assert message in found
    assert "parent" in found


def test_a_child_may_narrow(tmp_path: Path) -> None:
    text = """\
tools: {mail: {clearance: public, returns: [untrusted, pii], effects: [network]}}
limits: [{name: l, at_most: 9}]
rules: [{name: mine, tool: mail, action: deny, condition: "args.to == 'x'"}]
"""
    policies = load_policies(child_of(tmp_path, text))
    child, parent = policies.documents
    mine, theirs = child.tools.entry("mail"), parent.tools.entry("mail")
    assert mine is not None
    assert theirs is not None
    assert (mine.clearance, theirs.clearance) == ("public", "internal")
    assert mine.returns == frozenset({"untrusted", "pii"})
    assert mine.args.keys() == {"to"}
    assert (child.limits[0].at_most, child.limits[0].count, child.limits[0].per) == (
        9,
        "calls",
        "run",
    )
    merged = policies.tool("mail")
    assert merged is not None
    assert (merged.clearance, merged.returns) == ("public", frozenset({"untrusted", "pii"}))


def test_a_child_narrows_what_its_parent_has_narrowed(tmp_path: Path) -> None:
    write(
        tmp_path,
        org="apiVersion: wardline/v1\nname: org\nlimits: [{name: l, count: calls, at_most: 10, per: run}]\n",
        parent=PARENT + "extends: [org.yaml]\nlimits: [{name: l, at_most: 5}]\n",
        child=CHILD + "extends: [parent.yaml]\nlimits: [{name: l, at_most: 7}]\n",
    )
    assert "at most 5" in fails(tmp_path / "child.yaml")


def test_the_catalogue_of_a_parent_is_visible(tmp_path: Path) -> None:
    rule = "rules: [{name: c, tool: mail, action: deny, condition: args.too == 'x'}]"
    assert "Did you mean `to`?" in fails(child_of(tmp_path, rule))


def test_load_order_does_not_matter(tmp_path: Path) -> None:
    names = ("a", "b", "c", "d")
    for name in names:
        write(
            tmp_path,
            **{
                name: f"apiVersion: wardline/v1\nname: {name}\nrules: [{{name: r, action: deny}}]\n"
            },
        )
    seen = set()
    for order in itertools.permutations(names):
        policies = load_policies(*(tmp_path / f"{name}.yaml" for name in order))
        seen.add((policies.digest, tuple((r.document, r.ordinal) for r in policies.rules)))
    assert len(seen) == 1
    moved = write(
        tmp_path / "elsewhere", **{name: (tmp_path / f"{name}.yaml").read_text() for name in names}
    )
    assert load_policies(moved).digest == next(iter(seen))[0]


def test_ten_thousand_rules_load() -> None:
    text = "apiVersion: wardline/v1\nname: big\nrules:\n" + "".join(
        f"  - name: rule-{i}\n    condition: \"action.type == 'tool_{i}' && has(args.amount) && "
        f'args.amount > {i}"\n    action: deny\n    reason: number {i}\n'
        for i in range(10_000)
    )
    began = time.perf_counter()
    policies = parse_policies(text)
    print(f"10,000 rules load in {time.perf_counter() - began:.2f} s")
    found = policies.candidates("tool_call", "before", "tool_77", "tool_77")
    assert [rule.name for rule in found.rules] == ["rule-77"]


def test_importing_the_package_loads_nothing_from_elsewhere() -> None:
    code = (
        "import sys, wardline, wardline.policy; "
        "print([m for m in ('yaml', 'zoneinfo', 'difflib', 'json') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "yaml" not in out.stdout
