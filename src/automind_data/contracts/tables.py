"""Contracts about one table; each reads the columns it needs in one streaming pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from automind_data.common.layout import PARAMETER_NAMES, PSD_COLUMNS, column_family, psd_frequency
from automind_data.contracts.inputs import Bound
from automind_data.contracts.registry import SHOWN, Found, contract
from automind_data.contracts.subjects import Table

__all__ = ["BOUND_ULPS"]

BOUND_ULPS = 4
"""Parameters may lie this many float32 steps outside their bounds.

The tables hold float64 copies of float32 numbers that were computed from the
unit cube in float32, which can miss a bound by its last bits.
"""

SEEDS = ("params_settings.batch_seed", "params_settings.random_seed")
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
    bad = {name: ~pl.col(name).is_finite().fill_null(False) for name in _parameters(table)}
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
        .drop_nulls()
        .group_by(SEEDS)
        .agg(pl.len().alias("rows"))
        .filter(pl.col("rows") > 1)
        .sort(SEEDS)
    )
    if repeated.height:
        message = "pairs of batch seed and random seed stand in more than one row"
        yield Found(message, repeated.height, tuple(repeated.head(SHOWN).iter_rows(named=True)))


@contract("key-missing", "error", Table)
def every_key_is_there(table: Table) -> Iterator[Found]:
    """No row lacks a seed, an observation key, or a part of one."""
    keys = [name for name in table.columns if column_family(name)[0] == "key"]
    bad = {name: pl.col(name).is_null() for name in keys}
    yield from _cells(table, bad, "keys are missing")


@contract("column-type", "error", Table)
def every_column_has_its_type(table: Table) -> Iterator[Found]:
    """Every known column has the type that the layout gives it."""
    odd = [
        {"column": name, "type": str(found), "belongs": column_family(name)[1]}
        for name, found in table.frame.collect_schema().items()
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
    schema = table.frame.collect_schema()
    return [name for name in PARAMETER_NAMES if schema.get(name) == pl.Float64]


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
