"""Validating a table against reading it, by the same engine.

    python benchmarks/validate.py [--rows N ...] [--json FILE]

The table has the published columns (see `make_table.py`). Every figure is the
median of several runs, each in a process of its own that also says its peak
memory; figures that are compared take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from make_table import write_table

ROOT = Path(__file__).parents[1]
ROWS = (20_000, 100_000)
REPEATS = 5
ALLOWED = {"columns": 1.5, "all": 10.0}
MEGABYTE = 1024


def bare(table: Path, prior: Path) -> None:
    """Look at every cell once: is it there, and the sum of the numbers."""
    import polars as pl

    frame = pl.scan_parquet(table)
    frame.select(pl.all().null_count().name.suffix(" nulls"), *_sums(frame)).collect(
        engine="streaming"
    )


def _sums(frame: Any) -> list[Any]:
    import polars as pl

    kinds = frame.collect_schema()
    return [pl.col(name).sum() for name, kind in kinds.items() if kind.is_numeric()]


def columns(table: Path, prior: Path) -> None:
    """Run the pass that all checks of columns read."""
    import polars as pl

    from automind_data.contracts.scan import scan

    scan(pl.scan_parquet(table))


def everything(table: Path, prior: Path) -> None:
    """Hold the table to every contract."""
    from automind_data.contracts import check
    from automind_data.contracts.inputs import ArchiveParams, EstimatorFile, read_input
    from automind_data.contracts.spec import read_spec
    from automind_data.contracts.subjects import Table

    folder = prior.parents[1] / "dgms"
    uses = [read_input(folder / name / "dgm.json", EstimatorFile) for name in ("psd", "burst")]
    subject = Table(
        file=table.name,
        path=table,
        prior=read_input(prior, ArchiveParams).prior,
        uniform=True,
        configurations=True,
        holds=read_spec().tables["training"].holds,
        uses=tuple(use.conditioning for use in uses),
    )
    errors = [found for found in check(subject) if found.severity == "error"]
    if errors:
        sys.exit(f"the made table has errors: {errors}")


JOBS: dict[str, Callable[[Path, Path], None]] = {
    "bare": bare,
    "columns": columns,
    "all": everything,
}


def run_here(job: str, table: Path, prior: Path) -> None:
    """Run one job, after one that warms up, and print its seconds and peak memory in kB."""
    import resource
    import time

    JOBS[job](table, prior)
    start, used = time.perf_counter(), time.process_time()
    JOBS[job](table, prior)
    took, worked = time.perf_counter() - start, time.process_time() - used
    print(took, worked, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def child(job: str, table: Path, prior: Path) -> tuple[float, float, float]:
    """Run one job in a process of its own: seconds, seconds of all cores, peak MB."""
    command = [sys.executable, __file__, "--run", job, str(table), str(prior)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    took, worked, peak = map(float, done.stdout.split())
    return took, worked, peak / MEGABYTE


def measure(rows: int, source: Path, prior: Path, scratch: Path) -> list[dict[str, Any]]:
    """Measure all jobs on a table of so many rows."""
    said = json.loads(prior.read_bytes())["prior"]
    bounds = {bound["name"]: (bound["low"], bound["high"]) for bound in said}
    table = write_table(source, bounds, rows, scratch / f"{rows}.parquet")
    runs: dict[str, list[tuple[float, float, float]]] = {job: [] for job in JOBS}
    for _ in range(REPEATS):
        for job in JOBS:
            runs[job].append(child(job, table, prior))
    table.unlink()
    medians = {
        job: tuple(statistics.median(run[place] for run in those) for place in range(3))
        for job, those in runs.items()
    }
    base, cores = medians["bare"], len(os.sched_getaffinity(0))
    return [
        {
            "name": f"validate, {job}, {rows} rows",
            "value": round(took, 3),
            "unit": "s",
            "baseline": f"bare scan: {base[0]:.3f} s",
            "ratio": round(base[0] / took, 3),
            "times the baseline": round(took / base[0], 2),
            "times its work": round(worked / base[1], 2),
            "allowed": ALLOWED.get(job),
            "peak MB": round(peak),
            "threads": cores,
            "n": REPEATS,
        }
        for job, (took, worked, peak) in medians.items()
    ]


def main() -> None:
    """Print the table; write the records where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        run_here(args.run[0], Path(args.run[1]), Path(args.run[2]))
        return
    derived = ROOT / "derived"
    source, prior = derived / "tables" / "training.parquet", derived / "params" / "training.json"
    if not source.is_file():
        sys.exit(f"{source} is not there: run `dvc pull` first")
    with tempfile.TemporaryDirectory() as scratch:
        records = [
            record for rows in args.rows for record in measure(rows, source, prior, Path(scratch))
        ]
    print(f"{'what':<34} {'s':>7} {'times bare':>10} {'in work':>8} {'allowed':>8} {'peak MB':>8}")
    for each in records:
        print(
            f"{each['name']:<34} {each['value']:>7} {each['times the baseline']:>10}"
            f" {each['times its work']:>8} {each['allowed'] or '':>8} {each['peak MB']:>8}"
        )
    if args.json:
        args.json.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
