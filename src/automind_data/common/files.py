"""Writing files so that a kill leaves the old one or the new one."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from automind_data.common.leftovers import OLD, PART, claimed, clear, exchange

__all__ = ["atomic_folder", "atomic_path", "md5_of", "write_json", "write_text"]

CHUNK = 1 << 20


@contextlib.contextmanager
def atomic_path(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary sibling of `target` to write to; rename it when all went well.

    What an earlier run left there when it was killed is cleared away.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with atomic_path(folder / "a.txt") as part:
    ...     _ = part.write_text("whole")
    >>> (folder / "a.txt").read_text()
    'whole'
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    clear(target)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=PART, dir=target.parent)
    part = Path(name)
    with claimed(handle):
        try:
            yield part
            part.chmod(0o666 & ~_umask())
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def atomic_folder(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary sibling folder of `target`; put it in place when all went well.

    Where the system can, it changes places with an older `target` in one step, and
    there is a whole `target` at every moment. Elsewhere the older one is moved aside
    first: a kill between the two renames leaves it beside the target, and the next
    call moves it back. What an earlier run left when it was killed is cleared away.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    clear(target)
    part = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=PART, dir=target.parent))
    with claimed(os.open(part, os.O_RDONLY)):
        try:
            yield part
            part.chmod(0o777 & ~_umask())
            if not target.exists():
                part.replace(target)
            elif exchange(part, target):
                shutil.rmtree(part)
            else:
                _move_aside(part, target)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise


def _move_aside(part: Path, target: Path) -> None:
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=OLD, dir=target.parent))
    with claimed(os.open(old, os.O_RDONLY)):
        target.replace(old / target.name)
        part.replace(target)
        shutil.rmtree(old)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(target: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_path(target) as part:
        part.write_text(text, encoding="utf-8")


def write_json(target: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as indented JSON with a final newline, atomically; NaN is refused."""
    write_text(target, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def md5_of(path: str | os.PathLike[str]) -> str:
    """Return the md5 of a file as hexadecimal text: the checksum that DVC and figshare use."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
