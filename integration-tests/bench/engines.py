"""The same rules in the languages of several engines, each ready to decide.

A contender is made of rules and gives a function from a request to whether it is allowed. What an
engine cannot say raises `CannotError` with the reason, and so does one that is not there.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from corpora import Request, Rule, Test

from wardline import Action, Facts, Principal, decide, parse_policies

__all__ = ["CONTENDERS", "SERVERS", "CannotError", "cel_text", "policy"]

Ready = Callable[[Request], Callable[[], bool]]
"""Takes a request and returns what is timed: how a caller would ask, with all that can be kept kept."""


class CannotError(Exception):
    """Why a contender has no number."""


# Wardline


def cel_text(rule: Rule) -> str:
    """Return the rule as a condition of ours, with `has` for arguments."""
    terms = []
    for test in rule:
        path = _path(test, {"type": "action.type", "tool": "action.name"}, "args.{}", "{}")
        if path.startswith("args."):
            terms.append(f"has({path})")
        terms.append(_cel_test(path, test))
    return " && ".join(terms)


def _path(test: Test, named: dict[str, str], argument: str, counter: str) -> str:
    if test.field in named:
        return named[test.field]
    return (counter if "." in test.field else argument).format(test.field)


def _cel_test(path: str, test: Test) -> str:
    if test.op in ("startsWith", "matches"):
        return f"{path}.{test.op}({json.dumps(test.value)})"
    value = list(test.value) if test.op == "in" else test.value
    return f"{path} {test.op} {json.dumps(value)}"


def policy(rules: Sequence[Rule]) -> str:
    """Return our document with these rules."""
    lines = ["apiVersion: wardline/v1", "name: bench", "default_action: allow", "rules:"]
    for i, rule in enumerate(rules):
        lines += [
            f"- name: rule-{i}",
            f"  condition: {json.dumps(cel_text(rule))}",
            "  action: deny",
        ]
    return "\n".join(lines) + "\n"


def _facts(request: Request) -> tuple[Action, Facts]:
    # The type of a tool is its name in normal form; a verb is how a caller says another type.
    args = {"action": request.type, **request.args}
    action = Action("tool_call", request.tool, args)
    return action, Facts(Principal("agent"), request.session, {}, 1)


def wardline(rules: Sequence[Rule]) -> Ready:
    """`decide`, as the guard calls it."""
    policies = parse_policies(policy(rules))

    def ready(request: Request) -> Callable[[], bool]:
        action, facts = _facts(request)
        return lambda: decide(policies, action, facts).effect == "allow"

    return ready


# Engines in Python's process


def agt(rules: Sequence[Rule]) -> Ready:
    """AGT's `PolicyEngine`, which its `govern` uses."""
    if any(test.op in ("startsWith", "matches") for rule in rules for test in rule):
        raise CannotError("knows no prefixes and no patterns")
    warnings.simplefilter("ignore")
    try:
        from agentmesh.governance import PolicyEngine
    except ImportError:
        raise CannotError("agent-governance-toolkit-core is not installed") from None
    named = {"type": "action.type", "tool": "action.tool"}
    lines = ["apiVersion: governance.toolkit/v1", "name: bench", "agents: ['*']"]
    lines += ["default_action: allow", "rules:"]
    for i, rule in enumerate(rules):
        terms = []
        for test in rule:
            path = _path(test, named, "args.{}", "{}")
            value = "[" + ", ".join(map(repr, test.value)) + "]" if test.op == "in" else repr(test.value)  # fmt: skip
            terms.append(f"{path} {test.op} {value}")
        condition = json.dumps(" and ".join(terms))
        lines += [f"- name: rule-{i}", f"  condition: {condition}", "  action: deny"]
    engine = PolicyEngine()
    engine.load_yaml("\n".join(lines) + "\n")

    def ready(request: Request) -> Callable[[], bool]:
        def ask() -> bool:
            context = {
                "action": {"type": request.type, "tool": request.tool},
                "args": request.args,
                "session": request.session,
            }
            return bool(engine.evaluate("agent", context).allowed)

        return ask

    return ready


