"""What a command line does: `view(text)`.

Nothing here runs anything. A text is read the way a POSIX shell or bash would read it; every command
in it, wherever it stands, is looked up in a table of known programs. What cannot be resolved (an
unknown program, a word that is only known at run time where it matters, a script for an interpreter)
makes the text opaque.
"""

from __future__ import annotations

from typing import Any

from wardline_facets.shell.judge import Findings
from wardline_facets.shell.shape import MAX_CHARACTERS, plainly_written

__all__ = ["MAX_CHARACTERS", "view"]


def view(text: str) -> dict[str, Any]:
    """Return what a command line does.

    `programs`: names of what it runs, without folder, wrappers and what they wrap, in order, once
    each. `writes`: it changes files, processes, settings or a repository. `network`: it connects,
    listens or looks names up. `opaque`: something could not be resolved, and nothing may be concluded
    from what is false; always so beyond `MAX_CHARACTERS`. Takes any string and raises nothing.
    """
    findings = Findings()
    findings.opaque = not plainly_written(text)
    findings.text(text)
    return {
        "programs": list(findings.programs),
        "writes": findings.writes,
        "network": findings.network,
        "opaque": findings.opaque or (findings.elsewhere and findings.local),
    }
