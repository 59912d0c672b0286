"""The bytes of a member, and the proof that they are the right ones."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from automind_data.common.archive import records
from automind_data.common.archive.inflate import Damaged, engine, inflated
from automind_data.common.archive.plan import (
    DEFAULT_LIMITS,
    FETCH_AGAIN,
    Limits,
    Member,
    Plan,
    file_key,
    read_plan,
)
from automind_data.common.errors import AutomindError

__all__ = ["open_archive", "open_member", "proven"]

BLOCK = 1 << 18
BUFFER = 1 << 18


@contextlib.contextmanager
def open_member(
    zip_path: str | os.PathLike[str], path: str, limits: Limits = DEFAULT_LIMITS
) -> Iterator[BinaryIO]:
    """Open one member for reading as bytes; its size and checksum are proven before its last ones.

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
        is damaged, and then its last bytes are not given out.
    """
    plan = read_plan(zip_path, limits).require()
    member = next((each for each in plan.members if each.path == path), None)
    if member is None:
        raise AutomindError(zip_path, f"holds no {path!r}", FETCH_AGAIN)
    with (
        open_archive(plan) as file,
        io.BufferedReader(_Reader(proven(file, plan, member)), BUFFER) as stream,
    ):
        yield cast(BinaryIO, stream)


@contextlib.contextmanager
def open_archive(plan: Plan) -> Iterator[io.FileIO]:
    """Open the archive of a plan.

    Raises
    ------
    AutomindError
        It is not what it was when it was planned.
    """
    with Path(plan.file).open("rb", buffering=0) as file:
        if file_key(os.fstat(file.fileno())) != plan.key:
            raise AutomindError(plan.file, "was changed while it was read", "run it again")
        yield file


def proven(file: io.FileIO, plan: Plan, member: Member) -> Generator[bytes, None, None]:
    """Give the bytes of a member in pieces, the last one when size and checksum are right.

    Raises
    ------
    AutomindError
        They are not right, or there are more bytes than the plan allows.
    """
    most = member.size
    if not member.exact:
        most = min(member.packed * plan.limits.max_ratio, plan.limits.max_bytes)
    crc32, crc, done, held = engine().crc32, 0, 0, b""
    try:
        for piece in inflated(_blocks(file, member), member.method):
            done += len(piece)
            if done > most:
                limit = "than stated" if member.exact else f"than the limit of {most}"
                raise Damaged(f"has more bytes {limit}")
            crc = crc32(piece, crc)
            if held:
                yield held
            held = piece
        if done != member.size and (member.exact or (done - member.size) % records.WRAP):
            raise Damaged(f"ends after {done} of {member.size} bytes")
        if crc != member.crc32:
            raise Damaged("does not match its checksum")
    except Damaged as damage:
        rule = f"member {member.path} {damage}"
        raise AutomindError(plan.file, rule, FETCH_AGAIN) from None
    if held:
        yield held


def _blocks(file: io.FileIO, member: Member) -> Iterator[bytes]:
    file.seek(member.data)
    left = member.packed
    while left:
        block = file.read(min(BLOCK, left))
        if not block:
            raise Damaged("is cut off")
        left -= len(block)
        yield block


class _Reader(io.RawIOBase):
    """Pieces as a stream; a failure is raised again by every later read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._piece = pieces, memoryview(b"")
        self._failure: AutomindError | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._failure:
            raise self._failure
        if not self._piece:
            try:
                self._piece = memoryview(next(self._pieces, b""))
            except AutomindError as failure:
                self._failure = failure
                raise
        length = min(len(buffer), len(self._piece))
        buffer[:length] = self._piece[:length]
        self._piece = self._piece[length:]
        return length
