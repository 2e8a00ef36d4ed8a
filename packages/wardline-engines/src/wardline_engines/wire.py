"""Asking one HTTP server over kept connections, each question within a deadline of its own.

The deadline covers everything: connecting, TLS, sending, and reading byte by byte from a server that
drips. Questions change nothing at the server, so one that finds a kept connection gone is asked
again over a new one.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import os
import select
import socket
import ssl
import time
from collections import deque
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from wardline import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from _typeshed import WriteableBuffer

    Dial = Callable[[float], socket.socket]

__all__ = ["LARGEST_ANSWER", "Answer", "Client", "over_tcp", "over_unix"]

LARGEST_ANSWER: Final = 65_536
"""How many bytes of an answer are read; a longer one is none."""

_MOST_KEPT: Final = 16
_CLOSED: Final = -1


class Answer:
    """What a server answered: `status`, `reason`, `headers` in lower case and the whole `body`."""

    __slots__ = ("body", "headers", "reason", "status")

    def __init__(self, status: int, reason: str, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = body


class Client:
    """Asks one server. Any thread may; a child after `fork` opens connections of its own.

    `dial` returns a connected socket by a moment of the monotonic clock, `host` is what the server is
    called in requests.
    """

    __slots__ = ("_dial", "_host", "_kept")

    def __init__(self, dial: Dial, host: str) -> None:
        self._dial = dial
        self._host = host
        # A deque is appended to and popped from atomically: no lock that a fork could leave taken.
        self._kept: tuple[int, deque[_Connection]] = (os.getpid(), deque())

    def post(self, path: str, body: bytes, headers: Mapping[str, str], until: float) -> Answer:
        """Return the answer to a POST by `until`, a moment of the monotonic clock.

        Raises `EngineError` where there is none: nobody listens, the connection breaks, time runs out,
        the answer is too long or no HTTP.
        """
        connection = self._take()
        try:
            if connection is not None:
                try:
                    return self._exchange(connection, path, body, headers, until)
                except ConnectionError:
                    pass  # the server had closed it in the meantime
            fresh = _Connection(self._host, _Timed(self._dial(until), until))
            return self._exchange(fresh, path, body, headers, until)
        except TimeoutError:
            raise EngineError("it did not answer in time") from None
        except ssl.SSLCertVerificationError as error:
            raise EngineError(f"its certificate is not accepted: {error.verify_message}") from None
        except OSError as error:
            raise EngineError(f"it cannot be reached: {error}") from None
        except http.client.HTTPException as error:
            raise EngineError(f"its answer is no HTTP: {error!r}") from None

    def close(self) -> None:
        """Close the connections that are kept; those in use close when they are done."""
        _, kept = self._kept
        self._kept = (_CLOSED, deque())
        _empty(kept)

    def _exchange(
        self,
        connection: _Connection,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        until: float,
    ) -> Answer:
        with ExitStack() as failing:
            failing.callback(connection.drop)
            connection.timed.until = until
            connection.request("POST", path, body, dict(headers))
            found = connection.getresponse()
            data = found.read(LARGEST_ANSWER + 1)
            if len(data) > LARGEST_ANSWER:
                raise EngineError(f"its answer has more than {LARGEST_ANSWER:,} bytes")
            if found.length:
                raise http.client.IncompleteRead(data, found.length)
            if found.isclosed() and not found.will_close:
                failing.pop_all()
                self._keep(connection)
        told = {name.lower(): value for name, value in found.getheaders()}
        return Answer(found.status, found.reason, told, data)

    def _take(self) -> _Connection | None:
        """Return a kept connection on which nothing has arrived since."""
        owner, kept = self._kept
        if owner not in (os.getpid(), _CLOSED):
            # The parent goes on with its connections: what is closed here are copies.
            self._kept = (os.getpid(), deque())
            _empty(kept)
            return None
        while (connection := _pop(kept)) is not None:
            if connection.timed.silent():
                return connection
            connection.drop()
        return None

    def _keep(self, connection: _Connection) -> None:
        owner, kept = self._kept
        if owner != os.getpid() or len(kept) >= _MOST_KEPT:
            connection.drop()
            return
        kept.append(connection)
        if self._kept[1] is not kept:
            _empty(kept)  # closed in the meantime


class _Timed:
    """A socket as `http.client` uses one, of which every operation ends by the same moment."""

    __slots__ = ("_quick", "_socket", "until")

    def __init__(self, connected: socket.socket, until: float) -> None:
        self._socket = connected
        by_tcp = connected.family in (socket.AF_INET, socket.AF_INET6)
        self._quick: int | None = getattr(socket, "TCP_QUICKACK", None) if by_tcp else None
        self.until = until

    def sendall(self, data: bytes) -> None:
        """Send all of it in time."""
        self._socket.settimeout(_left(self.until))
        self._socket.sendall(data)

    def receive(self, buffer: WriteableBuffer) -> int:
        """Read what is there, waiting until there is something."""
        self._socket.settimeout(_left(self.until))
        if self._quick is not None:
            # A server that writes head and body apart waits for our word on the head: up to 40 ms.
            self._socket.setsockopt(socket.IPPROTO_TCP, self._quick, 1)
        return self._socket.recv_into(buffer)

    def silent(self) -> bool:
        """Whether nothing has arrived that nobody asked for, the end of the stream included."""
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return False
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return a reader on the socket, as `http.client` asks for one."""
        assert mode == "rb"
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Do nothing: `http.client` closes before it has read the last answer of a connection."""

    def shut(self) -> None:
        """Close the socket."""
        self._socket.close()


class _Reader(io.RawIOBase):
    def __init__(self, timed: _Timed) -> None:
        super().__init__()
        self._timed = timed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        return self._timed.receive(buffer)


class _Connection(http.client.HTTPConnection):
    """A connection whose socket is made already."""

    auto_open = 0

    def __init__(self, host: str, timed: _Timed) -> None:
        super().__init__(host)
        self.timed = timed
        self.sock: Any = timed

    def drop(self) -> None:
        """Close the connection and its socket."""
        self.close()
        self.timed.shut()


def _pop(kept: deque[_Connection]) -> _Connection | None:
    try:
        return kept.pop()
    except IndexError:
        return None  # there is none, or another thread was quicker


def _empty(kept: deque[_Connection]) -> None:
    while (connection := _pop(kept)) is not None:
        connection.drop()


def over_tcp(host: str, port: int, tls: ssl.SSLContext | None, *, loopback: bool) -> Dial:
    """Return how to reach a host; `loopback` refuses to connect to anything but this machine.

    The name is looked up anew for each connection; how long that may take is the resolver's business.
    """

    def dial(until: float) -> socket.socket:
        trouble: OSError = OSError(f"{host} has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        ):
            if loopback and not ipaddress.ip_address(address[0]).is_loopback:
                raise EngineError(f"{host} is {address[0]}, which is not this machine")
            try:
                return _connected(socket.socket(family, kind, protocol), address, until, host, tls)
            except TimeoutError:
                raise
            except OSError as error:
                trouble = error
        raise trouble

    return dial


def over_unix(path: str) -> Dial:
    """Return how to reach whoever listens on a socket in the file system."""

    def dial(until: float) -> socket.socket:
        with ExitStack() as failing:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            failing.callback(made.close)
            made.settimeout(_left(until))
            made.connect(path)
            failing.pop_all()
            return made

    return dial


def _connected(
    made: socket.socket, address: Any, until: float, host: str, tls: ssl.SSLContext | None
) -> socket.socket:
    with ExitStack() as failing:
        failing.callback(made.close)
        made.settimeout(_left(until))
        made.connect(address)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            made.settimeout(_left(until))
            made = tls.wrap_socket(made, server_hostname=host)
        failing.pop_all()
        return made


def _left(until: float) -> float:
    """Return the seconds until a moment. Raises `TimeoutError` where it has passed."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
