"""Draw from a posterior beside the parameters that made each observation, and count."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from automind_data.calibration.baseline import Gaussian
from automind_data.calibration.rows import generator
from automind_data.dgm.rejection import Draws, Leak

__all__ = ["Acceptance", "Measured", "Posterior", "Settings", "Truths", "measure"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Posterior(Protocol):
    """What is calibrated: a `DGM`, or anything that draws and evaluates as it does."""

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
        """Draw n unit-cube parameters given x; see `DGM.draw`."""

    def log_prob_unit(self, u: ArrayLike, x: ArrayLike) -> NDArray[Any]:
        """Evaluate the log-density of parameters (n, d), not corrected by the acceptance."""


@dataclass(frozen=True)
class Settings:
    """How calibration draws.

    Attributes
    ----------
    seed
        Fixes every random number.
    n_samples
        L, the draws that each true parameter is ranked among.
    acceptance_draws, max_draws
        Least and most draws per observation.
    heldout_rows, training_rows
        Most simulations that are checked, and that the baselines are fitted to.
    bootstrap
        Resamples of the pairs for the bands of TARP.
    """

    seed: int = 0
    n_samples: int = 999
    acceptance_draws: int = 10_000
    max_draws: int = 1_000_000
    heldout_rows: int = 2000
    training_rows: int = 4000
    bootstrap: int = 1000


@dataclass(frozen=True)
class Truths:
    """One observation and the parameters that made it: one row, or many where they are drawn.

    Attributes
    ----------
    key
        Of the observation.
    x
        Its conditioning vector, (n_features,).
    u
        True parameters in the unit cube, (m, d).
    """

    key: str
    x: NDArray[np.float32]
    u: NDArray[np.float32]


@dataclass(frozen=True)
class Acceptance:
    """Share of draws inside the prior box for one observation.

    `share` is None, and `draws` tells how many there were, where drawing was given up.
    """

    key: str
    share: float | None
    error: float | None
    draws: int


@dataclass(frozen=True)
class Measured:
    """What was counted for n pairs of an observation and its true parameters.

    A name with `own_` is the mean, and with `own_…_variance` the variance, that the
    same quantity has over the posterior's own draws: what it would be, were they right.

    Attributes
    ----------
    ranks
        Draws whose parameter is smaller than the true one, (n, d), of `draws`.
    denser
        Draws with a higher density than the true parameters, (n,).
    nearer
        Draws that are closer to a random reference point, (n,).
    log_prob
        Of the true parameters in the unit cube, corrected by the acceptance, nat, (n,).
    gain
        `log_prob` minus that of the Gaussian baseline; NaN without one.
    other
        `log_prob` minus that of a second posterior; NaN without one.
    mean, variance
        Of the draws, (n, d).
    fourth
        Fourth central moment of the draws over the squared variance, (n, d).
    u
        The true parameters, (n, d).
    draws
        L.
    acceptances
        One for each observation.
    """

    ranks: Ints
    denser: Ints
    nearer: Ints
    log_prob: Floats
    own_log_prob: Floats
    own_log_prob_variance: Floats
    gain: Floats
    own_gain: Floats
    own_gain_variance: Floats
    other: Floats
    mean: Floats
    variance: Floats
    fourth: Floats
    u: Floats
    draws: int
    acceptances: tuple[Acceptance, ...]

    @property
    def n(self) -> int:
        """Number of pairs."""
        return len(self.denser)


def measure(
    posterior: Posterior,
    observations: Sequence[Truths],
    settings: Settings,
    *,
    width: int,
    gaussian: Gaussian | None = None,
    other: Posterior | None = None,
) -> Generator[dict[str, Any], None, Measured]:
    """Draw for every pair and count; no draw is kept.

    Each pair has draws of its own, also where observations are the same, so that pairs
    are independent given the observations.

    Parameters
    ----------
    posterior
        What is calibrated.
    observations
        Pairs by observation.
    settings
        Seed and numbers of draws.
    width
        Number of parameters.
    gaussian
        The baseline that log-densities are compared with.
    other
        Another posterior that log-densities are compared with, pair by pair.

    Yields
    ------
    dict
        `path` (key of the observation), `done` and `total` observations.

    Returns
    -------
    Measured
        Pairs of an observation whose drawing was given up (`Leak`) are not in it.
    """
    parts: list[dict[str, Any]] = []
    acceptances: list[Acceptance] = []
    for number, each in enumerate(observations):
        try:
            draws = posterior.draw(
                each.x,
                settings.n_samples * len(each.u),
                settings.seed,
                stream=f"calibration {each.key}",
                at_least=settings.acceptance_draws,
                at_most=settings.max_draws,
            )
            corrected = _corrected(posterior, each, draws.acceptance)
            beside = None
            if other is not None:
                share = other.draw(
                    each.x,
                    1,
                    settings.seed,
                    stream=f"calibration {each.key}",
                    at_least=settings.acceptance_draws,
                    at_most=settings.max_draws,
                ).acceptance
                beside = corrected - _corrected(other, each, share)
        except Leak as leak:
            acceptances.append(Acceptance(each.key, None, None, leak.drawn))
        else:
            acceptances.append(
                Acceptance(each.key, draws.acceptance, draws.acceptance_se, draws.drawn)
            )
            parts += _pairs(each, draws, corrected, beside, settings, gaussian)
        yield {"path": each.key, "done": number + 1, "total": len(observations)}
    arrays = {
        name: np.stack([part[name] for part in parts]) if parts else _none(name, width)
        for name in (field.name for field in fields(Measured))
        if name not in ("draws", "acceptances")
    }
    return Measured(**arrays, draws=settings.n_samples, acceptances=tuple(acceptances))


def _corrected(posterior: Posterior, each: Truths, acceptance: float) -> Floats:
    raw = np.asarray(posterior.log_prob_unit(each.u, each.x), np.float64)
    return raw - math.log(acceptance)


def _none(name: str, width: int) -> NDArray[Any]:
    wide = name in ("ranks", "mean", "variance", "fourth", "u")
    return np.empty((0, width) if wide else 0)


def _pairs(
    each: Truths,
    draws: Draws,
    log_prob: Floats,
    beside: Floats | None,
    settings: Settings,
    gaussian: Gaussian | None,
) -> list[dict[str, Any]]:
    lots = generator(settings.seed, "ties and references", each.key)
    size, width = settings.n_samples, each.u.shape[1]
    own = draws.log_prob.astype(np.float64) - math.log(draws.acceptance)
    nan = np.full(len(each.u), np.nan)
    base = gaussian.log_prob(each.u, each.x) if gaussian is not None else nan
    pairs = []
    for row, truth in enumerate(each.u.astype(np.float64)):
        here = slice(row * size, (row + 1) * size)
        u = draws.u[here].astype(np.float64)
        reference = lots.random(width)
        ties = lots.random((3, width))
        mean, variance = u.mean(axis=0), u.var(axis=0)
        far, far_truth = ((u - reference) ** 2).sum(axis=1), ((truth - reference) ** 2).sum()
        rival = gaussian.log_prob(u, each.x) if gaussian is not None else np.nan
        versus = own[here] - rival
        pairs.append(
            {
                "ranks": _rank(u, truth, ties[0]),
                "denser": _rank(-own[here], -log_prob[row], ties[1, 0]),
                "nearer": _rank(far, far_truth, ties[2, 0]),
                "log_prob": log_prob[row],
                "own_log_prob": own[here].mean(),
                "own_log_prob_variance": own[here].var(),
                "gain": log_prob[row] - base[row],
                "own_gain": versus.mean(),
                "own_gain_variance": versus.var(),
                "other": nan[row] if beside is None else beside[row],
                "mean": mean,
                "variance": variance,
                "fourth": ((u - mean) ** 4).mean(axis=0) / np.maximum(variance, 1e-300) ** 2,
                "u": truth,
            }
        )
    return pairs


def _rank(values: Floats, truth: Any, lot: Any) -> Ints:
    """Count the values below the truth; each that equals it counts with even chance."""
    below, same = (values < truth).sum(axis=0), (values == truth).sum(axis=0)
    rank: Ints = (below + np.floor(lot * (same + 1))).astype(np.int64)
    return rank
