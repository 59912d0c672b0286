"""What a killed run leaves beside its target, and how the next one tells it from a running one's.

A run holds a lock on what it writes. The system drops the lock when the process
ends, in whatever way, so a temporary sibling without one belongs to nobody.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["OLD", "PART", "claimed", "clear", "exchange"]

PART, OLD = ".part", ".old"
HERE = -100
SWAP = 2


@contextlib.contextmanager
def claimed(handle: int) -> Iterator[None]:
    """Hold a lock on an open temporary file or folder, and close it at the end."""
    try:
        _lock(handle)
        yield
    finally:
        os.close(handle)


def clear(target: Path) -> None:
    """Remove what killed runs left beside a target; put back a target that one had moved aside."""
    ours = re.compile(rf"\.{re.escape(target.name)}\.[a-z0-9_]{{8}}({PART}|{OLD})")
    with os.scandir(target.parent) as entries:
        left = sorted(entry.name for entry in entries if ours.fullmatch(entry.name))
    for name in left:
        path = target.parent / name
        with contextlib.suppress(OSError):
            handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
            try:
                if _lock(handle):
                    _drop(path, target)
            finally:
                os.close(handle)


def _drop(path: Path, target: Path) -> None:
    aside = path / target.name
    if path.suffix == OLD and aside.is_dir() and not target.exists():
        aside.rename(target)
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _lock(handle: int) -> bool:
    """Lock an open file or folder; say whether nobody else has."""
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def exchange(one: Path, other: Path) -> bool:
    """Let two paths change places in one step, and say whether the system could."""
    rename = _renameat2()
    if rename is None:
        return False
    return rename(HERE, os.fsencode(one), HERE, os.fsencode(other), SWAP) == 0


@functools.cache
def _renameat2() -> Callable[..., int] | None:
    import ctypes

    try:
        rename: Callable[..., int] = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):
        return None
    return rename
