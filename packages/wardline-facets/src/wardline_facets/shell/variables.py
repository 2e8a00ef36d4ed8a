"""Which variables a command line may set without changing what programs do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from wardline_facets.shell.options import names

if TYPE_CHECKING:
    from wardline_facets.shell.words import Word

__all__ = ["harmless_name", "harmless_variable"]

_FOR_PROGRAMS: Final = names("""
    LANG LANGUAGE LC_ALL LC_CTYPE LC_COLLATE LC_MESSAGES LC_NUMERIC LC_TIME LC_MONETARY TZ NO_COLOR
    CLICOLOR CLICOLOR_FORCE FORCE_COLOR COLUMNS LINES CI POSIXLY_CORRECT
    """)
_OF_THE_SHELL: Final = re.compile(r"[a-z_][a-z0-9_]*|[A-Z]", re.ASCII)
_USUAL: Final = names("""
    ARG ARGS BRANCH COMMIT COUNT DATE DIR DIRS END FILE FILES FOUND INDEX ITEM ITEMS KEY KEYS LINE
    LIST MATCHES NAME NAMES NOW NUM OUT OUTPUT PATTERN RESULT ROOT SHA SIZE SRC START TAG TEXT TOTAL
    VALUE VERSION
    """)
# In lower case, yet read by programs, by bash or by zsh.
_SPECIAL: Final = names("""
    http_proxy https_proxy ftp_proxy all_proxy no_proxy rsync_proxy socks_proxy auto_resume
    histchars path fpath cdpath manpath module_path mailpath prompt fignore psvar watch argv status
    pipestatus signals options commands functions aliases galiases saliases builtins parameters
    modules dirstack history keymaps widgets nameddirs userdirs usergroups jobtexts jobdirs
    jobstates mapfile terminfo termcap errnos sysparams epochtime zsh_eval_context match mbegin mend
    reswords patchars funcfiletrace funcsourcetrace funcstack functrace historywords
    """)
_VALUE: Final = re.compile(r"[\w./+:@=-]*", re.ASCII)


def harmless_name(name: str) -> bool:
    """Whether a variable of the shell is one that nothing else reads."""
    known = _OF_THE_SHELL.fullmatch(name) is not None or name in _USUAL or name in _FOR_PROGRAMS
    return known and name not in _SPECIAL and not name.startswith("dis_")


def harmless_variable(name: str, value: Word) -> bool:
    """Whether a variable that programs see only changes language, time zone, colour or width."""
    return name in _FOR_PROGRAMS and value.text is not None and bool(_VALUE.fullmatch(value.text))
