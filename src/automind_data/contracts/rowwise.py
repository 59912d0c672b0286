"""One pass over the rows of features, in blocks: spectra at the limits, and rows of use.

The criteria are those of `dgm.filters`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from automind_data.common.layout import psd_frequency
from automind_data.dgm.filters import EARLY, Conditioning, RowBlock, row_blocks

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Spectra", "look_at_rows"]

SHOWN = 5
SEEDS = ("params_settings.batch_seed", "params_settings.random_seed")


@dataclass
class Spectra:
    """What was found row by row.

    Attributes
    ----------
    rows
        All rows.
    kinds
        `silent` and `hyperactive`: number of rows.
    examples
        The first rows of each kind.
    odd_rows
        Rows in which a part of the spectrum is filled, or any of it though they were stopped.
    usable
        For each density estimator (`psd`, `burst`): rows that it could be trained on.
    """

    rows: int = 0
    kinds: dict[str, int] = field(default_factory=lambda: {"silent": 0, "hyperactive": 0})
    examples: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {"silent": [], "hyperactive": []}
    )
    odd_rows: int = 0
    usable: dict[str, int] = field(default_factory=dict)


def look_at_rows(path: Path, schema: pl.Schema, uses: tuple[Conditioning, ...]) -> Spectra:
    """Look at every row of features once.

    Parameters
    ----------
    path
        The table, as Parquet.
    schema
        Its columns and their types.
    uses
        The density estimators whose usable rows are counted, as far as their columns are there.
    """
    numbers = {name for name, kind in schema.items() if kind.is_float()}
    hertz = {name: hz for name in schema if (hz := psd_frequency(name)) is not None}
    hertz = {name: hz for name, hz in hertz.items() if name in numbers}
    spectrum = list(hertz)
    uses = tuple(use for use in uses if set(use.columns) <= numbers)
    features = [name for use in uses if use.kind != "psd" for name in use.columns]
    found = Spectra(usable={use.kind: 0 for use in uses})
    if not spectrum and not features:
        return found
    shown = [name for name in SEEDS if name in schema]
    wanted = [*dict.fromkeys([*shown, *([EARLY] if EARLY in schema else []), *spectrum, *features])]
    for block in row_blocks(path, wanted):
        rows = RowBlock(block, hertz)
        power = rows.power(spectrum, [use for use in uses if use.kind == "psd"])
        kinds = rows.limits(power)
        partly = (power.filled > 0) & (power.filled < len(spectrum))
        found.odd_rows += int((partly | ((power.filled > 0) & rows.stopped)).sum())
        for kind, guilty in kinds.items():
            where = np.flatnonzero(guilty)
            found.kinds[kind] += len(where)
            for row in where[: SHOWN - len(found.examples[kind])]:
                seeds = {name: block[name][int(row)].as_py() for name in shown}
                found.examples[kind].append({"row": found.rows + int(row), **seeds})
        for use in uses:
            found.usable[use.kind] += int(rows.trainable(use, power, kinds).sum())
        found.rows += block.num_rows
    return found
