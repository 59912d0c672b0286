"""The md5 of a file, made in a thread beside other work."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

__all__ = ["Md5"]

CHUNK = 1 << 20


class Md5:
    """Hashes a file from entering on; leaving early stops it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file, Md5(Path(file.name)) as md5:
    ...     md5.hexdigest()
    'd41d8cd98f00b204e9800998ecf8427e'
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hash = hashlib.md5(usedforsecurity=False)
        self._error: OSError | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Md5:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def hexdigest(self) -> str:
        """Wait for the end and return the md5 as hexadecimal text."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._hash.hexdigest()

    def _run(self) -> None:
        try:
            with self._path.open("rb") as file:
                while (chunk := file.read(CHUNK)) and not self._stop.is_set():
                    self._hash.update(chunk)
        except OSError as error:
            self._error = error
