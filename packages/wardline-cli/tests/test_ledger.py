from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wardline
from wardline.ledger import StoredRecord
from wardline_cli.records import entry, line

LEDGER = Path(".wardline") / "ledger"


@pytest.fixture
def recorded(agent):
    """A closed ledger with a run, two refusals and a question in it."""
    agent.read_file("a.txt")
    with pytest.raises(wardline.ActionDenied):
        agent.drop("users")
    with pytest.raises(wardline.ApprovalPending):
        agent.send_email("bob")
    with pytest.raises(wardline.ActionDenied):
        agent.drop("orders")
    agent.guard.close()
    (segment,) = LEDGER.glob("*.jsonl")
    return segment


def test_verify_of_an_intact_ledger(recorded, cli, here):
    ran = cli("ledger", "verify")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("verified: ")
    assert "\nend not proven: " in ran.out
    found = cli("ledger", "verify", "--json")
    assert found.json["ok"] is True
    assert found.json["end"] == "not proven"
    assert found.json["source"] == str(LEDGER)


def test_CLI_6_verify_of_a_tampered_ledger_exits_with_1_and_names_the_record(recorded, cli):
    lines = recorded.read_bytes().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if b'"effect":"deny"' in line)
    lines[at] = lines[at].replace(b'"effect":"deny"', b'"effect":"allow"')
    recorded.write_bytes(b"".join(lines))
    ran = cli("ledger", "verify")
    assert ran.code == 1
    assert ran.out.startswith("NOT intact")
    assert f"{recorded.name}, record {at} " in ran.out
    assert "end not proven" in ran.out
    found = cli("ledger", "verify", "--json")
    assert found.code == 1
    assert (found.json["problems"][0]["segment"], found.json["problems"][0]["record"]) == (
        recorded.name,
        at,
    )
    doctor = cli("doctor", "--json")
    assert doctor.code == 1
    broken = [one for one in doctor.json["findings"] if one["status"] == "broken"]
    assert [one["what"] for one in broken] == ["ledger"]
    assert f"record {at} " in broken[0]["detail"]


def test_verify_takes_a_directory_a_home_or_what_holds_the_ledger(recorded, cli, here, monkeypatch):
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    home = here / ".wardline"
    assert cli("ledger", "verify").code == 5
    assert cli("ledger", "verify", home / "ledger").code == 0
    assert cli("ledger", "verify", home).code == 0
    assert cli("ledger", "verify", "--home", home).code == 0
    assert cli("ledger", "verify", here / "nothing").code == 5


def test_verify_on_a_terminal_shows_progress_on_standard_error(recorded):
    terminal, end = pty.openpty()
    done = subprocess.run(
        [Path(sys.executable).with_name("wardline"), "ledger", "verify"],
        stdout=subprocess.PIPE,
        stderr=end,
        check=False,
    )
    os.close(end)
    shown = os.read(terminal, 65536)
    os.close(terminal)
    assert done.returncode == 0
    assert done.stdout.startswith(b"verified: ")
    assert b"verifying" in shown


def test_tail_shows_what_was_decided_and_what_came_of_it(recorded, cli):
    ran = cli("ledger", "tail")
    assert (ran.code, ran.err) == (0, "")
    lines = [line[21:] for line in ran.out.splitlines()]
    assert lines[0] == "note      a guard started"
    assert lines[1].startswith(
        "allow     tool_call read_file, by agent, rule reading -> succeeded after "
    )
    assert lines[2] == (
        "deny      tool_call drop, by agent, rule builtin:default: no rule allows it"
    )
    assert "send_email is pending until" in lines[3]
    assert ran.out.splitlines()[-1].startswith("from .wardline/ledger, the last record ")


def test_tail_as_json(recorded, cli):
    records = cli("ledger", "tail", "--json").json["records"]
    assert [one["type"] for one in records] == ["note", "intent", "refusal", "approval", "refusal"]
    intent = records[1]
    assert intent["outcome"]["status"] == "succeeded"
    assert (intent["effect"], intent["kind"], intent["name"], intent["rule"]) == (
        "allow",
        "tool_call",
        "read_file",
        "reading",
    )
    assert intent["principal"]["id"] == "agent"
    assert intent["time"].endswith("Z")
    (last,) = cli("ledger", "tail", "-n", "1", "--json").json["records"]
    assert last == records[-1]


