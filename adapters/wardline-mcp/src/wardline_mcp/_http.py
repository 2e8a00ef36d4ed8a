"""Streamable HTTP on the client's side of a proxy: each session gets a relay and a server of its own.

It speaks the versions with a handshake; clients of later versions are told so and use one of them.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import anyio
import httpx2
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER, StreamableHTTPServerTransport
from mcp.server.transport_security import (
    DEFAULT_MAX_REQUEST_BODY_SIZE,
    RequestBodyLimitMiddleware,
    TransportSecuritySettings,
)
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from mcp.types import INTERNAL_ERROR, INVALID_REQUEST, UNSUPPORTED_PROTOCOL_VERSION
from mcp.types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from mcp.client._transport import Transport
    from starlette.types import Receive, Scope, Send

    from wardline_mcp._transport import Proxy

__all__ = ["UNREACHABLE", "http_app", "innermost"]

_IDLE: Final = 30 * 60.0
"""Seconds after which a session that nobody uses is closed."""

UNREACHABLE: Final = (OSError, httpx2.HTTPError, MCPError)
"""What a server raises that cannot be started or reached."""

_log = logging.getLogger("wardline")


def http_app(
    proxy: Proxy,
    connect: Callable[[], Transport],
    *,
    host: str,
    path: str = "/mcp",
    most: int = 100,
) -> Starlette:
    """Return an application that serves a proxy; `connect` opens a connection to the server.

    At most `most` sessions are open at a time. On a host of this machine alone, requests of pages in
    a browser that come by another name are refused.
    """
    sessions = _Sessions(proxy, connect, _security(host), most)
    served = RequestBodyLimitMiddleware(sessions, DEFAULT_MAX_REQUEST_BODY_SIZE)
    return Starlette(routes=[Route(path, endpoint=served)], lifespan=sessions.open)


def innermost(error: BaseException) -> str:
    """Return the text of the first error that a group is about."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__


def _security(host: str) -> TransportSecuritySettings | None:
    if host not in {"127.0.0.1", "localhost", "::1"}:
        return None
    names = ("127.0.0.1", "localhost", "[::1]")
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=[f"{name}:*" for name in names],
        allowed_origins=[f"http://{name}:*" for name in names],
    )


class _Sessions:
    """The open sessions by id."""

    def __init__(
        self,
        proxy: Proxy,
        connect: Callable[[], Transport],
        security: TransportSecuritySettings | None,
        most: int,
    ) -> None:
        self._proxy = proxy
        self._connect = connect
        self._security = security
        self._most = most
        self._open: dict[str, StreamableHTTPServerTransport] = {}
        self._group: Any = None

    @asynccontextmanager
    async def open(self, _: Starlette) -> AsyncIterator[None]:
        """Serve sessions until the application ends."""
        async with anyio.create_task_group() as group:
            self._group = group
            try:
                yield
            finally:
                group.cancel_scope.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope, receive)
        version = request.headers.get(MCP_PROTOCOL_VERSION_HEADER)
        named = request.headers.get(MCP_SESSION_ID_HEADER)
        if version is not None and version not in HANDSHAKE_PROTOCOL_VERSIONS:
            answer = _error(
                400,
                UNSUPPORTED_PROTOCOL_VERSION,
                "this proxy speaks the versions that begin with a handshake",
                {"supported": list(HANDSHAKE_PROTOCOL_VERSIONS), "requested": version},
            )
            await answer(scope, receive, send)
        elif named is not None:
            transport = self._open.get(named)
            if transport is None:
                await _error(404, INVALID_REQUEST, "there is no such session")(scope, receive, send)
            else:
                await transport.handle_request(scope, receive, send)
        elif len(self._open) >= self._most:
            full = _error(
                503, INTERNAL_ERROR, f"{self._most} sessions are open, and no more can be"
            )
            await full(scope, receive, send)
        else:
            await self._begin(scope, receive, send)

    async def _begin(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Open a session for a request; one that does not begin with a handshake is closed again."""
        transport = StreamableHTTPServerTransport(
            mcp_session_id=uuid4().hex, security_settings=self._security, idle_timeout=_IDLE
        )
        status = 0

        async def watch(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._group.start(self._carry, transport)
            await transport.handle_request(scope, receive, watch)
        finally:
            if not 0 < status < 400:
                with anyio.CancelScope(shield=True):
                    await transport.terminate()

    async def _carry(
        self, transport: StreamableHTTPServerTransport, *, task_status: Any = None
    ) -> None:
        """Carry the messages of a session to a server of its own."""
        name = str(transport.mcp_session_id)
        self._open[name] = transport
        try:
            async with transport.connect() as client:
                task_status.started()
                with transport.idle_scope or anyio.CancelScope():
                    async with self._connect() as server:
                        if not await self._proxy.relay().run(client, server):
                            _log.warning("session %s ended: the server has gone", name)
        except* UNREACHABLE as errors:
            _log.warning("session %s has no server: %s", name, innermost(errors))
        finally:
            self._open.pop(name, None)
            with anyio.CancelScope(shield=True):
                await transport.terminate()


def _error(status: int, code: int, message: str, data: Any = None) -> JSONResponse:
    error = {"code": code, "message": message, **({"data": data} if data is not None else {})}
    return JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, status)
