"""Principal components of the cells' smoothed rates: exact, block by block of time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from automind_data.dgm.draws import default_threads
from automind_data.features.rates import bin_of, gaussian, number_of_bins

__all__ = ["pca_features"]

Floats = NDArray[np.float64]

TILE = 64
"""Bins that one matrix product smooths."""

BLOCK = 16 * TILE
"""Bins that one thread takes at a time, for all cells. Another size gives other last digits."""


def pca_features(
    times: Floats,
    offsets: NDArray[np.int64],
    t_end: float,
    step: float,
    std: float,
    components: int,
    threads: int | None = None,
) -> dict[str, float]:
    """Compute the total variance and the shares of it that the first components explain.

    Parameters
    ----------
    times, offsets
        Spike times of cell i are `times[offsets[i]:offsets[i + 1]]`, s.
    t_end
        End of the recording, s; all of it is looked at.
    step, std
        Bin and standard deviation of the smoothing, s.
    components
        How many; NaN for those beyond the number of cells.
    threads
        Blocks of time computed side by side; speed only.

    Returns
    -------
    dict
        `pca_total`, the mean over cells of the variance over time, Hz²; `pca_<j>`, the
        share of component j.

    Raises
    ------
    ValueError
        The recording is shorter than the smoothing window.

    Notes
    -----
    The shares are the exact eigenvalues of the covariance of cells. The published ones
    are too where there are at least ten bins per cell and at most 1,000 cells; beyond
    that they come from a randomised approximation and small ones are not repeatable.
    """
    cells, bins = len(offsets) - 1, number_of_bins(t_end, step)
    window = gaussian(std, step)
    if bins < len(window):
        raise ValueError(f"needs {len(window) * step:g} s, there are {bins * step:g} s")
    keys = _keys(times, offsets, step, bins)
    banded = _banded(window)
    before = len(window) - 1 - (len(window) - 1) // 2

    def sums(start: int) -> tuple[Floats, Floats]:
        block = _smoothed(keys, cells, start - before, min(BLOCK, bins - start), banded)
        return block.T @ block, block.sum(axis=0)

    moments, total = np.zeros((cells, cells)), np.zeros(cells)
    workers = threads or default_threads()
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[tuple[Floats, Floats]]] = deque()
        starts = iter(range(0, bins, BLOCK))
        for _ in range(workers):
            waiting.extend(pool.submit(sums, start) for start in _next(starts))
        while waiting:
            products, sizes = waiting.popleft().result()
            waiting.extend(pool.submit(sums, start) for start in _next(starts))
            moments += products
            total += sizes
    mean = total / bins
    covariance = (moments / bins - np.outer(mean, mean)) / step**2
    variances = np.linalg.eigvalsh(covariance)[::-1]
    whole = float(np.trace(covariance))
    made = {"pca_total": whole / cells}
    for number in range(components):
        known = number < cells and whole > 0
        made[f"pca_{number + 1}"] = float(variances[number]) / whole if known else float("nan")
    return made


def _next(starts: Iterator[int]) -> list[int]:
    return list(islice(starts, 1))


def _smoothed(keys: NDArray[np.int64], cells: int, start: int, size: int, banded: Floats) -> Floats:
    """Smooth the counts of `size` bins, (size, cells); `start` is the first bin they need."""
    reach = banded.shape[1]
    tiles = -(-size // TILE)
    counts = _counts(keys, cells, start, tiles * TILE + reach - TILE)
    block = np.empty((tiles * TILE, cells))
    for at in range(0, tiles * TILE, TILE):
        np.matmul(banded, counts[at : at + reach], out=block[at : at + TILE])
    return block[:size]


def _keys(times: Floats, offsets: NDArray[np.int64], step: float, bins: int) -> NDArray[np.int64]:
    """Give `bin * cells + cell` of each spike inside the bins, sorted."""
    cells = len(offsets) - 1
    keys = bin_of(times, step, bins)
    inside = keys < bins
    keys *= cells
    keys += np.repeat(np.arange(cells), np.diff(offsets))
    if not inside.all():
        keys = keys[inside]
    keys.sort()
    return keys


def _counts(keys: NDArray[np.int64], cells: int, start: int, rows: int) -> Floats:
    """Count the spikes of each cell in `rows` bins from `start` on, (rows, cells)."""
    first, last = np.searchsorted(keys, [start * cells, (start + rows) * cells])
    counts = np.bincount(keys[first:last] - start * cells, minlength=rows * cells)
    return counts.reshape(rows, cells).astype(np.float64)


def _banded(window: Floats) -> Floats:
    """Write the convolution with a window as a matrix, (TILE, TILE + len(window) - 1)."""
    made = np.zeros((TILE, TILE + len(window) - 1))
    for row in range(TILE):
        made[row, row : row + len(window)] = window[::-1]
    return made
