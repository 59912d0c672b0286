"""Posteriors that are wrong in a known way: checks must catch them, and nothing else.

The truth is known where parameters are drawn from a density estimator itself at the
held-out observations. The estimator must then pass every check, and each of these fail.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from automind_data.calibration.measure import Posterior, Truths
from automind_data.calibration.rows import generator
from automind_data.dgm.model import DGM
from automind_data.dgm.rejection import Draws

__all__ = ["Prior", "Shifted", "Widened", "final_layer_scaled", "known_truths"]


def known_truths(
    posterior: Posterior, keys: Sequence[str], x: NDArray[np.float32], pairs: int, seed: int
) -> list[Truths]:
    """Draw true parameters from a posterior at observations.

    Parameters
    ----------
    posterior
        What the truth is drawn from.
    keys, x
        Keys of the observations and their conditioning vectors, (m, n_features).
    pairs
        At least so many in all, the same number at each observation.
    seed
        Of the draws; their streams are not those that calibration draws from.
    """
    each = -(-pairs // len(keys))
    return [
        Truths(key, vector, posterior.draw(vector, each, seed, stream=f"truth {key}").u)
        for key, vector in zip(keys, x, strict=True)
    ]


class Prior:
    """The prior passed off as a posterior: uniform in the unit cube, whatever the observation."""

    def __init__(self, width: int) -> None:
        self._width = width

    def draw(
        self,
        x: ArrayLike,
        n: int,
        seed: int,
        *,
        stream: str | None = None,
        at_least: int = 1,
        at_most: int = 10_000_000,
    ) -> Draws:
        """Draw from the unit cube."""
        u = generator(seed, "prior", stream).random((n, self._width), dtype=np.float32)
        return Draws(u, np.zeros(n, np.float32), np.arange(n), n, n)

    def log_prob_unit(self, u: ArrayLike, x: ArrayLike) -> NDArray[Any]:
        """Return 0 for every row."""
        return np.zeros(len(np.array(u, ndmin=2)))


class Widened:
    """A posterior whose draws are moved away from their mean by a factor, out of the box too."""

    def __init__(self, base: DGM, factor: float) -> None:
        self._base, self._factor = base, factor
        self._means: dict[bytes, NDArray[np.float64]] = {}

    def draw(
        self,
        x: ArrayLike,
        n: int,
        seed: int,
        *,
        stream: str | None = None,
        at_least: int = 1,
        at_most: int = 10_000_000,
    ) -> Draws:
        """Draw from the posterior and widen."""
        made = self._base.draw(x, n, seed, stream=stream, at_least=at_least, at_most=at_most)
        mean = made.u.mean(axis=0, dtype=np.float64)
        self._means[np.asarray(x).tobytes()] = mean
        u = (mean + self._factor * (made.u - mean)).astype(np.float32)
        log_prob = made.log_prob - np.float32(len(mean) * math.log(self._factor))
        return Draws(u, log_prob, made.draw, made.drawn, made.accepted)

    def log_prob_unit(self, u: ArrayLike, x: ArrayLike) -> NDArray[Any]:
        """Evaluate the density of the widened draws; `draw` for this x comes first."""
        mean = self._means[np.asarray(x).tobytes()]
        inner = mean + (np.array(u, np.float64, ndmin=2) - mean) / self._factor
        return self._base.log_prob_unit(inner, x) - len(mean) * math.log(self._factor)


class Shifted:
    """A posterior one of whose parameters is moved by a share of its box."""

    def __init__(self, base: DGM, parameter: int, shift: float) -> None:
        self._base = base
        self._shift = np.zeros(len(base.names), np.float32)
        self._shift[parameter] = shift

    def draw(
        self,
        x: ArrayLike,
        n: int,
        seed: int,
        *,
        stream: str | None = None,
        at_least: int = 1,
        at_most: int = 10_000_000,
    ) -> Draws:
        """Draw from the posterior and shift."""
        made = self._base.draw(x, n, seed, stream=stream, at_least=at_least, at_most=at_most)
        u = made.u + self._shift
        return Draws(u, made.log_prob, made.draw, made.drawn, made.accepted)

    def log_prob_unit(self, u: ArrayLike, x: ArrayLike) -> NDArray[Any]:
        """Evaluate the density of the shifted draws."""
        return self._base.log_prob_unit(np.array(u, np.float32, ndmin=2) - self._shift, x)


def final_layer_scaled(dgm: DGM, factor: float) -> DGM:
    """Return a density estimator with the final layer of its last network scaled."""
    last = [name for name in dgm.tensors if name.endswith("final_layer.weight")]
    number = max(last, key=lambda name: int(name.split("_transforms.")[1].split(".")[0]))
    changed = {
        name: values * np.float32(factor)
        if name.rpartition(".")[0] == number.rpartition(".")[0] and values.dtype.kind == "f"
        else values
        for name, values in dgm.tensors.items()
    }
    return DGM(dgm.description, changed)
