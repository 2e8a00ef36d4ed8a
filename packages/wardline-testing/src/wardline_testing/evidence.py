"""Evidence that the real framework took part: its installed files on the stack of the model."""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from wardline_testing.findings import FrameworkMissing

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Witness", "installed_files"]


@lru_cache(maxsize=64)
def installed_files(name: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the Python files of an installed distribution, and the folders of an editable one.

    Raises `FrameworkMissing` where it is not installed, or only pretends to be.
    """
    try:
        found = distribution(name)
    except PackageNotFoundError:
        raise FrameworkMissing(
            f"{name} is not installed: the kit drives the real framework, at a version that users have"
        ) from None
    if found.read_text("RECORD") is None or not found.files:
        raise FrameworkMissing(f"{name} has no RECORD of its files, so it was not installed by pip")
    files = frozenset(
        str(Path(str(found.locate_file(one))).resolve())
        for one in found.files
        if one.suffix == ".py"
    )
    folders = _editable(found)
    if not any(Path(one).exists() for one in files) and not folders:
        raise FrameworkMissing(f"the files of {name} are not where its RECORD says")
    return files, folders


def _editable(found: Distribution) -> tuple[str, ...]:
    """Return where the source of an editable install lies."""
    import json

    text = found.read_text("direct_url.json")
    if text is None:
        return ()
    said = json.loads(text)
    if not said.get("dir_info", {}).get("editable"):
        return ()
    return (str(Path(unquote(urlparse(said["url"]).path)).resolve()) + "/",)


class Witness:
    """Looks, when a model speaks, whether the framework's code called it."""

    def __init__(self, distributions: Sequence[str]) -> None:
        self._known = [installed_files(name) for name in distributions]
        self.seen = False

    def look(self) -> None:
        """Look at the stack of the calling thread."""
        if self.seen:
            return
        frame = sys._getframe(1)
        while frame is not None:
            file = str(Path(frame.f_code.co_filename).resolve())
            if any(file in files or file.startswith(folders) for files, folders in self._known):
                self.seen = True
                return
            frame = frame.f_back  # type: ignore[assignment]
