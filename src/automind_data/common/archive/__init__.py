"""Reading zips that nobody has to trust.

A plan comes first (`archive.plan`): what is in the archive, where it would go,
and what speaks against it. Anything that does refuses the whole archive.
Members are known by their place in the published layout, `<archive>/<path>`,
whatever folder the zip was made from.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from automind_data.common.archive.plan import (
    BROKEN_ZIP,
    DEFAULT_LIMITS,
    FETCH_AGAIN,
    Limits,
    Member,
    Plan,
    is_junk,
    matches,
    read_plan,
)
from automind_data.common.errors import AutomindError
from automind_data.common.files import atomic_folder

__all__ = [
    "DEFAULT_LIMITS",
    "MEMBER_KINDS",
    "Limits",
    "Member",
    "Plan",
    "find_member",
    "find_members",
    "members",
    "open_member",
    "read_plan",
    "unpack",
]

MEMBER_KINDS: dict[str, str] = {
    "table": "*_summary_data_merged.csv",
    "prior": "*_prior.pickle",
    "posterior": "*_posterior.pickle",
    "default params": "*_params_dict_default.pickle",
    "analysis params": "*_params_dict_analysis_updated.pickle",
}
"""What an archive of the release holds, and the file names that say so, at any depth."""

DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
CHUNK = 1 << 20
SHOWN = 5


def members(zip_path: str | os.PathLike[str], limits: Limits = DEFAULT_LIMITS) -> list[str]:
    """Return where the members of an archive stand in the published layout.

    Parameters
    ----------
    zip_path, limits
        As for `read_plan`.

    Returns
    -------
    list of str
        `<archive>/<path>` of each file, in the order of the zip.

    Raises
    ------
    AutomindError
        The archive is not there or is refused.
    """
    return [member.path for member in read_plan(zip_path, limits).require().members]


def find_members(
    zip_path: str | os.PathLike[str], pattern: str, limits: Limits = DEFAULT_LIMITS
) -> list[str]:
    """Return the members, at any depth, whose file name matches, sorted by path.

    Parameters
    ----------
    zip_path, limits
        As for `read_plan`.
    pattern
        What the last part of the path must match, as in `*_prior.pickle`.

    Raises
    ------
    AutomindError
        The archive is not there or is refused.
    """
    return sorted(path for path in members(zip_path, limits) if matches(path, pattern))


def find_member(
    zip_path: str | os.PathLike[str], pattern: str, limits: Limits = DEFAULT_LIMITS
) -> str:
    """Return the one member, at any depth, whose file name matches.

    Parameters
    ----------
    zip_path, pattern, limits
        As for `find_members`.

    Raises
    ------
    AutomindError
        No member matches, or several do (they are named).
    """
    found = find_members(zip_path, pattern, limits)
    if len(found) == 1:
        return found[0]
    if not found:
        raise AutomindError(zip_path, f"holds no {pattern}", FETCH_AGAIN)
    rule = f"holds {len(found)} members {pattern} where one belongs ({_listed(found)})"
    raise AutomindError(zip_path, rule, "leave one of them in the archive")


@contextlib.contextmanager
def open_member(
    zip_path: str | os.PathLike[str], path: str, limits: Limits = DEFAULT_LIMITS
) -> Iterator[BinaryIO]:
    """Open one member for reading as bytes; its size and checksum are checked at its end.

    Parameters
    ----------
    zip_path, limits
        As for `read_plan`.
    path
        The member as `members` names it.

    Raises
    ------
    AutomindError
        The archive is refused or has no such member; while reading: the member
        is damaged.
    """
    plan = read_plan(zip_path, limits).require()
    wanted = [member for member in plan.members if member.path == path]
    if not wanted:
        raise AutomindError(zip_path, f"holds no {path!r}", FETCH_AGAIN)
    with zipfile.ZipFile(zip_path) as archive, _reader(archive, plan, wanted[0]) as raw:
        yield cast(BinaryIO, io.BufferedReader(raw, CHUNK))


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
        Takes what the published layout has below `<archive>/`. An older one there is
        replaced if this archive has every file of it.

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
    _require_replaceable(target, plan)
    done = 0
    try:
        with zipfile.ZipFile(zip_path) as archive, atomic_folder(target) as part:
            for member in plan.members:
                place = part.joinpath(*PurePosixPath(member.path).parts[1:])
                place.parent.mkdir(parents=True, exist_ok=True)
                with _reader(archive, plan, member) as raw, place.open("xb") as out:
                    while chunk := raw.read(CHUNK):
                        out.write(chunk)
                        done += len(chunk)
                        yield {"path": member.path, "done": done, "total": plan.total}
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        rule = f"cannot be written, the disk is full after {done} of {plan.total} bytes"
        raise AutomindError(folder, rule, "make room and run it again") from None


class _Reader(io.RawIOBase):
    """One member's bytes; complains when they are not what the archive says."""

    def __init__(self, stream: zipfile.ZipExtFile, plan: Plan, member: Member) -> None:
        self._stream, self._plan, self._member = stream, plan, member
        self._done = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            chunk = self._stream.read(len(buffer))
        except BROKEN_ZIP:
            raise self._damaged("does not match its checksum") from None
        if not chunk and len(buffer) and self._done != self._member.size:
            raise self._damaged(f"ends after {self._done} of {self._member.size} bytes")
        buffer[: len(chunk)] = chunk
        self._done += len(chunk)
        return len(chunk)

    def close(self) -> None:
        self._stream.close()
        super().close()

    def _damaged(self, what: str) -> AutomindError:
        return AutomindError(self._plan.file, f"member {self._member.path} {what}", FETCH_AGAIN)


def _reader(archive: zipfile.ZipFile, plan: Plan, member: Member) -> _Reader:
    try:
        return _Reader(cast(zipfile.ZipExtFile, archive.open(member.name)), plan, member)
    except (*BROKEN_ZIP, RuntimeError):
        pass
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    rule = f"member {member.path} cannot be opened, its header is damaged"
    raise AutomindError(plan.file, rule, FETCH_AGAIN)


def _require_replaceable(target: Path, plan: Plan) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise AutomindError(target, "is a file where a folder belongs", "choose another folder")
    ours = {"/".join(PurePosixPath(member.path).parts[1:]) for member in plan.members}
    there = (path for path in target.rglob("*") if path.is_symlink() or not path.is_dir())
    names = (path.relative_to(target).as_posix() for path in there)
    others = list(islice((name for name in names if not (name in ours or is_junk(name))), SHOWN))
    if others:
        rule = f"holds files that are not from {plan.file}, as {', '.join(sorted(others))}"
        raise AutomindError(target, rule, "move them away or choose another folder")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
