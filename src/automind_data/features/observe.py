"""Recordings as observations: a row of features each, under its key, and what is said of it."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from automind_data.common.errors import AutomindError
from automind_data.common.files import atomic_path, md5_of, write_json
from automind_data.common.layout import column_family
from automind_data.features.pipelines import Features, compute_features
from automind_data.features.rates import number_of_bins
from automind_data.features.recording import Recording, read_recording
from automind_data.features.settings import Settings, read_settings

if TYPE_CHECKING:
    import pyarrow

    from automind_data.dgm.model import DGM
    from automind_data.scaling import Cluster

__all__ = [
    "Observed",
    "families_of",
    "find_recordings",
    "observe",
    "recorded_row",
    "settings_for",
    "write_observations",
]

RECORDINGS = (".npz", ".nwb")
MOST_SAMPLES = 2000
"""Samples of the population rate that a record keeps."""


@dataclass(frozen=True)
class Observed:
    """One recording as an observation: its key, features, and what the record says of it."""

    x_o: str
    row: dict[str, float]
    record: dict[str, Any]


def families_of(columns: Sequence[str]) -> list[str]:
    """Return which families of features some columns belong to.

    >>> families_of(["burst_num", "burst_width_mean"])
    ['burst']
    """
    return list(dict.fromkeys(column_family(column)[0] for column in columns))


def settings_for(
    analysis: str | Path | None, dgm: str | Path, corrected: bool = False, seed: int = 0
) -> tuple[Settings, str]:
    """Choose the analysis parameters that fit a density estimator.

    Parameters
    ----------
    analysis
        A file for `read_settings`, which is then taken.
    dgm
        The folder of the density estimator. In a clone, `derived/dgms/burst`, the parameters
        that it was trained with stand in `derived/params/training.json`.
    corrected, seed
        As in `Settings`.

    Returns
    -------
    (Settings, str)
        They, and where they come from: the file, or `built in` where there is none.
    """
    beside = Path(dgm).parent.parent / "params" / "training.json"
    if analysis is not None or beside.is_file():
        path = Path(analysis) if analysis is not None else beside
        return read_settings(path, corrected, seed), path.as_posix()
    return Settings(corrected=corrected, seed=seed), "built in"


def observe(
    paths: Sequence[str | Path],
    settings: Settings | None = None,
    pipeline: str = "tables",
    families: Sequence[str] | None = None,
    *,
    dgms: Mapping[str, DGM] | None = None,
    t_end: float | None = None,
    fs: float | None = None,
    plot: str | Path | None = None,
    cluster: Cluster | None = None,
) -> Generator[dict[str, Any], None, list[Observed]]:
    """Compute the features of recordings, one at a time or on the workers of a cluster.

    Parameters
    ----------
    paths
        Files that `read_recording` reads.
    settings, pipeline, families
        As for `compute_features`.
    dgms
        Name → a density estimator, whose conditioning vector the record gets.
    t_end, fs
        As for `read_recording`.
    plot
        Draw the (only) recording here; see `features.plot`.
    cluster
        Where; None: in this process. Same numbers. Workers read the files by their paths.

    Yields
    ------
    dict
        `path`, `done` and `total`, recordings.

    Returns
    -------
    list of Observed
        In the order of `paths`.

    Raises
    ------
    AutomindError
        A recording is refused or does not fit into memory, or two have one name.
    """
    settings = settings or Settings()
    made: dict[str, Observed] = {}
    tasks = [_Task(Path(path), settings, pipeline, families, t_end, fs, plot) for path in paths]
    if cluster is None or cluster.here:
        working: Iterator[Observed] = map(_observe_one, tasks)
    else:
        working = _spread(tasks, cluster)
    for number, (path, observed) in enumerate(zip(paths, working, strict=True)):
        if observed.x_o in made:
            rule = f"is called {observed.x_o}, as another recording is"
            raise AutomindError(path, rule, "give each its own recording_name")
        observed.record["x"] = {
            name: [_json(value) for value in dgm.conditioning(observed.row).tolist()]
            for name, dgm in (dgms or {}).items()
        }
        made[observed.x_o] = observed
        yield {"path": str(path), "done": number + 1, "total": len(paths)}
    return list(made.values())


@dataclass(frozen=True)
class _Task:
    """What a worker needs to observe one recording."""

    path: Path
    settings: Settings
    pipeline: str
    families: Sequence[str] | None
    t_end: float | None
    fs: float | None
    plot: str | Path | None


def _observe_one(task: _Task) -> Observed:
    recording = read_recording(task.path, task.t_end, task.fs)
    try:
        features = compute_features(recording, task.settings, task.pipeline, task.families)
    except AutomindError as error:
        raise AutomindError(task.path, error.rule, error.next_step) from None
    except MemoryError:
        rule = f"lasts {recording.t_end:g} s and does not fit into memory"
        raise AutomindError(task.path, rule, "check that t_end is in seconds") from None
    if task.plot is not None:
        from automind_data.features.plot import plot_recording

        plot_recording(recording, features, task.plot)
    row = {"t_rec": _last_stamp(recording, task.settings), **features.row}
    about = _record(task.path, recording, features, task.settings)
    return Observed(recording.name, row, about)


def _spread(tasks: Sequence[_Task], cluster: Cluster) -> Iterator[Observed]:
    from automind_data.scaling import run_in_order

    for task, outcome in zip(tasks, run_in_order(_observe_one, tasks, cluster), strict=True):
        observed: Observed = outcome.unwrap(str(task.path), "check the recording, or run it again")
        yield observed


def find_recordings(paths: Iterable[str | Path]) -> list[Path]:
    """List recordings: files as they are, of a folder its `.npz` and `.nwb` files by name.

    Raises
    ------
    AutomindError
        A folder has none.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(each for each in path.iterdir() if each.suffix in RECORDINGS)
            if not inside:
                raise AutomindError(path, "holds no .npz and no .nwb", "choose another folder")
            found += inside
        else:
            found.append(path)
    return found


