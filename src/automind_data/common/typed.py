"""JSON files as typed values."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from automind_data.common.errors import AutomindError

__all__ = ["AGAIN", "ReleaseFile", "decode", "read_typed"]

AGAIN = "make it again with `dvc repro`"
T = TypeVar("T")


class ReleaseFile(msgspec.Struct, frozen=True):
    """One published file as `datasets/release.json` states it."""

    path: str
    md5: str
    size: int
    release: str


def read_typed(path: str | Path, kind: type[T]) -> T | None:
    """Read a JSON file as `kind`; None when there is no such file.

    Raises
    ------
    AutomindError
        The file is not JSON or does not have the fields of `kind`.
    """
    try:
        text = Path(path).read_bytes()
    except FileNotFoundError:
        return None
    return decode(path, text, kind)


def decode(path: str | Path, text: bytes, kind: type[T]) -> T:
    """Take the text of a file, or a line of it, as `kind`.

    Raises
    ------
    AutomindError
        It is not JSON or does not have the fields of `kind`.
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AutomindError(path, f"does not have the agreed form: {error}", AGAIN) from None
