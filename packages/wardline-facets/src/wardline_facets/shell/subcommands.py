"""Programs whose first word decides what they do, as data."""

from __future__ import annotations

from typing import Final

from wardline_facets.shell.options import Row, names, row

__all__ = ["SUBCOMMANDS"]

_ANY: Final = row()


def _words(
    reads: dict[str, Row],
    *,
    writes: str = "",
    network: str = "",
    both: str = "",
    runs: str = "",
    runs_both: str = "",
) -> dict[str, str | Row]:
    """The words of a program: a row for those that read, and lists by what the others do.

    What `runs` names writes or runs what nobody has read.
    """
    found: dict[str, str | Row] = {**reads}
    found |= dict.fromkeys(names(writes), "writes")
    found |= dict.fromkeys(names(network), "network")
    found |= dict.fromkeys(names(both), "writes network")
    found |= dict.fromkeys(names(runs), "writes unknown")
    return found | dict.fromkeys(names(runs_both), "writes network unknown")


_KUBECTL_READS: Final = row(
    "Aw --all-namespaces --watch --show-labels --no-headers --show-kind --client --recursive "
    "--containers",
    "nolL --namespace --output --selector --field-selector --sort-by --context --for --types",
)
_SYSTEMCTL_READS: Final = row(
    "alq --no-pager --all --full --failed --user --quiet --plain --no-legend --reverse",
    "tpno --type --state --property --lines --output",
)
_NPM_LISTS: Final = row("al --all --long --json --parseable --global --prod", "--depth")

SUBCOMMANDS: Final[dict[str, dict[str, str | Row]]] = {
    "apt": _words(
        {"list": row("av --installed --upgradable --all-versions"), "show": _ANY, "search": _ANY},
        both="install update upgrade full-upgrade dist-upgrade",
        writes="remove purge autoremove clean autoclean",
    ),
    "apt-cache": _words(
        {"search": _ANY, "show": _ANY, "policy": _ANY, "depends": _ANY, "rdepends": _ANY}
    ),
    "brew": _words(
        {"list": row("1l --versions --formula --cask")},
        both="install update upgrade tap reinstall",
        writes="uninstall remove link unlink cleanup",
    ),
    "cargo": _words(
        {},
        both="install update add fetch",
        network="publish search login yank",
        writes="clean new init remove",
        runs="build run test bench check doc fix clippy",
    ),
    "docker": _words(
        {
            "ps": row(
                "aqls --all --no-trunc --quiet --latest --size", "fn --filter --format --last"
            ),
            "images": row("aq --all --no-trunc --quiet --digests", "f --filter --format"),
            "logs": row("ft --follow --timestamps --details", "n --tail --since --until"),
            "inspect": row("s --size", "f --format --type"),
            "version": row("", "f --format"),
            "info": row("", "f --format"),
            "top": row(first=True, most=1),
            "stats": row("a --no-stream --no-trunc --all", "--format"),
            "port": _ANY,
            "diff": _ANY,
            "history": row("qH --no-trunc --quiet --human", "--format"),
            "events": row("", "f --since --until --filter --format"),
        },
        both="pull push search login build buildx",
        runs="run exec create start stop restart kill rm rmi cp commit tag load save import export pause "
        "unpause rename update logout attach",
    ),
    "docker compose": _words(
        {
            "ps": row("aq --all --quiet --services", "--format --status --filter"),
            "logs": row("ft --follow --timestamps --no-color --no-log-prefix", "n --tail --since"),
            "ls": row("aq --all --quiet", "--format --filter"),
            "images": row("q --quiet", "--format"),
            "top": _ANY,
            "version": row("", "--format"),
        },
        both="up pull push build",
        runs="down stop start restart rm kill run exec",
    ),
    "go": _words(
        {"version": row("mv"), "env": row("", writes="wu")},
        both="get install mod",
        writes="clean fmt",
        runs="run test build generate vet tool",
    ),
    "kubectl": _words(
        dict.fromkeys(
            names("get describe top explain api-resources api-versions version events"),
            _KUBECTL_READS,
        )
        | {
            "logs": row(
                "fp --follow --previous --timestamps --all-containers --prefix",
                "nclL --namespace --container --selector --tail --since --since-time --context",
            )
        },
        both="apply create delete edit patch replace scale rollout label annotate taint drain cordon "
        "uncordon set expose run cp autoscale debug",
        runs_both="exec port-forward proxy attach",
    ),
    "npm": _words(
        {"ls": _NPM_LISTS, "list": _NPM_LISTS, "root": row("g"), "prefix": row("g")},
        both="install i ci add update upgrade exec x init create audit",
        network="publish view info search outdated login whoami ping",
        writes="uninstall remove rm link prune dedupe version pack",
        runs="run run-script test t start stop restart",
    ),
    "pip": _words(
        {
            "list": row(
                "leiv --local --user --editable --not-required",
                "--format --path",
                network="o u --outdated --uptodate",
            ),
            "show": row("fv --files --verbose"),
            "freeze": row("l --local --user --all --exclude-editable", "--exclude --path"),
            "check": _ANY,
        },
        both="install download wheel",
        network="index search",
        writes="uninstall cache config",
    ),
    "systemctl": _words(
        dict.fromkeys(
            names(
                "status is-active is-enabled is-failed list-units list-unit-files list-timers "
                "list-sockets show cat list-dependencies get-default"
            ),
            _SYSTEMCTL_READS,
        ),
        writes="start stop restart reload enable disable mask unmask kill isolate daemon-reload reboot "
        "poweroff halt edit set-property set-default revert",
    ),
    "uv": _words(
        {"version": row("--short")},
        both="add remove sync lock tool pip python venv tree build publish",
        runs_both="run",
    ),
    "yarn": _words({}, both="add install upgrade dlx create", runs="run test build start"),
}
"""By program: a row for each word that reads, else what the word does."""
