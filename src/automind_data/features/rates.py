"""Population rates: binning, Gaussian smoothing, decimation."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["bin_of", "decimated", "gaussian", "number_of_bins", "population_rate", "smoothed"]

Floats = NDArray[np.float64]

NEAR = 1e-6
"""A spike this close to an edge, in bins, is compared with the edge itself."""


def number_of_bins(t_end: float, step: float) -> int:
    """Count the bins of a recording: `ceil((t_end + step) / step) - 1`, in float64 as published.

    >>> number_of_bins(250.0, 0.001), number_of_bins(30.1, 0.001)
    (250000, 30101)
    """
    return math.ceil((t_end + step) / step) - 1


def bin_of(times: Floats, step: float, bins: int) -> NDArray[np.int64]:
    """Find the bin of each time; bins are centred on the multiples of `step`.

    Parameters
    ----------
    times
        Not negative, (n,), s.
    step, bins
        Width in s and number of the bins. Bin k is [k * step - step/2, (k+1) * step - step/2);
        the last one includes its end.

    Returns
    -------
    int64 array (n,)
        `bins` or more for a time after the last bin.
    """
    place = times / step
    place += 0.5
    index = place.astype(np.int64)
    place -= index
    near = np.flatnonzero((place < NEAR) | (place > 1 - NEAR))
    if near.size:
        half, spikes, own = step / 2, times[near], index[near]
        own -= spikes < own * step - half
        own += spikes >= (own + 1) * step - half
        own[spikes == bins * step - half] = bins - 1
        index[near] = own
    return index


def population_rate(times: Floats, cells: int, t_end: float, step: float) -> Floats:
    """Count all spikes of a population in bins, as a rate per cell.

    Parameters
    ----------
    times
        Spike times of all cells, (n,), s.
    cells
        How many cells there are, silent ones included.
    t_end, step
        End of the recording and width of a bin, s.

    Returns
    -------
    float64 array (bins,)
        Hz per cell; bin k is centred on k * step.
    """
    bins = number_of_bins(t_end, step)
    counts = np.bincount(bin_of(times, step, bins), minlength=bins)[:bins]
    rate: Floats = counts / step / cells
    return rate


def gaussian(std: float, step: float, centred: bool = False) -> Floats:
    """Make the smoothing window: 7 standard deviations long in all, sum 1.

    Parameters
    ----------
    std, step
        Standard deviation and sampling step, s.
    centred
        Take an odd number of samples. The published window can have an even one, which
        shifts what it smooths by half a sample.

    Raises
    ------
    ValueError
        The standard deviation is shorter than a step.
    """
    length, width = int(7 * std / step), int(std / step)
    if width < 1:
        raise ValueError(f"a Gaussian of {std} s cannot be sampled in steps of {step} s")
    if centred and length % 2 == 0:
        length += 1
    at = np.arange(length) - (length - 1) / 2
    window = np.exp(-(at**2) / (2 * width**2))
    unit: Floats = window / window.sum()
    return unit


def smoothed(rate: Floats, window: Floats) -> Floats:
    """Convolve a rate with a window that is no longer; zero outside, no correction at the ends.

    Returns
    -------
    float64 array
        As long as `rate`.
    """
    curve: Floats = np.convolve(rate, window, "same").astype(np.float64, copy=False)
    return curve


def decimated(rate: Floats, factor: int) -> Floats:
    """Keep each `factor`-th sample behind a zero-phase low-pass filter.

    The filter is SciPy's `decimate(ftype="iir", zero_phase=True)`: Chebyshev, order 8, run
    forward and backward.
    """
    if factor == 1:
        return rate
    from scipy.signal import decimate

    kept: Floats = decimate(rate, factor, ftype="iir", zero_phase=True)
    return kept
