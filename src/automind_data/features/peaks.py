"""Peaks of a sampled curve: where they are, how far they stand out, how wide they are.

Definitions and their order are those of SciPy's `find_peaks`, `peak_prominences` and
`peak_widths`. Only candidates that can reach the least prominence are looked at, which
changes nothing: a peak is deleted by higher ones alone.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["find_peaks", "local_maxima", "peak_widths", "prominences"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def local_maxima(curve: Floats) -> Ints:
    """Find samples higher than both neighbours; of a flat top the middle, rounded down.

    >>> local_maxima(np.array([0.0, 1, 0, 2, 2, 2, 0, 3]))
    array([1, 4])
    """
    steps = np.diff(curve)
    moves = np.flatnonzero(steps)
    ups = steps[moves] > 0
    tops = np.flatnonzero(ups[:-1] & ~ups[1:])
    return (moves[tops] + 1 + moves[tops + 1]) // 2


def find_peaks(
    curve: Floats, distance: float, height: float | None, prominence: float | None, window: int = 0
) -> tuple[Ints, Floats, Ints, Ints]:
    """Find peaks by least height, then least distance, then least prominence.

    Parameters
    ----------
    curve
        The samples, (n,).
    distance
        Of two peaks closer than this, in samples, the lower one goes.
    height, prominence
        Least ones, or None.
    window
        As for `prominences`.

    Returns
    -------
    (peaks, prominences, left bases, right bases)
    """
    peaks = local_maxima(curve)
    if height is not None:
        peaks = peaks[curve[peaks] >= height]
    if prominence is not None and peaks.size:
        peaks = peaks[curve[peaks] - curve.min() >= prominence]
    peaks = _apart(peaks, curve[peaks], distance)
    stands, left, right = prominences(curve, peaks, window)
    if prominence is not None:
        kept = stands >= prominence
        peaks, stands, left, right = peaks[kept], stands[kept], left[kept], right[kept]
    return peaks, stands, left, right


def _apart(peaks: Ints, heights: Floats, distance: float) -> Ints:
    least = math.ceil(distance)
    if not peaks.size or int(np.diff(peaks, prepend=peaks[0] - least).min()) >= least:
        return peaks
    kept = np.ones(len(peaks), dtype=bool)
    first = np.searchsorted(peaks, peaks - least, side="right")
    last = np.searchsorted(peaks, peaks + least, side="left")
    for at in np.argsort(heights, kind="stable")[::-1].tolist():
        if kept[at]:
            kept[first[at] : last[at]] = False
            kept[at] = True
    left: Ints = peaks[kept]
    return left


def prominences(curve: Floats, peaks: Ints, window: int = 0) -> tuple[Floats, Ints, Ints]:
    """Measure how far each peak stands above the higher of the two valleys beside it.

    Parameters
    ----------
    curve, peaks
        The samples, (n,), and indices of peaks, (m,).
    window
        A valley is looked for in `window // 2` samples to each side, and no further than
        the next higher sample; 0: in the whole curve.

    Returns
    -------
    (prominences, left bases, right bases)
        Each (m,); a base is where the lowest sample of a side lies, the nearest of equals.
    """
    reach = window // 2 if window >= 2 else len(curve)
    stands = np.empty(len(peaks))
    left, right = np.empty(len(peaks), np.int64), np.empty(len(peaks), np.int64)
    for number, peak in enumerate(peaks.tolist()):
        top = curve[peak]
        before = curve[max(peak - reach, 0) : peak + 1][::-1]
        after = curve[peak : peak + reach + 1]
        down, up = _valley(before, top), _valley(after, top)
        left[number], right[number] = peak - down, peak + up
        stands[number] = top - max(before[down], after[up])
    return stands, left, right


def _valley(side: Floats, top: float) -> int:
    """Find the lowest sample before the first one above `top`."""
    higher = side > top
    stop = int(higher.argmax())
    return int((side[:stop] if higher[stop] else side).argmin())


def peak_widths(
    curve: Floats, peaks: Ints, stands: Floats, left: Ints, right: Ints, share: float
) -> tuple[Floats, Floats]:
    """Find where the curve crosses a share of each prominence below the peak.

    Parameters
    ----------
    curve, peaks, stands, left, right
        The samples, and what `find_peaks` gave.
    share
        0: at the peak; 1: at the base.

    Returns
    -------
    (left crossings, right crossings)
        In samples, between samples by linear interpolation; not beyond the bases.
    """
    starts, ends = np.empty(len(peaks)), np.empty(len(peaks))
    for number, peak in enumerate(peaks.tolist()):
        level = curve[peak] - stands[number] * share
        down, part = _crossing(curve[left[number] : peak + 1][::-1], level)
        starts[number] = peak - down + part
        up, part = _crossing(curve[peak : right[number] + 1], level)
        ends[number] = peak + up - part
    return starts, ends


def _crossing(side: Floats, level: float) -> tuple[int, float]:
    """Find the first sample not above a level, and how far before it the level is crossed."""
    below = side <= level
    at = int(below.argmax())
    if not below[at]:
        return len(side) - 1, 0.0
    if side[at] < level:
        return at, float((level - side[at]) / (side[at - 1] - side[at]))
    return at, 0.0
