"""Words and what is expanded in them, read from the tree and checked against the text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from wardline_facets.shell.steps import Script
from wardline_facets.shell.words import (
    ANY,
    ONE,
    UNKNOWN,
    Part,
    Unclear,
    Word,
    ansi_c,
    bare,
    double_quoted,
    join,
)

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["MAX_DEPTH", "WordReader"]

MAX_DEPTH: Final = 40
"""How deep statements and expansions may stand in each other."""

_EXPANSION: Final = re.compile(
    r"""\$\{(?: \#?(?:\w+|[@*\#?$!-])(?:\[(?:[@*]|\d+)\])?
    | \w+ (?: :?[-+?][\w./*?:@%+=,\ -]* | (?:\#\#?|%%?)[\w./*?:@%+=,\ -]* | //?[\w.*?:@%+=,\ -]*(?:/[\w./:@%+=,\ -]*)?
    | :\ ?\d+(?::\d+)? | ,,? | \^\^? )
    )\}""",
    re.VERBOSE | re.ASCII,
)
_ARITHMETIC: Final = re.compile(r"[\w\s+\-*/%()<>=!&|^~?:,$]*", re.ASCII)
_NAME: Final = re.compile(r"(?<![\w])[A-Za-z_]\w*", re.ASCII)


class WordReader:
    """Reads words; what it cannot resolve makes the script opaque.

    Substitutions that it meets are added to `nested`: what they run is read by whoever asked.
    """

    def __init__(self, source: bytes) -> None:
        self.source = source
        self.script = Script()
        self._depth = 0  # of statements inside statements, for bounds and for certainty

    def _text(self, node: Node) -> str:
        return self.source[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def _unclear(self) -> None:
        self.script.opaque = True

    def _word(self, node: Node, nested: list[Node]) -> Word:
        try:
            leaves = node.children if node.type == "concatenation" else [node]
            parts: list[Part] = []
            unquoted = ""
            at = node.start_byte
            for leaf in leaves:
                if leaf.start_byte != at:
                    raise Unclear("white space inside a word")
                at = leaf.end_byte
                parts += self._parts(leaf, nested, first=leaf.start_byte == node.start_byte)
                unquoted += self._text(leaf) if leaf.type == "word" else ""
            if "{" in unquoted and "}" in unquoted and ("," in unquoted or ".." in unquoted):
                parts = [(None, ANY)]
            return join(parts, plain=node.type in ("word", "number") and "\\" not in unquoted)
        except Unclear:
            self._unclear()
            return UNKNOWN

    def _parts(self, node: Node, nested: list[Node], *, first: bool) -> list[Part]:
        kind = node.type
        raw = self._text(node)
        if kind in ("word", "number"):
            self._collect_children(node, nested)
            return bare(raw, first=first) if raw else []
        if kind == "raw_string":
            return [(raw[1:-1], ONE)]
        if kind == "ansi_c_string":
            return [(ansi_c(raw[2:-1]), ONE)]
        if kind in ("string", "translated_string"):
            if kind == "translated_string":
                node = node.children[-1]
            return self._quoted_parts(node, nested, None)
        if kind in (
            "simple_expansion",
            "expansion",
            "command_substitution",
            "arithmetic_expansion",
        ):
            self._collect(node, nested)
            return [(None, ANY)]
        if kind == "brace_expression":
            return [(None, ANY)]
        if kind == "process_substitution":
            nested.append(node)
            return [("/dev/fd/", ONE), (None, ONE)]
        self._collect(node, nested)
        raise Unclear(kind)

    def _quoted_parts(self, node: Node, nested: list[Node], body: bytes | None) -> list[Part]:
        """The parts of a double-quoted string, or check the body of a here-document."""
        at = node.start_byte + 1 if body is None else node.start_byte
        end = node.end_byte - 1 if body is None else node.end_byte
        if body is not None and b"\\\n" in body:
            raise Unclear("a line of a here-document that goes on")
        parts: list[Part] = [("", ONE)]
        for child in node.children:
            if child.type in ("simple_expansion", "expansion") or child.type.endswith(
                ("_substitution", "_expansion")
            ):
                parts.append((self._quoted(at, child.start_byte, here=body is not None), ONE))
                self._collect(child, nested)
                several = self._text(child).strip()[:2] == "$@" or "[@]" in self._text(child)
                parts.append((None, ANY if several else ONE))
                at = child.end_byte
        parts.append((self._quoted(at, end, here=body is not None), ONE))
        return parts

    def _quoted(self, start: int, end: int, *, here: bool) -> str:
        text = self.source[start:end].decode("utf-8", "replace")
        return double_quoted(text.replace('"', "") if here else text)

    def _collect_children(self, node: Node, nested: list[Node]) -> None:
        for child in node.children:
            self._collect(child, nested)

    def _collect(self, node: Node, nested: list[Node]) -> None:
        """Find what an expansion runs, and check that it does nothing else."""
        kind = node.type
        if kind in ("command_substitution", "process_substitution"):
            nested.append(node)
            return
        raw = self._text(node).strip()
        if kind == "arithmetic_expansion":
            self._calculated(raw[3:-2] if raw.startswith("$((") else raw[2:-1])
        elif kind == "expansion" and not _EXPANSION.fullmatch(raw):
            self._unclear()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._unclear()
        else:
            self._collect_children(node, nested)
        self._depth -= 1

    def _calculated(self, raw: str) -> None:
        """Text that the shell evaluates as arithmetic, and each variable in it again."""
        inner = raw.replace("${", "$").replace("}", "") if re.search(r"[$][{]\w+[}]", raw) else raw
        depth = 0
        for char in inner:
            depth += (char == "(") - (char == ")")
            if depth < 0:
                break
        if depth or not _ARITHMETIC.fullmatch(inner) or re.search(r"[$](?![A-Za-z_0-9#?])", inner):
            self._unclear()
            return
        before = len(self.script.steps)
        self.script.calculated += [(name, before) for name in _NAME.findall(inner)]
        if re.search(r"[$]\d", inner):
            self._unclear()
