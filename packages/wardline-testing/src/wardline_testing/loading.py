"""Finding a harness by its file and name, for what runs outside of pytest."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from wardline import ConfigurationError
from wardline_testing.harness import Harness

__all__ = ["load_harness"]


def load_harness(where: str, module: str = "") -> type[Harness]:
    """Return the harness class that `FILE.py:Class` names.

    `module` is the name to import the file under, where something refers to it by that.

    A `conftest.py` beside the file is imported first, as pytest does: it is where telemetry is switched
    off. Raises `ConfigurationError` where there is none.
    """
    file, _, name = where.rpartition(":")
    path = Path(file).resolve()
    if not path.is_file():
        raise ConfigurationError(f"there is no file {file!r}; write FILE.py:Class")
    sys.path.insert(0, str(path.parent))
    if (path.parent / "conftest.py").exists():
        _imported(path.parent / "conftest.py")
    found = getattr(_imported(path, module), name, None)
    if not (isinstance(found, type) and issubclass(found, Harness)):
        raise ConfigurationError(f"{file} has no class {name!r} that is a Harness")
    return found


def _imported(path: Path, name: str = "") -> object:
    name = name or path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
