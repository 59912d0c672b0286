"""What the original software gave: rows by column, raw runs, and how far a number may be off."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet

from automind_data.features import Recording
from automind_data.tables import tabulate

BOUNDS = {"isi": 1e-6, "psd": 1e-6, "burst": 1e-4, "pca": 1e-3, "pca, later": 1e-2}
AMBIGUOUS = "656"
"""Fires at its ceiling: which of its equal peaks counts is up to noise in the original."""


def family_of(column: str) -> str:
    """Name the family of a column; components from the tenth on, which the original
    approximates, are one of their own."""
    family, _, number = column.partition("_")
    return "pca, later" if family == "pca" and number.isdigit() and int(number) > 9 else family


def bound_of(column: str) -> float:
    return BOUNDS[family_of(column)]


def first_row(path: Path) -> dict[str, float]:
    with path.open(newline="") as file:
        header, row, *_ = csv.reader(file)
    return {name: float(value or "nan") for name, value in list(zip(header, row, strict=True))[1:]}


def off(made: float, wanted: float) -> float:
    """Relative difference; infinite where only one of two has a value."""
    if math.isnan(made) or math.isnan(wanted):
        return 0.0 if math.isnan(made) and math.isnan(wanted) else math.inf
    return abs(made - wanted) / abs(wanted) if made != wanted else 0.0


def discovered_rows(release: Path, out: Path) -> dict[str, dict[str, float]]:
    """Rows of `synthetic.zip` by random seed."""
    for _ in tabulate(release / "discovered_posterior_samples" / "synthetic.zip", out):
        pass
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(out).to_pylist()
    return {
        str(row["params_settings.random_seed"]): {
            name: math.nan if value is None else value
            for name, value in row.items()
            if name.split("_")[0] in BOUNDS
        }
        for row in rows
    }


def raw_runs(golden: Path) -> dict[str, Recording]:
    held, runs = np.load(golden / "raw_synthetic.npz"), {}
    for name in held.files:
        seed, _, what = name.partition(".")
        if what == "counts":
            ends = np.cumsum(held[name])[:-1]
            steps = np.split(held[f"{seed}.steps"].astype(np.int64), ends)
            cells = [np.cumsum(each) / 1e4 for each in steps]
            runs[seed] = Recording.from_arrays(cells, 10.1, seed)
    return runs
