"""The ledger: an append-only, hash-chained log of what was decided and of what came of it.

A ledger is a directory of segments. One writer owns one segment, and a segment is one chain: a second
process, a second `Ledger` object or a child after `fork` opens its own. The names of segments sort by
the time at which they were opened (`20261121T091500123456Z-<pid>-<6 hex>.jsonl`), and the writer
holds an exclusive `flock` on its segment for as long as it lives.

A record is one line, a JSON object in UTF-8::

    {"seq":7, <the fields that the caller gave> ,"hash":"<64 lower-case hex digits>"}

`seq` counts from 0 in each segment. `hash` is SHA-256 over the 32 bytes of the previous record's hash
(32 zero bytes for the first record) followed by the stored bytes of this line up to, and without,
`,"hash":`. So a changed byte is found in every record, the last one included. What the chain alone
cannot show is that records were cut off at the end: that takes a signed checkpoint. The format is
ready for one: the leaves of an RFC 6962 Merkle tree are the stored lines without their newline, in
the order of the file.

The first record of a segment has the type `segment` and names the segments that came before it, with
their number of records, their last hash and, where a crash left half a line, that torn tail's length
and digest. Nothing is ever truncated or repaired in place. A clean end is a record of type `close`.
"""

from __future__ import annotations

from wardline.ledger.format import RecordRef
from wardline.ledger.reader import StoredRecord, read, tail
from wardline.ledger.report import LedgerProblem, TornTail, VerifyReport
from wardline.ledger.verify import verify
from wardline.ledger.writer import Ledger

__all__ = [
    "Ledger",
    "LedgerProblem",
    "RecordRef",
    "StoredRecord",
    "TornTail",
    "VerifyReport",
    "read",
    "tail",
    "verify",
]
