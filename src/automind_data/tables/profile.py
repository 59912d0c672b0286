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

from automind_data.common.errors import AutomindError
from automind_data.common.files import write_text
from automind_data.common.layout import column_family
from automind_data.tables.cells import numbers
from automind_data.tables.digests import row_groups, row_key
from automind_data.tables.sketch import PERCENT, Sketch

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

    def add(self, cells: pa.Array) -> None:
        self.nulls += cells.null_count
        if self.kind == "text":
            return
        values, null = numbers(cells)
        if null is not None:
            values = values[~null]
        if values.dtype == np.float64:
            finite = np.isfinite(values)
            if not finite.all():
                nan = int(np.isnan(values).sum())
                self.nan += nan
                self.inf += int((~finite).sum()) - nan
                values = values[finite]
        if len(values):
            self._merge(values)

    def _merge(self, values: Any) -> None:
        self.low = min(self.low, values.min().item())
        self.high = max(self.high, values.max().item())
        floats = values.astype(np.float64)
        count = len(floats)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(floats.mean())
            floats -= mean
            squares = float(np.square(floats, out=floats).sum())
        if self.kind != "bool":
            floats[:] = values
            self.sketch.add(floats)
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

    def add(self, rows: pa.Table) -> None:
        """Take the next rows."""
        self._rows += rows.num_rows
        for name, column in self._columns.items():
            column.add(rows[name].combine_chunks())

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