def test_tail_puts_the_records_of_all_writers_in_order_of_time(policy, cli):
    guards = [wardline.Guard(policy) for _ in range(3)]
    calls = []
    for guard in guards:

        @wardline.govern(guard=guard)
        def read_file(path: str) -> str:
            return "text"

        calls.append(read_file)
    for call in calls * 4:
        call("a")
    everything = cli("ledger", "tail", "-n", "100", "--json").json["records"]
    intents = [one for one in everything if one["type"] == "intent"]
    assert [one["time"] for one in intents] == sorted(one["time"] for one in intents)
    assert len({one["ref"].split(":")[0] for one in intents[-3:]}) == 3
    assert cli("ledger", "tail", "-n", "5", "--json").json["records"] == everything[-5:]
    for guard in guards:
        guard.close()


def test_tail_passes_a_broken_line_by_and_exits_with_1(recorded, cli):
    with recorded.open("ab") as file:
        file.write(b"this is no record\x1b[2J\n")
    ran = cli("ledger", "tail", "-n", "4")
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert "unreadable" in lines[3]
    assert "drop" in lines[2]
    assert "\x1b" not in ran.out
    assert "ledger verify" in ran.err


def test_tail_escapes_what_would_move_the_cursor(here, cli):
    (here / "p.yaml").write_text("apiVersion: wardline/v1\nname: p\nrules: []\n")
    guard = wardline.Guard("p.yaml", principal="agent\x1b[2J")

    @wardline.govern(guard=guard, name="x\x1b[1A")
    def function() -> None: ...

    with pytest.raises(wardline.ActionDenied):
        function()
    guard.close()
    ran = cli("ledger", "tail")
    assert ran.code == 0
    assert "\x1b" not in ran.out
    assert "\\x1b" in ran.out


def test_tail_of_a_ledger_without_a_decision(here, cli):
    from wardline.ledger import Ledger

    Ledger(LEDGER).close()
    assert cli("ledger", "tail").code == 5


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
names = st.sampled_from(
    [
        "t",
        "effect",
        "kind",
        "stage",
        "name",
        "rule",
        "reason",
        "principal",
        "intent",
        "status",
        "duration_us",
        "approval",
        "approved",
        "by",
        "note",
        "what",
        "expires",
        "switch",
        "scope",
        "value",
    ]
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["intent", "refusal", "outcome", "approval", "switch", "note", "other"]),
    st.dictionaries(names, values, max_size=8),
)
def test_any_record_becomes_one_line_that_moves_no_cursor(kind, fields):
    raw = b'{"seq":3,' + json.dumps({"type": kind, **fields}).encode()[1:]
    record = StoredRecord("20261121T095750878569Z-5704-324ad1.jsonl", 0, raw)
    shown = line(entry(record), {})
    assert shown.isprintable()


@pytest.mark.parametrize("as_json", [False, True])
def test_follow_shows_what_is_recorded_from_now_on(agent, here, as_json):
    agent.read_file("first")
    with subprocess.Popen(
        [
            Path(sys.executable).with_name("wardline"),
            *("ledger", "tail", "-n", "1", "--follow"),
            *(["--json"] if as_json else []),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=here,
        # A shell that runs the tests in the background has them ignore interrupts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            first = process.stdout.readline()
            with pytest.raises(wardline.ActionDenied):
                agent.drop("users")
            second = process.stdout.readline()
            other = wardline.Guard(here / "policy.yaml")
            third = process.stdout.readline()
            agent.read_file("again")
            fourth, fifth = process.stdout.readline(), process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 130
            assert process.stderr.read() == ""
        finally:
            process.kill()
    other.close()
    lines = [first, second, third, fourth, fifth]
    if as_json:
        assert [json.loads(one)["type"] for one in lines] == [
            *("intent", "refusal", "note", "intent", "outcome")
        ]
        return
    assert "read_file" in first
    assert "deny      tool_call drop" in second
    assert "a guard started" in third
    assert "no outcome yet" in fourth
    assert "outcome   tool_call read_file -> succeeded" in fifth
