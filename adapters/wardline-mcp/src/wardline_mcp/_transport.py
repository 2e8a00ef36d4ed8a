"""The proxy as a transport: a governed connection for a client that this process has."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

import anyio
from mcp.shared.memory import create_client_server_memory_streams

from wardline.adapters import Adapter
from wardline_mcp._governor import KINDS, Governor
from wardline_mcp._listing import Listing
from wardline_mcp._questions import Asking
from wardline_mcp._relay import Relay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence
    from pathlib import Path

    from mcp.client._transport import Transport, TransportStreams

    from wardline import Guard, PolicySet

__all__ = ["GovernedTransport", "Proxy", "govern_transport"]


class Proxy:
    """What the connections through one proxy have in common; it makes a relay for each.

    The parameters are those of `govern_client` and `govern_server` of the same names.
    """

    def __init__(
        self,
        guard: Guard | str | Path | PolicySet | Sequence[str | Path],
        server: str,
        *,
        prefix: str = "",
        pin: bool = True,
        on_denied: Literal["message", "raise"] = "message",
        answers_as: str = "",
        timeout: float | None = None,
        harmless: Collection[str] = (),
        unused: Collection[str] = (),
    ) -> None:
        self._adapter = Adapter("MCP", guard, KINDS, unused=unused)
        self._server = server
        self._prefix = prefix
        self._pin = pin
        self._message = on_denied == "message"
        self._by = answers_as
        self._timeout = timeout
        self._harmless = harmless

    def relay(self) -> Relay:
        """Return a relay for one more client."""
        adapter = self._adapter
        listing = Listing(adapter.guard, self._server, prefix=self._prefix, pin=self._pin)
        governor = Governor(adapter, listing, message=self._message, harmless=self._harmless)
        return Relay(governor, Asking(adapter, self._by), timeout=self._timeout)


def govern_transport(
    transport: Transport,
    guard: Guard | str | Path | PolicySet | Sequence[str | Path],
    *,
    server: str = "",
    prefix: str = "",
    pin: bool = True,
    on_denied: Literal["message", "raise"] = "message",
    answers_as: str = "",
    timeout: float | None = None,
    harmless: Collection[str] = (),
    unused: Collection[str] = (),
) -> GovernedTransport:
    """Return a transport that leads to the same server, past a guard.

    For a client of another library, or one that somebody else makes: what `wardline mcp proxy` does
    between two processes, this does inside one. `server` says which server it is, `answers_as` under
    whose name the person at the client answers about approvals, `timeout` in seconds how long the server
    may take for a call. The others are those of `govern_client`.

    Raises what `Guard` raises.
    """
    name = server or f"a server behind {type(transport).__name__} ({id(transport):x})"
    proxy = Proxy(
        guard,
        name,
        prefix=prefix,
        pin=pin,
        on_denied=on_denied,
        answers_as=answers_as,
        timeout=timeout,
        harmless=harmless,
        unused=unused,
    )
    return GovernedTransport(transport, proxy.relay())


class GovernedTransport(AbstractAsyncContextManager["TransportStreams"]):
    """A transport with a guard on it; opened once. `governor` judges what goes through."""

    def __init__(self, transport: Transport, relay: Relay) -> None:
        self.governor = relay.governor
        self._opened = _carried(transport, relay)

    async def __aenter__(self) -> TransportStreams:
        return await self._opened.__aenter__()

    async def __aexit__(self, *exc: Any) -> bool | None:
        return await self._opened.__aexit__(*exc)


@asynccontextmanager
async def _carried(transport: Transport, relay: Relay) -> AsyncIterator[TransportStreams]:
    async with (
        transport as upstream,
        create_client_server_memory_streams() as (outer, inner),
        anyio.create_task_group() as group,
    ):
        group.start_soon(relay.run, inner, upstream)
        yield outer
        group.cancel_scope.cancel()
