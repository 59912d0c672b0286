"""Plain values and arrays as bytes that hold no code: JSON, then the arrays as they lie in memory.

The result of a reading travels this way from the process that read to the one that
asked. Neither believes the other: whatever does not fit is a `ValueError`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["pack", "unpack"]

ARRAY = "array"
LENGTH = 8
DTYPE = re.compile(r"[<>|=]?(?:b1|[iu][1248]|f[248]|[US]\d{1,6})")


def pack(value: Any) -> Iterator[bytes | memoryview]:
    """Give the bytes of a value, piece by piece.

    Parameters
    ----------
    value
        None, booleans, numbers, texts, arrays, and lists, tuples (they become
        lists) and dicts with text keys of such.

    Raises
    ------
    TypeError
        Something else stands in it.

    Examples
    --------
    >>> unpack(b"".join(pack({"a": [1, np.arange(3)]})))
    {'a': [1, array([0, 1, 2])]}
    """
    arrays: list[NDArray[Any]] = []
    text = json.dumps(_tagged(value, arrays)).encode()
    yield len(text).to_bytes(LENGTH, "little")
    yield text
    for array in arrays:
        yield array.tobytes()


def _tagged(value: Any, arrays: list[NDArray[Any]]) -> Any:
    if isinstance(value, np.ndarray):
        if not DTYPE.fullmatch(value.dtype.str):
            raise TypeError(f"an array of {value.dtype.str}")
        arrays.append(value)
        return {ARRAY: [value.dtype.str, list(value.shape)]}
    if isinstance(value, list | tuple):
        return [_tagged(part, arrays) for part in value]
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            raise TypeError("a key that is no text")
        return {"dict": {name: _tagged(part, arrays) for name, part in value.items()}}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a {type(value).__name__}")


def unpack(data: bytes) -> Any:
    """Read back what `pack` gave.

    Raises
    ------
    ValueError
        The bytes are something else.
    """
    start = LENGTH + int.from_bytes(data[:LENGTH], "little")
    if len(data) < start:
        raise ValueError("cut off")
    rest = memoryview(data)[start:]
    try:
        value, used = _plain(json.loads(data[LENGTH:start]), rest, 0)
    except (KeyError, TypeError, RecursionError, AttributeError) as error:
        raise ValueError("malformed") from error
    if used != len(rest):
        raise ValueError("bytes left over")
    return value


def _plain(value: Any, rest: memoryview, used: int) -> tuple[Any, int]:
    if isinstance(value, list):
        parts = []
        for part in value:
            made, used = _plain(part, rest, used)
            parts.append(made)
        return parts, used
    if not isinstance(value, dict):
        return value, used
    ((tag, content),) = value.items()
    if tag == ARRAY:
        kind, shape = content
        if not DTYPE.fullmatch(kind):
            raise ValueError("an array of an odd type")
        dtype = np.dtype(kind)
        count = 1
        for size in shape:
            count *= size
        end = used + count * dtype.itemsize
        if count < 0 or end > len(rest):
            raise ValueError("cut off")
        return np.frombuffer(rest[used:end], dtype).reshape(shape).copy(), end
    made_dict: dict[str, Any] = {}
    for name, part in content.items():
        made_dict[name], used = _plain(part, rest, used)
    return made_dict, used
