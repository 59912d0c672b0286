"""The records of a zip as they stand in the file: its end, its list of members, their headers.

After PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 and 4.5. Nothing is judged here
but what cannot be read at all.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = [
    "END_SIGNATURE",
    "SIGNATURES",
    "WRAP",
    "Descriptor",
    "End",
    "Entry",
    "Header",
    "Unreadable",
    "read_at",
    "read_descriptor",
    "read_end",
    "read_entries",
    "read_header",
]

WRAP = 1 << 32
"""Where a 32-bit size or offset starts anew from nought."""

LOCAL = b"PK\3\4"
CENTRAL = b"PK\1\2"
END_SIGNATURE = b"PK\5\6"
WIDE_END = b"PK\6\6"
LOCATOR = b"PK\6\7"
DESCRIPTOR = b"PK\7\x08"
SIGNATURES = (LOCAL, CENTRAL, END_SIGNATURE, WIDE_END)

LOCAL_RECORD = struct.Struct("<4s5H3L2H")
CENTRAL_RECORD = struct.Struct("<4s6H3L5H2L")
END_RECORD = struct.Struct("<4s4H2LH")
WIDE_END_RECORD = struct.Struct("<4sQ2H2L4Q")
LOCATOR_RECORD = struct.Struct("<4sLQL")
LONGEST_COMMENT = 0xFFFF
WIDE_EXTRA = 0x0001
UTF8 = 0x800
MAX16, MAX32 = 0xFFFF, 0xFFFFFFFF


class Unreadable(Exception):
    """The file cannot be read as a zip; the text says why, as a violation does."""


@dataclass(frozen=True, slots=True)
class End:
    """Where the list of members is. `shift` is what stands before the archive's own start."""

    start: int
    stop: int
    stated: int
    wide: bool
    wraps: int
    shift: int
    violations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the list of members; `wide` says that its sizes are 64-bit numbers."""

    raw_name: bytes
    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    mode: int
    wide: bool


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before a member's bytes, and where those begin."""

    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    data: int


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What may stand behind a member's bytes, in one of its four forms."""

    crc: int
    packed: int
    size: int
    length: int


def read_at(file: io.FileIO, at: int, length: int) -> bytes:
    """Return up to `length` bytes from place `at`; fewer at the end of the file."""
    file.seek(at)
    return file.read(length)


def read_end(file: io.FileIO) -> End:
    """Find the record that ends a zip, and with it the list of members.

    Raises
    ------
    Unreadable
        There is none, or what it says cannot be.
    """
    size = file.seek(0, os.SEEK_END)
    base = max(0, size - END_RECORD.size - LONGEST_COMMENT)
    tail = read_at(file, base, size - base)
    at, violations = _end_record(tail)
    _, disk, first_disk, here, stated, length, offset, _ = END_RECORD.unpack_from(tail, at)
    stop, wide = base + at, False
    place = stop - LOCATOR_RECORD.size
    locator = read_at(file, place, LOCATOR_RECORD.size) if place >= 0 else b""
    if locator.startswith(LOCATOR):
        wide = True
        said = (disk, first_disk, here, stated, length, offset)
        stop, numbers, more = _wide_end(file, place, locator)
        violations += more
        narrow = zip(said, numbers, (MAX16, MAX16, MAX16, MAX16, MAX32, MAX32), strict=True)
        if any(short not in (number, most) for short, number, most in narrow):
            violations.append("its two end records contradict one another")
        disk, first_disk, here, stated, length, offset = numbers
    if disk or first_disk or here != stated:
        violations.append("it is one part of several")
    start = stop - length
    gap = start - offset
    if start < 0:
        raise Unreadable("it is cut off or is not a zip")
    wraps = shift = 0
    if gap and not wide and gap % WRAP == 0 and gap > 0:
        wraps = gap // WRAP
    elif gap and stated and offset < stop and read_at(file, offset, 4) == CENTRAL:
        violations.append("its list of members does not end where its end record begins")
        start, stop = offset, min(stop, offset + length)
    elif gap > 0:
        violations.append(f"it has {gap} bytes before its start")
        shift = gap
    elif gap:
        raise Unreadable("its list of members is not where its end record says")
    return End(start, stop, stated, wide, wraps, shift, tuple(violations))


def _end_record(tail: bytes) -> tuple[int, list[str]]:
    """Return where in the last bytes of a file the end record is, and what is wrong about that."""
    places, at = [], tail.find(END_SIGNATURE)
    while at >= 0:
        if at + END_RECORD.size <= len(tail):
            places.append(at)
        at = tail.find(END_SIGNATURE, at + 1)
    behind = {
        at: len(tail) - at - END_RECORD.size - END_RECORD.unpack_from(tail, at)[-1] for at in places
    }
    for at in places:
        if behind[at] == 0:
            several = at != places[-1]
            return at, ["it has several end records"] if several else []
    for at in reversed(places):
        _, disk, first_disk, here, stated, length, _, _ = END_RECORD.unpack_from(tail, at)
        wide = tail[max(0, at - LOCATOR_RECORD.size) : at].startswith(LOCATOR)
        inside = CENTRAL if wide or length > at else tail[at - length : at - length + 4]
        if behind[at] > 0 and disk == first_disk == 0 and here == stated and inside == CENTRAL:
            return at, [f"it has {behind[at]} bytes after its end"]
    raise Unreadable("it is cut off or is not a zip")


