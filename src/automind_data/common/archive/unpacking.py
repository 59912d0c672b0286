"""Writing an archive out as a folder, which appears whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
from collections.abc import Generator, Iterator
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from automind_data.common.ahead import ahead
from automind_data.common.archive.names import MANIFEST, is_junk
from automind_data.common.archive.plan import DEFAULT_LIMITS, Limits, Member, Plan, read_plan
from automind_data.common.archive.reading import open_archive, proven
from automind_data.common.errors import AutomindError
from automind_data.common.files import atomic_folder, write_json

__all__ = ["read_manifest", "unpack"]

DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
LARGE = 1 << 20
SHOWN = 5
FORMAT = 1


def unpack(
    zip_path: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[dict[str, Any]]:
    """Unpack an archive into a folder, which appears whole or not at all.

    Parameters
    ----------
    zip_path, limits
        As for `read_plan`.
    folder
        Takes what the published layout has below `<archive>/`, and a manifest (see
        `read_manifest`). An older one there is replaced if every file of it is in this
        archive or as an older manifest says.

    Yields
    ------
    dict
        `path` being written, `done` and `total` bytes of the whole archive.

    Raises
    ------
    AutomindError
        The archive is not there, refused or damaged, the disk is full, or the
        folder holds files of somebody else. The folder is then as it was before.
    """
    plan = read_plan(zip_path, limits).require()
    target = Path(os.path.realpath(folder))
    done, total = 0, plan.total
    try:
        with open_archive(plan) as file, atomic_folder(target) as part:
            _require_replaceable(target, plan)
            written = []
            for member in plan.members:
                place = part.joinpath(*_inside(member.path).parts)
                place.parent.mkdir(parents=True, exist_ok=True)
                start, sha256 = done, hashlib.sha256()
                with place.open("xb", buffering=0) as out, _pieces(file, plan, member) as pieces:
                    for piece in pieces:
                        _write(out, piece)
                        sha256.update(piece)
                        done += len(piece)
                        total = max(total, done)
                        if total > limits.max_bytes:
                            rule = f"unpacks to more bytes than the limit of {limits.max_bytes}"
                            raise AutomindError(zip_path, rule, "raise the limit if that is right")
                        yield {"path": member.path, "done": done, "total": total}
                written.append(_record(member, done - start, sha256.hexdigest()))
            write_json(part / MANIFEST, _manifest(plan, written))
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        rule = f"cannot be written, the disk is full after {done} of {total} bytes"
        raise AutomindError(folder, rule, "make room and run it again") from None


def read_manifest(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what `unpack` wrote about a folder.

    Returns
    -------
    dict
        `format`, `archive` (its name), `files` (`name` below the folder, `size` in
        bytes, `crc32` and `sha256` as hexadecimal text) in the order of the zip,
        `left_out` and `warnings`. Empty if there is none that can be read.
    """
    try:
        read = json.loads((Path(folder) / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) and read.get("format") == FORMAT else {}


def _pieces(
    file: io.FileIO, plan: Plan, member: Member
) -> contextlib.closing[Generator[bytes, None, None]]:
    """Unpack a large member in a thread of its own, beside writing and hashing."""
    pieces = proven(file, plan, member)
    return contextlib.closing(ahead(pieces) if member.packed > LARGE else pieces)


def _manifest(plan: Plan, written: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "archive": Path(plan.file).stem,
        "files": written,
        "left_out": list(plan.dropped),
        "warnings": list(plan.warnings),
    }


def _record(member: Member, size: int, sha256: str) -> dict[str, Any]:
    return {
        "name": str(_inside(member.path)),
        "size": size,
        "crc32": f"{member.crc32:08x}",
        "sha256": sha256,
    }


def _inside(path: str) -> PurePosixPath:
    return PurePosixPath(*PurePosixPath(path).parts[1:])


def _write(out: io.FileIO, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[out.write(left) :]


def _require_replaceable(target: Path, plan: Plan) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise AutomindError(target, "is a file where a folder belongs", "choose another folder")
    ours = {str(_inside(member.path)) for member in plan.members} | {MANIFEST}
    before = {
        record["name"]: record["size"]
        for record in _listed_files(target)
        if isinstance(record, dict) and isinstance(record.get("name"), str) and "size" in record
    }
    others = list(islice(_others(target, ours, before), SHOWN))
    if others:
        rule = f"holds files that are not from {plan.file}, as {', '.join(sorted(others))}"
        raise AutomindError(target, rule, "move them away or choose another folder")


def _listed_files(target: Path) -> list[Any]:
    files = read_manifest(target).get("files")
    return files if isinstance(files, list) else []


def _others(target: Path, ours: set[str], before: dict[str, int]) -> Iterator[str]:
    """Name the files of a folder that are neither ours nor as the manifest says."""
    for top, folders, files in os.walk(target):
        links = [name for name in folders if (Path(top) / name).is_symlink()]
        for name in (*files, *links):
            path = Path(top) / name
            place = path.relative_to(target).as_posix()
            if place in ours or is_junk(place):
                continue
            if path.is_symlink() or path.lstat().st_size != before.get(place):
                yield place