def recorded_row(
    path: str | Path, dgm: str | Path, columns: Sequence[str]
) -> dict[str, Mapping[str, Any]]:
    """Compute those features of a recording that a density estimator is conditioned on.

    Parameters
    ----------
    path
        A file that `read_recording` reads.
    dgm
        Folder of the density estimator; see `settings_for`.
    columns
        What it is conditioned on. The pipeline is `tables`, as for what it was trained on.

    Returns
    -------
    dict
        The key of the observation → its features, as `read_observations` gives them.

    Raises
    ------
    AutomindError
        The recording is refused, or its analysis gives other columns.
    """
    working = observe([path], settings_for(None, dgm)[0], families=families_of(columns))
    while True:
        try:
            next(working)
        except StopIteration as end:
            (observed,) = end.value
            break
    missing = [column for column in columns if column not in observed.row]
    if missing:
        rule = f"gets no {missing[0]} from the analysis that belongs to {dgm}"
        raise AutomindError(path, rule, "see the settings in derived/params/training.json")
    return {observed.x_o: observed.row}


def _last_stamp(recording: Recording, settings: Settings) -> float:
    return (number_of_bins(recording.t_end, settings.dt_poprate) - 1) * settings.dt_poprate


def _record(
    path: Path, recording: Recording, features: Features, settings: Settings
) -> dict[str, Any]:
    about: dict[str, Any] = {
        "x_o": recording.name,
        "source": {"file": path.name, "md5": md5_of(path), "bytes": path.stat().st_size},
        "t_end": recording.t_end,
        "cells": len(recording.cells),
        "absent": recording.absent,
        "silent": int((np.diff(recording.offsets) == 0).sum()),
        "spikes": recording.spikes,
    }
    if features.bursts is not None and features.smooth is not None:
        found = features.bursts
        about["threshold"] = found.threshold
        about["bursts"] = [
            {"peak": peak, "start": start, "end": end, "height": height}
            for peak, start, end, height in zip(
                found.peak.tolist(),
                found.start.tolist(),
                found.end.tolist(),
                found.height.tolist(),
                strict=True,
            )
        ]
        about["rate"] = _thinned(features.smooth, settings.dt_poprate)
    return about


def _thinned(rate: NDArray[np.float64], step: float) -> dict[str, Any]:
    """Average a rate over equal pieces, so that few samples are left."""
    size = max(1, math.ceil(len(rate) / MOST_SAMPLES))
    whole = len(rate) // size * size
    means = rate[:whole].reshape(-1, size).mean(axis=1)
    return {"step": size * step, "values": [float(f"{value:.5g}") for value in means]}


def _json(value: float) -> float | None:
    return value if math.isfinite(value) else None


def write_observations(
    out: str | Path,
    record: str | Path | None,
    observed: Sequence[Observed],
    about: Mapping[str, Any],
) -> None:
    """Write observations as a table, and what is said of them as JSON.

    Parameters
    ----------
    out
        `.parquet` or `.csv`: `x_o`, then the features; empty where there is no value.
    record
        The JSON file, or None.
    observed
        What `observe` gave.
    about
        What the JSON says before its recordings.

    Raises
    ------
    AutomindError
        `out` has another ending.
    """
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    out = Path(out)
    if out.suffix not in (".parquet", ".csv"):
        raise AutomindError(out, "is no .parquet and no .csv", "choose one of these endings")
    columns = list(dict.fromkeys(column for each in observed for column in each.row))
    arrays = [_texts([each.x_o for each in observed])]
    for column in columns:
        arrays.append(_numbers([each.row.get(column, math.nan) for each in observed]))
    table = pyarrow.Table.from_arrays(arrays, ["x_o", *columns])
    with atomic_path(out) as part:
        if out.suffix == ".csv":
            pyarrow.csv.write_csv(table, part)
        else:
            pyarrow.parquet.write_table(
                table, part, compression="none", use_dictionary=False, write_statistics=False
            )
    if record is not None:
        write_json(record, {**about, "recordings": [each.record for each in observed]})


def _numbers(listed: Sequence[float]) -> pyarrow.Array:
    """Wrap numbers, null for NaN; `pyarrow.array` would import pandas for that."""
    import pyarrow

    values = np.array(listed, np.float64)
    known = np.packbits(~np.isnan(values), bitorder="little")
    buffers = [pyarrow.py_buffer(known), pyarrow.py_buffer(values)]
    return pyarrow.Array.from_buffers(pyarrow.float64(), len(values), buffers)


def _texts(listed: Sequence[str]) -> pyarrow.Array:
    import pyarrow

    encoded = [text.encode() for text in listed]
    offsets = np.cumsum([0, *map(len, encoded)]).astype(np.int32)
    buffers = [None, pyarrow.py_buffer(offsets), pyarrow.py_buffer(b"".join(encoded))]
    return pyarrow.Array.from_buffers(pyarrow.string(), len(encoded), buffers)
