"""Contracts about the columns of one table: names, types, and the values in them.

All of them read the same one pass (`scan`); what they condemn is looked up after it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from automind_data.common.layout import PARAMETER_NAMES, PSD_COLUMNS, column_family, psd_frequency
from automind_data.contracts.inputs import Bound
from automind_data.contracts.registry import SHOWN, Found, contract
from automind_data.contracts.scan import BURSTS, has_run, is_stopped
from automind_data.contracts.spec import Column, read_spec, rule_of
from automind_data.contracts.subjects import Table

__all__ = ["BOUND_ULPS"]

BOUND_ULPS = 4
"""Parameters may lie this many float32 steps outside their bounds.

The tables hold float64 copies of float32 numbers that were computed from the
unit cube in float32, which can miss a bound by its last bits.
"""

SEEDS = ("params_settings.batch_seed", "params_settings.random_seed")
FEATURES = {"isi", "burst", "pca", "psd"}
INTERVALS = ("mean", "std", "25q", "50q", "75q", "cv")
SPIKES = "isi_numspks_mu"
ENOUGH_SPIKES = 3
"""Cells with fewer spikes have no intervals; with more on average, some cell has them."""

ROUNDING = 1e-9
TYPES: dict[str, pl.DataType] = {
    "float64": pl.Float64(),
    "int64": pl.Int64(),
    "bool": pl.Boolean(),
    "text": pl.String(),
}


@contract("param-missing", "error", Table)
def every_parameter_has_a_column(table: Table) -> Iterator[Found]:
    """A table of parameter configurations has a column for each of the 28 parameters."""
    missing = [name for name in PARAMETER_NAMES if name not in table.columns]
    if missing and (table.configurations or len(missing) < len(PARAMETER_NAMES)):
        yield Found(
            f"{len(missing)} of the {len(PARAMETER_NAMES)} parameters have no column",
            len(missing),
            tuple({"column": name} for name in missing),
        )


@contract("param-not-finite", "error", Table)
def every_parameter_is_a_number(table: Table) -> Iterator[Found]:
    """Every parameter of every row is a finite number."""
    columns = table.stats.columns
    bad = {
        name: ~pl.col(name).is_finite().fill_null(False)
        for name in _parameters(table)
        if columns[name].nulls or not _is_finite(columns[name].low, columns[name].high)
    }
    yield from _cells(table, bad, "parameter values are missing or not finite")


@contract("param-out-of-bounds", "error", Table)
def every_parameter_is_inside_its_prior(table: Table) -> Iterator[Found]:
    """Every parameter lies inside its prior's bounds (float32, give or take 4 float32 steps)."""
    bounds = {
        bound.name: limits
        for bound in table.prior or ()
        if bound.name in _parameters(table) and (limits := _limits(bound))
    }
    bad = {
        name: pl.col(name).is_finite() & ((pl.col(name) < low) | (pl.col(name) > high))
        for name, (low, high) in bounds.items()
        if not _is_inside(table, name, low, high)
    }
    message = f"parameter values lie more than {BOUND_ULPS} float32 steps outside their prior"
    stated = {bound.name: {"low": bound.low, "high": bound.high} for bound in table.prior or ()}
    yield from _cells(table, bad, message, stated)


@contract("bounds-not-checked", "info", Table)
def the_prior_is_known(table: Table) -> Iterator[Found]:
    """The prior of a table of parameter configurations is known."""
    if table.prior is None and _parameters(table):
        yield Found("parameters were not held to bounds, since no prior is known for this table")


@contract("param-names", "error", Table)
def the_prior_has_the_parameters_of_the_table(table: Table) -> Iterator[Found]:
    """Table and prior have the same parameters."""
    if table.prior is None or not _parameters(table):
        return
    prior = [bound.name for bound in table.prior]
    odd = sorted(set(prior) ^ set(_parameters(table)))
    if odd:
        message = "parameters are in the table or in the prior, not in both"
        yield Found(message, len(odd), tuple({"parameter": name} for name in odd))


