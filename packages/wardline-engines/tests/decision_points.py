"""Decision points for tests: one that behaves, and raw sockets that do not."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Point:
    """A running decision point: its `url`, and what it was asked."""

    def __init__(self, answer: Callable[[dict[str, Any]], Any]) -> None:
        self.answer = answer
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.connections = 0
        self.status = 200
        self.extra: dict[str, str] = {}
        self.echo = True
        self.close_after_answer = False
        self.url = ""


@contextmanager
def behaving(answer: Callable[[dict[str, Any]], Any], tls: Path | None = None) -> Iterator[Point]:
    """Serve over HTTP/1.1 with keep-alive; `answer` gives the body, bytes as they are."""
    point = Point(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            point.connections += 1
            super().setup()

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            point.asked.append(body)
            point.headers.append(dict(self.headers))
            point.paths.append(self.path)
            told = point.answer(body)
            data = told if isinstance(told, bytes) else json.dumps(told).encode()
            self.send_response(point.status)
            self.send_header("Content-Length", str(len(data)))
            if point.echo:
                self.send_header("X-Request-ID", self.headers["X-Request-ID"])
            for name, value in point.extra.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)
            # Without a word in the headers, as a server does whose patience is at an end.
            self.close_connection = point.close_after_answer

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            pass  # a client that hangs up in the middle is what tests are about

    with Server(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls / "server.pem", tls / "server.key")
            server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme, port = "http" if tls is None else "https", server.server_address[1]
        point.url = f"{scheme}://localhost:{port}" if tls else f"{scheme}://127.0.0.1:{port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield point
        finally:
            server.shutdown()


@contextmanager
def raw(script: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """Serve each connection by a script, which gets the socket and an event for the end."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)

    def one(connected: socket.socket) -> None:
        with connected:
            try:
                script(connected, over)
            except OSError:
                pass  # the client hung up

    def serve() -> None:
        while not over.is_set():
            try:
                connected, _ = listener.accept()
            except TimeoutError:
                continue
            connected.settimeout(10)
            threading.Thread(target=one, args=(connected,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        thread.join(5)
        listener.close()
