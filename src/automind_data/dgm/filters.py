"""The rows of a table that a density estimator is trained on: the filters of the release.

The criteria for spectra are those of the paper's own preprocessing: with v the
variance and g the range of the decadic logarithm of the power from 1 to 490 Hz,
a run is hyperactive if v > 6.5 and g > 13, silent if v < 0.0007 and g < 0.14.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BLOCK",
    "EARLY",
    "Conditioning",
    "Discarded",
    "RowBlock",
    "TrainingFilters",
    "row_blocks",
]

BLOCK = 4096
BAND = (1.0, 490.0)
HYPERACTIVE = (6.5, 13.0)
SILENT = (7e-4, 0.14)
EARLY = "params_analysis.early_stopped"
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Discarded(msgspec.Struct, frozen=True):
    """Which rows of spectra were left out of the training, as the original recipe names it."""

    manual_filter_logPSD: bool = False
    power_thresh: tuple[float | str | None, ...] | None = None
    f_band: tuple[float, float] = (2.0, 10.0)


class TrainingFilters(msgspec.Struct, frozen=True):
    """Which rows were left out of the training."""

    discard_stopped: bool = False
    discard_conditions: Discarded | bool | None = None


class Conditioning(msgspec.Struct, frozen=True):
    """What a density estimator is conditioned on: `psd` or `burst`, its columns, and their use."""

    kind: str
    columns: tuple[str, ...]
    bounds: tuple[tuple[float, float] | None, ...] | None = None
    log10: bool | tuple[bool, ...] = False
    training_filters: TrainingFilters | None = None


def row_blocks(path: Path, columns: Sequence[str]) -> Iterator[Any]:
    """Read a table block by block; a reader over several row groups would keep them all."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    for number in range(file.num_row_groups):
        yield from (
            file.read_row_group(number, columns=list(columns)).combine_chunks().to_batches(BLOCK)
        )


@dataclass(frozen=True)
class Power:
    """Per row: cells filled, ends of the power over the criteria's band, ends over the DGM's."""

    filled: NDArray[np.int64]
    low: Floats
    high: Floats
    used_low: Floats
    used_high: Floats
    band_sum: Floats
    band_count: NDArray[np.int64]


class RowBlock:
    """Some rows of a table.

    Parameters
    ----------
    block
        An Arrow record batch with the columns that are used.
    hertz
        Frequency of each column of the spectrum.
    """

    def __init__(self, block: Any, hertz: Mapping[str, float]) -> None:
        self._block, self._hertz = block, hertz
        self._size = block.num_rows
        self.stopped: Flags = np.zeros(self._size, bool)
        if EARLY in block.schema.names:
            self.stopped = block[EARLY].fill_null(True).to_numpy(zero_copy_only=False)

    def power(self, spectrum: Sequence[str], uses: Sequence[Conditioning]) -> Power:
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
        return Power(filled, low, high, used_low, used_high, band_sum, band_count)

    def limits(self, power: Power) -> dict[str, Flags]:
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

    def trainable(self, use: Conditioning, power: Power, kinds: Mapping[str, Flags]) -> Flags:
        """Say which rows all filters leave in; `power` and `kinds` are of this block."""
        good = self._usable(use)
        if use.kind == "psd":
            good &= self._usable_spectra(use, power) & ~kinds["silent"] & ~kinds["hyperactive"]
        return good

    def _usable_spectra(self, use: Conditioning, power: Power) -> Flags:
        good: Flags = (power.filled > 0) & np.isfinite(_span(power.used_low, power.used_high))
        discarded = _discarded(use)
        if discarded is not None and discarded.manual_filter_logPSD:
            good &= np.isfinite(_span(power.low, power.high))
        if discarded is not None and len(discarded.power_thresh or ()) == 2:
            low, high = discarded.power_thresh or (None, None)
            with np.errstate(invalid="ignore"):
                mean = power.band_sum / power.band_count
            good &= (mean > _end(low, -math.inf)) & (mean < _end(high, math.inf))
        return good

    def _usable(self, use: Conditioning) -> Flags:
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

    def _columns(self, names: Sequence[str]) -> Iterator[tuple[str, Floats, Flags]]:
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
