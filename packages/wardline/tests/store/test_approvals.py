from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from wardline.errors import AnswerRefused, StoreError
from wardline.store import Answer, Approval, Requirement, Store

NOW = 1_800_000_000_000_000
EXPIRES = NOW + 900_000_000


def approval(name: str = "a1", **more: object) -> Approval:
    fields: dict[str, object] = {
        "id": name,
        "key": "s1:c1",
        "fingerprint": "f1",
        "policy": "p1",
        "kind": "tool_call",
        "name": "send_email",
        "principal": "agent-1",
        "chain": ("root-agent", "os:owner"),
        "session": "s1",
        "run": "r1",
        "call_id": "c1",
        "arguments": b'{"to":"\xc3\xa4@example.org"}',
        "requirements": (Requirement("doc", "ask", ("os:alice", "os:bob"), reason="mail"),),
        "created": NOW,
        "expires": EXPIRES,
        "reason": "sending needs a person",
    }
    return Approval(**(fields | more))  # type: ignore[arg-type]


def yes(by: str = "os:alice", now: int = NOW) -> Answer:
    return Answer(by, "console", True, now)


def test_what_is_stored_comes_back_as_it_was(store: Store) -> None:
    asked = approval(note="\ud800 is no text, and is kept all the same")
    assert store.request_approval(asked) == asked
    assert store.approval("a1") == asked
    assert store.approval("a2") is None


def test_the_live_request_of_the_same_call_and_policy_is_found_again(store: Store) -> None:
    first = store.request_approval(approval())
    assert store.request_approval(approval("a2")) == first
    store.answer("a1", yes(), NOW)
    assert store.request_approval(approval("a2")).status == "approved"
    assert store.request_approval(approval("a3", policy="p2")).id == "a3"
    assert store.request_approval(approval("a4", fingerprint="f2")).id == "a4"
    late = store.request_approval(approval("a5", created=EXPIRES, expires=EXPIRES + 9))
    assert late.id == "a5"
    assert [a.id for a in store.approvals("expired")] == ["a1"]


def test_an_id_is_used_once(store: Store) -> None:
    store.request_approval(approval())
    with pytest.raises(StoreError, match="a1"):
        store.request_approval(approval(fingerprint="f2"))


def test_APPR_2_an_approval_is_used_once(store: Store) -> None:
    store.request_approval(approval())
    assert not store.consume_approval("a1", "f1", "p1", NOW)
    assert store.answer("a1", yes(), NOW + 1).status == "approved"
    assert store.consume_approval("a1", "f1", "p1", NOW + 2)
    assert not store.consume_approval("a1", "f1", "p1", NOW + 3)
    assert not store.consume_approval("nothing", "f1", "p1", NOW)


def test_APPR_2_one_of_64_threads_uses_an_approval(store: Store) -> None:
    store.request_approval(approval())
    store.answer("a1", yes(), NOW)
    with ThreadPoolExecutor(64) as pool:
        used = pool.map(lambda _: store.consume_approval("a1", "f1", "p1", NOW), range(64))
    assert sum(used) == 1


def test_APPR_1_APPR_7_other_arguments_or_another_policy_are_not_approved(store: Store) -> None:
    store.request_approval(approval())
    store.answer("a1", yes(), NOW)
    assert not store.consume_approval("a1", "f2", "p1", NOW)
    assert not store.consume_approval("a1", "f1", "p2", NOW)
    assert store.consume_approval("a1", "f1", "p1", NOW)


def test_APPR_4_silence_is_a_denial(store: Store) -> None:
    store.request_approval(approval())
    with pytest.raises(AnswerRefused, match="expired"):
        store.answer("a1", yes(), EXPIRES)
    kept = store.approval("a1")
    assert kept is not None
    assert (kept.status, kept.closed) == ("expired", EXPIRES)
    assert not store.consume_approval("a1", "f1", "p1", NOW)


