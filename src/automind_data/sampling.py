"""Posterior samples for the observations of one table, from one density estimator."""

from __future__ import annotations

import functools
import math
import os
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from automind_data.common.arrow import column
from automind_data.common.errors import AutomindError
from automind_data.common.files import atomic_path, write_json
from automind_data.dgm.maximum import STARTS
from automind_data.dgm.rejection import Draws, Leak, no_rows
from automind_data.scaling import run_in_order

if TYPE_CHECKING:
    import pyarrow

    from automind_data.dgm.model import DGM
    from automind_data.scaling import Cluster

__all__ = [
    "POINTS",
    "ObservationRecord",
    "Sampled",
    "same_torch_everywhere",
    "sample_observations",
    "skip_observations",
    "unusable",
    "write_samples",
]

POINTS = ("map", "mean")
"""Rows that may stand before the samples of an observation, in the published order."""

AGAIN = "see that workers have the same files and packages, and run it again"

ESTIMATOR = "NPE"
"""The name that the release gives to its inference method in `inference.type`."""


@dataclass(frozen=True)
class ObservationRecord:
    """What became of one observation.

    Attributes
    ----------
    x_o
        Its key.
    status
        `sampled`, `skipped`, or `failed`: the worker did not finish it.
    reason
        Why it was skipped or failed.
    draws, accepted, acceptance, acceptance_se
        Draws made, how many fell inside the prior box, their share and its standard
        error; None for an observation that was skipped before a draw.
    """

    x_o: str
    status: str
    reason: str | None = None
    draws: int | None = None
    accepted: int | None = None
    acceptance: float | None = None
    acceptance_se: float | None = None


Sampled = tuple[ObservationRecord, "pyarrow.Table | None"]
"""What became of an observation, and its rows if there are any."""


def sample_observations(
    dgm: DGM,
    rows: Mapping[str, Mapping[str, Any]],
    keys: Sequence[str],
    n: int,
    seed: int,
    *,
    oversample: int = 1,
    acceptance_draws: int = 1,
    max_draws: int = 10_000_000,
    threads: int | None = None,
    points: Sequence[str] = (),
    cluster: Cluster | None = None,
) -> Generator[dict[str, Any], None, list[Sampled]]:
    """Sample the posterior of each observation, in turn or on the workers of a cluster.

    Parameters
    ----------
    dgm
        The density estimator.
    rows
        Key → row of summary features.
    keys
        Which observations, in which order.
    n, seed, oversample
        Rows per observation, the seed, and K: with K > 1 rows are the n densest of
        n * K draws, ordered by density, and no posterior sample.
    acceptance_draws, max_draws
        Least and most draws per observation.
    threads
        Speed only.
    points
        Any of `POINTS`: a row for the densest point inside the prior box, one for the
        mean of the observation's other rows.
    cluster
        Where; None: in this process. Same numbers. Workers have one thread each and open
        the density estimator by its path.

    Yields
    ------
    dict
        `path` (the key), `done` and `total`, accepted draws of all observations.

    Returns
    -------
    list of (ObservationRecord, pyarrow.Table or None)
        One pair for each key; no table for a skipped observation.

    Raises
    ------
    AutomindError
        A key is named twice, more draws are asked for than `max_draws`, or the
        density estimator cannot be rebuilt.
    """
    for key, times in Counter(keys).items():
        if times > 1:
            raise AutomindError(f"observation {key}", f"is asked for {times} times", "name it once")
    asked = _Asked(n, seed, oversample, acceptance_draws, max_draws, threads, tuple(points))
    sampled: list[Sampled] = []
    each, total = n * oversample, n * oversample * len(keys)
    if cluster is not None and not cluster.here:
        folder = Path(dgm.file).resolve().parent
        alone = replace(asked, threads=1)
        tasks = [_Task(folder, key, _needed(dgm, rows.get(key)), alone) for key in keys]
        for number, outcome in enumerate(run_in_order(_work, tasks, cluster)):
            if outcome.failure is not None and outcome.refusal is None:
                sampled.append((ObservationRecord(keys[number], "failed", outcome.failure), None))
            else:
                sampled.append(outcome.unwrap(str(folder), AGAIN))
            yield {"path": keys[number], "done": (number + 1) * each, "total": total}
        return sampled
    for number, key in enumerate(keys):
        sampled.append(
            (yield from _sample_one(dgm, key, rows.get(key), asked, number * each, total))
        )
        yield {"path": key, "done": (number + 1) * each, "total": total}
    return sampled


@dataclass(frozen=True)
class _Asked:
    """What is wanted of every observation."""

    n: int
    seed: int
    oversample: int
    acceptance_draws: int
    max_draws: int
    threads: int | None
    points: tuple[str, ...]


@dataclass(frozen=True)
class _Task:
    """What a worker needs to sample one observation."""

    folder: Path
    key: str
    row: Mapping[str, Any] | None
    asked: _Asked


