"""What a file is by its first bytes, where it is no bare pickle."""

from __future__ import annotations

__all__ = ["what_else"]

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a zip: a file of torch.save, or an archive"),
    (b"PK\x05\x06", "an empty zip"),
    (b"\x93NUMPY", "a numpy array (.npy)"),
    (b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", "a file of torch.save"),
    (b"\x1f\x8b", "a file packed by gzip, as joblib writes"),
    (b"BZh", "a file packed by bzip2, as joblib writes"),
    (b"\xfd7zXZ\x00", "a file packed by xz, as joblib writes"),
    (b"\x5d\x00\x00\x80\x00", "a file packed by lzma, as joblib writes"),
    (b"\x04\x22\x4d\x18", "a file packed by lz4, as joblib writes"),
    (b"ZF", "a file packed by an old joblib"),
    (b"\x78\x01", "a file packed by zlib, as joblib writes"),
    (b"\x78\x5e", "a file packed by zlib, as joblib writes"),
    (b"\x78\x9c", "a file packed by zlib, as joblib writes"),
    (b"\x78\xda", "a file packed by zlib, as joblib writes"),
    (b"\x89HDF", "an HDF5 file"),
)
_JOBLIB = (b"joblib.numpy_pickle", b"NumpyArrayWrapper")
_TAR = (257, b"ustar")
_HEAD = 4096


def what_else(data: bytes) -> str | None:
    """Say what a file is that is no bare pickle; None where it may be one.

    >>> what_else(b"PK" + bytes([3, 4]) + bytes(40))
    'a zip: a file of torch.save, or an archive'
    """
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    at, magic = _TAR
    if data[at : at + len(magic)] == magic:
        return "a tar, as an old torch.save writes"
    if all(part in data[:_HEAD] for part in _JOBLIB):
        return "a file of joblib, with arrays outside of its pickle"
    return None