def test_APPR_4_an_approval_runs_out_even_after_it_was_given(store: Store) -> None:
    store.request_approval(approval())
    store.answer("a1", yes(), NOW)
    assert not store.consume_approval("a1", "f1", "p1", EXPIRES)
    assert store.expire_approvals(EXPIRES - 1) == 0
    assert store.expire_approvals(EXPIRES) == 1
    assert store.expire_approvals(EXPIRES) == 0
    assert [a.status for a in store.approvals()] == ["expired"]
    assert not store.consume_approval("a1", "f1", "p1", NOW)


@pytest.mark.parametrize("by", ["os:mallory", "agent-1", "root-agent", "os:owner", "", "OS:ALICE"])
def test_APPR_5_others_than_the_approvers_are_refused(store: Store, by: str) -> None:
    everyone = Requirement("doc", "ask", ("os:alice", "agent-1", "root-agent", "os:owner"))
    store.request_approval(approval(requirements=(everyone,)))
    for approved in (True, False):
        with pytest.raises(AnswerRefused):
            store.answer("a1", Answer(by, "console", approved, NOW), NOW)
    kept = store.approval("a1")
    assert kept is not None
    assert (kept.status, kept.answers) == ("pending", ())


def test_an_answer_to_nothing_is_refused(store: Store) -> None:
    with pytest.raises(AnswerRefused, match="no approval"):
        store.answer("a9", yes(), NOW)


def test_one_denial_denies(store: Store) -> None:
    store.request_approval(approval())
    denied = store.answer("a1", Answer("os:bob", "console", False, NOW, "not to them"), NOW)
    assert (denied.status, denied.note) == ("denied", "not to them")
    with pytest.raises(AnswerRefused, match="denied"):
        store.answer("a1", yes(), NOW)
    assert not store.consume_approval("a1", "f1", "p1", NOW)
    assert store.request_approval(approval("a2")).id == "a2"


def test_a_quorum_takes_distinct_people(store: Store) -> None:
    both = Requirement("doc", "ask", ("os:alice", "os:bob"), quorum=2)
    store.request_approval(approval(requirements=(both,)))
    assert store.answer("a1", yes(), NOW).status == "pending"
    with pytest.raises(AnswerRefused, match="already"):
        store.answer("a1", yes(), NOW)
    assert store.answer("a1", yes("os:bob"), NOW).status == "approved"


def test_APPR_8_two_requests_are_answered_in_any_order(store: Store) -> None:
    store.request_approval(approval("a1"))
    store.request_approval(approval("a2", key="s1:c2", fingerprint="f2", created=NOW + 1))
    assert [a.id for a in store.approvals("pending")] == ["a1", "a2"]
    store.answer("a2", yes(), NOW)
    assert store.consume_approval("a2", "f2", "p1", NOW)
    store.answer("a1", yes(), NOW)
    assert store.consume_approval("a1", "f1", "p1", NOW)


def test_the_outcome_of_an_approved_action_is_kept(store: Store) -> None:
    store.request_approval(approval())
    assert not store.finish_approval("a1", "succeeded", NOW)
    store.answer("a1", yes(), NOW)
    store.consume_approval("a1", "f1", "p1", NOW)
    assert not store.finish_approval("a1", "pending", NOW)
    assert store.finish_approval("a1", "unknown", NOW + 1)
    assert store.finish_approval("a1", "succeeded", NOW + 2)
    assert not store.finish_approval("a1", "failed", NOW + 3)
    assert not store.finish_approval("none", "failed", NOW)


def test_a_live_approval_can_be_cancelled(store: Store) -> None:
    store.request_approval(approval())
    store.answer("a1", yes(), NOW)
    assert store.cancel_approval("a1", "os:alice", "wrong address", NOW)
    assert not store.cancel_approval("a1", "os:alice", "again", NOW)
    assert not store.consume_approval("a1", "f1", "p1", NOW)
    kept = store.approval("a1")
    assert kept is not None
    assert kept.note == "cancelled by os:alice: wrong address"


def test_pruning_keeps_what_still_waits(store: Store) -> None:
    store.request_approval(approval("a1"))
    store.request_approval(approval("a2", fingerprint="f2"))
    store.answer("a2", replace(yes(), approved=False), NOW)
    assert store.prune(NOW) == 0
    assert store.prune(NOW + 1) == 1
    assert [a.id for a in store.approvals()] == ["a1"]
