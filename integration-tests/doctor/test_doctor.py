"""`wardline doctor --app` on a real project: it names what no guard decides about, and only that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("wardline_langchain", reason="this needs the adapter of LangChain")

APP = """
from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from wardline_langchain import WardlineMiddleware

class Scripted(GenericFakeChatModel):
    def bind_tools(self, tools, **kwargs):
        return self

@tool
def read_file(path: str) -> str:
    "Read a file."
    return path

@tool
def delete_file(path: str) -> str:
    "Delete a file."
    return path

model = Scripted(messages=iter([AIMessage("done")]))
careful = create_agent(
    model, [read_file], name="careful", middleware=[WardlineMiddleware("policy.yaml")]
)
"""
CARELESS = 'careless = create_agent(model, [delete_file], name="careless")\n'
POLICY = "apiVersion: wardline/v1\nname: p\ndefault_action: deny\n"


def doctor(place: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("wardline"), "doctor", "--app", "app.py"],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
    )


def test_the_tool_that_nobody_governs_is_named(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "app.py").write_text(APP + CARELESS)
    done = doctor(tmp_path)
    assert done.returncode == 1, done.stderr
    open_ = [line for line in done.stdout.splitlines() if line.startswith("ungoverned")]
    assert any("tool_call delete_file" in line for line in open_)
    assert not any("read_file" in line for line in open_)
    assert any(
        line.startswith("ok") and "tool_call read_file" in line for line in done.stdout.splitlines()
    )

    (tmp_path / "app.py").write_text(APP)
    assert doctor(tmp_path).returncode == 0