@contract("param-order", "warning", Table)
def parameters_stand_in_the_order_of_the_prior(table: Table) -> Iterator[Found]:
    """The parameter columns stand in the order of the prior."""
    prior = [bound.name for bound in table.prior or ()]
    wanted = [name for name in prior if name in table.columns]
    found = [name for name in table.columns if name in wanted]
    moved = [
        {"place": place, "table": here, "prior": there}
        for place, (here, there) in enumerate(zip(found, wanted, strict=True))
        if here != there
    ]
    if moved:
        message = "parameter columns stand in another order than in the prior; read them by name"
        yield Found(message, len(moved), tuple(moved))


@contract("psd-axis", "error", Table)
def the_spectrum_has_its_axis(table: Table) -> Iterator[Found]:
    """Where there is a spectrum it has 0 to 500 Hz by 0.5 Hz."""
    found = Counter(_frequencies(table))
    axis = dict.fromkeys(psd_frequency(name) for name in PSD_COLUMNS)
    odd: dict[str, list[float | None]] = {
        "missing": [hz for hz in axis if hz not in found],
        "not on the axis": [hz for hz in found if hz not in axis],
        "twice": [hz for hz, times in found.items() if times > 1],
    }
    cases = tuple({"hz": hz, "is": what} for what, those in odd.items() for hz in those)
    if found and cases:
        parts = ", ".join(f"{len(those)} {what}" for what, those in odd.items() if those)
        yield Found(f"the spectrum is not 0 to 500 Hz by 0.5 Hz: {parts}", len(cases), cases)


@contract("psd-order", "warning", Table)
def the_spectrum_is_in_order(table: Table) -> Iterator[Found]:
    """The columns of a spectrum stand in the order of their frequencies."""
    found = _frequencies(table)
    falls = [{"after": first, "hz": second} for first, second in pairwise(found) if second < first]
    if falls:
        message = "columns of the spectrum are not in order of frequency; read them by name"
        yield Found(message, len(falls), tuple(falls))


@contract("seed-twice", "error", Table)
def every_run_is_there_once(table: Table) -> Iterator[Found]:
    """No two rows have the same batch seed and random seed."""
    if not set(SEEDS) <= set(table.columns):
        return
    repeated = _collect(
        table.frame.select(SEEDS)
        .with_row_index("row")
        .drop_nulls()
        .group_by(SEEDS)
        .agg(
            pl.len().alias("rows"),
            pl.col("row").max(),
            pl.col("row").min().alias("first in row"),
        )
        .filter(pl.col("rows") > 1)
        .sort("row")
        .select("row", *SEEDS, "first in row", "rows")
    )
    if repeated.height:
        message = "pairs of batch seed and random seed stand in more than one row"
        yield Found(message, repeated.height, tuple(repeated.head(SHOWN).iter_rows(named=True)))


@contract("key-missing", "error", Table)
def every_key_is_there(table: Table) -> Iterator[Found]:
    """No row lacks a seed, an observation key, or a part of one."""
    keys = [name for name in table.columns if column_family(name)[0] == "key"]
    bad = {name: pl.col(name).is_null() for name in keys if table.stats.columns[name].nulls}
    yield from _cells(table, bad, "keys are missing")


@contract("column-missing", "warning", Table)
def every_feature_has_a_column(table: Table) -> Iterator[Found]:
    """A table of the release has every column of the families that it holds."""
    missing = [
        column.name
        for column in read_spec().columns
        if column.name
        and column.family in table.holds
        and not column.optional
        and column.name not in table.columns
    ]
    there = {column_family(name)[0] for name in table.columns}
    gone = [family for family in table.holds if family not in there and family != "parameter"]
    cases = [{"column": name} for name in missing] + [{"family": family} for family in gone]
    if cases:
        yield Found(
            f"{len(cases)} columns or families of columns are missing", len(cases), tuple(cases)
        )


@contract("value-not-finite", "error", Table)
def every_value_is_a_finite_number(table: Table) -> Iterator[Found]:
    """Every feature, and every number about a run, is empty or finite."""
    bad = {
        name: ~pl.col(name).is_finite() if not rule.infinite else pl.col(name).is_nan()
        for name, rule in _numbers(table)
        if not _is_finite(table.stats.columns[name].low, table.stats.columns[name].high)
    }
    yield from _cells(table, bad, "values are not finite")


