"""The client's side: what goes to a server, and what a server asks back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast
from weakref import WeakKeyDictionary

from mcp.client import Client
from mcp.client.session import ClientSession
from mcp.client.stdio import StdioServerParameters
from mcp.server import Server
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError
from mcp.types import ErrorData, Request
from pydantic import BaseModel, TypeAdapter

from wardline import ActionRefused, ConfigurationError
from wardline.adapters import Adapter, Covered, Place
from wardline_mcp._governor import FRAMEWORK, KINDS, PATIENCE, Governor, as_error
from wardline_mcp._listing import Listing
from wardline_mcp._methods import ACTS, ANSWERING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from contextlib import AsyncExitStack
    from pathlib import Path

    from wardline import Guard, PolicySet

__all__ = ["covered", "govern_client", "listed", "owner_of"]

Connection = TypeVar("Connection", Client, ClientSession)

_governed: WeakKeyDictionary[Any, Governor] = WeakKeyDictionary()
"""By session: who governs it."""


def govern_client(
    client: Connection,
    guard: Guard | str | Path | PolicySet | Sequence[str | Path],
    *,
    server: str = "",
    prefix: str = "",
    pin: bool = True,
    on_denied: Literal["message", "raise"] = "message",
    share_context: bool = False,
    harmless: Collection[str] = (),
    unused: Collection[str] = (),
) -> Connection:
    """Let a guard decide about everything that a client asks of its server, and the server of it.

    `client` is a `Client` or a `ClientSession` that has not been entered yet; it is returned, and used
    as before. `server` says which server this is, by default what it is connected to: no two servers
    may have a tool of one name, unless a `prefix` goes before the names of one of them. `pin` refuses
    tools and prompts whose definition changed after it was first listed. A refused tool call is a
    result with `is_error`, or with `on_denied="raise"`, like every other refused request, raised as an
    `ActionRefused`. `share_context` tells the server in whose session, run and name a call happens:
    only for servers that may know. `harmless` are requests beyond the protocol's that need not be
    judged; all others are refused. `unused` are kinds of action that never happen here.

    Raises `ConfigurationError` for a connection that is open already, and what `Guard` raises.
    """
    adapter = Adapter("MCP", guard, KINDS, unused=unused)
    listing = Listing(adapter.guard, server or owner_of(client), prefix=prefix, pin=pin)
    governor = Governor(
        adapter,
        listing,
        message=on_denied == "message",
        share=share_context,
        harmless=harmless,
    )
    if isinstance(client, ClientSession):
        if client._task_group is not None:
            raise _opened()
        _Seam(client, governor)
        return client
    if client._entered:
        raise _opened()
    build = client._build_session

    async def build_governed(stack: AsyncExitStack) -> ClientSession:
        session = await build(stack)
        _Seam(session, governor)
        return session

    read = client.read_resource

    async def read_anew(uri: str, **options: Any) -> Any:
        # What is read from the client's cache would be read without being judged.
        return await read(uri, **{**options, "cache_mode": "bypass"})

    hooked: Any = client
    hooked._build_session = build_governed
    hooked.read_resource = read_anew
    hooked._wardline = governor
    return client


def covered(client: Any) -> list[Covered]:
    """Return what a client can reach, as far as its server has listed it by now."""
    session = client if isinstance(client, ClientSession) else client._session
    governor = _governed.get(session) if session is not None else None
    if governor is None:
        governor = getattr(client, "_wardline", None)
    if governor is None:
        why = "wrap the client in govern_client before it is opened"
        return [
            Covered(act.kind, act.method, owner_of(client), governed=False, why=why)
            for act in ACTS.values()
        ]
    return listed(governor)


def listed(governor: Governor) -> list[Covered]:
    """Return what a governed connection leads to, as far as its server has listed it by now."""
    listing = governor.listing
    return [
        Covered(act.kind, listing.prefix + name, listing.owner, governed=True)
        for act in ACTS.values()
        for name in (listing.names(act.listed) or [act.method])
    ]


def owner_of(client: Any) -> str:
    """Return what a client is connected to, for a reader; the same for the same server."""
    target = client.server if isinstance(client, Client) else client
    if isinstance(target, MCPServer):
        target = target._lowlevel_server
    if isinstance(target, Server):
        return f"server {target.name or 'without a name'} ({id(target):x})"
    if isinstance(target, str):
        scheme, _, rest = target.partition("://")
        return f"{scheme}://{rest.split('?')[0].rpartition('@')[2]}"
    if isinstance(target, StdioServerParameters):
        return " ".join([target.command, *target.args])
    return f"a server behind {type(target).__name__} ({id(target):x})"


def _opened() -> ConfigurationError:
    return ConfigurationError(
        "the connection is open already, and what it has asked so far was not judged: pass the client "
        "to govern_client before `async with`"
    )


class _Seam:
    """The two ways through a session: what it sends, and what its server asks."""

    def __init__(self, session: ClientSession, governor: Governor) -> None:
        self._session = session
        self._governor = governor
        self._send = session.send_request
        self._answer = session.dispatch_input_request
        self._note = session._message_handler
        self._opened: Place | None = None
        hooked: Any = session
        hooked.send_request = self.send_request
        hooked.dispatch_input_request = self.answer
        hooked._message_handler = self.note
        _governed[session] = governor

    def _place(self) -> Place:
        """Return where a call happens: where the calling code is, else in the connection's session."""
        guard = self._governor.adapter.guard
        inside = Place.here(guard, FRAMEWORK)
        if inside is None and self._opened is None:
            self._opened = Place.open(guard, FRAMEWORK)
        return inside or cast("Place", self._opened)

    async def send_request(
        self,
        request: Request[Any, Any],
        result_type: Any,
        request_read_timeout_seconds: float | None = None,
        metadata: Any = None,
        progress_callback: Any = None,
    ) -> Any:
        """Send what may be sent, and return what may be released of the answer."""
        data = request.model_dump(by_alias=True, mode="json", exclude_none=True)
        method, params = data["method"], data.get("params") or {}
        if method in ACTS and progress_callback is not None and self._governor.withholds(method):
            progress_callback = _without_words(progress_callback)
        answers: list[Any] = []

        async def forward(sent: dict[str, Any]) -> dict[str, Any]:
            answer = await self._send(
                type(request).model_validate({"method": method, "params": sent}, by_name=False),
                result_type,
                request_read_timeout_seconds,
                metadata,
                progress_callback,
            )
            answers[:] = [answer, _dumped(answer)]
            released: dict[str, Any] = answers[1]
            return released

        if not self._governor.acts(method):
            answer = await self._send(
                request, result_type, request_read_timeout_seconds, metadata, progress_callback
            )
            self._governor.listing.take(method, _dumped(answer))
            return answer
        released = await self._governor.handle(self._place, method, params, forward, self._fetch)
        if answers and released is answers[1]:
            return answers[0]
        if isinstance(result_type, TypeAdapter):
            return result_type.validate_python(released, by_name=False)
        return result_type.model_validate(released, by_name=False)

    async def _fetch(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        act = Request[dict[str, Any], str](method=method, params=params)
        return _dumped(await self._send(act, _Page, PATIENCE))

    async def answer(self, context: Any, request: Any) -> Any:
        """Answer what the server asks, if it may be asked, with what may go back."""
        data = request.model_dump(by_alias=True, mode="json", exclude_none=True)
        method, params = data["method"], data.get("params") or {}
        answers: list[Any] = []

        async def forward(sent: dict[str, Any]) -> dict[str, Any]:
            asked = type(request).model_validate({"method": method, "params": sent}, by_name=False)
            answer = await self._answer(context, asked)
            if isinstance(answer, ErrorData):
                raise MCPError.from_error_data(answer)
            answers[:] = [answer, _dumped(answer)]
            released: dict[str, Any] = answers[1]
            return released

        try:
            if not self._governor.acts(method, ANSWERING):
                return await self._answer(context, request)
            released = await self._governor.handle(
                self._place, method, params, forward, self._fetch
            )
        except ActionRefused as refusal:
            return as_error(refusal).error
        except MCPError as error:
            return error.error
        if released is answers[1]:
            return answers[0]
        return type(answers[0]).model_validate(released, by_name=False)

    async def note(self, message: Any) -> None:
        """Look at a notification on its way to the client."""
        method = getattr(message, "method", "")
        if isinstance(method, str) and method.endswith("/list_changed"):
            self._governor.listing.changed(method)
        await self._note(message)


class _Page(BaseModel, extra="allow"):
    """A page of a list, as it came."""


def _dumped(answer: BaseModel) -> dict[str, Any]:
    return answer.model_dump(by_alias=True, mode="json", exclude_none=True)


def _without_words(callback: Any) -> Any:
    """Return a callback for progress that does not pass on what the server says of it.

    It could be a part of a result that may not be released.
    """

    async def told(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001
        await callback(progress, total, None)

    return told
