"""Giving working files their pinned bytes out of the cache."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automind_data.common.errors import AutomindError
from automind_data.pinning.dvcfile import DATASETS, Import, dvc_path
from automind_data.pinning.objects import Objects

__all__ = ["check_out", "md5_of_working", "refuse_unsaved"]

PAUSE = 0.2


def check_out(
    root: Path, pins: Mapping[str, Import], cache: Objects, patience: float = 30.0
) -> dict[str, AutomindError]:
    """Check published files out with DVC; return why some were left alone.

    Parameters
    ----------
    root
        The top folder of the clone.
    pins
        Published path → what is pinned; the bytes are in the cache.
    cache
        The clone's cache.
    patience
        How many seconds to wait for another DVC command.

    Returns
    -------
    dict
        Published path → the refusal, for working files that nothing else has.

    Raises
    ------
    AutomindError
        DVC cannot do it, or another command keeps it from it.
    """
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import Repo

    until = time.monotonic() + patience
    refused: dict[str, AutomindError] = {}
    try:
        with Repo(str(root)) as repo:
            for path, pinned in pins.items():
                try:
                    refuse_unsaved(repo, root / DATASETS / path, pinned.md5, cache)
                except AutomindError as error:
                    refused[path] = error
            targets = [str(root / dvc_path(path)) for path in pins if path not in refused]
            while targets:
                try:
                    repo.checkout(targets, force=True)
                    break
                except LockError:
                    if time.monotonic() > until:
                        raise
                    time.sleep(PAUSE)
    except LockError:
        rule = "is in use by another DVC command; the fetched bytes are in the cache"
        raise AutomindError(root, rule, "dvc checkout when that is done") from None
    except DvcException as error:
        rule = f"has its bytes in the cache, but not all working files: {_line(error)}"
        raise AutomindError(root, rule, "dvc checkout") from None
    return refused


def refuse_unsaved(repo: Any, working: Path, md5: str, cache: Objects) -> None:
    """Refuse to replace a working file whose bytes nothing else has.

    Parameters
    ----------
    repo
        The open `dvc.repo.Repo`.
    working
        The file, which need not exist.
    md5
        What will take its place.
    cache
        The clone's cache.

    Raises
    ------
    AutomindError
        The file is neither those bytes nor in the cache.
    """
    if not working.exists():
        return
    found = md5_of_working(repo, working)
    if found and (found == md5 or cache.has(found)):
        return
    rule = "is not what the clone pins, and nothing else has its bytes"
    raise AutomindError(working, rule, "move it away")


def md5_of_working(repo: Any, working: Path) -> str | None:
    """Return the md5 of a working file; None where there is none.

    `repo` is the open `dvc.repo.Repo`, whose records save reading files that it knows.
    """
    from dvc_data.hashfile.hash import hash_file

    if not working.is_file():
        return None
    _, found = hash_file(str(working), repo.fs, "md5", repo.state)
    return str(found.value)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
