"""What has arrived of a file: kept beside the cache until it is whole, one owner at a time."""

from __future__ import annotations

import contextlib
import errno
import json
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Any

import filelock

from automind_data.common.errors import AutomindError
from automind_data.common.files import write_text
from automind_data.fetching.digest import BackgroundMd5
from automind_data.pinning.objects import Objects

__all__ = ["Partial", "partial_of"]

FOLDER = ".fetch"
BLOCK = 1 << 20
POLL = 0.1
DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


def partial_of(cache: Objects, name: str, md5: str | None, size: int | None) -> Partial:
    """Return the partial file of an object, beside the cache and on its disk."""
    return Partial(cache.folder.parent / FOLDER / name, md5, size)


class Partial:
    """A folder with the bytes so far (`part`), what they have to become, and a lock.

    Parameters
    ----------
    folder
        The folder; it need not exist yet.
    md5, size
        The md5 of the whole file and its size in bytes; None where nothing is pinned yet.

    Notes
    -----
    Every block goes to the system as it comes, so a killed process leaves what it
    got. The next one reads that again for the md5 and goes on behind it. Nothing waits
    for the disk: what a loss of power cuts off has another size, and is fetched again.
    """

    def __init__(self, folder: Path, md5: str | None, size: int | None) -> None:
        self.folder = folder
        self.part = folder / "part"
        self.md5 = md5
        self.size = size
        self.resumed = False
        self._unpinned = size is None
        self._expected = folder / "expected.json"
        self._lock = filelock.FileLock(folder / "lock", thread_local=False)
        self._file: FileIO | None = None
        self._digest: BackgroundMd5 | None = None
        self._arrived = 0

    def on_disk(self) -> int:
        """Return how many bytes are there, whoever put them there."""
        try:
            return self.part.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return 0

    def acquire(self, waiting: Callable[[int], object]) -> None:
        """Become the only owner.

        Parameters
        ----------
        waiting
            Is called with the bytes so far while another process is the owner. What
            it raises ends the waiting.
        """
        while True:
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire(timeout=POLL, poll_interval=POLL / 2)
            except filelock.Timeout:
                waiting(self.on_disk())
            except FileNotFoundError:
                continue
            else:
                break
        said = self._said()
        if self._unpinned and said.get("md5", "") is None:
            self.size = said["size"]
        elif said != {"md5": self.md5, "size": self.size}:
            self.part.unlink(missing_ok=True)
            self._say()

    def open(self, tell: Callable[[int], object]) -> int:
        """Read what is there, where that was not done yet; return how many bytes that is.

        `tell` is called with the bytes read so far.
        """
        if self._file is None:
            self._digest = BackgroundMd5()
            self._file = FileIO(self.part, "a+")
            self._file.seek(0)
            self._arrived = 0
            while block := self._file.read(BLOCK):
                self._digest.update(block)
                self._arrived += len(block)
                tell(self._arrived)
            self.resumed = self._arrived > 0
        return self._arrived

    def learn(self, size: int) -> None:
        """Remember the size that the first answer states."""
        self.size = size
        self._say()

    def append(self, block: bytes) -> int:
        """Add bytes; return how many there are now.

        Raises
        ------
        AutomindError
            The disk is full.
        """
        assert self._file is not None and self._digest is not None
        self._digest.update(block)
        rest = memoryview(block)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            rule = "cannot be written, the disk is full"
            raise AutomindError(self.part, rule, "make room and run it again") from None
        self._arrived += len(block)
        return self._arrived

    def digest(self) -> str:
        """Return the md5 of everything that is there."""
        assert self._digest is not None
        found = self._digest.hexdigest()
        self._close()
        return found

    def clear(self) -> None:
        """Drop the bytes, and a size that only a host has stated."""
        self._close()
        self.part.unlink(missing_ok=True)
        self.resumed = False
        if self._unpinned and self.size is not None:
            self.size = None
            self._say()

    def release(self) -> None:
        """Give the lock back; leave a folder only where there are bytes to go on from."""
        self._close()
        if not self.on_disk():
            with contextlib.suppress(FileNotFoundError):
                self.part.unlink(missing_ok=True)
                self._expected.unlink(missing_ok=True)
                Path(self._lock.lock_file).unlink(missing_ok=True)
        self._lock.release()
        for folder in (self.folder, self.folder.parent):
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        if self._digest is not None:
            self._digest.close()
        self._file = self._digest = None
        self._arrived = 0

    def _said(self) -> dict[str, Any]:
        try:
            said = json.loads(self._expected.read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return said if isinstance(said, dict) else {}

    def _say(self) -> None:
        write_text(self._expected, json.dumps({"md5": self.md5, "size": self.size}) + "\n")
