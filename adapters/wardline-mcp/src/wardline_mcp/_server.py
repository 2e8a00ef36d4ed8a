"""The server's side: what clients ask of it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from weakref import WeakKeyDictionary, ref

from mcp.server import Server
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import MCPServer
from mcp.shared.direct_dispatcher import DIRECT_TRANSPORT_KIND
from mcp.types import ClientCapabilities, ElicitationCapability
from pydantic import BaseModel

from wardline import ActionRefused, ConfigurationError
from wardline.adapters import Adapter, Covered, Place, Suspended, Tickets, now, received, same
from wardline_mcp._client import owner_of
from wardline_mcp._context import claimed
from wardline_mcp._governor import FRAMEWORK, KINDS, Bind, Governor, as_error
from wardline_mcp._listing import Listing
from wardline_mcp._methods import ACTS
from wardline_mcp._questions import Asking, interim

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
    from mcp.server.lowlevel.server import HandlerEntry

    from wardline import Approval, Guard, PolicySet, Principal

__all__ = ["covered", "govern_server"]

Governed = TypeVar("Governed", MCPServer, Server[Any])

_SERVES = ("tools/call", "resources/read", "prompts/get")
_ELICITS = ClientCapabilities(elicitation=ElicitationCapability())
_tickets = Tickets("wardline_mcp_call", "Let a client of the governed server call it")

_governed: WeakKeyDictionary[Any, Governor] = WeakKeyDictionary()
"""By low-level server: who governs it."""


def govern_server(
    server: Governed,
    guard: Guard | str | Path | PolicySet | Sequence[str | Path],
    *,
    name: str = "",
    prefix: str = "",
    on_denied: Literal["message", "raise"] = "message",
    trust_context: bool = False,
    answers_as: str = "",
    harmless: Collection[str] = (),
    unused: Collection[str] = (),
) -> Governed:
    """Let a guard decide about everything that clients ask of a server; returns the server.

    Call it once the server has its handlers: an `MCPServer` always has. Each client acts as whom its
    verified token names, else as the guard's principal. `trust_context` takes the session, run and
    principal that a governed client claims; it is not signed, so only for clients that nobody else can
    pose as. `answers_as`, as in `os:alice`, asks the person at the client about approvals, and counts
    what they answer under that name: only where nobody but that person can answer there. A refused tool
    call is a result that reports it, or with `on_denied="raise"`, like every other refused request, an
    error of the protocol. `name` says which server this is, for more than one object of the same server,
    and `prefix` goes before its names, where two servers share some. `harmless` are requests beyond the
    protocol's that need not be judged, `unused` kinds of action that never happen here.

    Raises `ConfigurationError` for a server that is governed already, and what `Guard` raises.
    """
    low = _low(server)
    if low in _governed:
        raise ConfigurationError(f"the server `{low.name}` is governed already; govern it once")
    adapter = Adapter("MCP", guard, KINDS, unused=unused, tickets=_tickets)
    listing = Listing(adapter.guard, name or owner_of(server), prefix=prefix, pin=False)
    governor = Governor(adapter, listing, message=on_denied == "message", harmless=harmless)
    seam = _Seam(server, governor, trust=trust_context, by=answers_as)
    seam.stand_around(low)
    low.middleware.append(seam.look)
    if isinstance(server, MCPServer):
        server.call_tool = seam.started(server.call_tool)  # type: ignore[method-assign]
    _governed[low] = governor
    return server


def covered(server: Any) -> list[Covered]:
    """Return the tools, prompts and resources of a server, and other requests that it serves."""
    low = _low(server)
    governed = low in _governed
    prefix = _governed[low].listing.prefix if governed else ""
    why = "" if governed else "wrap the server in govern_server"
    found: list[tuple[str, str]] = []
    if isinstance(server, MCPServer):
        found += [("tool_call", one.name) for one in now(server.list_tools())]
        found += [("retrieval", one.name) for one in now(server.list_prompts())]
        found += [("retrieval", "resources/read")] * bool(
            now(server.list_resources()) or now(server.list_resource_templates())
        )
    else:
        served = [ACTS[method] for method in _SERVES if low.get_request_handler(method)]
        found += [(act.kind, act.method) for act in served]
    return [
        Covered(kind, prefix + name, low.name, governed=governed, why=why) for kind, name in found
    ]


def _low(server: Any) -> Any:
    return server._lowlevel_server if isinstance(server, MCPServer) else server


class _Seam:
    """What stands around the handlers of one server.

    A request is judged right around its handler, inside all middleware, so that nothing is left that
    could change it. What no handler of the protocol serves is looked at in the middleware.
    """

    def __init__(self, server: Any, governor: Governor, *, trust: bool, by: str) -> None:
        self._server = server
        self._low = _low(server)
        self._governor = governor
        self._trust = trust
        self._asking = Asking(governor.adapter, by)
        self._places = _Places()
        self._ours: dict[str, Any] = {}

    def started(self, call: Any) -> Any:
        """Return the backstop: a tool starts with a decision about this very start, or not at all."""
        prefix = self._governor.listing.prefix

        async def call_tool(name: str, arguments: dict[str, Any], context: Any = None) -> Any:
            _tickets.check(prefix + name, None, arguments)
            return await call(name, arguments, context)

        return call_tool

    def stand_around(self, low: Any) -> None:
        """Stand around the handlers of what acts."""
        for method in _SERVES:
            entry = low.get_request_handler(method)
            if entry is not None:
                self._ours[method] = partial(self.serve, method, entry)
                low.add_request_handler(method, entry.params_type, self._ours[method])

    async def look(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Refuse a request that no guard would decide about."""
        entry = self._low.get_request_handler(ctx.method)
        if ctx.request_id is not None and entry is not None:
            try:
                acts = self._governor.acts(ctx.method)
                if acts and entry.handler is not self._ours.get(ctx.method):
                    with self._governor.adapter.guard.refusing(ACTS[ctx.method].kind, ctx.method):
                        raise ConfigurationError(
                            f"the handler of `{ctx.method}` was registered after govern_server, so no "
                            "guard stands before it; govern the server once it has its handlers"
                        )
            except ActionRefused as refusal:
                raise as_error(refusal) from refusal
        return await call_next(ctx)

    async def serve(
        self,
        method: str,
        entry: HandlerEntry[Any],
        ctx: ServerRequestContext[Any, Any],
        params: BaseModel,
    ) -> HandlerResult:
        """Serve one request that acts."""
        raw = params.model_dump(by_alias=True, mode="json", exclude_none=True)
        if ctx.meta:
            raw["_meta"] = dict(ctx.meta)

        async def forward(sent: dict[str, Any]) -> dict[str, Any]:
            if method == "tools/call":
                self._takes(raw, sent)
            given = entry.params_type.model_validate(sent, by_name=False)
            # The body finds what was judged wherever it looks for its arguments.
            return _dumped(await entry.handler(replace(ctx, params=sent), given))

        try:
            raw, asked = await self._asking.answered(raw)
            return await self._governor.handle(
                lambda: self._place(ctx, raw, asked),
                method,
                raw,
                forward,
                partial(self._fetch, ctx),
                bind=self._bound if method == "tools/call" else None,
                suspend=self._asking.suspend(
                    raw,
                    partial(_elicit, ctx),
                    asked,
                    able=ctx.session.check_client_capability(_ELICITS),
                ),
                asked=asked,
            )
        except Suspended as suspended:
            return interim(suspended.question)
        except ActionRefused as refusal:
            raise as_error(refusal) from refusal

    async def _fetch(
        self, ctx: ServerRequestContext[Any, Any], method: str, params: dict[str, Any]
    ) -> dict[str, Any]:
        entry = self._low.get_request_handler(method)
        if entry is None:
            return {}
        given = entry.params_type.model_validate(params, by_name=False)
        return _dumped(await entry.handler(replace(ctx, method=method, params=params), given))

    def _takes(self, asked: Mapping[str, Any], sent: Mapping[str, Any]) -> None:
        """Refuse arguments that a rule has made and the tool's schema would drop or change."""
        name, args = str(sent["name"]), dict(sent.get("arguments") or {})
        bind = self._bound(name)
        if bind is None or same(args, dict(bind(asked.get("arguments") or {}))):
            return
        with self._governor.adapter.guard.refusing("tool_call", name):
            if not same(dict(bind(args)), args):
                raise ConfigurationError(
                    f"a rule made the arguments of `{name}` into some that its schema does not take as "
                    "they are, so its body would get others; declare them in the tool, with their types"
                )

    def _bound(self, name: str) -> Bind | None:
        """Return how a tool binds its arguments: with its defaults, and after coercion."""
        if not isinstance(self._server, MCPServer):
            return None
        tool = self._server._tool_manager.get_tool(name)
        if tool is None:
            return None
        given = tool.fn_metadata

        def bind(args: Mapping[str, Any]) -> Mapping[str, Any]:
            return received(name, given.arg_model, given.pre_parse_json(dict(args)))

        return bind

    def _place(
        self,
        ctx: ServerRequestContext[Any, Any],
        params: Mapping[str, Any],
        asked: Approval | None,
    ) -> Place:
        """Return where a request happens: the client's place where that is trusted, else its connection.

        `asked` is what the client answered about, and so what it goes on with.
        """
        guard = self._governor.adapter.guard
        verified = _verified(guard)
        if self._trust:
            place = claimed(guard, FRAMEWORK, params, self._low.name, verified)
            if place is not None:
                return place
        connection = ctx.session._connection
        if guard.here() is not None:
            place = Place.open(guard, FRAMEWORK)
        elif connection.session_id:
            name = f"mcp-{connection.session_id}"
            place = Place.open(guard, FRAMEWORK, session=name, run=name)
        elif (opened := _pipe(ctx)) is not None:
            place = self._places.of(opened, partial(Place.open, guard, FRAMEWORK))
        elif asked is not None and asked.principal == (verified or guard.principal).id:
            place = Place.open(guard, FRAMEWORK, session=asked.session, run=asked.run)
        else:
            place = Place.open(guard, FRAMEWORK)  # nothing says which requests belong together
        return place if verified is None else Place(guard, FRAMEWORK, place.ids, verified)


