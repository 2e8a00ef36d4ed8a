"""A store in a SQLite file that the processes of one machine share.

One connection per process and store object, behind a lock: SQLite lets one writer in at a time
anyway. The file is in WAL mode with `synchronous=NORMAL`, so a killed process loses nothing and a
power cut at most the last moments of counters and call states; switches and the answers to and uses
of approvals are synced before they return. The file has to lie on a local disk.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar
from weakref import WeakSet

from wardline.errors import StoreError, WardlineError
from wardline.store import sqlite_rows as rows
from wardline.store.leases import Leases
from wardline.store.sqlite_methods import SQLiteMethods
from wardline.store.sqlite_schema import SCHEMA, VERSION, Execute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["SQLiteStore"]

P = ParamSpec("P")
T = TypeVar("T")

_BUSY: Final = 5  # SQLITE_BUSY
_NOT_A_DATABASE: Final = 26  # SQLITE_NOTADB
_PRAGMAS: Final = (
    "PRAGMA synchronous = NORMAL",
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA journal_size_limit = 67108864",
)


class SQLiteStore(SQLiteMethods):
    """State in the SQLite file `path`, which is made if it does not exist (mode 0600).

    `deadline` bounds every wait, in seconds: for this object's lock and for a process that writes.
    The leases of owners lie beside the file, in `<path>-owners/`.
    """

    def __init__(self, path: str | Path, deadline: float = 2.0) -> None:
        self.path = Path(path).absolute()
        self.deadline = deadline
        self._lock = threading.Lock()
        self._joined = 0  # the thread inside `together`, if any
        self._sync_at_end = False
        self._broken: BaseException | None = None
        self._closed = False
        self._connection: sqlite3.Connection | None = None
        self._execute: Execute | None = None
        super().__init__(Leases(self.path.with_name(self.path.name + "-owners")))
        self.generation()
        _STORES.add(self)

    # The connection

    def _wait_for_lock(self) -> float:
        until = time.monotonic() + self.deadline
        if not self._lock.acquire(timeout=self.deadline):
            raise StoreError(
                f"{self.path}: waited {self.deadline:g} s for another thread of this process that "
                "uses the store; look for a thread that is stuck, or raise the store's deadline"
            )
        return until

    def _patiently(self, until: float, statement: str) -> Any:
        """Run a statement, again and again while another process is in the way."""
        assert self._connection is not None, "an open connection"
        pause = 0.00005
        while True:
            try:
                return self._connection.execute(statement).fetchone()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != _BUSY or time.monotonic() >= until:
                    raise
            time.sleep(pause)
            pause = min(pause * 1.5, 0.005)

    def _open(self, until: float) -> Execute:
        if self._closed:
            raise StoreError(f"{self.path}: this store is closed; open another one")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # An existing file is left to SQLite: closing it here would drop this process's locks.
            with suppress(FileExistsError):
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise StoreError(
                f"{self.path}: the store cannot be made ({error.strerror}); name a path in a "
                "directory that this user may write"
            ) from error
        self._connection = sqlite3.connect(
            self.path, timeout=0, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(until)
        except BaseException:
            self._disconnect()
            raise
        execute: Execute = self._connection.cursor().execute
        self._execute = execute
        return execute

    def _prepare(self, until: float) -> None:
        found = self._version(until)
        if found is None:
            self._patiently(until, "BEGIN IMMEDIATE")
            assert self._connection is not None, "an open connection"
            found = self._version(until)
            for statement in SCHEMA if found is None else ():
                self._connection.execute(statement)
            # Before the log is on, a commit waits for readers, such as others that open this file.
            self._patiently(until, "COMMIT")
        if found is not None and found != VERSION:
            raise StoreError(
                f"{self.path}: the store has schema version {found}, this Wardline knows {VERSION}; "
                "upgrade Wardline, or name another file"
            )
        mode = self._patiently(until, "PRAGMA journal_mode = WAL")
        if mode != ("wal",):
            raise StoreError(
                f"{self.path}: SQLite cannot use its write-ahead log here; name a file on a local disk"
            )
        for pragma in _PRAGMAS:
            self._patiently(until, pragma)

    def _version(self, until: float) -> int | None:
        """Return the schema version, or None for an empty database."""
        tables = self._patiently(
            until, "SELECT count(*), coalesce(sum(name = 'wardline'), 0) FROM sqlite_master"
        )
        if tables == (0, 0):
            return None
        if not tables[1]:
            raise StoreError(
                f"{self.path}: this is the database of something else; name another file"
            )
        version = self._patiently(until, "SELECT value FROM wardline WHERE name = 'schema'")
        return int(version[0]) if version is not None else 0

    def _disconnect(self) -> None:
        connection, self._connection, self._execute = self._connection, None, None
        if connection is not None:
            connection.close()

    def _error(self, error: Exception) -> StoreError:
        if isinstance(error, sqlite3.Error):
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code == _BUSY:
                return StoreError(
                    f"{self.path}: waited {self.deadline:g} s for another process that holds the "
                    "database locked; find and end it, or raise the store's deadline"
                )
            if code == _NOT_A_DATABASE:
                return StoreError(f"{self.path}: not a SQLite database; name another file")
        return StoreError(
            f"{self.path}: the store cannot be read or written ({error}); check the disk and the "
            "file, then try again"
        )

    # Transactions

    def _run(
        self,
        write: bool,
        work: Callable[Concatenate[Execute, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Do `work` under the lock, in one transaction if it writes."""
        if self._joined == threading.get_ident():
            return self._inside(work, *args, **kwargs)
        until = 0.0 if self._lock.acquire(False) else self._wait_for_lock()
        try:
            execute = self._execute or self._open(until or time.monotonic() + self.deadline)
            if write:
                self._begin(execute, until)
                result = work(execute, *args, **kwargs)
                execute("COMMIT")
                return result
            return self._read(until, work, execute, *args, **kwargs)
        except (sqlite3.Error, OverflowError, UnicodeError) as error:
            raise self._error(error) from error
        finally:
            connection = self._connection
            if connection is not None and connection.in_transaction:
                self._roll_back(connection)
            self._lock.release()

    def _begin(self, execute: Execute, until: float) -> None:
        try:
            execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != _BUSY:
                raise
            self._patiently(until or time.monotonic() + self.deadline, "BEGIN IMMEDIATE")

    def _read(
        self,
        until: float,
        work: Callable[Concatenate[Execute, P], T],
        execute: Execute,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Readers are hardly ever in anybody's way: only while a log is recovered or removed."""
        try:
            return work(execute, *args, **kwargs)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != _BUSY:
                raise
        self._patiently(until or time.monotonic() + self.deadline, "SELECT 1 FROM wardline")
        return work(execute, *args, **kwargs)

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        try:
            connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._disconnect()

    def _inside(
        self,
        work: Callable[Concatenate[Execute, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Do `work` inside the transaction of `together`."""
        assert self._execute is not None, "an open connection"
        if self._broken is not None:
            raise self._lost() from self._broken
        try:
            return work(self._execute, *args, **kwargs)
        except (sqlite3.Error, OverflowError, UnicodeError) as error:
            self._broken = error
            raise self._error(error) from error
        except WardlineError:  # raised before anything was written
            raise
        except BaseException as error:
            self._broken = error
            raise

    def _lost(self) -> StoreError:
        return StoreError(
            f"{self.path}: a part of this transaction failed and all of it is lost; try again"
        )

    @contextmanager
    def together(self) -> Iterator[None]:
        """See `Store.together`."""
        if self._joined == threading.get_ident():
            yield
            return
        until = 0.0 if self._lock.acquire(False) else self._wait_for_lock()
        try:
            try:
                execute = self._execute or self._open(until or time.monotonic() + self.deadline)
                self._begin(execute, until)
            except sqlite3.Error as error:
                raise self._error(error) from error
            self._broken, self._sync_at_end = None, False
            self._joined = threading.get_ident()
            try:
                yield
            finally:
                self._joined = 0
                self._commit(execute)
        finally:
            connection = self._connection
            if connection is not None and connection.in_transaction:
                self._roll_back(connection)
            self._lock.release()

    def _commit(self, execute: Execute) -> None:
        if self._broken is not None:
            raise self._lost() from self._broken
        try:
            execute("COMMIT")
        except sqlite3.Error as error:
            raise self._error(error) from error
        if self._sync_at_end:
            self._sync()

    def generation(self) -> int:
        """See `Store.generation`; a look-up each time, so that it cannot be out of date."""
        execute = self._execute
        if execute is not None and self._lock.acquire(False):
            try:
                if self._execute is execute:
                    row = execute(rows.GENERATION).fetchone()
                    if row is not None:
                        return int(row[0])
            except sqlite3.OperationalError:
                pass  # in somebody's way: take the way that waits
            except sqlite3.Error as error:
                raise self._error(error) from error
            finally:
                self._lock.release()
        return self._run(False, rows.generation)

    def _run_synced(
        self, work: Callable[Concatenate[Execute, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Do `work` in one transaction that is on the disk when this, or `together`, returns."""
        result = self._run(True, work, *args, **kwargs)
        if self._joined == threading.get_ident():
            self._sync_at_end = True
        else:
            self._sync()
        return result

    def _sync(self) -> None:
        try:
            fd = os.open(f"{self.path}-wal", os.O_RDWR | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        except FileNotFoundError:
            pass  # the last connection was closed for a fork, and that syncs the whole log
        except OSError as error:
            raise self._error(error) from error

    def close(self) -> None:
        """See `Store.close`."""
        with self._leasing():
            self._leases.end_all()
        if not self._lock.acquire(False):
            self._wait_for_lock()
        try:
            self._closed = True
            self._disconnect()
        finally:
            self._lock.release()

    # fork

    def _before_fork(self) -> bool:
        """Close the connection, which a child must neither use nor close, and keep the lock."""
        taken = self._lock.acquire(timeout=self.deadline)
        if taken:
            self._disconnect()
        return taken

    def _in_child(self) -> None:
        """Start anew; what a fork without hooks left behind is put where nothing closes it."""
        if self._connection is not None:
            _INHERITED.append(self._connection)
        self._connection = self._execute = None
        self._joined = 0
        self._lock = threading.Lock()
        self._lease_lock = threading.Lock()
        self._leases.abandon()


_STORES: WeakSet[SQLiteStore] = WeakSet()
_FORKING: dict[int, list[SQLiteStore]] = {}
_INHERITED: list[sqlite3.Connection] = []


def _before_fork() -> None:
    _FORKING[threading.get_ident()] = [store for store in list(_STORES) if store._before_fork()]


def _after_fork() -> None:
    for store in _FORKING.pop(threading.get_ident(), ()):
        store._lock.release()


def _after_fork_in_child() -> None:
    _FORKING.clear()
    for store in list(_STORES):
        store._in_child()


os.register_at_fork(
    before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child
)
