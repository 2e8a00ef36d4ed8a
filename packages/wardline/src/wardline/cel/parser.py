"""Parses the text of a condition into its tree, within fixed bounds.

The grammar is that of the CEL specification. A text may have 8 KiB, 64 levels and 2,048 nodes; what
is beyond, and what CEL does not know, is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from wardline.cel import macros
from wardline.cel.kinds import TYPE_NAMES, UInt
from wardline.cel.lexer import RESERVED, Token, tokenize
from wardline.cel.source import Source
from wardline.cel.tree import (
    Binary,
    Call,
    Choice,
    Expr,
    Has,
    Index,
    ListOf,
    Literal,
    Logic,
    MapOf,
    Method,
    Name,
    Node,
    OptionalIndex,
    OptionalItem,
    OptionalSelect,
    Select,
    Unary,
    dotted,
    walk,
)
from wardline.cel.types import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline.errors import PolicyError

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_NODES", "parse"]

MAX_BYTES = 8192
MAX_DEPTH = 64
MAX_NODES = 2048

_INT_MAX = 2**63 - 1
_UINT_MAX = 2**64 - 1

# How tightly a binary operator binds; the conditional operator has 1.
_BINDS = {
    "||": 2, "&&": 3,
    "==": 4, "!=": 4, "<": 4, "<=": 4, ">": 4, ">=": 4, "in": 4,
    "+": 5, "-": 5, "*": 6, "/": 6, "%": 6,
}  # fmt: skip
_UNARY = 7
_CONSTANTS = {"true": True, "false": False, "null": None}
# `math.abs(x)` is a call of one function, whatever variables are called `math`.
_NAMESPACES = frozenset(name.partition(".")[0] for name in (*FUNCTIONS, macros.BIND) if "." in name)
# Types whose names have dots, by their last parts.
_TYPES = {name.rpartition(".")[2]: name for name in TYPE_NAMES if "." in name}
_MISPLACED = {
    "and": "Write `&&`.",
    "or": "Write `||`.",
    "AND": "Write `&&`.",
    "OR": "Write `||`.",
    "not": "Write `!(x in […])`.",
    "is": "Compare with `==`.",
    "contains": "Write `x.contains('…')`.",
    "startsWith": "Write `x.startsWith('…')`.",
    "endsWith": "Write `x.endsWith('…')`.",
    "startswith": "Write `x.startsWith('…')`.",
    "endswith": "Write `x.endsWith('…')`.",
    "matches": "Write `x.matches('…')`.",
    "like": "Write `x.matches('…')`.",
    "if": "Write `test ? yes : no`.",
}


def parse(
    text: str,
    *,
    line: int = 1,
    column: int = 1,
    file: str = "<policy>",
    columns: Sequence[int] | None = None,
) -> Expr:
    """The tree of one condition.

    `line`, `column` and `columns` say where the text stands in `file`: see `Source`.

    Raises PolicyError with one problem, at the place of the first mistake.
    """
    source = Source(text, line, column, file, columns)
    # A lone surrogate has no UTF-8 form: it passes here and is refused where it stands.
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise source.error(
            f"a condition may have {MAX_BYTES:,} bytes; this one has more",
            0,
            "Split the rule in two.",
        )
    return _Parser(source).run()


class _Parser:
    """One pass over the tokens of one condition."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.tokens = tokenize(source)
        self.position = 0
        self.token = self.tokens[0]
        self.depth = 0
        self.nodes = 0

    def run(self) -> Expr:
        if self.token.kind == "end":
            raise self.source.error("the condition is empty", 0, "Leave it out for `always`.")
        root = self.expression(1)
        if self.token.kind != "end":
            raise self.misplaced()
        if self.nodes > MAX_DEPTH:  # fewer nodes than levels cannot be too deep
            for node, depth in walk(root):
                if depth > MAX_DEPTH:
                    raise self.too_deep(node.at)
        return Expr(root, self.source)

    # Tokens

    def advance(self) -> Token:
        token = self.token
        self.position += 1
        self.token = self.tokens[self.position]
        return token

    def at_op(self, op: str) -> bool:
        return self.token.kind == "op" and self.token.text == op

    def take(self, op: str) -> bool:
        if self.token.kind == "op" and self.token.text == op:
            self.advance()
            return True
        return False

    def expect(self, op: str, opened: Token, what: str) -> None:
        if self.take(op):
            return
        if self.token.kind == "end":
            raise self.source.error(f"this {what} is not closed", opened.at, f"Add `{op}`.")
        raise self.misplaced(f"expected `{op}`")

    def count(self, at: int) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self.source.error(
                f"a condition may have {MAX_NODES:,} nodes; this one has more",
                at,
                "Split the rule in two.",
            )

    def too_deep(self, at: int) -> PolicyError:
        return self.source.error(
            f"the condition is nested deeper than {MAX_DEPTH} levels", at, "Split the rule in two."
        )

    def misplaced(self, expected: str = "") -> PolicyError:
        token = self.token
        if token.kind == "end":
            return self.source.error(
                "the condition ends too early", max(len(self.source.text.rstrip()) - 1, 0)
            )
        message = f"unexpected `{token.text}`" + (f": {expected}" if expected else "")
        hint = ""
        if token.kind == "name":
            hint = _MISPLACED.get(
                token.text, "An operator is missing before it, or quotes around a text."
            )
        elif token.kind == "op" and token.text in ")]}":
            hint = "Nothing is open here that it could close."
        return self.source.error(message, token.at, hint)

    # Expressions

    def expression(self, floor: int) -> Node:
        """Everything up to an operator that binds less tightly than `floor`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.too_deep(self.token.at)
        left = self.unary()
        while True:
            token = self.token
            op = token.text
            binds = _BINDS.get(op, 0) if token.kind in ("op", "name") else 0
            if binds >= floor:
                left = self.logic(left, op, binds) if binds <= 3 else self.binary(left, binds)
            elif floor == 1 and op == "?" and token.kind == "op":
                left = self.choice(left)
            else:
                break
        self.depth -= 1
        return left

    def binary(self, left: Node, binds: int) -> Node:
        token = self.advance()
        self.count(token.at)
        return Binary(token.at, token.text, left, self.expression(binds + 1))

    def logic(self, first: Node, op: str, binds: int) -> Node:
        at = self.token.at
        self.count(at)
        terms = [first]
        while self.take(op):
            terms.append(self.expression(binds + 1))
        return Logic(at, op, tuple(terms))

    def choice(self, test: Node) -> Node:
        token = self.advance()
        self.count(token.at)
        yes = self.expression(2)
        if not self.at_op(":"):
            if self.token.kind == "end":
                raise self.source.error("`?` needs a `:`", token.at, "Write `test ? yes : no`.")
            raise self.misplaced("expected `:`")
        self.advance()
        return Choice(token.at, test, yes, self.expression(1))

    def unary(self) -> Node:
        token = self.token
        if token.kind == "op" and token.text in ("!", "-"):
            self.advance()
            if token.text == "-" and self.token.kind in ("int", "double"):
                return self.members(self.number(token))
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise self.too_deep(token.at)
            self.count(token.at)
            operand = self.unary()
            self.depth -= 1
            return Unary(token.at, token.text, operand)
        return self.members(self.primary())

    def number(self, minus: Token | None) -> Node:
        token = self.advance()
        at = token.at if minus is None else minus.at
        self.count(at)
        value = cast("int | float", token.value)
        if minus is not None:
            value = -value
        if token.kind == "int" and not -_INT_MAX - 1 <= value <= _INT_MAX:
            raise self.source.error("an integer must fit into 64 bits", at)
        return Literal(at, value)

    def primary(self) -> Node:
        token = self.token
        if token.kind == "name":
            return self.name()
        if token.kind in ("int", "double"):
            return self.number(None)
        if token.kind == "uint":
            self.advance()
            self.count(token.at)
            number = cast("int", token.value)
            if number > _UINT_MAX:
                raise self.source.error("an unsigned integer must fit into 64 bits", token.at)
            return Literal(token.at, UInt(number))
        if token.kind in ("string", "bytes"):
            self.advance()
            self.count(token.at)
            return Literal(token.at, cast("str | bytes", token.value))
        if token.kind == "op" and token.text == "(":
            self.advance()
            inner = self.expression(1)
            self.expect(")", token, "parenthesis")
            return inner
        if token.kind == "op" and token.text == "[":
            return self.list_of()
        if token.kind == "op" and token.text == "{":
            return self.map_of()
        if token.kind == "op" and token.text == ".":
            self.advance()
            if self.token.kind != "name":
                raise self.misplaced("expected a name after the dot")
            return self.name(rooted=True)
        raise self.misplaced("expected a value")

    def name(self, *, rooted: bool = False) -> Node:
        token = self.advance()
        name = token.text
        if name in _CONSTANTS and not rooted:
            self.count(token.at)
            return Literal(token.at, _CONSTANTS[name])
        if name == "in":
            self.position -= 1
            self.token = token
            raise self.misplaced("expected a value")
        if name in RESERVED or name in _CONSTANTS:
            raise self.source.error(
                f"`{name}` is a reserved word", token.at, _MISPLACED.get(name, "")
            )
        if name in ("not", "NOT") and (
            self.token.kind in ("name", "string", "int", "double") and self.token.text != "in"
        ):
            raise self.source.error(f"`{name}` is not an operator", token.at, "Write `!(…)`.")
        self.count(token.at)
        if not self.at_op("("):
            return Name(token.at, name, rooted)
        args = self.arguments()
        if name != "has" or rooted:
            return Call(token.at, name, tuple(args))
        if len(args) != 1 or not isinstance(args[0], Select):
            raise self.source.error("`has` takes one field", token.at, "Write `has(args.path)`.")
        return Has(args[0].at, args[0].operand, args[0].field)

    def arguments(self) -> list[Node]:
        opened = self.advance()
        items: list[Node] = []
        while not self.at_op(")"):
            items.append(self.expression(1))
            if not self.take(","):
                break
            if self.at_op(")"):
                raise self.misplaced("expected a value")
        self.expect(")", opened, "call")
        return items

    def list_of(self) -> Node:
        opened = self.advance()
        self.count(opened.at)
        items: list[Node] = []
        while not self.at_op("]"):
            items.append(self.optionally(self.question()))
            if not self.take(","):
                break
        self.expect("]", opened, "list")
        return ListOf(opened.at, tuple(items))

    def question(self) -> Token | None:
        """The `?` of an optional entry, if one stands here."""
        return self.advance() if self.at_op("?") else None

    def optionally(self, mark: Token | None) -> Node:
        if mark is None:
            return self.expression(1)
        self.count(mark.at)
        return OptionalItem(mark.at, self.expression(1))

    def map_of(self) -> Node:
        opened = self.advance()
        self.count(opened.at)
        entries: list[tuple[Node, Node]] = []
        while not self.at_op("}"):
            mark = self.question()
            key = self.expression(1)
            if not self.take(":"):
                raise self.misplaced("expected `:` after the key")
            entries.append((key, self.optionally(mark)))
            if not self.take(","):
                break
        self.expect("}", opened, "map")
        return MapOf(opened.at, tuple(entries))

    # What follows a value

    def members(self, node: Node) -> Node:
        while self.token.kind == "op":
            if self.token.text == ".":
                self.advance()
                node = self.member(node)
            elif self.token.text == "[":
                opened = self.advance()
                self.count(opened.at)
                optional = self.question()
                index = self.expression(1)
                self.expect("]", opened, "index")
                kind = Index if optional is None else OptionalIndex
                node = kind(opened.at, node, index)
            elif self.token.text == "{" and isinstance(node, Name | Select):
                raise self.source.error(
                    "a condition cannot build messages", self.token.at, "Maps are written {'a': 1}."
                )
            else:
                break
        return node

    def member(self, target: Node) -> Node:
        optional = self.question()
        token = self.token
        if token.kind not in ("name", "quoted") or token.text in ("in", *_CONSTANTS):
            raise self.misplaced("expected a field or a function after the dot")
        self.advance()
        self.count(token.at)
        name = token.text
        if optional is not None:
            if self.at_op("("):
                raise self.source.error("only fields can be optional", optional.at, "Write `x.?y`.")
            return OptionalSelect(token.at, target, name)
        if token.kind == "quoted" or not self.at_op("("):
            selected = Select(token.at, target, name)
            if name in _TYPES and dotted(selected) == _TYPES[name]:
                return Name(token.at, _TYPES[name])
            return selected
        args = self.arguments()
        if isinstance(target, Name) and target.name in _NAMESPACES:
            full = f"{target.name}.{name}"
            if full in FUNCTIONS:
                return Call(target.at, full, tuple(args))
            if full == macros.BIND:
                return macros.bind(self.source, target.at, args)
        if name in macros.MACROS:
            return macros.expand(self.source, token.at, name, target, args)
        return Method(token.at, target, name, tuple(args))
