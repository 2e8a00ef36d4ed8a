"""The recorder notes what nobody governs, and pretends nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langchain_core.retrievers import BaseRetriever

from wardline import LedgerError
from wardline.ledger import read, verify
from wardline_langchain import RecordOnlyHandler

DENY = "default_action: deny\nrules: [{name: no-model, on: model_call, action: deny}]"


class Docs(BaseRetriever):
    fails: bool = False

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        if self.fails:
            raise TimeoutError("no")
        return [Document("found")]


def notes(home: Path) -> list[tuple[Any, ...]]:
    found = [one.fields for one in read(home / "ledger")]
    return [
        (one["kind"], one["name"], one["event"])
        for one in found
        if one["type"] == "note" and "event" in one
    ]


def test_models_and_retrievers_are_noted_whatever_the_policy_says(world):
    guard = world.guard(DENY)
    config = {"callbacks": [RecordOnlyHandler(guard)]}
    assert world.scripted(answers=[AIMessage("hello")]).invoke("hi", config).content == "hello"
    assert Docs().invoke("q", config) == [Document("found")]
    try:
        Docs(fails=True).invoke("q", config)
    except TimeoutError:
        pass
    assert notes(world.home) == [
        ("model_call", "Scripted", "started"),
        ("model_call", "Scripted", "ended"),
        ("retrieval", "Docs", "started"),
        ("retrieval", "Docs", "ended"),
        ("retrieval", "Docs", "started"),
        ("retrieval", "Docs", "failed"),
    ]
    assert world.records("intent", "refusal", "outcome") == []
    assert "hello" not in repr(world.records())


TOOL = """
import sys
from langchain_core.tools import tool
from wardline import Guard
from wardline_langchain import RecordOnlyHandler

@tool
def pay(to: str) -> str:
    "Pay somebody."
    return f"paid {to}"

with Guard(sys.argv[1] + "/policy.yaml", home=sys.argv[1]) as guard:
    print(pay.invoke({"to": "bob"}, {"callbacks": [RecordOnlyHandler(guard)]}))
"""


def test_a_tool_that_nobody_governs_runs_and_is_noted(tmp_path):
    """In a process of its own: in this one, the backstop would have refused it."""
    (tmp_path / "policy.yaml").write_text(
        "apiVersion: wardline/v1\nname: p\ndefault_action: deny\n"
    )
    command = [sys.executable, "-c", TOOL, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "paid bob"
    assert notes(tmp_path) == [("tool_call", "pay", "started"), ("tool_call", "pay", "ended")]
    assert verify(tmp_path / "ledger").ok
    tail = [sys.executable, "-m", "wardline_cli", "ledger", "tail", "--home", str(tmp_path)]
    said = subprocess.run(tail, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "tool_call `pay` started; nobody was asked about it" in " ".join(said.split())


def test_a_note_that_cannot_be_written_stops_nothing(world, monkeypatch):
    guard = world.guard(DENY)

    def full(*args: Any, **fields: Any) -> None:
        raise LedgerError("the disk is full")

    monkeypatch.setattr(guard, "note", full)
    config = {"callbacks": [RecordOnlyHandler(guard)]}
    assert world.scripted(answers=[AIMessage("hello")]).invoke("hi", config).content == "hello"


def test_the_recorder_has_no_way_to_raise():
    assert not RecordOnlyHandler.raise_error
    assert issubclass(RecordOnlyHandler, BaseCallbackHandler)
