"""The numbers of a pickled tensor.

A tensor in a legacy pickle carries a saved torch file of its own: five small
pickles and then its numbers as they lie in memory. That layout is read here by
the inert reader, in a few microseconds and without torch. Any other layout is
left to `torch.load(weights_only=True)`.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automind_data.pickles.reader import Call, Name, Refusal, read_value

__all__ = ["read_storage"]

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_KINDS = {
    "HalfStorage": "<f2",
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
        The numbers, in the type they were saved in.

    Raises
    ------
    ValueError
        The bytes are no storage, or torch refuses to read them as weights only.
    """
    flat = _read_flat(data)
    return _read_with_torch(data) if flat is None else flat


def _read_flat(data: bytes) -> NDArray[Any] | None:
    stream = io.BytesIO(data)
    try:
        magic, version, system, storage, keys = (
            read_value(stream, _NAMES, persistent=True) for _ in range(5)
        )
    except Refusal:
        return None
    match system, storage:
        case (
            {"little_endian": True},
            Call(args=("storage", Name("torch", kind), str(key), str(), int(count), None)),
        ):
            at = stream.tell()
            numbers = data[at + 8 :]
            dtype = np.dtype(_KINDS[kind])
            whole = int.from_bytes(data[at : at + 8], "little") == count
            if (magic, version, keys) == (_MAGIC, _VERSION, [key]) and whole:
                if len(numbers) != count * dtype.itemsize:
                    raise ValueError("a storage is cut off")
                return np.frombuffer(numbers, dtype)
    return None


def _read_with_torch(data: bytes) -> NDArray[Any]:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch's own type for old files
            storage = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
            tensor = torch.tensor([], dtype=storage.dtype).set_(storage.untyped())
    except Exception as error:  # torch has no common class for what it raises here
        raise ValueError(f"torch refuses a storage ({type(error).__name__})") from None
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    numbers: NDArray[Any] = tensor.numpy()
    return numbers
