from __future__ import annotations

import json
import subprocess
import sys

import pytest

import wardline

LOOP = """
import sys
import wardline

guard = wardline.Guard(sys.argv[1])

@wardline.govern(guard=guard)
def read_file(path):
    return "text"

print("ready", flush=True)
for line in sys.stdin:
    try:
        print("ran", read_file(line.strip()), flush=True)
    except wardline.ActionDenied as error:
        print("refused", error.rule, flush=True)
"""


def pending(call, *args) -> str:
    with pytest.raises(wardline.ApprovalPending) as refusal:
        call(*args)
    return refusal.value.approval


def test_a_pending_call_runs_once_after_the_command_approved_it(agent, command):
    id_ = pending(agent.send_email, "bob")
    assert agent.sent == []
    listed = command("approvals", "list", "--status", "pending", "--json")
    assert [one["id"] for one in listed.json["approvals"]] == [id_]

    ran = command("approvals", "approve", id_, "--note", "as agreed")
    assert (ran.code, ran.err) == (0, "")
    assert '"to": "bob"' in ran.out
    assert "approved by os:" in ran.out

    assert agent.send_email("bob") == "sent"
    assert agent.sent == ["bob"]
    assert pending(agent.send_email, "bob") != id_
    assert agent.sent == ["bob"]
    assert command("approvals", "show", id_, "--json").json["approval"]["status"] == "succeeded"


def test_an_approval_is_for_these_arguments_alone(agent, cli):
    id_ = pending(agent.send_email, "bob")
    assert cli("approvals", "approve", id_).code == 0
    assert pending(agent.send_email, "eve") != id_
    assert agent.sent == []


def test_a_denied_call_does_not_run(agent, cli):
    id_ = pending(agent.send_email, "bob")
    ran = cli("approvals", "deny", id_, "--note", "not today")
    assert ran.code == 0
    assert "not today" in ran.out
    with pytest.raises(wardline.ActionRefused):
        agent.send_email("bob")
    assert agent.sent == []


def test_show_has_exactly_what_will_run_and_escapes_it(agent, cli):
    id_ = pending(agent.send_email, "bob\x1b[2J\u202egro.live\r")
    ran = cli("approvals", "show", id_)
    assert ran.code == 0
    assert "agent wants to run tool_call send_email" in ran.out
    assert '"to": "bob\\u001b[2J\\u202egro.live\\r"' in ran.out
    assert "mail leaves the house" in ran.out
    for char in "\x1b\u202e\r":
        assert char not in ran.out
    shown = cli("approvals", "show", id_, "--json")
    assert shown.json["approval"]["arguments"] == {"to": "bob\x1b[2J\u202egro.live\r"}


def test_list_shows_whole_ids_people_and_the_source(agent, cli):
    id_ = pending(agent.send_email, "bob")
    ran = cli("approvals", "list")
    assert ran.code == 0
    assert f"{id_}  pending, asked " in ran.out
    assert f"rule sending asks {wardline.Operator().by}" in ran.out
    assert "from .wardline/state.db, last changed " in ran.out
    assert "there are no denied approvals" in cli("approvals", "list", "--status", "denied").out


def test_answers_that_do_not_count_exit_with_1(agent, cli):
    id_ = pending(agent.send_email, "bob")
    unknown = cli("approvals", "approve", "approval-0")
    assert (unknown.code, unknown.out) == (1, "")
    assert "approvals list" in unknown.err
    assert cli("approvals", "approve", id_).code == 0
    again = cli("approvals", "approve", id_, "--json")
    assert again.code == 1
    assert again.json["error"]["kind"] == "answer_refused"


def test_somebody_who_is_no_approver_is_refused(here, cli):
    (here / "p.yaml").write_text(
        "apiVersion: wardline/v1\nname: p\nrules:\n"
        "  - {name: r, tool: send, action: require_approval, approvers: ['os:somebody-else']}\n"
    )
    guard = wardline.Guard("p.yaml")

    @wardline.govern(guard=guard)
    def send(to: str) -> str:
        raise AssertionError("this must never run")

    id_ = pending(send, "bob")
    ran = cli("approvals", "approve", id_)
    assert ran.code == 1
    assert "not among its approvers" in ran.err
    assert pending(send, "bob") == id_
    guard.close()


