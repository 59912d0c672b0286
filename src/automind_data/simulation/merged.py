"""The published files, from the finished runs of a folder: one run in memory at a time."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from automind_data.common.arrow import column, text_column
from automind_data.common.files import atomic_path
from automind_data.common.layout import PARAMETER_NAMES
from automind_data.features.rates import number_of_bins
from automind_data.simulation.folder import RunFolder
from automind_data.simulation.rows import (
    ABOUT,
    BATCH,
    META,
    OTHERS,
    SEED,
    Analysed,
    feature_columns,
    summary_row,
)
from automind_data.simulation.run import Spikes
from automind_data.tables import tabulate

__all__ = ["FILES", "merge"]

RAW, SPIKES, RUNS = "raw_data.hdf5", "spikes.parquet", "runs.csv"
SUMMARY = "summary_data_merged"
FILES = (RAW, SPIKES, RUNS, f"{SUMMARY}.csv", f"{SUMMARY}.parquet")
"""What `merge` writes."""


def merge(
    folder: RunFolder, unfinished: Sequence[Analysed] = (), *, run_times: bool = True
) -> Iterator[dict[str, Any]]:
    """Write the published files anew, each in place of its older one when it is whole.

    Parameters
    ----------
    folder
        The runs.
    unfinished
        Runs that failed and will be tried again; they have rows, too.
    run_times
        Whether rows say how long a run took. Without, the same runs give the same bytes.

    Yields
    ------
    dict
        `path`, `done` and `total`, runs.
    """
    import h5py
    import pyarrow.parquet

    path, batch = folder.path, folder.settings.batch_seed
    seeds = folder.finished()
    names = feature_columns(folder.settings, folder.features)
    rows = [each for each in unfinished if each.run.configuration.random_seed not in set(seeds)]
    observed = any(run.run.configuration.about.get("x_o") is not None for run in rows) or any(
        folder.said(seed)["about"].get("x_o") is not None for seed in seeds
    )
    head = [BATCH, SEED, *(ABOUT if observed else ()), *PARAMETER_NAMES, *META]
    with ExitStack() as outs:
        raw, spikes, runs, summary = (
            outs.enter_context(atomic_path(path / name))
            for name in (RAW, SPIKES, RUNS, f"{SUMMARY}.csv")
        )
        with ExitStack() as files:
            store = files.enter_context(h5py.File(raw, "w", locking=False))
            schema = _spike_table(batch, 0, "exc", _nobody()).schema
            flat = files.enter_context(pyarrow.parquet.ParquetWriter(spikes, schema))
            listed, table = (
                csv.writer(files.enter_context(each.open("w", newline="", encoding="utf-8")),
                           lineterminator="\n")
                for each in (runs, summary)
            )  # fmt: skip
            listed.writerow([*head, "status", "failure", "engine", *OTHERS])
            table.writerow(["", *head, *names])
            waiting: list[int | Analysed] = [*seeds, *rows]
            for number, each in enumerate(waiting):
                analysed = each if isinstance(each, Analysed) else folder.read(each)
                row, given = summary_row(analysed, batch, run_times), analysed.run.configuration
                said = [_cell(row[name]) for name in head]
                others = [_cell(given.about.get(name)) for name in OTHERS]
                status = [analysed.status, analysed.failure or "", analysed.run.engine]
                listed.writerow([*said, *status, *others])
                features = [_cell(analysed.features.get(name)) for name in names]
                table.writerow([number, *said, *features])
                if analysed.status == "done":
                    _store(store, analysed, batch, folder.features.dt_poprate)
                    for population in ("exc", "inh"):
                        held = getattr(analysed.run, population)
                        flat.write_table(_spike_table(batch, given.random_seed, population, held))
                yield {"path": str(path), "done": number + 1, "total": len(seeds) + len(rows)}
    for _ in tabulate(path / f"{SUMMARY}.csv", path / f"{SUMMARY}.parquet"):
        pass


def _nobody() -> Spikes:
    return Spikes(np.zeros(0, np.int64), np.zeros(1, np.int64), np.zeros(0))


def _cell(value: Any) -> str:
    """Write a value as the published tables do: empty for none, shortest exact numbers."""
    if value is None or value != value:
        return ""
    return repr(value) if isinstance(value, float | bool) else str(value)


def _store(store: Any, analysed: Analysed, batch: int, step: float) -> None:
    """Add a run in the published layout of raw data."""
    run = analysed.run
    group = store.create_group(f"{batch}/{run.configuration.random_seed}")
    for population in ("exc", "inh"):
        spikes: Spikes = getattr(run, population)
        cells = group.create_group(f"spikes/{population}_spikes")
        for place, cell in enumerate(spikes.cells.tolist()):
            begin, end = spikes.offsets[place : place + 2]
            cells.create_dataset(str(cell), data=spikes.times[begin:end])
    last = (number_of_bins(run.sim_time, step) - 1) * step
    group.create_dataset("timeseries/dt", data=np.float64(step))
    group.create_dataset("timeseries/t_end", data=np.float64(last + step))


def _spike_table(batch: int, seed: int, population: str, spikes: Spikes) -> Any:
    """Make a table of one row per spike."""
    import pyarrow

    counts = np.diff(spikes.offsets)
    number = len(spikes.times)
    return pyarrow.table(
        {
            BATCH: column(np.full(number, batch, np.int64)),
            SEED: column(np.full(number, seed, np.int64)),
            "population": text_column([population] * number),
            "cell": column(np.repeat(spikes.cells, counts)),
            "time": column(np.ascontiguousarray(spikes.times)),
        }
    )
