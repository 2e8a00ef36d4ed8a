"""`wardline mcp proxy`: a guard in front of any server, for any client."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path  # noqa: TC003 - cyclopts reads it at run time
from typing import TYPE_CHECKING, Annotated, Any

import anyio
import httpx2
from cyclopts import App, Parameter
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.stdio import stdio_server

from wardline import ConfigurationError, Guard
from wardline_mcp._http import UNREACHABLE, http_app, innermost
from wardline_mcp._stdin import StandardInput
from wardline_mcp._transport import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mcp.client._transport import Transport

__all__ = ["app", "proxy"]

app = App(name="proxy", help_format="plaintext", version_flags=())

_FAILED = 1


@app.default
def proxy(
    *command: Annotated[
        str,
        Parameter(
            name="COMMAND", help="The server to start, after `--`.", allow_leading_hyphen=True
        ),
    ],
    policy: Annotated[list[Path], Parameter(name="--policy", negative="", help="Policy files.")],
    url: Annotated[str, Parameter(name="--url", help="A server that runs, over HTTP.")] = "",
    bearer: Annotated[
        str,
        Parameter(name="--bearer", help="The environment variable with the token for --url."),
    ] = "",
    http: Annotated[
        str, Parameter(name="--http", help="Serve clients here, as in 127.0.0.1:8080; else stdio.")
    ] = "",
    home: Annotated[
        Path | None,
        Parameter(name="--home", help="Directory of state and ledger. Default: ./.wardline."),
    ] = None,
    agent: Annotated[str, Parameter(name="--agent", help="Who acts: the client's name.")] = "agent",
    prefix: Annotated[
        str, Parameter(name="--prefix", help="What goes before the server's names in rules.")
    ] = "",
    approver: Annotated[
        list[str] | None,
        Parameter(name="--approver", negative="", help="As in security-team=os:alice."),
    ] = None,
    answers_as: Annotated[
        str,
        Parameter(
            name="--answers-as",
            help="Ask the person at the client about approvals; they answer as this name. Only "
            "where nobody but that person can answer there.",
        ),
    ] = "",
    timeout: Annotated[
        float | None,
        Parameter(name="--timeout", help="Seconds that the server may take for a call."),
    ] = None,
    harmless: Annotated[
        list[str] | None,
        Parameter(name="--harmless", negative="", help="Other requests that may pass unjudged."),
    ] = None,
    accept_changes: Annotated[
        bool,
        Parameter(
            name="--accept-changes",
            negative="",
            help="Let tools pass whose definition changed after it was first listed.",
        ),
    ] = False,
    record_arguments: Annotated[
        bool,
        Parameter(name="--record-arguments", negative="", help="Arguments in full in the ledger."),
    ] = False,
) -> int:
    """Stand between a client and a server of the Model Context Protocol and let a policy decide.

    Give it to the client as the server to start:

        wardline mcp proxy --policy policy.yaml -- python server.py
        wardline mcp proxy --policy policy.yaml --url https://example.com/mcp --bearer TOKEN
        wardline mcp proxy --policy policy.yaml --http 127.0.0.1:8080 -- python server.py

    What the proxy itself has to say goes to standard error. It exits with 1 where the
    server ends before the client does.
    """
    connect = _connect(command, url, bearer)
    name = url or " ".join(command)
    place = _address(http) if http else None
    with Guard(
        policy,
        home=home,
        principal=agent,
        approvers=_approvers(approver or ()),
        record_arguments=record_arguments,
    ) as guard:
        made = Proxy(
            guard,
            name,
            prefix=prefix,
            pin=not accept_changes,
            answers_as=answers_as,
            timeout=timeout,
            harmless=harmless or (),
        )
        if place is not None:
            return _serve(made, connect, *place)
        return anyio.run(_carry, made, connect)


async def _carry(made: Proxy, connect: Callable[[], Transport]) -> int:
    """Serve the client at standard input and output, until one side goes; return the exit code.

    Raises `ConfigurationError` where the server cannot be started or reached.
    """
    code, problem = 0, ""
    async with anyio.create_task_group() as group:

        async def stop() -> None:
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                async for _ in signals:
                    group.cancel_scope.cancel()

        async def carry() -> None:
            nonlocal code, problem
            lines: Any = StandardInput()
            try:
                async with stdio_server(stdin=lines) as client, connect() as server:
                    if not await made.relay().run(client, server):
                        sys.stderr.write("wardline mcp proxy: the server has gone\n")
                        code = _FAILED
                    group.cancel_scope.cancel()  # nobody waits for more of what a client may write
            except* UNREACHABLE as errors:
                problem = innermost(errors)
            group.cancel_scope.cancel()

        group.start_soon(stop)
        group.start_soon(carry)
    if problem:
        raise ConfigurationError(f"the server cannot be started or reached: {problem}")
    return code


def _serve(made: Proxy, connect: Callable[[], Transport], host: str, port: int) -> int:
    """Serve clients over HTTP until a signal comes."""
    import uvicorn

    sys.stderr.write(f"wardline mcp proxy: serving http://{host}:{port}/mcp\n")
    uvicorn.run(
        http_app(made, connect, host=host),
        host=host,
        port=port,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
    return 0


def _connect(command: Sequence[str], url: str, bearer: str) -> Callable[[], Transport]:
    """Return what opens a connection to the server.

    Raises `ConfigurationError` where it is not clear which server that is.
    """
    if bool(command) == bool(url):
        raise ConfigurationError(
            "say which server this is for: either a command after `--`, or --url"
        )
    if command:
        # A client gives a server its environment; the proxy hands on what it was given.
        started = StdioServerParameters(
            command=command[0], args=list(command[1:]), env=dict(os.environ)
        )
        return lambda: stdio_client(started)
    if not bearer:
        return lambda: streamable_http_client(url)
    token = os.environ.get(bearer)
    if not token:
        raise ConfigurationError(f"--bearer: the environment has no {bearer}")
    made = httpx2.AsyncClient(
        headers={"Authorization": f"Bearer {token}"}, timeout=httpx2.Timeout(30, read=300)
    )
    return lambda: streamable_http_client(url, http_client=made)


def _approvers(given: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in given:
        name, equals, who = text.partition("=")
        if not (name and equals and who):
            raise ConfigurationError(
                f"--approver {text}: write a name and who it is, as in ops=os:alice"
            )
        found.setdefault(name, []).append(who)
    return found


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal():
        raise ConfigurationError(f"--http {text}: write host and port, as in 127.0.0.1:8080")
    return host.strip("[]"), int(port)
