"""`pii(…)`: personal data in a text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardline_facets.pii import NAMES, find

EXAMPLES = [
    ("email", "alice.smith+x@mail.example.com"),
    ("email", "j@bücher.example"),
    ("email", "alice%40example.com"),
    ("phone", "+49 (30) 1234-5678"),
    ("phone", "0049 30 12345678"),
    ("phone", "(212) 555-0187"),
    ("phone", "212.555.0187"),
    ("phone", "030 / 1234567"),
    ("iban", "DE89 3704 0044 0532 0130 00"),
    ("iban", "GB82WEST12345698765432"),
    ("iban", "gb82-west-1234-5698-7654-32"),
    ("card", "4111111111111111"),
    ("card", "5555 5555 5555 4444"),
    ("card", "3782-822463-10005"),
    ("card", "4.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1"),
    ("us_ssn", "078-05-1120"),
    ("us_ssn", "078 05 1120"),
    ("us_ssn", "078.05.1120"),
    ("us_ssn", "078_05_1120"),
    ("us_ssn", "078 - 05 - 1120"),
    ("uk_nino", "AB 12 34 56 C"),
    ("uk_nino", "ab123456c"),
    ("de_tax_id", "86 095 742 719"),
    ("de_tax_id", "65929970489"),
    ("fr_nir", "2 55 08 14 168 025 38"),
    ("fr_nir", "255081416802538"),
    ("es_dni", "12345678Z"),
    ("es_dni", "12.345.678-Z"),
    ("es_dni", "X-1234567-L"),
    ("it_fiscal_code", "RSSMRA85T10A562S"),
    ("pl_pesel", "44051401458"),
    ("br_cpf", "111.444.777-35"),
    ("ch_ahv", "756.9217.0769.85"),
    ("in_aadhaar", "2341 2341 2346"),
    ("ip_address", "203.0.113.9"),
    ("ip_address", "2001:db8::8a2e:370:7334"),
]


def test_every_detector_has_an_example() -> None:
    assert {name for name, _ in EXAMPLES} == set(NAMES)


@pytest.mark.parametrize(("name", "text"), EXAMPLES)
def test_it_is_found_where_it_stands(name: str, text: str) -> None:
    assert find(text) == [(name, 0, len(text))]
    assert find(f"before: {text}, after") == [(name, 8, 8 + len(text))]
    assert find(f"«{text}»\n{text}") == [
        (name, 1, 1 + len(text)),
        (name, 3 + len(text), 3 + 2 * len(text)),
    ]


FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}


@pytest.mark.parametrize(("name", "text"), [pair for pair in EXAMPLES if "ü" not in pair[1]])
def test_writing_it_otherwise_does_not_hide_it(name: str, text: str) -> None:
    wide = text.translate(FULL_WIDTH)
    assert find(f"é {wide}") == [(name, 2, 2 + len(wide))]
    spread = "\u200b".join(text)
    assert find(f"é {spread}") == [(name, 2, 2 + len(spread))]
    dashes = text.replace("-", "\u2011").replace(" ", "\u00a0")
    assert find(dashes) == [(name, 0, len(dashes))]


def test_digits_of_other_scripts_count() -> None:
    text = "٤١١١ ١١١١ ١١١١ ١١١١"
    assert find(text) == [("card", 0, len(text))]


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112", "1234567890123456", "DE89370400440532013001", "000-12-3456", "666-12-3456",
        "900-12-3456", "123-00-4567", "123-45-0000", "QQ123456C", "12345678A", "86095742710",
        "2341 2341 2347", "RSSMRA85T10A562T", "111.444.777-36", "127.0.0.1", "::1", "999.1.1.1", "12:30:45",
        "2024-01-01T12:30:45", "20240101T120000", "version 2.11.3", "1,234,567,890", "a@b", "@decorator",
        "1024 768 1920 1080 60", "100 20 3000 400 50 6000", "deadbeef12345678deadbeef12345678",
        "3f786850e387550fdab836ed7e6dc881de23001b", "550e8400-e29b-41d4-a716-446655440000",
        "std::vector::size", "user@localhost", "def f(a: int) -> b: ...", "0.1234567890123456",
        "page 12-34-5678-90", "x = y[1:2]", "10.11.2024 10:11:12", "$1 200 300 400", "00:1A:2B:3C:4D:5E",
    ],
)  # fmt: skip
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    assert find(text) == []


def test_numbers_side_by_side_are_told_apart() -> None:
    text = "2024-01-01 4111 1111 1111 1111 17"
    assert find(text) == [("card", 11, 30)]
    assert [name for name, _, _ in find("078-05-1120 219-09-9999")] == ["us_ssn", "us_ssn"]
    assert find("his SSN is 078051120.") == [("us_ssn", 11, 20)]


@given(st.text() | st.text("0123456789 -.+@:/aAÉ\u200b１"))
def test_hits_are_in_order_and_apart(text: str) -> None:
    hits = find(text)
    assert hits == find(text)
    end = 0
    for name, start, stop in hits:
        assert name in NAMES
        assert end <= start < stop <= len(text)
        end = stop


@pytest.mark.parametrize(
    "part",
    ["1", "4 ", "4111 ", "a@", "@", "1.", "+1", "(1", "AB12", "DE89 ", "::", "a:", "1-", "A", "é", "４", "\u200b",
     "0", "12345678 ", "123-45-", "a.b@c.", "GB82 WEST ", "2 55 08 ", "1/ ", "social ", "㏒"],
)  # fmt: skip
def test_hostile_texts_take_bounded_time(part: str) -> None:
    text = (part * 100_000)[:100_000]
    start = time.process_time()
    find(text)
    assert time.process_time() - start < 1
