"""Are ranks uniform? Bands around an empirical distribution function that hold everywhere at once.

The test and the bands of Säilynoja, Bürkner and Vehtari (2022, Statistics and
Computing 32:32): at each cut the number of ranks below it is binomial, and the
two-sided tail probability is made so small that a uniform sample stays inside at
all cuts with the wanted probability. That probability is computed, not simulated:
numbers of ranks between cuts are independent Poisson numbers given their sum.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automind_data.calibration.rows import generator

__all__ = ["Uniformity", "bootstrap_band", "resampled"]

CUTS = 100
"""The distribution function is looked at in at most so many places."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Uniformity:
    """The distribution of n independent ranks, each uniform on 0 … cells - 1.

    Parameters
    ----------
    n
        Number of ranks, at least one.
    cells
        Number of values that a rank can have: one more than there are draws.

    Examples
    --------
    >>> even = Uniformity(100, 10)
    >>> ranks = np.arange(100) % 10
    >>> even.p_value(ranks), even.p_value(np.zeros(100, int)) < 1e-6
    (1.0, True)
    """

    def __init__(self, n: int, cells: int) -> None:
        self.n = n
        self.cells = cells
        places = min(cells, CUTS)
        self.cuts: Ints = np.unique(np.arange(1, places) * cells // places)
        self.shares: Floats = self.cuts / cells

    @cached_property
    def _log_factorial(self) -> Floats:
        return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1.0, self.n + 1)))])

    @cached_property
    def _tails(self) -> Floats:
        """Two-sided tail probability of each count at each cut, (cuts, n + 1)."""
        counts = np.arange(self.n + 1)
        factorials = self._log_factorial
        choices = factorials[-1] - factorials - factorials[::-1]
        share = self.shares[:, None]
        mass = np.exp(choices + counts * np.log(share) + counts[::-1] * np.log1p(-share))
        below = np.cumsum(mass, axis=1)
        above = np.cumsum(mass[:, ::-1], axis=1)[:, ::-1]
        tails: Floats = np.minimum(2 * np.minimum(below, above), 1.0)
        return tails

    def counts(self, ranks: NDArray[Any]) -> Ints:
        """Return how many of `ranks` (n,) lie below each cut."""
        found: Ints = np.searchsorted(np.sort(ranks), self.cuts, side="left").astype(np.int64)
        return found

    def deviations(self, ranks: NDArray[Any]) -> Floats:
        """Return the empirical distribution function of `ranks` minus the uniform one, (cuts,)."""
        return self.counts(ranks) / self.n - self.shares

    def p_value(self, ranks: NDArray[Any]) -> float:
        """Return the probability that uniform ranks leave tighter bands than `ranks` (n,) do."""
        seen = self._tails[np.arange(len(self.cuts)), self.counts(ranks)].min()
        return float(min(max(1 - self._inside(seen * (1 + 1e-9)), 0.0), 1.0))

    def band(self, level: float) -> tuple[Floats, Floats]:
        """Return the ends of the band that uniform ranks leave with probability `level` at most.

        Returns
        -------
        (lower, upper)
            Shares of the ranks, (cuts,) each, both still inside.
        """
        low, high = 0.0, level
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if 1 - self._inside(middle) <= level else (low, middle)
        first, last = self._ends(low)
        return first / self.n, last / self.n

    def _ends(self, tail: float) -> tuple[Ints, Ints]:
        kept = self._tails > tail
        first = kept.argmax(axis=1)
        last = self.n - kept[:, ::-1].argmax(axis=1)
        return first.astype(np.int64), last.astype(np.int64)

    def _inside(self, tail: float) -> float:
        """Return the probability that no count has a tail probability of `tail` or less."""
        first, last = self._ends(tail)
        if not (self._tails > tail).any(axis=1).all():
            return 0.0
        state, start, share = np.ones(1), 0, 0.0
        for low, high, cut in zip(first.tolist(), last.tolist(), self.shares, strict=True):
            most = max(high - start, 0)
            grown = np.convolve(state, self._poisson(self.n * (cut - share), most))
            state = np.zeros(high - low + 1)
            part = grown[max(low - start, 0) : high - start + 1]
            offset = max(start - low, 0)
            state[offset : offset + len(part)] = part
            start, share = low, float(cut)
        rest = self._poisson(self.n * (1 - share), self.n)
        left = rest[self.n - start - np.arange(len(state))]
        return float(state @ left / self._poisson(float(self.n), self.n)[-1])

    def _poisson(self, mean: float, most: int) -> Floats:
        counts = np.arange(most + 1)
        mass: Floats = np.exp(counts * np.log(mean) - mean - self._log_factorial[: most + 1])
        return mass


def resampled(ranks: NDArray[Any], even: Uniformity, resamples: int, seed: int) -> Floats:
    """Return the deviations of bootstrap samples of ranks (n,), (resamples, cuts)."""
    below = (ranks[:, None] < even.cuts).astype(np.float64)
    lots = generator(seed, "bootstrap")
    chosen = lots.multinomial(even.n, np.full(even.n, 1 / even.n), size=resamples)
    deviations: Floats = chosen @ below / even.n - even.shares
    return deviations


def bootstrap_band(
    ranks: NDArray[Any], even: Uniformity, level: float, resamples: int, seed: int
) -> tuple[Floats, Floats]:
    """Return a band around the distribution function of ranks by resampling the pairs.

    Its width is the same everywhere: `level` of the bootstrap samples leave it somewhere.

    Returns
    -------
    (lower, upper)
        Shares of the ranks, (cuts,) each.
    """
    found = even.deviations(ranks)
    largest = np.abs(resampled(ranks, even, resamples, seed) - found).max(axis=1)
    width = float(np.sort(largest)[min(int((1 - level) * resamples), resamples - 1)])
    covered = even.shares + found
    return np.maximum(covered - width, 0), np.minimum(covered + width, 1)
