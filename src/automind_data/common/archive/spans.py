"""Where the members of a zip lie in the file, and whether that agrees with its list of members."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from automind_data.common.archive import records
from automind_data.common.archive.records import End, Entry, Header

__all__ = ["ENCRYPTED", "Span", "locate", "misplaced"]

ENCRYPTED = 0x1 | 0x40 | 0x2000
DESCRIBED = 0x8
TELLING_FLAGS = ENCRYPTED | DESCRIBED
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Span:
    """One member in the file: header from `start`, `packed` bytes from `data`, all before `stop`.

    `broken` are the rules that it breaks, as ends of a sentence.
    """

    entry: Entry
    start: int
    data: int
    packed: int
    stop: int
    broken: tuple[str, ...]


def locate(file: io.FileIO, entries: Iterable[Entry], end: End) -> list[Span]:
    """Find the members of an archive and compare their headers with its list of members.

    Where sizes and places wrapped at 4 GB, a member is the next header of its name
    in the order of the list, and reaches as far as it can below the one after it.

    Returns
    -------
    list of Span
        In the order of the list.
    """
    found: list[tuple[Entry, int, Header | None]] = []
    floor = 0
    for entry in entries:
        start, header = _header(file, entry, end, floor)
        if header:
            floor = header.data + entry.packed
        found.append((entry, start, header))
    follows = [*(start for _, start, _ in found), end.start][1:]
    return [_span(file, *each, follow, end) for each, follow in zip(found, follows, strict=True)]


def _header(file: io.FileIO, entry: Entry, end: End, floor: int) -> tuple[int, Header | None]:
    if not end.wraps:
        start = entry.offset + end.shift
        return start, records.read_header(file, start)
    for turn in range(end.wraps + 1):
        start = entry.offset + turn * records.WRAP
        if floor <= start < end.start:
            header = records.read_header(file, start)
            if header and header.raw_name == entry.raw_name:
                return start, header
    return entry.offset, None


def _span(
    file: io.FileIO, entry: Entry, start: int, header: Header | None, follow: int, end: End
) -> Span:
    if header is None:
        rule = "has no header where the list of members says"
        return Span(entry, start, start, entry.packed, start, (rule,))
    packed = entry.packed
    if end.wraps:
        packed += max(0, (follow - header.data - packed) // records.WRAP) * records.WRAP
    stop = header.data + packed
    broken = list(_contradictions(entry, header))
    if stop > end.start:
        broken.append("runs beyond the members' part of the archive")
    elif entry.flags & DESCRIBED:
        stop += _descriptor(file, entry, stop, end.start)
    return Span(entry, start, header.data, packed, stop, tuple(broken))


def _contradictions(entry: Entry, header: Header) -> Iterator[str]:
    if header.raw_name != entry.raw_name:
        name = repr(header.raw_name.decode("utf-8", "replace"))
        shown = name if len(name) <= 80 else f"{name[:77]}…'"
        yield f"contradicts its header, which has the name {shown}"
    if header.method != entry.method:
        yield (
            f"contradicts its header, which has compression {header.method} where the list of"
            f" members has {entry.method}"
        )
    if (header.flags ^ entry.flags) & TELLING_FLAGS:
        yield (
            f"contradicts its header, which has flags {header.flags:#06x} where the list of"
            f" members has {entry.flags:#06x}"
        )
    if not (header.flags | entry.flags) & DESCRIBED:
        for what, ours, theirs in (
            ("size", entry.size, header.size),
            ("packed size", entry.packed, header.packed),
            ("checksum", entry.crc, header.crc),
        ):
            if ours != theirs:
                yield (
                    f"contradicts its header, which has {what} {theirs} where the list of"
                    f" members has {ours}"
                )


def _descriptor(file: io.FileIO, entry: Entry, at: int, limit: int) -> int:
    wrap = records.WRAP
    for each in records.read_descriptor(file, at, limit):
        same = (each.packed - entry.packed) % wrap == (each.size - entry.size) % wrap == 0
        if same and each.crc == entry.crc:
            return each.length
    return 0


def misplaced(file: io.FileIO, spans: Sequence[Span], end: End) -> tuple[list[str], list[str]]:
    """Say what overlaps and what belongs to nobody, if every member has its header.

    Returns
    -------
    list of str, list of str
        Violations, and what is only odd.
    """
    violations: list[str] = []
    odd: list[str] = []
    if any(span.data == span.start for span in spans):
        return violations, odd
    reach, owner = end.shift, ""
    for span in sorted(spans, key=lambda span: (span.start, span.stop)):
        if span.start < reach:
            violations.append(f"{span.entry.name!r} overlaps {owner!r}")
        elif span.start > reach and not owner:
            violations.append(f"it has {span.start - reach} bytes before its first member")
        elif span.start > reach:
            _unclaimed(file, reach, span.start, violations, odd)
        if span.stop > reach or not owner:
            reach, owner = max(reach, span.stop), span.entry.name
    if owner and reach < end.start:
        _unclaimed(file, reach, end.start, violations, odd)
    return violations, odd


def _unclaimed(
    file: io.FileIO, start: int, stop: int, violations: list[str], odd: list[str]
) -> None:
    """Look at bytes of no member: harmless, or records that other readers may follow."""
    where = f"bytes {start} to {stop} belong to no member"
    for at in range(start, stop, CHUNK):
        chunk = records.read_at(file, at, min(CHUNK + 3, stop - at))
        if records.END_SIGNATURE in chunk:
            violations.append(f"it has several end records ({where} and hold one)")
            return
        if any(signature in chunk for signature in records.SIGNATURES):
            violations.append(f"{where} and hold records of a zip")
            return
    odd.append(where)
