"""The OPA binary: checking policies with it, and one server of it for each policy.

The server listens on a socket in a folder that only this user can enter, on no port. A keeper, a small
shell, ends it and removes the folder when the pipe to this process closes, however that comes about.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet, finalize

from wardline import EngineError
from wardline_engines.wire import Client, over_unix

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wardline_engines.wire import Answer

__all__ = ["START", "Server", "check", "find"]

START: Final = 10.0
"""Seconds that a server may take to listen."""

_WAIT: Final = 0.002
_PATIENCE: Final = 0.1
_PAUSE: Final = 1.0
_LONGEST_CHECK: Final = 60.0
_SOCKET: Final = "opa.sock"
_LONGEST_SOCKET: Final = 100
_SERVE: Final = (
    "run",
    "--server",
    f"--addr=unix://{_SOCKET}",  # beside it: OPA would take a whole path for an address and decode it
    "--unix-socket-perm=600",
    "--log-level=error",
    "--skip-version-check",
)
_OUTSIDE: Final = frozenset({"http.send", "net.lookup_ip_addr", "opa.runtime"})
"""Functions that ask the network or read the environment: a decision depends on its input alone."""

_KEEPER: Final = """
folder=$1; shift
"$@" </dev/null >/dev/null 2>&1 & server=$!
read -r _
kill -9 "$server" 2>/dev/null
wait "$server" 2>/dev/null
rm -rf -- "$folder"
"""


def find(path: str) -> str:
    """Return the absolute path of the binary: `path`, else WARDLINE_OPA, else `opa` on PATH.

    Raises `EngineError` where it is none of these, or cannot be run.
    """
    named, key = path or os.environ.get("WARDLINE_OPA", ""), "opa" if path else ""
    if not named:
        found = shutil.which("opa")
        if found is None:
            raise EngineError(
                "Rego needs the `opa` binary, version 1.0 or later: put it on PATH, name it in the "
                "environment variable WARDLINE_OPA, or under `with:` as `opa: /path/to/opa`"
            )
        return str(Path(found).absolute())
    if not Path(named).is_absolute():
        raise EngineError(f"`{named}` is no absolute path of the `opa` binary", key)
    if not os.access(named, os.X_OK) or Path(named).is_dir():
        raise EngineError(f"`{named}` is no program that can be run", key)
    return named


def check(opa: str, files: Mapping[str, bytes], query: str) -> str:
    """Return what is wrong with Rego files, "" where nothing is.

    `files` maps names to contents, `query` is the rule that will be asked for. Raises `EngineError`
    where the binary itself does not work.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="wardline-") as folder:
            policy = Path(folder, "policy")
            _write(policy, files)
            allowed = json.loads(_told(opa, policy, "capabilities", "--current"))
            kept = [one for one in allowed["builtins"] if one["name"] not in _OUTSIDE]
            Path(folder, "allowed.json").write_text(json.dumps({**allowed, "builtins": kept}))
            build = ("build", "--capabilities=../allowed.json", "--output=../bundle.tar.gz")
            built = _run(opa, policy, *build, *files)
            if built.returncode != 0:
                return (built.stderr or built.stdout).strip() or f"opa build: {built.returncode}"
            data = (f"--data={name}" for name in files)
            needs = json.loads(_told(opa, policy, "deps", "--format=json", *data, query))
            rules = [[step["value"] for step in rule] for rule in needs.get("virtual", ())]
    except (OSError, subprocess.SubprocessError, ValueError, LookupError, TypeError) as error:
        raise EngineError(
            f"`{opa}` could not check the policy as OPA 1.0 or later does: {error}"
        ) from None
    wanted = query.split(".")
    known = any(rule[: len(wanted)] == wanted for rule in rules)
    return "" if known else f"no rule is called {query}"


def _told(opa: str, folder: Path, *args: str) -> str:
    done = _run(opa, folder, *args)
    done.check_returncode()
    return done.stdout


