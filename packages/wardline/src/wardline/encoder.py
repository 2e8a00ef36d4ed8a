"""The one place where an accelerated JSON encoder enters.

`ordered` and `compact` turn plain trees into UTF-8 JSON without white space. `orjson` does the work
where it is installed, the standard library where it is not, and the bytes are the same: callers
pass nothing but strings, booleans, null, integers below 2^53, lists and string-keyed maps. Whichever
it is, it is looked up on first use, so that importing `wardline` imports no third party.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["compact", "ordered", "standard_library"]


def ordered(tree: Any) -> bytes:
    """Return `tree` as JSON, its keys sorted by code point.

    Raises `TypeError` or `UnicodeEncodeError` for text with a lone surrogate.
    """
    _choose()
    return ordered(tree)


def compact(tree: Any) -> bytes:
    """Return `tree` as JSON, its keys in their own order. Raises what `ordered` raises."""
    _choose()
    return compact(tree)


def standard_library() -> tuple[Callable[[Any], bytes], Callable[[Any], bytes]]:
    """Return `ordered` and `compact` of the standard library."""
    sorting = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode
    plain = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    return lambda tree: sorting(tree).encode(), lambda tree: plain(tree).encode()


def _choose() -> None:
    """Put the best encoder in the place of the two functions above."""
    try:
        import orjson
    except ImportError:
        chosen = standard_library()
    else:
        chosen = partial(orjson.dumps, option=orjson.OPT_SORT_KEYS), orjson.dumps
    globals()["ordered"], globals()["compact"] = chosen
