"""Making the next pieces while the last ones are used."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

__all__ = ["ahead"]

Piece = TypeVar("Piece")


def ahead(pieces: Iterable[Piece], depth: int = 8) -> Generator[Piece, None, None]:
    """Give the same pieces, made by a thread that is up to `depth` of them ahead.

    An exception of the maker is raised where its piece would have come. The thread has
    ended when this iterator has, also when it is closed before; a generator of pieces is
    closed then.

    Examples
    --------
    >>> list(ahead([b"a", b"b"]))
    [b'a', b'b']
    """
    waiting: queue.Queue[Piece | BaseException | None] = queue.Queue(depth)
    unwanted = threading.Event()

    def make() -> None:
        try:
            for piece in pieces:
                waiting.put(piece)
                if unwanted.is_set():
                    return
            waiting.put(None)
        except BaseException as failure:
            waiting.put(failure)

    maker = threading.Thread(target=make)
    maker.start()
    try:
        while (piece := waiting.get()) is not None:
            if isinstance(piece, BaseException):
                raise piece
            yield piece
    finally:
        unwanted.set()
        with contextlib.suppress(queue.Empty):
            while True:
                waiting.get_nowait()
        maker.join()
        if isinstance(pieces, Generator):
            pieces.close()
