"""Posterior samples for the observations of one table, from one density estimator."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from automind_data.common.arrow import column
from automind_data.common.errors import AutomindError
from automind_data.common.files import atomic_path, write_json
from automind_data.dgm.maximum import STARTS
from automind_data.dgm.rejection import Draws, Leak, no_rows

if TYPE_CHECKING:
    import pyarrow

    from automind_data.dgm.model import DGM

__all__ = [
    "POINTS",
    "ObservationRecord",
    "Sampled",
    "sample_observations",
    "skip_observations",
    "unusable",
    "write_samples",
]

POINTS = ("map", "mean")
"""Rows that may stand before the samples of an observation, in the published order."""

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
        `sampled` or `skipped`.
    reason
        Why it was skipped.
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
) -> Generator[dict[str, Any], None, list[Sampled]]:
    """Sample the posterior of each observation in turn.

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
    sampled: list[Sampled] = []
    each, total = n * oversample, n * oversample * len(keys)
    for number, key in enumerate(keys):
        reason = unusable(dgm, rows.get(key))
        if reason is not None:
            sampled.append((ObservationRecord(key, "skipped", reason), None))
        else:
            drawing = dgm.drawing(
                dgm.conditioning(rows[key]),
                n,
                seed,
                stream=key,
                oversample=oversample,
                at_least=acceptance_draws,
                at_most=max_draws,
                threads=threads,
            )
            try:
                draws = yield from _counted(drawing, number * each, total)
            except Leak as leak:
                counts = (leak.drawn, leak.accepted, leak.accepted / leak.drawn)
                sampled.append((ObservationRecord(key, "skipped", leak.rule, *counts), None))
            else:
                counts = (draws.drawn, draws.accepted, draws.acceptance)
                record = ObservationRecord(key, "sampled", None, *counts, draws.acceptance_se)
                table = _table(dgm, key, draws, seed, _kind(oversample))
                special = [
                    _point(dgm, key, rows[key], draws, seed, point)
                    for point in POINTS
                    if point in points
                ]
                sampled.append((record, _stacked([*special, table])))
        yield {"path": key, "done": (number + 1) * each, "total": total}
    return sampled


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
