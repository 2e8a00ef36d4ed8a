"""docker and kubectl: reading through what the machine's own configuration names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wardline_facets.shell.options import row
from wardline_facets.shell.subcommands import SUBCOMMANDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline_facets.shell.judge import Findings
    from wardline_facets.shell.words import Word

__all__ = ["docker", "kubectl"]

_MANAGED: Final = frozenset({"container", "image", "network", "volume"})
_LISTS: Final = frozenset(
    {"ls", "list", "inspect", "logs", "top", "stats", "port", "diff", "history"}
)
_ELSEWHERE: Final = (
    "-H",
    "--host",
    "--context",
    "-c",
    "--config",
    "--tls",
    "--url",
    "--connection",
)


def docker(findings: Findings, words: Sequence[Word]) -> None:
    """`docker …`; the daemon is the one of the machine unless an option says otherwise."""
    first = words[0] if words else None
    name = (first.text or first.prefix) if first is not None else ""
    if name.startswith(_ELSEWHERE):
        findings.add("network unknown")
    elif name == "compose":
        findings.subcommand(SUBCOMMANDS["docker compose"], words[1:])
    elif name in _MANAGED and len(words) > 1 and words[1].text in _LISTS:
        alike = {"ls": "ps" if name == "container" else "images", "list": "images"}
        known = SUBCOMMANDS["docker"].get(alike.get(words[1].text or "", words[1].text or ""))
        findings.options(
            words[2:], known if known is not None and not isinstance(known, str) else row()
        )
    elif name in _MANAGED:
        findings.add("writes unknown")
    elif name == "system" and len(words) > 1 and words[1].text in ("df", "info"):
        findings.options(words[2:], row("v", "--format"))
    else:
        findings.subcommand(SUBCOMMANDS["docker"], words)


_SERVER: Final = (
    "--server",
    "-s",
    "--kubeconfig",
    "--token",
    "--cluster",
    "--user",
    "--as",
    "--cert",
)
_CONFIG: Final = frozenset({"current-context", "get-contexts", "get-clusters", "view"})


def kubectl(findings: Findings, words: Sequence[Word]) -> None:
    """`kubectl …`; the cluster is the one that is configured unless an option says otherwise."""
    if any(word.prefix.startswith(_SERVER) for word in words):
        findings.add("network unknown")
    while len(words) > 1 and words[0].text in ("-n", "--namespace", "--context"):
        words = words[2:]
    if words and words[0].text == "config":
        if len(words) == 2 and words[1].text in _CONFIG:
            return
        findings.add("writes unknown")
        return
    findings.subcommand(SUBCOMMANDS["kubectl"], words)
