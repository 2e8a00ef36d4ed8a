"""`wardline ledger`: whether the record is intact, and what it says."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wardline_cli import exits, output
from wardline_cli.failures import UsageError
from wardline_cli.options import Follow, Home, Json, LedgerDirectory, Number, group
from wardline_cli.records import line
from wardline_cli.state import ledger_directory, nothing
from wardline_cli.tailing import Tail
from wardline_cli.times import ago
from wardline_cli.verifying import END_NOT_PROVEN, as_dict, verified

if TYPE_CHECKING:
    from pathlib import Path

    from wardline.ledger import VerifyReport

__all__ = ["app", "tail", "verify"]

app = group("ledger", "Verify and read the record of what was decided and what came of it.")

_SHOWN = 20


@app.command
def verify(
    directory: LedgerDirectory = None, /, *, home: Home = None, as_json: Json = False
) -> int:
    """Check every record of a ledger, and say which are wrong and how.

    It proves that nothing inside was changed, removed or reordered. It cannot
    prove that nothing was cut off at the end, and says so.

    For example:
        wardline ledger verify
        wardline ledger verify backup/ledger --json

    Exits with 0 if nothing is wrong, with 1 if something is.
    """
    place = ledger_directory(directory, home)
    report = verified(place, quiet=as_json)
    if as_json:
        output.print_json({"source": str(place), **as_dict(report)})
    else:
        _show(place, report)
    return exits.OK if report.ok else exits.FAILED


@app.command
def tail(
    *, number: Number = 20, follow: Follow = False, home: Home = None, as_json: Json = False
) -> int:
    """Show the latest records: what was decided when, for whom, by which rule.

    Records of all writers in order of time; an outcome stands with its decision.
    Times are local, with --json in UTC. It does not verify anything.

    For example:
        wardline ledger tail -n 50
        wardline ledger tail --follow
    """
    if number < 1:
        raise UsageError(f"-n is {number}; show at least one record")
    place = ledger_directory(None, home)
    reader = Tail(place)
    latest = reader.latest(number)
    if not latest and not follow:
        raise nothing(place, "its segments have no decision in them")
    if as_json and not follow:
        output.print_json({"source": str(place), "records": latest})
        return exits.FAILED if reader.broken else exits.OK
    for made in latest:
        _write(made, reader, as_json=as_json)
    if follow:
        sys.stdout.flush()
        for made in reader.follow():
            _write(made, reader, as_json=as_json)
            sys.stdout.flush()
    newest = latest[-1]
    output.say()
    age = f", the last record {ago(newest['record']['t'])}" if newest["time"] else ""
    output.say(output.printable(f"from {place}{age}"))
    if reader.broken:
        output.complain("error: some lines are no records; run `wardline ledger verify`")
    return exits.FAILED if reader.broken else exits.OK


def _write(made: dict[str, object], reader: Tail, *, as_json: bool) -> None:
    if as_json:
        output.print_json(made, line=True)
    else:
        output.say(line(made, reader.known))


def _show(place: Path, report: VerifyReport) -> None:
    count = len(report.problems) + report.omitted
    word = output.paint("verified", "green") if report.ok else output.paint("NOT intact", "red")
    output.say(
        f"{word}: {report.records} records in {report.segments} segments of {output.printable(place)}"
    )
    for problem in report.problems[:_SHOWN]:
        output.say(f"  {output.printable(problem)}")
    if count > _SHOWN:
        output.say(f"  and {count - _SHOWN} more; --json has the first {len(report.problems)}")
    for torn in report.torn[:_SHOWN]:
        output.say(f"  {output.printable(torn)}")
    if len(report.torn) > _SHOWN:
        output.say(f"  and {len(report.torn) - _SHOWN} more torn tails")
    if report.live:
        output.say(
            f"{len(report.live)} of the segments still being written, checked as far as they went"
        )
    if report.open_intents:
        output.say(f"{len(report.open_intents)} actions were let through and have no outcome (yet)")
    output.say(END_NOT_PROVEN)
