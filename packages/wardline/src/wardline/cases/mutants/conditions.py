"""Small changes to the text of a condition."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from wardline import cel
from wardline.cel.lexer import tokenize
from wardline.cel.source import Source
from wardline.cel.terms import span, terms
from wardline.cel.tree import Binary, Choice, ListOf, Logic, Unary, walk
from wardline.errors import PolicyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wardline.cel.lexer import Token
    from wardline.cel.tree import Expr

__all__ = ["Rewriting", "of_condition", "of_toolkit_condition"]

_COMPARED: Final = {
    "<": ("<=", ">="),
    "<=": ("<", ">"),
    ">": (">=", "<="),
    ">=": (">", "<"),
    "==": ("!=",),
    "!=": ("==",),
}
_COUNTED: Final = {"+": "-", "-": "+", "*": "/", "/": "*", "%": "*"}
_JOINED: Final = {"&&": "||", "||": "&&"}
_CONSTANTS: Final = {"true": "false", "false": "true"}
_METHODS: Final = {
    "exists": "all",
    "all": "exists",
    "startsWith": "endsWith",
    "endsWith": "startsWith",
    "contains": "startsWith",
}
_INTEGER: Final = re.compile(r"([0-9]+)([uU]?)")
_QUOTED: Final = re.compile(r"(?s)([A-Za-z]{0,2})('''|\"\"\"|'|\")(.*)\2")
_PATTERN_PARTS: Final = (
    (re.compile(r"^\(\?i\)"), "the pattern minds letter case"),
    (re.compile(r"^(?:\(\?i\))?\^"), "the pattern may match further in"),
    (re.compile(r"(?<!\\)\$$"), "the pattern may match something longer"),
)


class Rewriting(NamedTuple):
    """The characters `start` to `end` become `text`; `what` says it in words."""

    start: int
    end: int
    text: str
    what: str


def of_condition(text: str, *, condition: bool = True) -> Iterator[Rewriting]:
    """Yield changes to CEL; `condition` is False where it is a value."""
    try:
        expr = cel.parse(text)
    except PolicyError:
        return  # only what loads is changed, so this is no CEL
    tokens = tokenize(expr.source)
    if condition:
        yield Rewriting(0, len(text), f"!({text})", "the condition is negated")
        yield from _terms(expr)
    for node, _ in walk(expr.root):
        match node:
            case Logic():
                yield from _logic(text, node, tokens)
            case Unary(op="!", at=at):
                yield Rewriting(at, at + 1, "", "a `!` is dropped")
            case Choice():
                yield _swapped(text, node, tokens)
            case ListOf():
                yield from _items(text, node, tokens)
            case Binary(op=op, at=at) if op in _COUNTED:
                yield Rewriting(at, at + 1, _COUNTED[op], f"`{op}` becomes `{_COUNTED[op]}`")
            case _:
                pass
    yield from _tokens(tokens)


def of_toolkit_condition(text: str) -> Iterator[Rewriting]:
    """Yield changes to a condition of governance.toolkit/v1."""
    yield Rewriting(0, len(text), f"not ({text})", "the condition is negated")
    try:
        tokens = tokenize(Source(text))
    except PolicyError:
        return
    for token in tokens:
        other = {"and": "or", "or": "and"}.get(token.text)
        if token.kind == "name" and other:
            end = token.at + len(token.text)
            yield Rewriting(token.at, end, other, f"`{token.text}` becomes `{other}`")
    yield from _tokens(tokens)


def _terms(expr: Expr) -> Iterator[Rewriting]:
    found = terms(expr)
    for term in found if len(found) > 1 else ():
        if not (isinstance(term.node, Binary) and term.node.op in _COMPARED):
            text = f"!({term.text})"
            yield Rewriting(term.start, term.end, text, f"`{term.text}` is negated")


def _logic(text: str, node: Logic, tokens: Sequence[Token]) -> Iterator[Rewriting]:
    spans = [span(term, tokens) for term in node.terms]
    gaps = [
        [token for token in tokens if left[1] <= token.at < right[0]]
        for left, right in itertools.pairwise(spans)
    ]
    operators = [next(token for token in gap if token.text == node.op) for gap in gaps]
    first, last = operators[0].at, operators[-1].at + 2
    parts = [text[a.at + 2 : b.at] for a, b in itertools.pairwise(operators)]
    other = _JOINED[node.op]
    swapped = other + "".join(part + other for part in parts)
    yield Rewriting(first, last, swapped, f"`{node.op}` becomes `{other}`")
    wide = [
        _with_parentheses(each, tokens, _enclosing(number, gaps))
        for number, each in enumerate(spans)
    ]
    for number, (start, end) in enumerate(wide):
        what = f"`{text[start:end]}` is dropped"
        if number + 1 < len(wide):
            yield Rewriting(start, wide[number + 1][0], "", what)
        else:
            yield Rewriting(wide[number - 1][1], end, "", what)


def _enclosing(number: int, gaps: Sequence[Sequence[Token]]) -> int:
    """Return how many parentheses stand around one term of several."""
    if number < len(gaps):
        return sum(token.text == ")" for token in gaps[number])
    return sum(token.text == "(" for token in gaps[number - 1])


def _with_parentheses(
    inner: tuple[int, int], tokens: Sequence[Token], count: int
) -> tuple[int, int]:
    start, end = inner
    before = [token.at for token in tokens if token.at < start]
    after = [token.at for token in tokens if token.at >= end]
    return (before[-count], after[count - 1] + 1) if count else inner


def _swapped(text: str, node: Choice, tokens: Sequence[Token]) -> Rewriting:
    (a, b), (c, d) = span(node.yes, tokens), span(node.no, tokens)
    swapped = text[c:d] + text[b:c] + text[a:b]
    return Rewriting(a, d, swapped, "the branches of `?:` are exchanged")


def _items(text: str, node: ListOf, tokens: Sequence[Token]) -> Iterator[Rewriting]:
    spans = [span(item, tokens) for item in node.items]
    for number, (start, end) in enumerate(spans):
        what = f"`{text[start:end]}` is taken out of its list"
        if number + 1 < len(spans):
            yield Rewriting(start, spans[number + 1][0], "", what)
        else:
            yield Rewriting(spans[number - 1][1] if number else start, end, "", what)


def _tokens(tokens: Sequence[Token]) -> Iterator[Rewriting]:
    for before, token in zip([None, *tokens], tokens, strict=False):
        end = token.at + len(token.text)
        method = before is not None and before.text == "."
        words = _METHODS if method else _CONSTANTS
        if token.kind == "op" and token.text in _COMPARED:
            for other in _COMPARED[token.text]:
                yield Rewriting(token.at, end, other, f"`{token.text}` becomes `{other}`")
        elif token.kind == "name" and token.text in words:
            other = words[token.text]
            yield Rewriting(token.at, end, other, f"`{token.text}` becomes `{other}`")
        elif token.kind == "string":
            yield from _strings(token)
        elif found := _INTEGER.fullmatch(token.text):
            for step in (1, -1):
                other = f"{int(found[1]) + step}{found[2]}"
                yield Rewriting(token.at, end, other, f"`{token.text}` becomes `{other}`")
        elif token.kind == "double":
            other = repr(float(token.text) + 1.0)
            yield Rewriting(token.at, end, other, f"`{token.text}` becomes `{other}`")


def _strings(token: Token) -> Iterator[Rewriting]:
    found = _QUOTED.fullmatch(token.text)
    if found is None:
        return
    prefix, quote, body = found.groups()
    begin = token.at + len(prefix) + len(quote)
    end = begin + len(body)
    what = f"{token.text} becomes {prefix}{quote}{body}~{quote}"
    yield Rewriting(token.at, end + len(quote), f"{prefix}{quote}{body}~{quote}", what)
    for part, words in _PATTERN_PARTS:
        if cut := part.search(body):
            kept = "(?i)" if cut[0] == "(?i)^" else ""
            yield Rewriting(begin + cut.start(), begin + cut.end(), kept, words)
