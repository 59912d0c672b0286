"""Do features look like those of simulations? Two scores of oddness, with p-values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automind_data.calibration.baseline import components

__all__ = ["SCORES", "Misfit", "Oddness"]

FOLDS = 5
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
    """

    score: Floats
    p: Floats


class Misfit:
    """One score of oddness against training features.

    p-values are cross-conformal (Vovk 2015, Annals of Mathematics and Artificial
    Intelligence 74): the training rows are cut into five parts, and a row is ranked among
    the rows of each part by a score that was made without that part. For new rows from
    where the training rows came they are uniform, whatever the score.

    Parameters
    ----------
    x
        Training features as conditioning vectors, (n, d), n of at least 10.
    name
        One of `SCORES`.
    """

    def __init__(self, x: NDArray[Any], name: str) -> None:
        x = np.asarray(x, np.float64)
        make = SCORES[name]
        self._whole = make(x)
        part = np.arange(len(x)) % FOLDS
        self._parts: list[tuple[Score, Floats]] = []
        for number in range(FOLDS):
            score = make(x[part != number])
            self._parts.append((score, np.sort(score(x[part == number]))))
        self.n = len(x)

    def of(self, x: NDArray[Any]) -> Oddness:
        """Return how odd rows of features (m, d) are."""
        x = np.asarray(x, np.float64)
        odder = np.zeros(len(x))
        for score, known in self._parts:
            odder += len(known) - np.searchsorted(known, score(x), side="left")
        return Oddness(self._whole(x), (1 + odder) / (self.n + 1))


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


def _surprise(x: Floats) -> Score:
    """Negative log-density of a Gaussian along principal components, even beyond them.

    Probabilistic principal components (Tipping and Bishop 1999, Journal of the Royal
    Statistical Society B 61). In nat per feature.
    """
    fitted = components(x)
    d = x.shape[1]
    others = d - len(fitted.variance)
    rest = max(fitted.rest, 1e-12)
    level = np.log(fitted.variance).sum() + others * np.log(rest) + d * np.log(2 * np.pi)

    def score(rows: Floats) -> Floats:
        scores = fitted.scores(rows)
        along = (scores**2).sum(axis=1)
        missed = ((rows - fitted.mean) ** 2).sum(axis=1) - (scores**2 * fitted.variance).sum(axis=1)
        beyond = np.maximum(missed, 0) / rest if others else 0.0
        found: Floats = 0.5 * (along + beyond + level) / d
        return found

    return score


def _distances(one: Floats, other: Floats) -> Floats:
    lengths = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)
    squared: Floats = np.maximum(lengths - 2 * one @ other.T, 0)
    return squared


SCORES: dict[str, Callable[[Floats], Score]] = {"mmd": _discrepancy, "density": _surprise}
"""Name of each score → what makes it from training features."""
