from __future__ import annotations

import json
import re
import resource
from pathlib import Path
from typing import get_args

import pytest

from wardline.store import ApprovalStatus, SwitchScope
from wardline_cli import exits
from wardline_cli.app import build, command_names
from wardline_cli.options import ScopeName, StatusName

README = Path(__file__).parents[1] / "README.md"
COMMANDS = sorted(command_names(build(["init"])))

IN_AN_EMPTY_DIRECTORY = [
    ("approvals", "list"),
    ("approvals", "show", "approval-1"),
    ("approvals", "approve", "approval-1"),
    ("approvals", "deny", "approval-1"),
    ("switch", "list"),
    ("switch", "thaw", "everything", "--reason", "x"),
    ("ledger", "verify"),
    ("ledger", "tail"),
]


def test_CLI_3_the_readme_has_every_command_and_every_command_is_in_the_readme():
    table = set(re.findall(r"^\| `wardline ([^`]+)` \|", README.read_text(), re.MULTILINE))
    assert table == set(COMMANDS)


def test_CLI_3_what_the_readme_and_the_help_texts_show_exists(cli):
    texts = [README.read_text(), *(cli(*name.split(), "--help").out for name in COMMANDS)]
    shown = {
        match
        for text in texts
        for match in re.findall(r"(?:\$ |`|    )wardline ((?:[a-z]+ ?)+)", text)
    }
    assert shown
    for words in shown:
        known = (f"{name} " for name in COMMANDS)
        given = f"{words.strip()} "
        assert any(given.startswith(name) or name.startswith(given) for name in known), words


def test_CLI_6_every_exit_code_is_in_the_readme_and_in_every_help_text(cli):
    table = dict(re.findall(r"^\| (\d+) \| (.+) \|$", README.read_text(), re.MULTILINE))
    assert {int(code): text for code, text in table.items()} == exits.EXIT_CODES
    for name in ("", *COMMANDS):
        text = cli(*name.split(), "--help").out
        for code in exits.EXIT_CODES:
            assert re.search(rf"^  {code}\s", text, re.MULTILINE), name


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_a_command_does_with_an_example_within_80_columns(cli, name):
    ran = cli(*name.split(), "--help")
    assert ran.code == 0
    assert f"    wardline {name}" in ran.out
    assert "--json" in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80


def test_CLI_5_help_is_quick(command):
    """By the processor's time, which other work on the machine does not change; a bound with room."""
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert command("--help").code == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    print(f"wardline --help: {min(times) * 1000:.0f} ms")
    assert min(times) < 1


@pytest.mark.parametrize("argv", IN_AN_EMPTY_DIRECTORY, ids=" ".join)
def test_CLI_1_in_an_empty_directory_nothing_is_recorded(cli, here, argv):
    ran = cli(*argv)
    assert (ran.code, ran.out) == (5, "")
    assert ran.err.startswith("error: nothing is recorded in .wardline")
    assert "--home" in ran.err
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("argv", IN_AN_EMPTY_DIRECTORY, ids=" ".join)
def test_CLI_1_in_an_empty_directory_as_json(cli, argv):
    ran = cli(*argv, "--json")
    assert ran.code == ran.json["exit_code"] == 5
    assert ran.json["error"]["kind"] == "nothing_recorded"


def test_CLI_1_doctor_in_an_empty_directory_invents_nothing(cli, here):
    ran = cli("doctor", "--json")
    assert ran.code == 0
    found = {one["what"]: one for one in ran.json["findings"]}
    assert found["state"]["detail"] == found["ledger"]["detail"] == "nothing is recorded here"
    assert not re.search(r"\d{4}-\d\d-\d\d|ago", ran.out)
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("nonsense",), "Unknown command"),
        (("ledger", "verfy"), 'Did you mean "verify"'),
        (("lint",), "name at least one policy"),
        (("lint", "--stricct", "x"), "--strict"),
        (("test",), "name a policy"),
        (("doctor", "--home"), "requires an argument"),
        (("ledger", "tail", "-n", "0"), "at least one"),
        (("ledger", "tail", "-n", "many"), "many"),
        (("approvals", "list", "--status", "lost"), "pending"),
        (("switch", "freeze", "tool", "x"), "--reason"),
        (("switch", "freeze", "tool", "x", "--reason", " "), "say why"),
        (("switch", "freeze", "tool", "--reason", "x"), "say which tool"),
        (("switch", "freeze", "everything", "x", "--reason", "x"), "takes no value"),
        (("switch", "freeze", "kind", "toolcall", "--reason", "x"), "tool_call"),
        (("switch", "freeze", "planet", "x", "--reason", "x"), "everything"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_CLI_6_a_wrong_command_line_exits_with_2_and_says_what_to_do(cli, here, argv, says):
    ran = cli(*argv)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert "Traceback" not in ran.err
    assert list(here.iterdir()) == []
    as_json = cli(*argv, "--json")
    assert as_json.code == 2
    assert as_json.json["error"]["kind"] == "usage"


def test_no_command_prints_help(cli):
    assert cli().out == cli("--help").out
    assert cli().code == 0


def test_version(cli):
    assert re.fullmatch(r"wardline \S+, wardline-cli \S+\n", cli("--version").out)


def test_CLI_6_an_error_in_wardline_exits_with_70(cli, monkeypatch):
    def broken(*_: object) -> None:
        raise ZeroDivisionError("1/0")

    monkeypatch.setattr("wardline_cli.commands.doctor.all_checks", broken)
    with pytest.raises(TypeError):
        broken(unexpected=1)
    ran = cli("doctor")
    assert ran.code == 70
    assert "a bug in Wardline" in ran.err


def test_interrupting_exits_with_130(cli, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("wardline_cli.commands.doctor.all_checks", interrupted)
    ran = cli("doctor")
    assert (ran.code, ran.out, ran.err) == (130, "", "")


def test_the_closed_sets_are_those_of_the_core():
    assert get_args(ScopeName) == get_args(SwitchScope)
    assert get_args(StatusName) == get_args(ApprovalStatus)


def test_the_real_command_writes_json_alone_and_no_colour(command, policy):
    ran = command("lint", policy, "--json", FORCE_COLOR="1")
    assert json.loads(ran.out)["ok"] is True
    assert ran.err == ""
    assert "\x1b" not in command("explain", policy, "--action", '{"name": "drop"}').out


def test_python_m_is_the_same(here):
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "wardline_cli", "ledger", "verify"], capture_output=True, check=False
    )
    assert done.returncode == 5


def test_a_reader_that_goes_away_is_no_error(here, policy):
    import subprocess
    import sys

    with subprocess.Popen(
        [Path(sys.executable).with_name("wardline"), "doctor"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == exits.BROKEN_PIPE
