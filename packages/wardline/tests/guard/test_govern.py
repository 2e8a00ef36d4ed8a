"""`govern()`: whatever is wrapped, however it is called, it is judged first (WRAP-1 … WRAP-11)."""

from __future__ import annotations

import asyncio
import functools
import inspect
import subprocess
import sys
import threading
import typing
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wardline import ActionDenied, ConfigurationError, PolicyError, govern

if TYPE_CHECKING:
    from wardline import Guard

NO_MAIL = "rules: [{name: no-mail, tool: send_email, action: deny}]\n"
BIG = """
tools: {pay: {args: {amount: number, to: string}}}
rules:
  - {name: big, tool: pay, condition: 'args.amount > 100', action: deny}
"""


def result_of(value: Any) -> Any:
    """Run what a call returned to its end, whatever kind it is."""
    if inspect.isgenerator(value):
        return list(value)
    if inspect.isasyncgen(value):

        async def collect() -> list[Any]:
            return [item async for item in value]

        return asyncio.run(collect())
    if inspect.iscoroutine(value):

        async def wait() -> Any:
            return await value

        return asyncio.run(wait())
    return value


# WRAP-1, WRAP-2


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        (("a@b", "hi"), {}),
        ((), {"to": "a@b", "subject": "hi"}),
        (("a@b",), {"subject": "hi"}),
        ((), {}),
        (("a", "b", "c", "d"), {}),
        ((), {"action": "read", "tool": "other"}),
    ],
    ids=["positional", "keyword", "mixed", "default-only", "args", "kwargs"],
)
@pytest.mark.parametrize("kind", ["plain", "async", "generator", "async-generator"])
def test_WRAP_1_a_denied_tool_does_not_run_however_it_is_called(
    bench: Any, kind: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    ran = []

    def plain(to: str = "x", subject: str = "y", *more: Any, **rest: Any) -> None:
        ran.append(to)

    async def coroutine(to: str = "x", subject: str = "y", *more: Any, **rest: Any) -> None:
        ran.append(to)

    def generator(to: str = "x", subject: str = "y", *more: Any, **rest: Any) -> Iterator[int]:
        ran.append(to)
        yield 1

    async def agenerator(
        to: str = "x", subject: str = "y", *more: Any, **rest: Any
    ) -> AsyncIterator[int]:
        ran.append(to)
        yield 1

    fn = {
        "plain": plain,
        "async": coroutine,
        "generator": generator,
        "async-generator": agenerator,
    }[kind]
    safe = govern(fn, guard=bench.guard(NO_MAIL), name="send_email")
    with pytest.raises(ActionDenied, match="no-mail") as raised:
        result_of(safe(*args, **kwargs))
    assert raised.value.rule == "no-mail"
    assert not ran
    assert [one["effect"] for one in bench.decisions()] == ["deny"]


@pytest.mark.parametrize(
    "call",
    [
        lambda pay: pay(5000, "x"),
        lambda pay: pay(amount=5000, to="x"),
        lambda pay: pay(5000, to="x"),
        lambda pay: pay(to="x", amount=5000),
        lambda pay: pay(to="x"),
    ],
)
def test_WRAP_2_every_parameter_reaches_the_policy_as_it_is(
    bench: Any, call: Callable[[Any], Any]
) -> None:
    def pay(amount: int = 5000, to: str = "") -> str:
        raise AssertionError("it ran")

    with pytest.raises(ActionDenied) as raised:
        call(govern(pay, guard=bench.guard(BIG)))
    assert raised.value.rule == "big"
    assert raised.value.action is not None
    assert raised.value.action.args == {"amount": 5000, "to": raised.value.action.args["to"]}
    assert type(raised.value.action.args["amount"]) is int


def test_WRAP_2_what_is_allowed_runs_with_what_was_passed(bench: Any) -> None:
    def tool(a: Any, /, b: Any, *rest: Any, c: Any = 3, **more: Any) -> tuple[Any, ...]:
        return a, b, rest, c, more

    safe = govern(tool, guard=bench.guard())
    when = datetime(2026, 1, 1, tzinfo=UTC)
    assert safe(1, 2, 3, when, c=b"x", d={"e": (1,)}) == (1, 2, (3, when), b"x", {"d": {"e": (1,)}})
    assert safe("1", b=None) == ("1", None, (), 3, {})
    intent = bench.records("intent")[0]
    assert intent["name"] == "tool"


# WRAP-3


def test_WRAP_3_no_argument_changes_name_agent_or_session(bench: Any) -> None:
    def tool(**kwargs: Any) -> dict[str, Any]:
        return kwargs

    safe = govern(tool, guard=bench.guard(principal="me"))
    hostile = {
        "action": "read", "tool": "other", "name": "other", "agent": "root", "principal": "root",
        "session": "s", "run": "r", "kind": "message", "type": "other", "guard": None,
        "policy": "none.yaml", "call_id": "c", "opaque": ["name"], "self": "x", "fn": "y",
    }  # fmt: skip
    assert safe(**hostile) == hostile
    intent = bench.records("intent")[0]
    assert (intent["kind"], intent["name"]) == ("tool_call", "tool")
    assert "call_id" not in intent
    assert intent["principal"]["id"] == "me"
    assert intent["session"].startswith("process-")


def test_WRAP_3_a_verb_can_only_restrict(bench: Any) -> None:
    def purge(action: str = "") -> None:
        raise AssertionError("it ran")

    guard = bench.guard(
        "rules: [{name: yes, condition: \"action.type == 'read'\", action: allow}]\n",
        default="deny",
    )
    with pytest.raises(ActionDenied):
        govern(purge, guard=guard)(action="read")


# WRAP-4


class Tools:
    """Methods of every sort."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def method(self, x: int, y: int = 2) -> tuple[Any, int, int]:
        """Be a method."""
        return self, x, y

    @classmethod
    def of_class(cls, x: int) -> tuple[Any, int]:
        """Be a class method."""
        return cls, x

    @staticmethod
    def static(x: int) -> int:
        """Be static."""
        return x

    def odd(this, x: int) -> Any:
        """Call the first parameter something else."""
        return this, x

    async def later(self, x: int) -> Any:
        """Be a coroutine."""
        return self, x


class Callable_:
    """An object that can be called."""

    def __call__(self, x: int, y: str = "d") -> tuple[int, str]:
        """Call it."""
        return x, y


class AsyncCallable:
    """An object that can be awaited."""

    async def __call__(self, x: int) -> int:
        return x


class Connection:
    """Something without a canonical form."""


def plain(x: int, y: str = "d") -> str:
    """Do nothing much."""
    return f"{x}{y}"


async def coroutine(x: int) -> int:
    """Wait."""
    return x


def generator(n: int) -> Iterator[int]:
    """Count."""
    yield from range(n)


async def agenerator(n: int) -> AsyncIterator[int]:
    """Count, slowly."""
    for i in range(n):
        yield i


@pytest.mark.parametrize(
    ("fn", "args", "expected"),
    [
        (plain, (1,), "1d"),
        (coroutine, (1,), 1),
        (generator, (3,), [0, 1, 2]),
        (agenerator, (3,), [0, 1, 2]),
        (functools.partial(plain, 1), (), "1d"),
        (functools.partial(plain, y="z"), (1,), "1z"),
        (functools.partial(functools.partial(plain, 1), y="z"), (), "1z"),
        (functools.partial(coroutine, 2), (), 2),
        (functools.partial(generator, 2), (), [0, 1]),
        (functools.partial(agenerator, 2), (), [0, 1]),
        (Callable_(), (1,), (1, "d")),
        (AsyncCallable(), (1,), 1),
        (Tools.of_class, (1,), (Tools, 1)),
        (Tools.static, (1,), 1),
    ],
    ids=str,
)
def test_WRAP_4_wrapping_keeps_what_a_function_is(
    bench: Any, fn: Any, args: tuple[Any, ...], expected: Any
) -> None:
    safe = govern(fn, guard=bench.guard(), name="tool")
    assert inspect.signature(safe) == inspect.signature(fn)
    call = fn if inspect.isroutine(fn) or isinstance(fn, functools.partial) else fn.__call__
    for check in (
        inspect.iscoroutinefunction,
        inspect.isgeneratorfunction,
        inspect.isasyncgenfunction,
    ):
        assert check(safe) == check(call), check
    inner = fn
    while isinstance(inner, functools.partial):
        inner = inner.func
    named = inner if hasattr(inner, "__name__") else type(inner)
    assert safe.__doc__ == inner.__doc__
    assert safe.__name__ == getattr(fn, "__name__", "tool")
    hinted = named if inspect.isroutine(named) else named.__call__
    assert typing.get_type_hints(safe) == typing.get_type_hints(hinted)
    assert result_of(safe(*args)) == expected
    assert [one["status"] for one in bench.records("outcome")] == ["succeeded"]


def test_WRAP_4_bound_and_unbound_methods(bench: Any) -> None:
    guard = bench.guard()
    tools = Tools()
    bound = govern(tools.method, guard=guard)
    assert bound(1) == (tools, 1, 2)
    assert bound(y=3, x=1) == (tools, 1, 3)
    assert list(inspect.signature(bound).parameters) == ["x", "y"]
    unbound = govern(Tools.method, guard=guard)
    assert unbound(tools, 1) == (tools, 1, 2)
    assert unbound(self=tools, x=1) == (tools, 1, 2)
    assert govern(tools.odd, guard=guard)(5) == (tools, 5)
    assert asyncio.run(govern(tools.later, guard=guard)(1)) == (tools, 1)
    assert all(one["opaque"] for one in bench.records("intent"))


def test_WRAP_4_decorating_in_a_class_body(bench: Any) -> None:
    guard = bench.guard()

    class Governed:
        @govern(guard=guard)
        def method(self, x: int) -> tuple[Any, int]:
            return self, x

        @govern(guard=guard)
        @classmethod
        def above(cls, x: int) -> tuple[Any, int]:
            return cls, x

        @classmethod
        @govern(guard=guard)
        def below(cls, x: int) -> tuple[Any, int]:
            return cls, x

        @staticmethod
        @govern(guard=guard)
        def static(x: int) -> int:
            return x

        @govern(guard=guard)
        @staticmethod
        def static_above(x: int) -> int:
            return x

        @govern(guard=guard)
        async def later(self, x: int) -> tuple[Any, int]:
            return self, x

    one = Governed()
    assert one.method(1) == (one, 1)
    assert Governed.method(one, 1) == (one, 1)
    assert Governed.above(1) == one.above(1) == (Governed, 1)
    assert Governed.below(1) == one.below(1) == (Governed, 1)
    assert Governed.static(1) == one.static(1) == Governed.static_above(1) == 1
    assert asyncio.run(one.later(1)) == (one, 1)


def test_WRAP_4_what_a_partial_binds_is_judged_where_it_can_be(bench: Any) -> None:
    connection = Connection()

    def pay(conn: Any, amount: int, to: str = "x") -> tuple[Any, int]:
        return conn, amount

    guard = bench.guard(BIG)
    assert govern(functools.partial(pay, connection), guard=guard)(5) == (connection, 5)
    assert govern(functools.partial(pay, conn=connection), guard=guard)(amount=5)[1] == 5
    with pytest.raises(ActionDenied, match="big"):
        govern(functools.partial(pay, connection, 5000), guard=guard)()
    with pytest.raises(ActionDenied, match="big"):
        govern(functools.partial(pay, connection, amount=5000), guard=guard)()


def test_a_lambda_needs_a_name(bench: Any) -> None:
    guard = bench.guard()
    with pytest.raises(ConfigurationError, match="pass `name=`"):
        govern(lambda x: x, guard=guard)
    assert govern(lambda x: x, guard=guard, name="echo")(3) == 3


def test_two_functions_of_one_name_are_refused(bench: Any) -> None:
    guard = bench.guard()

    def make(n: int) -> Callable[[], int]:
        if n:

            def tool() -> int:
                return 1
        else:

            def tool() -> int:
                return 0

        return tool

    govern(make(0), guard=guard)
    govern(make(0), guard=guard)  # the same code again
    with pytest.raises(ConfigurationError, match="two different functions"):
        govern(make(1), guard=guard)
    with pytest.raises(ConfigurationError, match="one type"):
        govern(plain, guard=guard, name="TOOL")
    with pytest.raises(ConfigurationError, match="name"):
        govern(plain, guard=guard, name="\u200b ")


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), ((1, 2, 3), {}), ((1,), {"x": 2}), ((1,), {"z": 2}), ((), {"y": "a"})],
)
@pytest.mark.parametrize("fn", [plain, coroutine, Callable_(), functools.partial(plain, y="q")])
def test_a_call_that_python_would_refuse_is_refused_alike(
    bench: Any, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    safe = govern(fn, guard=bench.guard(), name="tool")
    try:
        inspect.signature(fn).bind(*args, **kwargs)
    except TypeError as error:
        with pytest.raises(TypeError) as raised:
            result_of(safe(*args, **kwargs))
        assert str(raised.value) == str(error)
        assert not bench.decisions()
    else:
        result_of(safe(*args, **kwargs))


def test_a_keyword_with_the_name_of_another_parameter_is_refused(bench: Any) -> None:
    def tool(a: int, /, *args: Any, **kwargs: Any) -> None:
        raise AssertionError("it ran")

    safe = govern(tool, guard=bench.guard())
    for name in ("a", "args", "kwargs"):
        with pytest.raises(TypeError, match="another parameter"):
            safe(1, **{name: 2})


def test_a_default_without_canonical_form_passes_by_reference(bench: Any) -> None:
    connection = Connection()

    def tool(x: int, conn: Any = connection) -> Any:
        return conn

    safe = govern(tool, guard=bench.guard())
    assert safe(1) is connection
    assert safe(1, connection) is connection
    with pytest.raises(ActionDenied, match=r"args\.conn.*no canonical form"):
        safe(1, Connection())
    assert [one.get("opaque") for one in bench.records("intent")] == [["conn"], ["conn"]]


def test_what_is_declared_opaque_passes_by_reference(bench: Any) -> None:
    def tool(state: Any, x: int) -> Any:
        return state

    guard = bench.guard("tools: {declared: {opaque: [state]}}\n")
    one, other = Connection(), Connection()
    assert govern(tool, guard=guard, opaque=["state"])(one, 1) is one
    assert govern(tool, guard=guard, name="declared")(other, 1) is other
    with pytest.raises(ConfigurationError, match="no parameter 'nothing'"):
        govern(plain, guard=guard, opaque=["nothing"])


# WRAP-6, WRAP-7


def test_WRAP_7_an_executed_call_has_one_outcome_that_names_its_decision(bench: Any) -> None:
    guard = bench.guard()

    def good() -> dict[str, int]:
        return {"a": 1}

    def bad() -> None:
        raise ValueError("no")

    govern(good, guard=guard)()
    with pytest.raises(ValueError, match="no"):
        govern(bad, guard=guard)()
    intents = bench.records("intent")
    outcomes = bench.records("outcome")
    assert len(intents) == len(outcomes) == 2
    assert [one["status"] for one in outcomes] == ["succeeded", "failed"]
    assert outcomes[1]["error"] == "builtins.ValueError"
    assert len(outcomes[0]["result"]) == 64
    assert all(one["duration_us"] >= 0 for one in outcomes)
    assert all(one["intent"].endswith(f":{n}") or one["intent"] for n, one in enumerate(outcomes))
    assert len({one["intent"] for one in outcomes}) == 2


# WRAP-10, WRAP-11, and the parameters (WRAP-8)


def test_WRAP_10_a_missing_policy_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.yaml"
    with pytest.raises(PolicyError, match=r"nowhere\.yaml"):
        govern(plain, policy=missing)
    with pytest.raises(PolicyError, match="parse_policies"):
        govern(plain, policy="apiVersion: wardline/v1\nname: x\n")


def test_WRAP_8_policy_or_guard_and_exactly_one(bench: Any) -> None:
    with pytest.raises(ConfigurationError, match="exactly one"):
        govern(plain)
    with pytest.raises(ConfigurationError, match="exactly one"):
        govern(plain, policy="p.yaml", guard=bench.guard())
    with pytest.raises(ConfigurationError, match="cannot be called"):
        govern(3, guard=bench.guard())  # type: ignore[type-var]


def test_functions_under_one_policy_share_a_guard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WARDLINE_HOME", str(tmp_path / "home"))
    file = tmp_path / "policy.yaml"
    file.write_text(
        "apiVersion: wardline/v1\nname: p\ndefault_action: allow\n"
        "limits: [{name: l, count: tool_calls, at_most: 2, per: session}]\n"
    )
    one = govern(plain, policy=file, name="one")
    other = govern(plain, policy=str(file), name="other")
    one(1)
    other(1)
    with pytest.raises(ActionDenied, match="limit `l`"):
        one(1)
    assert (tmp_path / "home" / "state.db").exists()
    assert list((tmp_path / "home" / "ledger").glob("*.jsonl"))
    from wardline.govern import _guards

    for key, guard in list(_guards.items()):
        if str(tmp_path) in str(key[1]):
            guard.close()
            del _guards[key]


def test_WRAP_11_INST_3_the_documented_first_call_is_clean(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(
        "apiVersion: wardline/v1\nname: p\ndefault_action: allow\n"
    )
    code = (
        "from wardline import govern\n"
        "def my_tool(x): return x + 1\n"
        "safe_tool = govern(my_tool, policy='policy.yaml')\n"
        "assert safe_tool(1) == 2\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


def test_INST_3_importing_wardline_imports_no_third_party() -> None:
    code = (
        "import sys; before = set(sys.modules); import wardline; "
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(sorted(new - sys.stdlib_module_names - {'wardline'}))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-I", "-c", code],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


TYPED = """
from collections.abc import AsyncIterator, Iterator
from typing import assert_type
from wardline import govern

def tool(x: int, y: str = "") -> str: return y * x
async def later(x: int) -> bytes: return b"" * x
def items(n: int) -> Iterator[int]: yield n
async def aitems(n: int) -> AsyncIterator[int]: yield n

safe = govern(tool, policy="p.yaml")
assert_type(safe(1, y="a"), str)
assert_type(govern(items, policy="p.yaml")(1), Iterator[int])
assert_type(govern(aitems, policy="p.yaml")(1), AsyncIterator[int])

async def main() -> None:
    assert_type(await govern(later, policy="p.yaml")(1), bytes)

@govern(policy="p.yaml", name="other")
def decorated(x: int) -> int: return x
assert_type(decorated(1), int)

class Tools:
    @govern(policy="p.yaml")
    def method(self, x: int) -> float: return x / 2
assert_type(Tools().method(1), float)
safe("wrong")  # type: ignore[arg-type]
"""


def test_WRAP_4_a_type_checker_sees_the_type_of_the_function(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is not installed")
    (tmp_path / "typed.py").write_text(TYPED)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "c"), "typed.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    ours = [line for line in done.stdout.splitlines() if line.startswith("typed.py")]
    assert ours == [], done.stdout


# What was judged is what runs


def test_the_tool_gets_the_guards_own_copy(bench: Any) -> None:
    got = []

    def tool(items: list[Any]) -> None:
        items.append("mine")
        got.append(items)

    mine = [1, [2]]
    govern(tool, guard=bench.guard())(mine)
    assert mine == [1, [2]]
    assert got[0] == [1, [2], "mine"]
    assert got[0] is not mine
    assert got[0][1] is not mine[1]


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_change_while_it_is_judged_changes_nothing(bench: Any, how: str) -> None:
    items = ["safe"]

    class Meddling:
        def ask(self, request: Any, stop: threading.Event) -> Any:
            from wardline import Reply

            items[0] = "evil"  # the caller's list, in the middle of the authorisation
            items.append("more")
            return Reply("os:alice", approved=True)

    guard = bench.guard(
        "rules: [{name: ask, action: require_approval, approvers: ['os:alice']}]\n",
        approver=Meddling(),
    )
    if how == "sync":
        assert govern(lambda x: list(x), guard=guard, name="tool")(items) == ["safe"]
    else:

        async def tool(x: list[str]) -> list[str]:
            return list(x)

        assert asyncio.run(govern(tool, guard=guard)(items)) == ["safe"]
    assert items == ["evil", "more"]


def test_another_thread_that_changes_a_list_changes_nothing_that_runs(bench: Any) -> None:
    """Every argument that runs is one that the policy saw."""
    guard = bench.guard(
        "tools: {tool: {args: {x: list(string)}}}\n"
        "rules: [{name: evil, tool: tool, condition: \"'evil' in args.x\", action: deny}]\n"
    )
    ran: list[list[str]] = []
    safe = govern(lambda x: ran.append(x), guard=guard, name="tool")
    items = ["safe"] * 20
    stop = threading.Event()

    def meddle() -> None:
        while not stop.is_set():
            items[10] = "evil"
            items[10] = "safe"

    thread = threading.Thread(target=meddle)
    thread.start()
    try:
        for _ in range(300):
            try:
                safe(items)
            except ActionDenied:
                pass
    finally:
        stop.set()
        thread.join()
    assert all("evil" not in x for x in ran)


# Results that come later


@pytest.mark.parametrize("how", ["coroutine", "generator", "async-generator", "future"])
def test_a_plain_function_may_return_what_is_still_to_come(bench: Any, how: str) -> None:
    def tool(n: int) -> Any:
        if how == "future":
            return asyncio.ensure_future(coroutine(n))
        return {"coroutine": coroutine, "generator": generator, "async-generator": agenerator}[how](
            n
        )

    safe = govern(tool, guard=bench.guard())

    async def call() -> Any:
        value = safe(3)
        assert not bench.records("outcome")
        if how == "generator":
            return list(value)
        if how == "async-generator":
            return [item async for item in value]
        return await value

    assert asyncio.run(call()) == (3 if how in {"coroutine", "future"} else [0, 1, 2])
    assert [one["status"] for one in bench.records("outcome")] == ["succeeded"]


@pytest.mark.parametrize("begun", [True, False])
def test_an_abandoned_generator_is_unknown(bench: Any, begun: bool) -> None:
    def tool() -> Iterator[int]:
        return generator(3)

    items = govern(tool, guard=bench.guard())()
    if begun:
        assert next(items) == 0
    items.close()  # type: ignore[attr-defined]
    outcomes = bench.records("outcome")
    assert [(one["status"], one["reason"]) for one in outcomes] == [("unknown", "abandoned")]


def test_a_generator_is_judged_before_its_first_item(bench: Any) -> None:
    safe = govern(generator, guard=bench.guard())
    items = safe(3)
    assert not bench.decisions()
    assert next(items) == 0  # type: ignore[call-overload]
    assert len(bench.decisions()) == 1
    items.close()  # type: ignore[attr-defined]
    assert [one["status"] for one in bench.records("outcome")] == ["unknown"]


def test_an_abandoned_async_generator_is_unknown_and_closed(bench: Any) -> None:
    closed = []

    async def tool() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    async def call() -> None:
        items = govern(tool, guard=bench.guard())()
        assert await anext(items) == 1
        await items.aclose()  # type: ignore[attr-defined]

    asyncio.run(call())
    assert closed == [True]
    assert [one["status"] for one in bench.records("outcome")] == ["unknown"]


def test_a_generator_that_raises_has_failed(bench: Any) -> None:
    def tool() -> Iterator[int]:
        yield 1
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        list(govern(tool, guard=bench.guard())())
    assert [one["status"] for one in bench.records("outcome")] == ["failed"]


def test_generators_keep_send_throw_and_return(bench: Any) -> None:
    def talk() -> Any:
        got = yield "first"
        try:
            yield got
        except KeyError:
            yield "caught"
        return "done"

    guard = bench.guard()

    def converse(items: Any) -> Any:
        assert next(items) == "first"
        assert items.send("hello") == "hello"
        assert items.throw(KeyError("x")) == "caught"
        with pytest.raises(StopIteration) as raised:
            next(items)
        assert raised.value.value == "done"

    converse(govern(talk, guard=guard)())

    def outer() -> Any:
        return talk()

    converse(govern(outer, guard=guard)())

    async def atalk() -> Any:
        got = yield "first"
        try:
            yield got
        except KeyError:
            yield "caught"

    async def aconverse() -> None:
        items = govern(atalk, guard=guard)()
        assert await anext(items) == "first"
        assert await items.asend("hello") == "hello"
        assert await items.athrow(KeyError("x")) == "caught"
        with pytest.raises(StopAsyncIteration):
            await anext(items)

    asyncio.run(aconverse())
    assert {one["status"] for one in bench.records("outcome")} == {"succeeded"}


AFTER = """
rules:
  - {name: secret, on: tool_call.after, action: deny,
     condition: "action.result.exists(x, x == 'secret')"}
"""


def test_rules_on_after_hold_a_stream_back_until_it_is_judged(bench: Any) -> None:
    from wardline import ContentWithheld

    guard = bench.guard(AFTER)
    out: list[Any] = []

    def tool(last: str) -> Iterator[str]:
        yield "one"
        yield last

    async def atool(last: str) -> AsyncIterator[str]:
        yield "one"
        yield last

    assert list(govern(tool, guard=guard)("two")) == ["one", "two"]
    with pytest.raises(ContentWithheld):
        for item in govern(tool, guard=guard)("secret"):
            out.append(item)

    async def call(last: str) -> None:
        async for item in govern(atool, guard=guard)(last):
            out.append(item)

    with pytest.raises(ContentWithheld):
        asyncio.run(call("secret"))
    assert out == []
    asyncio.run(call("two"))
    assert out == ["one", "two"]
    statuses = [one["status"] for one in bench.records("outcome")]
    assert statuses == ["succeeded", "withheld", "withheld", "succeeded"]


# DESIGN §5

AGT = """\
# policy.yaml
apiVersion: governance.toolkit/v1
name: production-policy
default_action: allow
rules:
- name: block-destructive
  condition: "action.type in ['drop', 'delete', 'truncate']"
  action: deny
- name: require-approval-for-send
  condition: "action.type == 'send_email'"
  action: require_approval
  approvers: ["security-team"]
"""


def test_the_toolkit_file_of_the_design(bench: Any) -> None:
    from wardline import ApprovalPending

    guard: Guard = bench.guard(AGT)
    ran = []

    def my_tool(action: str, table: str) -> str:
        ran.append((action, table))
        return "ok"

    safe_tool = govern(my_tool, guard=guard)
    assert safe_tool(action="read", table="users") == "ok"
    for call in (
        lambda: safe_tool(action="drop", table="users"),
        lambda: safe_tool("drop", "users"),
        lambda: safe_tool("DROP ", table="users"),
        lambda: safe_tool(table="users", action="ｄrop"),
    ):
        with pytest.raises(ActionDenied) as raised:
            call()
        assert raised.value.rule == "block-destructive"
        assert "block-destructive" in str(raised.value)
    assert ran == [("read", "users")]

    def drop(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("it ran")

    dropping = govern(drop, guard=guard)
    for args, kwargs in (((), {}), (("users",), {}), ((), {"action": "read"}), ((1,), {"x": 2})):
        with pytest.raises(ActionDenied) as raised:
            dropping(*args, **kwargs)
        assert raised.value.rule == "block-destructive"

    def send_email(to: str) -> None:
        raise AssertionError("it ran")

    with pytest.raises(ApprovalPending) as pending:
        govern(send_email, guard=guard)("a@b")
    assert pending.value.rule == "require-approval-for-send"
    assert guard.store.approval(pending.value.approval) is not None
