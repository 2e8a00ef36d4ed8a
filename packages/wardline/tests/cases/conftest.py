"""A policy with cases beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wardline.cases import CaseResult, find_suites, run_cases

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

POLICY = """\
apiVersion: wardline/v1
name: shop
default_action: deny
approvers: [lead]
tools:
  sql_query: { effects: [read, write], args: { query: string } }
  send_email: { effects: [network, write], args: { to: string, body: string } }
limits:
  - { name: calls, count: tool_calls, at_most: 20, per: run }
  - { name: spoken, count: tokens, at_most: 100, per: run, estimate: 10 }
  - { name: slow, count: seconds, at_most: 60, per: session }
  - { name: mails, count: calls, tool: send_email, at_most: 2, per: agent, on_exceed: require_approval }
rules:
  - name: no-drop
    tool: sql_query
    condition: "args.query.matches('(?i)drop')"
    action: deny
    reason: destructive statements need a migration
  - name: read
    tool: sql_query
    action: allow
  - name: mail
    tool: send_email
    action: require_approval
    approvers: [security, lead]
    quorum: 2
    expires_in: 15m
    separation_of_duties: true
  - name: mask
    tool: send_email
    action: redact
    paths: [args.body]
  - name: hide
    on: tool_call.after
    tool: sql_query
    condition: "string(action.result.n) == '7'"
    action: transform
    set: { result.n: "0" }
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with the policy, and room for its cases."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "cases").mkdir()
    return tmp_path


@pytest.fixture
def judge(shop: Path) -> Callable[[str], list[CaseResult]]:
    """Write a file of cases and judge it."""

    def judged(text: str) -> list[CaseResult]:
        (shop / "cases" / "some.yaml").write_text(text)
        (suite,) = find_suites([shop])
        return list(run_cases(suite.policies(), suite.cases))

    return judged
