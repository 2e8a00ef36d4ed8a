"""Runtime governance for AI agents: decide before an action runs, and keep proof.

`govern()` wraps any function; an adapter wires a framework to a `Guard`. Everything public is named
here or in the `__all__` of `wardline.adapters`, `wardline.cases`, `wardline.ledger`,
`wardline.policy` and `wardline.store`.
"""

from __future__ import annotations

from wardline.action import AFTER_KINDS, KINDS, Action, Principal
from wardline.canonical import private_copy
from wardline.clock import Clock
from wardline.consult import Consultant
from wardline.decide import decide
from wardline.decision import Decision
from wardline.errors import (
    ActionDenied,
    ActionRefused,
    AlreadyRan,
    AnswerRefused,
    ApprovalPending,
    CanonicalError,
    ConfigurationError,
    ContentWithheld,
    EngineError,
    EvaluationError,
    LedgerError,
    PolicyError,
    Problem,
    StoreError,
    WardlineError,
)
from wardline.explain import Explanation, Finding, explain
from wardline.facts import COUNTERS, Facts
from wardline.govern import govern
from wardline.guard.approvers import (
    Approver,
    CallbackApprover,
    ConsoleApprover,
    Reply,
    render_request,
)
from wardline.guard.guard import Guard, home_directory
from wardline.guard.permit import Permit
from wardline.guard.session import Run, Session, carry
from wardline.operator import Operator
from wardline.policy import PolicySet, lint, load_policies, parse_policies
from wardline.store import Approval, MemoryStore, Store
from wardline.verdict import Engine, Verdict

__all__ = [
    "AFTER_KINDS",
    "COUNTERS",
    "KINDS",
    "Action",
    "ActionDenied",
    "ActionRefused",
    "AlreadyRan",
    "AnswerRefused",
    "Approval",
    "ApprovalPending",
    "Approver",
    "CallbackApprover",
    "CanonicalError",
    "Clock",
    "ConfigurationError",
    "ConsoleApprover",
    "Consultant",
    "ContentWithheld",
    "Decision",
    "Engine",
    "EngineError",
    "EvaluationError",
    "Explanation",
    "Facts",
    "Finding",
    "Guard",
    "LedgerError",
    "MemoryStore",
    "Operator",
    "Permit",
    "PolicyError",
    "PolicySet",
    "Principal",
    "Problem",
    "Reply",
    "Run",
    "Session",
    "Store",
    "StoreError",
    "Verdict",
    "WardlineError",
    "carry",
    "decide",
    "explain",
    "govern",
    "home_directory",
    "lint",
    "load_policies",
    "parse_policies",
    "private_copy",
    "render_request",
]
