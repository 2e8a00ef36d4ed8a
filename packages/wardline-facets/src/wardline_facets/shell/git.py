"""git: which of its commands only read, and with which options."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from wardline_facets.shell.options import Row, names, read_options, row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline_facets.shell.judge import Findings
    from wardline_facets.shell.words import Word

__all__ = ["git"]

_READS: Final = names("""
    blame annotate cat-file check-attr check-ignore check-mailmap cherry count-objects describe diff
    diff-files diff-index diff-tree for-each-ref grep log ls-files ls-tree merge-base name-rev
    range-diff rev-list rev-parse shortlog show show-branch show-ref status var version whatchanged
    """)
_WRITES: Final = names("""
    add am apply archive bisect checkout checkout-index cherry-pick clean commit commit-graph
    commit-tree fast-import fetch-pack filter-branch format-patch fsck gc hash-object init merge
    merge-file merge-index mktag mktree multi-pack-index mv notes pack-objects pack-refs prune
    read-tree rebase repack replace rerere reset restore revert rm sparse-checkout stage switch
    symbolic-ref unpack-objects update-index update-ref write-tree bundle maintenance
    """)
_NETWORK: Final = frozenset(
    {"push", "ls-remote", "send-email", "request-pull", "imap-send", "http-push"}
)
_FETCHES: Final = frozenset(
    {"fetch", "pull", "clone", "lfs", "svn", "p4", "remote-http", "remote-ext"}
)

# Long options may be cut short, so whatever these begin with counts as well.
_RISKY: Final = ("--output", "--output-directory", "--ext-diff", "--textconv", "--filters")
_RUNS: Final = (
    "--open-files-in-pager",
    "--exec",
    "--upload-pack",
    "--receive-pack",
    "--show-signature",
)

_GLOBAL: Final = frozenset({"--no-pager", "-P", "--no-optional-locks", "--literal-pathspecs"})
_SETTINGS: Final = re.compile(
    r"(?:color\.\w+|core\.quotepath|core\.abbrev|column\.ui)=\w*", re.ASCII
)


def git(findings: Findings, words: Sequence[Word]) -> None:
    """`git …`: its own options, then the command."""
    at = 0
    while at < len(words) and words[at].text in _GLOBAL:
        at += 1
    while at + 1 < len(words) and words[at].text in ("-C", "-c"):
        value = words[at + 1]
        if words[at].text == "-C":
            if not value.text or value.text[0] in "/~-" or ".." in value.text.split("/"):
                findings.opaque = True
        elif value.text is None or not _SETTINGS.fullmatch(value.text.lower()):
            findings.opaque = True
        at += 2
        while at < len(words) and words[at].text in _GLOBAL:
            at += 1
    if len(words) == at + 1 and words[at].text in ("--version", "version"):
        return
    findings.local = True  # a repository brings its own configuration, which can name programs
    name = words[at].text if at < len(words) else None
    rest = words[at + 1 :]
    if name in _READS:
        _reads(findings, name or "", rest)
    elif name in _WRITES:
        findings.writes = findings.writes or not _asks(name or "", rest)
        _risky(findings, rest)
    elif name in _NETWORK:
        findings.network = True
    elif name in _FETCHES:
        findings.add("writes network")
    elif name in _LISTS:
        _LISTS[name](findings, rest)
    else:
        findings.opaque = True
        # `git -C x --exec-path=… rm`: the command may still be seen.
        if any(word.text in _WRITES for word in rest):
            findings.writes = True


def _asks(name: str, words: Sequence[Word]) -> bool:
    """`git notes list`, `git symbolic-ref HEAD`, `git bisect log`: reading forms of writing commands."""
    texts = [word.text for word in words]
    if name == "symbolic-ref":
        return (
            len(texts) <= 2 and texts[-1:] == ["HEAD"] and texts[:-1] in ([], ["--short"], ["-q"])
        )
    return (name, texts) in (
        ("notes", ["list"]),
        ("bisect", ["log"]),
        ("sparse-checkout", ["list"]),
    )


def _reads(findings: Findings, name: str, words: Sequence[Word]) -> None:
    _risky(findings, words)
    if name == "grep" and any(word.prefix.startswith("-O") for word in words):
        findings.writes = findings.opaque = True
    if name == "grep" and any(_bundled(word, "O") for word in words):
        findings.opaque = True


def _bundled(word: Word, letter: str) -> bool:
    return word.prefix[:1] == "-" and word.prefix[1:2] != "-" and letter in word.prefix


def _risky(findings: Findings, words: Sequence[Word]) -> None:
    """Options that write files or run what the configuration names."""
    for word in words:
        if word.text == "--":
            return
        if word.text is None and not word.operand and not word.prefix.startswith("--"):
            findings.opaque = findings.opaque or not word.prefix.startswith("-") or not word.single
            continue
        if word.text is None and not word.single:
            findings.opaque = findings.opaque or not word.operand
        name = word.prefix.partition("=")[0]
        if not name.startswith("--") or len(name) < 3:
            continue
        if any(bad.startswith(name) for bad in _RISKY):
            findings.writes = True
        elif any(bad.startswith(name) for bad in _RUNS):
            findings.opaque = True


_BRANCH: Final = row(
    "arvl --all --remotes --verbose --list --show-current --no-color --color --no-column --ignore-case "
    "--omit-empty",
    "--sort --format --merged --no-merged --contains --no-contains --points-at --abbrev",
)
_TAG: Final = row(
    "l --list --ignore-case --no-column",
    "--sort --format --merged --no-merged --contains --no-contains --points-at",
    optional="n",
)


def _branch(findings: Findings, words: Sequence[Word]) -> None:
    _listing(findings, words, _BRANCH, ("-l", "--list"))


def _tag(findings: Findings, words: Sequence[Word]) -> None:
    _listing(findings, words, _TAG, ("-l", "--list"))


def _listing(findings: Findings, words: Sequence[Word], known: Row, lists: tuple[str, ...]) -> None:
    """Without operands, or with an option that asks for a list, names are shown and not made."""
    found = read_options(words, known)
    asks = {name for name, _ in found.given}
    if found.unknown or (found.operands and not asks & {*lists, "--merged", "--contains"}):
        findings.writes = True
        findings.opaque = findings.opaque or not found.operands


_REMOTE: Final = frozenset({"add", "rename", "remove", "rm", "set-head", "set-branches", "set-url"})


def _remote(findings: Findings, words: Sequence[Word]) -> None:
    texts = [word.text for word in words]
    if texts in ([], ["-v"], ["--verbose"]) or texts[:1] == ["get-url"]:
        return
    if texts[0] in _REMOTE:
        findings.writes = True
    elif texts[0] in ("show", "update", "prune", "-v"):
        findings.add("writes network" if texts[0] != "show" else "network")
    else:
        findings.opaque = True


def _stash(findings: Findings, words: Sequence[Word]) -> None:
    if words and words[0].text in ("list", "show"):
        _risky(findings, words[1:])
    else:
        findings.writes = True


def _config(findings: Findings, words: Sequence[Word]) -> None:
    known = row(
        "lz --list --get --get-all --get-regexp --get-urlmatch --show-origin --show-scope --global --local "
        "--system --worktree --name-only --null --includes",
        "f --type --file --default",
    )
    found = read_options(words, known)
    asks = {name for name, _ in found.given} & {
        "-l",
        "--list",
        "--get",
        "--get-all",
        "--get-regexp",
    }
    newer = bool(found.operands) and found.operands[0].text in ("get", "list")
    if found.unknown or not (asks or newer or len(found.operands) == 1):
        findings.writes = True
        findings.opaque = findings.opaque or len(found.operands) < 2


def _reflog(findings: Findings, words: Sequence[Word]) -> None:
    if words and words[0].text in ("expire", "delete", "drop", "write"):
        findings.writes = True
    _risky(findings, words)


def _worktree(findings: Findings, words: Sequence[Word]) -> None:
    if not (words and words[0].text == "list"):
        findings.writes = True


def _submodule(findings: Findings, words: Sequence[Word]) -> None:
    if words and words[0].text not in ("status", "summary"):
        findings.add("writes network unknown" if words[0].text != "foreach" else "writes unknown")


_LISTS: Final = {
    "branch": _branch,
    "config": _config,
    "reflog": _reflog,
    "remote": _remote,
    "stash": _stash,
    "submodule": _submodule,
    "tag": _tag,
    "worktree": _worktree,
}
