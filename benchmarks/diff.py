"""`diff` of two tables of 100,000 x 1,100 that differ in 50 rows: time and memory.

    python benchmarks/diff.py [--json FILE] [--rows N]

Values are those of the tracked release, repeated and made to differ from row to row. Each
figure is of a process of its own, beside what one would run instead: pandas reads both
tables, aligns them by key and compares. The floor is pyarrow reading both and nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).parents[1]
ROWS, COLUMNS, EDITED, ROW_GROUP = 100_000, 1_100, 50, 4096
KEY = ["params_settings.batch_seed", "params_settings.random_seed"]
CHANGED = ("isi_cv_mu", "burst_num", "psd_10.0")
RUNS = 3


def build(folder: Path, rows: int, edited: bool) -> None:
    """Write one table with profile and digests beside it, row group by row group."""
    from automind_data.diff.tables import TABLES
    from automind_data.revisions import Revision
    from automind_data.tables.digests import DigestFile
    from automind_data.tables.profile import Profiler, write_profile

    source = TABLES[0]
    sample = pq.read_table(Revision(ROOT).require(source.path))
    names = list(sample.column_names)
    names += [f"pca_{1000 + at}" for at in range(COLUMNS - len(names))]
    picked = set(chosen(sample, rows)) if edited else set()
    target = folder / source.path
    target.parent.mkdir(parents=True)
    profiler = Profiler(names)
    schema = pa.schema([(name, kind_of(sample, name)) for name in names])
    with (
        pq.ParquetWriter(target, schema, compression="zstd") as writer,
        DigestFile(folder / source.digests, names) as digests,
    ):
        for start in range(0, rows, ROW_GROUP):
            block = made(sample, names, np.arange(start, min(start + ROW_GROUP, rows)), picked)
            profiler.add(block)
            digests.add(block)
            writer.write_table(block, row_group_size=ROW_GROUP)
    write_profile(folder / source.profile, profiler.profile())


def chosen(sample: pa.Table, rows: int) -> list[int]:
    """Choose the rows to edit: far from each other, with values in every edited column."""
    values = np.column_stack([sample[name].to_numpy() for name in CHANGED])
    whole = np.flatnonzero((np.isfinite(values) & (values != 0)).all(axis=1))
    every = (np.arange(0, rows, sample.num_rows)[:, None] + whole).ravel()
    every = every[every < rows]
    return [int(row) for row in every[np.linspace(0, len(every) - 1, EDITED).astype(int)]]


def kind_of(sample: pa.Table, name: str) -> pa.DataType:
    known = name in sample.column_names
    return sample.schema.field(name).type if known else pa.float64()


def made(sample: pa.Table, names: list[str], rows: Any, picked: set[int]) -> pa.Table:
    """Make some rows of the table."""
    repeated = sample.take(pa.array(rows % sample.num_rows))
    grown = 1 + 1e-7 * rows
    columns = {}
    for name in names:
        values = repeated[name if name in sample.column_names else "pca_1"]
        if name == KEY[1]:
            values = pa.array(rows)
        elif pa.types.is_float64(values.type):
            factor = grown.copy()
            if name in CHANGED:
                factor[[at for at, row in enumerate(rows) if int(row) in picked]] *= 0.8
            nulls = np.asarray(values.combine_chunks().is_null())
            values = pa.array(values.to_numpy() * factor, mask=nulls)
        columns[name] = values
    return pa.table(columns)


def ours(old: Path, new: Path) -> dict[str, Any]:
    """Compare with digests."""
    from automind_data.diff.place import Place
    from automind_data.diff.tables import TABLES, compare_table

    def place(folder: Path) -> Place:
        def find(path: str) -> Path | None:
            return folder / path if (folder / path).is_file() else None

        revision: Any = SimpleNamespace(
            name=folder.name, commit=folder.name, root=folder, outputs={}, find=find,
            md5=lambda path: f"{folder.name}/{path}" if find(path) else None,
        )  # fmt: skip
        return Place(revision)

    work = compare_table(TABLES[0], place(old), place(new))
    while True:
        try:
            next(work)
        except StopIteration as end:
            found = end.value
            return {
                "rows": len(found.changed),
                "columns": {column.name: column.rows for column in found.columns},
            }


def pandas(old: Path, new: Path) -> dict[str, Any]:
    """Compare as one would without it."""
    import pandas as pd

    from automind_data.diff.tables import TABLES

    one, other = (pd.read_parquet(side / TABLES[0].path).set_index(KEY) for side in (old, new))
    common = one.index.intersection(other.index)
    one, other = one.loc[common], other.loc[common, one.columns]
    differs = (one != other) & ~(one.isna() & other.isna())
    counts = differs.sum()
    return {
        "rows": int(differs.any(axis=1).sum()),
        "columns": {name: int(many) for name, many in counts[counts > 0].items()},
    }


def reading(old: Path, new: Path) -> dict[str, Any]:
    """Read both tables and do nothing with them."""
    from automind_data.diff.tables import TABLES

    for side in (old, new):
        pq.read_table(side / TABLES[0].path)
    return {}


WAYS = {"diff": ours, "pandas": pandas, "reading": reading}


def child(way: str, old: Path, new: Path) -> None:
    """Run one way in this process and print what it found, its time and its peak memory."""
    start = time.perf_counter()
    found = WAYS[way](old, new)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(json.dumps({"found": found, "s": seconds, "MB": peak}))


def run(way: str, old: Path, new: Path, runs: int = RUNS) -> dict[str, Any]:
    """Return what a way found, its shortest time and its largest memory."""
    command = [sys.executable, __file__, "--child", way, str(old), str(new)]
    done = [
        json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(runs)
    ]
    return {
        "found": done[0]["found"],
        "s": min(each["s"] for each in done),
        "MB": max(each["MB"] for each in done),
    }


def measure(scratch: Path, rows: int) -> list[dict[str, Any]]:
    """Build the tables and measure every way."""
    old, new, bare = scratch / "old", scratch / "new", scratch / "bare"
    build(old, rows, edited=False)
    build(new, rows, edited=True)
    for side in (old, new):
        for table in side.rglob("*.parquet"):
            if ".digests" not in table.name:
                target = bare / side.name / table.relative_to(side)
                target.parent.mkdir(parents=True)
                target.symlink_to(table)
    floor = run("reading", old, new)
    usual = run("pandas", old, new, 1)
    found = run("diff", old, new)
    without = run("diff", bare / "old", bare / "new", 1)
    wanted = {"rows": EDITED, "columns": usual["found"]["columns"]}
    for each in (usual, found, without):
        if each["found"]["rows"] != EDITED or each["found"]["columns"] != wanted["columns"]:
            sys.exit(f"wrong answer: {each['found']}")
    cores = len(os.sched_getaffinity(0))

    def record(name: str, ran: Any, other: Any, unit: str, what: str, n: int) -> dict[str, Any]:
        return {
            "name": name,
            "value": round(ran[unit], 3),
            "unit": unit,
            "baseline": f"{what}: {other[unit]:.3f} {unit}",
            "ratio": round(other[unit] / ran[unit], 3),
            "threads": cores,
            "n": n,
        }

    return [
        record("diff", found, usual, "s", "pandas", RUNS),
        record("diff", found, floor, "s", "pyarrow, reading both", RUNS),
        record("diff, peak memory", found, usual, "MB", "pandas", RUNS),
        record("diff without digests", without, usual, "s", "pandas", 1),
        record("diff without digests, peak", without, usual, "MB", "pandas", 1),
    ]


def main() -> None:
    """Print the table; write the records where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args.child[0], Path(args.child[1]), Path(args.child[2]))
        return
    with tempfile.TemporaryDirectory() as scratch:
        records = measure(Path(scratch), args.rows)
    print(f"{'what':<28} {'':>10}  {'compared with':<36} {'times better':>12}")
    for each in records:
        shown = f"{each['value']} {each['unit']}"
        print(f"{each['name']:<28} {shown:>10}  {each['baseline']:<36} {each['ratio']:>12}")
    if args.json:
        args.json.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
