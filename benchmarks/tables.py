"""Tabulating and reading a table of the published columns, beside what one does without us.

    python benchmarks/tables.py [--rows N ...] [--json FILE]

The values are drawn from the tracked table (see `make_big_csv.py`). The first number of
rows, 20,000 if none is given, is compared: with unzip and pandas, with unzip and polars,
with inflating alone. Any others show how time and memory grow: what `docs/performance.md`
says is of `--rows 20000 50000 100000 200000`, which takes a quarter of an hour. Each run is
a process of its own, imports left out and compiling our loops counted; those that are
compared take turns; medians are compared, of the clock and, less dependent on who else uses
the machine, of the seconds of all cores. Up to 100,000 rows are measured three times,
more once.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from make_big_csv import MEMBER, write_table
from unpack import ISAL, REPEATS, once

from automind_data.common.layout import PARAMETER_NAMES
from automind_data.tables import tabulate

ROWS = (20_000,)
ONCE_BEYOND = 100_000
MILLION = 1_000_000
Script = tuple[str, str]
Run = tuple[float, float, float]
COLUMNS = [*PARAMETER_NAMES, "isi_mean_mu", "burst_num", "burst_corr_mean", "pca_total"]

TABULATE = (
    "from automind_data.tables import tabulate\ntarget.mkdir()",
    "for _ in tabulate(zip_path, target / 'table.parquet'): pass",
)
PROFILED = (
    TABULATE[0],
    """
for _ in tabulate(
    zip_path,
    target / "table.parquet",
    profile=target / "profile.json",
    digests=target / "digests.parquet",
    metrics=target / "metrics.json",
): pass
""",
)
UNZIP = (
    '["unzip", "-q", "-d", target, zip_path]'
    if shutil.which("unzip")
    else '[sys.executable, "-m", "zipfile", "-e", zip_path, target]'
)
UNZIPPED = f"""
import subprocess
subprocess.run({UNZIP}, check=True)
csv = target / "{MEMBER}"
"""
PANDAS = (
    "import pandas, pyarrow.parquet",
    UNZIPPED + "pandas.read_csv(csv, index_col=0).to_parquet(target / 'table.parquet')",
)
POLARS = (
    "import polars",
    UNZIPPED + "polars.read_csv(csv).write_parquet(target / 'table.parquet')",
)
COMPARED = {
    "ours": TABULATE,
    "ours, profiled": PROFILED,
    "unzip, pandas": PANDAS,
    "unzip, polars": POLARS,
    "inflate, ISA-L": ISAL,
}

READ = (
    f"""
from automind_data.tables import read_table
def read(): return read_table(zip_path.with_suffix(".parquet"), {COLUMNS})
read()
""",
    "read()",
)
USECOLS = (
    f"""
import pandas
def read(): return pandas.read_csv(zip_path.parent / "{MEMBER}", usecols={COLUMNS})
read()
""",
    "read()",
)
FROM_ZIP = (
    "import pandas, zipfile",
    f"""
with zipfile.ZipFile(zip_path) as archive, archive.open("{MEMBER}") as stream:
    pandas.read_csv(stream, usecols={COLUMNS})
