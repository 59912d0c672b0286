"""Discovered models as the release simulated them again: their features, by observation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from automind_data.report.features import Floats

__all__ = ["STOPPED", "TYPE", "Models", "read_models"]

KEYS = ("params_settings.batch_seed", "params_settings.random_seed")
TYPE, STOPPED = "inference.type", "params_analysis.early_stopped"
ROWS_AT_ONCE = 2048
Reduce = Callable[[Floats], tuple[Floats, NDArray[np.bool_]]]


@dataclass(frozen=True)
class Models:
    """The discovered models of one observation.

    Attributes
    ----------
    row
        (n,): the number of each usable sample in the table.
    runs
        (n, 2): its batch seed and random seed.
    values
        (n, m): its features, reduced.
    drawn, stopped, unusable
        Rows that are samples; of them stopped early; of the others without usable features.
    noise
        (k, m): the observation's own parameters, simulated again.
    """

    row: NDArray[np.int64]
    runs: NDArray[np.int64]
    values: NDArray[np.float32]
    drawn: int
    stopped: int
    unusable: int
    noise: NDArray[np.float32]


def read_models(path: Path, columns: Sequence[str], reduce: Reduce) -> dict[str, Models] | str:
    """Read the discovered models of a data set, a block of rows at a time.

    Parameters
    ----------
    path
        `derived/tables/<dataset>.parquet`.
    columns
        The feature columns.
    reduce
        (r, n) features → (r, m) reduced ones, and (r,) which rows can be used.

    Returns
    -------
    dict or str
        Observation → models, in the table's order; or a sentence why there are none.
    """
    if not path.exists():
        return f"derived/tables/{path.name} is not there."
    with parquet.ParquetFile(path) as file:
        present = set(file.schema_arrow.names)
        for column in ("x_o", TYPE, STOPPED, *KEYS, *columns):
            if column not in present:
                return f"derived/tables/{path.name} has no column {column}."
        parts: dict[str, list[_Part]] = {}
        wanted = ["x_o", TYPE, STOPPED, *KEYS, *columns]
        start = 0
        for batch in file.iter_batches(ROWS_AT_ONCE, columns=wanted):
            for key, part in _parts(batch, start, columns, reduce):
                parts.setdefault(key, []).append(part)
            start += batch.num_rows
    return {key: _join(found) for key, found in parts.items()}


@dataclass(frozen=True)
class _Part:
    row: NDArray[np.int64]
    sampled: NDArray[np.bool_]
    again: NDArray[np.bool_]
    stopped: NDArray[np.bool_]
    usable: NDArray[np.bool_]
    runs: NDArray[np.int64]
    values: NDArray[np.float32]


def _parts(
    batch: pa.RecordBatch, start: int, columns: Sequence[str], reduce: Reduce
) -> Iterator[tuple[str, _Part]]:
    numbers = [batch[name].to_numpy(zero_copy_only=False) for name in columns]
    features = np.column_stack(numbers).astype(np.float64)
    values, usable = reduce(features)
    keys = np.array(batch["x_o"].to_pylist(), dtype=object)
    kinds = [str(kind) for kind in batch[TYPE].to_pylist()]
    sampled = np.array(["_samples" in kind for kind in kinds])
    again = np.array([kind == "gt_resim" for kind in kinds])
    stopped = np.array([flag is not False for flag in batch[STOPPED].to_pylist()])
    runs = np.column_stack([batch[name].fill_null(-1).to_numpy() for name in KEYS])
    for key in dict.fromkeys(keys):
        if key is not None:
            rows = keys == key
            yield (
                key,
                _Part(
                    np.flatnonzero(rows) + start, sampled[rows], again[rows], stopped[rows],
                    usable[rows], runs[rows], values[rows].astype(np.float32),
                ),
            )  # fmt: skip


def _join(parts: list[_Part]) -> Models:
    def flags(name: str) -> NDArray[np.bool_]:
        joined: NDArray[np.bool_] = np.concatenate([getattr(part, name) for part in parts])
        return joined

    sampled, stopped, usable = flags("sampled"), flags("stopped"), flags("usable")
    values = np.concatenate([part.values for part in parts])
    good = sampled & ~stopped & usable
    return Models(
        np.concatenate([part.row for part in parts])[good],
        np.concatenate([part.runs for part in parts])[good],
        values[good],
        int(sampled.sum()),
        int((sampled & stopped).sum()),
        int((sampled & ~stopped & ~usable).sum()),
        values[flags("again") & ~stopped & usable],
    )
