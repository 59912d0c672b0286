"""A training table of any number of rows with the published columns, from the sample release.

Parameters are drawn anew from the prior. Features are those of rows of the sample
release, each scaled by a factor near one; the principal components that the sample
lacks go on where its own end. Equal arguments give equal bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from automind_data.common.layout import PARAMETER_NAMES, column_family
from automind_data.tables import ROW_GROUP

__all__ = ["PUBLISHED_PCS", "blocks", "varied", "write_table"]

PUBLISHED_PCS = 100
SEEDS = ("params_settings.batch_seed", "params_settings.random_seed")
BATCH_SEED = 1234567
BOUNDED = ("burst_corr", "pca_")


def blocks(
    source: Path, bounds: dict[str, tuple[float, float]], rows: int, seed: int = 0
) -> Iterator[pa.Table]:
    """Make the table, `ROW_GROUP` rows at a time.

    Parameters
    ----------
    source
        A typed training table.
    bounds
        Low and high of each of the 28 parameters.
    rows, seed
        Number of rows, and what the random numbers are keyed by.
    """
    known = pq.ParquetFile(source).read()
    names = _published(known.column_names)
    for start in range(0, rows, ROW_GROUP):
        size = min(ROW_GROUP, rows - start)
        rng = np.random.default_rng([seed, start])
        drawn = known.take(pa.array(rng.integers(known.num_rows, size=size)))
        yield pa.table({name: _column(name, drawn, bounds, start, rng) for name in names})


def _published(names: list[str]) -> list[str]:
    components = [name for name in names if re.fullmatch(r"pca_\d+", name)]
    last = names.index(components[-1]) + 1
    more = [f"pca_{number + 1}" for number in range(len(components), PUBLISHED_PCS)]
    return [*names[:last], *more, *names[last:]]


def _column(
    name: str, drawn: pa.Table, bounds: dict[str, tuple[float, float]], start: int, rng: Any
) -> Any:
    size = drawn.num_rows
    if name == SEEDS[0]:
        return np.full(size, BATCH_SEED)
    if name == SEEDS[1]:
        return np.arange(start, start + size) * 100 + rng.integers(100, size=size)
    if name in PARAMETER_NAMES:
        low, high = (np.float32(end) for end in bounds[name])
        u = rng.random(size, dtype=np.float32)
        return (u * (high - low) + low).astype(np.float64)
    if name not in drawn.column_names:
        number = int(name.removeprefix("pca_"))
        return _scaled(drawn["pca_20"], np.exp(-0.05 * (number - 20)) * rng.uniform(0.9, 1, size))
    return varied(name, drawn, rng)


def varied(name: str, rows: pa.Table, rng: np.random.Generator) -> pa.Array:
    """Multiply a feature of each row by a factor near one, within its physical range.

    What is no measurement stays as it is, and an empty cell empty.
    """
    if column_family(name)[0] in {"key", "meta"} or name == "burst_num":
        return rows[name].combine_chunks()
    spread = (0.9, 1.0) if name.startswith(BOUNDED) else (0.95, 1.05)
    return _scaled(rows[name], rng.uniform(*spread, rows.num_rows))


def _scaled(column: pa.ChunkedArray, factor: Any) -> pa.Array:
    cells = column.combine_chunks()
    values = np.asarray(cells.fill_null(0.0)) * factor
    return pa.array(values, mask=np.asarray(cells.is_null()))


def write_table(
    source: Path, bounds: dict[str, tuple[float, float]], rows: int, out: Path, seed: int = 0
) -> Path:
    """Write the table as `tabulate` writes one."""
    writer: pq.ParquetWriter | None = None
    for block in blocks(source, bounds, rows, seed):
        if writer is None:
            kinds = {name: column_family(name) for name in block.column_names}
            writer = pq.ParquetWriter(
                out,
                block.schema,
                compression="zstd",
                use_dictionary=[name for name, kind in kinds.items() if kind[1] == "text"],
                write_statistics=[name for name, kind in kinds.items() if kind[0] != "psd"],
            )
        writer.write_table(block, row_group_size=ROW_GROUP)
    if writer is not None:
        writer.close()
    return out