def _needed(dgm: DGM, row: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Keep those cells of a row that the density estimator is conditioned on."""
    return None if row is None else {name: row[name] for name in dgm.recipe.columns}


def _work(task: _Task) -> Sampled:
    """Sample one observation; what a worker runs."""
    if "map" in task.asked.points:
        same_torch_everywhere()
    sampling = _sample_one(_opened(task.folder), task.key, task.row, task.asked, 0, 0)
    while True:
        try:
            next(sampling)
        except StopIteration as end:
            sampled: Sampled = end.value
            return sampled


@functools.lru_cache(maxsize=1)
def _opened(folder: Path) -> DGM:
    from automind_data.dgm.model import load

    return load(folder)


def same_torch_everywhere() -> None:
    """Let torch compute alike on more processors; call it before torch is imported."""
    os.environ.setdefault("ATEN_CPU_CAPABILITY", "avx2")
    os.environ.setdefault("MKL_CBWR", "AVX2")


def _sample_one(
    dgm: DGM, key: str, row: Mapping[str, Any] | None, asked: _Asked, before: int, total: int
) -> Generator[dict[str, Any], None, Sampled]:
    reason = unusable(dgm, row)
    if row is None or reason is not None:
        return ObservationRecord(key, "skipped", reason), None
    drawing = dgm.drawing(
        dgm.conditioning(row),
        asked.n,
        asked.seed,
        stream=key,
        oversample=asked.oversample,
        at_least=asked.acceptance_draws,
        at_most=asked.max_draws,
        threads=asked.threads,
    )
    try:
        draws = yield from _counted(drawing, before, total)
    except Leak as leak:
        counts = (leak.drawn, leak.accepted, leak.accepted / leak.drawn)
        return ObservationRecord(key, "skipped", leak.rule, *counts), None
    counts = (draws.drawn, draws.accepted, draws.acceptance)
    record = ObservationRecord(key, "sampled", None, *counts, draws.acceptance_se)
    table = _table(dgm, key, draws, asked.seed, _kind(asked.oversample))
    special = [
        _point(dgm, key, row, draws, asked.seed, point) for point in POINTS if point in asked.points
    ]
    return record, _stacked([*special, table])


def unusable(dgm: DGM, row: Mapping[str, Any] | None) -> str | None:
    """Say why an observation cannot be sampled; None where it can."""
    if row is None:
        return "the observation table has no such row"
    x = dgm.conditioning(row)
    unusable = [
        column
        for column, value in zip(dgm.recipe.columns, x, strict=True)
        if not math.isfinite(value)
    ]
    if not unusable:
        return None
    some = ", ".join(unusable[:3]) + (", …" if len(unusable) > 3 else "")
    return f"{len(unusable)} of {len(x)} features are missing or out of bounds: {some}"


def _counted(
    drawing: Generator[dict[str, Any], None, Draws], before: int, total: int
) -> Generator[dict[str, Any], None, Draws]:
    while True:
        try:
            event = next(drawing)
        except StopIteration as end:
            draws: Draws = end.value
            return draws
        yield {"path": event["path"], "done": before + event["done"], "total": total}


def _point(
    dgm: DGM, key: str, row: Mapping[str, Any], draws: Draws, seed: int, point: str
) -> pyarrow.Table:
    """Make the row of one of `POINTS`; it is no draw, so its index is -1."""
    x = dgm.conditioning(row)
    if point == "map":
        best = np.lexsort((draws.draw, -draws.log_prob))[:STARTS]
        u = dgm.maximum(x, draws.u[best])
    else:
        u = draws.u.mean(axis=0, dtype=np.float64).astype(np.float32)
    alone = Draws(
        u[None],
        dgm.log_prob_unit(u[None], x).astype(np.float32),
        np.array([-1], np.int64),
        draws.drawn,
        draws.accepted,
    )
    return _table(dgm, key, alone, seed, f"{ESTIMATOR}_{point}")


def _kind(oversample: int) -> str:
    return f"{ESTIMATOR}_samples" + (f"_prune_{oversample}" if oversample > 1 else "")


def _stacked(tables: Sequence[pyarrow.Table]) -> pyarrow.Table:
    import pyarrow

    return pyarrow.concat_tables(tables)


def skip_observations(keys: Sequence[str], reason: str) -> list[Sampled]:
    """Give the record of each observation that is not sampled at all, for one `reason`."""
    return [(ObservationRecord(key, "skipped", reason), None) for key in keys]


def _table(dgm: DGM, key: str, draws: Draws, seed: int, kind: str) -> pyarrow.Table:
    import pyarrow

    n = len(draws.draw)
    theta = dgm.to_physical(draws.u)
    normalised = draws.log_prob.astype(np.float64) - math.log(draws.acceptance)
    numbers: dict[str, NDArray[Any]] = {
        "infer.log_prob": normalised,
        **{name: theta[:, index] for index, name in enumerate(dgm.names)},
        "sample.draw": draws.draw,
        "sample.seed": np.full(n, seed, np.int64),
        "sample.acceptance": np.full(n, draws.acceptance),
        "sample.log_prob_unnorm": draws.log_prob.astype(np.float64),
        **{f"unit.{name}": draws.u[:, index] for index, name in enumerate(dgm.names)},
    }
    texts = [pyarrow.repeat(pyarrow.scalar(text), n) for text in (key, kind)]
    return pyarrow.Table.from_arrays(
        [*texts, *map(column, numbers.values())], ["x_o", "inference.type", *numbers]
    )


def _no_rows(dgm: DGM) -> pyarrow.Table:
    return _table(dgm, "", Draws(*no_rows(len(dgm.names)), 1, 1), 0, _kind(1))


def write_samples(
    out: str | Path,
    record: str | Path | None,
    sampled: Sequence[Sampled],
    about: Mapping[str, Any],
    dgm: DGM,
) -> None:
    """Write the samples as Parquet and what became of each observation as JSON.

    Parameters
    ----------
    out
        The table, see `docs/samples.md` for its columns.
    record
        The JSON file; None writes none.
    sampled
        What `sample_observations` gave.
    about
        What the JSON says before its observations (data set, DGM, seed, n, K).
    dgm
        The density estimator, whose columns a table without rows has too.
    """
    import pyarrow
    import pyarrow.parquet

    tables = [table for _, table in sampled if table is not None]
    with atomic_path(out) as part:
        pyarrow.parquet.write_table(
            pyarrow.concat_tables([_no_rows(dgm), *tables]),
            part,
            compression="zstd",
            row_group_size=16384,
        )
    if record is not None:
        write_json(record, {**about, "observations": [asdict(each) for each, _ in sampled]})
