from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import wardline
from wardline_cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

POLICY = """
apiVersion: wardline/v1
name: test
default_action: deny
rules:
  - name: reading
    tool: read_file
    action: allow
  - name: sending
    tool: send_email
    action: require_approval
    approvers: ["{by}"]
    reason: "mail leaves the house"
"""


@dataclass
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.err == ""
        return json.loads(self.out)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to work in, with no setting of the environment in the way."""
    for name in ("WARDLINE_HOME", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cli(here: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run the command in this process."""

    def run(*argv: object) -> Ran:
        capsys.readouterr()
        code = main([str(part) for part in argv])
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return run


@pytest.fixture
def command(here: Path) -> Callable[..., Ran]:
    """Run the real command in a process of its own."""

    def run(*argv: object, **env: str) -> Ran:
        done = subprocess.run(
            [Path(sys.executable).with_name("wardline"), *map(str, argv)],
            capture_output=True,
            text=True,
            env={**os.environ, **env},
            cwd=here,
            timeout=60,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def policy(here: Path) -> Path:
    """A policy under which this user answers for `send_email`."""
    path = here / "policy.yaml"
    path.write_text(POLICY.format(by=wardline.Operator().by))
    return path


@dataclass
class Agent:
    guard: wardline.Guard
    sent: list[str]
    read_file: Callable[..., str]
    send_email: Callable[..., str]
    drop: Callable[..., str]


@pytest.fixture
def agent(policy: Path) -> Iterator[Agent]:
    """Three governed functions on real state and a real ledger."""
    guard = wardline.Guard(policy)
    sent: list[str] = []

    @wardline.govern(guard=guard)
    def read_file(path: str) -> str:
        return "text"

    @wardline.govern(guard=guard)
    def send_email(to: str) -> str:
        sent.append(to)
        return "sent"

    @wardline.govern(guard=guard)
    def drop(table: str) -> str:
        raise AssertionError("this must never run")

    yield Agent(guard, sent, read_file, send_email, drop)
    guard.close()
