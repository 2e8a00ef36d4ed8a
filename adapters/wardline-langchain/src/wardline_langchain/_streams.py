"""Keeps what has not been judged yet out of every stream that a consumer can read."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.runnables.config import set_config_context
from langgraph.config import get_config

from wardline.adapters import now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from langchain_core.runnables import RunnableConfig

    from wardline.adapters import Way

__all__ = ["muted", "quietly"]


def _muted_callbacks(callbacks: Any) -> Any:
    """Return the callbacks of a run without those that feed a stream.

    They are told by `tap_output_aiter`, which is what makes LangChain stream for their sake.
    """
    if isinstance(callbacks, BaseCallbackManager):
        quiet = callbacks.copy()
        quiet.handlers = _muted_callbacks(callbacks.handlers)
        quiet.inheritable_handlers = _muted_callbacks(callbacks.inheritable_handlers)
        return quiet
    return [one for one in callbacks or () if not hasattr(one, "tap_output_aiter")]


def _muted_config() -> RunnableConfig:
    config = get_config()
    return {
        **config,
        "callbacks": _muted_callbacks(config.get("callbacks")),
        "tags": [*(config.get("tags") or ()), "nostream"],
    }


async def quietly(way: Way, handler: Callable[[Any], Any], request: Any) -> Any:
    """Call the model with nothing listening to its tokens or its answer."""
    with set_config_context(_muted_config()) as context:
        call = way.run(handler, request)
        if not way.loop:
            return context.run(now, call)
        return await asyncio.get_running_loop().create_task(call, context=context)


@contextmanager
def muted(config: RunnableConfig) -> Iterator[None]:
    """Take the listeners out of the config that a tool is started with, for as long as it runs."""
    callbacks = config.get("callbacks")
    config["callbacks"] = _muted_callbacks(callbacks)
    try:
        yield
    finally:
        config["callbacks"] = callbacks