def _wide_end(
    file: io.FileIO, place: int, locator: bytes
) -> tuple[int, tuple[int, ...], list[str]]:
    """Return place, numbers and violations of the Zip64 end record that a locator names."""
    violations = []
    _, disk, at, disks = LOCATOR_RECORD.unpack(locator)
    if disk or disks > 1:
        violations.append("it is one part of several")
    record = read_at(file, at, WIDE_END_RECORD.size) if at < place else b""
    if not record.startswith(WIDE_END):
        at = place - WIDE_END_RECORD.size
        record = read_at(file, at, WIDE_END_RECORD.size) if at >= 0 else b""
    if len(record) < WIDE_END_RECORD.size or not record.startswith(WIDE_END):
        raise Unreadable("its Zip64 end record is not where it should be")
    _, length, _, _, *numbers = WIDE_END_RECORD.unpack(record)
    if at + 12 + length != place:
        violations.append("its Zip64 end record does not end where the next record begins")
    return at, tuple(numbers), violations


def read_entries(directory: bytes) -> Iterator[Entry]:
    """Read a list of members.

    Raises
    ------
    Unreadable
        It is not whole lines from its first to its last byte.
    """
    at = 0
    while at < len(directory):
        record = directory[at : at + CENTRAL_RECORD.size]
        if len(record) < CENTRAL_RECORD.size or not record.startswith(CENTRAL):
            raise Unreadable(f"its list of members is damaged after {at} bytes")
        (
            *_,
            flags,
            method,
            _,
            _,
            crc,
            packed,
            size,
            n_name,
            n_extra,
            n_comment,
            _,
            _,
            attributes,
            offset,
        ) = CENTRAL_RECORD.unpack(record)
        at += CENTRAL_RECORD.size
        raw_name = directory[at : at + n_name]
        extra = directory[at + n_name : at + n_name + n_extra]
        at += n_name + n_extra + n_comment
        if at > len(directory):
            raise Unreadable("its list of members is cut off")
        wide, (size, packed, offset) = _widened(extra, (size, packed, offset))
        yield Entry(
            raw_name,
            _decoded(raw_name, flags),
            flags,
            method,
            crc,
            packed,
            size,
            offset,
            attributes >> 16,
            wide,
        )


def read_header(file: io.FileIO, at: int) -> Header | None:
    """Read the header that stands before a member, or None where there is none."""
    record = read_at(file, at, LOCAL_RECORD.size + 512) if at >= 0 else b""
    if len(record) < LOCAL_RECORD.size or not record.startswith(LOCAL):
        return None
    _, _, flags, method, _, _, crc, packed, size, n_name, n_extra = LOCAL_RECORD.unpack_from(record)
    length = LOCAL_RECORD.size + n_name + n_extra
    if length > len(record):
        record = read_at(file, at, length)
    if length > len(record):
        return None
    name = record[LOCAL_RECORD.size : LOCAL_RECORD.size + n_name]
    extra = record[LOCAL_RECORD.size + n_name : length]
    _, (size, packed) = _widened(extra, (size, packed))
    return Header(name, flags, method, crc, packed, size, at + length)


def read_descriptor(file: io.FileIO, at: int, limit: int) -> Iterator[Descriptor]:
    """Give every reading of the bytes from `at`, not beyond `limit`, as a data descriptor."""
    record = read_at(file, at, min(24, limit - at))
    for signed in (4, 0):
        if signed and not record.startswith(DESCRIPTOR):
            continue
        for form in ("<LQQ", "<LLL"):
            length = signed + struct.calcsize(form)
            if length <= len(record):
                crc, packed, size = struct.unpack_from(form, record, signed)
                yield Descriptor(crc, packed, size, length)


def _widened(extra: bytes, numbers: tuple[int, ...]) -> tuple[bool, tuple[int, ...]]:
    """Replace the numbers that do not fit into 32 bits by those of a Zip64 extra field."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == WIDE_EXTRA:
            field = extra[at + 4 : at + 4 + length]
            wide = list(numbers)
            for place, number in enumerate(numbers):
                if number == MAX32 and len(field) >= 8:
                    wide[place], field = int.from_bytes(field[:8], "little"), field[8:]
            return True, tuple(wide)
        at += 4 + length
    return False, numbers


def _decoded(raw: bytes, flags: int) -> str:
    """Return a name as text; archives from a Mac hold UTF-8 and do not say so."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "surrogateescape") if flags & UTF8 else raw.decode("cp437")
