"""Loading policies: files, directories and text, with all they extend."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wardline.errors import EngineError, PolicyError, Problem
from wardline.policy.compile import PolicySet
from wardline.policy.source import LARGEST, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wardline.policy.model import Document
    from wardline.policy.reader import Node

__all__ = ["display", "load_changed", "load_policies", "parse_policies", "policy_files"]

_SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
_MOST_PARENTS: Final = 32


def load_policies(*sources: str | Path, root: str | Path | None = None) -> PolicySet:
    """Return the policies in files and directories (their `*.yaml`, `*.yml` and `*.json`).

    Parents are read from inside `root`; by default that is the current directory for a file that
    lies below it, else the file's own. Raises `PolicyError` with every problem of every document.
    """
    if not sources:
        raise PolicyError("there is no policy: name a file or a directory")
    loader = _Loader(Path(root) if root is not None else None)
    with _collector_paused():
        for source in sources:
            for path in loader.files(Path(source)):
                loader.load(path)
        return loader.finish()


def parse_policies(text: str, *, file: str = "<text>", root: str | Path | None = None) -> PolicySet:
    """Return the policy that `text` is; `file` names it in messages.

    `extends` is read relative to `root`, and is an error without one. Raises `PolicyError`.
    """
    loader = _Loader(Path(root) if root is not None else None)
    with _collector_paused():
        loader.parse(text, file)
        return loader.finish()


def load_changed(sources: Sequence[Path], path: Path, text: str) -> PolicySet:
    """Return what `load_policies` would if the file at `path` held `text`. Raises `PolicyError`."""
    loader = _Loader(None, {path.resolve(): text})
    with _collector_paused():
        for source in sources:
            for file in loader.files(source):
                loader.load(file)
        return loader.finish()


def policy_files(sources: Sequence[Path]) -> list[Path]:
    """Return the files that policies and directories stand for. Raises `PolicyError`."""
    loader = _Loader(None)
    found = [file for source in sources for file in loader.files(source)]
    loader.check()
    return found


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep the garbage collector from searching a growing tree without garbage: half of the time."""
    paused = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if paused:
            gc.enable()


class _Loaded:
    """A document with all that it extends, the nearest first."""

    __slots__ = ("ancestors", "document")

    def __init__(self, document: Document, ancestors: tuple[Document, ...]) -> None:
        self.document = document
        self.ancestors = ancestors


