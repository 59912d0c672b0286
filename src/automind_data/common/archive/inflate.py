"""Taking members out of their compression, piece by piece, in flat memory."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

__all__ = ["DEFLATED", "DEFLATED64", "METHODS", "STORED", "Damaged", "engine", "inflated"]

STORED, DEFLATED, DEFLATED64 = 0, 8, 9
METHODS = frozenset((STORED, DEFLATED, DEFLATED64))
PIECE = 1 << 18
FEED64 = 512
"""Bytes given to Deflate64 at once: at most 15 MB come of them."""


class Damaged(Exception):
    """The packed bytes are not what they should be; the text is the end of a sentence."""


class Engine(NamedTuple):
    """An inflater with zlib's interface, its checksum and its exception."""

    decompressobj: Callable[[int], Any]
    crc32: Callable[..., int]
    error: type[Exception]


@functools.cache
def engine() -> Engine:
    """Return ISA-L, three times as fast, or the standard library's zlib where there is no wheel."""
    try:
        from isal import isal_zlib
    except ImportError:
        return Engine(zlib.decompressobj, zlib.crc32, zlib.error)
    error: type[Exception] = isal_zlib.error  # type: ignore[assignment]  # typed as an instance
    return Engine(isal_zlib.decompressobj, isal_zlib.crc32, error)


def inflated(blocks: Iterable[bytes], method: int) -> Iterator[bytes]:
    """Unpack a member given in blocks.

    Parameters
    ----------
    blocks
        The packed bytes, all of them, none empty.
    method
        One of `METHODS`.

    Yields
    ------
    bytes
        At most a few hundred kB each, 15 MB for Deflate64.

    Raises
    ------
    Damaged
        The bytes cannot be unpacked, or do not end where they should.
    """
    if method == STORED:
        return iter(blocks)
    return _deflated(blocks) if method == DEFLATED else _deflated64(blocks)


def _deflated(blocks: Iterable[bytes]) -> Iterator[bytes]:
    tools = engine()
    stream = tools.decompressobj(-zlib.MAX_WBITS)
    try:
        for block in blocks:
            if stream.eof:
                raise Damaged("has bytes after its end")
            left = block
            while left:
                piece = stream.decompress(left, PIECE)
                left = stream.unconsumed_tail
                if piece:
                    yield piece
        while not stream.eof:
            piece = stream.decompress(b"", PIECE)
            if not piece:
                raise Damaged("is cut off")
            yield piece
    except tools.error:
        raise Damaged("is damaged") from None
    if stream.unused_data:
        raise Damaged("has bytes after its end")


def _deflated64(blocks: Iterable[bytes]) -> Iterator[bytes]:
    from inflate64 import Inflater

    stream = Inflater()
    feeds: dict[int, bytearray] = {}
    try:
        for block in _with_last_bytes_apart(blocks):
            if stream.eof:
                raise Damaged("has bytes after its end")
            feed = feeds.setdefault(len(block), bytearray(block))
            feed[:] = block
            if piece := stream.inflate(feed):
                yield piece
    except ValueError:
        raise Damaged("is damaged") from None
    if not stream.eof:
        raise Damaged("is cut off")


def _with_last_bytes_apart(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut into small feeds, the last one byte by byte.

    The inflater does not say what it left over. It also never lets go of what it was fed
    (1.0.4), so that all feeds of one length go through one buffer.
    """
    held = b""
    for block in blocks:
        for at in range(0, len(block), FEED64):
            if held:
                yield held
            held = block[at : at + FEED64]
    yield from (held[at : at + 1] for at in range(len(held)))
