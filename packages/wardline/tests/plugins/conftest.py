from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from wardline import plugins
from wardline.cel import facets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Install a distribution that brings one entry point, the way pip leaves it on the disk."""
    monkeypatch.setattr(plugins, "_loaded", {})
    facets._parsed.cache_clear()
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    before = set(sys.modules)

    def add(group: str, name: str, code: str, module: str = "") -> None:
        module = module or f"brought_{name}"
        (tmp_path / f"{module}.py").write_text(code)
        folder = tmp_path / f"{module}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}\n")

    yield add
    facets._parsed.cache_clear()
    for module in set(sys.modules) - before:
        if module.startswith("brought_"):
            del sys.modules[module]
