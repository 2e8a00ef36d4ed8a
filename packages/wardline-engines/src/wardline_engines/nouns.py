"""What an action is done to, as other engines want it named."""

from __future__ import annotations

from typing import Final

__all__ = ["NOUNS"]

NOUNS: Final[dict[str, str]] = {
    "tool_call": "Tool",
    "message": "Peer",
    "delegation": "Peer",
    "memory_read": "Memory",
    "memory_write": "Memory",
    "retrieval": "Retriever",
}
"""The kinds of action that other engines are asked about, and the type of what each is done to."""