def test_a_yes_that_is_not_enough_says_what_is_missing(here, cli):
    by = wardline.Operator().by
    (here / "p.yaml").write_text(
        "apiVersion: wardline/v1\nname: p\nrules:\n  - {name: r, tool: send, action: "
        f"require_approval, approvers: ['{by}', 'os:second'], quorum: 2}}\n"
    )
    guard = wardline.Guard("p.yaml")

    @wardline.govern(guard=guard)
    def send(to: str) -> str:
        raise AssertionError("this must never run")

    id_ = pending(send, "bob")
    ran = cli("approvals", "approve", id_)
    assert ran.code == 0
    assert "still needs 1 of os:second for rule r" in ran.out
    assert pending(send, "bob") == id_
    guard.close()


def test_freeze_stops_a_running_agent_in_another_process_and_thaw_lets_it_go_on(policy, command):
    with subprocess.Popen(
        [sys.executable, "-c", LOOP, policy],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

        def ask() -> str:
            process.stdin.write("a.txt\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        assert ask() == "ran text"
        ran = command("switch", "freeze", "tool", "read_file", "--reason", "incident 42")
        assert (ran.code, ran.err) == (0, "")
        assert ask() == "refused builtin:switch"
        listed = command("switch", "list")
        assert "tool read_file  frozen  os:" in listed.out
        assert "incident 42" in listed.out
        assert command("switch", "thaw", "tool", "read_file", "--reason", "over").code == 0
        assert ask() == "ran text"
        assert "nothing is frozen" in command("switch", "list").out
        process.stdin.close()
    assert command("ledger", "verify").code == 0


@pytest.mark.parametrize(
    ("scope", "value"),
    [
        ("everything", ()),
        ("agent", ("agent",)),
        ("tool", ("read_file",)),
        ("kind", ("tool_call",)),
    ],
)
def test_freeze_by_scope(agent, cli, scope, value):
    assert agent.read_file("a") == "text"
    assert cli("switch", "freeze", scope, *value, "--reason", "x").code == 0
    with pytest.raises(wardline.ActionDenied, match="builtin:switch"):
        agent.read_file("a")
    (switch,) = cli("switch", "list", "--json").json["switches"]
    assert (switch["scope"], switch["state"], switch["reason"]) == (scope, "frozen", "x")
    assert cli("switch", "thaw", scope, *value, "--reason", "y").code == 0
    assert agent.read_file("a") == "text"


def test_a_freeze_can_come_before_the_first_agent(policy, cli):
    assert cli("switch", "freeze", "everything", "--reason", "not yet").code == 0
    guard = wardline.Guard(policy)

    @wardline.govern(guard=guard)
    def read_file(path: str) -> str:
        raise AssertionError("this must never run")

    with pytest.raises(wardline.ActionDenied, match="not yet"):
        read_file("a")
    guard.close()


def test_thawing_what_is_not_frozen_exits_with_1(agent, cli):
    ran = cli("switch", "thaw", "tool", "x", "--reason", "y")
    assert ran.code == 1
    assert "no freeze of tool x" in ran.err


def test_a_freeze_that_cannot_be_recorded_holds_and_says_so(here, cli):
    (here / ".wardline").mkdir()
    (here / ".wardline" / "ledger").write_text("in the way")
    ran = cli("switch", "freeze", "everything", "--reason", "x")
    assert ran.code == 1
    assert "everything IS frozen" in ran.err
    assert len(cli("switch", "list", "--json").json["switches"]) == 1


def test_home_is_an_option_or_a_setting(policy, cli, here, monkeypatch):
    other = here / "elsewhere"
    assert cli("switch", "freeze", "everything", "--reason", "x", "--home", other).code == 0
    assert cli("switch", "list").code == 5
    assert cli("switch", "list", "--home", other).code == 0
    monkeypatch.setenv("WARDLINE_HOME", str(other))
    assert cli("switch", "list").code == 0
    assert not (here / ".wardline").exists()


def test_state_that_is_no_database_exits_with_1(here, cli):
    (here / ".wardline").mkdir()
    (here / ".wardline" / "state.db").write_text("this is no database, but it is long enough" * 50)
    ran = cli("approvals", "list")
    assert (ran.code, ran.out) == (1, "")
    assert "not a SQLite database" in ran.err
    assert json.loads(cli("switch", "list", "--json").out)["error"]["kind"] == "store"
    assert cli("doctor").code == 1
