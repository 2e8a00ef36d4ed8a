"""Which texts are worth parsing: the parser takes long to find out that a text makes no sense."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

__all__ = ["MAX_CHARACTERS", "parseable", "plainly_written"]

MAX_CHARACTERS: Final = 4096

# Of these a text may have so many: the time of the parser grows with them.
_MOST: Final = {
    "(": 50, "{": 40, "[": 80, "[[": 10, "|": 60, "<": 40, "<<": 4, ">": 60, "`": 12, "$": 120,
    ";": 120, "&": 80, "\n": 200, '"': 160, "'": 160, "=": 200, "=(": 6, "()": 3, "case": 3,
    "eval": 10, " ": 800, "\t": 200, "\\": 200, "*": 200, "!": 60,
}  # fmt: skip

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_HEREDOC: Final = re.compile(r"<<-?[ \t]*(['\"]?)([A-Za-z_][\w.-]*)\1([^\n]*)\n", re.ASCII)
_QUOTED: Final = re.compile(
    r"\\.|'[^']*'|\"(?:[^\"\\]|\\.)*\"|(?:(?<=[\s;&|(])|^)#[^\n]*", re.DOTALL
)
_WORDS: Final = re.compile(r"(?<![\w./$-])(?:if|fi|case|esac|do|done)(?![\w./=-])")
_PAIRS: Final = (("if", "fi"), ("case", "esac"), ("do", "done"))


def parseable(text: str) -> bool:
    """Whether a text is short and plain enough to be parsed, and closes what it opens."""
    if len(text) > MAX_CHARACTERS or _CONTROL.search(text):
        return False
    if any(text.count(part) > most for part, most in _MOST.items()):
        return False
    if "<<" in text.replace("<<<", ""):
        text = _without_heredoc(text)
    rest = _QUOTED.sub(" ", text)
    if "'" in rest or '"' in rest or rest.count("`") % 2:
        return False
    words = _WORDS.findall(rest)
    if any(words.count(closes) < words.count(opens) for opens, closes in _PAIRS):
        # `echo do` opens nothing, and is too rare to be told apart.
        return False
    closing = rest.count(")") - rest.count("(")
    return rest.count("{") == rest.count("}") and (closing == 0 or (closing > 0 and "case" in rest))


def _without_heredoc(text: str) -> str:
    """The text without the lines of its first here-document."""
    found = _HEREDOC.search(text)
    if found is None:
        return text
    end = re.compile(rf"^\t*{re.escape(found[2])}$", re.MULTILINE).search(text, found.end())
    return text[: found.start()] + found[3] + (text[end.end() :] if end else "'")


def plainly_written(text: str) -> bool:
    """Whether every character is what it looks like: none invisible, none that folds into ASCII."""
    if text.isascii():
        return True
    for char in text:
        if char.isascii():
            continue
        if unicodedata.category(char)[0] in "CZ":
            return False
        if unicodedata.normalize("NFKC", char)[:1].isascii():
            return False
    return True
