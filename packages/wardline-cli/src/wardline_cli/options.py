"""What the options of all commands have in common.

Commands take their options in these types; cyclopts reads them at run time. The values of the two
closed sets are repeated here because a help text must not have to import the core.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from cyclopts import App, Parameter

from wardline_cli.exits import epilogue

__all__ = [
    "Approvers",
    "File",
    "Follow",
    "Force",
    "Home",
    "Json",
    "LedgerDirectory",
    "Note",
    "Number",
    "Paths",
    "Reason",
    "Scope",
    "ScopeName",
    "Status",
    "StatusName",
    "Strict",
    "TestPaths",
    "Text",
    "group",
]

ScopeName: TypeAlias = Literal["everything", "tenant", "agent", "session", "tool", "kind"]
StatusName: TypeAlias = Literal[
    "pending",
    "approved",
    "denied",
    "expired",
    "cancelled",
    "consumed",
    "succeeded",
    "failed",
    "unknown",
]

Json: TypeAlias = Annotated[
    bool,
    Parameter(
        name="--json",
        negative="",
        show_default=False,
        help="Print one JSON document and nothing else.",
    ),
]
Home: TypeAlias = Annotated[
    Path | None,
    Parameter(
        name="--home",
        help="Directory of state and ledger. Default: WARDLINE_HOME, else ./.wardline.",
    ),
]
Paths: TypeAlias = Annotated[
    Path, Parameter(name="PATH", help="Policy files, or directories of them; judged as one set.")
]
TestPaths: TypeAlias = Annotated[
    Path, Parameter(name="PATH", help="Policies, folders of them, or files of cases.")
]
File: TypeAlias = Annotated[
    Path,
    Parameter(name="--path", help="The file to write. Default: policy.yaml.", show_default=False),
]
Force: TypeAlias = Annotated[
    bool,
    Parameter(
        name="--force", negative="", show_default=False, help="Replace the file if it exists."
    ),
]
Strict: TypeAlias = Annotated[
    bool,
    Parameter(name="--strict", negative="", show_default=False, help="Let warnings fail too."),
]
Approvers: TypeAlias = Annotated[
    list[str] | None,
    Parameter(
        name="--approver",
        negative="",
        help="Who a guard will take for an approver, as in security-team=os:alice; may be repeated.",
    ),
]
Text: TypeAlias = str
LedgerDirectory: TypeAlias = Annotated[
    Path | None, Parameter(name="DIR", help="The ledger's directory. Default: the home's.")
]
Number: TypeAlias = Annotated[
    int, Parameter(name=("-n", "--number"), help="How many records to show, the latest.")
]
Follow: TypeAlias = Annotated[
    bool,
    Parameter(
        name=("-f", "--follow"),
        negative="",
        show_default=False,
        help="Go on with what is recorded from now on; with --json, one document a line.",
    ),
]
Note: TypeAlias = Annotated[
    str, Parameter(name="--note", show_default=False, help="A sentence for the record.")
]
Reason: TypeAlias = Annotated[str, Parameter(name="--reason", help="Why, for the record.")]
Scope: TypeAlias = Annotated[ScopeName, Parameter(name="SCOPE", help="What the switch covers.")]
Status: TypeAlias = Annotated[
    StatusName | None, Parameter(name="--status", help="Only approvals with this status.")
]


def group(name: str, summary: str = "") -> App:
    """Return a command, or a group of commands, with what all of them share."""
    return App(
        name=name,
        help=summary or None,
        help_format="plaintext",
        help_epilogue=epilogue(),
        version_flags=(),
    )
