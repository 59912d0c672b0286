"""What is in a zip, where it would go, and what speaks against reading it.

The list of members and their headers are read, and nothing of the members.
"""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import time
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from automind_data.common.archive import records
from automind_data.common.archive.inflate import METHODS, STORED
from automind_data.common.archive.names import (
    LONGEST_PATH,
    MANIFEST,
    collisions,
    is_junk,
    matches,
    name_rules,
    published_places,
    shown,
)
from automind_data.common.archive.records import Entry, Unreadable, read_end, read_entries
from automind_data.common.archive.spans import ENCRYPTED, Span, locate, misplaced
from automind_data.common.errors import AutomindError

__all__ = [
    "BROKEN_ZIP",
    "DEFAULT_LIMITS",
    "FETCH_AGAIN",
    "FileKey",
    "Limits",
    "Member",
    "Plan",
    "file_key",
    "is_junk",
    "matches",
    "read_plan",
]

FETCH_AGAIN = "get the archive again from where it was published"
COMPRESSIONS = {1: "Shrink", 6: "Implode", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "xz"}
SMALL = 1 << 20
"""So many bytes may come of however few."""
LISTED_BYTES = 256
"""What the list of members may take for each that is allowed."""
SHOWN = 20
FRESH = 2_000_000_000
BROKEN_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    UnicodeDecodeError,
    ValueError,
    OverflowError,
)
"""What `zipfile` raises for an archive that is cut off, damaged, or no zip at all."""


@dataclass(frozen=True)
class Limits:
    """How much one archive may hold, and how many bytes may come of one packed byte."""

    max_members: int = 100_000
    max_bytes: int = 200_000_000_000
    max_ratio: int = 200


DEFAULT_LIMITS = Limits()


class FileKey(NamedTuple):
    """Tells a file from what it was before it was changed."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive.

    `path` is its place in the published layout, `name` its name in the zip, `packed`
    bytes at `data` become `size` bytes with checksum `crc32`. Where `exact` is false the
    zip has room for 32 bits of the size only: it may be larger by multiples of 4 GB.
    """

    path: str
    name: str
    size: int
    method: int
    crc32: int
    data: int
    packed: int
    exact: bool


@dataclass(frozen=True)
class Plan:
    """What reading an archive would give.

    `members` in the order of the zip; `dropped` are entries that operating
    systems leave behind; `violations` are sentences, none for a good archive;
    `warnings` are oddities that nothing follows from.
    """

    file: str
    members: tuple[Member, ...]
    dropped: tuple[str, ...]
    violations: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    key: FileKey | None = None
    limits: Limits = DEFAULT_LIMITS

    @property
    def total(self) -> int:
        """Bytes of all members when unpacked."""
        return sum(member.size for member in self.members)

    def require(self) -> Plan:
        """Return this plan, or refuse the archive in one sentence."""
        if not self.violations:
            return self
        shown = _foremost(self.violations)
        more = len(self.violations) - len(shown)
        tail = f"; and {more} more, which `automind-data unpack --plan` lists" if more else ""
        raise AutomindError(self.file, f"is refused: {'; '.join(shown)}{tail}", FETCH_AGAIN)


def read_plan(zip_path: str | os.PathLike[str], limits: Limits = DEFAULT_LIMITS) -> Plan:
    """List the members of a zip and everything that speaks against reading it.

    Parameters
    ----------
    zip_path
        The archive; its stem is the archive's name.
    limits
        More members, more bytes or a higher ratio than these are a violation.

    Returns
    -------
    Plan
        Kept for the next call, if the file has not changed for a while.

    Raises
    ------
    AutomindError
        There is no such file.
    """
    path = Path(zip_path)
    try:
        key = file_key(path.stat())
    except (FileNotFoundError, NotADirectoryError):
        key = None
    if key is None or not path.is_file():
        raise AutomindError(path, "is not there", "look at the path")
    if time.time_ns() - max(key.modified, key.changed) > FRESH:
        return _kept_plan(path, limits, key)
    return _plan(path, limits, key)


def file_key(status: os.stat_result) -> FileKey:
    """Return what `stat` says that changes when a file is written."""
    return FileKey(
        status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    )


def _plan(path: Path, limits: Limits, key: FileKey) -> Plan:
    with path.open("rb", buffering=0) as file:
        try:
            return _planned(path, file, limits, key)
        except Unreadable as reason:
            return Plan(str(path), (), (), (str(reason),), key=key, limits=limits)


_kept_plan = lru_cache(maxsize=2)(_plan)


