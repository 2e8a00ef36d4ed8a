"""Personal data in a text: `find(text)`.

Numbers count only where their check digits agree, so that few others are taken for them; separators,
full-width digits and invisible characters do not hide them.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

from wardline_facets.folding import Folded, Hit, settle
from wardline_facets.identifiers import (
    BY_GROUPS,
    IBAN_LENGTHS,
    card_lengths,
    iban,
    it_fiscal_code,
    luhn,
    spanish_letter,
    uk_nino,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["NAMES", "find"]

NAMES: Final = (
    "email",
    "phone",
    "iban",
    "card",
    "us_ssn",
    "uk_nino",
    "de_tax_id",
    "fr_nir",
    "es_dni",
    "it_fiscal_code",
    "pl_pesel",
    "br_cpf",
    "ch_ahv",
    "in_aadhaar",
    "ip_address",
)
"""The detectors."""


def find(text: str) -> list[Hit]:
    """Return what was found as (detector, start, end), without overlaps, in the order of the text."""
    folded = Folded(text)
    plain = folded.text
    found = [
        hit
        for detect in (_ibans, _emails, _letters, _numbers, _addresses, _phones)
        for hit in detect(plain)
    ]
    return settle(folded, found)


_AT: Final = re.compile(r"@|%40|&#64;")
_LOCAL: Final = frozenset("._%+-'")
_DOMAIN: Final = re.compile(r"(?:\w(?:[\w-]{0,61}\w)?\.){1,8}[^\W\d_]{2,24}(?![\w-])")


def _emails(text: str) -> Iterator[Hit]:
    for mark in _AT.finditer(text):
        start = mark.start()
        least = max(0, start - 64)
        while start > least and (text[start - 1].isalnum() or text[start - 1] in _LOCAL):
            start -= 1
        while start < mark.start() and text[start] in _LOCAL:
            start += 1
        domain = _DOMAIN.match(text, mark.end())
        if start < mark.start() and domain:
            yield "email", start, domain.end()


_IBAN_START: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[ -]?\d[ -]?\d")
_IBAN_REST: Final = re.compile(r"(?:[ .\-_]{0,2}[A-Za-z0-9]){4,34}")


def _ibans(text: str) -> Iterator[Hit]:
    for begun in _IBAN_START.finditer(text):
        length = IBAN_LENGTHS.get(begun[0][:2].upper())
        found = _IBAN_REST.match(text, begun.start()) if length else None
        if not found or not length:
            continue
        chars = "".join(filter(str.isalnum, found[0]))[:length].upper()
        if len(chars) == length and iban(chars):
            end = begun.start()
            for _ in range(length):
                end = _next_alnum(text, end) + 1
            if not text[end : end + 1].isalnum():
                yield "iban", begun.start(), end


def _next_alnum(text: str, at: int) -> int:
    while not text[at].isalnum():
        at += 1
    return at


_NINO: Final = re.compile(
    r"(?<![A-Za-z0-9])([A-Za-z]{2})(?:[ .\-_]?\d{2}){3}[ .\-_]?[A-Da-d](?![A-Za-z0-9])"
)
_DNI: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:([XYZxyz])[ .\-]?)?(\d{7,8}|\d{1,2}\.\d{3}\.\d{3})[ .\-]?([A-Za-z])(?![A-Za-z0-9])"
)
_FISCAL: Final = re.compile(
    r"(?<![A-Za-z0-9])[A-Za-z]{6}[0-9LMNPQRSTUVlmnpqrstuv]{2}[A-EHLMPR-Ta-ehlmpr-t]"
    r"[0-9LMNPQRSTUVlmnpqrstuv]{2}[A-Za-z][0-9LMNPQRSTUVlmnpqrstuv]{3}[A-Za-z](?![A-Za-z0-9])"
)


def _letters(text: str) -> Iterator[Hit]:
    """Numbers with letters in them."""
    for found in _NINO.finditer(text):
        if uk_nino(found[1].upper()):
            yield "uk_nino", found.start(), found.end()
    for found in _DNI.finditer(text):
        lead, digits, letter = (found[1] or "").upper(), found[2].replace(".", ""), found[3].upper()
        number = int(str("XYZ".index(lead)) + digits) if lead else int(digits)
        if len(digits) == (7 if lead else 8) and spanish_letter(number) == letter:
            yield "es_dni", found.start(), found.end()
    for found in _FISCAL.finditer(text):
        if it_fiscal_code(found[0].upper()):
            yield "it_fiscal_code", found.start(), found.end()


_RUN: Final = re.compile(r"\d(?:[ .\-_/]{0,3}\d){8,}")
_DIGITS: Final = re.compile(r"\d+")
_SSN: Final = re.compile(r"(?i:ssn|social.{0,3}security)[^\d\n]{0,20}(\d{9})(?!\d)")


def _numbers(text: str) -> Iterator[Hit]:
    for run in _RUN.finditer(text):
        before = text[run.start() - 1 : run.start()]
        if not (before.isalpha() or before == "."):
            groups = [found.span() for found in _DIGITS.finditer(text, run.start(), run.end())]
            yield from _cards(text, groups)
            yield from _by_groups(text, groups)
    for found in _SSN.finditer(text):
        yield "us_ssn", found.start(1), found.end(1)


def _by_groups(text: str, groups: list[tuple[int, int]]) -> Iterator[Hit]:
    lengths = [end - start for start, end in groups]
    for shape, tests in BY_GROUPS.items():
        for at in range(len(groups) - len(shape) + 1):
            if lengths[at] == shape[0] and tuple(lengths[at : at + len(shape)]) == shape:
                span = groups[at : at + len(shape)]
                gaps = text[span[0][0] : span[-1][1]]
                if len(shape) == 3 and gaps.count(" ") > 1 and len(groups) > 3:
                    continue  # columns of a table
                digits = "".join(text[start:end] for start, end in span)
                for name, test in tests:
                    if test(digits):
                        yield name, span[0][0], span[-1][1]
                        break


_SIX_IN_THE_MIDDLE: Final = ([4, 6, 5], [4, 6, 4])


def _cards(text: str, groups: list[tuple[int, int]]) -> Iterator[Hit]:
    """Groups that make the number of a card.

    A run that is no longer than a number may be grouped in any way; in a longer one, which may be the
    columns of a table, the groups have to be those of a card: alike, but for a shorter last one.
    """
    digits = "".join(text[start:end] for start, end in groups)
    if len(digits) < 13:
        return
    lengths = [end - start for start, end in groups]
    alike = [1] * len(groups)  # how many groups from here on have one length
    for at in range(len(groups) - 2, -1, -1):
        if lengths[at] == lengths[at + 1]:
            alike[at] = alike[at + 1] + 1
    begin = until = 0
    for first, width in enumerate(lengths):
        # In a row of single digits only the first may begin a number.
        skip = begin < until or (width == 1 and lengths[first - 1 : first] == [1])
        for length in () if skip else card_lengths(digits[begin : begin + 4]):
            whole = first == 0 and length == len(digits)
            count = len(groups) if whole else _grouped(lengths, first, width, alike[first], length)
            number = digits[begin : begin + length]
            if count and len(number) == length and luhn(number):
                yield "card", groups[first][0], groups[first + count - 1][1]
                until = begin + length
                break
        begin += width


def _grouped(lengths: list[int], first: int, width: int, alike: int, length: int) -> int:
    """How many groups make a number of this length, or none."""
    if (
        lengths[first : first + 3] in _SIX_IN_THE_MIDDLE
        and sum(lengths[first : first + 3]) == length
    ):
        return 3
    full, rest = divmod(length, width)
    if alike < full or (width > 4 and full > 1):
        return 0
    if not rest:
        return full
    return full + 1 if lengths[first + full : first + full + 1] == [rest] else 0


_IPV4: Final = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_IPV6: Final = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{1,45}(?![\w:])")


def _addresses(text: str) -> Iterator[Hit]:
    for pattern, parts in ((_IPV4, "."), (_IPV6, ":")):
        for found in pattern.finditer(text):
            raw = found[0].rstrip(".")
            if raw.count(parts) < 2:
                continue
            try:
                address = ipaddress.ip_address(raw)
            except ValueError:
                continue
            if not (
                address.is_loopback or address.is_unspecified or str(address) == "255.255.255.255"
            ):
                yield "ip_address", found.start(), found.start() + len(raw)


_PHONE: Final = re.compile(
    r"(?<![\w+.])(?:\+|00)[ ]?[1-9](?:[ .\-/()]{0,3}\d){7,14}(?!\d)"
    r"|(?<![\w.])(?:\+?1[ .\-])?\(?[2-9]\d{2}\)?[ .\-]{1,2}[2-9]\d{2}[ .\-]\d{4}(?![\w])"
    r"|(?<![\w.])\(?0[1-9]\d{1,3}\)?[ /\-]{1,3}\d{3,4}[ \-]?\d{3,5}(?![\w])"
)


def _phones(text: str) -> Iterator[Hit]:
    for found in _PHONE.finditer(text):
        yield "phone", found.start(), found.end()
