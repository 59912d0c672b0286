"""Arrow columns from numpy arrays as they are; `pyarrow.array` would import pandas for that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow

__all__ = ["column", "text_column"]


def column(values: NDArray[Any], filled: NDArray[np.bool_] | None = None) -> pyarrow.Array:
    """Wrap numbers or flags.

    Parameters
    ----------
    values
        (n,), float32, float64, int64 or bool.
    filled
        Which cells have a value, (n,); None: all.

    Examples
    --------
    >>> column(np.array([1.5, 2.0]), np.array([True, False])).to_pylist()
    [1.5, None]
    >>> column(np.array([True, False, True])).to_pylist()
    [True, False, True]
    """
    import pyarrow

    types = {
        "f4": pyarrow.float32(),
        "f8": pyarrow.float64(),
        "i8": pyarrow.int64(),
        "b1": pyarrow.bool_(),
    }
    kind = types[values.dtype.str[1:]]
    data = _bits(values) if values.dtype == bool else np.ascontiguousarray(values)
    valid = None if filled is None else pyarrow.py_buffer(_bits(filled))
    return pyarrow.Array.from_buffers(kind, len(values), [valid, pyarrow.py_buffer(data)])


def text_column(texts: Sequence[str]) -> pyarrow.Array:
    """Wrap texts.

    >>> text_column(["a", "", "bü"]).to_pylist()
    ['a', '', 'bü']
    """
    import pyarrow

    encoded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    buffers = [None, pyarrow.py_buffer(ends), pyarrow.py_buffer(b"".join(encoded))]
    long = pyarrow.Array.from_buffers(pyarrow.large_string(), len(encoded), buffers)
    return long.cast(pyarrow.string())


def _bits(flags: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.packbits(flags, bitorder="little")
