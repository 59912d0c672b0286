"""The report: how long it takes to build, how large it is, how soon it is on the screen.

    python benchmarks/report.py [--root FOLDER] [--rows N] [--json FILE]

Built from FOLDER, a clone with its derived outputs, and from a copy of it that is grown
to 25 observations with N discovered models and N posterior draws each. Every build is in a
process of its own. Opening is measured in a headless Chromium, if there is one, as its
first contentful paint and as the time until every picture of the first observation is there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from automind_data.common.layout import DATASETS
from automind_data.common.observations import read_observations

ROOT = Path(__file__).parents[1]
OBSERVATIONS = {"organoids": 7, "mouse-vis": 6, "mouse-hc": 6, "synthetic": 6}
REPEATS = 5
ALLOWED_BUILD, ALLOWED_PAINT = 10.0, 1.0
ALLOWED_SIZE = {"sample": 5.0, "grown": 15.0}
READ_FROM = ("observations", "tables", "samples", "dgms", "validation", "predictive", "calibration")


def grow(root: Path, target: Path, rows: int) -> Path:
    """Copy what the report reads, with more observations, models and draws."""
    for name in READ_FROM:
        if (root / "derived" / name).is_dir():
            shutil.copytree(root / "derived" / name, target / "derived" / name)
    shutil.copytree(root / "datasets", target / "datasets", ignore=shutil.ignore_patterns("*.zip"))
    for path in ("params.yaml", "derived/parameters.csv"):
        shutil.copy(root / path, target / path)
    rng = np.random.default_rng(1)
    for name, n in OBSERVATIONS.items():
        dataset = DATASETS[name]
        table = target / "derived" / "observations" / f"{dataset.observations}.parquet"
        keys = list(read_observations(table, [], dataset))[:n]
        _more_models(target / "derived" / "tables" / f"{name}.parquet", keys, rows, rng)
        _more_draws(target / "derived" / "samples", name, keys, rows, rng)
    return target


def _more_models(path: Path, keys: list[str], rows: int, rng: np.random.Generator) -> None:
    table = pl.read_parquet(path).filter(pl.col("inference.type").str.contains("samples"))
    places = rng.integers(0, len(table), rows * len(keys))
    factor = pl.Series(rng.lognormal(0, 0.3, len(places)))
    features = [name for name in table.columns if name.startswith(("psd_", "burst_", "isi_"))]
    grown = table[places].with_columns(
        pl.Series("x_o", np.repeat(keys, rows)), *(pl.col(name) * factor for name in features)
    )
    grown.write_parquet(path, row_group_size=4096)


def _more_draws(
    folder: Path, name: str, keys: list[str], rows: int, rng: np.random.Generator
) -> None:
    table = pl.read_parquet(folder / f"{name}.parquet")
    places = rng.integers(0, len(table), rows * len(keys))
    grown = table[places].with_columns(pl.Series("x_o", np.repeat(keys, rows)))
    grown.write_parquet(folder / f"{name}.parquet")
    record = json.loads((folder / f"{name}.json").read_bytes())
    record["observations"] = [record["observations"][0] | {"x_o": key} for key in keys]
    (folder / f"{name}.json").write_text(json.dumps(record), encoding="utf-8")


def build(root: Path, out: Path) -> float:
    """Build the report in a process of its own; return its seconds."""
    command = [sys.executable, "-m", "automind_data", "report", "--root", str(root)]
    start = time.perf_counter()
    subprocess.run(
        [*command, "--params", str(root / "params.yaml"), str(out)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - start


def open_page(page: Path) -> tuple[list[float], list[float]] | None:
    """Open a page several times: seconds to the first contentful paint, and to all pictures."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        return None
    from playwright.sync_api import sync_playwright

    paints, pictures = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        for _ in range(REPEATS):
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            opened = context.new_page()
            opened.goto(page.resolve().as_uri())
            opened.wait_for_function("document.getElementById('status').textContent")
            pictures.append(float(opened.evaluate("performance.now()")) / 1000)
            first = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
            paints.append(float(opened.evaluate(first)) / 1000)
            context.close()
        browser.close()
    return paints, pictures


def measure(name: str, root: Path, scratch: Path) -> list[dict[str, Any]]:
    """Measure one release."""
    times = [build(root, scratch / name) for _ in range(REPEATS)]
    page = scratch / name / "index.html"
    records = [
        _record(f"report, {name}, build", statistics.median(times), "s", ALLOWED_BUILD),
        _record(f"report, {name}, size", page.stat().st_size / 1e6, "MB", ALLOWED_SIZE[name]),
    ]
    opened = open_page(page)
    if opened is not None:
        paint, pictures = map(statistics.median, opened)
        records += [
            _record(f"report, {name}, first contentful paint", paint, "s", ALLOWED_PAINT),
            _record(f"report, {name}, all pictures", pictures, "s", None),
        ]
    return records


def _record(name: str, value: float, unit: str, allowed: float | None) -> dict[str, Any]:
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "baseline": None if allowed is None else f"{allowed:g} {unit} allowed",
        "ratio": None if allowed is None else round(allowed / value, 2),
        "threads": len(os.sched_getaffinity(0)),
        "n": REPEATS,
    }


def main() -> None:
    """Print the table; write the records where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--root", type=Path, default=ROOT)
    parser.add_argument("--rows", type=int, default=1000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        records = measure("sample", args.root, scratch)
        records += measure("grown", grow(args.root, scratch / "release", args.rows), scratch)
    for each in records:
        print(
            f"{each['name']:<44} {each['value']:>9} {each['unit']:<3} {each['baseline'] or ''}"
            + (f", {each['ratio']} times better" if each["ratio"] else "")
        )
    if args.json:
        args.json.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
