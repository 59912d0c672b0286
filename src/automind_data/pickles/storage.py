"""The numbers of a pickled tensor.

A tensor in a legacy pickle carries a saved torch file of its own: five small
pickles and then its numbers as they lie in memory. That layout, the only one that
`torch.storage._load_from_bytes` is ever given by torch itself, is read here by the
inert reader, in a few microseconds and without torch. Any other is refused.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automind_data.pickles.reader import Call, Name, Refusal, read_value

__all__ = ["read_storage"]

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_KINDS = {
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "CharStorage": "<i1",
    "ShortStorage": "<i2",
    "IntStorage": "<i4",
    "LongStorage": "<i8",
    "ByteStorage": "<u1",
    "BoolStorage": "|b1",
}
_NAMES = frozenset(("torch", name) for name in _KINDS)


def read_storage(data: bytes) -> NDArray[Any]:
    """Read one saved torch storage.

    Parameters
    ----------
    data
        The bytes that a legacy pickle hands to `torch.storage._load_from_bytes`.

    Returns
    -------
    array (n,)
        The numbers, in the type they were saved in; bfloat16 as float32.

    Raises
    ------
    ValueError
        The bytes are no storage in the layout that torch writes.
    """
    stream = io.BytesIO(data)
    try:
        head = [read_value(stream, _NAMES, persistent=True) for _ in range(5)]
    except Refusal as error:
        raise ValueError(f"what it holds is no saved storage and {error}") from None
    match head:
        case [
            magic,
            version,
            {"little_endian": True},
            Call(args=("storage", Name("torch", kind), str(key), str(), int(count), None)),
            keys,
        ] if (magic, version, keys) == (_MAGIC, _VERSION, [key]):
            return _numbers(data, stream.tell(), kind, count)
    raise ValueError("what it holds is no saved storage of the form that torch writes")


def _numbers(data: bytes, at: int, kind: str, count: int) -> NDArray[Any]:
    dtype = np.dtype(_KINDS[kind])
    numbers = memoryview(data)[at + 8 :]
    if int.from_bytes(data[at : at + 8], "little") != count:
        raise ValueError("a storage says two different lengths")
    if len(numbers) != count * dtype.itemsize:
        raise ValueError("a storage is cut off")
    flat = np.frombuffer(numbers, dtype)
    if kind == "BFloat16Storage":
        flat = (flat.astype("<u4") << 16).view("<f4")
    return flat
