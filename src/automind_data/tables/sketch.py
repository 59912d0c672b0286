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

from automind_data.common.machine_code import Compiled, as_bits

__all__ = ["ERROR", "PERCENT", "Sketch", "buckets_of", "cut"]

PERCENT = (1, 5, 25, 50, 75, 95, 99)
"""The quantiles that a profile states."""

BITS = 7
ERROR = 2.0**-BITS
"""A stated quantile is nearer to zero than the value it stands for, by less than this share."""

SMALLEST, LARGEST = 2.0**-96, 2.0**96
"""Where the buckets begin and end: nearer to zero is zero, farther is the last bucket."""

_SHIFT = 52 - BITS
_MAGNITUDE = 0x7FFFFFFFFFFFFFFF
_FIRST = as_bits(SMALLEST) >> _SHIFT
_LAST = (as_bits(LARGEST) >> _SHIFT) - _FIRST + 1
_SPARE = 512


def bucket(bits: int) -> int:
    """Return the bucket of the finite value with these bits.

    0 is zero, growing with the value, -n that of -x if n is that of x.
    """
    magnitude = ((bits & _MAGNITUDE) >> _SHIFT) - (_FIRST - 1)
    if magnitude < 0:
        magnitude = 0
    if magnitude > _LAST:
        magnitude = _LAST
    if bits < 0:
        magnitude = -magnitude
    return magnitude


def buckets_of(
    values: NDArray[np.float64],
    count: int,
    buckets: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> None:
    """Write the bucket of each finite value, and the lowest and highest of them into `ends`."""
    low = _LAST
    high = -_LAST
    for place in range(count):
        found = bucket(as_bits(values[place]))
        buckets[place] = found
        if found < low:
            low = found
        if found > high:
            high = found
    ends[0] = low
    ends[1] = high


_buckets = Compiled(buckets_of)


@Compiled
def _count(buckets: NDArray[np.int64], count: int, low: int, counts: NDArray[np.uint32]) -> None:
    """Add 1 to the count of each bucket; `low` is that of the first count."""
    for place in range(count):
        counts[buckets[place] - low] += 1


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
    return float(_edges(np.array([bucket(as_bits(value))]))[0])


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
        """Count finite values."""
        buckets, ends = np.empty(len(values), np.int64), np.empty(2, np.int64)
        if len(values):
            _buckets(values, len(values), buckets, ends)
            self.count(buckets, len(values), *ends.tolist())

    def count(self, buckets: NDArray[np.int64] | int, count: int, low: int, high: int) -> None:
        """Count values by their buckets, of which these are the lowest and the highest.

        `buckets` are an array or its address, as `buckets_of` fills it.
        """
        self._reach(low, high + 1)
        _count(buckets, count, self._low, self._counts)

    def merge(self, other: Sketch) -> None:
        """Count what another sketch has counted."""
        if len(other._counts):
            low, high = other._low, other._low + len(other._counts)
            self._reach(low, high)
            self._counts[low - self._low : high - self._low] += other._counts

    def _reach(self, low: int, high: int) -> None:
        """Make room for the buckets from `low` to before `high`."""
        if not len(self._counts):
            self._low = low
        before, after = self._low - low, high - self._low - len(self._counts)
        if before > 0 or after > 0:
            spare = (before + _SPARE if before > 0 else 0, after + _SPARE if after > 0 else 0)
            counts = np.zeros(sum(spare) + len(self._counts), np.uint32)
            counts[spare[0] : spare[0] + len(self._counts)] = self._counts
            self._counts, self._low = counts, self._low - spare[0]

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
