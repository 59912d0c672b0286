"""numpy's `.npy` read without numpy's reader: no pickle in it is ever run."""

from __future__ import annotations

import ast
import math
from typing import Any

import numpy as np

from automind_data.pickles.limits import LIMITS
from automind_data.pickles.reader import read_pickle
from automind_data.pickles.tree import Call
from automind_data.pickles.values import MOST_DIMENSIONS, Values, shaped

__all__ = ["MAGIC", "parse_npy", "split_npy"]

MAGIC = b"\x93NUMPY"
LONGEST_HEADER = 10_000
LENGTHS = {1: 2, 2: 4, 3: 4}
FIELDS = {"descr", "fortran_order", "shape"}
OBJECT = "O"
KINDS = "biufUS"
LARGEST_ITEM = 100_000


def split_npy(data: bytes, file: str) -> tuple[dict[str, Any], bytes]:
    """Split a `.npy` into what its header says and the bytes behind it.

    Raises
    ------
    AutomindError
        The header is none.
    """
    refuse = Values(file).refuse
    length = LENGTHS.get(data[6]) if data[:6] == MAGIC and len(data) > 7 else None
    if length is None:
        raise refuse("is no .npy array")
    start = 8 + length
    size = int.from_bytes(data[8:start], "little")
    if size > LONGEST_HEADER or len(data) < start + size:
        raise refuse("has a header that is cut off or too long")
    try:
        header = ast.literal_eval(data[start : start + size].decode("utf-8").strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        header = None
    if not isinstance(header, dict) or header.keys() != FIELDS:
        raise refuse("has a header that describes no array")
    return header, data[start + size :]


def parse_npy(data: bytes, file: str) -> Any:
    """Read one `.npy`.

    Parameters
    ----------
    data, file
        The bytes and what to call them.

    Returns
    -------
    array or list
        An array of objects becomes nested lists of arrays and plain values.

    Raises
    ------
    AutomindError
        The bytes are no such array, or the pickle in it is refused.
    """
    header, content = split_npy(data, file)
    values = Values(file)
    kind, shape, fortran = (header[field] for field in ("descr", "shape", "fortran_order"))
    if not isinstance(kind, str) or not isinstance(shape, tuple):
        raise values.refuse("holds a table of fields, which no published file needs")
    if kind.lstrip("|<>=") == OBJECT:
        tree = read_pickle(content, file)
        matching = isinstance(tree, Call) and isinstance(tree.state, tuple)
        if not matching or tuple(tree.state[1:2]) != (shape,):
            raise values.refuse("holds another object than its header says")
        return values.nested(tree)
    try:
        dtype = np.dtype(kind)
        if dtype.kind not in KINDS or not 0 < dtype.itemsize <= LARGEST_ITEM:
            raise TypeError
        whole = all(type(size) is int and 0 <= size <= LIMITS.max_bytes for size in shape)
        if not whole or len(shape) > MOST_DIMENSIONS:
            raise ValueError
        if math.prod(shape) * dtype.itemsize != len(content):
            raise ValueError
        return shaped(np.frombuffer(content, dtype), shape, bool(fortran)).copy()
    except (ValueError, TypeError, SyntaxError):
        raise values.refuse("holds an array that does not fit its own header") from None
