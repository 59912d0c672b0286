"""One pass over a table: what the checks of its columns need to know, for all of them at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from automind_data.contracts.spec import rule_of

__all__ = ["EARLY", "ColumnStats", "Stats", "has_run", "is_stopped", "scan"]

EARLY = "params_analysis.early_stopped"
MARKERS = ("isi_numspks_mu", "pca_total", "psd_10.0", "psd_250.0")
"""A row has features if one of these is filled; they are never empty in a run that has them."""

ROW_KEY = "burst_num"


@dataclass(frozen=True)
class ColumnStats:
    """One column.

    Attributes
    ----------
    nulls
        Empty cells.
    low, high
        Of its numbers, None where there is none; `high` is NaN if one of them is.
    filled_without_run
        Cells with a value in rows that can have no features.
    apart_from_bursts
        Cells that are empty where the number of bursts is there, or the other way round.
    """

    nulls: int
    low: float | None = None
    high: float | None = None
    filled_without_run: int = 0
    apart_from_bursts: int = 0


@dataclass(frozen=True)
class Stats:
    """A table: its rows, those stopped early, those that have no features though not stopped."""

    rows: int
    stopped: int
    failed: int
    columns: dict[str, ColumnStats]

    def nulls_in_runs(self, name: str) -> int:
        """Count the empty cells of a column in rows that have features."""
        column = self.columns[name]
        return column.nulls - (self.stopped + self.failed - column.filled_without_run)


def is_stopped(schema: pl.Schema) -> pl.Expr:
    """Say of each row whether its run was stopped early."""
    if schema.get(EARLY) != pl.Boolean:
        return pl.lit(False)
    return pl.col(EARLY).fill_null(False)


def has_run(schema: pl.Schema) -> pl.Expr:
    """Say of each row whether it should have features; without a record of stops, each should."""
    markers = [name for name in MARKERS if name in schema]
    if EARLY not in schema or not markers:
        return ~is_stopped(schema)
    filled = pl.any_horizontal(pl.col(name).is_not_null() for name in markers)
    return ~is_stopped(schema) & filled


def scan(frame: pl.LazyFrame) -> Stats:
    """Read a table once, in blocks, and count.

    Parameters
    ----------
    frame
        The table; columns that the release does not know are only counted.
    """
    schema = frame.collect_schema()
    asked = [pl.len().alias("rows")]
    asked += [pl.col("is stopped").sum().alias("stopped")]
    asked += [(~pl.col("has run") & ~pl.col("is stopped")).sum().alias("failed")]
    for number, (name, kind) in enumerate(schema.items()):
        asked += [
            expression.alias(f"{number} {what}")
            for what, expression in _of_column(name, kind, ROW_KEY in schema).items()
        ]
    counted = (
        frame.with_columns(is_stopped(schema).alias("is stopped"), has_run(schema).alias("has run"))
        .select(asked)
        .collect(engine="streaming")
        .row(0, named=True)
    )
    found: dict[str, dict[str, Any]] = {name: {} for name in schema}
    names = list(schema)
    for label, value in counted.items():
        place, _, what = label.partition(" ")
        if what:
            found[names[int(place)]][what] = value
    return Stats(
        counted["rows"],
        counted["stopped"] or 0,
        counted["failed"] or 0,
        {name: ColumnStats(**values) for name, values in found.items()},
    )


def _of_column(name: str, kind: pl.DataType, bursts: bool) -> dict[str, pl.Expr]:
    column = pl.col(name)
    asked = {"nulls": column.null_count()}
    if kind.is_float():
        asked |= {"low": column.min(), "high": column.nan_max()}
    elif kind.is_integer():
        asked |= {"low": column.min(), "high": column.max()}
    rule = rule_of(name)
    if rule is not None and rule.family in {"isi", "burst", "pca"}:
        asked["filled_without_run"] = (column.is_not_null() & ~pl.col("has run")).sum()
        if rule.nulls.startswith("bursts") and bursts:
            asked["apart_from_bursts"] = (column.is_null() != pl.col(ROW_KEY).is_null()).sum()
    return asked
