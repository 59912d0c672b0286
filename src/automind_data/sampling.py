"""Posterior samples for the observations of one table, from one density estimator."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from automind_data.common.errors import AutomindError
from automind_data.common.files import atomic_path, write_json

if TYPE_CHECKING:
    import pyarrow

    from automind_data.dgm.model import DGM, Draws

__all__ = ["ObservationRecord", "sample_observations", "skip_observations", "write_samples"]

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
        error; None for a skipped observation.
    """

    x_o: str
    status: str
    reason: str | None = None
    draws: int | None = None
    accepted: int | None = None
    acceptance: float | None = None
    acceptance_se: float | None = None


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
) -> Iterator[tuple[ObservationRecord, pyarrow.Table | None]]:
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

    Yields
    ------
    (ObservationRecord, pyarrow.Table or None)
        One pair for each key; no table for a skipped observation.
    """
    for key in keys:
        if key not in rows:
            yield ObservationRecord(key, "skipped", "the observation table has no such row"), None
            continue
        x = dgm.conditioning(rows[key])
        unusable = [
            column
            for column, value in zip(dgm.recipe.columns, x, strict=True)
            if not math.isfinite(value)
        ]
        if unusable:
            some = ", ".join(unusable[:3]) + (", …" if len(unusable) > 3 else "")
            reason = f"{len(unusable)} of {len(x)} features are missing or out of bounds: {some}"
            yield ObservationRecord(key, "skipped", reason), None
            continue
        try:
            draws = dgm.draw(
                x,
                n,
                seed,
                stream=key,
                oversample=oversample,
                at_least=acceptance_draws,
                at_most=max_draws,
                threads=threads,
            )
        except AutomindError as error:
            yield ObservationRecord(key, "skipped", error.rule), None
            continue
        record = ObservationRecord(
            key,
            "sampled",
            None,
            draws.drawn,
            draws.accepted,
            draws.acceptance,
            draws.acceptance_se,
        )
        yield record, _table(dgm, key, draws, seed, oversample)


def skip_observations(
    keys: Sequence[str], reason: str
) -> Iterator[tuple[ObservationRecord, pyarrow.Table | None]]:
    """Give the record of each observation that is not sampled at all, for one `reason`."""
    for key in keys:
        yield ObservationRecord(key, "skipped", reason), None


def _table(dgm: DGM, key: str, draws: Draws, seed: int, oversample: int) -> pyarrow.Table:
    import pyarrow

    n = len(draws.draw)
    kind = f"{ESTIMATOR}_samples" + (f"_prune_{oversample}" if oversample > 1 else "")
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
        [*texts, *map(_column, numbers.values())], ["x_o", "inference.type", *numbers]
    )


def _no_rows(dgm: DGM) -> pyarrow.Table:
    from automind_data.dgm.model import Draws, no_rows

    return _table(dgm, "", Draws(*no_rows(len(dgm.names)), 1, 1), 0, 1)


def _column(values: NDArray[Any]) -> pyarrow.Array:
    """Wrap an array as it is; `pyarrow.array` would import pandas for that."""
    import pyarrow

    types = {"f4": pyarrow.float32(), "f8": pyarrow.float64(), "i8": pyarrow.int64()}
    kind = types[values.dtype.str[1:]]
    buffer = pyarrow.py_buffer(np.ascontiguousarray(values))
    return pyarrow.Array.from_buffers(kind, len(values), [None, buffer])


def write_samples(
    out: str | Path,
    record: str | Path | None,
    sampled: Sequence[tuple[ObservationRecord, pyarrow.Table | None]],
    about: Mapping[str, Any],
    dgm: DGM,
) -> None:
    """Write the samples as Parquet and what became of each observation as JSON.

    Parameters
    ----------
    out
        The table, see `docs/samples.md` for its columns.
    record
        The JSON file; None writes none, and then a table without rows is refused.
    sampled
        What `sample_observations` gave.
    about
        What the JSON says before its observations (data set, DGM, seed, n, K).
    dgm
        The density estimator, whose columns a table without rows has too.

    Raises
    ------
    AutomindError
        No observation was sampled and no record is asked for.
    """
    import pyarrow
    import pyarrow.parquet

    tables = [table for _, table in sampled if table is not None]
    if not tables and record is None:
        reason = sampled[0][0].reason if sampled else "there are none"
        rule = f"no observation could be sampled ({reason})"
        raise AutomindError(out, rule, "check the observations with `automind-data validate`")
    with atomic_path(out) as part:
        pyarrow.parquet.write_table(
            pyarrow.concat_tables([_no_rows(dgm), *tables]),
            part,
            compression="zstd",
            row_group_size=16384,
        )
    if record is not None:
        write_json(record, {**about, "observations": [asdict(each) for each, _ in sampled]})
