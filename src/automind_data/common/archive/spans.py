"""Where the members of a zip lie in the file, and whether that agrees with its list of members."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from automind_data.common.archive import records
from automind_data.common.archive.names import shown
from automind_data.common.archive.records import End, Entry, Header

__all__ = ["ENCRYPTED", "Span", "locate", "misplaced"]

ENCRYPTED = 0x1 | 0x40 | 0x2000
DESCRIBED = 0x8
TELLING_FLAGS = ENCRYPTED | DESCRIBED
CHUNK = 1 << 20
SHOWN_BYTES = 400


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
    found: list[Span] = []
    floor = 0
    for entry in entries:
        start, header = _header(file, entry, end, floor)
        if header:
            data, broken = header.data, tuple(_contradictions(entry, header))
            floor = data + entry.packed
        else:
            data, broken = start, ("has no header where the list of members says",)
        found.append(Span(entry, start, data, entry.packed, data, broken))
    follows = [*(span.start for span in found), end.start][1:]
    return [_whole(file, span, follow, end) for span, follow in zip(found, follows, strict=True)]


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


def _whole(file: io.FileIO, span: Span, follow: int, end: End) -> Span:
    """Find where a member ends that begins where it should."""
    if span.data == span.start:
        return span
    packed = span.packed
    if end.wraps:
        packed += max(0, (follow - span.data - packed) // records.WRAP) * records.WRAP
    stop, broken = span.data + packed, span.broken
    if stop > end.start:
        broken = (*broken, "runs beyond the members' part of the archive")
    elif span.entry.flags & DESCRIBED:
        stop += _descriptor(file, span.entry, stop, end.start)
    return replace(span, packed=packed, stop=stop, broken=broken)


def _contradictions(entry: Entry, header: Header) -> Iterator[str]:
    if header.raw_name != entry.raw_name:
        name = shown(header.raw_name[:SHOWN_BYTES].decode("utf-8", "replace"))
        yield f"contradicts its header, which has the name {name}"
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
            violations.append(f"{shown(span.entry.name)} overlaps {shown(owner)}")
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
