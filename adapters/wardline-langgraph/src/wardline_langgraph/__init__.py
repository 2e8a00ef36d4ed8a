"""Wardline for LangGraph.

::

    from wardline_langgraph import GovernedToolNode

    graph.add_node("tools", GovernedToolNode(tools, "policy.yaml"))
"""

from __future__ import annotations

from wardline.adapters import require_proved

require_proved(
    "wardline-langgraph",
    {
        "langgraph": ((1, 2), (1, 2)),
        "langgraph-prebuilt": ((1, 1), (1, 1)),
        "langchain-core": ((1, 7), (1, 8)),
    },
)

from wardline_langgraph._coverage import coverage  # noqa: E402
from wardline_langgraph._governor import KINDS  # noqa: E402
from wardline_langgraph._model import GovernedModel  # noqa: E402
from wardline_langgraph._node import GovernedToolNode  # noqa: E402
from wardline_langgraph._retriever import GovernedRetriever  # noqa: E402
from wardline_langgraph._store import GovernedMemory  # noqa: E402

__all__ = [
    "KINDS",
    "GovernedMemory",
    "GovernedModel",
    "GovernedRetriever",
    "GovernedToolNode",
    "coverage",
    "framework",
]

framework = "langgraph"
"""The distribution whose version `wardline doctor` shows."""
