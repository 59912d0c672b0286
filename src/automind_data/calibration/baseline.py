"""What a linear regression knows: the Gaussian that a density estimator has to beat."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Components", "Gaussian", "components", "fit_gaussian"]

MOST = 20
"""Most principal components that the features are reduced to."""
PENALTIES = 10.0 ** np.arange(-2, 7)
WIDTHS = np.geomspace(0.05, 20, 40)
"""Standard deviations that are tried, in units of the prior's range; the last is flat."""
FITTED = 1000
"""The widths are fitted to so many rows at most."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Components:
    """The principal components of features.

    Attributes
    ----------
    mean, axes
        Of the features, (d,) and (k, d).
    variance
        Of the features along each axis, (k,).
    rest
        Mean variance along all other directions; 0 where there is none.
    """

    mean: Floats
    axes: Floats
    variance: Floats
    rest: float

    def scores(self, x: NDArray[Any]) -> Floats:
        """Return the coordinates of rows (n, d) along the axes, each of unit variance, (n, k)."""
        scores: Floats = (x - self.mean) @ self.axes.T / np.sqrt(self.variance)
        return scores


def components(x: NDArray[Any]) -> Components:
    """Return the first principal components of features (n, d), n > 1.

    At most one for ten rows (for four-dimensional features all four), and 20.
    """
    x = np.asarray(x, np.float64)
    mean = x.mean(axis=0)
    n, d = x.shape
    _, values, axes = np.linalg.svd(x - mean, full_matrices=False)
    variance = values**2 / (n - 1)
    held = int((variance > 1e-10 * max(variance[0], 1e-300)).sum())
    k = max(min(held, MOST, max(n // 10, 1)), 1)
    rest = float(variance[k:].sum() / max(d - k, 1)) if k < held else 0.0
    return Components(mean, axes[:k], np.maximum(variance[:k], 1e-300), rest)


@dataclass(frozen=True)
class Gaussian:
    """Independent Gaussians in the unit cube whose means are linear in the features.

    Attributes
    ----------
    components
        Of the training features.
    weights, offset
        From scores to means, (k, 28) and (28,).
    widths
        Standard deviation of each parameter before it is cut to the cube, (28,).
    """

    components: Components
    weights: Floats
    offset: Floats
    widths: Floats

    def log_prob(self, u: NDArray[Any], x: NDArray[Any]) -> Floats:
        """Return the log-density of parameters (n, 28) given one x (d,), with no mass outside."""
        mean = _means(self.components.scores(x[None]) @ self.weights + self.offset)
        density: Floats = _log_density(np.asarray(u, np.float64), mean, self.widths).sum(axis=1)
        return density


def fit_gaussian(u: NDArray[Any], x: NDArray[Any]) -> Gaussian:
    """Fit the baseline to training rows.

    Parameters
    ----------
    u
        Parameters in the unit cube, (n, 28), n > 2.
    x
        Conditioning vectors, (n, d).

    Notes
    -----
    Ridge regression on principal components. One penalty for all parameters, the one
    with the smallest leave-one-out error (Allen 1974, Technometrics 16); the width of each
    parameter has the highest likelihood of the leave-one-out residuals. A parameter that
    the features say nothing about gets the widest and so all but the prior.
    """
    u = np.asarray(u, np.float64)
    reduced = components(x)
    scores = reduced.scores(np.asarray(x, np.float64))
    offset = u.mean(axis=0)
    left, values, right = np.linalg.svd(scores, full_matrices=False)
    projected = left.T @ (u - offset)
    best = None
    for penalty in PENALTIES:
        shrunk = values**2 / (values**2 + penalty)
        leverage = (left**2 * shrunk).sum(axis=1) + 1 / len(u)
        residual = (u - offset - left @ (shrunk[:, None] * projected)) / (1 - leverage)[:, None]
        error = float((residual**2).mean())
        if best is None or error < best[0]:
            weights = right.T @ ((values / (values**2 + penalty))[:, None] * projected)
            best = error, weights, residual
    assert best is not None
    _, weights, residual = best
    rows = slice(None, None, -(-len(u) // FITTED))
    means = _means(u - residual)[rows]
    likelihood = np.stack(
        [_log_density(u[rows], means, np.full(u.shape[1], width)).sum(axis=0) for width in WIDTHS]
    )
    return Gaussian(reduced, weights, offset, WIDTHS[likelihood.argmax(axis=0)])


def _means(raw: Floats) -> Floats:
    clipped: Floats = np.clip(raw, 0, 1)
    return clipped


def _log_density(u: Floats, mean: Floats, width: Floats) -> Floats:
    """Return the log-density of Gaussians cut to [0, 1], cell by cell."""
    scale = width * math.sqrt(2)
    inside = _erf((1 - mean) / scale) + _erf(mean / scale)
    density: Floats = (
        -(((u - mean) / scale) ** 2) - np.log(scale * math.sqrt(math.pi) / 2) - np.log(inside)
    )
    return density


def _erf(values: Floats) -> Floats:
    return np.array([math.erf(value) for value in values.ravel()]).reshape(values.shape)
