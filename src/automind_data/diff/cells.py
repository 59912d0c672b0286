"""How the cells of one column changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from automind_data.diff.changes import Cell, ColumnChange
from automind_data.diff.table_file import Positions, column_type

__all__ = ["EXAMPLES", "column_change", "differing", "ks_distance", "numbers_differ"]

EXAMPLES = 5
NUMBERS = ("float64", "int64", "bool")
KINDS = ("value", "null", "NaN", "inf")
WENT = tuple(f"{one} → {other}" for one in KINDS for other in KINDS)
SAME_RATIO = 1e-6
"""Ratios within this of each other, relatively, count as one."""

Flags = NDArray[np.bool_]
Column: TypeAlias = "pa.ChunkedArray"


def differing(old: Column, new: Column) -> Flags:
    """Say for each cell whether it differs: in its bits, or in being null; NaN equals NaN."""
    no_old, no_new = _nulls(old), _nulls(new)
    unequal: Flags
    if column_type(old.type) not in NUMBERS:
        texts = (old.cast(pa.string()), new.cast(pa.string()))
        unequal = np.asarray(pc.fill_null(pc.not_equal(*texts), False))
    else:
        one, other = _values(old), _values(new)
        unequal = one != other
        if one.dtype == np.float64:
            unequal = one.view(np.int64) != other.view(np.int64)
            unequal &= ~(np.isnan(one) & np.isnan(other))
    flags: Flags = (unequal & ~no_old & ~no_new) | (no_old != no_new)
    return flags


def numbers_differ(old: Column, new: Column) -> int | None:
    """Count cells with another number in columns of two types; None if one holds no numbers."""
    if not {column_type(old.type), column_type(new.type)} <= set(NUMBERS):
        return None
    one, other = (pa.chunked_array([_numbers(column)]) for column in (old, new))
    return int(differing(one, other).sum())


def column_change(
    name: str,
    old: Column,
    new: Column,
    keys: Callable[[Positions], list[tuple[Any, ...]]],
    ks: float | None,
) -> ColumnChange:
    """Sum up the changed cells of a column.

    Parameters
    ----------
    name
        The column.
    old, new
        Its changed cells, in pairs, of one type.
    keys
        Gives the keys of some of the pairs, by their numbers.
    ks
        The distance of the whole columns; see `ks_distance`.
    """
    kinds = [_kinds(column) for column in (old, new)]
    counts = np.bincount(len(KINDS) * kinds[0] + kinds[1], minlength=len(WENT))
    transitions = {went: int(n) for went, n in zip(WENT, counts, strict=True) if n}
    some = np.arange(min(EXAMPLES, len(old)))
    kind = column_type(old.type)
    sizes = _sizes(old, new, (kinds[0] == 0) & (kinds[1] == 0)) if kind in NUMBERS else {}
    return ColumnChange(
        name=name,
        type=kind,
        rows=len(old),
        transitions=transitions,
        largest_absolute=sizes.get("absolute"),
        largest_relative=sizes.get("relative"),
        old_zero=sizes.get("zero", 0),
        ratio=sizes.get("ratio"),
        ks=ks,
        examples=tuple(
            Cell(key, old[int(row)].as_py(), new[int(row)].as_py())
            for row, key in zip(some, keys(some), strict=True)
        ),
    )


def _sizes(old: Column, new: Column, finite: Flags) -> dict[str, Any]:
    one, other = _values(old)[finite], _values(new)[finite]
    if not len(one):
        return {}
    exact: Any = np.longdouble if one.dtype == np.int64 else np.float64
    before, after = one.astype(exact), other.astype(exact)
    with np.errstate(over="ignore"):
        shift = np.abs(after - before)
        found: dict[str, Any] = {"absolute": float(shift.max())}
        some = before != 0
        found["zero"] = int((~some).sum())
        if some.any():
            found["relative"] = float((shift[some] / np.abs(before[some])).max())
        if some.all() and finite.all() and len(one) > 1:
            ratios = (after / before).astype(np.float64)
            middle = float(np.median(ratios))
            if middle and float(np.ptp(ratios)) <= SAME_RATIO * abs(middle):
                found["ratio"] = float(f"{middle:.6g}")
    return found


def ks_distance(old: Column, new: Column) -> float | None:
    """Return the Kolmogorov-Smirnov distance of two columns of numbers.

    It is the largest difference of the two empirical distribution functions, from 0
    to 1. Null and NaN are left out.

    Returns
    -------
    float or None
        None for text, and where a column has no value.

    Examples
    --------
    >>> import pyarrow as pa
    >>> one, other = (pa.chunked_array([values]) for values in ([1.0, 2.0], [2.0, 3.0, None]))
    >>> ks_distance(one, other)
    0.5
    """
    if column_type(old.type) not in NUMBERS or column_type(new.type) not in NUMBERS:
        return None
    one, other = (_sorted(column) for column in (old, new))
    if not len(one) or not len(other):
        return None
    at = np.concatenate([one, other])
    shares = [np.searchsorted(values, at, "right") / len(values) for values in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())


def _sorted(column: Column) -> NDArray[np.float64]:
    found = np.array(_numbers(column).drop_null(), np.float64)
    values: NDArray[np.float64] = found[~np.isnan(found)]
    values.sort()
    return values


def _numbers(column: Column) -> pa.Array:
    cells = column.combine_chunks()
    if pa.types.is_boolean(cells.type):
        cells = cells.cast(pa.int8())
    return cells.cast(pa.float64(), safe=False)


def _values(column: Column) -> NDArray[Any]:
    cells = column.combine_chunks()
    if pa.types.is_boolean(cells.type):
        cells = cells.cast(pa.int64())
    return np.array(cells.fill_null(0) if cells.null_count else cells)


def _nulls(column: Column) -> Flags:
    if not column.null_count:
        return np.zeros(len(column), bool)
    return np.asarray(column.combine_chunks().is_null())


def _kinds(column: Column) -> NDArray[np.int8]:
    kinds = np.zeros(len(column), np.int8)
    if pa.types.is_floating(column.type):
        values = _values(column)
        kinds[np.isnan(values)] = 2
        kinds[np.isinf(values)] = 3
    kinds[_nulls(column)] = 1
    return kinds
