"""Programs for sed and awk: whether they run commands, write files or only edit text."""

from __future__ import annotations

import re
from typing import Final

from wardline_facets.shell.words import Unclear

__all__ = ["awk_only_reads", "sed_only_reads"]

_SED_ADDRESS: Final = re.compile(r"(?:\d+(?:~\d+)?|\$|[+~]\d+)")
_SED_PLAIN: Final = frozenset("=dDgGhHnNpPxlqQzF")
_SED_LABEL: Final = re.compile(r"[ \t]*[\w.-]*")
_SED_FLAGS: Final = re.compile(r"[gpiIM\d]*")


def sed_only_reads(script: str) -> bool:
    """Whether a sed script neither writes nor runs anything; Unclear where it cannot be read."""
    at = 0
    while True:
        at = _skip(script, at, " \t\n;")
        if at >= len(script):
            return True
        if script[at] == "#":
            at = _line_end(script, at)
            continue
        at = _sed_address(script, at)
        at = _skip(script, at, " \t")
        if script[at : at + 1] == ",":
            at = _sed_address(script, _skip(script, at + 1, " \t"))
        at = _skip(script, at, " \t!")
        command = script[at : at + 1]
        at += 1
        if command and command in "wWe":
            return False
        if command == "s":
            at, flags = _sed_substitute(script, at)
            if flags and flags[0] in "we":
                return False
            at += len(flags)
        elif command == "y":
            at = _sed_delimited(script, _sed_delimited(script, at, script[at : at + 1]) - 1, None)
        elif command and command in "{}":
            continue
        elif command and command in "aic":
            at = _sed_text(script, at)
        elif command and command in "rR":
            at = _line_end(script, at)
        elif command and command in ":btT":
            found = _SED_LABEL.match(script, at)
            at = found.end() if found else at
        elif command and command in _SED_PLAIN:
            at = _digits(script, at) if command in "lqQ" else at
        else:
            raise Unclear("an unknown command")
        at = _skip(script, at, " \t")
        if at < len(script) and script[at] not in ";\n}#":
            raise Unclear("something after a command")


def _skip(script: str, at: int, chars: str) -> int:
    while at < len(script) and script[at] in chars:
        at += 1
    return at


def _digits(script: str, at: int) -> int:
    return _skip(script, _skip(script, at, " "), "0123456789")


def _line_end(script: str, at: int) -> int:
    end = script.find("\n", at)
    return len(script) if end < 0 else end


def _sed_text(script: str, at: int) -> int:
    """Where the text of `a`, `i` or `c` ends: on the same line, or on the next after a backslash."""
    end = _line_end(script, at)
    if script[at:end].strip() == "\\":
        end = _line_end(script, end + 1)
    if script[end - 1 : end] == "\\":
        raise Unclear("text of several lines")
    return end


def _sed_address(script: str, at: int) -> int:
    if found := _SED_ADDRESS.match(script, at):
        return found.end()
    if script[at : at + 1] == "/":
        at = _sed_delimited(script, at, None)
    elif script[at : at + 1] == "\\":
        at = _sed_delimited(script, at + 1, None)
    else:
        return at
    return _skip(script, at, "IM")


def _sed_delimited(script: str, at: int, delimiter: str | None) -> int:
    """Where what is between two delimiters ends, the second one included; `at` is the first."""
    mark = delimiter or script[at : at + 1]
    if not mark or mark in "\\\n" or mark.isalnum() or mark.isspace():
        raise Unclear("no delimiter")
    end = at + 1
    bracket = False
    while end < len(script) and script[end] != mark:
        if script[end] == "\\":
            end += 1
        elif script[end] in "[]":
            bracket = script[end] == "["
        end += 1
    # Within brackets some readers take the delimiter for a letter.
    if end >= len(script) or bracket:
        raise Unclear("an open end")
    return end + 1


def _sed_substitute(script: str, at: int) -> tuple[int, str]:
    middle = _sed_delimited(script, at, None)
    end = middle
    mark = script[at]
    while end < len(script) and script[end] != mark:
        end += 2 if script[end] == "\\" else 1
    if end >= len(script):
        raise Unclear("an open end")
    end += 1
    found = _SED_FLAGS.match(script, end)
    length = found.end() - end if found else 0
    if script[end + length : end + length + 1] in ("w", "e", "m"):
        return end + length, script[end + length]
    return end, script[end : end + length]


_AWK_TOKEN: Final = re.compile(
    r"""(?P<space>[ \t\r]+|\\\n) | (?P<comment>\#[^\n]*) | (?P<string>"(?:[^"\\\n]|\\[^\n])*")
    | (?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+) | (?P<word>[A-Za-z_]\w*)
    | (?P<mark>&&|\|\||[<>=!+\-*%^/]=|\*\*|\+\+|--|>>|[-+*/%^!<>=?:,;(){}\[\]~$|&\n@])""",
    re.VERBOSE | re.ASCII,
)
_AWK_REGEX: Final = re.compile(r"/(?:[^/\\\n\[\]]|\\[^\n]|\[\^?\]?[^\]\n/]*\])*/")
_AWK_OPERAND_ENDS: Final = frozenset({"]", "$"})
_AWK_PRINTS: Final = frozenset({"print", "printf"})
_AWK_DOUBTFUL: Final = frozenset({"system", "getline", "close", "fflush", "extension"})
_AWK_KEYWORDS: Final = frozenset(
    {"print", "printf", "return", "in", "else", "do", "BEGIN", "END", "case", "exit", "delete"}
)


def awk_only_reads(script: str) -> bool:
    """Whether an awk program neither writes nor runs anything; Unclear where it cannot be read."""
    at = 0
    before = ""  # the token before, as the kind that decides what a slash means
    printing = False
    while at < len(script):
        found = _AWK_TOKEN.match(script, at)
        if found is None:
            raise Unclear("an unknown character")
        kind, text = found.lastgroup, found[0]
        if kind in ("space", "comment"):
            at = found.end()
            continue
        if text[0] == "/" and kind == "mark":
            if before in (")", "}", "++", "--"):
                raise Unclear("a slash that may begin or divide")
            if before not in ("operand", *_AWK_OPERAND_ENDS):
                regex = _AWK_REGEX.match(script, at)
                if regex is None:
                    raise Unclear("a regular expression without an end")
                at, before = regex.end(), "operand"
                continue
        at = found.end()
        if kind == "word":
            if text in _AWK_DOUBTFUL:
                return False
            printing = printing or text in _AWK_PRINTS
            before = text if text in _AWK_KEYWORDS else "operand"
            continue
        if text in ("|", "@", ">>", "&"):
            return False
        if text == ">" and printing:
            return False
        if text in (";", "\n", "}"):
            printing = False
        before = "operand" if kind in ("string", "number") else text
    return True
