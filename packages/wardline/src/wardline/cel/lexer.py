"""Splits the text of a condition into tokens, by the lexical rules of the CEL specification.

Identifiers and white space are ASCII; strings may hold any character but lone surrogates.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from wardline.cel.source import Source

__all__ = ["RESERVED", "Token", "tokenize"]

RESERVED = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)
"""Words that CEL keeps for later; they may follow a dot, but cannot be names."""

# White space after a token goes with it. A string on one line, of ASCII and without escapes, is
# `plain`: it needs no second look.
_TOKEN = re.compile(
    r"""
    (?P<skip>[\t\n\f\r ]+|//[^\n]*)
  | (?: (?P<plain>'[\x20-\x26\x28-\x5b\x5d-\x7e]*'(?!')|"[\x20\x21\x23-\x5b\x5d-\x7e]*"(?!"))
      | (?P<double>(?:[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?))
      | (?P<int>0x[0-9a-fA-F]+|[0-9]+)(?P<uint>[uU])?
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*+)(?![\"'])
      | `(?P<quoted>[A-Za-z0-9_.\-/\x20]+)`
      | (?P<op>&&|\|\||==|!=|<=|>=|[-+*/%!<>?:.,()\[\]{}])
    )[\t\n\f\r ]*
  | (?P<string>(?:[rR][bB]?|[bB][rR]?)?(?:\"\"\"|\'\'\'|\"|\'))
  | (?P<odd>[A-Za-z_][A-Za-z0-9_]*)   # a name with a quote behind it: the next token opens a string
    """,
    re.VERBOSE | re.ASCII,
)

_SIMPLE = {
    "a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11,
    "\\": 92, "?": 63, '"': 34, "'": 39, "`": 96,
}  # fmt: skip
_WIDTH = {"x": 2, "X": 2, "u": 4, "U": 8}
_HEX = frozenset("0123456789abcdefABCDEF")
_MAX_CODE_POINT = 0x10FFFF

_HINTS = {
    "=": ("`=` is not an operator", "Compare with `==`."),
    "&": ("`&` is not an operator", "Write `&&`."),
    "|": ("`|` is not an operator", "Write `||`."),
    ";": ("`;` has no meaning in a condition", "A condition is one expression."),
    "`": ("a quoted field needs a closing backtick", "Write for example args.`content-type`."),
    "#": ("`#` has no meaning in a condition", "Comments begin with `//`."),
    "$": ("`$` has no meaning in a condition", "Names are plain: `args.path`."),
    "@": ("`@` has no meaning in a condition", ""),
    "~": (
        "`~` has no meaning in a condition",
        "For a regular expression write `args.x.matches('…')`.",
    ),
    "^": ("`^` has no meaning in a condition", ""),
}


class Token(NamedTuple):
    """One token: `kind` is `name`, `quoted`, `int`, `uint`, `double`, `string`, `bytes`, `op` or `end`."""

    kind: str
    text: str
    at: int
    value: object = None


def tokenize(source: Source) -> list[Token]:
    """All tokens of the text, closed by one of kind `end`; PolicyError on what CEL does not know."""
    text = source.text
    tokens: list[Token] = []
    add = tokens.append
    match = _TOKEN.match
    at, end = 0, len(text)
    while at < end:
        found = match(text, at)
        if found is None:
            raise _unknown(source, at)
        kind = found.lastgroup
        start, at = at, found.end()
        if kind == "name" or kind == "op":  # most are
            add(Token(kind, found[kind], start))
        elif kind == "plain":
            written = found["plain"]
            add(Token("string", written, start, written[1:-1]))
        elif kind == "string":
            token, at = _string(source, start, found["string"])
            add(token)
        elif kind == "quoted":
            add(Token("quoted", found["quoted"], start))
        elif kind == "odd":
            add(Token("name", found["odd"], start))
        elif kind in ("int", "double", "uint"):
            stop = found.end(kind)
            add(_number(source, kind, text[start:stop], start, stop))
    add(Token("end", "", end))
    return tokens


def _number(source: Source, kind: str, text: str, start: int, end: int) -> Token:
    following = source.text[end : end + 1]
    if following.isascii() and (following.isalnum() or following == "_"):
        raise source.error(f"`{text}{following}` is not a number", start)
    if kind in ("int", "uint"):
        digits = text.rstrip("uU")
        if len(digits) > 32:  # far beyond 64 bits; keeps int() cheap
            raise source.error("an integer must fit into 64 bits", start)
        return Token(kind, text, start, int(digits, 16 if digits[:2] == "0x" else 10))
    if following == ".":
        raise source.error(f"`{text}.` is not a number", start)
    return Token("double", text, start, float(text))


def _unknown(source: Source, at: int) -> Exception:
    char = source.text[at]
    if char in _HINTS:
        return source.error(_HINTS[char][0], at, _HINTS[char][1])
    name = (
        f"{char!r} (U+{ord(char):04X})"
        if not char.isascii() or not char.isprintable()
        else f"`{char}`"
    )
    hint = "Outside strings a condition is plain ASCII." if not char.isascii() else ""
    return source.error(f"{name} has no meaning in a condition", at, hint)


def _string(source: Source, start: int, opening: str) -> tuple[Token, int]:
    text = source.text
    quote = opening.lstrip("rRbB")
    prefix = opening[: len(opening) - len(quote)].lower()
    begin = at = start + len(opening)
    raw = "r" in prefix
    while True:
        char = text[at : at + 1]
        if not char or (char in "\r\n" and len(quote) == 1):
            raise source.error("this string has no closing quote", start)
        if char == "\\" and not raw:
            at += 2
        elif text.startswith(quote, at):
            break
        else:
            at += 1
    body, after = text[begin:at], at + len(quote)
    if "b" in prefix:
        octets = _utf8(source, body, begin) if raw else _escaped_bytes(source, body, begin)
        return Token("bytes", text[start:after], start, octets), after
    value = body if raw or "\\" not in body else _escaped(source, body, begin)
    if not value.isascii():
        _utf8(source, value, start)
    return Token("string", text[start:after], start, value), after


def _utf8(source: Source, text: str, at: int) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise source.error("a string cannot hold a lone surrogate", at) from error


def _escaped(source: Source, body: str, begin: int) -> str:
    parts: list[str] = []
    at = 0
    while (slash := body.find("\\", at)) >= 0:
        parts.append(body[at:slash])
        code, at, _ = _escape(source, body, slash, begin)
        parts.append(chr(code))
    parts.append(body[at:])
    return "".join(parts)


def _escaped_bytes(source: Source, body: str, begin: int) -> bytes:
    parts: list[bytes] = []
    at = 0
    while (slash := body.find("\\", at)) >= 0:
        parts.append(_utf8(source, body[at:slash], begin + at))
        code, at, letter = _escape(source, body, slash, begin)
        if letter in "uU":
            raise source.error(
                f"`\\{letter}` is not allowed in bytes", begin + slash, "Write octets: `\\xff`."
            )
        parts.append(bytes((code,)))
    parts.append(_utf8(source, body[at:], begin + at))
    return b"".join(parts)


def _escape(source: Source, body: str, slash: int, begin: int) -> tuple[int, int, str]:
    """The code point of the escape at `slash`, the offset after it, and its letter."""
    letter = body[slash + 1 : slash + 2]
    if letter in _SIMPLE:
        return _SIMPLE[letter], slash + 2, letter
    if letter in _WIDTH:
        after = slash + 2 + _WIDTH[letter]
        digits = body[slash + 2 : after]
        if len(digits) == _WIDTH[letter] and _HEX.issuperset(digits):
            code = int(digits, 16)
            if code <= _MAX_CODE_POINT and not 0xD800 <= code <= 0xDFFF:
                return code, after, letter
            raise source.error(f"`\\{letter}{digits}` is not a character", begin + slash)
        raise source.error(f"`\\{letter}` needs {_WIDTH[letter]} hexadecimal digits", begin + slash)
    digits = body[slash + 1 : slash + 4]
    if letter and letter in "0123" and len(digits) == 3 and set(digits) <= set("01234567"):
        return int(digits, 8), slash + 4, letter
    raise source.error(
        f"`\\{letter}` is not an escape",
        begin + slash,
        "For a backslash write `\\\\`, or use a raw string: r'…'.",
    )
