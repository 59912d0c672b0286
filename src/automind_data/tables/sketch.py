"""Quantiles of any number of values, in little memory and in any order.

A bucket holds the values with the same sign, the same exponent and the same
seven binary digits after the first: the leading bits of a float64, taken as they
are. Counting needs no logarithm and no rounding, so the same values give the
same counts on every processor, whatever their order and however they are cut
into pieces, and counts of two pieces add up. The idea of buckets of equal
relative width is that of DDSketch (Masson, Rim and Lee 2019).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["ERROR", "PERCENT", "Sketch", "cut"]

PERCENT = (1, 5, 25, 50, 75, 95, 99)
"""The quantiles that a profile states."""

BITS = 7
ERROR = 2.0**-BITS
"""A stated quantile is nearer to zero than the value it stands for, by less than this share."""

SMALLEST, LARGEST = 2.0**-96, 2.0**96
"""Where the buckets begin and end: nearer to zero is zero, farther is the last bucket."""

_SHIFT = np.int64(52 - BITS)
_MAGNITUDE = np.int64(0x7FFFFFFFFFFFFFFF)
_FIRST = int(np.float64(SMALLEST).view(np.int64) >> _SHIFT)
_LAST = int(np.float64(LARGEST).view(np.int64) >> _SHIFT) - _FIRST + 1
_SPARE = 512


def _buckets(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the bucket of each value: 0 is zero, growing with the value, -n that of -x if n of x.

    `values` are finite and their memory is theirs alone: it is written over.
    """
    bits = values.view(np.int64)
    negative = bits < 0
    bits &= _MAGNITUDE
    bits >>= _SHIFT
    bits -= _FIRST - 1
    np.clip(bits, 0, _LAST, out=bits)
    if negative.any():
        np.negative(bits, out=bits, where=negative)
    return bits


def _edges(buckets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the ends of buckets that are nearer to zero."""
    bits = (np.abs(buckets) + (_FIRST - 1)) << _SHIFT
    edges: NDArray[np.float64] = np.copysign(bits.view(np.float64), buckets)
    edges[buckets == 0] = 0.0
    return edges


def cut(value: float) -> float:
    """Return what a sketch keeps of a value: its first eight binary digits.

    Examples
    --------
    >>> cut(3.0), cut(-255.0), cut(0.1), cut(1e-300)
    (3.0, -255.0, 0.099609375, 0.0)
    """
    return float(_edges(_buckets(np.array([value], np.float64)))[0])


class Sketch:
    """Counts values by bucket.

    Examples
    --------
    >>> sketch = Sketch()
    >>> sketch.add(np.arange(1.0, 101.0))
    >>> sketch.quantiles((5, 50))
    [5.0, 50.0]
    """

    def __init__(self) -> None:
        self._low = 0
        self._counts = np.zeros(0, np.uint32)

    def add(self, values: NDArray[np.float64]) -> None:
        """Count finite values; their memory is written over."""
        if not len(values):
            return
        buckets = _buckets(values)
        low = int(buckets.min())
        buckets -= low
        self._add(low, np.bincount(buckets))

    def merge(self, other: Sketch) -> None:
        """Count what another sketch has counted."""
        if len(other._counts):
            self._add(other._low, other._counts)

    def _add(self, low: int, counts: NDArray[np.int64] | NDArray[np.uint32]) -> None:
        high = low + len(counts)
        if not len(self._counts):
            self._low = low
        before, after = self._low - low, high - self._low - len(self._counts)
        if before > 0 or after > 0:
            spare = (before + _SPARE if before > 0 else 0, after + _SPARE if after > 0 else 0)
            self._counts = np.pad(self._counts, spare)
            self._low -= spare[0]
        part = self._counts[low - self._low : high - self._low]
        np.add(part, counts, out=part, casting="unsafe")

    def quantiles(self, percent: tuple[int, ...] = PERCENT) -> list[float]:
        """Return, for each percentage, the smallest value that so many values do not exceed.

        Each is cut off after eight binary digits; see `ERROR`, `SMALLEST` and
        `LARGEST`. Nothing was counted: nothing is returned.
        """
        reached = np.cumsum(self._counts, dtype=np.int64)
        total = int(reached[-1]) if len(reached) else 0
        if not total:
            return []
        wanted = [max(1, -(-each * total // 100)) for each in percent]
        return list(map(float, _edges(self._low + np.searchsorted(reached, wanted))))
