"""Which session, run and parent a call belongs to."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from wardline import Action, ActionDenied, carry, govern


def tool(x: int = 0) -> int:
    return x


def places(bench: Any) -> list[tuple[str, str]]:
    return [(one["session"], one["run"]) for one in bench.decisions()]


def test_a_guard_that_never_opened_a_session_uses_one_implicit_one(bench: Any) -> None:
    guard = bench.guard()
    safe = govern(tool, guard=guard)
    safe()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(safe).result()
    assert guard.here() is None
    assert len(set(places(bench))) == 1


def test_the_context_is_the_default_and_ids_win(bench: Any) -> None:
    guard = bench.guard(tools="tool")
    safe = govern(tool, guard=guard)
    with guard.session("one") as one:
        assert guard.here() is one
        safe()
        with one.run("r1"):
            safe()
            guard.call(Action("tool_call", "tool", {}), lambda _: 1)
            guard.call(Action("tool_call", "tool", {}, run="r2"), lambda _: 1)
            guard.call(Action("tool_call", "tool", {}, session="two"), lambda _: 1)
            guard.call(Action("tool_call", "tool", {}, session="one"), lambda _: 1)
        safe()
    assert places(bench) == [
        ("one", "one"),
        ("one", "r1"),
        ("one", "r1"),
        ("one", "r2"),
        ("two", "two"),
        ("one", "r1"),
        ("one", "one"),
    ]


def test_a_lost_session_denies_and_says_so(bench: Any) -> None:
    guard = bench.guard()
    safe = govern(tool, guard=guard)
    with (
        guard.session("one"),
        pytest.raises(ActionDenied, match="carry"),
        ThreadPoolExecutor(1) as p,
    ):
        p.submit(safe).result()
    with pytest.raises(ActionDenied, match="outside any session") as raised:
        safe()
    assert raised.value.rule == "builtin:session"
    refusals = bench.records("refusal")
    assert [one["rule"] for one in refusals] == ["builtin:session"] * 2


def test_carry_takes_the_session_into_threads(bench: Any) -> None:
    guard = bench.guard()
    safe = govern(tool, guard=guard)
    with guard.session("one") as one, one.run("r"), ThreadPoolExecutor(4) as pool:
        carried = carry(safe)
        assert list(pool.map(carried, range(20))) == list(range(20))
    assert places(bench) == [("one", "r")] * 20


def test_tasks_and_to_thread_inherit(bench: Any) -> None:
    guard = bench.guard()
    safe = govern(tool, guard=guard)

    async def later(x: int) -> int:
        return x

    alater = govern(later, guard=guard)

    async def work(name: str) -> None:
        with guard.session(name):
            await asyncio.gather(asyncio.create_task(alater(1)), asyncio.to_thread(safe))
            await asyncio.sleep(0)
            safe()

    async def main() -> None:
        await asyncio.gather(*(work(f"s{n}") for n in range(5)))

    asyncio.run(main())
    found = [session for session, _ in places(bench)]
    assert sorted(found) == sorted([f"s{n}" for n in range(5)] * 3)


def test_two_guards_do_not_see_each_others_sessions(bench: Any) -> None:
    one, other = bench.guard(), bench.guard()
    outer, inner = govern(tool, guard=one), govern(tool, guard=other)
    with one.session("mine"):
        assert other.here() is None
        inner()
        with other.session("yours"):
            outer()
            inner()
        inner_again = pytest.raises(ActionDenied, match="outside any session")
        with inner_again:
            inner()
    sessions = [session for session, _ in places(bench)]
    assert "process-" in " ".join(sessions)
    assert sorted(sessions)[:2] == ["", "mine"]
    assert "yours" in sessions


def test_nested_calls_know_their_parent(bench: Any) -> None:
    guard = bench.guard()
    inner = govern(tool, guard=guard, name="inner")

    def outer() -> int:
        return int(inner()) + int(inner())

    async def aouter() -> int:
        return int(await asyncio.to_thread(inner))

    with guard.session("s"):
        govern(outer, guard=guard)()
        inner()
        asyncio.run(govern(aouter, guard=guard)())
    records = bench.records("intent")
    assert [one["name"] for one in records] == [
        "outer", "inner", "inner", "inner", "aouter", "inner",
    ]  # fmt: skip
    outcomes = bench.records("outcome")
    parent = outcomes[2]["intent"]  # inner calls end before outer does
    assert [one.get("parent", "") for one in records[:4]] == ["", parent, parent, ""]
    assert records[5]["parent"] == outcomes[-1]["intent"]


def test_a_nested_call_belongs_to_the_session_of_its_parent(bench: Any) -> None:
    guard = bench.guard(tools="outer inner")

    def outer(_: dict[str, Any]) -> None:
        guard.call(Action("tool_call", "inner", {}), lambda _: None)

    guard.call(Action("tool_call", "outer", {}, session="named", run="r"), outer)
    assert places(bench) == [("named", "r")] * 2


def test_one_session_entered_by_many_threads(bench: Any) -> None:
    guard = bench.guard()
    safe = govern(tool, guard=guard)
    session = guard.session("shared")
    run = session.run("r")
    barrier = threading.Barrier(8)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(20):
                with session:
                    barrier.wait(10)
                    with run:
                        safe()
                        barrier.wait(10)
                    assert guard.here() is session
                assert guard.here() is None
        except BaseException as error:
            failures.append(error)
            barrier.abort()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert places(bench) == [("shared", "r")] * 160


def test_children_know_their_root(bench: Any) -> None:
    guard = bench.guard(
        "limits: [{name: l, count: tool_calls, at_most: 3, per: session}]\n", tools="tool"
    )
    root = guard.session("root")
    child = guard.session("child", parent="root")
    grandchild = guard.session("grandchild", parent="child")
    assert (root.depth, child.depth, grandchild.depth) == (0, 1, 2)
    assert {root.root, child.root, grandchild.root} == {"root"}
    for session in (root, child, grandchild):
        with session:
            govern(tool, guard=guard)()
    with child, pytest.raises(ActionDenied, match="limit `l`"):
        govern(tool, guard=guard)()


def test_the_same_id_is_the_same_session(bench: Any) -> None:
    guard = bench.guard()
    session = guard.session("x")
    assert guard.session("x") is session
    assert guard.session().id != guard.session().id


def test_a_child_process_after_fork_has_its_own_implicit_session(python: Any) -> None:
    code = """
    import os, sys, threading, warnings
    warnings.simplefilter("ignore", DeprecationWarning)  # about fork and threads, in newer Pythons
    from pathlib import Path
    from wardline import Action, Guard, govern, parse_policies
    from wardline.ledger import read, verify

    home = Path(sys.argv[1])
    policies = parse_policies('''
    apiVersion: wardline/v1
    name: p
    default_action: allow
    limits: [{name: l, count: tool_calls, at_most: 2, per: session}]
    '''.replace("\\n    ", "\\n"))
    guard = Guard(policies, home=home)
    guard.register("tool_call", "t")
    def call(id=""):
        return guard.call(Action("tool_call", "t", {}, call_id=id), lambda args: None)
    call(); call("a")
    mine = guard._machinery.sessions._implicit
    mine.lock.acquire()  # as if another thread was in the middle of a call
    pid = os.fork()
    if pid == 0:
        call(); call("b")  # its limit is its own, its lock is free, it holds calls under its own name
        guard.close()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    mine.lock.release()
    guard.close()
    assert verify(home / "ledger").ok
    sessions = {r.fields["session"] for r in read(home / "ledger") if r.type == "intent"}
    assert len(sessions) == 2, sessions
    print("fine")
    """
    out, err = python(code).communicate(timeout=60)
    assert out == "fine\n", err