class _Places:
    """The places of open connections, by the very object that stands for each."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._places: dict[int, tuple[ref[Any], Place]] = {}

    def of(self, connection: Any, opened: Callable[[], Place]) -> Place:
        """Return the place of a connection, `opened` where it has none yet."""
        key = id(connection)
        with self._lock:
            if key not in self._places:
                gone = ref(connection, lambda _: self._places.pop(key, None))
                self._places[key] = gone, opened()
            return self._places[key][1]


def _pipe(ctx: ServerRequestContext[Any, Any]) -> Any:
    """Return what all requests of one connection have in common, None where there is no connection."""
    connection = ctx.session._connection
    if connection.has_standalone_channel:
        return connection.outbound
    # A server in the same process: the protocol says of each request where it comes from.
    inner = getattr(ctx.session._request_outbound, "_inner", None)
    transport = getattr(inner, "transport", None)
    return transport if getattr(transport, "kind", "") == DIRECT_TRANSPORT_KIND else None


async def _elicit(
    ctx: ServerRequestContext[Any, Any], question: dict[str, Any]
) -> Mapping[str, Any]:
    result = await ctx.session.elicit_form(
        question["message"], question["requestedSchema"], related_request_id=ctx.request_id
    )
    return _dumped(result)


def _verified(guard: Guard) -> Principal | None:
    """Return who the client has proved to be; None where it has proved nothing."""
    token = get_access_token()
    if token is None:
        return None
    issuer = (token.claims or {}).get("iss")
    subject = token.subject or token.client_id
    return replace(
        guard.principal,
        id=f"{issuer}|{subject}" if issuer else subject,
        name=token.client_id,
        chain=(),
        roles=tuple(token.scopes),
        assurance="oauth",
    )


def _dumped(result: Any) -> dict[str, Any]:
    if isinstance(result, BaseModel):
        return result.model_dump(by_alias=True, mode="json", exclude_none=True)
    return dict(result or {})
