"""Transactional state: limits, approvals, switches and the states of calls.

`Store` says what a store does; `MemoryStore` keeps its state in one process, `SQLiteStore` (in
`wardline.store.sqlite`, which is the only module to import sqlite3) in a file that processes share.
"""

from __future__ import annotations

from wardline.store.approvals import Answer, Approval, ApprovalStatus, Requirement
from wardline.store.memory import MemoryStore
from wardline.store.protocol import Store
from wardline.store.types import (
    CallState,
    CallStatus,
    Charge,
    Reservation,
    Switch,
    SwitchChange,
    SwitchScope,
    SwitchState,
)

__all__ = [
    "Answer",
    "Approval",
    "ApprovalStatus",
    "CallState",
    "CallStatus",
    "Charge",
    "MemoryStore",
    "Requirement",
    "Reservation",
    "Store",
    "Switch",
    "SwitchChange",
    "SwitchScope",
    "SwitchState",
]