def _run(opa: str, folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - the binary that whoever wrote the policy named
        [opa, *args],
        cwd=folder,
        env=_environment(str(folder)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_LONGEST_CHECK,
    )


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def _environment(folder: str) -> dict[str, str]:
    """Return the environment of the binary: nothing of ours that a policy could read."""
    return {"HOME": folder, "TMPDIR": folder, "PATH": os.defpath}


class Server:
    """A running OPA with some files, started when it is first needed and again when it is gone.

    Any thread may ask. A child after `fork` asks its parent's server as long as that runs, then one of
    its own.
    """

    __slots__ = ("__weakref__", "_closed", "_files", "_lock", "_opa", "_running", "_started")

    def __init__(self, opa: str, files: Mapping[str, bytes]) -> None:
        self._opa = opa
        self._files = dict(files)
        self._running: _Running | None = None
        self._closed = False
        self._started = -_PAUSE
        self._lock = threading.Lock()
        _SERVERS.add(self)

    def start(self) -> None:
        """Return once the server listens. Raises `EngineError` if it does not within `START`."""
        self._listening(time.monotonic() + START, None)

    def post(self, path: str, body: bytes, until: float) -> Answer:
        """Return the answer to a POST. Raises `EngineError` where there is none in time."""
        running = self._listening(until, None)
        try:
            return running.client.post(path, body, _JSON, until)
        except EngineError:
            if time.monotonic() >= until or running.listens():
                raise
        running = self._listening(until, running)
        return running.client.post(path, body, _JSON, until)

    def close(self) -> None:
        """End the server that this process started; from now on there is no answer."""
        self._closed = True
        with self._lock:
            running, self._running = self._running, None
        if running is not None:
            running.end()

    def after_fork(self) -> None:
        """In a child: the server stays the parent's, and no lock is held by a thread that is gone."""
        self._lock = threading.Lock()
        if self._running is not None:
            self._running.leave()

    def _listening(self, until: float, gone: _Running | None) -> _Running:
        """Return a server that listens, after starting one in the place of what is `gone`."""
        running = self._running
        if running is not None and running is not gone and running.ready:
            return running
        if not self._lock.acquire(timeout=max(until - time.monotonic(), 0)):
            raise EngineError("OPA is still starting")
        try:
            if self._closed:
                raise EngineError("it was closed")
            running = self._running
            if running is None or running is gone or running.hopeless():
                running = self._anew(running)
            running.wait(until)
            return running
        finally:
            self._lock.release()

    def _anew(self, gone: _Running | None) -> _Running:
        if gone is not None:
            self._running = None
            gone.end()
        if time.monotonic() - self._started < _PAUSE:
            raise EngineError("OPA ended and was started less than a second ago")
        self._started = time.monotonic()
        try:
            self._running = _Running(self._opa, self._files)
        except OSError as error:
            raise EngineError(f"OPA cannot be started: {error}") from None
        return self._running


class _Running:
    """One process of OPA, its keeper and the folder with its socket."""

    __slots__ = ("__weakref__", "_born", "_end", "_socket", "client", "ready")

    def __init__(self, opa: str, files: Mapping[str, bytes]) -> None:
        self.ready = False
        self._born = time.monotonic()
        with ExitStack() as failing:
            folder = tempfile.mkdtemp(prefix="wardline-")
            failing.callback(shutil.rmtree, folder, ignore_errors=True)
            self._socket = f"{folder}/{_SOCKET}"
            if len(self._socket) > _LONGEST_SOCKET:
                raise EngineError(
                    f"`{folder}` is too long for a socket: set TMPDIR to a short path"
                )
            _write(Path(folder), files)
            self.client = Client(over_unix(self._socket), "opa")
            theirs, ours = os.pipe()
            failing.callback(os.close, ours)
            try:
                keeper = _keeper(folder, theirs, opa, *_SERVE, *files)
            finally:
                os.close(theirs)
            failing.pop_all()
        self._end = finalize(self, _let_go, ours, keeper, folder)

    def wait(self, until: float) -> None:
        """Return once it listens. Raises `EngineError` if it does not by `until`."""
        while not (self.ready or self.listens()):
            if time.monotonic() >= until:
                waited = time.monotonic() - self._born
                raise EngineError(f"OPA was started {waited:.1f} s ago and does not listen yet")
            time.sleep(_WAIT)
        self.ready = True

    def hopeless(self) -> bool:
        """Whether it should have listened long ago."""
        return not self.ready and time.monotonic() - self._born > START

    def listens(self) -> bool:
        """Whether somebody accepts connections."""
        try:
            over_unix(self._socket)(time.monotonic() + _PATIENCE).close()
        except OSError:
            return False
        return True

    def leave(self) -> None:
        """In a child after `fork`: close the copy of the pipe, whose other holder decides for both."""
        if held := self._end.detach():
            _, _, (ours, keeper, _), _ = held
            os.close(ours)
            keeper.returncode = 0  # it is no child of this process: nobody here waits for it

    def end(self) -> None:
        """End the process, if it is this process's own."""
        self.client.close()
        self._end()


def _keeper(folder: str, pipe: int, *command: str) -> subprocess.Popen[bytes]:
    """Run a command until `pipe` closes; nothing of it is left then, nor of the folder."""
    return subprocess.Popen(  # noqa: S603 - the binary that whoever wrote the policy named
        ["/bin/sh", "-c", _KEEPER, "wardline-opa", folder, *command],
        cwd=folder,
        env=_environment(folder),
        stdin=pipe,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # A signal from the terminal is for this process; the keeper sees its pipe close.
        start_new_session=True,
    )


def _let_go(pipe: int, keeper: subprocess.Popen[bytes], folder: str) -> None:
    """Close the pipe, by which the keeper ends, and wait until it has."""
    os.close(pipe)
    if keeper.wait() != 0:
        # Somebody else ended the keeper: what it kept is in its group.
        with suppress(ProcessLookupError):
            os.killpg(keeper.pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


_JSON: Final[Mapping[str, str]] = {"Content-Type": "application/json"}
_SERVERS: WeakSet[Any] = WeakSet()


def _after_fork_in_child() -> None:
    for server in list(_SERVERS):
        server.after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
