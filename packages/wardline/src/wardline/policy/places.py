"""Where in a file a character of a scalar's value stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wardline.policy.reader import Node
    from wardline.policy.source import Source

__all__ = ["locate"]

_BLANK: Final = " \t\r\n"
_WIDTHS: Final = {"x": 2, "u": 4, "U": 8}
_BLANK_ESCAPES: Final = "nrt_NLP \t\r\n"


def locate(source: Source, node: Node, offset: int) -> tuple[int, int]:
    """Return line and column of the character at `offset` of a string node's value.

    Every style of YAML keeps the visible characters of a value in their order, whatever it does to
    the white space between them. So the n-th visible one of the value is the n-th of the text.
    """
    value: str = node.value
    before = sum(char not in _BLANK for char in value[:offset])
    inside = offset < len(value) and value[offset] not in _BLANK
    start = source.offset(node.line, node.column)
    end = start
    for number, (at, width) in enumerate(_visible(source.text, start, node.style)):
        if number == before and inside:
            return source.place(at)
        if number >= before:
            break
        end = at + width
    return source.place(end)


def _visible(text: str, start: int, style: str) -> Iterator[tuple[int, int]]:
    """Yield the place and length of what stands for each visible character, from `start` on."""
    at = start
    if style in ("|", ">"):
        while at < len(text) and text[at] not in "\r\n":
            at += 1
    elif style:
        at += 1
    while at < len(text):
        char = text[at]
        width = 1
        visible = char not in _BLANK
        if style == "'" and char == "'":
            if text[at : at + 2] != "''":
                return
            width = 2
        elif style == '"' and char == '"':
            return
        elif style == '"' and char == "\\":
            kind = text[at + 1 : at + 2]
            width = 2 + _WIDTHS.get(kind, 0)
            visible = kind not in _BLANK_ESCAPES
        if visible:
            yield at, width
        at += width