""",
)
READING = {"ours": READ, "pandas": USECOLS, "pandas, from the zip": FROM_ZIP}


def in_turn(
    scripts: dict[str, Script], zip_path: Path, repeats: int, scratch: Path
) -> dict[str, Run]:
    """Return the median seconds, the largest peak in MB, the median seconds of all cores."""
    runs: dict[str, list[Run]] = {name: [] for name in scripts}
    for _ in range(repeats):
        for name, script in scripts.items():
            runs[name].append(once(script, zip_path, scratch / "out"))
    return {
        name: (
            statistics.median(run[0] for run in those),
            max(run[1] for run in those),
            statistics.median(run[2] for run in those),
        )
        for name, those in runs.items()
    }


def record(name: str, found: Run, other: str, than: Run, target: str, n: int) -> dict[str, Any]:
    """Return one comparison as a record."""
    return {
        "name": name,
        "value": round(found[0], 4),
        "unit": "s",
        "baseline": f"{other}: {than[0]:.3f} s",
        "ratio": round(than[0] / found[0], 3),
        "target": target,
        "seconds of all cores": round(found[2], 4),
        "ratio of those": round(than[2] / found[2], 3),
        "peak MB": round(found[1]),
        "threads": len(os.sched_getaffinity(0)),
        "n": n,
    }


def compared(zip_path: Path, rows: int, scratch: Path) -> tuple[list[dict[str, Any]], Run]:
    """Compare tabulating and reading with other ways; also return the profiled run."""
    found = in_turn(COMPARED, zip_path, REPEATS, scratch)
    records = [
        record(f"tabulate, {rows} rows", found["ours"], other, found[other], target, REPEATS)
        for other, target in (
            ("unzip, pandas", "2.5"),
            ("unzip, polars", ""),
            ("inflate, ISA-L", "0.333"),
        )
    ]
    name, profiled = f"with profile, {rows} rows", found["ours, profiled"]
    than = found["unzip, pandas"]
    records.append(record(name, profiled, "unzip, pandas", than, "1.8", REPEATS))
    return records, profiled


def read_back(zip_path: Path, rows: int, scratch: Path) -> list[dict[str, Any]]:
    """Compare reading some columns of all rows with other ways."""
    for _ in tabulate(zip_path, zip_path.with_suffix(".parquet")):
        pass
    with zipfile.ZipFile(zip_path) as archive:
        archive.extract(MEMBER, zip_path.parent)
    found = in_turn(READING, zip_path, REPEATS, scratch)
    (zip_path.parent / MEMBER).unlink()
    zip_path.with_suffix(".parquet").unlink()
    name = f"read {len(COLUMNS)} columns, {rows} rows"
    return [
        record(name, found["ours"], other, found[other], target, REPEATS)
        for other, target in (("pandas", "12"), ("pandas, from the zip", "100"))
    ]


def growth(first: tuple[int, Run], sizes: dict[int, Run]) -> list[dict[str, Any]]:
    """Compare time per row and memory with the smallest table, and reckon for a million rows."""
    start, than = first
    records = []

    def proportional(rows: int) -> Run:
        return than[0] * rows / start, than[1], than[2] * rows / start

    other = f"{start} rows, {than[1]:.0f} MB, in proportion"
    for rows, found in sizes.items():
        n = REPEATS if rows <= ONCE_BEYOND else 1
        name, target = f"with profile, {rows} rows", "peak 1,000 MB"
        records.append(record(name, found, other, proportional(rows), target, n))
    if sizes:
        rows, found = max(sizes.items())
        seconds, worked = (
            than[place] + (found[place] - than[place]) * (MILLION - start) / (rows - start)
            for place in (0, 2)
        )
        name, reckoned = "with profile, a million, reckoned", (seconds, found[1], worked)
        records.append(record(name, reckoned, other, proportional(MILLION), "", 0))
    return records


def measured(rows: list[int], scratch: Path) -> list[dict[str, Any]]:
    """Measure all sizes below `scratch`."""
    zip_path = scratch / "table.zip"
    write_table(rows[0], zip_path)
    records, first = compared(zip_path, rows[0], scratch)
    records += read_back(zip_path, rows[0], scratch)
    sizes = {}
    for size in rows[1:]:
        write_table(size, zip_path)
        repeats = REPEATS if size <= ONCE_BEYOND else 1
        sizes[size] = in_turn({"ours": PROFILED}, zip_path, repeats, scratch)["ours"]
        if size <= ONCE_BEYOND:
            records += read_back(zip_path, size, scratch)
    return records + growth((rows[0], first), sizes)


def main() -> None:
    """Print the table; write the records where asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=list(ROWS))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        records = measured(args.rows, Path(scratch))
    head = f"{'what':<34} {'s':>8} {'MB':>5}  {'compared with':<42} {'times better':>12}"
    print(f"{head} {'in work':>8} {'target':>14}")
    for each in records:
        print(
            f"{each['name']:<34} {each['value']:>8} {each['peak MB']:>5}  {each['baseline']:<42}"
            f" {each['ratio']:>12} {each['ratio of those']:>8} {each['target']:>14}"
        )
    if args.json:
        args.json.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
