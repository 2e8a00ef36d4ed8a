"""Numbers that name a person or an account, and the arithmetic that tells them from other numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "BY_GROUPS",
    "IBAN_LENGTHS",
    "card_lengths",
    "iban",
    "it_fiscal_code",
    "luhn",
    "spanish_letter",
    "uk_nino",
]

IBAN_LENGTHS: Final = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29,
    "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29,
    "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28,
    "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20,
    "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22,
    "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25,
    "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "ST": 25,
    "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip
"""How many characters an IBAN has, by country."""


_LETTER_VALUES: Final = {ord("A") + at: str(10 + at) for at in range(26)}


def iban(text: str) -> bool:
    """Whether letters and digits without separators, in upper case, pass ISO 7064 mod 97-10."""
    return int((text[4:] + text[:4]).translate(_LETTER_VALUES)) % 97 == 1


_DOUBLED: Final = str.maketrans("0123456789", "0246813579")


def luhn(digits: str) -> bool:
    """Whether the last digit is Luhn's check digit of the others."""
    plain, doubled = digits[::-2], digits[-2::-2].translate(_DOUBLED)
    return sum(map(int, plain + doubled)) % 10 == 0


def card_lengths(digits: str) -> Sequence[int]:
    """How long the number of a card may be that begins so: Visa, Mastercard and others."""
    two, four = int(digits[:2]), int(digits[:4])
    if digits[0] == "4":
        return (16, 13, 19)
    if 51 <= two <= 55 or 2221 <= four <= 2720:
        return (16,)
    if two in (34, 37):
        return (15,)
    if two in (30, 36, 38, 39):
        return (14, 15, 16, 17, 18, 19)
    if two in (35, 62, 64, 65) or four == 6011:
        return (16, 17, 18, 19)
    return ()


def _us_ssn(digits: str) -> bool:
    area = digits[:3]
    return (
        area not in ("000", "666")
        and area[0] != "9"
        and digits[3:5] != "00"
        and digits[5:] != "0000"
    )


def _de_tax_id(digits: str) -> bool:
    counts = [digits[:10].count(digit) for digit in "0123456789"]
    # One digit stands there twice or three times, the others at most once.
    if digits[0] == "0" or sorted(counts)[-2] > 1 or max(counts) not in (2, 3):
        return False
    product = 10
    for digit in digits[:10]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def _fr_nir(digits: str) -> bool:
    month = int(digits[3:5])
    if digits[0] not in "12" or not (1 <= month <= 12 or 20 <= month <= 42 or month >= 50):
        return False
    return 97 - int(digits[:13]) % 97 == int(digits[13:])


def _pl_pesel(digits: str) -> bool:
    month, day = int(digits[2:4]) % 20, int(digits[4:6])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return False
    weights = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)
    return sum(weight * int(digit) for weight, digit in zip(weights, digits, strict=True)) % 10 == 0


def _br_cpf(digits: str) -> bool:
    if len(set(digits)) == 1:
        return False
    for length in (9, 10):
        total = sum((length + 1 - at) * int(digits[at]) for at in range(length))
        if total * 10 % 11 % 10 != int(digits[length]):
            return False
    return True


def _ch_ahv(digits: str) -> bool:
    total = sum(int(digit) * (3 if at % 2 else 1) for at, digit in enumerate(digits))
    return digits.startswith("756") and total % 10 == 0


_VERHOEFF: Final = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_VERHOEFF_PLACES: Final = (
    "0123456789", "1576283094", "5803796142", "8916043527",
    "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def _in_aadhaar(digits: str) -> bool:
    check = 0
    for at, digit in enumerate(reversed(digits)):
        check = int(_VERHOEFF[check][int(_VERHOEFF_PLACES[at % 8][int(digit)])])
    return check == 0 and digits[0] not in "01"


BY_GROUPS: Final[dict[tuple[int, ...], Sequence[tuple[str, Callable[[str], bool]]]]] = {
    (3, 2, 4): (("us_ssn", _us_ssn),),
    (11,): (("de_tax_id", _de_tax_id), ("br_cpf", _br_cpf), ("pl_pesel", _pl_pesel)),
    (2, 3, 3, 3): (("de_tax_id", _de_tax_id),),
    (3, 3, 3, 2): (("br_cpf", _br_cpf),),
    (15,): (("fr_nir", _fr_nir),),
    (13, 2): (("fr_nir", _fr_nir),),
    (1, 2, 2, 2, 3, 3, 2): (("fr_nir", _fr_nir),),
    (13,): (("ch_ahv", _ch_ahv),),
    (3, 4, 4, 2): (("ch_ahv", _ch_ahv),),
    (4, 4, 4): (("in_aadhaar", _in_aadhaar),),
}
"""Numbers by the lengths of their groups of digits, each with what tells it from any other number."""


def spanish_letter(number: int) -> str:
    """The letter that follows a Spanish DNI or NIE."""
    return "TRWAGMYFPDXBNJZSQVHLCKE"[number % 23]


def uk_nino(prefix: str) -> bool:
    """Whether two letters may begin a British national insurance number."""
    barred = {"BG", "GB", "NK", "KN", "TN", "NT", "ZZ"}
    return prefix[0] not in "DFIQUV" and prefix[1] not in "DFIQUVO" and prefix not in barred


_ODD_VALUES: Final = (
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
)  # fmt: skip
"""What a letter counts at an odd place; a digit counts like the letter of its number."""


def it_fiscal_code(text: str) -> bool:
    """Whether the last of sixteen characters, in upper case, is the check letter of the others."""
    total = 0
    for at, char in enumerate(text[:15]):
        value = int(char) if char.isdigit() else ord(char) - ord("A")
        total += value if at % 2 else _ODD_VALUES[value]
    return chr(ord("A") + total % 26) == text[15]
