"""Rego documents: what they decide, what counts as no answer, and the life of the server."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wardline import (
    ActionRefused,
    CallbackApprover,
    EngineError,
    Guard,
    MemoryStore,
    PolicyError,
    Principal,
    Reply,
    govern,
    load_policies,
    parse_policies,
)
from wardline_engines import rego

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wardline import Engine

ALLOW, DENY = "allow", "deny"


def module(*rules: str) -> str:
    return "package wardline\n" + "\n".join(rules) + "\n"


def when(condition: str) -> str:
    return module(f"decision if {{ {condition} }}")


@pytest.fixture
def rego_says(asking: Any, opa: str) -> Callable[..., Any]:
    """Ask one policy about one action."""

    def ask(policies: Any, asked: dict[str, Any] | None = None, **settings: Any) -> Any:
        document = asking("rego", {"policies": policies, "opa": opa, **settings})
        document.policies.start()
        return document.verdict(**(asked or {}))

    return ask


REQUEST: dict[str, Any] = {
    "action": {
        "kind": "tool_call", "stage": "before", "type": "pay", "name": "pay", "verb": "",
        "framework": "", "call_id": "c1", "args": {"n": 1},
    },
    "principal": {"id": "bot", "roles": [], "chain": []},
    "session": {"id": "s"}, "run": {"id": "r"}, "tool": {"effects": ["write"]},
    "now": "2026-01-01T00:00:00Z",
}  # fmt: skip


def request(**args: Any) -> dict[str, Any]:
    return {**REQUEST, "action": {**REQUEST["action"], "args": args}}


def nothing(name: str) -> bytes:
    raise AssertionError(name)


@pytest.fixture
def opened(opa: str) -> Iterator[Callable[[str], Engine]]:
    engines: list[Engine] = []

    def make(policies: str) -> Engine:
        engines.append(rego.open({"policies": policies, "opa": opa}, nothing))
        return engines[-1]

    yield make
    for one in engines:
        one.close()


# What the policy says

DECISIONS: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("true", module("decision := true"), {}, ALLOW, "it says yes"),
    ("false", module("decision := false"), {}, DENY, "it says no"),
    ("nothing", module("decision if false"), {}, DENY, "the policy has no decision for it"),
    ("a default", module("default decision := false", "decision if input.action.args.n == 1"), {"args": {"n": 1}}, ALLOW, "it says yes"),
    ("an argument nobody gave", when("input.action.args.n == 1"), {}, DENY, "the policy has no decision for it"),
    ("an object", module('decision := {"effect": "deny", "reason": "not\\non Sundays"}'), {}, DENY, "not on Sundays"),
    ("an object without a reason", module('decision := {"effect": "allow"}'), {}, ALLOW, "it says allow"),
    ("a question", module('decision := {"effect": "require_approval", "reason": "why?"}'), {}, "require_approval", "why?"),
    ("the agent", when('input.principal.id == "bot"; "clerk" in input.principal.roles'), {}, ALLOW, "it says yes"),
    ("the chain", when('input.principal.chain == ["a", "b"]'), {"principal": Principal("x", chain=("a", "b"))}, ALLOW, "it says yes"),
    ("the tool", when('input.action.type == "pay"; "write" in input.tool.effects; input.tool.clearance == "internal"'), {"name": "PAY"}, ALLOW, "it says yes"),
    ("the kind", when('input.action.kind == "message"'), {"kind": "message", "name": "ann"}, ALLOW, "it says yes"),
    ("a counter", when("input.session.tool_calls == 2; input.run.tool_calls == 1"), {}, ALLOW, "it says yes"),
    ("the time", when("time.parse_rfc3339_ns(input.now) == 1784000000123456000"), {}, ALLOW, "it says yes"),
    ("numbers", when("input.action.args.n == 5; input.action.args.f == 0.25"), {"args": {"n": 5, "f": 0.25}}, ALLOW, "it says yes"),
    ("integers of any size", when("input.action.args.n - 1 == 36028797018963968123456788"), {"args": {"n": 36028797018963968123456789}}, ALLOW, "it says yes"),
    ("and no other for them", when("input.action.args.n == 9007199254740993"), {"args": {"n": 2**53}}, DENY, "the policy has no decision for it"),
    ("null", when("input.action.args.n == null"), {"args": {"n": None}}, ALLOW, "it says yes"),
    ("a list keeps its order", when("input.action.args.n == [2, 1, 2]"), {"args": {"n": [2, 1, 2]}}, ALLOW, "it says yes"),
    ("text", when('regex.match("^/srv/", input.action.args.n)'), {"args": {"n": "/srv/é😀"}}, ALLOW, "it says yes"),
    ("a function that only the server has", when('sprintf("%s-%d", ["a", 1]) == "a-1"'), {}, ALLOW, "it says yes"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("policies", "asked", "effect", "reason"),
    [c[1:] for c in DECISIONS],
    ids=[c[0] for c in DECISIONS],
)
def test_decisions(
    rego_says: Any, policies: str, asked: dict[str, Any], effect: str, reason: str
) -> None:
    verdict = rego_says(policies, asked)
    assert (verdict.effect, verdict.reason, verdict.failed) == (effect, reason, False)


NO_ANSWERS: list[tuple[str, str, dict[str, Any], str]] = [
    ("text", module('decision := "allow"'), {}, 'the decision is "allow": it is a boolean'),
    ("a number", module("decision := 1"), {}, "the decision is 1"),
    ("null", module("decision := null"), {}, "the decision is null"),
    ("a set", module('decision contains "x"'), {}, 'the decision is ["x"]'),
    ("an empty set", module('decision contains "x" if false'), {}, "the decision is []"),
    ("an empty object", module("decision := {}"), {}, "`effect` is null"),
    ("an unknown effect", module('decision := {"effect": "permit"}'), {}, '`effect` is "permit"'),
    ("an odd effect", module('decision := {"effect": ["allow"]}'), {}, '`effect` is ["allow"]'),
    ("an odd key", module('decision := {"effect": "allow", "unless": "x"}'), {}, "the decision has `unless`"),
    ("an odd reason", module('decision := {"effect": "deny", "reason": 5}'), {}, "`reason` is 5"),
    (
        "a function that errs in what would deny",
        module("default decision := true", "decision := false if to_number(input.action.args.n) > 100"),
        {"args": {"n": "abc"}},
        "policies:3: to_number: ",
    ),
    ("a division by zero", when("1 / input.action.args.n > 0"), {"args": {"n": 0}}, "policies:2: div: divide by zero"),
    ("a conflict", module("decision := false if input.action.args.n > 0", "decision := true if input.action.args.n > 1"), {"args": {"n": 2}}, "must not produce multiple outputs"),
    ("not a number", module("decision := true"), {"args": {"n": float("nan")}}, "`action.args.n` is nan"),
    ("an answer without end", module("decision := numbers.range(1, 30000)"), {}, "more than 65,536 bytes"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("policies", "asked", "message"), [c[1:] for c in NO_ANSWERS], ids=[c[0] for c in NO_ANSWERS]
)
def test_ENG_4_what_is_no_answer_denies(
    rego_says: Any, policies: str, asked: dict[str, Any], message: str
) -> None:
    verdict = rego_says(policies, asked)
    assert verdict.failed
    assert message in verdict.reason


def test_settings(rego_says: Any, tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    (folder / "rego").mkdir(parents=True)
    (folder / "rego" / "tools.rego").write_text("package tools\nsafe := data.safe_tools\n")
    (folder / "main.rego").write_text(
        "package house\nimport data.tools\nverdict if input.action.type in tools.safe\n"
    )
    files = ["main.rego", "rego/tools.rego"]
    query = "data.house.verdict"
    for data in ({"safe_tools": ["pay"]}, "rego/data.json"):
        (folder / "rego" / "data.json").write_text(json.dumps({"safe_tools": ["pay"]}))
        assert rego_says(files, query=query, data=data).effect == ALLOW
        assert rego_says(files, {"name": "other"}, query=query, data=data).effect == DENY


def test_files_are_part_of_the_digest(asking: Any, opa: str, tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "p.rego").write_text(module("decision := true"))
    before = asking("rego", {"policies": "p.rego", "opa": opa}).policies.digest
    (tmp_path / "policies" / "p.rego").write_text(module("decision := false"))
    assert asking("rego", {"policies": "p.rego", "opa": opa}).policies.digest != before


YES = module("decision := true")


@pytest.mark.parametrize(
    ("settings", "key", "message"),
    [
        ({}, "engine", "`with:` needs `policies`"),
        ({"policies": 5}, "policies", "`policies` is a string"),
        ({"policies": []}, "policies", "a list of .rego files"),
        ({"policies": ["a.txt"]}, "policies", "a list of .rego files"),
        ({"policies": ["good.rego", "good.rego"]}, "policies", "names a file twice"),
        ({"policies": "gone.rego"}, "policies", "`gone.rego` cannot be read"),
        ({"policies": "package wardline\ndecision if {\n  x ==\n}\n"}, "policies", "policies:4: rego_parse_error"),
        ({"policies": ["good.rego", "bad.rego"]}, "policies", "bad.rego:2: rego_type_error: undefined function nope"),
        ({"policies": YES + 'x if http.send({"url": "http://a", "method": "get"})'}, "policies", "undefined function http.send"),
        ({"policies": YES + "x := opa.runtime()"}, "policies", "undefined function opa.runtime"),
        ({"policies": "package other\ndecision := true"}, "policies", "no rule is called data.wardline.decision"),
        ({"policies": YES, "query": "data.wardline.verdict"}, "policies", "no rule is called data.wardline.verdict"),
        ({"policies": YES, "query": "wardline.decision"}, "query", "is a path such as data.wardline.decision"),
        ({"policies": YES, "query": "data.wardline.decision; true"}, "query", "is a path"),
        ({"policies": YES, "data": []}, "data", "`data` is a map"),
        ({"policies": YES, "data": "{"}, "data", "data: Expecting"),
        ({"policies": YES, "data": '{"n": 1e999}'}, "data", "`n` is inf"),
        ({"policies": YES, "opa": "opa"}, "opa", "no absolute path"),
        ({"policies": YES, "opa": "/nowhere/opa"}, "opa", "no program that can be run"),
        ({"policies": YES, "opa": "/tmp"}, "opa", "no program that can be run"),
        ({"policies": YES, "opa": "/bin/cat"}, "engine", "`/bin/cat` could not check the policy as OPA"),
    ],
)  # fmt: skip
def test_mistakes_are_load_errors(
    tmp_path: Path, opa: str, settings: dict[str, Any], key: str, message: str
) -> None:
    (tmp_path / "good.rego").write_text(YES)
    (tmp_path / "bad.rego").write_text("package bad\nx := nope(1)\n")
    if settings:
        settings = {"opa": opa, **settings}
    lines = [f"  {name}: {json.dumps(value)}\n" for name, value in settings.items()]
    head = "apiVersion: wardline/v1\nname: other\nengine: rego\nwith:\n"
    text = head + ("".join(lines) or "  {}\n")
    (tmp_path / "other.yaml").write_text(text)
    with pytest.raises(PolicyError) as caught:
        load_policies(tmp_path / "other.yaml")
    (problem,) = caught.value.problems
    assert message in problem.message
    wanted = [n for n, line in enumerate(text.splitlines(), 1) if line.strip().startswith(key)]
    assert problem.line == (wanted or [3])[0]


TEXT = "apiVersion: wardline/v1\nname: other\nengine: rego\nwith: {policies: 'package wardline'}\n"


def test_ENG_4_without_opa_it_does_not_load(monkeypatch: Any) -> None:
    monkeypatch.delenv("WARDLINE_OPA", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(PolicyError, match=r"Rego needs the `opa` binary, version 1\.0 or later"):
        parse_policies(TEXT)
    monkeypatch.setenv("WARDLINE_OPA", "/nowhere/opa")
    with pytest.raises(PolicyError, match="`/nowhere/opa` is no program"):
        parse_policies(TEXT)


def test_where_opa_is_found(monkeypatch: Any, opa: str, tmp_path: Path) -> None:
    (tmp_path / "opa").symlink_to(opa)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.delenv("WARDLINE_OPA", raising=False)
    parse_policies(TEXT.replace("wardline'", "wardline\n\n  decision := true'")).close()


# The server


def process(engine: Any) -> int:
    """Return the process of OPA behind an engine."""
    keeper = engine._server._running._end.peek()[2][1].pid
    children = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
    return int(children[0])


def folder(engine: Any) -> Path:
    return Path(engine._server._running._end.peek()[2][2])


def becomes(pid: int, states: str, within: float = 5.0) -> bool:
    """Whether a process gets into one of these states, or is gone."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return True
        if state in states:
            return True
        time.sleep(0.01)
    return False