def agent_os(rules: Sequence[Rule]) -> Ready:
    """`agent_os.policies`, AGT's other evaluator."""
    if any(len(rule) != 1 for rule in rules):
        raise CannotError("takes one test in each rule")
    warnings.simplefilter("ignore")
    try:
        from agent_os.policies import PolicyDocument, PolicyEvaluator
    except ImportError:
        raise CannotError("agent-governance-toolkit-core is not installed") from None
    words = {"==": "eq", "in": "in", ">": "gt", "<": "lt", ">=": "gte"}
    document = PolicyDocument.model_validate(
        {
            "name": "bench",
            "version": "1.0",
            "defaults": {"action": "allow"},
            "rules": [
                {
                    "name": f"rule-{i}",
                    "condition": {
                        "field": test.field,
                        "operator": words[test.op],
                        "value": test.value,
                    },
                    "action": "deny",
                }
                for i, (test,) in enumerate(rules)
            ],
        }
    )
    evaluator = PolicyEvaluator([document])

    def ready(request: Request) -> Callable[[], bool]:
        context = {"type": request.type, "tool": request.tool, **request.args}
        return lambda: bool(evaluator.evaluate(context).allowed)

    return ready


def cedar(rules: Sequence[Rule]) -> Ready:
    """Cedar by `cedarpy`, with policies and entities parsed once."""
    if any(test.op == "matches" for rule in rules for test in rule):
        raise CannotError("has no regular expressions")
    try:
        import cedarpy
    except ImportError:
        raise CannotError("cedarpy is not installed") from None

    def text(test: Test) -> str:
        path = "context." + test.field.replace(".", "_")
        if test.op == "in":
            return f"{json.dumps(list(test.value))}.contains({path})"
        if test.op == "startsWith":
            return f"{path} like {json.dumps(test.value + '*')}"
        return f"{path} {test.op} {json.dumps(test.value)}"

    forbidden = "\n".join(
        f"forbid(principal, action, resource) when {{ {' && '.join(map(text, rule))} }};"
        for rule in rules
    )
    policies = cedarpy.PolicySet.from_str(f"permit(principal, action, resource);\n{forbidden}")
    entities = cedarpy.Entities.from_json_str("[]")

    def ready(request: Request) -> Callable[[], bool]:
        context = {
            "type": request.type,
            "tool": request.tool,
            **request.args,
            **{f"session_{name}": count for name, count in request.session.items()},
        }
        asked = {
            "principal": 'User::"agent"',
            "action": 'Action::"call"',
            "resource": 'Tool::"tool"',
            "context": context,
        }
        return lambda: bool(cedarpy.is_authorized(asked, policies, entities).allowed)

    return ready


def _cel_compiled(texts: Sequence[str]) -> tuple[list[Any], Any]:
    try:
        from cel_expr_python import cel
    except ImportError:
        raise CannotError("cel-expr-python is not installed") from None
    variables = dict.fromkeys(("action", "args", "session"), cel.Type.DYN)
    env = cel.NewEnv(None, variables=variables)
    return [env.compile(text) for text in texts], env


def _cel_data(request: Request) -> dict[str, Any]:
    return {
        "action": {"type": request.type, "name": request.tool},
        "args": request.args,
        "session": request.session,
    }


def cel_loop(rules: Sequence[Rule]) -> Ready:
    """Google's CEL in C++, rule after rule."""
    compiled, env = _cel_compiled([cel_text(rule) for rule in rules])

    def ready(request: Request) -> Callable[[], bool]:
        data = _cel_data(request)
        return lambda env=env: not any(one.eval(data=data).value() for one in compiled)

    return ready


def cel_or(rules: Sequence[Rule]) -> Ready:
    """Google's CEL in C++, all rules in one expression, as far as it takes one."""
    try:
        (compiled,), env = _cel_compiled([" || ".join(f"({cel_text(rule)})" for rule in rules)])
    except RuntimeError as error:  # it takes 100,000 characters
        raise CannotError(str(error).splitlines()[0][:60]) from None

    def ready(request: Request) -> Callable[[], bool]:
        data = _cel_data(request)
        return lambda env=env: not compiled.eval(data=data).value()

    return ready


class _Sent:
    """What casbin's expressions read."""

    def __init__(self, request: Request) -> None:
        self.type = request.type
        self.tool = request.tool
        vars(self).update(request.args)
        vars(self).update({f"session_{name}": count for name, count in request.session.items()})


