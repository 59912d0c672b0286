"""The profile of a table: what is in each column, in a few numbers.

Mean and standard deviation are summed up block by block and the blocks merged
in their order (Chan, Golub and LeVeque 1983), so the same blocks give the same
numbers; the blocks are the row groups of the Parquet file. Quantiles come from
counts that depend on no order (`tables.sketch`).
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from automind_data.common.errors import AutomindError
from automind_data.common.files import write_text
from automind_data.common.layout import column_family
from automind_data.common.machine_code import Compiled, as_bits, exists
from automind_data.tables.cells import buffers, numbers, whole
from automind_data.tables.digests import row_groups, row_key
from automind_data.tables.sketch import PERCENT, Sketch, buckets_of

__all__ = [
    "FORMAT",
    "Profiler",
    "profile_of_parquet",
    "profile_text",
    "read_profile",
    "write_profile",
]

FORMAT = 2
DIGITS = 9
"""Significant digits of mean and sd: sums may differ in the last bits between processors."""
QUANTILE_DIGITS = 5


_MAGNITUDE, _INFINITY = 0x7FFFFFFFFFFFFFFF, 0x7FF0000000000000
Floats = NDArray[np.float64]
Words = NDArray[np.int64]


def _finite(
    values: Floats, known: NDArray[np.uint8], first: int, count: int, finite: Floats, counted: Words
) -> int:
    """Write the known, finite values of `count` from `first` on; return how many they are.

    `known` has a bit for each value, or is nowhere; `counted` becomes how many of them are
    nan and how many infinite.
    """
    kept = 0
    nan = 0
    infinite = 0
    for place in range(first, first + count):
        there = 1
        if exists(known):
            there = (known[place >> 3] >> (place & 7)) & 1
        value = values[place]
        magnitude = as_bits(value) & _MAGNITUDE
        finite[kept] = value
        kept += there & (magnitude < _INFINITY)
        nan += there & (magnitude > _INFINITY)
        infinite += there & (magnitude == _INFINITY)
    counted[0] = nan
    counted[1] = infinite
    return kept


def _moments(values: Floats, count: int, moments: Floats) -> None:
    """Write the least and the largest value, the mean and the squares around it, summed up.

    Every fourth value belongs to one of four sums, which are added in the end.
    """
    low = values[0]
    high = values[0]
    for each in range(count):
        low = values[each] if values[each] < low else low
        high = values[each] if values[each] > high else high
    moments[0] = low
    moments[1] = high
    if low == high:
        moments[2] = low
        moments[3] = 0.0
        return
    one = 0.0
    two = 0.0
    three = 0.0
    four = 0.0
    place = 0
    while place + 4 <= count:
        one += values[place]
        two += values[place + 1]
        three += values[place + 2]
        four += values[place + 3]
        place += 4
    while place < count:
        one += values[place]
        place += 1
    mean = ((one + two) + (three + four)) / count
    one = 0.0
    two = 0.0
    three = 0.0
    four = 0.0
    place = 0
    while place + 4 <= count:
        one += (values[place] - mean) * (values[place] - mean)
        two += (values[place + 1] - mean) * (values[place + 1] - mean)
        three += (values[place + 2] - mean) * (values[place + 2] - mean)
        four += (values[place + 3] - mean) * (values[place + 3] - mean)
        place += 4
    while place < count:
        one += (values[place] - mean) * (values[place] - mean)
        place += 1
    moments[2] = mean
    moments[3] = (one + two) + (three + four)


@Compiled
def _look(
    values: Floats,
    known: NDArray[np.uint8],
    first: int,
    count: int,
    finite: Floats,
    moments: Floats,
    buckets: Words,
    counted: Words,
    ends: Words,
) -> int:
    kept = _finite(values, known, first, count, finite, counted)
    if kept:
        _moments(finite, kept, moments)
        buckets_of(finite, kept, buckets, ends)
    return kept


class _Desk:
    """Memory to work on one column after the other.

    Attributes
    ----------
    moments
        Least and largest value, mean, squares summed up, of the finite values looked at last.
    buckets
        The bucket of each of them.
    counted
        How many were nan and infinite, the lowest and the highest bucket.
    """

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.moments, self.counted = np.zeros(4), np.zeros(4, np.int64)
        self.buckets, self._finite = np.empty(rows, np.int64), np.empty(rows)
        ends = self.counted[2:]
        arrays = (self._finite, self.moments, self.buckets, self.counted, ends)
        self._places = [array.ctypes.data for array in arrays]

    def look(self, values: int, known: int, first: int, count: int) -> int:
        """Look at values, given where they are as by `buffers`; return how many are finite."""
        return int(_look(values, known, first, count, *self._places))


@dataclass
class _Column:
    kind: str
    nulls: int = 0
    nan: int = 0
    inf: int = 0
    count: int = 0
    low: float = math.inf
    high: float = -math.inf
    mean: float = 0.0
    squares: float = 0.0
    sketch: Sketch = field(default_factory=Sketch)

    def add(self, cells: pa.Array, desk: _Desk) -> None:
        self.nulls += cells.null_count
        if self.kind == "text" or not len(cells):
            return
        if self.kind == "float64":
            count = desk.look(*buffers(cells), cells.offset, len(cells))
            nan, infinite, *ends = desk.counted.tolist()
            low, high, mean, squares = desk.moments.tolist()
            self.nan += nan
            self.inf += infinite
        else:
            values, null = numbers(cells)
            values = values if null is None else values[~null]
            floats = values.astype(np.float64)
            count = desk.look(floats.ctypes.data, 0, 0, len(floats))
            *_, mean, squares = desk.moments.tolist()
            ends = desk.counted[2:].tolist()
            low, high = (values.min().item(), values.max().item()) if count else (0, 0)
        if not count:
            return
        self.low, self.high = min(self.low, low), max(self.high, high)
        if self.kind != "bool":
            self.sketch.count(desk.buckets.ctypes.data, count, *ends)
        total = self.count + count
        shift = mean - self.mean
        self.mean += shift * count / total
        self.squares += squares + shift * shift * self.count * count / total
        self.count = total

    def said(self) -> dict[str, Any]:
        said: dict[str, Any] = {"type": self.kind, "nulls": self.nulls}
        if self.kind == "text":
            return said
        low, high = (self.low, self.high) if self.count else (None, None)
        sd = math.sqrt(self.squares / (self.count - 1)) if self.count > 1 else None
        said |= {
            "nan": self.nan,
            "inf": self.inf,
            "min": low,
            "max": high,
            "mean": _rounded(self.mean) if self.count else None,
            "sd": _rounded(sd),
        }
        if self.kind != "bool":
            cut_off = (float(f"{each:.{QUANTILE_DIGITS}g}") for each in self.sketch.quantiles())
            said["quantiles"] = [min(max(each, self.low), self.high) for each in cut_off]
        return said


class Profiler:
    """Takes a table block by block; blocks of the same rows give the same profile."""

    def __init__(self, columns: Iterable[str]) -> None:
        self._columns = {name: _Column(column_family(name)[1]) for name in columns}
        self._rows = 0
        self._desk = _Desk(0)

    def add(self, rows: pa.Table) -> None:
        """Take the next rows."""
        self._rows += rows.num_rows
        if rows.num_rows > self._desk.rows:
            self._desk = _Desk(rows.num_rows)
        wanted = rows.select(list(self._columns))
        for column, cells in zip(self._columns.values(), wanted.columns, strict=True):
            column.add(whole(cells), self._desk)

    def profile(self) -> dict[str, Any]:
        """Return the profile of all rows so far.

        Returns
        -------
        dict
            `format`; `rows`; `key`, the columns that name a row; `percent`, which
            quantiles are stated; `columns`, for each its `type`, `nulls` and, but for
            text, `nan`, `inf`, and `min`, `max`, `mean`, `sd` (n - 1) and, but for
            flags, `quantiles` of its finite values, in the column's unit. Where there
            is no such number, None; no quantiles, an empty list. A quantile is the
            smallest value that so many percent of the values do not exceed, cut off
            after eight binary digits and rounded to five decimal ones: up to 0.8 %
            nearer to zero, never beyond `min` and `max` (`sketch.ERROR`).
        """
        return {
            "format": FORMAT,
            "rows": self._rows,
            "key": list(row_key(self._columns)),
            "percent": list(PERCENT),
            "columns": {name: column.said() for name, column in self._columns.items()},
        }


def _rounded(value: float | None) -> float | None:
    return float(f"{value:.{DIGITS}g}") if value is not None and math.isfinite(value) else None


def profile_of_parquet(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the profile of a typed Parquet table, reading it once."""
    profiler = Profiler(pq.read_schema(path).names)
    for rows in row_groups(path):
        profiler.add(rows)
    return profiler.profile()


def profile_text(profile: dict[str, Any]) -> str:
    """Return a profile as JSON, one column a line."""
    columns = ",\n".join(
        f"  {json.dumps(name)}: {json.dumps(said, ensure_ascii=False, allow_nan=False)}"
        for name, said in profile["columns"].items()
    )
    head = "".join(
        f' "{name}": {json.dumps(profile[name])},\n'
        for name in ("format", "rows", "key", "percent")
    )
    return f'{{\n{head} "columns": {{\n{columns}\n }}\n}}\n'


def write_profile(path: str | os.PathLike[str], profile: dict[str, Any]) -> None:
    """Write a profile as JSON."""
    write_text(path, profile_text(profile))


def read_profile(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what `write_profile` wrote.

    Raises
    ------
    AutomindError
        It is not there or has not the form of a profile.
    """
    again = "make it again with `dvc repro`"
    try:
        said = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise AutomindError(path, "is not there", again) from None
    except ValueError:
        raise AutomindError(path, "is no JSON", again) from None
    if not isinstance(said, dict) or said.get("format") != FORMAT or "columns" not in said:
        raise AutomindError(path, f"is no table profile of format {FORMAT}", again)
    return said
