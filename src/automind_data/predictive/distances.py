"""Distances between simulations and a target, as the published code takes them.

Two spaces: `log10`, the logarithm of the features, and `standardized`, the same after
the density estimator's own standardisation (float32). Two norms over the D features:
`mse`, the mean square of the differences, and `mae`, the mean of their sizes. The
distance of the published notebook on bursts is D times `log10_mae`. The bounds of the
density estimator's features play no part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automind_data.dgm.conditioning import Recipe

__all__ = ["DISTANCES", "Target", "log_features"]

DISTANCES = ("log10_mse", "log10_mae", "standardized_mse", "standardized_mae")
"""Names of the distances: space and norm."""

Floats = NDArray[np.float64]


def log_features(recipe: Recipe, values: Floats) -> Floats:
    """Take the logarithm of features where the recipe does.

    Parameters
    ----------
    recipe
        Of the density estimator.
    values
        Features (n, d) in the units of the tables, NaN where a cell is empty.

    Returns
    -------
    array (n, d)
        Not finite where a feature is missing or has no logarithm. Rows lie one after the
        other in memory, so that sums over one do not depend on the others.
    """
    logged, values = np.array(recipe.log10, bool), np.ascontiguousarray(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        if logged.all():
            return np.log10(values)
        return np.where(logged, np.log10(values), values)


@dataclass(frozen=True)
class Target:
    """One observation to compare with.

    Attributes
    ----------
    recipe
        Of the density estimator.
    log10, standardized
        The observation in both spaces, (d,).

    Examples
    --------
    >>> z_score = {"kind": "z-score", "mean": [0.0, 0.0], "std": [2.0, 2.0]}
    >>> recipe = Recipe("burst", ("a", "b"), (None, None), (True, True), z_score)
    >>> target = Target.of(recipe, np.array([1.0, 1.0]))
    >>> logs = log_features(recipe, np.array([[10.0, 1000.0]]))
    >>> {name: float(target.distances(logs, name)[0]) for name in DISTANCES[:3]}
    {'log10_mse': 5.0, 'log10_mae': 2.0, 'standardized_mse': 1.25}
    """

    recipe: Recipe
    log10: Floats
    standardized: Floats

    @classmethod
    def of(cls, recipe: Recipe, values: Floats) -> Target:
        """Make the target of an observation's features (d,)."""
        logs = log_features(recipe, values[None])
        return cls(recipe, logs[0], _standardized(recipe, logs)[0])

    def distances(self, logs: Floats, name: str) -> Floats:
        """Measure one of `DISTANCES` from `log_features` (n, d) to the target.

        Returns
        -------
        array (n,)
            Not finite for a row with a feature that is not.
        """
        space, _, norm = name.rpartition("_")
        with np.errstate(invalid="ignore"):
            if space == "log10":
                apart = logs - self.log10
            else:
                apart = _standardized(self.recipe, logs) - self.standardized
            np.square(apart, out=apart) if norm == "mse" else np.abs(apart, out=apart)
            mean: Floats = apart.mean(axis=1)
        return mean


def _standardized(recipe: Recipe, logs: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        return recipe.standardized(logs.astype(np.float32)).astype(np.float64)
