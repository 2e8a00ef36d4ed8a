"""From the text of a command line to its steps: commands and assignments, wherever they stand.

tree-sitter-bash finds the structure. It reads more than a shell does and guesses where a shell would
complain, so nothing of what it says is taken on trust: only node types that are known are
interpreted, every byte has to belong to a node or be white space, and the text of every leaf is
read again by the rules of the shell. Whatever differs makes the whole text opaque.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import tree_sitter_bash
from tree_sitter import Language, Parser

from wardline_facets.shell.expansions import MAX_DEPTH, WordReader
from wardline_facets.shell.steps import Assignment, Command, Redirect, Script
from wardline_facets.shell.words import UNKNOWN, Unclear, Word, literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

__all__ = ["read"]

_LANGUAGE: Final = Language(tree_sitter_bash.language())


def read(text: str) -> Script:
    """Read a text; it must have no characters that `wardline_facets.shell` refuses."""
    source = text.encode()
    root = Parser(_LANGUAGE).parse(source).root_node
    reader = _Reader(source)
    if root.has_error or not _covered(root, source):
        reader.script.opaque = True
    reader.statements(root)
    return reader.script


_OPAQUE_LEAVES: Final = frozenset({"heredoc_body", "string", "raw_string", "ansi_c_string"})
_GAP: Final = re.compile(rb"(?:[ \t\n]|\\\n)*")
_BEFORE_COMMENT: Final = b" \t\n;&|("


def _covered(root: Node, source: bytes) -> bool:
    """Whether every byte belongs to a leaf or separates two of them as it does in a shell."""
    at = 0
    for leaf in _leaves(root):
        gap = source[at : leaf.start_byte]
        if not _GAP.fullmatch(gap) or (gap and not gap.replace(b"\\\n", b"")):
            return False
        if leaf.is_missing or leaf.start_byte < at:
            return False
        if leaf.type == "comment" and not _is_comment(leaf, source):
            return False
        at = leaf.end_byte
    return _GAP.fullmatch(source[at:]) is not None


def _is_comment(leaf: Node, source: bytes) -> bool:
    begins = leaf.start_byte == 0 or source[leaf.start_byte - 1] in _BEFORE_COMMENT
    return begins and b"\n" not in source[leaf.start_byte : leaf.end_byte]


def _leaves(root: Node) -> Iterator[Node]:
    todo = [root]
    while todo:
        node = todo.pop()
        if node.child_count and node.type not in _OPAQUE_LEAVES:
            todo += reversed(node.children)
        else:
            yield node


_STATEMENTS: Final = frozenset(
    {"list", "pipeline", "subshell", "compound_statement", "if_statement", "elif_clause"}
    | {"else_clause", "while_statement", "do_group", "negated_command", "program"}
)
_PUNCTUATION: Final = frozenset(
    {
        ";",
        ";;",
        ";&",
        ";;&",
        "&",
        "&&",
        "||",
        "|",
        "|&",
        "\n",
        "(",
        ")",
        "{",
        "}",
        "!",
        "if",
        "then",
    }
    | {"elif", "else", "fi", "while", "until", "do", "done", "for", "in", "case", "esac", "comment"}
)
_INTEGER: Final = re.compile(r"-?\d{1,18}", re.ASCII)
_PATTERN: Final = re.compile(r"[\w.*?/:@%+=,~^$\[\]\\()|-]*", re.ASCII)
_TEST_UNARY: Final = frozenset("-" + letter for letter in "abcdefghknoprstuwxzGLNOS")
_TEST_TEXT: Final = frozenset({"=", "==", "!=", "=~", "-nt", "-ot", "-ef", "&&", "||", "-a", "-o"})
_TEST_NUMBER: Final = frozenset({"-eq", "-ne", "-lt", "-le", "-gt", "-ge"})
_DELIMITER: Final = re.compile(r"(['\"]?)([A-Za-z_][\w.-]*)\1", re.ASCII)
_AFTER_HEREDOC: Final = re.compile(r"[^'\"`\\$#()<]*")


class _Reader(WordReader):
    """Walks the tree once; what it cannot resolve makes the script opaque, and it goes on."""

    def __init__(self, source: bytes) -> None:
        super().__init__(source)
        self._heredocs = 0

    # Statements

    def statements(self, node: Node) -> None:
        """Read what a node holds, statement by statement."""
        for child in node.children:
            self._statement(child)

    def _statement(self, node: Node) -> None:
        kind = node.type
        if kind in _PUNCTUATION:
            return
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._unclear()
        elif kind == "command":
            self._command(node)
        elif kind == "redirected_statement":
            self._redirected(node)
        elif kind in ("variable_assignment", "variable_assignments"):
            self._assignments(node)
        elif kind == "declaration_command":
            self._declaration(node)
        elif kind == "unset_command":
            self._unset(node)
        elif kind == "test_command":
            self._test(node)
        elif kind == "for_statement":
            self._for(node)
        elif kind == "case_statement":
            self._case(node)
        elif kind in _STATEMENTS and node.children[:1] and node.children[0].type != "((":
            self.statements(node)
        else:
            # A function, `((…))`, an error, something new: its parts are still worth seeing.
            self._unclear()
            self.statements(node)
        self._depth -= 1

    def _command(self, node: Node) -> None:
        command = Command()
        nested: list[Node] = []
        dollar = False  # `$"…"` is told in two pieces
        for child in node.children:
            if child.type == "variable_assignment":
                if assignment := self._assignment(child, nested):
                    command.variables.append(assignment)
            elif child.type in ("file_redirect", "herestring_redirect"):
                self._redirect(child, command, nested)
            elif child.type == "command_name":
                command.words.append(self._word(child.children[0], nested))
            elif child.type == "$":
                dollar = True
            elif not child.is_named and child.type not in ("=~", "=="):
                self._unclear()
            else:
                if dollar and child.type != "string":
                    self._unclear()
                dollar = False
                command.words.append(self._word(child, nested))
        self.script.steps.append(command)
        self._nested(nested)

    def _redirected(self, node: Node) -> None:
        command = Command()
        nested: list[Node] = []
        for child in node.children:
            if child.type in ("file_redirect", "herestring_redirect"):
                self._redirect(child, command, nested)
            elif child.type == "heredoc_redirect":
                self._heredoc(child, command, nested)
            else:
                self._statement(child)
        # Words may follow a redirection; the tree gives them to the redirection.
        last = self.script.steps[-1] if self.script.steps else None
        if command.words and isinstance(last, Command) and node.children[0].type == "command":
            last.words += command.words
            command.words = []
        elif command.words:
            self._unclear()
        self.script.steps.append(command)
        self._nested(nested)

    def _redirect(self, node: Node, command: Command, nested: list[Node]) -> None:
        operator = ""
        targets: list[Word] = []
        for child in node.children:
            if child.type == "file_descriptor":
                continue
            if not child.is_named and not operator:
                operator = child.type
            elif child.is_named:
                targets.append(self._word(child, nested))
            else:
                self._unclear()
        command.redirects.append(Redirect(operator, targets[0] if targets else None))
        command.words += targets[1:]

    def _heredoc(self, node: Node, command: Command, nested: list[Node]) -> None:
        """A here-document: where it ends is found a second time, line by line."""
        self._heredocs += 1
        parts = {child.type: child for child in node.children}
        start, body, end = (parts.get("heredoc_" + name) for name in ("start", "body", "end"))
        found = start and _DELIMITER.fullmatch(self._text(start))
        if self._heredocs > 1 or start is None or end is None or not found:
            self._unclear()
            return
        quote, delimiter = found.groups()
        line = self.source.find(b"\n", start.end_byte)
        between = self.source[start.end_byte : line].decode("utf-8", "replace")
        at = line + 1
        for row in self.source[at:].split(b"\n"):
            stripped = row.lstrip(b"\t") if "<<-" in parts else row
            if stripped == delimiter.encode():
                break
            at += len(row) + 1
        begins = line + 1 if body is None else body.start_byte
        if (
            line < 0
            or not _AFTER_HEREDOC.fullmatch(between)
            or self.source.rfind(b"\n", 0, end.start_byte) + 1 != at
            or self.source[line + 1 : begins].strip()
            or (at < begins and body is not None)
        ):
            self._unclear()
        if not quote and body is not None:
            try:
                self._quoted_parts(body, nested, self.source[line + 1 : at])
            except Unclear:
                self._unclear()
        for child in node.children:
            if child.type == "file_redirect":
                self._redirect(child, command, nested)
            elif child.type in ("word", "string", "raw_string", "number", "concatenation"):
                command.words.append(self._word(child, nested))
            elif not child.type.startswith("heredoc_") and child.type not in ("<<", "<<-"):
                self._statement(child)
        command.redirects.append(Redirect("<<", None))

    def _nested(self, nodes: list[Node]) -> None:
        for node in nodes:
            raw = self._text(node)
            if raw.startswith("`") and "\\" in raw:
                self._unclear()  # within backquotes a backslash is read twice
            self._depth += 1
            if self._depth > MAX_DEPTH:
                self._unclear()
            else:
                for child in node.children:
                    if child.type in ("file_redirect", "herestring_redirect"):
                        self._input(child)
                    elif child.is_named:
                        self._statement(child)
            self._depth -= 1

    def _input(self, node: Node) -> None:
        """`$(< file)`: a redirection that stands alone."""
        command = Command()
        nested: list[Node] = []
        self._redirect(node, command, nested)
        self.script.steps.append(command)
        self._nested(nested)

    # Variables

    def _assignments(self, node: Node) -> None:
        nested: list[Node] = []
        nodes = node.children if node.type == "variable_assignments" else [node]
        after = node.next_sibling
        for child in nodes:
            found = self._assignment(child, nested)
            if found:
                found.certain = self._depth == 1 and (after is None or after.type in (";", "\n"))
                self.script.steps.append(found)
        self._nested(nested)

    def _assignment(self, node: Node, nested: list[Node]) -> Assignment | None:
        name, value = node.children[0], node.children[2:]
        if name.type != "variable_name" or node.children[1].type != "=" or len(value) > 1:
            # An element of an array, an appended value: what it does depends on what was there.
            self._unclear()
            for child in node.children:
                self._collect(child, nested)
            return None
        if value and value[0].type == "array":
            words = [self._word(child, nested) for child in value[0].children if child.is_named]
            return Assignment(self._text(name), UNKNOWN, all(map(_is_integer, words)), False)
        word = self._word(value[0], nested) if value else literal("")
        numeric = _is_integer(word) or bool(value and value[0].type == "arithmetic_expansion")
        return Assignment(self._text(name), word, numeric, certain=False)

    def _declaration(self, node: Node) -> None:
        nested: list[Node] = []
        exported = node.children[0].type == "export"
        for child in node.children[1:]:
            found = None
            if child.type == "variable_assignment":
                found = self._assignment(child, nested)
            elif child.type == "variable_name":
                found = Assignment(self._text(child), UNKNOWN, numeric=False, certain=False)
            elif self._word(child, nested).text not in ("-r", "-a"):
                self._unclear()  # -i calculates, -n refers, -x exports, -f makes functions
            if found:
                found.exported = exported
                self.script.steps.append(found)
        self._nested(nested)

    def _unset(self, node: Node) -> None:
        for child in node.children[1:]:
            if child.type == "variable_name":
                found = Assignment(self._text(child), literal(""), numeric=False, certain=False)
                self.script.steps.append(found)
            else:
                self._unclear()

    def _for(self, node: Node) -> None:
        if node.children[0].type != "for":
            self._unclear()  # `select` asks a person
        nested: list[Node] = []
        words: list[Word] = []
        name = ""
        rest: list[Node] = []
        for child in node.children:
            if child.type == "variable_name" and not name:
                name = self._text(child)
            elif child.type == "do_group":
                rest.append(child)
            elif child.is_named and child.type != "comment":
                words.append(self._word(child, nested))
        numeric = bool(words) and all(map(_is_integer, words))
        self.script.steps.append(Assignment(name, UNKNOWN, numeric, certain=False))
        self._nested(nested)
        for child in rest:
            self._statement(child)

    def _case(self, node: Node) -> None:
        nested: list[Node] = []
        for child in node.children:
            if child.type == "case_item":
                self._case_item(child, nested)
            elif child.is_named and child.type != "comment":
                self._word(child, nested)
        self._nested(nested)

    def _case_item(self, node: Node, nested: list[Node]) -> None:
        patterns = True
        for child in node.children:
            if child.type == ")":
                patterns = False
            elif not patterns:
                self._statement(child)
            elif child.type == "extglob_pattern":
                self._pattern(child)
            elif child.is_named:
                self._word(child, nested)

    def _pattern(self, node: Node) -> None:
        if not _PATTERN.fullmatch(self._text(node)):
            self._unclear()

    # Tests

    def _test(self, node: Node) -> None:
        kind = node.children[0].type
        nested: list[Node] = []
        command = Command([literal(kind if kind in ("[", "[[") else "((")])
        if kind not in ("[", "[["):
            self._unclear()
        for child in node.children[1:]:
            if child.is_named:
                self._condition(child, nested, double=kind == "[[")
        self.script.steps.append(command)
        self._nested(nested)

    def _condition(self, node: Node, nested: list[Node], *, double: bool) -> None:
        kind = node.type
        if kind in ("unary_expression", "binary_expression", "parenthesized_expression"):
            named = []
            operator = ""
            for child in node.children:
                if child.type == "test_operator" or not child.is_named:
                    operator = self._text(child) if child.type not in ("(", ")") else operator
                else:
                    named.append(child)
            if len(named) == 2:
                numbers = operator in _TEST_NUMBER and double
                known = operator in _TEST_TEXT or operator in _TEST_NUMBER
                known = known or (double and operator in ("<", ">"))
            else:
                numbers = False
                known = operator in _TEST_UNARY or operator in ("!", "")
            if not known:
                self._unclear()
            for child in named:
                self._condition(child, nested, double=double)
                if numbers:
                    self._calculated(self._text(child).strip('"'))
        elif kind in ("regex", "extglob_pattern"):
            self._pattern(node)
        else:
            word = self._word(node, nested)
            # In `[ … ]` an unquoted expansion may bring operators along.
            if not double and not word.single:
                self._unclear()


def _is_integer(word: Word) -> bool:
    return word.text is not None and _INTEGER.fullmatch(word.text) is not None
