"""Stored log-densities of a discovered table against its density estimator's own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from automind_data.common.errors import AutomindError
from automind_data.common.layout import PARAMETER_NAMES, Dataset

if TYPE_CHECKING:
    from automind_data.common.observations import Row
    from automind_data.dgm.model import DGM

__all__ = ["LOG_PROB", "Constant", "Residuals", "residuals_of", "whose_leakage"]

LOG_PROB = "infer.log_prob"
USUAL = 1e-4
"""How far float32 log-densities of other batches usually are apart, in nat."""
EDGE = 1e-6
"""A parameter may miss the unit cube by this much: float32 scaled it back and forth."""

DRAWN, SEED = 10_000, 0
"""How many draws our estimate of the leakage of an observation is made of."""
ACCEPTED = 10_000
"""How many accepted draws the original made its estimate of (sbi 0.22)."""
ERRORS, ALIKE = 5, 1e-3
"""Constants agree within so many standard errors; they are one number within so many nat."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Constant:
    """What lies between stored and computed log-densities of one observation.

    Attributes
    ----------
    x_o
        Its key.
    rows
        How many of its rows have both.
    nat
        Median of stored minus computed.
    leakage
        Our estimate of what it should be: minus the log of the share of the posterior
        inside the prior.
    error
        Standard error of a difference between two such estimates, ours and the original's.
    """

    x_o: str
    rows: int
    nat: float
    leakage: float
    error: float

    def is_near(self, nat: float) -> bool:
        """Whether another estimate may be of the same leakage."""
        return abs(nat - self.leakage) <= ERRORS * self.error


@dataclass(frozen=True)
class Residuals:
    """Row by row the key, the residual in nat, and whether one could be computed.

    `constants` are those of the observations, in the order of the table.
    """

    x_o: list[str | None]
    nat: Floats
    known: NDArray[np.bool_]
    constants: tuple[Constant, ...] = ()


def residuals_of(path: Path, dgm: Path, observations: Path, dataset: Dataset) -> Residuals:
    """Return stored minus computed log-density of each row, less its observation's median.

    Parameters
    ----------
    path
        Table of a discovered archive; without parameters or log-densities nothing is known.
    dgm
        Folder of the density estimator inside the archive. The arithmetic is float64.
    observations
        Its observation table.
    dataset
        The data set, whose observations count.

    Returns
    -------
    Residuals
        Row by row and, for each observation, what was subtracted. A residual is
        infinite where just one of the two is a number. Nothing is known where the
        observations have not the features that the density estimator needs.
    """
    wanted = ["x_o", LOG_PROB, *PARAMETER_NAMES]
    if not set(wanted) <= set(pl.scan_parquet(path).collect_schema()):
        return Residuals([], np.empty(0), np.empty(0, np.bool_))
    from automind_data.common.observations import read_observations
    from automind_data.dgm.model import load

    estimator, drawer = load(dgm, np.float64), load(dgm)
    try:
        rows = read_observations(observations, estimator.recipe.columns, dataset)
    except AutomindError:
        rows = {}
    table = pl.read_parquet(path, columns=wanted)
    keys: list[str | None] = table["x_o"].to_list()
    stored = table[LOG_PROB].to_numpy().astype(np.float64)
    u = estimator.to_unit(table.select(estimator.names).to_numpy())
    u = np.where((u >= -EDGE) & (u <= 1 + EDGE), np.clip(u, 0, 1), u)
    nat, known = np.full(len(keys), np.nan), np.zeros(len(keys), np.bool_)
    constants: list[Constant] = []
    places: dict[str | None, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    for key, those in places.items():
        x = _conditioning(estimator, rows, key)
        if x is not None:
            computed = estimator.log_prob_unit(u[those], x).astype(np.float64)
            nat[those], known[those] = _residual(stored[those], computed), True
            constants += _constants(str(key), stored[those], computed, drawer, x)
    return Residuals(keys, nat, known, tuple(constants))


def whose_leakage(constants: Sequence[Constant]) -> str | None:
    """Say what the stored log-densities of a data set were corrected by.

    Returns
    -------
    str or None
        `own`: the leakage of each observation. `first`: that of the table's first one,
        which sbi 0.22 keeps after it has searched for a maximum. None: neither.
    """
    first, values = constants[0], [each.nat for each in constants]
    if len(values) > 1 and max(values) - min(values) < ALIKE and first.is_near(first.nat):
        return "first"
    return "own" if all(each.is_near(each.nat) for each in constants) else None


def _constants(
    key: str, stored: Floats, computed: Floats, drawer: DGM, x: NDArray[np.float32]
) -> Iterator[Constant]:
    both = np.isfinite(stored) & np.isfinite(computed)
    draws = drawer.draw(x, 0, SEED, stream=key, at_least=DRAWN)
    if both.any() and draws.accepted:
        share = draws.acceptance
        error = math.sqrt((1 - share) * (1 / draws.accepted + 1 / ACCEPTED)) + USUAL
        nat = float(np.median((stored - computed)[both]))
        yield Constant(key, int(both.sum()), nat, -math.log(share), error)


def _conditioning(
    estimator: DGM, rows: Mapping[str, Row], key: str | None
) -> NDArray[np.float32] | None:
    if key is None or key not in rows:
        return None
    x = estimator.conditioning(rows[key])
    return x if np.isfinite(x).all() else None


def _residual(stored: Floats, computed: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        difference = stored - computed
    equal = stored == computed
    finite = np.isfinite(difference)
    if finite.any():
        difference -= np.median(difference[finite])
    return np.where(equal & ~finite, 0.0, np.where(finite, difference, np.inf))
