"""Which row of one table is which row of another: by key, from digests alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from automind_data.diff.changes import Keys
from automind_data.diff.table_file import Positions

__all__ = ["Match", "keys_at", "match_rows", "same_content"]

Digests = NDArray[np.uint64]


@dataclass(frozen=True)
class Match:
    """Row numbers, from 0.

    Attributes
    ----------
    old, new
        Rows that are in both, as pairs, in the order of the old table.
    removed, added
        Rows that only the old, only the new table has.
    moved
        Are the pairs in another order in the new table.
    """

    old: Positions
    new: Positions
    removed: Positions
    added: Positions
    moved: bool


def match_rows(old: pa.Table, new: pa.Table, key: tuple[str, ...]) -> Match:
    """Match the rows of two tables.

    Parameters
    ----------
    old, new
        Tables with at least the key columns.
    key
        Columns that both have. Where keys repeat, the first row of a key is matched
        with the first, the second with the second. Without a key rows are matched by
        their number.
    """
    if not key:
        both = np.arange(min(old.num_rows, new.num_rows))
        return Match(
            both,
            both,
            np.arange(len(both), old.num_rows),
            np.arange(len(both), new.num_rows),
            moved=False,
        )
    one, other = old.select(list(key)), new.select(list(key))
    if one.equals(other):
        rows = np.arange(old.num_rows)
        return Match(rows, rows, rows[:0], rows[:0], moved=False)
    return _joined(one, other)


def same_content(old: Digests, new: Digests) -> bool:
    """Say whether two tables have the same rows, in whatever order."""
    return len(old) == len(new) and bool((np.sort(old) == np.sort(new)).all())


def _joined(old: pa.Table, new: pa.Table) -> Match:
    import polars as pl

    same_types = old.schema.types == new.schema.types

    def numbered(table: pa.Table, row: str) -> pl.DataFrame:
        frame = pl.DataFrame(pl.from_arrow(table))
        names = frame.columns
        if not same_types:
            frame = frame.with_columns(pl.all().cast(pl.String))
        counted = pl.int_range(pl.len()).over(names).alias("occurrence")
        return frame.with_columns(counted).with_row_index(row)

    one, other = numbered(old, "old row"), numbered(new, "new row")
    pairs = one.join(
        other, on=[*old.column_names, "occurrence"], how="full", nulls_equal=True, coalesce=False
    ).select("old row", "new row")
    both = pairs.drop_nulls().sort("old row")
    at_old, at_new = (both[name].to_numpy().astype(np.int64) for name in ("old row", "new row"))
    removed = pairs.filter(pl.col("new row").is_null())["old row"]
    added = pairs.filter(pl.col("old row").is_null())["new row"]
    return Match(
        at_old,
        at_new,
        np.sort(removed.to_numpy().astype(np.int64)),
        np.sort(added.to_numpy().astype(np.int64)),
        moved=bool((np.diff(at_new) < 0).any()),
    )


def keys_at(table: pa.Table, key: tuple[str, ...], rows: Positions) -> Keys:
    """Return the keys of some rows of a table, with `occurrence` where keys repeat in it."""
    if not key:
        return Keys(pa.table({"row": pa.array(rows)}))
    named = table.select(list(key))
    found = named.take(pa.array(rows))
    if not len(rows) or named.group_by(list(key)).aggregate([]).num_rows == named.num_rows:
        return Keys(found)
    import polars as pl

    frame = pl.DataFrame(pl.from_arrow(named))
    counted = frame.select((pl.int_range(pl.len()).over(frame.columns) + 1).alias("n"))["n"]
    occurrence = pa.array(counted.to_numpy()[rows])
    return Keys(found.append_column("occurrence", occurrence))
