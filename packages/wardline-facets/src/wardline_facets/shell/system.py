"""Programs that tell about the machine, or change it, and clients of the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wardline_facets.shell import table
from wardline_facets.shell.options import names, read_options, row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline_facets.shell.judge import Findings
    from wardline_facets.shell.options import Handler
    from wardline_facets.shell.words import Word

__all__ = ["SYSTEM"]


def _date(findings: Findings, words: Sequence[Word]) -> None:
    for operand in findings.options(words, table.ROWS["date"]):
        if not operand.prefix.startswith("+"):
            findings.writes = True


def _hostname(findings: Findings, words: Sequence[Word]) -> None:
    found = read_options(words, table.ROWS["hostname"])
    findings.writes = findings.writes or found.writes or bool(found.operands)
    findings.opaque = findings.opaque or (found.unknown and not found.operands)


def _history(findings: Findings, words: Sequence[Word]) -> None:
    findings.opaque = findings.opaque or not all((word.text or "x").isdigit() for word in words)


_IP_OBJECTS: Final = names("a addr address r route l link n neigh rule")
_IP_FLAGS: Final = names("-4 -6 -br -brief -c -color -o -s -j -json -p")


def _ip(findings: Findings, words: Sequence[Word]) -> None:
    texts = [word.text for word in words]
    while texts and texts[0] in _IP_FLAGS:
        texts = texts[1:]
    if not texts or texts[0] not in _IP_OBJECTS:
        findings.opaque = True
    elif len(texts) > 1 and texts[1] not in ("show", "list", "ls", "s", "get"):
        findings.add(
            "writes" if texts[1] in ("add", "del", "set", "flush", "replace") else "unknown"
        )


_HOSTS: Final = frozenset({"hosts", "ahosts", "ahostsv4", "ahostsv6", "netgroup", "networks"})


def _getent(findings: Findings, words: Sequence[Word]) -> None:
    database = words[0].text if words else None
    if database in _HOSTS:
        findings.network = True
    elif database not in ("passwd", "group", "services", "protocols", "shells"):
        findings.opaque = True


_OPENSSL_FLAGS: Final = row(
    "-noout -text -subject -issuer -dates -enddate -startdate -fingerprint -serial -sha256 -sha1 -md5 "
    "-pubkey -modulus -hash -purpose -hex -r -a -v",
    "-in -inform",
)


def _openssl(findings: Findings, words: Sequence[Word]) -> None:
    command = words[0].text if words else None
    if command in ("s_client", "s_server", "s_time", "ocsp", "cmp", "tsget"):
        findings.network = True
        return
    if command not in (
        "version",
        "x509",
        "dgst",
        "req",
        "crl",
        "asn1parse",
        "md5",
        "sha256",
        "sha1",
    ):
        findings.opaque = True
        return
    if any(word.text is None or "://" in word.text for word in words):
        findings.network = findings.opaque = True
    at = 1
    while at < len(words):
        text = words[at].text
        at += 2 if text in _OPENSSL_FLAGS.valued else 1
        if text not in _OPENSSL_FLAGS.valued | _OPENSSL_FLAGS.flags and not words[at - 1].operand:
            findings.opaque = True


_CURL: Final = row(
    "sSfLkivIg46G --silent --show-error --fail --location --insecure --include --verbose --head --get "
    "--compressed",
    "HXdAeum --header --request --data --user-agent --max-time --retry --data-raw --json --url",
)


def _curl(findings: Findings, words: Sequence[Word]) -> None:
    findings.network = True
    found = read_options(words, _CURL)
    if found.unknown:
        findings.writes = True  # -o, -O, -J, -D, -c and what is not known


_SSH: Final = row("46AaCfgKkNnqTtVvXxYypr", "bcDEeIiJLlmOQRW")


def _ssh(findings: Findings, words: Sequence[Word]) -> None:
    findings.network = True
    if read_options(words, _SSH).unknown:
        findings.opaque = True  # -o ProxyCommand, -F and the like run programs here


def _kill(findings: Findings, words: Sequence[Word]) -> None:
    if not (words and words[0].text in ("-l", "-L")):
        findings.writes = True


SYSTEM: Final[dict[str, Handler]] = {
    "curl": _curl,
    "date": _date,
    "getent": _getent,
    "history": _history,
    "hostname": _hostname,
    "ip": _ip,
    "kill": _kill,
    "openssl": _openssl,
    "scp": _ssh,
    "sftp": _ssh,
    "ssh": _ssh,
}
"""Handlers by the names of programs."""
