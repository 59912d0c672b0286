"""Do features look like those of simulations? Two scores of oddness, with p-values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automind_data.calibration.baseline import Components, components

__all__ = ["OUTSIDE", "SCORES", "Misfit", "Oddness", "Score", "Surprise", "find_misfit"]

FOLDS = 5
OUTSIDE = 0.01
"""A row with a p-value of this or less lies outside."""
BITS = 20
"""Of what is fitted and scored so many are kept: the rest differs between processors."""
Floats = NDArray[np.float64]
Score = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Oddness:
    """How odd some rows of features are, against training features.

    Attributes
    ----------
    score
        (n,): the larger, the odder.
    p
        (n,): share of simulations that are at least as odd, n + 1 of them with the row.
    outside
        (n,): whether `p` is `OUTSIDE` or less, or as small as it can be.
    """

    score: Floats
    p: Floats
    outside: NDArray[np.bool_]


@dataclass(frozen=True)
class Misfit:
    """One score of oddness against training features.

    p-values are cross-conformal (Vovk 2015, Annals of Mathematics and Artificial
    Intelligence 74): the training rows are cut into five parts, and a row is ranked among
    the rows of each part by a score that was made without that part. On average over
    training rows they are all but uniform for new rows from where those came, whatever the
    score. For the training rows at hand the share of new rows that lie outside is itself
    a draw: from a beta distribution, see `outside_of`.

    Attributes
    ----------
    whole
        The score that all training rows made.
    parts
        A score that was made without one part, and the sorted scores of that part.
    """

    whole: Score
    parts: tuple[tuple[Score, Floats], ...]

    @property
    def n(self) -> int:
        """Number of training rows."""
        return sum(len(known) for _, known in self.parts)

    @property
    def outside_of(self) -> tuple[int, int]:
        """Return (a, b): of new rows a in b lie outside on average.

        The share that lies outside, given the training rows, has the distribution
        Beta(a, b - a) (Vovk 2012, Proceedings of Machine Learning Research 25).
        """
        return max(int(OUTSIDE * (self.n + 1) + 1e-9), 1), self.n + 1

    def of(self, x: NDArray[Any]) -> Oddness:
        """Return how odd rows of features (m, d) are."""
        x = np.asarray(x, np.float64)
        odder = np.zeros(len(x), np.int64)
        for score, known in self.parts:
            odder += len(known) - np.searchsorted(known, score(x), side="left")
        few, all_of_them = self.outside_of
        return Oddness(self.whole(x), (1 + odder) / all_of_them, odder < few)


def find_misfit(x: NDArray[Any], name: str) -> Misfit:
    """Make one score of oddness.

    Parameters
    ----------
    x
        Training features as conditioning vectors, (n, d), n of at least 10.
    name
        One of `SCORES`.
    """
    x = np.asarray(x, np.float64)
    make = SCORES[name]
    part = np.arange(len(x)) % FOLDS
    made = ((make(x[part != number]), x[part == number]) for number in range(FOLDS))
    return Misfit(make(x), tuple((score, np.sort(score(rows))) for score, rows in made))


def _discrepancy(x: Floats) -> Score:
    """Squared maximum mean discrepancy between one row and the training rows.

    Gaussian kernel, its width the median distance between training rows (Gretton et al.
    2012, Journal of Machine Learning Research 13; for one observation: Schmitt et al. 2023).
    """
    squared = _distances(x, x)
    scale = float(np.median(squared[~np.eye(len(x), dtype=bool)])) or 1.0
    own = float(np.exp(-squared / scale).mean())

    def score(rows: Floats) -> Floats:
        found: Floats = 1 + own - 2 * np.exp(-_distances(rows, x) / scale).mean(axis=1)
        return found

    return score


@dataclass(frozen=True)
class Surprise:
    """Negative log-density of a Gaussian along principal components, even beyond them.

    Probabilistic principal components (Tipping and Bishop 1999, Journal of the Royal
    Statistical Society B 61). In nat per feature.
    """

    fitted: Components

    def __call__(self, rows: Floats) -> Floats:
        """Return the score of rows (n, d), (n,)."""
        fitted = self.fitted
        k, d = fitted.axes.shape
        rest = max(fitted.rest, 1e-12)
        level = np.log(fitted.variance).sum() + (d - k) * np.log(rest) + d * np.log(2 * np.pi)
        scores = fitted.scores(rows)
        along = (scores**2).sum(axis=1)
        missed = ((rows - fitted.mean) ** 2).sum(axis=1) - (scores**2 * fitted.variance).sum(axis=1)
        beyond = np.maximum(missed, 0) / rest if d > k else 0.0
        return _short(0.5 * (along + beyond + level) / d)


def _surprise(x: Floats) -> Score:
    fitted = components(x)
    axes = fitted.axes
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    rest = float(_short(np.array(fitted.rest)))
    signed = _short(axes * np.sign(largest))
    return Surprise(Components(_short(fitted.mean), signed, _short(fitted.variance), rest))


def _short(values: Floats) -> Floats:
    mantissa, exponent = np.frexp(values)
    shortened: Floats = np.ldexp(np.round(mantissa * 2.0**BITS), exponent - BITS)
    return shortened


def _distances(one: Floats, other: Floats) -> Floats:
    lengths = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)
    squared: Floats = np.maximum(lengths - 2 * one @ other.T, 0)
    return squared


SCORES: dict[str, Callable[[Floats], Score]] = {"mmd": _discrepancy, "density": _surprise}
"""Name of each score → what makes it from training features."""
