"""How the observations of a release lie: inside the prior box, and among training features."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from automind_data.calibration.judge import LEVEL, Check, Number, Verdict
from automind_data.calibration.measure import Acceptance, Settings
from automind_data.calibration.misfit import Misfit, Oddness
from automind_data.common.layout import OBSERVATION_TABLES
from automind_data.common.observations import column_names, read_observations
from automind_data.dgm.rejection import Leak

if TYPE_CHECKING:
    from automind_data.dgm.model import DGM

__all__ = ["Observed", "accept_observations", "judge_misfit", "tables_for"]


@dataclass(frozen=True)
class Observed:
    """One observation.

    Attributes
    ----------
    table, x_o
        Its table and key.
    real
        Whether it was recorded, not simulated.
    x
        Its conditioning vector; None where its features are unusable.
    acceptance
        Share of the posterior inside the prior box; None like `x`.
    """

    table: str
    x_o: str
    real: bool
    x: NDArray[np.float32] | None
    acceptance: Acceptance | None


def tables_for(dgm: DGM, tables: Sequence[str | Path]) -> list[Path]:
    """Return those of the observation tables that have the features a density estimator needs."""
    needed = set(dgm.recipe.columns)
    return [path for path in map(Path, tables) if needed <= set(column_names(path))]


def accept_observations(
    dgm: DGM, tables: Sequence[Path], settings: Settings
) -> Generator[dict[str, Any], None, list[Observed]]:
    """Draw for every usable observation and count how much falls inside the prior box.

    Yields
    ------
    dict
        `path` (key), `done` and `total` observations.
    """
    listed = [
        (table, key, dgm.conditioning(row))
        for table in tables
        for key, row in read_observations(table, dgm.recipe.columns).items()
    ]
    found = []
    for number, (table, key, x) in enumerate(listed):
        good = bool(np.isfinite(x).all())
        accepted = _accepted(dgm, key, x, settings) if good else None
        known = OBSERVATION_TABLES.get(table.stem)
        real = known is None or known.drawn_from is None
        found.append(Observed(table.stem, key, real, x if good else None, accepted))
        yield {"path": key, "done": number + 1, "total": len(listed)}
    return found


def _accepted(dgm: DGM, key: str, x: NDArray[np.float32], settings: Settings) -> Acceptance:
    try:
        draws = dgm.draw(
            x,
            1,
            settings.seed,
            stream=f"calibration {key}",
            at_least=settings.acceptance_draws,
            at_most=max(settings.max_draws, settings.acceptance_draws),
        )
    except Leak as leak:
        return Acceptance(key, None, None, leak.drawn)
    return Acceptance(key, draws.acceptance, draws.acceptance_se, draws.drawn)


def judge_misfit(
    misfits: Mapping[str, Misfit],
    heldout: NDArray[np.float32],
    observed: Mapping[str, Oddness],
) -> Check:
    """Say whether more real observations lie outside the training features than chance gives.

    Parameters
    ----------
    misfits
        The scores.
    heldout
        Features of held-out simulations, (n, d): what the share must be is seen on them.
    observed
        Oddness of the real observations by each score.
    """
    numbers, n, p = {}, 0, 1.0
    outside: NDArray[np.bool_] | None = None
    for name, misfit in misfits.items():
        if len(heldout):
            flags = misfit.of(heldout).outside
            numbers[f"simulations_outside_{name}"] = _share(flags, misfit)
        flags = observed[name].outside
        outside = flags if outside is None else outside | flags
        n = len(flags)
        if n:
            numbers[f"observations_outside_{name}"] = _share(flags, misfit)
            p = min(p, len(misfits) * _at_least(int(flags.sum()), n, misfit))
    count = int(outside.sum()) if outside is not None else 0
    said = f"real observations outside the features of training simulations: {count} of {n}"
    verdict: Verdict = "undecided" if not n else "fail" if p < LEVEL else "pass"
    return Check("misspecification", verdict, said, n, min(p, 1.0) if n else None, numbers)


def _share(flags: NDArray[np.bool_], misfit: Misfit) -> Number:
    n, share = len(flags), float(flags.mean())
    few, all_of_them = misfit.outside_of
    most = next(count for count in range(n + 1) if _at_least(count + 1, n, misfit) <= LEVEL)
    exact = few / all_of_them
    return Number(share, math.sqrt(share * (1 - share) / n), exact, most / n - exact)


def _at_least(count: int, n: int, misfit: Misfit) -> float:
    """Return the probability that `count` or more of n rows lie outside by chance.

    The share that does is a draw from a beta distribution; so the count is beta-binomial.
    """
    few, all_of_them = misfit.outside_of
    fewer = (_beta_binomial(k, n, few, all_of_them - few) for k in range(count))
    return max(1 - math.fsum(fewer), 0.0)


def _beta_binomial(k: int, n: int, a: int, b: int) -> float:
    return math.comb(n, k) * math.exp(_log_beta(k + a, n - k + b) - _log_beta(a, b))


def _log_beta(a: int, b: int) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