@contract("value-out-of-range", "error", Table)
def every_value_is_in_its_physical_range(table: Table) -> Iterator[Found]:
    """Every value is within what is physically possible (see the data dictionary)."""
    limits = {name: (rule.low, rule.high) for name, rule in _numbers(table)}
    bad = {
        name: pl.any_horizontal(
            *([pl.col(name) < low] if low is not None else []),
            *([pl.col(name) > high] if high is not None else []),
        )
        for name, (low, high) in (
            (name, _widened(*ends)) for name, ends in limits.items() if ends != (None, None)
        )
        if not _is_inside(table, name, low, high)
    }
    stated = {name: {"low": low, "high": high} for name, (low, high) in limits.items()}
    yield from _cells(table, bad, "values are outside their physical range", stated)


@contract("features-without-run", "error", Table)
def a_run_without_an_end_has_no_features(table: Table) -> Iterator[Found]:
    """Rows that were stopped early, or failed, have no features."""
    stats, schema = table.stats, table.schema
    without = stats.stopped + stats.failed
    bad = {
        name: pl.col(name).is_not_null() & ~has_run(schema)
        for name, rule in _features(table)
        if stats.columns[name].filled_without_run
        or (rule.family == "psd" and stats.columns[name].nulls != without)
        or (rule.family == "psd" and table.spectra.odd_rows)
    }
    yield from _cells(table, bad, "features are filled in rows that were stopped early or failed")


@contract("failed-runs", "hint", Table)
def no_simulation_failed(table: Table) -> Iterator[Found]:
    """Every run that was not stopped early has features."""
    if not table.stats.failed:
        return
    keys = [name for name in SEEDS if name in table.columns]
    rows = _collect(
        table.frame.with_row_index("row")
        .filter(~has_run(table.schema) & ~is_stopped(table.schema))
        .select("row", *keys)
        .head(SHOWN)
    )
    message = (
        f"{table.stats.failed} of {table.stats.rows} rows have neither features nor an early"
        " stop: their simulation failed"
    )
    yield Found(message, table.stats.failed, tuple(rows.iter_rows(named=True)))


@contract("feature-null", "error", Table)
def a_run_has_its_features(table: Table) -> Iterator[Found]:
    """Rows of whole runs have every feature but those that too few cells or bursts leave empty."""
    stats, schema = table.stats, table.schema
    names = {name for name, _ in _features(table)}
    bad: dict[str, pl.Expr] = {}
    for name, rule in _features(table):
        odd = rule.family == "psd" and table.spectra.odd_rows
        if not odd and not stats.nulls_in_runs(name):
            continue
        empty = pl.col(name).is_null() & has_run(schema)
        if rule.nulls == "run":
            bad[name] = empty
        elif rule.nulls == "cells":
            bad[name] = empty & ~_too_few_cells(name, names)
    yield from _cells(table, bad, "features are empty in rows of whole runs")


@contract("burst-null", "error", Table)
def burst_features_are_empty_together(table: Table) -> Iterator[Found]:
    """With too few bursts all burst features are empty, else only correlations may be."""
    number = pl.col(BURSTS).is_null()
    bad: dict[str, pl.Expr] = {}
    for name, rule in _features(table):
        if name == BURSTS or not table.stats.columns[name].apart_from_bursts:
            continue
        empty = pl.col(name).is_null()
        bad[name] = (empty != number) if rule.nulls == "bursts" else (~empty & number)
    yield from _cells(table, bad, "burst features are empty, or filled, without the others")


@contract("column-type", "error", Table)
def every_column_has_its_type(table: Table) -> Iterator[Found]:
    """Every known column has the type that the layout gives it."""
    odd = [
        {"column": name, "type": str(found), "belongs": column_family(name)[1]}
        for name, found in table.schema.items()
        if (known := column_family(name))[0] != "unknown" and found != TYPES[known[1]]
    ]
    if odd:
        yield Found(f"{len(odd)} columns have another type than they should", len(odd), tuple(odd))


