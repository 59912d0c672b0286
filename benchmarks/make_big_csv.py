"""A training table of any size as it is published, for measuring: CSV, or zip with one inside.

    python benchmarks/make_big_csv.py ROWS OUT.csv|OUT.zip [--stopped SHARE] [--level N]

It has the published columns (28 parameters, 14 isi, 20 burst, 101 pca, 1001 psd, seeds and run
settings). Values are drawn column by column from between the order statistics of the tracked
training table, and are null where they are there: rows that were stopped early have no features,
rows with few bursts no burst features. Same rows, share and table → same text, whatever the memory.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from automind_data.common.archive import MEMBER_KINDS, find_member, open_member
from automind_data.common.layout import PARAMETER_NAMES, column_family

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "datasets/training_prior_samples/training.zip"
MEMBER = "training/6173520_MK1_summary_data_merged.csv"
BATCH_SEED = 6173520
COMPONENTS = 100
BLOCK = 1000
"""Rows made at a time; each block has random numbers of its own."""


def sample_table() -> pd.DataFrame:
    """Return the tracked training table, pulled if it is not there."""
    if not SAMPLE.exists():
        subprocess.run(["dvc", "pull", "-q", str(SAMPLE)], cwd=ROOT, check=True)
    with open_member(SAMPLE, find_member(SAMPLE, MEMBER_KINDS["table"])) as stream:
        return pd.read_csv(stream, index_col=0)


def published_columns(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the published column names, each with the column of `table` that it is drawn from."""
    there = [name for name in table.columns if name.startswith("pca_") and name != "pca_total"]
    columns = []
    for name in table.columns:
        if name == there[-1]:
            columns += [(f"pca_{n}", name) for n in range(len(there), COMPONENTS + 1)]
        else:
            columns.append((name, name))
    return columns


def blocks(rows: int, stopped: float | None = None) -> Iterator[pl.DataFrame]:
    """Make the table, some rows at a time.

    Parameters
    ----------
    rows
        Of the whole table.
    stopped
        Share of rows stopped early; as in the tracked table if not given.
    """
    table = sample_table()
    flag = table["params_analysis.early_stopped"].to_numpy()
    share = float(flag.mean()) if stopped is None else stopped
    quiet = float(table["burst_num"][~flag].isna().mean())
    known = {name: np.sort(table[name].dropna().to_numpy(np.float64)) for name in table.columns}
    columns = published_columns(table)
    for start in range(0, rows, BLOCK):
        count = min(BLOCK, rows - start)
        rng = np.random.default_rng((rows, start))
        halted = rng.random(count) < share
        silent = halted | (rng.random(count) < quiet)
        made: dict[str, Any] = {"": np.arange(start, start + count)}
        for name, source in columns:
            kind, stored = column_family(name)
            if name == "params_settings.batch_seed":
                made[name] = np.full(count, BATCH_SEED)
            elif name == "params_settings.random_seed":
                made[name] = np.arange(start, start + count)
            elif stored == "bool":
                made[name] = np.where(halted, "True", "False")
            else:
                values = _drawn(rng, known[source], count)
                if name in PARAMETER_NAMES:
                    values = values.astype(np.float32).astype(np.float64)
                nothing = {"burst": silent, "parameter": None, "meta": None}.get(kind, halted)
                made[name] = pl.Series(values) if nothing is None else _without(values, nothing)
        yield pl.DataFrame(made)


def _drawn(rng: np.random.Generator, known: Any, count: int) -> Any:
    if len(known) == 1 or known[0] == known[-1]:
        return np.full(count, known[0])
    place = rng.random(count) * (len(known) - 1)
    low = place.astype(np.int64)
    return known[low] + (place - low) * (known[low + 1] - known[low])


def _without(values: Any, nothing: Any) -> pl.Series:
    return pl.select(pl.when(pl.Series(~nothing)).then(pl.Series(values))).to_series()


def write_text(rows: int, write: Callable[[bytes], object], stopped: float | None = None) -> None:
    """Give the text of the table to `write`, some rows at a time."""
    for number, block in enumerate(blocks(rows, stopped)):
        text = io.BytesIO()
        block.write_csv(text, include_header=not number)
        write(text.getvalue())


def write_table(rows: int, out: Path, stopped: float | None = None, level: int = 6) -> None:
    """Write the table as CSV, or into a zip as the release has it, by the ending of `out`."""
    with contextlib.ExitStack() as stack:
        if out.suffix == ".zip":
            zipped = zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=level)
            archive = stack.enter_context(zipped)
            file: Any = stack.enter_context(archive.open(MEMBER, "w", force_zip64=True))
        else:
            file = stack.enter_context(out.open("wb"))
        write_text(rows, file.write, stopped)


def main() -> None:
    """Write the table that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rows", type=int)
    parser.add_argument("out", type=Path)
    parser.add_argument("--stopped", type=float)
    parser.add_argument("--level", type=int, default=6)
    args = parser.parse_args()
    if args.rows < 1 or args.out.suffix not in (".csv", ".zip"):
        sys.exit("give a number of rows and a name that ends in .csv or .zip")
    write_table(args.rows, args.out, args.stopped, args.level)


if __name__ == "__main__":
    main()
