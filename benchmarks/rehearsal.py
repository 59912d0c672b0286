"""The whole pipeline at a size near the published one.

    python benchmarks/rehearsal.py [--rows N] [--draws N] [--keep FOLDER] [--json FILE]

A release is made from the tracked one: a training table of N rows with the published
columns (`make_table.py`), and in the four discovered archives 25 observations with so many
rows each, truly drawn from the density estimator inside, with its log-densities. It is
imported into a fresh clone, and `dvc repro` derives everything, as many posterior samples
included. Stated are the seconds of each stage, the peak memory of all its processes
together, and the size of the report.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from make_table import blocks, varied

from automind_data import open_release
from automind_data.common.archive import MEMBER_KINDS, find_member
from automind_data.common.layout import DATASETS, PARAMETER_NAMES, column_family
from automind_data.common.observations import read_observations
from automind_data.params import read_params

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
OBSERVATIONS = {"organoids": 7, "mouse-vis": 6, "mouse-hc": 6, "synthetic": 6}
ALLOWED_PEAK, ALLOWED_REPORT = 4096, 15
MEGABYTE = 1 << 20
STAGE = "Running stage '"


def csv_text(table: pa.Table, header: bool, first: int) -> bytes:
    """Write a table as pandas does: an index in front, True and False."""
    frame = pl.DataFrame(pl.from_arrow(table))
    flags = [pl.col(n).replace_strict({True: "True", False: "False"}) for n in _flags(table)]
    frame = frame.with_columns(flags).with_row_index("", offset=first)
    text = io.BytesIO()
    frame.write_csv(text, include_header=header)
    return text.getvalue()


def _flags(table: pa.Table) -> list[str]:
    return [name for name in table.column_names if column_family(name)[1] == "bool"]


def repack(source: Path, target: Path, parts: Iterator[pa.Table]) -> None:
    """Copy an archive with another summary table in it."""
    name = find_member(source, MEMBER_KINDS["table"])
    with (
        zipfile.ZipFile(source) as old,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as new,
    ):
        for member in old.infolist():
            if member.filename != name:
                new.writestr(member, old.read(member))
        with new.open(name, "w", force_zip64=True) as file:
            rows = 0
            for part in parts:
                file.write(csv_text(part, header=not rows, first=rows))
                rows += part.num_rows


def discovered(dataset: str, count: int, draws: int) -> Iterator[pa.Table]:
    """Make the rows of a discovered table, one observation after the other.

    Parameters are drawn from the density estimator inside the archive and stored with
    its log-densities, corrected by the acceptance of the first observation. Features are
    those of rows of the tracked table, scaled.
    """
    release = open_release(ROOT)
    estimator = release.dgm(dataset)
    known = pq.ParquetFile(ROOT / f"derived/tables/{dataset}.parquet").read()
    kinds = known["inference.type"].to_pylist()
    sampled = np.flatnonzero([kind.startswith("NPE_samples") for kind in kinds])
    rows = read_observations(
        ROOT / f"derived/observations/{DATASETS[dataset].observations}.parquet",
        estimator.recipe.columns,
        DATASETS[dataset],
    )
    keys = list(dict.fromkeys(known["x_o"].to_pylist()))[:count]
    keys += [key for key in rows if key not in keys][: count - len(keys)]
    correction: float | None = None
    for place, key in enumerate(keys):
        made = estimator.draw(
            estimator.conditioning(rows[key]), draws, place, at_least=10_000, at_most=50_000_000
        )
        if correction is None:
            correction = math.log(made.acceptance)
        rng = np.random.default_rng(place)
        picked = known.take(pa.array(rng.choice(sampled, draws)))
        theta = estimator.to_physical(made.u)
        columns = {}
        for name in known.column_names:
            if name in PARAMETER_NAMES:
                columns[name] = pa.array(theta[:, estimator.names.index(name)])
            elif name == "x_o":
                columns[name] = pa.array([key] * draws)
            elif name == "infer.log_prob":
                columns[name] = pa.array(made.log_prob.astype(np.float64) - correction)
            elif name == "params_settings.random_seed":
                columns[name] = pa.array(np.arange(draws) + 100_000 + place * draws)
            else:
                columns[name] = varied(name, picked, rng)
        yield pa.table(columns)


def make_release(folder: Path, rows: int, draws: int) -> Path:
    """Write the made release in the published layout."""
    subprocess.run(["dvc", "pull", "-q"], cwd=ROOT, check=True)
    tracked = ROOT / "datasets"
    for path in sorted(tracked.rglob("*.dvc")):
        target = folder / path.relative_to(tracked).with_suffix("")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path.with_suffix(""), target)
    prior = json.loads((ROOT / "derived/params/training.json").read_bytes())["prior"]
    bounds = {bound["name"]: (bound["low"], bound["high"]) for bound in prior}
    training = Path("training_prior_samples/training.zip")
    table = ROOT / "derived/tables/training.parquet"
    repack(tracked / training, folder / training, blocks(table, bounds, rows))
    for dataset, count in OBSERVATIONS.items():
        archive = Path(f"discovered_posterior_samples/{dataset}.zip")
        repack(tracked / archive, folder / archive, discovered(dataset, count, draws))
    return folder


@dataclass
class Watch:
    """Seconds and peak memory of each stage while `dvc repro` runs."""

    seconds: dict[str, float] = field(default_factory=dict)
    peaks: dict[str, float] = field(default_factory=dict)
    stage: str = "dvc"
    since: float = field(default_factory=time.perf_counter)

    def change(self, stage: str) -> None:
        """Take the time of the stage that ends."""
        now = time.perf_counter()
        self.seconds[self.stage] = self.seconds.get(self.stage, 0.0) + now - self.since
        self.stage, self.since = stage, now

    def look(self, process: psutil.Process) -> None:
        """Add up the resident memory of a process and all its children."""
        total = 0
        with contextlib.suppress(psutil.NoSuchProcess):
            for each in (process, *process.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    total += each.memory_info().rss
        self.peaks[self.stage] = max(self.peaks.get(self.stage, 0.0), total / MEGABYTE)


def repro(clone: Path) -> tuple[Watch, float]:
    """Run `dvc repro` in a clone and watch it."""
    start = time.perf_counter()
    watch = Watch()
    with subprocess.Popen(
        ["dvc", "repro"], cwd=clone, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        done = threading.Event()

        def poll() -> None:
            while not done.wait(0.05):
                watch.look(psutil.Process(process.pid))

        thread = threading.Thread(target=poll)
        thread.start()
        lines = []
        for line in process.stdout or ():
            lines.append(line)
            if line.startswith(STAGE):
                watch.change(line.removeprefix(STAGE).split("'")[0])
        done.set()
        thread.join()
    watch.change("")
    if process.returncode:
        sys.exit(f"dvc repro failed:\n{''.join(lines[-40:])}")
    return watch, time.perf_counter() - start


@dataclass(frozen=True)
class Rehearsal:
    """What came out: seconds and peaks by stage, what was made, and what was found in it."""

    rows: int
    draws: int
    seconds: float
    watch: Watch
    archive: float
    report: float
    summary: dict[str, Any]

    def records(self) -> list[dict[str, Any]]:
        """Return the figures as every benchmark gives them."""
        size = f"{self.rows} training rows, 25 observations of {self.draws} rows"
        peak = max(self.watch.peaks.values())
        return [
            self._record(f"dvc repro, {size}", self.seconds, "s"),
            self._record("peak memory of all processes", peak, "MB", ALLOWED_PEAK),
            self._record("report", self.report, "MB", ALLOWED_REPORT),
        ]

    def _record(self, name: str, value: float, unit: str, most: float | None = None) -> Any:
        return {
            "name": name,
            "value": round(value, 2),
            "unit": unit,
            "baseline": f"{most} {unit} allowed" if most else "none",
            "ratio": round(most / value, 1) if most else None,
            "threads": len(os.sched_getaffinity(0)),
            "n": 1,
        }


def rehearse(scratch: Path, rows: int, draws: int) -> Rehearsal:
    """Make the release, import it into a fresh clone and derive everything."""
    released = make_release(scratch / "release", rows, draws)
    clone = scratch / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    command = ["automind-data", "import", "--release", "rehearsal", "--yes", str(released)]
    subprocess.run(command, cwd=clone, check=True, stdout=subprocess.DEVNULL)
    params = clone / "params.yaml"
    asked = f"n_samples: {read_params(params).sampling.n_samples}"
    params.write_text(params.read_text().replace(asked, f"n_samples: {draws}"))
    watch, seconds = repro(clone)
    report = [f for f in (clone / "derived/report").rglob("*") if f.is_file()]
    return Rehearsal(
        rows,
        draws,
        seconds,
        watch,
        (released / "training_prior_samples/training.zip").stat().st_size / 1e6,
        sum(f.stat().st_size for f in report) / 1e6,
        json.loads((clone / "derived/validation/summary.json").read_bytes()),
    )


def main() -> None:
    """Print the tables; write the records where asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--keep", type=Path, help="An empty folder for the release and the clone.")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    os.environ["PATH"] = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    with contextlib.ExitStack() as stack:
        scratch = args.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = rehearse(scratch, args.rows, args.draws)
    for stage, took in found.watch.seconds.items():
        print(f"{stage:<40} {took:>7.1f} s {found.watch.peaks.get(stage, 0.0):>6.0f} MB")
    print(f"{'training.zip':<40} {found.archive:>7.0f} MB")
    errors, warnings = found.summary["errors"], found.summary["warnings"]
    print(f"{'findings':<40} {errors} errors, {warnings} warnings")
    for each in found.records():
        print(f"{each['name']:<64} {each['value']:>7} {each['unit']:<3} {each['baseline']}")
    if args.json:
        args.json.write_text(json.dumps(found.records(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
