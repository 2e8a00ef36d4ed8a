"""No condition and no input may hold up a decision."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from wardline.cel import Scope, compile, parse  # noqa: A004
from wardline.cel.values import BudgetError
from wardline.errors import EvaluationError

_NEST = [[1, [2, [3, [4]]]]] * 20_000
HOSTILE: dict[str, Any] = {
    "l": list(range(100_000)), "s": "a" * 1_000_000, "t": "a" * 29_000, "n": "a" * 50 + "b" + "a" * 40,
    "u": "".join(chr(0x4E00 + i % 20_000) for i in range(200_000)), "texts": ["a" * 50] * 100_000,
    "x": _NEST, "y": [list(item) for item in _NEST], "d": [Decimal(1)] * 100_000, "k": "a" * 2000,
    "m": {str(i): i for i in range(50_000)}, "b": b"x" * 1_000_000, "p": "/a" * 200_000, "h": "x" * 2000 + "y",
    "paths": ["/a/b/../c"] * 100_000, "urls": ["http://[::ffff:1.2.3.4]/x"] * 100_000, "sh": "aaaa",
    "ts": "2026-01-02T03:04:05.678901234+02:00", "du": "1h" * 40 + "1.5s" * 10, "s64": "YWJj" * 250_000, "pc": "%s" * 20_000,
    "zones": ["Europe/Berlin", "Asia/Tokyo", "America/New_York", "x" * 100] * 25_000, "whens": [datetime(2026, 1, 1, tzinfo=UTC)] * 100_000,
    "ips": [f"10.{i % 250}.{i // 250 % 250}.1" for i in range(60_000)] + [f"2001:db8::{i:x}" for i in range(40_000)],
    "ab": "".join(random.Random(1).choice("ab") for _ in range(20_000)),
}  # fmt: skip
EXPENSIVE = [
    "args.l.all(i, args.ab.matches('a.*b.{14}c.*d') || true)", "args.l.all(i, args.ab.matches('a.{60}b.*c') || true)",
    "args.l.all(a, args.l.all(b, a == b || true))", "args.l.exists(a, a.x == 1 || a.y == 2)",
    "args.d.exists(a, a == 1)", "args.l.all(i, !('zz' in args.texts))", "args.l.all(i, args.x == args.y)",
    "args.l.all(i, args.t.contains(args.n) || true)", "args.l.all(i, args.s.contains(args.n) || true)",
    "args.l.all(i, args.k.contains('ab') || true)", "args.l.all(i, args.u.lowerAscii() != 'b')",
    "args.l.all(i, args.k.replace('a', 'bbbbbbbbbbbbbb') != 'b')", "args.l.all(i, args.sh.replace('a', args.s) != 'b')",
    "args.l.all(i, args.s.split('a') != ['b'])", "args.l.all(i, args.texts.join('') != 'b')",
    "args.l.all(i, args.t.lastIndexOf(args.n) < 5)", "args.l.all(i, args.h.matches('a(x+x+)+y') || true)",
    "args.l.all(i, args.h.matches('(x+x+)+y.*z|q') || true)", "args.l.all(i, args.s.matches('a.{20}b') || true)",
    "args.l.all(i, args.k.matches('(a?){1,12}b') || true)", "args.l.all(i, args.u.matches('b[^a]*c|c.*d') || true)",
    "args.l.all(i, args.sh.matches('a.*a.{12}b.*c') || true)", "args.l.all(i, path(args.p).under('/a'))",
    "args.paths.all(p, path(p).under('/a'))", "args.urls.all(p, !url(p).is_private)",
    "args.l.map(a, [a, a, a]).map(b, b + b + b).size() > 1", "args.l.all(i, args.m == args.m)",
    "[args.s]" + ".map(a, a + a)" * 30 + "[0].size() > 1", "[args.l]" + ".map(a, a + a)" * 30 + "[0].size() > 1",
    "args.l.all(i, args.b == args.b + b'x' || true)", "args.l.all(i, dyn(1) / 0 == 1 || true)",
    "args.l.all(i, {'a': i, 'b': [i, i, i]}.a == i && [1, 2, 3] == [1, 2, 3])",
    "args.l.all(i, '%s'.format([args.l]) != 'b')", "args.l.all(i, '%s'.format([args.m]) != 'b')", "args.l.all(i, '%.1000f'.format([double(i)]) != 'b')", "args.l.all(i, '%x'.format([args.s]) != 'b')",
    "args.l.all(i, '%e %f %d %s'.format([1e300, 1e300, 1e300, 1e300]) != 'b')", "args.l.all(i, args.s.format([]) != 'b')", "args.l.all(i, args.pc.format(args.l) != 'b')", "args.l.all(i, args.u.reverse() != 'b')",
    "args.l.all(i, strings.quote(args.u) != 'b')", "args.l.all(i, base64.encode(args.b) != 'b')", "args.l.all(i, base64.decode(args.s64) != b'b')", "args.l.all(i, string(double(i) * 1e20) != '')",
    "args.l.all(i, timestamp(args.ts) != now)", "args.l.all(i, duration(args.du) != duration('0'))", "args.l.all(i, timestamp(i).getHours('Europe/Berlin') >= 0)", "args.zones.all(z, now.getHours(z) >= 0 || true)",
    "args.l.all(i, now.getHours('Nowhere/' + string(i)) >= 0 || true)", "args.l.all(i, now - duration('1h') < now)", "args.l.all(i, args.whens.exists(w, w > now) || true)", "args.l.all(i, args.whens == args.whens)",
    "args.l.all(i, math.greatest(args.l) > -1)", "args.l.all(i, math.greatest(i, 1.0, 2u, 3) > -1)", "args.l.all(i, uint(i) + 1u > 0u)", "args.l.all(i, type(i) == int)",
    "args.l.all(i, {i: 1, 2u: 3, true: 4} != {})", "args.l.all(i, args.l.transformMap(j, v, j) == {})", "args.m.transformMapEntry(k, v, {k: v}).size() > 1", "args.l.all(i, j, i == j)",
    "args.l.all(i, args.?m.a.b.c.orValue(1) == 1)", "args.l.all(i, args.?l[?i].hasValue())", "args.l.all(i, optional.of(i).optMap(x, x + 1).orValue(1) > 0)", "args.l.all(i, [?optional.of(i), ?optional.none()] != [])",
    "args.l.all(i, cel.bind(x, i, x == x))", "args.ips.all(a, cidr('10.0.0.0/8').containsIP(a) || true)", "args.l.all(i, isIP('10.0.' + string(i % 250) + '.' + string(i / 250)))", "args.l.all(i, isCIDR('::' + string(i) + '/' + string(i)) || true)",
]  # fmt: skip


@pytest.mark.parametrize("text", EXPENSIVE)
def test_the_worst_that_loads_is_decided_in_time(make_env: Any, text: str) -> None:
    program = compile(parse(text), Scope(dict.fromkeys(HOSTILE, "dyn")))
    best = float("inf")
    for _ in range(3):
        env = make_env(**HOSTILE)
        started = time.process_time()
        with pytest.raises(BudgetError, match="more steps"):
            program.test(env)
        best = min(best, time.process_time() - started)
        assert env.budget < 0
    # 50 ms where nothing else runs; the bound leaves room for a busy machine.
    assert best < 0.25


def test_an_exhausted_budget_is_not_absorbed(make_env: Any) -> None:
    for text in (
        "args.l.all(i, true) && false",
        "args.l.all(i, true) || true",
        "[1].exists(x, args.l.all(i, true) || true)",
    ):
        program = compile(parse(text), Scope({"l": "dyn"}))
        with pytest.raises(EvaluationError, match="more steps"):
            program.test(make_env(l=list(range(1_000_000))))


def test_what_a_condition_costs_is_taken_on_entry(make_env: Any) -> None:
    program = compile(parse("action.type == 'drop' && false"), Scope())
    env = make_env()
    assert program.test(env) is False
    assert env.budget == 200_000 - program.cost
    env.budget = program.cost - 1
    with pytest.raises(EvaluationError, match="more steps"):
        program.test(env)


def test_ordinary_work_on_large_input_fits(make_env: Any) -> None:
    for text in (
        "args.s.contains('secret')", "args.s.startsWith('a') && args.s.endsWith('a') && size(args.s) > 5",
        "args.s.matches('password') || true", "args.half.matches('rm\\\\s+-[rf]+\\\\s+/') || true", "args.l.all(x, x >= 0)", "'zz' in args.texts || true",
    ):  # fmt: skip
        env = make_env(
            s="ab" * 100_000, half="a" * 64_000, l=list(range(20_000)), texts=["a"] * 50_000
        )
        scope = Scope({"s": "string", "half": "string", "l": "dyn", "texts": "dyn"})
        assert compile(parse(text), scope).test(env) in (True, False)
