"""Writing a document of governance.toolkit/v1 as wardline/v1: the same decisions in our own words.

What is written is what the loader has made of the original, so there is one translation. Comments say
what is judged otherwise than by the original's own engine.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from wardline.cel.lexer import tokenize
from wardline.cel.terms import span
from wardline.clock import HOUR, MINUTE, SECOND
from wardline.errors import PolicyError, Problem
from wardline.policy.keys import NATIVE, TOOLKIT
from wardline.policy.load import load_policies
from wardline.policy.reader import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wardline.cel import Expr
    from wardline.policy.model import Document, Limit, Rule
    from wardline.policy.reader import Node

__all__ = ["NOBODY", "converted"]

NOBODY: Final = "nobody"
"""The approver of a rule that asks and names none: a name that no person has, so a guard says so."""

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(?: [A-Za-z0-9_-]+)*")
_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_UNITS: Final = ((24 * HOUR, "d"), (HOUR, "h"), (MINUTE, "m"), (SECOND, "s"))
_WIDTH: Final = 96


def converted(path: str | Path) -> str:
    """Return the text of a document in wardline/v1.

    Raises `PolicyError` where it does not load, and for a document in another language.
    """
    path = Path(path).resolve()
    policies = load_policies(path)
    try:
        (document,) = (one for one in policies.documents if one.source.path == path)
    finally:
        policies.close()
    if document.api_version != TOOLKIT:
        raise PolicyError(
            Problem(
                f"the document is in {document.api_version}, not in {TOOLKIT}",
                document.file,
                hint="there is nothing to convert",
            )
        )
    return "\n".join(_lines(document, read(document.source))) + "\n"


def _lines(document: Document, root: Node) -> Iterator[str]:
    nodes = root.value["rules"].value if "rules" in root.value else None
    rules: list[Node] = nodes or []
    first = rules[0].line if rules else len(document.source.text)
    yield f"# Converted from {TOOLKIT}. Comments say what is judged otherwise than by the engine of the"
    yield "# original; where there is none, the meaning is the same."
    version = root.value.get("version")
    if version is not None and version.value is not None:
        yield f"# The original was version {_quoted(str(version.value))}."
    for note in document.notes:
        if note.line < first:
            yield from _comment(note, "")
    yield f"apiVersion: {NATIVE}"
    yield f"name: {_text(document.name)}"
    if document.description:
        yield f"description: {_text(document.description)}"
    extends = root.value.get("extends")
    if extends is not None and extends.value:
        parents = [extends] if extends.kind == "string" else extends.value
        yield f"extends: {_list(str(parent.value) for parent in parents)}"
    if document.default_action is not None:
        yield f"default_action: {document.default_action}"
    if document.applies_to is not None:
        yield "applies_to:"
        yield f"  agents: {_list(document.applies_to.agents.patterns)}"
    by_name = {rule.name: rule for rule in document.rules}
    limits = [limit for limit in document.limits if limit.rule in by_name]
    if limits:
        yield "limits:"
        yield from map(_limit, limits)
    if by_name:
        yield "rules:"
    ends = [*(node.line for node in rules[1:]), 1 << 30]
    for node, end in zip(rules, ends, strict=True) if rules else ():
        name = str(node.value["name"].value)
        notes = [note for note in document.notes if node.line <= note.line < end]
        rule = by_name.get(name)
        if rule is None:
            yield f"  # rule {name} is switched off in the original, and left out"
        else:
            yield from _rule(rule, notes)


def _rule(rule: Rule, notes: Iterable[Problem]) -> Iterator[str]:
    for note in notes:
        yield from _comment(note, "  ", rule.name)
    yield f"  - name: {_text(rule.name)}"
    if rule.description:
        yield f"    description: {_text(rule.description)}"
    places = sorted(kind if stage == "before" else f"{kind}.after" for kind, stage in rule.on)
    if places != ["tool_call"]:
        yield f"    on: {', '.join(places)}"
    if rule.program is not None and rule.condition != "true":
        yield f"    condition: {_quoted(_bare(rule.program.expr))}"
    yield f"    action: {rule.action}"
    if rule.action == "require_approval":
        yield f"    approvers: {_list(rule.approvers or [NOBODY])}"


def _limit(limit: Limit) -> str:
    assert limit.window is not None
    size, unit = next(one for one in _UNITS if limit.window % one[0] == 0)
    return (
        f"  - {{ name: {_text(limit.name)}, count: {limit.count}, rule: {_text(limit.rule)}, "
        f"at_most: {limit.at_most}, per: {limit.per}, window: {limit.window // size}{unit} }}"
    )


def _comment(note: Problem, indent: str, rule: str = "") -> Iterator[str]:
    message = note.message.removeprefix(f"rule `{rule}`").lstrip(": ")
    shown = "".join(char if char.isprintable() else "?" for char in message)
    for line in wrap(shown, _WIDTH, break_on_hyphens=False, break_long_words=False):
        yield f"{indent}# {line}"


def _list(items: Iterable[str]) -> str:
    return "[" + ", ".join(map(_text, items)) + "]"


def _text(text: str) -> str:
    """Return a string as YAML: plain where nothing else could be meant, else in double quotes."""
    if _PLAIN.fullmatch(text) and text.casefold() not in _WORDS:
        return text
    return _quoted(text)


def _quoted(text: str) -> str:
    """Return a string in double quotes, with everything escaped that may not stand in a document."""
    written = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in written)


def _bare(expr: Expr) -> str:
    """Return a condition without parentheses around the whole of it."""
    start, end = span(expr.root, tokenize(expr.source))
    return expr.text[start:end]
