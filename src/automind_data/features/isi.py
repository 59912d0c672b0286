"""Inter-spike intervals: seven statistics per cell, mean and standard deviation over cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["STATISTICS", "isi_features", "isi_statistics"]

Floats = NDArray[np.float64]

STATISTICS = ("numspks", "mean", "std", "25q", "50q", "75q", "cv")
QUARTILES = (0.25, 0.5, 0.75)


def isi_statistics(
    times: Floats,
    offsets: NDArray[np.int64],
    window: tuple[float, float | None] = (0.0, None),
    min_num_spikes: int = 3,
) -> Floats:
    """Compute the statistics of each cell.

    Parameters
    ----------
    times, offsets
        Sorted spike times of cell i are `times[offsets[i]:offsets[i + 1]]`, s.
    window
        Start (kept) and end (not kept; None: no end) of what is looked at, s.
    min_num_spikes
        Cells with fewer spikes have NaN in all columns but the first.

    Returns
    -------
    float64 array (cells, 7)
        In the order of `STATISTICS`: count, s, s, s, s, s, 1. Standard deviations divide
        by n, quartiles interpolate linearly.
    """
    times, offsets = _windowed(times, offsets, window)
    counts = np.diff(offsets)
    made = np.full((len(counts), len(STATISTICS)), np.nan)
    made[:, 0] = counts
    enough = np.flatnonzero(counts >= max(min_num_spikes, 2))
    if not enough.size:
        return made
    intervals, starts, sizes = _intervals(times, offsets, enough)
    mean = np.add.reduceat(intervals, starts) / sizes
    deviation = intervals - np.repeat(mean, sizes)
    deviation *= deviation
    std = np.sqrt(np.add.reduceat(deviation, starts) / sizes)
    made[enough, 1], made[enough, 2] = mean, std
    for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
        intervals[start : start + size].sort()
    for column, share in enumerate(QUARTILES, start=3):
        made[enough, column] = _quantile(intervals, starts, sizes, share)
    with np.errstate(invalid="ignore", divide="ignore"):
        made[enough, 6] = std / mean
    return made


def _windowed(
    times: Floats, offsets: NDArray[np.int64], window: tuple[float, float | None]
) -> tuple[Floats, NDArray[np.int64]]:
    start, end = window
    kept = times >= start
    if end is not None:
        kept &= times < end
    if kept.all():
        return times, offsets
    dropped = np.searchsorted(np.flatnonzero(~kept), offsets)
    return times[kept], offsets - dropped


def _intervals(
    times: Floats, offsets: NDArray[np.int64], cells: NDArray[np.int64]
) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Give the intervals of some cells in one array, where each cell starts, and how many."""
    inside = np.ones(len(times) - 1, dtype=bool)
    last = offsets[1:-1] - 1
    inside[last[(last >= 0) & (last < len(inside))]] = False
    for cell in np.setdiff1d(np.arange(len(offsets) - 1), cells).tolist():
        inside[offsets[cell] : offsets[cell + 1]] = False
    sizes = offsets[cells + 1] - offsets[cells] - 1
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return np.diff(times)[inside], starts, sizes


def _quantile(
    values: Floats, starts: NDArray[np.int64], sizes: NDArray[np.int64], share: float
) -> Floats:
    place = (sizes - 1) * share
    low = np.floor(place).astype(np.int64)
    part = place - low
    left = values[starts + low]
    right = values[starts + np.minimum(low + 1, sizes - 1)]
    step = right - left
    made: Floats = np.where(part >= 0.5, right - step * (1 - part), left + step * part)
    return made


def isi_features(statistics: Floats, doubled: bool = False) -> dict[str, float]:
    """Average the statistics over cells, leaving NaN out column by column.

    Parameters
    ----------
    statistics
        What `isi_statistics` gave, (cells, 7).
    doubled
        Count each cell twice, as the published organoid table does: a smaller standard
        deviation, the same mean.

    Returns
    -------
    dict
        `isi_<statistic>_mu` of all seven, then `isi_<statistic>_sigma` (dividing by
        cells - 1); NaN where there are too few cells.
    """
    known = ~np.isnan(statistics)
    n = known.sum(axis=0) * (2 if doubled else 1)
    values = np.where(known, statistics, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = values.sum(axis=0) / known.sum(axis=0)
        squares = (np.where(known, statistics - mean, 0.0) ** 2).sum(axis=0)
        sigma = np.sqrt(squares * (2 if doubled else 1) / np.where(n > 1, n - 1, np.nan))
    names = [f"isi_{name}" for name in STATISTICS]
    made = {f"{name}_mu": float(each) for name, each in zip(names, mean, strict=True)}
    return made | {f"{name}_sigma": float(each) for name, each in zip(names, sigma, strict=True)}
