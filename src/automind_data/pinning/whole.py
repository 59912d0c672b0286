"""Cheap signs that a published file was cut off or replaced on its way here."""

from __future__ import annotations

import os
import pickletools
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from automind_data.common.archive.plan import BROKEN_ZIP

__all__ = ["what_is_missing"]

PICKLE_ENDS = b"."
END_RECORD = struct.Struct("<20xH")
MAX_COMMENT = 0xFFFF


def what_is_missing(path: Path, name: str) -> str | None:
    """Say what shows that a file is not whole, or None.

    Parameters
    ----------
    path
        The file to look at.
    name
        Its published name; the suffix says what it has to be.

    Returns
    -------
    str or None
        The reason, as the end of a sentence. None does not mean that the file is
        right: only its md5 says that.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "a.csv"
    >>> _ = file.write_text("a,b\\n1,")
    >>> what_is_missing(file, "a.csv")
    'does not end with a line break'
    """
    if path.stat().st_size == 0:
        return "is empty"
    with path.open("rb") as file:
        start = file.read(64).lstrip().lower()
        if start.startswith((b"<!doctype html", b"<html")):
            return "is a web page"
        check = CHECKS.get(Path(name).suffix)
        return check(file) if check else None


def _zip(file: BinaryIO) -> str | None:
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
    except BROKEN_ZIP:
        return "is cut off or is not a zip"
    if not _ends_as_zip(file):
        return "is cut off or has something after its end"
    return None if members else "is a zip without members"


def _ends_as_zip(file: BinaryIO) -> bool:
    """Say whether the last bytes are the end record of a zip.

    `zipfile` is content with one further up, which may be that of a stored zip
    inside a zip that was cut off.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - END_RECORD.size - MAX_COMMENT))
    tail = file.read()
    found = tail.rfind(b"PK\5\6")
    while found >= 0:
        record = tail[found : found + END_RECORD.size]
        if len(record) == END_RECORD.size:
            (comment,) = END_RECORD.unpack(record)
            if found + END_RECORD.size + comment == len(tail):
                return True
        found = tail.rfind(b"PK\5\6", 0, found)
    return False


def _npz(file: BinaryIO) -> str | None:
    if said := _zip(file):
        return said
    try:
        with zipfile.ZipFile(file) as archive:
            damaged = archive.testzip()
    except (*BROKEN_ZIP, RuntimeError):
        damaged = "a member"
    return f"is damaged: {damaged} does not match its checksum" if damaged else None


def _csv(file: BinaryIO) -> str | None:
    file.seek(0)
    file.readline()
    if not file.read(1):
        return "has no row below its header"
    file.seek(-1, os.SEEK_END)
    return None if file.read(1) == b"\n" else "does not end with a line break"


def _pickle(file: BinaryIO) -> str | None:
    file.seek(-1, os.SEEK_END)
    last = file.read(1)
    file.seek(0)
    try:
        for _ in pickletools.genops(file):
            pass
    except (ValueError, OverflowError, IndexError):
        return "is cut off or is not a pickle"
    return None if last == PICKLE_ENDS else "does not end where its pickle ends"


CHECKS: dict[str, Callable[[BinaryIO], str | None]] = {
    ".zip": _zip,
    ".npz": _npz,
    ".csv": _csv,
    ".pickle": _pickle,
}