def casbin(rules: Sequence[Rule]) -> Ready:
    """Casbin with a rule as an expression in each policy line."""
    try:
        import casbin as engine
    except ImportError:
        raise CannotError("casbin is not installed") from None

    def text(test: Test) -> str:
        path = "r.sub." + test.field.replace(".", "_")
        if test.op == "in":
            return f"{path} in {test.value!r}"
        if test.op in ("startsWith", "matches"):
            return f"{test.op}({path}, {test.value!r})"
        return f"{path} {test.op} {test.value!r}"

    model = engine.Model()
    model.load_model_from_text(
        "[request_definition]\nr = sub\n[policy_definition]\np = rule, eft\n"
        "[policy_effect]\ne = !some(where (p.eft == deny))\n[matchers]\nm = eval(p.rule)\n"
    )
    enforcer = engine.Enforcer(model)
    enforcer.add_function("startsWith", lambda value, part: value.startswith(part))
    enforcer.add_function("matches", lambda value, pattern: bool(re.search(pattern, value)))
    enforcer.add_policies([[" && ".join(map(text, rule)), "deny"] for rule in rules])

    def ready(request: Request) -> Callable[[], bool]:
        sent = _Sent(request)
        return lambda: bool(enforcer.enforce(sent))

    return ready


# Engines beside it


SERVERS = ExitStack()
"""Ends the servers that contenders started; enter it around their use."""


class _Opa:
    """A long-lived server on loopback."""

    def __init__(self, program: str, rego: str) -> None:
        file = Path(SERVERS.enter_context(tempfile.TemporaryDirectory())) / "bench.rego"
        file.write_text(rego)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        address = f"127.0.0.1:{port}"
        options = ["--server", "--addr", address, "--log-level", "error", "--skip-version-check"]
        server = SERVERS.enter_context(
            subprocess.Popen([program, "run", *options, str(file)], stderr=subprocess.DEVNULL)
        )
        SERVERS.callback(server.terminate)
        self._connection = http.client.HTTPConnection(address)
        SERVERS.callback(self._connection.close)
        for _ in range(200):
            try:
                self._connection.connect()
                return
            except OSError:
                if server.poll() is not None:
                    break
                time.sleep(0.05)
        raise CannotError("OPA did not start")

    def ask(self, body: str) -> bool:
        self._connection.request(
            "POST", "/v1/data/bench/denied", body, {"Content-Type": "application/json"}
        )
        return not json.loads(self._connection.getresponse().read()).get("result", False)


def opa(rules: Sequence[Rule]) -> Ready:
    """OPA as a server on loopback, one kept connection."""
    program = os.environ.get("WARDLINE_OPA") or shutil.which("opa")
    if program is None:
        raise CannotError("WARDLINE_OPA names no OPA, and there is none on PATH")

    def text(test: Test) -> str:
        path = f"input.{test.field}"
        if test.op == "in":
            return f"{path} in {json.dumps(list(test.value))}"
        if test.op == "startsWith":
            return f"startswith({path}, {json.dumps(test.value)})"
        if test.op == "matches":
            return f"regex.match({json.dumps(test.value)}, {path})"
        return f"{path} {test.op} {json.dumps(test.value)}"

    rego = "package bench\nimport rego.v1\n" + "\n".join(
        f"denied if {{ {'; '.join(map(text, rule))} }}" for rule in rules
    )
    server = _Opa(program, rego)

    def ready(request: Request) -> Callable[[], bool]:
        sent = {
            "type": request.type, "tool": request.tool, **request.args, "session": request.session,
        }  # fmt: skip
        return lambda: server.ask(json.dumps({"input": sent}))

    return ready


CONTENDERS: dict[str, tuple[Callable[[Sequence[Rule]], Ready], int]] = {
    "Wardline decide": (wardline, 10_000),
    "AGT PolicyEngine": (agt, 10_000),
    "AGT agent_os PolicyEvaluator": (agent_os, 10_000),
    "cedarpy, parsed once": (cedar, 10_000),
    "cel-expr-python, rule by rule": (cel_loop, 10_000),
    "cel-expr-python, one expression": (cel_or, 10_000),
    "casbin": (casbin, 100),
    "OPA server on loopback": (opa, 1_000),
}
"""Each with the most rules that one waits for."""
