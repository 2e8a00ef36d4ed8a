"""Verification: reads everything, trusts nothing, and says what is wrong and where."""

from __future__ import annotations

import contextlib
import os
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from wardline.errors import LedgerError
from wardline.ledger.chain import Chain
from wardline.ledger.format import MAX_LINE
from wardline.ledger.links import Links
from wardline.ledger.reader import StoredRecord, read
from wardline.ledger.report import LedgerProblem, TornTail, VerifyReport
from wardline.ledger.survey import Claim, claims_of, header_of, is_live, segment_names

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

__all__ = ["verify"]

_MOST_PROBLEMS = 1000
_PROGRESS = 1 << 20


def verify(
    directory: str | os.PathLike[str], *, progress: Callable[[int, int], None] | None = None
) -> VerifyReport:
    """Check every record of every segment of a ledger.

    Memory is constant but for the intents that are open. A segment that is still being written is
    checked as far as it went when the verification came to it. `progress(done, total)` is called with
    numbers of bytes, about once per MiB.

    Whatever the files contain ends up in the report; LedgerError only if the directory cannot be read.
    """
    return _Verification(Path(directory), progress).run()


class _Verification:
    """The state of one run."""

    def __init__(self, directory: Path, progress: Callable[[int, int], None] | None) -> None:
        self.directory = directory
        self.progress = progress
        self.done = self.total = 0
        self.records = 0
        self.counts: dict[str, int] = {}
        self.problems: list[LedgerProblem] = []
        self.omitted = 0
        self.torn: list[TornTail] = []
        self.live: list[str] = []
        self.claims: dict[str, list[Claim]] = {}
        self.links = Links(self._seen, self._link_problem)

    def run(self) -> VerifyReport:
        try:
            names = segment_names(self.directory)
        except OSError as error:
            raise LedgerError(f"{self.directory}: {error.strerror or error}") from error
        for name in names:
            self._collect(name)
        for name in names:
            try:
                with Path(self.directory, name).open("rb") as file:
                    self._segment(name, file)
            except OSError as error:
                self._problem(
                    name, 0, 0, "unreadable", f"it cannot be read: {error.strerror or error}"
                )
        self._missing(set(names))
        self._unresolved()
        if self.progress is not None:
            self.progress(self.total, self.total)
        return VerifyReport(
            segments=len(names),
            records=self.records,
            problems=tuple(self.problems),
            omitted=self.omitted,
            torn=tuple(self.torn),
            live=tuple(self.live),
            open_intents=tuple(self.links.open_intents()),
        )

    def _problem(self, segment: str, record: int, offset: int, kind: str, message: str) -> None:
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(LedgerProblem(segment, record, offset, kind, message))
        else:
            self.omitted += 1

    def _link_problem(self, segment: str, record: int, offset: int, message: str) -> None:
        self._problem(segment, record, offset, "outcome", message)

    def _collect(self, name: str) -> None:
        """Gather what the header of a segment says about others."""
        path = Path(self.directory, name)
        try:
            self.total += path.stat().st_size
            header = header_of(path)
        except OSError:
            return  # reported when its turn comes
        for claim in claims_of(name, header) if header else ():
            self.claims.setdefault(claim.segment, []).append(claim)

    def _seen(self, by: str, segment: str) -> int:
        return max((c.records for c in self.claims.get(segment, ()) if c.by == by), default=0)

    def _segment(self, name: str, file: BinaryIO) -> None:
        claims = self.claims.get(name, [])
        chain = Chain(name, claims, lambda *found: self._problem(name, *found))
        live = is_live(file)
        if live:
            self.live.append(name)
        size = os.fstat(file.fileno()).st_size
        offset, tail = 0, b""
        while offset < size:
            line = file.readline(min(MAX_LINE, size - offset))
            if not line.endswith(b"\n"):
                tail = line
                if len(line) < MAX_LINE:
                    break
                length = len(line) + _skip_line(file)
                chain.reject(chain.lines, offset, "a line longer than any record")
                chain.lines += 1
                offset, tail = offset + length, b""
                continue
            record = chain.lines
            fields = chain.take(line[:-1], offset)
            if fields is not None:
                self.links.take(name, record, offset, fields)
            offset += len(line)
            self._advance(len(line))
        self.records += chain.lines
        self.counts[name] = chain.records
        self._end(name, chain, offset, tail, live=live)

    def _end(self, name: str, chain: Chain, offset: int, tail: bytes, *, live: bool) -> None:
        """Judge where a segment ends: by its torn tail and by what later headers say."""
        torn = (len(tail), sha256(tail).hexdigest()) if tail else None
        record = chain.lines
        explained = None
        if torn is not None and chain.is_complete(tail):
            self._problem(
                name, record, offset, "altered", "the newline behind this record was changed"
            )
            torn = None
        for claim in self.claims.get(name, ()):
            if claim.records > chain.records:
                message = f"it ends here, but {claim.by} saw {claim.records} records"
                self._problem(name, record, offset, "truncated", message)
            elif claim.state != "live" and claim.records < chain.records:
                message = f"it had ended with {claim.records} records when {claim.by} saw it"
                self._problem(name, record, offset, "extended", message)
            elif claim.state != "live" and claim.torn != torn:
                message = f"its torn tail is not the one that {claim.by} saw"
                self._problem(name, record, offset, "torn", message)
            elif claim.torn is not None:
                explained = claim.by
        if torn is not None and not live:
            self.torn.append(TornTail(name, offset, *torn, explained))

    def _missing(self, names: set[str]) -> None:
        for name, claims in self.claims.items():
            # A writer that cannot write its header takes the file away again.
            if name not in names and any(c.records or c.state != "live" for c in claims):
                message = (
                    f"the segment is gone; {claims[0].by} saw {claims[0].records} records in it"
                )
                self._problem(name, 0, 0, "missing", message)

    def _unresolved(self) -> None:
        """Say of each outcome left over whether its intent is not there or has another outcome."""
        for name, outcomes in self.links.unresolved().items():
            intents = self._intents(name, set(outcomes)) if name in self.counts else set()
            for seq, (segment, record, offset) in outcomes.items():
                if name in self.live and seq >= self.counts[name]:
                    continue  # written after this verification came to that segment
                said = (
                    "a second outcome for the intent"
                    if seq in intents
                    else "an outcome without its intent,"
                )
                self._problem(segment, record, offset, "outcome", f"{said} {name}:{seq}")

    def _intents(self, name: str, wanted: set[int]) -> set[int]:
        """Return which of these records of a segment are intents."""
        found = set()
        # A line that is too long ends the search; it has been reported.
        with contextlib.suppress(LedgerError):
            for stored in read(Path(self.directory, name)):
                if stored.seq in wanted and _is_intent(stored):
                    found.add(stored.seq)
        return found

    def _advance(self, count: int) -> None:
        before, self.done = self.done, self.done + count
        if self.progress is not None and before // _PROGRESS != self.done // _PROGRESS:
            self.progress(min(self.done, self.total), self.total)


def _is_intent(stored: StoredRecord) -> bool:
    try:
        return stored.type == "intent"
    except LedgerError:
        return False


def _skip_line(file: BinaryIO) -> int:
    """Read to the end of a line that is too long; return how many bytes that took."""
    length = 0
    while piece := file.readline(MAX_LINE):
        length += len(piece)
        if piece.endswith(b"\n"):
            break
    return length