def gone(pid: int) -> bool:
    return becomes(pid, "Z")


def test_it_starts_when_it_is_asked_and_ends_when_it_is_closed(opened: Any) -> None:
    engine = opened(YES)
    assert engine._server._running is None
    assert engine.judge(request(), 10).effect == ALLOW
    pid, place = process(engine), folder(engine)
    assert engine.judge(request(), 10).effect == ALLOW
    assert process(engine) == pid
    engine.close()
    engine.close()
    assert gone(pid)
    assert not place.exists()
    with pytest.raises(EngineError, match="it was closed"):
        engine.judge(request(), 1)


def test_it_starts_in_time_or_not_at_all(opened: Any) -> None:
    engine = opened(YES)
    with pytest.raises(EngineError, match="does not listen yet"):
        engine.judge(request(), 0.001)
    engine.start()
    assert engine.judge(request(), 5).effect == ALLOW


def test_nobody_else_can_reach_it(opened: Any) -> None:
    engine = opened(YES)
    engine.start()
    assert stat.S_IMODE(folder(engine).stat().st_mode) == 0o700
    assert stat.S_IMODE((folder(engine) / "opa.sock").stat().st_mode) == 0o600
    sockets = subprocess.run(
        ["/bin/sh", "-c", f"ls -l /proc/{process(engine)}/fd"], capture_output=True, text=True
    ).stdout
    inodes = {part.split("]")[0] for part in sockets.split("socket:[")[1:]}
    for table in ("tcp", "tcp6", "udp", "udp6"):
        rows = Path(f"/proc/{process(engine)}/net/{table}").read_text().splitlines()[1:]
        assert not inodes & {row.split()[9] for row in rows}


