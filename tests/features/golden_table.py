"""Print how far features are from what the original software gave, by family of columns.

    python -m tests.features.golden_table [--raw raw_synthetic.hdf5]

`--raw` is a file of raw runs in the published layout; without it the runs under
`tests/golden` are taken, which are the same with spikes as whole steps of 0.1 ms.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from automind_data.dgm import load
from automind_data.features import Recording, compute_features, read_recording, read_settings
from automind_data.pickles.convert import convert_archive_params, convert_posterior
from tests.conftest import GOLDEN, copy_release
from tests.features.golden_rows import (
    AMBIGUOUS,
    bound_of,
    discovered_rows,
    family_of,
    first_row,
    off,
    raw_runs,
)

Line = tuple[str, str, int, float, str, float]


def worst(
    what: str, made: Mapping[str, float], wanted: Mapping[str, float], bound: float | None = None
) -> Iterator[Line]:
    """Give the largest difference of each family: its columns, where it is, what it may be."""
    families: dict[str, list[tuple[float, str]]] = {}
    for column, value in wanted.items():
        families.setdefault(family_of(column), []).append((off(made[column], value), column))
    for family, listed in families.items():
        most, column = max(listed)
        yield what, family, len(listed), most, column, bound or bound_of(column)


def example(release: Path, scratch: Path) -> Iterator[Line]:
    """Compare the published recording in both pipelines, and its conditioning vector."""
    recording = read_recording(release / "observations" / "example_raw_data.npz")
    convert_archive_params(
        release / "discovered_posterior_samples" / "organoids.zip", scratch / "p.json"
    )
    settings = read_settings(scratch / "p.json")
    row = compute_features(recording, settings).row
    wanted: dict[str, float] = {}
    for table in ("spikes", "bursts", "psd", "pca"):
        wanted |= first_row(GOLDEN / f"a_summary_{table}.csv")
    yield from worst("example, tables", row, wanted)
    for step, file in ((0.001, "asis"), (0.0002, "dt0.2ms")):
        row = compute_features(recording, replace(settings, dt=step), "notebook").row
        path = GOLDEN / f"a_spike_burst_features_{file}.csv"
        yield from worst(f"example, notebook {file}", row, first_row(path))
    convert_posterior(release / "dgms" / "burst_posterior.pickle", scratch / "burst")
    said = json.loads((GOLDEN / "a_example_x.json").read_text())
    x = dict(zip(said["features"], load(scratch / "burst").conditioning(row).tolist(), strict=True))
    of_x = dict(zip(said["features"], said["x"][0], strict=True))
    yield "example, x", "burst", len(x), *max((off(x[name], of_x[name]), name) for name in x), 1e-6


def runs(release: Path, scratch: Path, raw: Path | None) -> Iterator[Line]:
    """Compare raw runs with the rows of the published table that were made of them."""
    table = discovered_rows(release, scratch / "synthetic.parquet")
    recordings = raw_runs(GOLDEN) if raw is None else read_raw(raw)
    found: dict[str, Line] = {}
    missed = []
    for seed, run in recordings.items():
        if seed not in table:
            missed.append(seed)
            continue
        wanted = {
            name: value
            for name, value in table[seed].items()
            if seed != AMBIGUOUS or not name.startswith("burst_")
        }
        made = compute_features(run).row
        for line in worst("raw runs", made, wanted):
            what, family, columns, most, column, bound = line
            name = f"{what} ({len(recordings)})"
            if family not in found or most > found[family][3]:
                found[family] = (name, family, columns, most, f"{column} of {seed}", bound)
    yield from found.values()
    if missed:
        print(f"not in the table, so not compared: {', '.join(missed)}")


def read_raw(path: Path) -> dict[str, Recording]:
    """Read raw runs in the published layout: batch, seed, population, cell."""
    import h5py

    read = {}
    with h5py.File(path) as file:
        for batch in file.values():
            for seed, run in batch.items():
                cells = run["spikes/exc_spikes"]
                listed = [np.asarray(cells[key]) for key in sorted(cells, key=int)]
                read[seed] = Recording.from_arrays(listed, float(run["timeseries/t_end"][()]), seed)
    return read


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--raw", type=Path, metavar="HDF5")
    raw = asked.parse_args().raw
    print("| what | family | columns | largest relative difference | at | may be |")
    print("|---|---|---:|---:|---|---:|")
    beyond = 0
    with tempfile.TemporaryDirectory() as folder:
        release = copy_release(Path(folder) / "release")
        for lines in (example(release, Path(folder)), runs(release, Path(folder), raw)):
            for what, family, columns, most, column, bound in lines:
                beyond += not most <= bound
                far = "differ in having a value" if math.isinf(most) else f"{most:.1e}"
                print(f"| {what} | {family} | {columns} | {far} | `{column}` | {bound:.0e} |")
    if beyond:
        raise SystemExit(f"{beyond} families are further off than they may be")


if __name__ == "__main__":
    main()
