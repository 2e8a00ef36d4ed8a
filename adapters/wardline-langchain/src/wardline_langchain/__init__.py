"""Wardline for LangChain.

::

    from wardline_langchain import WardlineMiddleware

    agent = create_agent(model, tools, middleware=[WardlineMiddleware("policy.yaml")])
"""

from __future__ import annotations

from wardline_langchain._versions import require_proved_versions

require_proved_versions()

from wardline_langchain._middleware import WardlineMiddleware, govern_middleware  # noqa: E402

__all__ = ["WardlineMiddleware", "framework", "govern_middleware"]

framework = "langchain"
"""The distribution whose version `wardline doctor` shows."""
