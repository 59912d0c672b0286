"""An md5 that is computed while the next bytes arrive."""

from __future__ import annotations

import hashlib
import queue
import threading

__all__ = ["BackgroundMd5"]

WAITING = 16


class BackgroundMd5:
    """The md5 of blocks, computed by a thread of its own.

    At most `WAITING` blocks are held.

    Examples
    --------
    >>> md5 = BackgroundMd5()
    >>> md5.update(b"abc")
    >>> md5.hexdigest()
    '900150983cd24fb0d6963f7d28e17f72'
    """

    def __init__(self) -> None:
        self._digest = hashlib.md5(usedforsecurity=False)
        self._blocks: queue.Queue[bytes | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def update(self, block: bytes) -> None:
        """Take the next bytes."""
        self._blocks.put(block)

    def hexdigest(self) -> str:
        """Return the md5 of all blocks; the last call."""
        self.close()
        return self._digest.hexdigest()

    def close(self) -> None:
        """End the thread."""
        if self._thread.is_alive():
            self._blocks.put(None)
            self._thread.join()

    def _run(self) -> None:
        while (block := self._blocks.get()) is not None:
            self._digest.update(block)
