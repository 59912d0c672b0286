"""A table of one side: its digests first, its cells only where they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from automind_data.tables.digests import DIGEST, row_digests, row_key

__all__ = ["ParquetTable", "Positions", "column_type"]

Positions = NDArray[np.int64]
"""Row numbers, from 0."""

_NAMES = {"double": "float64", "string": "text", "large_string": "text"}


def column_type(kind: pa.DataType) -> str:
    """Return the name of a column's type as profiles have it.

    >>> column_type(pa.float64()), column_type(pa.string()), column_type(pa.bool_())
    ('float64', 'text', 'bool')
    """
    return _NAMES.get(str(kind), str(kind))


class ParquetTable:
    """A Parquet file of which some columns of some rows are read, by whole row groups.

    Parameters
    ----------
    path
        The file.
    failure
        Gives the exception to raise, here or later, where the file cannot be read.
    """

    def __init__(self, path: Path, failure: Callable[[str], Exception]) -> None:
        self._failure = failure
        try:
            self._file = pq.ParquetFile(path)
        except (pa.ArrowInvalid, OSError):
            raise failure("is no Parquet file") from None
        groups = self._file.metadata
        sizes = [groups.row_group(each).num_rows for each in range(groups.num_row_groups)]
        self._starts: Positions = np.cumsum([0, *sizes])

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self._starts[-1])

    @cached_property
    def columns(self) -> dict[str, str]:
        """Name → type of each column, in the table's order."""
        schema = self._file.schema_arrow
        return {field.name: column_type(field.type) for field in schema}

    def size_of_groups(self, rows: Positions) -> int:
        """Return the number of rows in the row groups that hold some rows."""
        groups = self._groups(rows)
        return int((self._starts[groups + 1] - self._starts[groups]).sum())

    def take(self, columns: Sequence[str], rows: Positions) -> pa.Table:
        """Return some columns of some rows, in the order of `rows`."""
        groups = self._groups(rows)
        table = self._read(columns, groups.tolist())
        skipped = np.zeros(len(self._starts), np.int64)
        sizes = self._starts[groups + 1] - self._starts[groups]
        skipped[groups] = self._starts[groups] - np.cumsum([0, *sizes])[:-1]
        at = rows - skipped[np.searchsorted(self._starts, rows, "right") - 1]
        if len(at) == table.num_rows and (at == np.arange(len(at))).all():
            return table
        return table.take(pa.array(at))

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a whole column."""
        return self._read([name], list(range(len(self._starts) - 1)))[name]

    def digested(self) -> pa.Table:
        """Return key and digest of each row, reading the whole table, as `tabulate` writes them."""
        names = list(self.columns)
        parts = []
        for group in range(len(self._starts) - 1):
            rows = self._read(names, [group])
            keys = {name: rows[name] for name in row_key(names)}
            parts.append(pa.table({**keys, DIGEST: row_digests(rows)}))
        return pa.concat_tables(parts)

    def digests_of(self, columns: Iterable[str]) -> NDArray[np.uint64]:
        """Return the share of some columns in the digest of each row, (rows,)."""
        names = list(columns)
        groups = range(len(self._starts) - 1)
        parts = [row_digests(self._read(names, [group])) for group in groups]
        return np.concatenate([np.zeros(0, np.uint64), *parts])

    def _groups(self, rows: Positions) -> NDArray[Any]:
        return np.unique(np.searchsorted(self._starts, rows, "right") - 1)

    def _read(self, columns: Sequence[str], groups: list[int]) -> pa.Table:
        try:
            return self._file.read_row_groups(groups, columns=list(columns)).select(list(columns))
        except (pa.ArrowInvalid, OSError):
            raise self._failure("is damaged") from None