def test_it_sees_nothing_of_our_environment(opened: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("API_KEY", "sk-secret")
    engine = opened(YES)
    engine.start()
    assert b"sk-secret" not in Path(f"/proc/{process(engine)}/environ").read_bytes()


def test_ENG_4_a_policy_without_end_denies_in_time(opened: Any) -> None:
    rules = "decision if { some i in numbers.range(1, 100000); some j in numbers.range(1, 100000); i * j < 0 }"
    engine = opened(module(rules, "decision if input.action.args.n == 1"))
    engine.start()
    started = time.monotonic()
    with pytest.raises(EngineError, match="it did not answer in time"):
        engine.judge(request(n=2), 0.3)
    assert time.monotonic() - started < 2


def test_ENG_4_it_is_started_again_when_it_dies(opened: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("wardline_engines.opa._PAUSE", 0.0)
    engine = opened(YES)
    assert engine.judge(request(), 10).effect == ALLOW
    first, place = process(engine), folder(engine)
    os.kill(first, signal.SIGKILL)
    assert gone(first)
    assert engine.judge(request(), 10).effect == ALLOW
    assert process(engine) != first
    assert not place.exists()


def test_ENG_4_while_it_is_dead_it_denies(asking: Any, opa: str) -> None:
    asked = asking("rego", {"policies": YES, "opa": opa}, deadline="50ms")
    asked.policies.start()
    (document,) = asked.policies.engines
    engine = document.consulted.engine
    assert asked.verdict().effect == ALLOW
    pid = process(engine)
    os.kill(pid, signal.SIGKILL)
    assert gone(pid)
    verdict = asked.verdict()
    assert verdict.failed
    until = time.monotonic() + 20
    while asked.verdict().failed and time.monotonic() < until:
        time.sleep(0.05)
    assert asked.verdict().effect == ALLOW


def test_ENG_4_a_server_that_hangs_denies_in_time(opened: Any) -> None:
    engine = opened(YES)
    engine.start()
    pid = process(engine)
    os.kill(pid, signal.SIGSTOP)
    assert becomes(pid, "T")
    try:
        started = time.monotonic()
        with pytest.raises(EngineError, match="it did not answer in time"):
            engine.judge(request(), 0.3)
        assert time.monotonic() - started < 2
    finally:
        os.kill(pid, signal.SIGCONT)
    assert engine.judge(request(), 10).effect == ALLOW
    assert process(engine) == pid


def test_many_threads_get_their_own_answers(opened: Any) -> None:
    engine = opened(when("input.action.args.n % 2 == 1"))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: engine.judge(request(n=n), 20).effect, range(200)))
    assert found == [ALLOW if n % 2 else DENY for n in range(200)]


