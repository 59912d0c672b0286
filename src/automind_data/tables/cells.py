"""The numbers of a column and where they are missing, without a copy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["numbers"]


def numbers(cells: pa.Array) -> tuple[Any, NDArray[np.bool_] | None]:
    """Return the numbers of an Arrow array, (n,), and which of them are null.

    Parameters
    ----------
    cells
        Floats, whole numbers or booleans; booleans come back as whole numbers.

    Returns
    -------
    (values, null)
        A view of the array's memory, where a null has any number, and (n,) flags;
        None where nothing is null.

    Examples
    --------
    >>> values, null = numbers(pa.array([1.5, None, 3.5]))
    >>> values[~null].tolist()
    [1.5, 3.5]
    """
    if pa.types.is_boolean(cells.type):
        cells = cells.cast(pa.int64())
    known, data = cells.buffers()
    kind = np.dtype(cells.type.to_pandas_dtype())
    first, count = cells.offset, len(cells)
    if not count or data is None:
        return np.zeros(count, kind), np.ones(count, np.bool_) if cells.null_count else None
    values = np.frombuffer(data, kind, count, first * kind.itemsize)
    if not cells.null_count:
        return values, None
    bits = np.frombuffer(known, np.uint8)
    flags = np.unpackbits(bits, count=first + count, bitorder="little")[first:]
    return values, flags == 0
