"""Internet addresses and networks, as CEL's network extension has them.

Unlike `url(v).host`, which judges what a request would really reach, these read only the plain forms
that the extension defines. Every reader raises EvaluationError for other texts.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Final, TypeAlias

from wardline.cel.kinds import Single
from wardline.errors import EvaluationError

__all__ = ["Address", "Network", "address", "is_canonical", "network"]

_Held: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_MOST_CHARACTERS: Final = 64
_BROADCAST: Final = ipaddress.IPv4Address("255.255.255.255")


class Address(Single):
    """An IPv4 or IPv6 address; an IPv4 address written as an IPv6 one is the IPv4 address."""

    __slots__ = ("held",)

    def __init__(self, held: _Held) -> None:
        self.held = held

    def content(self) -> object:
        """The address; IPv4 and IPv6 never equal each other."""
        return self.held

    def __str__(self) -> str:
        return str(self.held)

    @property
    def family(self) -> int:
        """4 or 6."""
        return self.held.version

    @property
    def is_loopback(self) -> bool:
        """Whether it is 127.0.0.0/8 or ::1."""
        return self.held.is_loopback

    @property
    def is_unspecified(self) -> bool:
        """Whether it is 0.0.0.0 or ::."""
        return self.held.is_unspecified

    @property
    def is_link_local(self) -> bool:
        """Whether it is 169.254.0.0/16 or fe80::/10."""
        return self.held.is_link_local

    @property
    def is_link_local_multicast(self) -> bool:
        """Whether it is 224.0.0.0/24, or multicast of IPv6 whose scope is the link."""
        packed = self.held.packed
        if self.held.version == 4:
            return packed[:3] == b"\xe0\x00\x00"
        return packed[0] == 0xFF and packed[1] & 0x0F == 2

    @property
    def is_global_unicast(self) -> bool:
        """Whether it is none of the special ones: private addresses are global unicast here."""
        held = self.held
        return not (
            held.is_unspecified
            or held.is_loopback
            or held.is_multicast
            or held.is_link_local
            or held == _BROADCAST
        )


class Network(Single):
    """An address with the length of its prefix."""

    __slots__ = ("address", "length")

    def __init__(self, held: Address, length: int) -> None:
        self.address = held
        self.length = length

    def content(self) -> object:
        """The address with its host bits, and the length."""
        return (self.address, self.length)

    def __str__(self) -> str:
        return f"{self.address}/{self.length}"

    def masked(self) -> Network:
        """The same network with the host bits cleared."""
        held = self.address.held
        kept = int(held) >> (held.max_prefixlen - self.length) << (held.max_prefixlen - self.length)
        return Network(Address(type(held)(kept)), self.length)

    def holds(self, other: Address, length: int | None = None) -> bool:
        """Whether the address, or the network of that length around it, lies in this one."""
        held, inner = self.address.held, other.held
        if held.version != inner.version or (length is not None and length < self.length):
            return False
        shift = held.max_prefixlen - self.length
        return int(held) >> shift == int(inner) >> shift


@lru_cache(maxsize=256)
def address(text: str) -> Address:
    """The address that a text means: no zones, no octal, no dotted IPv4 inside IPv6."""
    if len(text) > _MOST_CHARACTERS or "%" in text or ("." in text and ":" in text):
        raise EvaluationError("the text is not an IP address")
    try:
        held = ipaddress.ip_address(text)
    except ValueError as error:
        raise EvaluationError("the text is not an IP address") from error
    mapped = held.ipv4_mapped if isinstance(held, ipaddress.IPv6Address) else None
    return Address(mapped if mapped is not None else held)


def is_canonical(text: str) -> bool:
    """Whether an address is written as it would be shown; EvaluationError where it is none."""
    return str(address(text)) == text


@lru_cache(maxsize=256)
def network(text: str) -> Network:
    """The network that a text such as `10.0.0.0/8` means; host bits may be set and are kept."""
    before, slash, after = text.partition("/")
    if (
        not slash
        or not after.isascii()
        or not after.isdigit()
        or (after[0] == "0" and after != "0")
    ):
        raise EvaluationError("the text is not a network such as 10.0.0.0/8")
    held = address(before)
    if ":" in before and held.family == 4:
        raise EvaluationError("a network cannot be an IPv4 one written as IPv6")
    if len(after) > 3 or int(after) > held.held.max_prefixlen:
        raise EvaluationError("the length of the prefix is out of range")
    return Network(held, int(after))
