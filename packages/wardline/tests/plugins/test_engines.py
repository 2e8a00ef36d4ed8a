"""Documents whose effect another policy engine gives, and how the guard asks it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from wardline import COUNTERS, ActionDenied, ActionRefused, Guard, MemoryStore, Verdict, govern
from wardline.action import Action, Principal
from wardline.decide import decide
from wardline.errors import ConfigurationError, PolicyError
from wardline.facts import Facts
from wardline.policy import load_policies, parse_policies

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Install = Callable[..., None]

ENGINE = """
import time
from wardline import EngineError, Verdict
KEYS = {"rules": "the policy, or a file with it", "file": "a file", "say": "what it answers"}
asked = []
started = []
closed = []

class _Engine:
    def __init__(self, say):
        self.say = say

    def start(self):
        started.append(self)
        if self.say == "never starts":
            raise EngineError("nobody answers")

    def judge(self, request, deadline):
        asked.append(request)
        say = self.say
        if say == "read":
            say = "deny" if request["action"]["args"].get("path", "").startswith("/etc") else "allow"
        if say == "slow":
            time.sleep(0.5)
        if say == "crash":
            raise RuntimeError("out of order")
        if say == "unable":
            raise EngineError("nobody is there")
        if say == "nonsense":
            return True
        if say == "odd":
            return Verdict("perhaps")
        return Verdict(say if say != "slow" else "allow", "by rule 7")

    def close(self):
        closed.append(self)

def open(settings, read):
    if settings.get("rules") == "broken":
        raise EngineError("line 1: no such word", "rules")
    if "file" in settings:
        read(settings["file"])
    return _Engine(settings.get("say", "read"))
