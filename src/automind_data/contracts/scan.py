"""One pass over a table: what the checks of its columns need to know, for all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from automind_data.common.layout import RUN_MARKERS
from automind_data.contracts.spec import rule_of

__all__ = ["BURSTS", "EARLY", "ColumnStats", "Stats", "has_run", "is_stopped", "scan"]

EARLY = "params_analysis.early_stopped"
BURSTS = "burst_num"
COUNTED = {"isi", "burst", "pca"}
"""Features whose every cell is held to its row here; those of spectra are in `rowwise`."""

MARK, STOPPED, RUN = "\0", "\0stopped", "\0run"
"""No column of a table can be named so: its text holds no such letter."""


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
    markers = [name for name in RUN_MARKERS if name in schema]
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
    totals = (
        pl.len().alias("rows"),
        pl.col(STOPPED).sum().alias("stopped"),
        (~pl.col(RUN) & ~pl.col(STOPPED)).sum().alias("failed"),
    )
    marked = frame.with_columns(is_stopped(schema).alias(STOPPED), has_run(schema).alias(RUN))
    columns = (
        asked.name.suffix(f"{MARK}{what}")
        for what, asked in _of_columns(schema)
        if asked is not None
    )
    counted = marked.select(*totals, *columns).collect(engine="streaming").row(0, named=True)
    found: dict[str, dict[str, Any]] = {name: {} for name in schema}
    for label, value in counted.items():
        name, mark, what = label.rpartition(MARK)
        if mark:
            found[name][what] = value
    return Stats(
        counted["rows"],
        counted["stopped"] or 0,
        counted["failed"] or 0,
        {name: ColumnStats(**values) for name, values in found.items()},
    )


def _of_columns(schema: pl.Schema) -> Iterator[tuple[str, pl.Expr | None]]:
    """Give each field of `ColumnStats` with one expression for all the columns that have it."""
    rules = {name: rule for name in schema if (rule := rule_of(name)) is not None}
    whole = [name for name, kind in schema.items() if kind.is_integer()]
    floats = [name for name, kind in schema.items() if kind.is_float()]
    features = [name for name, rule in rules.items() if rule.family in COUNTED]
    bursts = [name for name, rule in rules.items() if rule.nulls.startswith("bursts")]
    yield "nulls", _all(list(schema), lambda column: column.null_count())
    yield "low", _all([*whole, *floats], lambda column: column.min())
    yield "high", _all(floats, lambda column: column.nan_max())
    yield "high", _all(whole, lambda column: column.max())
    yield "filled_without_run", _all(features, lambda c: (c.is_not_null() & ~pl.col(RUN)).sum())
    if BURSTS in schema:
        none = pl.col(BURSTS).is_null()
        yield "apart_from_bursts", _all(bursts, lambda column: (column.is_null() != none).sum())


def _all(names: list[str], asked: Callable[[pl.Expr], pl.Expr]) -> pl.Expr | None:
    return asked(pl.col(names)) if names else None
