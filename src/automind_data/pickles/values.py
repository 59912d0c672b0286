"""Turning parts of an inert pickle tree into arrays and quantities."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automind_data.common.errors import AutomindError
from automind_data.pickles.limits import LIMITS
from automind_data.pickles.storage import read_storage
from automind_data.pickles.tree import Call, Name, refused

__all__ = ["Values", "shaped", "unit_name"]

_BASE = ("m", "kg", "s", "A", "K", "mol", "cd")
_SI: dict[tuple[float, ...], str] = {
    (0, 0, 0, 0, 0, 0, 0): "1",
    (0, 0, 1, 0, 0, 0, 0): "s",
    (0, 0, -1, 0, 0, 0, 0): "Hz",
    (0, 0, 0, 1, 0, 0, 0): "A",
    (2, 1, -3, -1, 0, 0, 0): "V",
    (-2, -1, 4, 2, 0, 0, 0): "F",
    (-2, -1, 3, 2, 0, 0, 0): "S",
    (2, 1, -3, -2, 0, 0, 0): "ohm",
}
_PREFIXES = {0: "", -3: "m", -6: "u", -9: "n", -12: "p", 3: "k", 6: "M", 9: "G"}
_DTYPES = frozenset("f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1".split())
_TEXTS = re.compile(r"[US](\d{1,4})")
_OBJECTS = ("O8", "O4", "O")
MOST_VALUES = 100_000
MOST_DIMENSIONS = 32
MOST_LAYERS = 10_000
DEEPEST = 50


def unit_name(scale: float, dimensions: tuple[float, ...]) -> str:
    """Name a unit from its size in SI base units and its seven dimension exponents.

    Raises
    ------
    ValueError
        The size is no power of ten with a usual prefix.

    Examples
    --------
    >>> unit_name(1e-12, (-2, -1, 4, 2, 0, 0, 0))
    'pF'
    """
    exponent = round(math.log10(scale)) if scale > 0 else None
    if exponent not in _PREFIXES or not math.isclose(scale, 10.0**exponent, rel_tol=1e-12):
        raise ValueError(f"no unit of size {scale}")
    symbol = _SI.get(tuple(dimensions))
    if symbol is None:
        parts = [
            f"{name}^{power:g}" for name, power in zip(_BASE, dimensions, strict=True) if power
        ]
        symbol = " ".join(parts)
        if exponent:
            return f"1e{exponent} {symbol}"
    elif symbol == "1" and exponent:
        return f"1e{exponent}"
    return _PREFIXES[exponent] + symbol


def shaped(flat: NDArray[Any], shape: Any, fortran: bool) -> NDArray[Any]:
    """Lay numbers out as an array of some shape.

    Raises
    ------
    ValueError
        The shape is none, or has place for another number of them.
    """
    sizes = tuple(shape)
    if len(sizes) > MOST_DIMENSIONS or not all(type(n) is int and n >= 0 for n in sizes):
        raise ValueError("no shape")
    if math.prod(n for n in sizes if n) > max(flat.size, MOST_VALUES):
        raise ValueError("too large a shape")
    return flat.reshape(sizes, order="F" if fortran else "C")


class Values:
    """The values of one pickle; shared storages are read once.

    Parameters
    ----------
    file
        What to call the pickle in an error.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self._storages: dict[int, NDArray[Any]] = {}
        self._seen = 0
        self._made = 0
        self._layers = 0

    def refuse(self, rule: str) -> AutomindError:
        """Make the error that says which rule this pickle breaks."""
        return refused(self.file, rule)

    def _spend(self, made: int) -> None:
        self._made += made
        if self._made > LIMITS.max_made:
            raise self.refuse(f"makes more than {LIMITS.max_made} bytes of numbers")

    def _see(self, count: int) -> None:
        self._seen += count
        if self._seen > MOST_VALUES:
            raise self.refuse(f"holds more than {MOST_VALUES} plain values")

    def enter(self, depth: int) -> None:
        """Count one layer of a network, so deep in it."""
        self._layers += 1
        if self._layers > MOST_LAYERS or depth > DEEPEST:
            raise self.refuse("has a network that is nested too deeply")

    def state(self, value: Any, *kinds: str) -> dict[str, Any]:
        """Return the attributes of an object whose class name is one of `kinds`."""
        if not isinstance(value, Call) or (kinds and value.name.name not in kinds):
            found = value.kind if isinstance(value, Call) else type(value).__name__
            raise self.refuse(f"has {found} where {' or '.join(kinds) or 'an object'} belongs")
        if not isinstance(value.state, dict):
            raise self.refuse(f"has a {value.kind} without attributes")
        return value.state

    def tensor(self, value: Any) -> NDArray[Any]:
        """Rebuild one tensor as an array."""
        if isinstance(value, Call) and value.name == Name("torch._utils", "_rebuild_parameter"):
            value = value.args[0] if value.args else None
        if not (isinstance(value, Call) and value.kind == "torch._utils._rebuild_tensor_v2"):
            raise self.refuse("has something else where a tensor belongs")
        try:
            source, offset, size, stride = value.args[:4]
            reach = [*zip(size, stride, strict=True)]
            whole = {type(n) for n in (offset, *size, *stride)} <= {int}
            if not whole or len(reach) > MOST_DIMENSIONS:
                raise ValueError
            start = offset
        except (ValueError, TypeError):
            raise self.refuse("describes a tensor without sizes") from None
        storage = self._storage(source)
        last = start + sum((n - 1) * step for n, step in reach)
        empty = any(n == 0 for n, _ in reach)
        plain = start >= 0 and all(n >= 0 and step >= 0 for n, step in reach)
        if math.prod(n for n, _ in reach) > max(len(storage), 1):
            raise self.refuse("holds a tensor with more numbers than its storage")
        if not plain or start > len(storage) or (not empty and last >= len(storage)):
            raise self.refuse("holds a tensor that does not fit its own storage")
        self._spend(math.prod(n for n, _ in reach) * storage.itemsize)
        sizes = [n for n, _ in reach]
        steps = [step * storage.itemsize for _, step in reach]
        return np.lib.stride_tricks.as_strided(storage[start:], sizes, steps).copy()

    def _storage(self, source: Any) -> NDArray[Any]:
        if not (isinstance(source, Call) and source.kind == "torch.storage._load_from_bytes"):
            raise self.refuse("has something else where a tensor's storage belongs")
        if id(source) not in self._storages:
            try:
                (data,) = source.args
                self._storages[id(source)] = read_storage(data)
            except (ValueError, TypeError) as error:
                raise self.refuse(f"holds a damaged tensor: {error}") from None
        return self._storages[id(source)]

    def array(self, value: Any) -> Any:
        """Rebuild a numpy array or scalar; an object array becomes nested lists of plain values."""
        if isinstance(value, Call) and self._is_object(value):
            return self._objects(value, lambda item: self.plain(item)[0])
        return self._numeric(value)

    def nested(self, value: Any) -> Any:
        """Rebuild a value as it stands: arrays, nested lists of an object array, plain values."""
        self._see(1)
        if isinstance(value, Call):
            is_object = self._is_object(value)
            return self._objects(value, self.nested) if is_object else self._numeric(value)
        if isinstance(value, list | tuple):
            return [self.nested(part) for part in value]
        if isinstance(value, dict):
            return {str(name): self.nested(part) for name, part in value.items()}
        if value is None or isinstance(value, bool | int | float | str):
            return value
        raise self.refuse(f"has a {type(value).__name__} where a plain value belongs")

    def _is_object(self, value: Call) -> bool:
        state = value.state
        named = value.name.name == "_reconstruct" and isinstance(state, tuple) and len(state) == 5
        return named and self._dtype_text(state[2]) in _OBJECTS

    def _objects(self, value: Call, made: Callable[[Any], Any]) -> Any:
        _, shape, _, fortran, items = value.state
        try:
            self._see(len(items))
            flat = np.empty(len(items), dtype=object)
            for index, item in enumerate(items):
                flat[index] = made(item)
            return shaped(flat, shape, bool(fortran)).tolist()
        except (ValueError, TypeError):
            raise self.refuse("holds an array that does not fit its own shape") from None

    def _numeric(self, value: Any) -> Any:
        if not isinstance(value, Call):
            raise self.refuse("has something else where an array belongs")
        try:
            match value.name.name, value.args, value.state:
                case "scalar", (dtype, bytes() as data), _:
                    kind = self._dtype(dtype)
                    if len(data) != kind.itemsize:
                        raise ValueError("a scalar of another size")
                    return np.frombuffer(data, dtype=kind)[0].item()
                case "_reconstruct", _, (_, shape, dtype, fortran, bytes() as data):
                    return self._filled(data, dtype, shape, bool(fortran))
                case "_frombuffer", (bytes() as data, dtype, shape, str() as order), _:
                    return self._filled(data, dtype, shape, order == "F")
        except (ValueError, TypeError):
            raise self.refuse("holds an array that does not fit its own shape") from None
        raise self.refuse(f"has {value.kind} where an array belongs")

    def _filled(self, data: bytes, dtype: Any, shape: Any, fortran: bool) -> NDArray[Any]:
        self._spend(len(data))
        return shaped(np.frombuffer(data, dtype=self._dtype(dtype)), shape, fortran).copy()

    def _dtype_text(self, value: Any) -> str:
        if isinstance(value, Call) and value.kind == "numpy.dtype" and value.args:
            return str(value.args[0])
        raise self.refuse("has something else where a number type belongs")

    def _dtype(self, value: Any) -> np.dtype[Any]:
        text = self._dtype_text(value)
        if text not in _DTYPES and not _TEXTS.fullmatch(text):
            raise self.refuse(f"holds an array of type {text}")
        order = value.state[1] if isinstance(value.state, tuple) and len(value.state) > 1 else "<"
        return np.dtype((">" if order == ">" else "<") + text)

    def quantity(self, value: Any) -> tuple[Any, float, tuple[float, ...]]:
        """Split a value with or without a physical unit.

        Returns
        -------
        (value, size, dimensions)
            The plain value in SI base units, its size as a float where it is one
            number (else 1.0), and the seven exponents of its dimension.
        """
        if isinstance(value, Call) and value.name.name == "quantity_with_dimensions":
            number, dimensions = value.args
            if not isinstance(dimensions, Call):
                raise self.refuse("has a quantity without a dimension")
            plain, _ = self.plain(number)
            exponents = tuple(float(power) for power in dimensions.args[0])
            size = plain if isinstance(plain, (int, float)) else 1.0
            return plain, float(size), exponents
        plain, _ = self.plain(value)
        size = plain if isinstance(plain, (int, float)) else 1.0
        return plain, float(size), (0.0,) * 7

    def unit(self, value: Any) -> str:
        """Name the unit that an entry of `b2_units` stands for."""
        _, size, dimensions = self.quantity(value)
        try:
            return unit_name(size, dimensions)
        except ValueError:
            raise self.refuse(f"has an unknown unit of size {size}") from None

    def plain(self, value: Any) -> tuple[Any, str]:
        """Return a JSON-ready value and its unit (`"1"` where it has none).

        Lists keep their shape; infinities become the texts `inf` and `-inf`, NaN
        becomes `nan`, since JSON has no such numbers.
        """
        self._see(1)
        if isinstance(value, Call) and value.name.name == "quantity_with_dimensions":
            number, _, dimensions = self.quantity(value)
            return number, unit_name(1.0, dimensions)
        if isinstance(value, Call):
            value = self.array(value)
        if isinstance(value, np.ndarray):
            self._see(value.size)
            value = value.tolist()
        if isinstance(value, (list, tuple)):
            parts = [self.plain(part) for part in value]
            units = {unit for part, unit in parts if part is not None}
            return [part for part, _ in parts], units.pop() if len(units) == 1 else "1"
        if isinstance(value, dict):
            return {str(key): self.plain(part)[0] for key, part in value.items()}, "1"
        if isinstance(value, float) and not math.isfinite(value):
            return str(value), "1"
        if value is None or isinstance(value, (bool, int, float, str)):
            return value, "1"
        raise self.refuse(f"has a {type(value).__name__} where a plain value belongs")
