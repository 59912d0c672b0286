"""How many discovered models match their target, and how sure that is.

The release has no numeric criterion for a match; this one is ours. *Near the target* are
the m held-out simulations at the smallest distances to it, out of the N from the prior
that pass the training filters; m is a fixed share of N. Their spread about the target is
the largest of their distances, the *tolerance*. A model *matches* if its distance is at
most that: it is as near as the nearest m / N of the prior. The *yield* is the share of
matches among all samples drawn, those that were stopped or failed included. Rows drawn
from the prior itself would have the yield m / N.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automind_data.params import PredictiveParams
from automind_data.predictive.compare import Compared
from automind_data.predictive.distances import DISTANCES
from automind_data.predictive.rows import STATUSES

__all__ = ["CLAIM", "Share", "Verdict", "against_claim", "exact_interval", "judge", "mean_yield"]

CLAIM = (0.05, 0.25)
"""Share of samples of recordings that match once simulated, as the published notebook 2 has it.

It was judged by eye there, so it stands beside our number and is no test of it."""

LEVEL = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Share:
    """A share with its uncertainty.

    Attributes
    ----------
    value
        count / n.
    count, n
        Of how many.
    bootstrap
        95 % interval, rows and held-out simulations both drawn anew.
    exact
        95 % interval of Clopper and Pearson, for rows alone. Unlike the bootstrap it
        has a width where none or all of few rows match.
    """

    value: float
    count: int
    n: int
    bootstrap: tuple[float, float]
    exact: tuple[float, float]


@dataclass(frozen=True)
class Verdict:
    """One observation.

    Attributes
    ----------
    x_o, reason
        Its key, and why nothing was compared.
    models, samples
        Rows but `gt_resim`, and those of them that are samples.
    counts
        Status → number of models.
    best
        Name → smallest distance of a ranked model; None where there is none.
    noise_floor
        Name → distance of the observation's own parameters simulated once more (the
        median if there are several rows); None where there is no such whole row.
    heldout, near, tolerance
        N, m and the tolerance; no tolerance where N is too small.
    matching
        The yield; None without a tolerance.
    within_noise_floor
        Share of the samples that are at least as near as `gt_resim`; None without it.
    replicates
        The bootstrap's yields.
    """

    x_o: str
    reason: str | None
    models: int
    samples: int
    counts: dict[str, int]
    best: dict[str, float] | None
    noise_floor: dict[str, float] | None
    heldout: int
    near: int
    tolerance: float | None
    matching: Share | None
    within_noise_floor: float | None
    replicates: Floats


def judge(compared: Compared, params: PredictiveParams) -> Verdict:
    """Judge the models of one observation.

    Parameters
    ----------
    compared
        Its rows, ranked.
    params
        What is near, and the bootstrap.
    """
    models, samples = ~compared.resimulated, compared.samples
    counts = np.bincount(compared.status[models], minlength=len(STATUSES))
    ranking = compared.distance[compared.ranked_by]
    drawn = np.sort(ranking[samples & (compared.rank > 0)])
    n, heldout = int(samples.sum()), len(compared.heldout)
    near = min(max(math.ceil(params.near * heldout), params.near_at_least), heldout)
    floor = _floor(compared)
    tolerance = matching = within = None
    replicates = np.empty(0)
    if compared.reason is None and n:
        if heldout >= params.near_at_least:
            tolerance = float(compared.heldout[near - 1])
            replicates = _bootstrap(compared, drawn, n, near, params)
            matching = _share(int(np.searchsorted(drawn, tolerance, "right")), n, replicates)
        if floor is not None:
            inside = np.searchsorted(drawn, floor[compared.ranked_by], "right")
            within = float(inside) / n
    nearest = compared.best(1)
    return Verdict(
        x_o=compared.x_o,
        reason=compared.reason,
        models=int(models.sum()),
        samples=n,
        counts=dict(zip(STATUSES, counts.tolist(), strict=True)),
        best=_smallest(compared) if len(nearest) else None,
        noise_floor=floor,
        heldout=heldout,
        near=near,
        tolerance=tolerance,
        matching=matching,
        within_noise_floor=within,
        replicates=replicates,
    )


def mean_yield(verdicts: list[Verdict]) -> Share | None:
    """Average the yields of a data set's observations; None if none has one.

    The bootstrap keeps the observations as they are. The exact interval is that of all
    samples taken together, which is the mean where observations have equally many.
    """
    with_yield = [each for each in verdicts if each.matching is not None]
    if not with_yield:
        return None
    shares = [each.matching for each in with_yield if each.matching is not None]
    count, n = sum(share.count for share in shares), sum(share.n for share in shares)
    replicates = np.mean([each.replicates for each in with_yield], axis=0)
    value = float(np.mean([share.value for share in shares]))
    return Share(value, count, n, _quantiles(replicates), exact_interval(count, n))


def against_claim(share: Share | None) -> str | None:
    """Compare a yield with the published claim: `below`, `above`, or `compatible` with it.

    Below and above need both intervals to lie outside.

    >>> against_claim(Share(0.5, 6, 12, (0.3, 0.7), (0.21, 0.79)))
    'compatible'
    """
    if share is None:
        return None
    low = min(share.bootstrap[0], share.exact[0])
    high = max(share.bootstrap[1], share.exact[1])
    return "below" if high < CLAIM[0] else "above" if low > CLAIM[1] else "compatible"


def exact_interval(count: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of Clopper and Pearson (1934, Biometrika 26) for a share.

    >>> low, high = exact_interval(0, 4)
    >>> low, round(high, 3)
    (0.0, 0.602)
    """
    from scipy.special import betaincinv

    tail = (1 - LEVEL) / 2
    low = float(betaincinv(count, n - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, n - count, 1 - tail)) if count < n else 1.0
    return low, high


def _floor(compared: Compared) -> dict[str, float] | None:
    again = compared.resimulated & np.isfinite(compared.distance[compared.ranked_by])
    if not again.any():
        return None
    return {name: float(np.median(compared.distance[name][again])) for name in DISTANCES}


def _smallest(compared: Compared) -> dict[str, float]:
    ranked = compared.rank > 0
    return {name: float(compared.distance[name][ranked].min()) for name in DISTANCES}


def _bootstrap(
    compared: Compared, drawn: Floats, n: int, near: int, params: PredictiveParams
) -> Floats:
    """Draw yields as they are when rows and held-out simulations are both resampled.

    The m-th smallest of N resampled distances is the one in place ceil(N b), b ~ Beta(m,
    N - m + 1); the matches among n resampled rows are binomial. So nothing is resampled
    row by row, and the draws are those of the plain bootstrap.
    """
    digest = hashlib.sha256(f"{params.seed}\n{compared.x_o}".encode()).digest()
    rng = np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))
    heldout = len(compared.heldout)
    place = np.ceil(heldout * rng.beta(near, heldout - near + 1, params.bootstrap)).astype(int)
    tolerance = compared.heldout[np.clip(place, 1, heldout) - 1]
    matching = np.searchsorted(drawn, tolerance, "right")
    replicates: Floats = rng.binomial(n, matching / n) / n
    return replicates


def _share(count: int, n: int, replicates: Floats) -> Share:
    return Share(count / n, count, n, _quantiles(replicates), exact_interval(count, n))


def _quantiles(replicates: Floats) -> tuple[float, float]:
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(replicates, [tail, 1 - tail])
    return float(low), float(high)
