"""What is in a zip, where it would go, and what speaks against reading it.

Only the zip's list of members is read. `archive` reads the members.
"""

from __future__ import annotations

import os
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from automind_data.common.errors import AutomindError

__all__ = [
    "BROKEN_ZIP",
    "DEFAULT_LIMITS",
    "FETCH_AGAIN",
    "Limits",
    "Member",
    "Plan",
    "is_junk",
    "matches",
    "read_plan",
]

FETCH_AGAIN = "get the archive again from where it was published"
RUN_FOLDERS = {"data", ".hydra"}
JUNK_NAMES = {".DS_Store", "Thumbs.db"}
STORED_OR_DEFLATED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
COMPRESSIONS = {9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "xz"}
ENCRYPTED = 0x1 | 0x40 | 0x2000
END_SIGNATURE = b"PK\5\6"
END_RECORD = struct.Struct("<4s4H2LH")
LONGEST_COMMENT = 0xFFFF
SHOWN = 5
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
    """How much one archive may hold."""

    max_members: int = 100_000
    max_bytes: int = 200_000_000_000


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Member:
    """One file of an archive: its place in the published layout, its name in the zip, its size."""

    path: str
    name: str
    size: int


@dataclass(frozen=True)
class Plan:
    """What reading an archive would give.

    `members` in the order of the zip; `dropped` are entries that operating
    systems leave behind; `violations` are sentences, none for a good archive.
    """

    file: str
    members: tuple[Member, ...]
    dropped: tuple[str, ...]
    violations: tuple[str, ...]

    @property
    def total(self) -> int:
        """Bytes of all members when unpacked."""
        return sum(member.size for member in self.members)

    def require(self) -> Plan:
        """Return this plan, or refuse the archive in one sentence."""
        if not self.violations:
            return self
        listed = "; ".join(self.violations[:SHOWN])
        more = len(self.violations) - SHOWN
        tail = f"; and {more} more" if more > 0 else ""
        raise AutomindError(self.file, f"is refused: {listed}{tail}", FETCH_AGAIN)


def read_plan(zip_path: str | os.PathLike[str], limits: Limits = DEFAULT_LIMITS) -> Plan:
    """List the members of a zip and everything that speaks against reading it.

    Parameters
    ----------
    zip_path
        The archive; its stem is the archive's name.
    limits
        More members or more bytes than these are a violation.

    Returns
    -------
    Plan
        Nothing is read but the list of members.

    Raises
    ------
    AutomindError
        There is no such file.
    """
    path = Path(zip_path)
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            stated = _stated_members(file)
    except (FileNotFoundError, IsADirectoryError):
        raise AutomindError(path, "is not there", "look at the path") from None
    except BROKEN_ZIP:
        return Plan(str(path), (), (), ("it is cut off or is not a zip",))
    if stated not in (len(entries) % 0x10000, 0xFFFF):
        rule = f"it lists {len(entries)} members where it says that there are {stated}"
        return Plan(str(path), (), (), (rule,))
    if len(entries) > limits.max_members:
        rule = f"it has {len(entries)} members, more than the limit of {limits.max_members}"
        return Plan(str(path), (), (), (rule,))
    violations = [
        f"{_shown(entry)} {rule}" for entry in entries for rule in _entry_violations(entry)
    ]
    total = sum(entry.file_size for entry in entries)
    if total > limits.max_bytes:
        violations.append(f"it unpacks to {total} bytes, more than the limit of {limits.max_bytes}")
    kept = [entry for entry in entries if not is_junk(entry.filename)]
    dropped = tuple(entry.filename for entry in entries if is_junk(entry.filename))
    files = [entry for entry in kept if not _is_folder(entry)]
    places = _published_places(path.stem, [entry.filename for entry in files])
    found = tuple(
        Member(place, entry.filename, entry.file_size)
        for place, entry in zip(places, files, strict=True)
    )
    violations += _collisions(found)
    if not found:
        violations.append("it holds no file")
    return Plan(str(path), found, dropped, tuple(violations))


