"""Wardline for LangChain.

::

    from wardline_langchain import WardlineMiddleware

    agent = create_agent(model, tools, middleware=[WardlineMiddleware("policy.yaml")])
"""

from __future__ import annotations

from wardline.adapters import require_proved

require_proved(
    "wardline-langchain",
    {
        "langchain": ((1, 4), (1, 5)),
        "langchain-core": ((1, 7), (1, 8)),
        "langgraph": ((1, 2), (1, 2)),
    },
)

from wardline_langchain._coverage import coverage  # noqa: E402
from wardline_langchain._middleware import (  # noqa: E402
    KINDS,
    WardlineMiddleware,
    govern_middleware,
)
from wardline_langchain._recorder import RecordOnlyHandler  # noqa: E402

__all__ = [
    "KINDS",
    "RecordOnlyHandler",
    "WardlineMiddleware",
    "coverage",
    "framework",
    "govern_middleware",
]

framework = "langchain"
"""The distribution whose version `wardline doctor` shows."""