@contract("unknown-column", "hint", Table)
def every_column_is_known(table: Table) -> Iterator[Found]:
    """Every column belongs to a family that the layout knows."""
    unknown = [name for name in table.columns if column_family(name)[0] == "unknown"]
    if unknown:
        message = "columns are unknown and kept as text"
        yield Found(message, len(unknown), tuple({"column": name} for name in unknown))


def _collect(frame: pl.LazyFrame) -> pl.DataFrame:
    return frame.collect(engine="streaming")


def _parameters(table: Table) -> list[str]:
    return [name for name in PARAMETER_NAMES if table.schema.get(name) == pl.Float64]


def _numbers(table: Table) -> list[tuple[str, Column]]:
    """The columns of numbers that the release knows, but for parameters."""
    known = ((name, rule_of(name)) for name, kind in table.schema.items() if kind.is_numeric())
    return [(name, rule) for name, rule in known if rule and rule.family != "parameter"]


def _features(table: Table) -> list[tuple[str, Column]]:
    return [(name, rule) for name, rule in _numbers(table) if rule.family in FEATURES]


def _is_finite(*ends: float | None) -> bool:
    return all(end is None or math.isfinite(end) for end in ends)


def _is_inside(table: Table, name: str, low: float | None, high: float | None) -> bool:
    found = table.stats.columns[name]
    above = found.high is not None and high is not None and not found.high <= high
    below = found.low is not None and low is not None and not found.low >= low
    return not above and not below


def _widened(low: float | None, high: float | None) -> tuple[float | None, float | None]:
    """Widen limits by what rounding can do to a value that lies on them."""
    slack = ROUNDING * max(abs(low or 0.0), abs(high or 0.0))
    return (None if low is None else low - slack, None if high is None else high + slack)


def _too_few_cells(name: str, names: set[str]) -> pl.Expr:
    """Say where an interval statistic may be empty: with its like, where spikes are few."""
    end = name.rpartition("_")[2]
    like = [f"isi_{each}_{end}" for each in INTERVALS]
    all_empty = pl.all_horizontal(pl.col(each).is_null() for each in like if each in names)
    if end == "mu" and SPIKES in names:
        return all_empty & (pl.col(SPIKES) < ENOUGH_SPIKES)
    return all_empty


def _frequencies(table: Table) -> list[float]:
    found = (psd_frequency(name) for name in table.columns)
    return [frequency for frequency in found if frequency is not None]


def _limits(bound: Bound) -> tuple[float, float] | None:
    """Return the bounds as float32, widened by `BOUND_ULPS` steps at the larger of them."""
    if bound.low is None or bound.high is None:
        return None
    low, high = np.float32(bound.low), np.float32(bound.high)
    slack = BOUND_ULPS * float(np.spacing(max(abs(low), abs(high))))
    return float(low) - slack, float(high) + slack


def _cells(
    table: Table,
    bad: dict[str, pl.Expr],
    message: str,
    stated: dict[str, dict[str, Any]] | None = None,
) -> Iterator[Found]:
    """Count the cells that an expression per column condemns, and show the first of them."""
    if not bad:
        return
    counts = _collect(table.frame.select(expr.sum().alias(name) for name, expr in bad.items()))
    found = {name: int(counts[name][0] or 0) for name in bad}
    guilty = [name for name, count in found.items() if count]
    if not guilty:
        return
    shown = list(dict.fromkeys([name for name in SEEDS if name in table.columns] + guilty))
    rows = _collect(
        table.frame.with_row_index("row")
        .filter(pl.any_horizontal(bad[name] for name in guilty))
        .select("row", *shown, *(bad[name].alias(f"bad {name}") for name in guilty))
        .head(SHOWN)
    ).iter_rows(named=True)
    examples = [
        {
            "row": row["row"],
            **{seed: row[seed] for seed in SEEDS if seed in row and seed not in guilty},
            "column": name,
            "value": row[name],
            **(stated or {}).get(name, {}),
        }
        for row in rows
        for name in guilty
        if row[f"bad {name}"]
    ]
    total = sum(found.values())
    where = ", ".join(guilty[:3]) + (f" and {len(guilty) - 3} more" if len(guilty) > 3 else "")
    yield Found(f"{total} {message} ({where})", total, tuple(examples[:SHOWN]))