def _planned(path: Path, file: io.FileIO, limits: Limits, key: FileKey) -> Plan:
    end = read_end(file)
    if end.stated > limits.max_members:
        raise Unreadable(
            f"it has {end.stated} members, more than the limit of {limits.max_members}"
        )
    length, most = end.stop - end.start, limits.max_members * LISTED_BYTES + SMALL
    if length > most:
        raise Unreadable(f"its list of members takes {length} bytes, more than {most}")
    listed = read_entries(records.read_at(file, end.start, length))
    entries = list(islice(listed, limits.max_members + 1))
    if len(entries) > limits.max_members:
        raise Unreadable(f"it has more members than the limit of {limits.max_members}")
    violations = list(end.violations)
    warnings: list[str] = []
    if len(entries) != end.stated:
        said = f"it lists {len(entries)} members where it says that there are {end.stated}"
        wrapped = not end.wide and len(entries) % 0x10000 == end.stated
        (warnings if wrapped else violations).append(said)
    spans = locate(file, entries, end)
    violations += [f"{shown(s.entry.name)} {rule}" for s in spans for rule in _rules(s)]
    overlaps, odd = misplaced(file, spans, end)
    violations += overlaps
    warnings += odd
    chosen = [_member(span, limits) for span in spans]
    total = sum(member.size for member in chosen)
    if total > limits.max_bytes:
        violations.append(f"it unpacks to {total} bytes, more than the limit of {limits.max_bytes}")
    violations += _bombs(chosen, total, key.size, limits)
    if end.wraps or any(m.size != s.entry.size for m, s in zip(chosen, spans, strict=True)):
        warnings.append(
            "its sizes and places start anew at 4 GB, as in archives made on a Mac;"
            " checksums and lengths prove every member"
        )
    members, dropped, clashes = _placed(path.stem, chosen, limits)
    violations += clashes
    if not members and not violations:
        violations.append("it holds no file")
    return Plan(
        str(path), members, dropped, tuple(violations), tuple(warnings), key=key, limits=limits
    )


def _rules(span: Span) -> Iterator[str]:
    entry = span.entry
    yield from name_rules(entry.name)
    folder = entry.name.endswith("/")
    kind = stat.S_IFMT(entry.mode)
    if kind == stat.S_IFLNK:
        yield "is a link"
    elif kind not in (0, stat.S_IFREG, stat.S_IFDIR if folder else 0):
        yield "is no regular file"
    if folder and entry.size:
        yield "is a folder with content"
    if entry.flags & ENCRYPTED:
        yield "is encrypted"
    elif entry.method not in METHODS:
        method = COMPRESSIONS.get(entry.method, f"method {entry.method}")
        yield f"is compressed with {method}, which is not supported"
    elif entry.method == STORED and not _same(span.packed, entry):
        yield f"is stored in {span.packed} bytes where it says that it has {entry.size}"
    yield from span.broken


def _same(size: int, entry: Entry) -> bool:
    """Say whether a size is the one that the list of members has, which may have wrapped."""
    return size == entry.size if entry.wide else size % records.WRAP == entry.size


def _member(span: Span, limits: Limits) -> Member:
    entry, size, exact = span.entry, span.entry.size, True
    if not entry.wide and entry.method in METHODS:
        if entry.method == STORED:
            size = span.packed if _same(span.packed, entry) else size
        else:
            least = span.packed - span.packed // 1000 - 64
            size += max(0, -(-(least - size) // records.WRAP)) * records.WRAP
            exact = span.packed * limits.max_ratio < size + records.WRAP
    return Member(
        entry.name, entry.name, size, entry.method, entry.crc, span.data, span.packed, exact
    )


def _bombs(members: list[Member], total: int, packed: int, limits: Limits) -> Iterator[str]:
    ratio = limits.max_ratio
    for member in members:
        if member.size > max(SMALL, ratio * member.packed):
            yield (
                f"{shown(member.name)} unpacks to {member.size} bytes from {member.packed},"
                f" more than the limit of {ratio} times as many"
            )
    if total > max(SMALL, ratio * packed):
        yield (
            f"it unpacks to {total} bytes from {packed},"
            f" more than the limit of {ratio} times as many"
        )


def _placed(
    archive: str, members: list[Member], limits: Limits
) -> tuple[tuple[Member, ...], tuple[str, ...], list[str]]:
    """Return files in their published places, names left out, and names that collide.

    Names that are too long to be written are violations already, and in neither.
    """
    short = [member for member in members if len(member.name) <= LONGEST_PATH]
    kept = [member for member in short if not is_junk(member.name)]
    places = published_places(archive, [member.name for member in kept])
    own = f"{archive}/{MANIFEST}"
    taken: dict[str, None] = dict.fromkeys(m.name for m in members if is_junk(m.name))
    files, folders = [], []
    for member, place in zip(kept, places, strict=True):
        if member.name.endswith("/"):
            folders.append(place)
        elif place.casefold() == own.casefold():
            taken[member.name] = None
        else:
            files.append(replace(member, path=place))
    dropped = tuple(member.name for member in members if member.name in taken)
    clashes = list(collisions((file.path for file in files), folders, limits.max_members))
    return tuple(files), dropped, clashes


def _foremost(violations: tuple[str, ...]) -> list[str]:
    """Choose which violations to say: the first of each rule, then others, in their order."""
    rules: dict[str, int] = {}
    for place, said in enumerate(violations):
        rules.setdefault(re.sub(r"'.*'|\d+", "", said), place)
    firsts = set(rules.values())
    others = (place for place in range(len(violations)) if place not in firsts)
    chosen = [*sorted(firsts), *others][:SHOWN]
    return [violations[place] for place in sorted(chosen)]
