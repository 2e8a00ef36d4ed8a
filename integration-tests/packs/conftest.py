"""The packs, as somebody has them who has cloned the repository."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
SHARED = ROOT / "shared-policies"
PACKS = sorted(path.parent.name for path in SHARED.glob("*/policy.yaml"))


@dataclass(frozen=True)
class Ran:
    """What became of one call of the command."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The one document that `--json` prints."""
        assert self.out, self.err
        return json.loads(self.out)


@pytest.fixture(params=PACKS)
def pack(request: pytest.FixtureRequest) -> Path:
    """The folder of one pack; a test that asks for it runs for each."""
    return SHARED / str(request.param)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of all packs."""
    return SHARED


@pytest.fixture
def wardline() -> Callable[..., Ran]:
    """Run the command in the root of the repository."""

    def run(*arguments: str | Path) -> Ran:
        ran = subprocess.run(
            [sys.executable, "-m", "wardline_cli", *map(str, arguments)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    return run
