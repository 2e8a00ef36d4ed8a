"""Wardline for LlamaIndex.

::

    from wardline_llama_index import govern

    agent = govern(FunctionAgent(tools=tools, llm=llm), "policy.yaml")
"""

from __future__ import annotations

from wardline.adapters import require_proved

require_proved(
    "wardline-llama-index",
    {"llama-index-core": ((0, 14), (0, 14)), "llama-index-workflows": ((2, 26), (2, 26))},
)

from wardline_llama_index._coverage import coverage  # noqa: E402
from wardline_llama_index._governor import KINDS, govern  # noqa: E402
from wardline_llama_index._worker import GovernedAgentWorker  # noqa: E402

__all__ = ["KINDS", "GovernedAgentWorker", "coverage", "framework", "govern"]

framework = "llama-index-core"
"""The distribution whose version `wardline doctor` shows."""
