"""`path(v)` and `url(v)`: what a path or an address means.

Nothing here looks at a disk or resolves a name: where links lead is handed in. What cannot be judged with certainty gets the
careful answer: a path that is not plainly below a folder is not `under` it, and an address that is
not plainly public is private. Every function takes any string and raises nothing.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from wardline.symlinks import SymbolicLinks

__all__ = ["PathView", "UrlView", "folder_problem", "linked_path", "path", "url", "view_field"]


class PathView:
    """A POSIX path in lexical normal form, and where it leads if that is known.

    What is on the disk is somebody else's to say: `real` is the path without symbolic links. A link
    that is made after the decision is not seen.
    """

    __slots__ = ("_parts", "escapes", "real")

    def __init__(self, parts: tuple[str, ...] | None, *, escapes: bool) -> None:
        self._parts = parts  # None where the path is relative or cannot be resolved
        self.escapes = escapes
        self.real: PathView | None = None

    def under(self, folder: PathView) -> bool:
        """Whether this is `folder` or lies below it, component by component, as written and in fact.

        False for relative paths and for paths with a NUL, a backslash, or a leading `~`.
        """
        return self._below(folder) and (self.real or self)._below(folder.real or folder)

    def _below(self, folder: PathView) -> bool:
        parts, above = self._parts, folder._parts
        return parts is not None and above is not None and parts[: len(above)] == above


class UrlView:
    """The parts of an address that decide where a request goes."""

    __slots__ = ("host", "is_private", "scheme")

    def __init__(self, scheme: str, host: str, *, is_private: bool) -> None:
        self.scheme = scheme
        self.host = host
        self.is_private = is_private


_View: TypeAlias = PathView | UrlView


def view_field(view: _View, field: str) -> str | bool:
    """The value of a field of `path()` or `url()`; the check made sure that it exists."""
    if type(view) is PathView:
        return view.escapes
    assert type(view) is UrlView
    if field == "host":
        return view.host
    return view.scheme if field == "scheme" else view.is_private


# Paths


def linked_path(text: str, links: SymbolicLinks | None) -> PathView:
    """The path that `text` names, with where it leads."""
    view = path(text)
    if links is not None and text.startswith("/"):
        real = links.real(text)
        if real != text:
            view.real = path(real)
    return view


def path(text: str) -> PathView:
    """The path that `text` names, judged by its text alone.

    `escapes` is true where `..` climbs above where the path starts (the root, or for a relative path
    the working folder), and where the text cannot be resolved: empty, with a NUL or another control
    character, with a backslash (a separator elsewhere), or with a leading `~`.
    """
    if not text or text[0] == "~" or "\\" in text or _CONTROL.search(text):
        return PathView(None, escapes=True)
    parts: list[str] = []
    escapes = False
    for part in text.split("/"):
        if part in ("", "."):
            continue
        if part != "..":
            parts.append(part)
        elif parts:
            parts.pop()
        else:
            escapes = (
                True  # the root has no parent: `/..` is `/`, but nobody writes it in good faith
            )
    return PathView(tuple(parts) if text[0] == "/" else None, escapes=escapes)


def folder_problem(text: str) -> str:
    """What is wrong with a folder written in a condition, or an empty string."""
    if not text.startswith("/"):
        return "wants an absolute folder"
    if path(text).escapes or ".." in text.split("/"):
        return "wants a folder without `..`, backslashes or control characters"
    return ""


# Addresses

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*", re.ASCII)
_LABELS = re.compile(
    r"[a-z0-9_](?:[a-z0-9_\-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_\-]*[a-z0-9_])?)*"
)
_PORT = re.compile(r"[0-9]{0,5}")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
_MAX_HOST = 253
_PRIVATE_NAMES = frozenset(
    (
        "localhost",
        "localhost.localdomain",
        "ip6-localhost",
        "ip6-loopback",
        "metadata",
        "metadata.google.internal",
        "metadata.tencentyun.com",
        "instance-data",
    )
)
_PRIVATE_ENDS = (
    ".localhost",
    ".localdomain",
    ".local",
    ".internal",
    ".intranet",
    ".private",
    ".corp",
    ".home",
    ".lan",
    ".svc",
    ".onion",
    ".alt",
    ".home.arpa",
    ".in-addr.arpa",
    ".ip6.arpa",
)
_MORE_PRIVATE_V4 = tuple(
    ipaddress.IPv4Network(net)
    for net in (
        "100.64.0.0/10",
        "192.0.0.0/24",
        "198.18.0.0/15",
        "192.88.99.0/24",
        "168.63.129.16/32",
    )
)
_MORE_PRIVATE_V6 = tuple(
    ipaddress.IPv6Network(net)
    for net in (
        "fc00::/7",
        "fec0::/10",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")


def url(text: str) -> UrlView:
    """The address that `text` names.

    `scheme` is in lower case. `host` is in lower case, without user information, port and trailing
    dot, names in punycode as given, numeric hosts as the address they stand for. Both are empty
    where there is none, or where browsers and libraries would disagree about it: control characters,
    spaces, backslashes, percent-encoded or non-ASCII hosts, `http:///host`, several `@`.
    `is_private` is true for loopback, private, link-local, shared, reserved and multicast addresses
    in every notation, for the names of local networks and metadata services, and for every address
    without a plain host.
    """
    scheme, rest = _scheme(text)
    host = _host(rest) if rest else None
    if host is None:
        return UrlView(scheme, "", is_private=True)
    address = _address(host)
    if address is not None:
        return UrlView(scheme, _shown(address), is_private=_private_address(address))
    if not _is_name(host):
        return UrlView(scheme, "", is_private=True)
    return UrlView(scheme, host, is_private=_private_name(host))


def _scheme(text: str) -> tuple[str, str]:
    """The scheme and what follows `://`; each is empty where it is not plainly there."""
    if "\\" in text or " " in text or _CONTROL.search(text):
        return "", ""
    found = _SCHEME.match(text)
    if found is None or not text.startswith(":", found.end()):
        return "", ""
    rest = text[found.end() + 3 :] if text.startswith("://", found.end()) else ""
    return found[0].lower(), rest


def _host(rest: str) -> str | None:
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    # Two `@` are read in two ways; text before one is only there to mislead, but well defined.
    if authority.count("@") > 1 or not authority.isascii():
        return None
    host = authority.rpartition("@")[2]
    if host.startswith("["):
        inside, bracket, after = host[1:].partition("]")
        if not bracket or (after and not (after[0] == ":" and _PORT.fullmatch(after[1:]))):
            return None
        return f"[{inside.lower()}]"
    name, colon, port = host.partition(":")
    if colon and not _PORT.fullmatch(port):
        return None
    name = name.lower().removesuffix(".")
    return name or None


def _is_name(host: str) -> bool:
    if len(host) > _MAX_HOST or not _LABELS.fullmatch(host):
        return False
    # A last label of digits is meant as an address; what `_address` could not read is not one.
    return not _NUMBER.fullmatch(host.rpartition(".")[2])


_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


def _address(host: str) -> _Address | None:
    """The address that a numeric host stands for, or None."""
    try:
        if host.startswith("["):
            return ipaddress.IPv6Address(host[1:-1])
        number = _ipv4_number(host)
        return None if number is None else ipaddress.IPv4Address(number)
    except ValueError:
        return None


def _ipv4_number(host: str) -> int | None:
    """One to four parts, each decimal, octal (`0…`) or hexadecimal (`0x…`), as `inet_aton` reads them."""
    parts = host.split(".")
    if len(parts) > 4 or not all(len(part) <= 16 and _NUMBER.fullmatch(part) for part in parts):
        return None
    numbers = [_part(part) for part in parts]
    last = numbers.pop()
    if last is None or last >= 256 ** (4 - len(numbers)):
        return None
    total = last
    for place, number in enumerate(numbers):
        if number is None or number > 255:
            return None
        total += number << (8 * (3 - place))
    return total


def _part(text: str) -> int | None:
    if text[:2] in ("0x", "0X"):
        return int(text[2:] or "0", 16)
    if len(text) > 1 and text[0] == "0":
        return int(text, 8) if set(text) <= set("01234567") else None
    return int(text)


def _shown(address: _Address) -> str:
    return f"[{address}]" if address.version == 6 else str(address)


def _private_address(address: _Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        inner = _embedded(address)
        if inner is not None:
            return _private_address(inner)
        if address.scope_id is not None or any(address in net for net in _MORE_PRIVATE_V6):
            return True
    elif any(address in net for net in _MORE_PRIVATE_V4):
        return True
    return (
        not address.is_global
        or address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
    )


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one leads to: mapped, compatible, NAT64 or 6to4."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour


def _private_name(host: str) -> bool:
    # A name without a dot is looked up in the local network.
    return host in _PRIVATE_NAMES or host.endswith(_PRIVATE_ENDS) or "." not in host