class _Loader:
    """Loads each file once; collects the problems of all. `instead` has texts in place of files."""

    def __init__(self, root: Path | None, instead: Mapping[Path, str] | None = None) -> None:
        self._root = root
        self._instead = instead or {}
        self._loaded: dict[Path, _Loaded | None] = {}
        self._texts: list[Document] = []
        self._problems: list[Problem] = []
        self._open: list[Path] = []

    def files(self, path: Path) -> Iterator[Path]:
        """Yield the files that a source stands for."""
        try:
            if path.is_dir():
                found = sorted(
                    entry
                    for entry in path.iterdir()
                    if entry.suffix in _SUFFIXES and entry.is_file()
                )
                if not found:
                    self._fail(
                        Problem(
                            "the directory has no policy in it",
                            str(path),
                            hint="a policy is a *.yaml, *.yml or *.json file",
                        )
                    )
                yield from found
            elif path.is_file():
                yield path
            else:
                self._fail(
                    Problem(
                        "there is no such policy file",
                        str(path),
                        hint="check the path; policy text goes through parse_policies()",
                    )
                )
        except (OSError, ValueError) as error:
            # Text instead of a path: too long for a name, or with characters that no path has.
            shown = str(path)
            shown = shown if len(shown) <= 80 else shown[:77] + "…"
            self._fail(
                Problem(
                    f"this is no path of a policy: {error.__class__.__name__}",
                    shown.splitlines()[0] if shown else "",
                    hint="policy text goes through parse_policies()",
                )
            )

    def load(self, path: Path) -> None:
        """Load one file and what it extends."""
        resolved = path.resolve()
        self._file(resolved, str(path), self._root_of(resolved))

    def parse(self, text: str, file: str) -> None:
        """Load one text and what it extends."""
        from wardline.policy.document import Draft

        try:
            root = self._root.resolve() if self._root is not None else None
            draft = Draft(Source(text, file), partial(_read, root, root))
            if draft.extends and self._root is None:
                for name, node in draft.extends:
                    draft.report.at(
                        node,
                        f"text has no place from which `{name}` could be found",
                        "pass `root=`, or load the policy from a file",
                    )
                draft.report.finish()
            base = root or Path()
            parents = self._parents(draft.extends, draft.report.source, base, base)
            self._texts.append(draft.finish(*_lineage(parents)))
        except PolicyError as error:
            self._problems += error.problems

    def check(self) -> None:
        """Raise what was found."""
        if self._problems:
            raise PolicyError(list(dict.fromkeys(self._problems)))

    def finish(self) -> PolicySet:
        """Return the set of everything that was loaded."""
        self.check()
        documents = [loaded.document for loaded in self._loaded.values() if loaded is not None]
        return PolicySet([*documents, *self._texts])

    def _root_of(self, path: Path) -> Path:
        if self._root is not None:
            return self._root.resolve()
        here = _here()
        return here if here is not None and path.is_relative_to(here) else path.parent

    def _file(self, path: Path, shown: str, root: Path) -> _Loaded | None:
        """Return the document in a file, None where it has problems."""
        from wardline.policy.document import Draft

        if path in self._loaded:
            return self._loaded[path]
        self._open.append(path)
        loaded = None
        try:
            text = self._instead.get(path)
            source = Source.load(path, shown) if text is None else Source(text, shown, path)
            draft = Draft(source, partial(_read, path.parent, root))
            parents = self._parents(draft.extends, source, path.parent, root)
            ancestors, names = _lineage(parents)
            loaded = _Loaded(draft.finish(ancestors, names), ancestors)
        except PolicyError as error:
            self._problems += error.problems
        self._open.pop()
        self._loaded[path] = loaded
        return loaded

    def _parents(
        self, extends: list[tuple[str, Node]], source: Source, base: Path, root: Path
    ) -> list[_Loaded]:
        parents = []
        for name, node in extends:
            try:
                path = (base / name).resolve()
                problem = self._refused(name, path, root)
            except (OSError, RuntimeError, ValueError):
                # Links in a circle, names that are too long, characters that no path has.
                path, problem = base, (f"`{name[:60]}` is no path of a file", "check the path")
            if problem is not None:
                message, hint = problem
                self._problems.append(source.problem(message, node.line, node.column, hint))
                continue
            parent = self._file(path, display(path), root)
            if parent is not None:
                parents.append(parent)
        return parents

    def _refused(self, name: str, path: Path, root: Path) -> tuple[str, str] | None:
        """Return what is wrong with a parent's path, and what to do."""
        if not path.is_relative_to(root):
            return (
                f"the parent `{name}` lies outside of the policy root {root}",
                "move it inside, or pass a `root` that holds both",
            )
        if path in self._open:
            chain = [*self._open[self._open.index(path) :], path]
            return (
                "`extends` goes in a circle: " + " -> ".join(part.name for part in chain),
                "remove one of these",
            )
        if len(self._open) >= _MOST_PARENTS:
            return (f"`extends` goes more than {_MOST_PARENTS} documents deep", "shorten the chain")
        if not path.is_file():
            return f"the parent `{name}` does not exist: {path}", "check the path"
        return None

    def _fail(self, problem: Problem) -> None:
        self._problems.append(problem)


def _read(base: Path | None, root: Path | None, name: str) -> bytes:
    """Return the bytes of a file that a document in `base` names."""
    if base is None or root is None:
        raise EngineError(f"text has no place from which `{name}` could be found: pass `root=`")
    try:
        path = (base / name).resolve()
        if not path.is_relative_to(root):
            raise EngineError(f"`{name}` lies outside of the policy root {root}")
        size = path.stat().st_size
        if size > LARGEST:
            raise EngineError(f"`{name}` has {size:,} bytes; at most {LARGEST:,} are read")
        return path.read_bytes()
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise EngineError(f"`{name[:60]}` cannot be read: {reason}") from error


def _lineage(parents: list[_Loaded]) -> tuple[tuple[Document, ...], tuple[str, ...]]:
    """Return all that parents extend, nearest first, and the names of the parents themselves."""
    found: dict[str, Document] = {}
    for loaded in parents:
        found.setdefault(loaded.document.name, loaded.document)
    for loaded in parents:
        for document in loaded.ancestors:
            found.setdefault(document.name, document)
    return tuple(found.values()), tuple(loaded.document.name for loaded in parents)


def display(path: Path) -> str:
    """Return a path for messages, relative to the current directory where it lies below it."""
    here = _here()
    if here is None or not path.is_relative_to(here):
        return str(path)
    return str(path.relative_to(here))


def _here() -> Path | None:
    """Return the current directory, None where somebody has removed it."""
    try:
        return Path.cwd().resolve()
    except OSError:
        return None