def child(work: Callable[[], bool]) -> int:
    """Return how a forked child ended that did some work."""
    pid = os.fork()
    if pid == 0:
        code = 2
        try:
            code = 0 if work() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_child_asks_its_parents_server_and_leaves_it_alone(opened: Any) -> None:
    engine = opened(YES)
    engine.start()
    pid = process(engine)

    def work() -> bool:
        good = engine.judge(request(), 10).effect == ALLOW
        engine.close()
        return bool(good)

    assert child(work) == 0
    assert engine.judge(request(), 10).effect == ALLOW
    assert process(engine) == pid


def test_a_child_that_outlives_its_parents_server_starts_its_own(
    opened: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("wardline_engines.opa._PAUSE", 0.0)
    engine = opened(YES)
    engine.start()
    pid = process(engine)
    told, tell = os.pipe()

    def work() -> bool:
        os.close(tell)
        os.read(told, 1)
        good = engine.judge(request(), 10).effect == ALLOW
        good = good and process(engine) != pid
        engine.close()
        return bool(good)

    ended: list[int] = []
    thread = threading.Thread(target=lambda: ended.append(child(work)))
    thread.start()
    time.sleep(0.2)
    engine.close()
    # The child has a copy of everything but the pipe that keeps the server alive.
    assert gone(pid)
    os.close(tell)
    thread.join(30)
    os.close(told)
    assert ended == [0]


def test_a_fork_while_it_starts_leaves_no_lock_behind(opened: Any) -> None:
    engine = opened(YES)
    with engine._server._lock:
        assert child(lambda: bool(engine.judge(request(), 10).effect == ALLOW)) == 0


KILLED = """
import os, signal, sys, time
from wardline_engines import rego
engine = rego.open({"policies": "package wardline\\ndecision := true\\n", "opa": sys.argv[1]}, None)
engine.start()
if os.fork() == 0:
    time.sleep(30)
    os._exit(0)
keeper = engine._server._running._end.peek()[2][1].pid
opa = open(f"/proc/{keeper}/task/{keeper}/children").read().split()[0]
print(opa, engine._server._running._end.peek()[2][2], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_it_dies_with_its_parent_however_that_dies(opa: str) -> None:
    command = [sys.executable, "-c", KILLED, opa]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as ran:
        try:
            assert ran.stdout is not None
            pid, place = ran.stdout.readline().split()
            assert ran.wait(30) == -signal.SIGKILL
            assert gone(int(pid))
            until = time.monotonic() + 5
            while Path(place).exists() and time.monotonic() < until:
                time.sleep(0.01)
            assert not Path(place).exists()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(ran.pid, signal.SIGKILL)  # the child that the parent left behind


def test_a_forgotten_engine_takes_its_server_along(opened: Any, opa: str) -> None:
    engine = rego.open({"policies": YES, "opa": opa}, nothing)
    engine.start()
    pid = process(engine)
    del engine
    assert gone(pid)


# In a guard


def test_beside_a_document_of_ours(governed: Any, opa: str) -> None:
    ran: list[int] = []

    def pay(amount: int) -> str:
        ran.append(amount)
        return "paid"

    policies = module(
        'decision := {"effect": "deny", "reason": "at most 100"} if input.action.args.amount > 100',
        "decision := true if input.action.args.amount <= 100",
    )
    # The deadline that a document has by default: the guard has started OPA before it is asked.
    tool = governed(pay, "rego", {"policies": policies, "opa": opa}, deadline="1s")
    assert tool(100) == "paid"
    with pytest.raises(ActionRefused) as caught:
        tool(101)
    assert caught.value.rule == "builtin:engine"
    assert caught.value.decision is not None
    assert caught.value.decision.reason == "rego: at most 100"
    assert ran == [100]


def test_it_may_ask_a_person(tmp_path: Path, opa: str) -> None:
    asked: list[Any] = []

    def answer(approval: Any) -> Reply:
        asked.append(approval)
        return Reply("os:alice", approved=True)

    settings = {"policies": module('decision := {"effect": "require_approval"}'), "opa": opa}
    document = {
        "apiVersion": "wardline/v1", "name": "other", "engine": "rego", "deadline": "5s",
        "approvers": ["os:alice"], "with": settings,
    }  # fmt: skip
    (tmp_path / "p.yaml").write_text(json.dumps(document))
    with Guard(
        tmp_path / "p.yaml",
        home=tmp_path / "home",
        store=MemoryStore(),
        approver=CallbackApprover(answer),
    ) as guard:
        assert govern(lambda: "done", guard=guard, name="work")() == "done"
    assert len(asked) == 1


def test_the_folder_may_have_any_name_but_a_long_one(
    opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    short = Path(tempfile.mkdtemp(prefix="w q%20?#"))
    monkeypatch.setattr(tempfile, "tempdir", str(short))
    engine = opened(YES)
    assert engine.judge(request(), 10).effect == ALLOW
    engine.close()
    assert list(short.iterdir()) == []
    short.rmdir()
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with pytest.raises(EngineError, match="too long for a socket: set TMPDIR to a short path"):
        opened(YES).start()
    assert list(long.iterdir()) == []


CAPABLE = '[ "$1" = capabilities ] && echo \'{"builtins": []}\' && exit 0\n'


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo {", "could not check the policy as OPA"),
        ("echo {}", "could not check the policy as OPA"),
        ("echo []", "could not check the policy as OPA"),
        ("exit 3", "could not check the policy as OPA"),
        ("kill -9 $$", "could not check the policy as OPA"),
        (CAPABLE + "kill -9 $$", "opa build: -9"),
        (CAPABLE + '[ "$1" = build ] || exit 1', "could not check the policy as OPA"),
        (CAPABLE + "echo {}", "no rule is called data.wardline.decision"),
    ],
)
def test_a_program_that_is_no_opa_is_none(tmp_path: Path, script: str, message: str) -> None:
    fake = tmp_path / "opa"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    with pytest.raises(EngineError, match=message):
        rego.open({"policies": YES, "opa": str(fake)}, nothing)


def test_an_opa_that_never_listens_is_tried_again(
    opened: Any, opa: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "mark"
    fake = tmp_path / "opa"
    # The first time it serves nobody.
    fake.write_text(
        f'#!/bin/sh\nif [ "$1" = run ] && [ ! -e {mark} ]; then touch {mark}; exit 1; fi\n'
        f'exec {opa} "$@"\n'
    )
    fake.chmod(0o755)
    engine = rego.open({"policies": YES, "opa": str(fake)}, nothing)
    try:
        with pytest.raises(EngineError, match="does not listen yet"):
            engine.judge(request(), 0.3)
        monkeypatch.setattr("wardline_engines.opa.START", 0.1)
        monkeypatch.setattr("wardline_engines.opa._PAUSE", 0.1)
        assert engine.judge(request(), 20).effect == ALLOW
    finally:
        engine.close()


def test_ENG_4_one_that_dies_at_once_is_not_started_all_the_time(opened: Any) -> None:
    engine = opened(YES)
    engine.start()
    pid = process(engine)
    os.kill(pid, signal.SIGKILL)
    assert gone(pid)
    engine._server._started = time.monotonic()
    with pytest.raises(EngineError, match="started less than a second ago"):
        engine.judge(request(), 0.5)


def test_without_its_keeper_it_ends_with_the_engine_still(opened: Any) -> None:
    engine = opened(YES)
    engine.start()
    pid, place = process(engine), folder(engine)
    keeper = engine._server._running._end.peek()[2][1].pid
    os.kill(keeper, signal.SIGKILL)
    assert becomes(keeper, "Z")
    assert engine.judge(request(), 10).effect == ALLOW
    engine.close()
    assert gone(pid)
    assert not place.exists()


def test_without_room_for_its_files_it_says_so(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    engine = opened(YES)
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    with pytest.raises(EngineError, match=r"OPA cannot be started: .*/nowhere"):
        engine.start()
    with pytest.raises(EngineError, match=r"could not check the policy as OPA.*/nowhere"):
        opened(YES)
