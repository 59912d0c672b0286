"""One pass over the rows of features, in blocks: spectra at the limits, and rows of use.

The criteria are those of the paper's own preprocessing of spectra: with v the
variance and g the range of the decadic logarithm of the power from 1 to 490 Hz,
a run is hyperactive if v > 6.5 and g > 13, silent if v < 0.0007 and g < 0.14.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from automind_data.common.layout import psd_frequency
from automind_data.contracts.inputs import Conditioning, Discarded

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Spectra", "look_at_rows"]

BLOCK = 4096
SHOWN = 5
BAND = (1.0, 490.0)
HYPERACTIVE = (6.5, 13.0)
SILENT = (7e-4, 0.14)
EARLY = "params_analysis.early_stopped"
SEEDS = ("params_settings.batch_seed", "params_settings.random_seed")
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


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
    for block in _blocks(path, wanted):
        rows = _Block(block, hertz)
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
            good = rows.usable(use)
            if use.kind == "psd":
                good &= rows.usable_spectra(use, power) & ~kinds["silent"] & ~kinds["hyperactive"]
            found.usable[use.kind] += int(good.sum())
        found.rows += block.num_rows
    return found


def _blocks(path: Path, columns: list[str]) -> Iterator[Any]:
    """Read a table block by block; a reader over several row groups would keep them all."""
    file = pq.ParquetFile(path)
    for number in range(file.num_row_groups):
        yield from file.read_row_group(number, columns=columns).combine_chunks().to_batches(BLOCK)


@dataclass(frozen=True)
class _Power:
    """Per row: cells filled, ends of the power over the criteria's band, ends over the DGM's."""

    filled: NDArray[np.int64]
    low: Floats
    high: Floats
    used_low: Floats
    used_high: Floats
    band_sum: Floats
    band_count: NDArray[np.int64]


class _Block:
    """Some rows of a table."""

    def __init__(self, block: Any, hertz: dict[str, float]) -> None:
        self._block, self._hertz = block, hertz
        self._size = block.num_rows
        self.stopped: Flags = np.zeros(self._size, bool)
        if EARLY in block.schema.names:
            self.stopped = block[EARLY].fill_null(True).to_numpy(zero_copy_only=False)

    def power(self, spectrum: list[str], uses: list[Conditioning]) -> _Power:
        """Reduce the spectrum of each row, one column after the other."""
        size = self._size
        used = {name for use in uses for name in use.columns}
        bands = [discarded.f_band for use in uses if (discarded := _discarded(use))]
        low, high = np.full(size, np.inf), np.full(size, -np.inf)
        used_low, used_high = low.copy(), high.copy()
        band_sum, band_count = np.zeros(size), np.zeros(size, np.int64)
        filled = np.zeros(size, np.int64)
        for name, values, missing in self._columns(spectrum):
            filled += ~missing
            hz = self._hertz[name]
            if BAND[0] <= hz <= BAND[1]:
                np.minimum(low, values, out=low)
                np.maximum(high, values, out=high)
            if name in used:
                np.minimum(used_low, values, out=used_low)
                np.maximum(used_high, values, out=used_high)
            if any(first <= hz <= last for first, last in bands):
                band_sum += np.where(missing, 0.0, values)
                band_count += ~missing
        return _Power(filled, low, high, used_low, used_high, band_sum, band_count)

    def limits(self, power: _Power) -> dict[str, Flags]:
        """Say which rows are silent or hyperactive."""
        span = _span(power.low, power.high)
        likely = (power.filled > 0) & ((span > HYPERACTIVE[1]) | (span < SILENT[1]))
        likely &= np.isfinite(span)
        kinds = {"silent": np.zeros(self._size, bool), "hyperactive": np.zeros(self._size, bool)}
        rows = np.flatnonzero(likely)
        if len(rows):
            names = [n for n, hz in self._hertz.items() if BAND[0] <= hz <= BAND[1]]
            picked = np.stack([values[rows] for _, values, _ in self._columns(names)])
            spread = np.log10(picked).var(axis=0)
            kinds["silent"][rows] = (spread < SILENT[0]) & (span[rows] < SILENT[1])
            kinds["hyperactive"][rows] = (spread > HYPERACTIVE[0]) & (span[rows] > HYPERACTIVE[1])
        return kinds

    def usable_spectra(self, use: Conditioning, power: _Power) -> Flags:
        """Say which rows the filters for spectra leave in, but for silent and hyperactive ones."""
        good = (power.filled > 0) & np.isfinite(_span(power.used_low, power.used_high))
        discarded = _discarded(use)
        if discarded is not None and discarded.manual_filter_logPSD:
            good &= np.isfinite(_span(power.low, power.high))
        if discarded is not None and len(discarded.power_thresh or ()) == 2:
            low, high = discarded.power_thresh or (None, None)
            with np.errstate(invalid="ignore"):
                mean = power.band_sum / power.band_count
            good &= (mean > _end(low, -math.inf)) & (mean < _end(high, math.inf))
        return good

    def usable(self, use: Conditioning) -> Flags:
        """Say which rows have features that a density estimator can be conditioned on."""
        good = np.ones(self._size, bool)
        filters = use.training_filters
        if filters is not None and filters.discard_stopped:
            good &= ~self.stopped
        if use.kind == "psd":
            return good
        bounds = use.bounds or (None,) * len(use.columns)
        logs = use.log10 if isinstance(use.log10, tuple) else (use.log10,) * len(use.columns)
        pairs = zip(self._columns(list(use.columns)), bounds, logs, strict=True)
        for (_, values, _), ends, log in pairs:
            good &= np.isfinite(values)
            if ends is not None:
                good &= (values >= ends[0]) & (values <= ends[1])
            if log:
                good &= values > 0
        return good

    def _columns(self, names: list[str]) -> Iterator[tuple[str, Floats, Flags]]:
        """Give the values of columns, NaN where a cell is empty, and where that is."""
        for name in names:
            cells = self._block[name]
            values = cells.to_numpy(zero_copy_only=False)
            missing = (
                np.asarray(cells.is_null()) if cells.null_count else np.zeros(self._size, bool)
            )
            yield name, values, missing


def _span(low: Floats, high: Floats) -> Floats:
    """Return the range of the decadic logarithm; NaN where it is not defined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(low > 0, np.log10(high) - np.log10(low), np.nan)


def _discarded(use: Conditioning) -> Discarded | None:
    filters = use.training_filters
    found = filters.discard_conditions if filters is not None else None
    return found if isinstance(found, Discarded) else None


def _end(value: float | str | None, open_end: float) -> float:
    """Read one end of a range; the original recipe writes None or a text for no limit."""
    return open_end if value is None or value == "None" else float(value)
