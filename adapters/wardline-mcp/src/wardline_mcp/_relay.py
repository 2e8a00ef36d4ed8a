"""One client and one server, and a guard on the wire between them.

Messages pass as they are: their own ids, metadata, pages, versions and errors. Only what acts is
judged, and only what a rule changed is another message.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    NAME_BEARING_METHODS,
    encode_header_value,
    mcp_param_headers,
    x_mcp_header_map,
)
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher, progress_token_from_params
from mcp.types import (
    CLIENT_CAPABILITIES_META_KEY,
    CONNECTION_CLOSED,
    PROTOCOL_VERSION_META_KEY,
)

from wardline import ActionRefused
from wardline.adapters import Place, Suspended
from wardline_mcp._governor import FRAMEWORK, PATIENCE, Governor, as_error, is_modern
from wardline_mcp._methods import ANSWERING, PASSING
from wardline_mcp._questions import Asking, interim

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcp.client._transport import TransportStreams
    from mcp.shared.dispatcher import CallOptions, DispatchContext
    from mcp.shared.transport_context import TransportContext

    Context = DispatchContext[TransportContext]

__all__ = ["Relay"]

_log = logging.getLogger("wardline")

_CHANGED: Final = "/list_changed"
_FLUSH: Final = 2.0
"""Seconds that what is under way may take to hear that the server has gone."""

_WRITE: Final = 0.1
"""Seconds that the last answers may take to be written."""


class Relay:
    """Carries the messages of one client to one server and back.

    `asking` puts questions about approvals to the client's person. `timeout` in seconds bounds every
    call of the server, None leaves it to the client.
    """

    def __init__(self, governor: Governor, asking: Asking, *, timeout: float | None = None) -> None:
        self.governor = governor
        self._asking = asking
        self._timeout = timeout
        self._version = ""
        self._capabilities: Mapping[str, Any] = {}
        self._envelope: dict[str, Any] = {}
        self._calls: dict[int, Context] = {}
        self._progress: dict[Any, tuple[Context, bool]] = {}
        self._there: Place | None = None
        self._client: JSONRPCDispatcher[Any]
        self._server: JSONRPCDispatcher[Any]

    async def run(self, client: TransportStreams, server: TransportStreams) -> bool:
        """Carry messages until one side goes; return whether that was the client."""
        self._client = JSONRPCDispatcher(*client)
        self._server = JSONRPCDispatcher(*server)
        self._idle = anyio.Event()
        self._idle.set()
        self._there = Place.open(self.governor.adapter.guard, FRAMEWORK)
        gone = False
        async with anyio.create_task_group() as group:

            async def watch_server() -> None:
                nonlocal gone
                await self._server.run(self._from_server, self._noted_by_server)
                gone = True
                with anyio.move_on_after(_FLUSH):
                    await self._idle.wait()
                await anyio.sleep(_WRITE)
                group.cancel_scope.cancel()

            group.start_soon(watch_server)
            await anyio.lowlevel.checkpoint()
            await self._client.run(self._from_client, self._noted_by_client)
            group.cancel_scope.cancel()
        return not gone

    # From the client

    async def _from_client(
        self, dctx: Context, method: str, params: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        sent = dict(params or {})
        self._learn(method, sent)
        if not self._calls:
            self._idle = anyio.Event()
        self._calls[id(dctx)] = dctx
        try:
            return await self._judged(dctx, method, sent)
        except Suspended as suspended:
            return interim(suspended.question)
        except ActionRefused as refusal:
            raise as_error(refusal) from refusal
        finally:
            del self._calls[id(dctx)]
            if not self._calls:
                self._idle.set()

    async def _judged(self, dctx: Context, method: str, params: dict[str, Any]) -> dict[str, Any]:
        governor = self.governor
        if not governor.acts(method, PASSING):
            result = await self._send(dctx, method, params)
            governor.listing.take(method, result)
            if method == "initialize":
                self._version = str(result.get("protocolVersion", ""))
            return result
        params, asked = await self._asking.answered(params)
        return await governor.handle(
            self._place,
            method,
            params,
            partial(self._send, dctx, method),
            self._fetch,
            suspend=self._asking.suspend(
                params,
                partial(dctx.send_raw_request, "elicitation/create"),
                asked,
                able=self._capabilities.get("elicitation") is not None,
            ),
            asked=asked,
        )

    def _place(self) -> Place:
        assert self._there is not None
        return self._there

    def _learn(self, method: str, params: Mapping[str, Any]) -> None:
        """Take note of what a client can do, from its handshake or from the request itself."""
        if method == "initialize":
            self._capabilities = params.get("capabilities") or {}
        elif is_modern(params):
            meta = params["_meta"]
            self._capabilities = meta.get(CLIENT_CAPABILITIES_META_KEY) or {}
            self._version = str(meta[PROTOCOL_VERSION_META_KEY])
            self._envelope = {k: v for k, v in meta.items() if k.startswith("io.model")}

    async def _send(self, dctx: Context, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Send a request to the server, under whatever id comes next there."""
        token = progress_token_from_params(params)
        options = self._options(method, params)
        if method not in PASSING and self._timeout is not None:
            options["timeout"] = self._timeout
        if token is not None:
            self._progress[token] = dctx, self.governor.withholds(method)
        try:
            return await self._server.send_raw_request(method, params, options)
        except TimeoutError as error:  # the transport could not write in time
            raise MCPError(CONNECTION_CLOSED, "the server does not read") from error
        finally:
            self._progress.pop(token, None)

    async def _fetch(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if self._envelope:
            params = {**params, "_meta": self._envelope}
        options: CallOptions = {**self._options(method, params), "timeout": PATIENCE}
        return await self._server.send_raw_request(method, params, options)

    def _options(self, method: str, params: Mapping[str, Any]) -> CallOptions:
        """Return the headers that the protocol has beside a message, where there are headers."""
        headers = {MCP_PROTOCOL_VERSION_HEADER: self._version} if self._version else {}
        if is_modern(params):
            headers[MCP_METHOD_HEADER] = method
            name = params.get(NAME_BEARING_METHODS.get(method, ""))
            if isinstance(name, str):
                headers[MCP_NAME_HEADER] = encode_header_value(name)
            schema = self.governor.listing.schema(str(name)) if method == "tools/call" else None
            if isinstance(schema, dict):
                headers |= mcp_param_headers(
                    x_mcp_header_map(schema), params.get("arguments") or {}
                )
        return {"headers": headers}

    async def _noted_by_client(
        self, _: Context, method: str, params: Mapping[str, Any] | None
    ) -> None:
        if method == "notifications/cancelled":
            return  # the request itself was cancelled, and tells the server by the id it has there
        if not method.startswith("notifications/"):
            _log.warning("dropped `%s`: a client sent it without asking for an answer", method)
            return
        await self._server.notify(method, params, self._options(method, {}))

    # From the server

    async def _from_server(
        self, _: Context, method: str, params: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        sent = dict(params or {})

        async def forward(asked: dict[str, Any]) -> dict[str, Any]:
            # What a server asks belongs to a call under way, whose stream the client reads.
            way: Any = next(reversed(self._calls.values()), self._client)
            return await way.send_raw_request(method, asked)  # type: ignore[no-any-return]

        try:
            if not self.governor.acts(method, ANSWERING):
                return await forward(sent)
            return await self.governor.handle(self._place, method, sent, forward, self._fetch)
        except ActionRefused as refusal:
            raise as_error(refusal) from refusal

    async def _noted_by_server(
        self, _: Context, method: str, params: Mapping[str, Any] | None
    ) -> None:
        if method == "notifications/cancelled" or not method.startswith("notifications/"):
            return
        if method.endswith(_CHANGED):
            self.governor.listing.changed(method)
        if method == "notifications/message" and self.governor.withholds("tools/call"):
            return  # it could say what a result may not
        way: Any = self._client
        if method == "notifications/progress" and params is not None:
            way, silent = self._progress.get(params.get("progressToken"), (self._client, False))
            if silent:
                params = {key: value for key, value in params.items() if key != "message"}
        await way.notify(method, params)
