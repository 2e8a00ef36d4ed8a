"""Finding cases: those beside a policy, in a folder, or the files that are named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wardline.cases.read import read_cases
from wardline.errors import PolicyError, Problem
from wardline.policy.load import display, load_policies
from wardline.policy.reader import read
from wardline.policy.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wardline.cases.model import Case, CaseFile
    from wardline.policy.compile import PolicySet

__all__ = ["ACCEPTED", "FOLDER", "Suite", "find_suites"]

FOLDER: Final = "cases"
"""The name of the folder, beside a policy, in which its cases are."""

ACCEPTED: Final = "mutants.yaml"
"""The file in that folder that lists the mutants which no case can catch."""

_SUFFIXES: Final = (".yaml", ".yml")


class Suite:
    """Policies that are judged as one set, with all the files of cases that name them."""

    __slots__ = ("files", "paths")

    def __init__(self, paths: tuple[Path, ...], files: tuple[CaseFile, ...]) -> None:
        self.paths = paths
        self.files = files

    @property
    def cases(self) -> tuple[Case, ...]:
        """The cases of all files."""
        return tuple(case for file in self.files for case in file.cases)

    def policies(self) -> PolicySet:
        """Load the policies; raises `PolicyError`."""
        return load_policies(*self.paths)


def find_suites(paths: Sequence[str | Path]) -> tuple[Suite, ...]:
    """Return the suites that policies, folders and files of cases stand for.

    A policy stands for the files in `cases/` beside it that name it; a folder for every folder
    `cases/` in it. Raises `PolicyError` with every problem, a path without cases included.
    """
    problems: list[Problem] = []
    read_already: dict[Path, CaseFile | None] = {}
    wanted: list[CaseFile] = []

    def files(found: Sequence[Path]) -> Iterator[CaseFile]:
        for path in found:
            key = path.resolve()
            if key not in read_already:
                read_already[key] = None
                try:
                    read_already[key] = read_cases(path)
                except PolicyError as error:
                    problems.extend(error.problems)
            file = read_already[key]
            if file is not None:
                yield file

    for path in map(Path, paths):
        try:
            policy, found = _candidates(path)
        except PolicyError as error:
            problems += error.problems
            continue
        kept = [file for file in files(found) if policy is None or _names(file, policy)]
        wanted += kept
        if not kept and all(read_already[one.resolve()] for one in found):
            problems.append(_nothing(path, policy))
    if problems:
        raise PolicyError(list(dict.fromkeys(problems)))
    suites: dict[tuple[Path, ...], dict[Path, CaseFile]] = {}
    for file in wanted:
        key = tuple(_canonical(policy) for policy in file.policies)
        suites.setdefault(key, {})[file.path.resolve()] = file
    return tuple(Suite(key, tuple(found.values())) for key, found in suites.items())


def _candidates(path: Path) -> tuple[Path | None, list[Path]]:
    """Return the policy that cases have to name, if it is one, and the files that may be cases."""
    if path.is_dir():
        return None, list(_below(path))
    if not path.exists():
        raise PolicyError(
            Problem("there is no such file or folder", str(path), hint="check the path")
        )
    if _is_cases(path):
        return None, [path]
    return path.resolve(), _in(path.parent / FOLDER)


def _is_cases(path: Path) -> bool:
    root = read(Source.load(path, display(path.resolve())))
    return root.kind == "map" and "cases" in root.value and "apiVersion" not in root.value


def _below(folder: Path) -> Iterator[Path]:
    if folder.resolve().name == FOLDER:
        yield from _in(folder)
    for place, names, _ in os.walk(folder):
        names[:] = sorted(name for name in names if not name.startswith("."))
        if FOLDER in names:
            yield from _in(Path(place) / FOLDER)


def _in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix in _SUFFIXES and path.name != ACCEPTED and path.is_file()
    )


def _names(file: CaseFile, policy: Path) -> bool:
    return any(policy == one.resolve() or policy.parent == one.resolve() for one in file.policies)


def _canonical(policy: Path) -> Path:
    """Return one path for each policy, relative where that reads better in messages."""
    return Path(display(policy.resolve()))


def _nothing(path: Path, policy: Path | None) -> Problem:
    if policy is None:
        message, where = "there are no cases in this folder", f"{FOLDER}/<name>.yaml"
    else:
        message, where = "there are no cases for this policy", f"{path.parent / FOLDER}/<name>.yaml"
    return Problem(
        message, str(path), hint=f"write some to {where}: `cases:`, each with name, action, expect"
    )
