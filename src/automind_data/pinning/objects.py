"""Folders of objects named by their md5: a DVC cache, or a DVC remote in a folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import BinaryIO

from automind_data.common.errors import AutomindError
from automind_data.common.files import md5_of

__all__ = ["Objects", "copy_hashing", "members_of"]

CHUNK = 1 << 20
READ_ONLY = 0o444
_OBJECT = re.compile(r"[0-9a-f]{2}/[0-9a-f]{30}(\.dir)?\Z")


def copy_hashing(source: BinaryIO, target: Path) -> Generator[int, None, str]:
    """Copy a stream to a new file, yield the bytes done so far, return the md5.

    The bytes are on the disk when it returns.
    """
    digest = hashlib.md5(usedforsecurity=False)
    done = 0
    with target.open("xb") as out:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            out.write(chunk)
            done += len(chunk)
            yield done
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


class Objects:
    """A folder `<first 2 of md5>/<rest>`; a folder's md5 ends in `.dir`.

    Parameters
    ----------
    folder
        The folder `…/files/md5` of a cache or remote; it need not exist yet.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def __iter__(self) -> Iterator[str]:
        """Give the md5 of every object, sorted."""
        for path in sorted(self.folder.glob("??/*")):
            name = path.relative_to(self.folder).as_posix()
            if _OBJECT.match(name):
                yield name.replace("/", "")

    def path(self, md5: str) -> Path:
        """Return where the object is or would be."""
        return self.folder / md5[:2] / md5[2:]

    def has(self, md5: str, size: int | None = None) -> bool:
        """Say whether the object is there; of this size, where one is given."""
        try:
            found = self.path(md5).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return False
        return size is None or md5.endswith(".dir") or found == size

    def whole(self, md5: str) -> bool:
        """Say whether an object is there, and for a folder also everything that it lists.

        Raises
        ------
        AutomindError
            A folder's object is not a list of files.
        """
        if not self.has(md5):
            return False
        members = members_of(self.path(md5)) if md5.endswith(".dir") else []
        return all(self.has(member) for _, member in members)

    def put(self, part: Path, md5: str) -> None:
        """Move a file, whose md5 the caller has computed, into its place, read-only."""
        target = self.path(md5)
        target.parent.mkdir(parents=True, exist_ok=True)
        part.chmod(READ_ONLY)
        part.replace(target)

    def add(self, source: Path, md5: str, staging: Path) -> None:
        """Copy a file in by way of a staging folder; refuse it when its md5 is another one.

        Raises
        ------
        AutomindError
            The bytes are not those that the md5 names.
        """
        part = staging / "object"
        shutil.copyfile(source, part)
        found = md5_of(part)
        if found != md5.removesuffix(".dir"):
            part.unlink()
            rule = f"is damaged: its md5 is {found}"
            raise AutomindError(source, rule, "delete it, then run `dvc fetch`")
        self.put(part, md5)

    @contextlib.contextmanager
    def staging(self, owner: str) -> Iterator[Path]:
        """Give a folder on the same disk, for files on their way in; removed at the end.

        What a killed run of the same `owner` left behind is removed at the start.
        """
        top = self.folder.parent
        top.mkdir(parents=True, exist_ok=True)
        for left in top.glob(f".staging-{owner}-*"):
            shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=f".staging-{owner}-", dir=top))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def members_of(path: Path) -> list[tuple[str, str]]:
    """Return (path in the folder, md5) of each file that a folder's object lists.

    Raises
    ------
    AutomindError
        The object is not a list of files.
    """
    try:
        return [(entry["relpath"], entry["md5"]) for entry in json.loads(path.read_bytes())]
    except (ValueError, TypeError, KeyError):
        step = "delete it, then run `dvc fetch`"
        raise AutomindError(path, "is not a list of a folder's files", step) from None
