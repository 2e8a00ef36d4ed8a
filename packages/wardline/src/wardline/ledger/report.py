"""What a verification found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wardline.ledger.format import RecordRef

__all__ = ["LedgerProblem", "TornTail", "VerifyReport"]

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class LedgerProblem:
    """One thing that is wrong.

    `segment` is a file name, `record` the number of the line in it (from 0, as `seq` counts), `offset`
    the byte at which that line begins. `kind` is one of `altered`, `deleted`, `duplicated`,
    `reordered`, `inserted`, `malformed`, `header`, `after-close`, `missing`, `truncated`, `extended`,
    `rewritten`, `torn`, `outcome`, `unreadable`; `message` says it in words.
    """

    segment: str
    record: int
    offset: int
    kind: str
    message: str

    def __str__(self) -> str:
        return f"{self.segment}, record {self.record} (byte {self.offset}): {self.message}"


@dataclass(frozen=True, slots=True)
class TornTail:
    """Half a line at the end of a segment whose writer is gone: what a crash leaves behind.

    `explained` is the name of the segment whose header records exactly this tail, or None as long as
    no later start has recorded it.
    """

    segment: str
    offset: int
    length: int
    sha256: str
    explained: str | None

    def __str__(self) -> str:
        by = (
            f"recorded by {self.explained}"
            if self.explained
            else "not recorded by a later start yet"
        )
        return f"{self.segment}: torn tail of {self.length} bytes at byte {self.offset}, {by}"


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """The result of `verify`.

    - `segments`, `records`: how many there are (complete lines, headers and closings included)
    - `problems`: what is wrong, the first one first; at most 1,000, `omitted` counts the others
    - `torn`: what crashes left behind, which is not in itself a sign of tampering
    - `live`: segments that a writer still holds, read as far as they went
    - `open_intents`: intents without an outcome
    """

    segments: int
    records: int
    problems: tuple[LedgerProblem, ...]
    omitted: int
    torn: tuple[TornTail, ...]
    live: tuple[str, ...]
    open_intents: tuple[RecordRef, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with what is there."""
        return not self.problems

    @property
    def end(self) -> str:
        """What is known about the end: always `not proven`.

        The chain shows that nothing in it was changed. That nothing was cut off at the end of the last
        segment, or that not the whole chain was written anew, only a signed checkpoint can show.
        """
        return "not proven"

    def __str__(self) -> str:
        state = (
            "intact" if self.ok else f"NOT INTACT: {len(self.problems) + self.omitted} problem(s)"
        )
        lines = [f"{self.records} records in {self.segments} segments: {state}"]
        lines += [f"  {problem}" for problem in self.problems[:_SHOWN]]
        more = len(self.problems) + self.omitted - _SHOWN
        if more > 0:
            lines.append(f"  and {more} more")
        lines += [f"  {torn}" for torn in self.torn[:_SHOWN]]
        if len(self.torn) > _SHOWN:
            lines.append(f"  and {len(self.torn) - _SHOWN} more torn tails")
        if self.live:
            lines.append(f"{len(self.live)} segment(s) still being written")
        if self.open_intents:
            lines.append(f"{len(self.open_intents)} intent(s) without an outcome")
        lines.append(
            "end: not proven (without a checkpoint, records cut off at the end leave no trace)"
        )
        return "\n".join(lines)