"""
NATIVE = "apiVersion: wardline/v1\nname: own\ndefault_action: allow\n"
OTHER = "apiVersion: wardline/v1\nname: other\nengine: mine\n"


@pytest.fixture(autouse=True)
def brought(install: Install) -> None:
    install("wardline.engines", "mine", ENGINE)


def engine() -> Any:
    import brought_mine  # type: ignore[import-not-found]

    return brought_mine


def documents(folder: Path, *texts: str) -> Path:
    for number, text in enumerate(texts):
        (folder / f"{number}.yaml").write_text(text)
    return folder


@pytest.fixture
def guarded(tmp_path: Path) -> Any:
    guards: list[Guard] = []

    def make(*texts: str, **options: Any) -> Any:
        policies = tmp_path / "policies"
        policies.mkdir()
        guard = Guard(
            documents(policies, *texts), home=tmp_path / "home", store=MemoryStore(), **options
        )
        guards.append(guard)

        def read(path: str = "") -> str:
            return "content"

        tool = govern(read, guard=guard)
        tool.ledger = tmp_path / "home" / "ledger"  # type: ignore[attr-defined]
        return tool

    yield make
    for guard in guards:
        guard.close()


def records(tool: Any) -> list[dict[str, Any]]:
    lines = [line for path in tool.ledger.glob("*.jsonl") for line in path.read_text().splitlines()]
    found = [json.loads(line) for line in lines]
    return [record for record in found if record.get("type") in ("intent", "refusal")]


def refused(tool: Any, *args: Any) -> ActionRefused:
    with pytest.raises(ActionRefused) as caught:
        tool(*args)
    return caught.value


def test_the_strictest_document_counts(guarded: Any) -> None:
    tool = guarded(NATIVE, OTHER)
    assert tool("/srv/x") == "content"
    refusal = refused(tool, "/etc/passwd")
    assert refusal.rule == "builtin:engine"
    assert refusal.decision is not None
    assert refusal.decision.document == "other"
    assert refusal.decision.reason == "mine: by rule 7"
    assert refusal.decision.line == 3
    kept = records(tool)
    assert kept[0]["facts"]["verdicts"] == {"other": ["allow", "by rule 7"]}
    assert kept[1]["facts"]["verdicts"] == {"other": ["deny", "by rule 7"]}


def test_an_engine_alone_decides(guarded: Any) -> None:
    tool = guarded(OTHER)
    assert tool("/srv/x") == "content"
    assert refused(tool, "/etc/x").rule == "builtin:engine"


def test_what_it_is_asked(guarded: Any) -> None:
    guarded(NATIVE, OTHER)("/srv/x")
    (request,) = engine().asked
    assert request["action"] == {
        "kind": "tool_call", "stage": "before", "type": "read", "name": "read", "verb": "",
        "framework": "", "call_id": request["action"]["call_id"], "args": {"path": "/srv/x"},
    }  # fmt: skip
    assert request["principal"]["id"] == "agent"
    assert request["tool"]["effects"] == ["unknown", "write", "network", "destructive"]
    assert request["now"].endswith("Z")
    json.dumps(request)


def test_it_is_told_every_counter(guarded: Any) -> None:
    tool = guarded(NATIVE, OTHER)
    tool("/srv/x")
    tool("/srv/y")
    before, after = engine().asked
    for place in ("session", "run"):
        assert before[place]["tool_calls"] == 0
        assert after[place]["tool_calls"] == 1
        assert set(COUNTERS) <= set(after[place])


def test_it_is_not_asked_where_a_document_of_ours_denies(guarded: Any) -> None:
    tool = guarded(NATIVE.replace("allow", "deny"), OTHER)
    assert refused(tool, "/srv/x").rule == "builtin:default"
    assert engine().asked == []


def test_ENG_4_it_is_asked_even_where_a_rule_allows(guarded: Any) -> None:
    rules = "rules:\n- {name: yes, action: allow}\n"
    assert refused(guarded(NATIVE + rules, OTHER), "/etc/x").rule == "builtin:engine"


@pytest.mark.parametrize(
    ("say", "reason"),
    [
        ("crash", "it failed (RuntimeError: out of order)"),
        ("unable", "it could not answer: nobody is there"),
        ("slow", "it did not answer within 50 ms"),
        ("nonsense", "it gave no verdict but bool"),
        ("odd", "it gave no verdict but Verdict"),
    ],
)
@pytest.mark.parametrize("mode", ["strict", "audit"])
def test_ENG_4_what_is_no_answer_denies_in_every_mode(
    guarded: Any, say: str, reason: str, mode: str
) -> None:
    tool = guarded(NATIVE, f"{OTHER}mode: {mode}\nwith: {{say: {say}}}\n")
    refusal = refused(tool)
    assert refusal.rule == "builtin:engine"
    assert reason in str(refusal.decision and refusal.decision.reason)


def test_in_audit_its_verdict_is_recorded_and_binds_nothing(guarded: Any) -> None:
    tool = guarded(NATIVE, f"{OTHER}mode: audit\nwith: {{say: deny}}\n")
    assert tool() == "content"
    assert records(tool)[0]["advice"] == [["other/builtin:engine", "deny"]]


def test_it_may_ask_for_approval_where_somebody_is_named(guarded: Any) -> None:
    from wardline import CallbackApprover, Reply

    seen: list[Any] = []

    def answer(approval: Any) -> Reply:
        seen.append(approval)
        return Reply("os:alice", approved=True)

    tool = guarded(
        NATIVE,
        f"{OTHER}approvers: ['os:alice']\nwith: {{say: require_approval}}\n",
        approver=CallbackApprover(answer),
    )
    assert tool() == "content"
    assert len(seen) == 1


def test_a_question_that_nobody_can_answer_is_a_denial(guarded: Any) -> None:
    tool = guarded(NATIVE, f"{OTHER}with: {{say: require_approval}}\n")
    with pytest.raises(ActionDenied) as caught:
        tool()
    assert "nobody is named" in str(caught.value.decision and caught.value.decision.reason)


def test_it_judges_what_came_in_and_what_would_run(guarded: Any) -> None:
    rules = "rules:\n- {name: move, action: transform, set: {args.path: \"'/etc/x'\"}}\n"
    assert refused(guarded(NATIVE + rules, OTHER), "/srv/x").rule == "builtin:engine"
    # At once, so in any order.
    assert {one["action"]["args"]["path"] for one in engine().asked} == {"/srv/x", "/etc/x"}


def test_it_is_for_those_its_document_applies_to(guarded: Any) -> None:
    tool = guarded(NATIVE, f"{OTHER}applies_to: {{agents: [somebody]}}\nwith: {{say: deny}}\n")
    assert tool() == "content"
    assert engine().asked == []


def test_screening_asks_it_too(tmp_path: Path) -> None:
    policies = load_policies(documents(tmp_path, NATIVE, OTHER))
    with Guard(policies, home=tmp_path / "home", store=MemoryStore()) as guard:
        guard.register("tool_call", "read")
        with guard.session():
            answers = guard.screen(
                [Action("tool_call", "read", {"path": path}) for path in ("/srv/x", "/etc/x")]
            )
    assert answers[0] is None
    assert answers[1] is not None
    assert answers[1].rule == "builtin:engine"


def test_without_being_asked_it_denies() -> None:
    policies = parse_policies(OTHER)
    decision = decide(policies, Action("tool_call", "t", {}), Facts(Principal("a"), {}, {}, 0))
    assert (decision.effect, decision.rule) == ("deny", "builtin:engine")
    assert "it was not asked" in decision.reason


def test_given_verdicts_make_the_decision_again() -> None:
    policies = parse_policies(OTHER)
    facts = Facts(Principal("a"), {}, {}, 0, verdicts={"other": Verdict("allow")})
    assert decide(policies, Action("tool_call", "t", {}), facts).effect == "allow"


def test_the_guard_closes_what_it_opened(tmp_path: Path) -> None:
    guard = Guard(documents(tmp_path, OTHER), home=tmp_path / "home", store=MemoryStore())
    guard.close()
    assert len(engine().closed) == 1


def test_the_guard_starts_what_it_opens(tmp_path: Path) -> None:
    policies = load_policies(documents(tmp_path, OTHER))
    assert engine().started == []
    with Guard(policies, home=tmp_path / "home", store=MemoryStore()):
        assert len(engine().started) == 1


def test_an_engine_that_cannot_start_keeps_the_guard_from_starting(tmp_path: Path) -> None:
    folder = documents(tmp_path, f"{OTHER}with: {{say: never starts}}\n")
    with pytest.raises(ConfigurationError, match="engine of `other` cannot start: nobody answers"):
        Guard(folder, home=tmp_path / "home", store=MemoryStore())
    assert len(engine().closed) == 1
    assert not (tmp_path / "home").exists()


def test_files_are_part_of_the_digest_and_stay_inside_the_root(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "outside").write_text("x")
    (tmp_path / "in" / "rules").write_text("one")
    policy = tmp_path / "in" / "p.yaml"
    policy.write_text(OTHER + "with: {file: rules}\n")
    first = load_policies(policy).digest
    (tmp_path / "in" / "rules").write_text("two")
    assert load_policies(policy).digest != first
    policy.write_text(OTHER + "with: {file: ../outside}\n")
    with pytest.raises(PolicyError, match="lies outside of the policy root"):
        load_policies(policy)
    policy.write_text(OTHER + "with: {file: gone}\n")
    with pytest.raises(PolicyError, match="`gone` cannot be read") as caught:
        load_policies(policy)
    assert caught.value.problems[0].line == 3


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("engine: mien\n", 3, "there is no engine `mien`"),
        ("engine: mine\nrules: []\n", 4, "has no key `rules`"),
        ("engine: mine\nwith: {rulez: x}\n", 4, "this engine has no setting `rulez`"),
        ("engine: mine\nwith: {rules: broken}\n", 4, "mine: line 1: no such word"),
        ("engine: mine\nwith: 5\n", 4, "`with` is a map"),
        ("engine: mine\ndeadline: 50\n", 4, "`deadline` is a string"),
        ("engine: mine\ndeadline: 1h\n", 4, "`1h` is no deadline"),
        ("engine: mine\ndeadline: 9s\n", 4, "`9s` is no deadline"),
        ("engine: mine\nmode: permissive\n", 4, "`permissive` is no value for `mode`"),
        ("engine: 5\n", 3, "`engine` is a string"),
        ("engine: mine\nwith: {file: x}\n", 3, "pass `root=`"),
    ],
)
def test_mistakes_are_load_errors(text: str, line: int, message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policies(f"apiVersion: wardline/v1\nname: other\n{text}")
    (problem,) = caught.value.problems
    assert message in problem.message
    assert problem.line == line
