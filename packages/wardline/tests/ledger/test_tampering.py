"""What an attacker does to the bytes of a ledger, and what `verify` says about it."""

from __future__ import annotations

import json
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wardline.ledger import Ledger, RecordRef, VerifyReport, read, verify
from wardline.ledger.format import GENESIS, SUFFIX, encode_line

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = st.sampled_from(["reason", "args", "name", "rule", "t", "π"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
BODIES = st.lists(
    st.tuples(
        st.sampled_from(["note", "refusal", "approval", "switch", "x"]),
        st.dictionaries(KEYS, VALUES, max_size=4),
    ),
    min_size=3,
    max_size=12,
)


def encode(kind: str, **fields: Any) -> bytes:
    return json.dumps({"type": kind, **fields}, separators=(",", ":"), ensure_ascii=False).encode()


@contextmanager
def ledger_of(bodies: list[tuple[str, dict[str, Any]]], closed: bool = True) -> Iterator[Path]:
    """A directory with one segment: header, one record per body, and a closing unless it is left out."""
    with tempfile.TemporaryDirectory() as directory:
        with Ledger(directory, durability="none") as ledger:
            for kind, fields in bodies:
                ledger.append(encode(kind, **fields))
        path = segment_of(directory)
        if not closed:
            path.write_bytes(b"".join(lines_of(path)[:-1]))
        assert verify(directory).ok
        yield path


def segment_of(directory: str | Path) -> Path:
    (path,) = Path(directory).glob("*.jsonl")
    return path


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def check(path: Path, lines: list[bytes]) -> VerifyReport:
    path.write_bytes(b"".join(lines))
    return verify(path.parent)


@settings(deadline=None, max_examples=150)
@given(bodies=BODIES, closed=st.booleans(), data=st.data())
def test_AUD_1_any_flipped_byte_is_found_and_its_record_named(
    bodies: Any, closed: bool, data: Any
) -> None:
    with ledger_of(bodies, closed) as path:
        lines = lines_of(path)
        index = data.draw(st.integers(0, len(lines) - 1))
        at = data.draw(st.integers(0, len(lines[index]) - 1))
        line = bytearray(lines[index])
        line[at] ^= data.draw(st.integers(1, 255))
        report = check(path, [*lines[:index], bytes(line), *lines[index + 1 :]])
        assert not report.ok
        first = report.problems[0]
        assert (first.segment, first.record) == (path.name, index)
        assert first.offset == sum(map(len, lines[:index]))


def test_AUD_1_every_bit_of_a_whole_segment(tmp_path: Path) -> None:
    with Ledger(tmp_path, durability="none") as ledger:
        intent = ledger.append(encode("intent", name="send_email"))
        ledger.append(encode("outcome", intent=str(intent)))
    path = segment_of(tmp_path)
    data = path.read_bytes()
    starts = [0]
    for line in lines_of(path):
        starts.append(starts[-1] + len(line))
    for at in range(len(data)):
        for bit in (1, 32, 128):
            path.write_bytes(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
            report = verify(tmp_path)
            assert not report.ok, (at, bit)
            assert report.problems[0].offset == max(s for s in starts if s <= at), (at, bit)


@settings(deadline=None, max_examples=60)
@given(bodies=BODIES, data=st.data())
def test_AUD_1_any_changed_field_is_found(bodies: Any, data: Any) -> None:
    with ledger_of(bodies) as path:
        lines = lines_of(path)
        index = data.draw(st.integers(0, len(lines) - 1))
        fields = json.loads(lines[index])
        key = data.draw(st.sampled_from(sorted(fields)))
        fields[key] = data.draw(
            VALUES.filter(
                lambda value: value != fields[key] or type(value) is not type(fields[key])
            )
        )
        line = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
        report = check(path, [*lines[:index], line, *lines[index + 1 :]])
        assert report.problems[0].record == index


@settings(deadline=None, max_examples=60)
@given(bodies=BODIES, data=st.data())
def test_AUD_1_a_deleted_record_is_found(bodies: Any, data: Any) -> None:
    with ledger_of(bodies) as path:
        lines = lines_of(path)
        index = data.draw(st.integers(0, len(lines) - 2))
        report = check(path, lines[:index] + lines[index + 1 :])
        assert report.problems[0].kind == "deleted"
        assert report.problems[0].record == index
        assert f"record {index} is missing" in str(report)


@settings(deadline=None, max_examples=60)
@given(bodies=BODIES, data=st.data())
def test_AUD_1_a_duplicated_record_is_found(bodies: Any, data: Any) -> None:
    with ledger_of(bodies) as path:
        lines = lines_of(path)
        index = data.draw(st.integers(1, len(lines) - 1))
        to = data.draw(st.integers(index, len(lines) - 1))
        report = check(path, [*lines[: to + 1], lines[index], *lines[to + 1 :]])
        assert next((p.kind, p.record) for p in report.problems) == ("duplicated", to + 1)
        assert {p.kind for p in report.problems} == {"duplicated"}


@settings(deadline=None, max_examples=60)
@given(bodies=BODIES, data=st.data())
def test_AUD_1_reordered_records_are_found(bodies: Any, data: Any) -> None:
    with ledger_of(bodies) as path:
        lines = lines_of(path)
        i, j = sorted(
            data.draw(st.lists(st.integers(1, len(lines) - 1), min_size=2, max_size=2, unique=True))
        )
        moved = [*lines[:i], *lines[i + 1 : j + 1], lines[i], *lines[j + 1 :]]
        report = check(path, moved)
        assert not report.ok
        assert report.problems[0].record == i
        assert "reordered" in {p.kind for p in report.problems}


@settings(deadline=None, max_examples=60)
@given(bodies=BODIES, data=st.data(), own_number=st.booleans(), chained=st.booleans())
def test_AUD_1_an_inserted_record_is_found(
    bodies: Any, data: Any, own_number: bool, chained: bool
) -> None:
    with ledger_of(bodies) as path:
        lines = lines_of(path)
        at = data.draw(st.integers(1, len(lines) - 1))
        seq = at if own_number else data.draw(st.integers(0, 50))
        previous = bytes.fromhex(json.loads(lines[at - 1])["hash"]) if chained else GENESIS
        forged, _ = encode_line(seq, encode("note", forged=True), previous)
        report = check(path, [*lines[:at], forged, *lines[at:]])
        assert not report.ok
        assert report.problems[0].record in {at, at + 1}
        if own_number:
            assert "inserted" in {p.kind for p in report.problems}
            assert len(report.problems) <= 2


@settings(deadline=None, max_examples=40)
@given(bodies=BODIES, data=st.data())
def test_removal_at_the_end_is_reported_as_end_not_proven(bodies: Any, data: Any) -> None:
    with ledger_of(bodies) as path:
        lines = lines_of(path)
        keep = data.draw(st.integers(1, len(lines) - 1))
        report = check(path, lines[:keep])
        assert report.ok
        assert report.records == keep
        assert report.end == "not proven"
        assert "end: not proven" in str(report)


@settings(deadline=None, max_examples=40)
@given(bodies=BODIES, data=st.data())
def test_what_a_later_header_has_seen_cannot_be_cut_off(bodies: Any, data: Any) -> None:
    with ledger_of(bodies) as path:
        Ledger(path.parent, durability="none").close()
        lines = lines_of(path)
        report = check(path, lines[: data.draw(st.integers(0, len(lines) - 1))])
        assert "truncated" in {p.kind for p in report.problems}
        path.unlink()
        assert [p.kind for p in verify(path.parent).problems] == ["missing"]


def test_a_chain_written_anew_does_not_fit_what_a_later_header_has_seen(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        for i in range(4):
            ledger.append(encode("note", i=i))
    path = segment_of(tmp_path)
    Ledger(tmp_path).close()
    head, forged = GENESIS, []
    for seq, line in enumerate(lines_of(path)):
        body = b"{" + line[line.index(b",") + 1 : -SUFFIX - 1] + b"}"
        new, head = encode_line(seq, body.replace(b'"i":2', b'"i":7'), head)
        forged.append(new)
    report = check(path, [*forged])
    assert [p.kind for p in report.problems] == ["rewritten"]
    assert report.problems[0].record == 5
    more, _ = encode_line(6, encode("note"), head)
    assert {"extended", "after-close"} <= {p.kind for p in check(path, [*forged, more]).problems}


def test_a_segment_under_another_name_is_found(tmp_path: Path) -> None:
    Ledger(tmp_path).close()
    path = segment_of(tmp_path)
    (tmp_path / "20300101T000000000000Z-1-abcdef.jsonl").write_bytes(path.read_bytes())
    report = verify(tmp_path)
    assert [p.kind for p in report.problems] == ["header"]


@pytest.mark.parametrize(
    "line",
    [
        b'{"seq":1,"type":"note","a":1,"a":2}',
        b'{"seq":1,"type":"note","deep":{"a":{"b":1,"b":1}}}',
        b'{"seq":1,"type":"note","x":NaN}',
        b'{"seq":1,"type":"note","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"seq":1,"type":"note","x":' + b"9" * 10_000 + b"}",
        b'{"seq":1,"type":"\xff"}',
        b'{"seq":01,"type":"note"}',
        b"[1]",
        b"null",
        b"",
        b"\xef\xbb\xbf{}",
        b"\x00" * 500,
    ],
)
def test_a_line_that_is_no_record_is_named_even_if_its_hash_fits(
    tmp_path: Path, line: bytes
) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.append(encode("note"))
    path = segment_of(tmp_path)
    lines = lines_of(path)
    previous = bytes.fromhex(json.loads(lines[0])["hash"])
    if line.endswith(b"}"):
        whole, _ = encode_line(1, b"{" + line[line.find(b",") + 1 :], previous)
        line = b'{"seq":01' + whole[8:] if line.startswith(b'{"seq":01') else whole
    else:
        line += b"\n"
    report = check(path, [lines[0], line, lines[2]])
    assert (report.problems[0].kind, report.problems[0].record) == ("malformed", 1)


@settings(deadline=None, max_examples=100)
@given(data=st.binary(max_size=400), tail=st.booleans())
def test_verify_never_raises_on_hostile_bytes(data: bytes, tail: bool) -> None:
    with ledger_of([("note", {})] * 3) as path:
        path.write_bytes((path.read_bytes() if tail else b"") + data)
        report = verify(path.parent)
        assert str(report)
        if b"\n" in data:
            assert not report.ok


@pytest.mark.parametrize(
    "earlier",
    [
        "x",
        [1, None, {"segment": 1}],
        [{"segment": "../../etc/passwd", "records": 3, "head": "zz", "state": "closed"}],
    ],
)
def test_verify_survives_a_hostile_header(tmp_path: Path, earlier: Any) -> None:
    name = "20300101T000000000000Z-1-abcdef.jsonl"
    line, _ = encode_line(
        0, encode("segment", format=1, segment=name, earlier=earlier, covered=[]), GENESIS
    )
    (tmp_path / name).write_bytes(line)
    str(verify(tmp_path))
    with Ledger(tmp_path) as ledger:
        ledger.append(encode("note"))


def test_a_line_longer_than_any_record_is_skipped(tmp_path: Path) -> None:
    Ledger(tmp_path).close()
    path = segment_of(tmp_path)
    lines = lines_of(path)
    report = check(path, [lines[0], b"x" * (40 << 20) + b"\n", lines[1]])
    assert (report.problems[0].kind, report.problems[0].record) == ("malformed", 1)


def test_a_segment_without_header_is_named(tmp_path: Path) -> None:
    line, _ = encode_line(0, encode("note"), GENESIS)
    (tmp_path / "20300101T000000000000Z-1-abcdef.jsonl").write_bytes(line)
    assert [p.kind for p in verify(tmp_path).problems] == ["header"]


def outcome(ref: object) -> bytes:
    return encode("outcome", intent=str(ref))


def test_AUD_7_intents_and_outcomes_are_paired(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        first, second = ledger.append(encode("intent")), ledger.append(encode("intent"))
        ledger.append(outcome(second))
        with Ledger(tmp_path) as other:
            other.append(outcome(first))
            third = other.append(encode("intent"))
    report = verify(tmp_path)
    assert report.ok
    assert report.open_intents == (third,)
    assert "1 intent(s) without an outcome" in str(report)


def test_AUD_7_outcomes_that_fit_no_intent_are_named(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        note = ledger.append(encode("note"))
        intent = ledger.append(encode("intent"))
        refs = [
            ledger.append(outcome(RecordRef(note.segment, 99))),
            ledger.append(outcome(note)),
            ledger.append(outcome(RecordRef("20300101T000000000000Z-1-abcdef.jsonl", 1))),
            ledger.append(encode("outcome", intent=None)),
            ledger.append(outcome(RecordRef(note.segment, 9))),
        ]
        ledger.append(outcome(intent))
        assert ledger.append(encode("intent")).seq == 9
        refs.append(ledger.append(outcome(intent)))
    report = verify(tmp_path)
    assert {(p.kind, p.record) for p in report.problems} == {("outcome", ref.seq) for ref in refs}
    said = {p.record: p.message for p in report.problems}
    assert "before its intent" in said[refs[4].seq]
    assert "second outcome" in said[refs[5].seq]
    assert "without its intent" in said[refs[0].seq]
    assert "names no intent" in said[refs[3].seq]


def test_an_outcome_seen_before_the_segment_of_its_intent_opened_is_named(tmp_path: Path) -> None:
    name = "20300101T000000000000Z-1-abcdef.jsonl"
    with Ledger(tmp_path) as ledger:
        ledger.append(outcome(RecordRef(name, 1)))
    seen = list(read(tmp_path))
    claim = {"segment": seen[0].segment, "records": 3, "head": seen[-1].hash, "state": "closed"}
    header, head = encode_line(
        0, encode("segment", format=1, segment=name, earlier=[claim]), GENESIS
    )
    intent, _ = encode_line(1, encode("intent"), head)
    (tmp_path / name).write_bytes(header + intent)
    assert ["before its intent" in p.message for p in verify(tmp_path).problems] == [True]
