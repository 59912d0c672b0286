"""The numbers of a column and where they are missing, without a copy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["buffers", "numbers", "whole"]


def whole(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array, without a copy where it is one."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


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


def buffers(cells: pa.Array) -> tuple[int, int]:
    """Return where in memory the numbers of an Arrow array are, and its bits of what is known.

    Both begin with the array's whole buffer, `cells.offset` numbers before its first one;
    the second is 0 where nothing is null.

    Raises
    ------
    ValueError
        There is less memory than the array's length says.
    """
    known, data = cells.buffers()
    reach = cells.offset + len(cells)
    short = known is not None and 8 * known.size < reach
    if short or data is None or 8 * data.size < reach * cells.type.bit_width:
        raise ValueError("an Arrow array is longer than its memory")
    return data.address, known.address if cells.null_count else 0