def _stated_members(file: BinaryIO) -> int:
    """Return the number of members in a zip's last record, modulo 2^16 (2^16 - 1 in Zip64)."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - END_RECORD.size - LONGEST_COMMENT))
    tail = file.read()
    at = len(tail) - END_RECORD.size
    if not (tail[at:].startswith(END_SIGNATURE) and tail.endswith(b"\0\0")):
        at = tail.rindex(END_SIGNATURE)
    return int(END_RECORD.unpack_from(tail, at)[4])


def _entry_violations(entry: zipfile.ZipInfo) -> Iterator[str]:
    name = entry.orig_filename
    parts = name.rstrip("/").split("/")
    if name.startswith("/") or name[1:2] == ":":
        yield "has an absolute path"
    elif ".." in parts:
        yield "leaves its folder (..)"
    elif not name or any(part in ("", ".") for part in parts):
        yield "has an empty part in its path"
    if "\\" in name:
        yield "has a backslash in its path"
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
        yield "has a control character in its path"
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind == stat.S_IFLNK:
        yield "is a link"
    elif kind not in (0, stat.S_IFREG, stat.S_IFDIR if _is_folder(entry) else 0):
        yield "is no regular file"
    if _is_folder(entry) and entry.file_size:
        yield "is a folder with content"
    if entry.flag_bits & ENCRYPTED:
        yield "is encrypted"
    elif entry.compress_type not in STORED_OR_DEFLATED:
        method = COMPRESSIONS.get(entry.compress_type, f"method {entry.compress_type}")
        yield f"is compressed with {method}, which is not supported"


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    return entry.filename.endswith("/")


def _collisions(found: Iterable[Member]) -> Iterator[str]:
    """Say which members would land on one another, also where case and accents do not count."""
    counted = Counter(member.path for member in found)
    for path, times in counted.items():
        if times > 1:
            yield f"{path!r} is there {times} times"
    spelled: dict[str, str] = {}
    clashes: dict[tuple[str, str], None] = {}
    for path in counted:
        for place in (PurePosixPath(path), *PurePosixPath(path).parents):
            key = unicodedata.normalize("NFC", unicodedata.normalize("NFC", str(place)).casefold())
            first = spelled.setdefault(key, str(place))
            if first != str(place):
                clashes[first, str(place)] = None
    for first, second in clashes:
        yield f"{first!r} and {second!r} are one name where case or accents do not count"
    folders = {str(parent) for path in counted for parent in PurePosixPath(path).parents}
    for path in counted:
        if path in folders:
            yield f"{path!r} is both a file and a folder"


def _published_places(archive: str, names: list[str]) -> list[str]:
    """Return `<archive>/<path>` of each name, without a folder wrapped around them all."""
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    shared = tuple(
        level[0]
        for level in takewhile(lambda level: len(set(level)) == 1, zip(*folders, strict=False))
    )
    if archive in shared:
        wrapped = shared.index(archive)
    else:
        wrapped = 1 if shared and shared[0] not in RUN_FOLDERS else 0
    places = []
    for name in names:
        parts = PurePosixPath(name).parts[wrapped:]
        inside = parts[1:] if len(parts) > 1 and parts[0] == archive else parts
        places.append("/".join((archive, *inside)))
    return places


def matches(path: str, pattern: str) -> bool:
    """Say whether the last part of a member's path matches, as `a/b_prior.pickle` `*_prior.pickle`.

    >>> matches("training/data/1_prior.pickle", "*_prior.pickle")
    True
    """
    return fnmatchcase(PurePosixPath(path).name, pattern)


def is_junk(name: str) -> bool:
    """Say whether an operating system left this file behind, as `.DS_Store`."""
    parts = name.rstrip("/").split("/")
    return "__MACOSX" in parts or parts[-1] in JUNK_NAMES or parts[-1].startswith("._")


def _shown(entry: zipfile.ZipInfo) -> str:
    name = repr(entry.orig_filename)
    return name if len(name) <= 80 else f"{name[:77]}…'"
