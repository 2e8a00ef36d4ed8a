"""Conditions of governance.toolkit/v1, translated into CEL.

That language knows ` and `, ` or `, comparisons, `in [...]` and bare names, and gives a missing
argument a value of its own. Here the words become operators, bare names become `args.<name>`,
`action.tool` becomes `action.name`, and the smallest comparison that reads an argument also asks
whether it is there. What is inside of quotes is never touched.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from wardline.action import type_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Translation", "UntranslatableError", "translate"]

_TOKEN: Final = re.compile(
    r"""(?P<blank>[ \t\r\n]+)
    | (?P<string>[rRbB]{0,2}(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"))
    | (?P<number>(?:0[xX][0-9a-fA-F]+|[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)[uU]?)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<sign>&&|\|\||[=!<>]=|[-+*/%<>!?:.,()\[\]{}])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ROOTS: Final = frozenset({"action", "args", "principal", "session", "run", "tool", "now"})
_ALONE: Final = frozenset({"args", "now"})
_WORDS: Final = {"and": "&&", "or": "||"}
_OTHER_CASE: Final = {
    "AND": "and", "OR": "or", "NOT": "not", "True": "true", "False": "false", "None": "null",
}  # fmt: skip
_CONSTANTS: Final = frozenset({"true", "false", "null", "in"})
_MACROS: Final = frozenset({"all", "exists", "exists_one", "map", "filter"})
_OPENING: Final = frozenset("([{")
_CLOSING: Final = frozenset(")]}")
_ARGUMENT: Final = re.compile(r"args\.([A-Za-z_][A-Za-z0-9_]*)")
_BEYOND: Final = frozenset({"&&", "||", "!", "(", "+", "-", "*", "/", "%", "?"})
_DEEPEST: Final = 64
_LONGEST_READ: Final = 2000


class UntranslatableError(ValueError):
    """A condition that neither language knows; `at` is the offset of the mistake."""

    def __init__(self, message: str, at: int, hint: str = "") -> None:
        super().__init__(message)
        self.at = at
        self.hint = hint


class Translation(NamedTuple):
    """`text` is CEL; `origin` has, for each of its characters, the offset that it comes from.

    `guarded` are the arguments whose presence is asked for, `folded` the literals that were brought
    into the form that types have, `beyond` whether the original engine cannot read the condition.
    """

    text: str
    origin: tuple[int, ...]
    guarded: tuple[str, ...]
    folded: tuple[str, ...]
    beyond: bool


class _Token(NamedTuple):
    kind: str
    text: str
    at: int
    bare: bool = False
    """Whether it is one word that was made into an argument."""


class _Writer:
    """The text so far, and where each of its characters comes from."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.origin: list[int] = []

    def add(self, text: str, at: int) -> None:
        self.parts.append(text)
        self.origin += [at] * len(text)


def translate(text: str) -> Translation:
    """Return the condition as CEL; raises `UntranslatableError`."""
    raw = _tokens(text)
    beyond = _is_beyond(text, raw)
    tokens = _names(raw)
    folded = _fold_types(tokens)
    writer = _Writer()
    guarded: dict[str, None] = {}
    _Guards(writer, guarded).write(tokens, 0)
    return Translation(
        "".join(writer.parts), tuple(writer.origin), tuple(guarded), tuple(folded), beyond
    )


def _tokens(text: str) -> list[_Token]:
    tokens = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            what = "a quote that is not closed" if text[at] in "'\"" else f"`{text[at]}`"
            raise UntranslatableError(f"{what} cannot stand in a condition", at)
        kind = found.lastgroup or ""
        if kind != "blank":
            tokens.append(_Token(kind, found[0], at))
        at = found.end()
    return tokens


def _is_beyond(text: str, tokens: Sequence[_Token]) -> bool:
    """Return whether the original engine reads this otherwise, or not at all."""
    if len(text) > _LONGEST_READ:
        return True
    listed = False
    for before, token in zip([None, *tokens], tokens, strict=False):
        listed = token.text == "[" or (listed and token.text != "]")
        if token.kind == "sign" and token.text in _BEYOND:
            return True
        if before is not None and before.text in ("==", "!=") and token.kind != "string":
            return True
        if before is not None and before.text in ("<", "<=", ">", ">=") and token.kind != "number":
            return True
        if token.kind == "name" and token.text in ("not", "true", "false", "null"):
            return True
        if token.kind == "string" and (before is None or before.text in ("and", "or")):
            return True
        if listed and token.kind not in ("string", "sign"):
            return True
        if before is not None and before.text == "in" and token.text != "[":
            return True
        if token.kind == "string" and _is_misread(token.text, listed=listed):
            return True
    return False


def _is_misread(quoted: str, *, listed: bool) -> bool:
    """Return whether the original engine takes another text for this one, or none."""
    inner = quoted[1:-1]
    return (
        quoted[0] not in "'\""
        or not inner
        or any(char in inner for char in "\\'\"")
        or re.search(r" (?:and|or) ", inner) is not None
        or (listed and "," in inner)
    )


def _names(raw: Sequence[_Token]) -> list[_Token]:
    """Join dotted names to one token each, and make words into operators and arguments."""
    bound = {
        raw[i + 2].text
        for i, token in enumerate(raw[:-2])
        if token.text in _MACROS and raw[i + 1].text == "(" and raw[i + 2].kind == "name"
    }
    tokens: list[_Token] = []
    i = 0
    while i < len(raw):
        token = raw[i]
        i += 1
        after = raw[i].text if i < len(raw) else ""
        called = after == "(" and token.text not in _WORDS
        if token.kind != "name" or (tokens and tokens[-1].text == ".") or called:
            if token.text == "not" and after == "(" and not (tokens and tokens[-1].text == "."):
                token = token._replace(kind="sign")
            tokens.append(token)
            continue
        if token.text in _OTHER_CASE:
            raise UntranslatableError(
                f"`{token.text}` is no operator", token.at, f"write `{_OTHER_CASE[token.text]}`"
            )
        if token.text == "not":
            if after == "in":
                raise UntranslatableError(
                    "`not in` is no operator", token.at, "write `not (x in [...])`"
                )
            tokens.append(token._replace(kind="sign"))
            continue
        if token.text in _WORDS:
            tokens.append(_Token("sign", _WORDS[token.text], token.at))
            continue
        if token.text in _CONSTANTS:
            tokens.append(token)
            continue
        path = [token.text]
        while (
            i + 1 < len(raw)
            and raw[i].text == "."
            and raw[i + 1].kind == "name"
            and not (i + 2 < len(raw) and raw[i + 2].text == "(")
        ):
            path.append(raw[i + 1].text)
            i += 2
        tokens.append(_path(path, token.at, bound, called=i < len(raw) and raw[i].text == "."))
    return tokens


def _path(path: list[str], at: int, bound: set[str], *, called: bool) -> _Token:
    if path[0] in bound:
        return _Token("path", ".".join(path), at)
    if path == ["action", "tool"]:
        return _Token("path", "action.name", at)
    if path[0] in _ROOTS and (len(path) > 1 or path[0] in _ALONE):
        return _Token("path", ".".join(path), at)
    return _Token("path", ".".join(["args", *path]), at, bare=len(path) == 1 and not called)


def _fold_types(tokens: list[_Token]) -> list[str]:
    """Bring literals that `action.type` is compared with into the form that types have."""
    folded = []

    def fold(i: int) -> None:
        token = tokens[i]
        quote = token.text[0]
        inner = token.text[1:-1]
        if quote in "'\"" and "\\" not in inner and type_of(inner) != inner:
            tokens[i] = token._replace(text=f"{quote}{type_of(inner)}{quote}")
            folded.append(inner)

    for i, token in enumerate(tokens):
        if token.kind != "path" or token.text != "action.type":
            continue
        after = tokens[i + 1].text if i + 1 < len(tokens) else ""
        if after in ("==", "!=") and i + 2 < len(tokens) and tokens[i + 2].kind == "string":
            fold(i + 2)
        if i > 1 and tokens[i - 1].text in ("==", "!=") and tokens[i - 2].kind == "string":
            fold(i - 2)
        if after == "in":
            j = i + 2
            while j < len(tokens) and tokens[j].text != "]":
                if tokens[j].kind == "string":
                    fold(j)
                j += 1
    return folded


class _Guards:
    """Writes tokens out again, with `has(args.x)` around the comparisons that need it."""

    def __init__(self, writer: _Writer, guarded: dict[str, None]) -> None:
        self._writer = writer
        self._guarded = guarded

    def write(self, tokens: Sequence[_Token], depth: int) -> None:
        """Write an expression made of `&&`, `||`, `!` and parentheses."""
        if depth > _DEEPEST:
            raise UntranslatableError(
                "the condition is nested too deep", tokens[0].at, "split the rule"
            )
        for sign in ("||", "&&"):
            parts = _split(tokens, sign)
            if len(parts) > 1:
                for number, part in enumerate(parts):
                    if number:
                        self._writer.add(f" {sign} ", parts[number - 1][-1].at if part else 0)
                    if not part:
                        raise UntranslatableError(
                            f"there is nothing on one side of `{sign}`",
                            tokens[-1].at,
                            "write a comparison on both",
                        )
                    self.write(part, depth + 1)
                return
        self._operand(tokens, depth)

    def _operand(self, tokens: Sequence[_Token], depth: int) -> None:
        if not tokens:
            raise UntranslatableError("there is nothing between the parentheses", 0)
        first = tokens[0]
        rest = tokens[1:]
        if first.kind == "sign" and first.text == "not":
            if not rest:
                raise UntranslatableError("there is nothing after `not`", first.at)
            self._around("!(", rest, first.at, lambda: self.write(rest, depth + 1))
        elif first.text == "!" and _enclosed(rest):
            self._around("!(", rest, first.at, lambda: self.write(rest[1:-1], depth + 1))
        elif _enclosed(tokens):
            self._around("(", tokens, first.at, lambda: self.write(tokens[1:-1], depth + 1))
        else:
            self._comparison(tokens)

    def _around(
        self, opening: str, tokens: Sequence[_Token], at: int, inner: Callable[[], None]
    ) -> None:
        self._writer.add(opening, at)
        inner()
        self._writer.add(")", tokens[-1].at)

    def _comparison(self, tokens: Sequence[_Token]) -> None:
        if len(tokens) == 1 and tokens[0].bare:
            word = tokens[0].text.removeprefix("args.")
            raise UntranslatableError(
                f"`{word}` alone is no comparison", tokens[0].at, f"write `args.{word} == true`"
            )
        names: dict[str, None] = {}
        for i, token in enumerate(tokens):
            found = _ARGUMENT.match(token.text) if token.kind == "path" else None
            if found and not (i > 1 and tokens[i - 2].text == "has"):
                names[found[1]] = None
        _check_operators(tokens)
        at = tokens[0].at
        if names:
            self._guarded.update(names)
            self._writer.add("(" + "".join(f"has(args.{name}) && " for name in names), at)
        for i, token in enumerate(tokens):
            if i and _spaced(tokens[i - 1], token):
                self._writer.add(" ", token.at)
            self._writer.add(
                "!" if token.text == "not" and token.kind == "sign" else token.text, token.at
            )
        if names:
            self._writer.add(")", tokens[-1].at)


def _check_operators(tokens: Sequence[_Token]) -> None:
    """Refuse two values side by side, which is how words that are no operators look by now."""
    for before, token in pairwise(tokens):
        ends = before.kind in ("path", "string", "number") or before.text in _CLOSING
        begins = token.kind in ("path", "string", "number")
        if ends and begins:
            wrong = token if token.bare else before if before.bare else token
            word = wrong.text.removeprefix("args.") if wrong.bare else wrong.text
            hint = "write an operator such as `==` between values"
            if word.casefold() in ("contains", "matches", "startswith", "endswith"):
                hint = f"write `x.{word}('...')`"
            raise UntranslatableError(f"`{word}` is no operator", wrong.at, hint)


def _spaced(before: _Token, token: _Token) -> bool:
    tight = (".", "(", ")", "[", "]", ",")
    if token.text == "[" and before.text == "in":
        return True
    return not (token.text in tight or before.text in (".", "(", "[", "!"))


def _split(tokens: Sequence[_Token], sign: str) -> list[Sequence[_Token]]:
    """Split at `sign` outside of all brackets, unless a ternary holds it together."""
    depth = 0
    cuts = []
    for i, token in enumerate(tokens):
        if token.kind != "sign":
            continue
        if token.text in _OPENING:
            depth += 1
        elif token.text in _CLOSING:
            depth -= 1
        elif depth == 0 and token.text == "?":
            return [tokens]
        elif depth == 0 and token.text == sign:
            cuts.append(i)
    starts = [0, *(cut + 1 for cut in cuts)]
    ends = [*cuts, len(tokens)]
    return [tokens[start:end] for start, end in zip(starts, ends, strict=True)]


def _enclosed(tokens: Sequence[_Token]) -> bool:
    """Return whether one pair of parentheses holds all tokens."""
    if len(tokens) < 2 or tokens[0].text != "(" or tokens[-1].text != ")":
        return False
    depth = 0
    for i, token in enumerate(tokens):
        if token.kind == "sign" and token.text in _OPENING:
            depth += 1
        elif token.kind == "sign" and token.text in _CLOSING:
            depth -= 1
            if depth == 0 and i < len(tokens) - 1:
                return False
    return depth == 0
