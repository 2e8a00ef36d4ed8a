"""Verifying a ledger, with a progress bar where somebody watches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wardline_cli.progress import progress

if TYPE_CHECKING:
    from pathlib import Path

    from wardline.ledger import VerifyReport

__all__ = ["END_NOT_PROVEN", "as_dict", "verified"]

END_NOT_PROVEN: Final = (
    "end not proven: records cut off at the end leave no trace without a checkpoint"
)
"""What a verification cannot say, in words."""


def verified(directory: Path, *, quiet: bool) -> VerifyReport:
    """Verify the ledger in a directory; shows progress on a terminal unless `quiet`."""
    from wardline.ledger import verify

    with progress("verifying", quiet=quiet, in_bytes=True) as step:
        return verify(directory, progress=step)


def as_dict(report: VerifyReport) -> dict[str, Any]:
    """Return a report as plain data."""
    return {
        "ok": report.ok,
        "end": report.end,
        "segments": report.segments,
        "records": report.records,
        "problems": [
            {
                "segment": one.segment,
                "record": one.record,
                "offset": one.offset,
                "kind": one.kind,
                "message": one.message,
            }
            for one in report.problems
        ],
        "omitted": report.omitted,
        "torn": [
            {
                "segment": one.segment,
                "offset": one.offset,
                "length": one.length,
                "sha256": one.sha256,
                "explained": one.explained,
            }
            for one in report.torn
        ],
        "live": list(report.live),
        "open_intents": [str(one) for one in report.open_intents],
    }
