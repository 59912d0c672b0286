"""Stored log-densities of a discovered table against its density estimator's own."""

from __future__ import annotations

from collections.abc import Mapping
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

__all__ = ["LOG_PROB", "Residuals", "residuals_of"]

LOG_PROB = "infer.log_prob"
EDGE = 1e-6
"""A parameter may miss the unit cube by this much: float32 scaled it back and forth."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Residuals:
    """Row by row: the key, the residual in nat, and whether one could be computed."""

    x_o: list[str | None]
    nat: Floats
    known: NDArray[np.bool_]


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
        Infinite where just one of the two is a number. Nothing is known where the
        observations have not the features that the density estimator needs.
    """
    wanted = ["x_o", LOG_PROB, *PARAMETER_NAMES]
    if not set(wanted) <= set(pl.scan_parquet(path).collect_schema()):
        return Residuals([], np.empty(0), np.empty(0, np.bool_))
    import torch

    from automind_data.common.observations import read_observations
    from automind_data.dgm.draws import one_torch_thread
    from automind_data.dgm.model import load

    estimator = load(dgm, torch.float64)
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
    places: dict[str | None, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    with one_torch_thread():
        for key, those in places.items():
            x = _conditioning(estimator, rows, key)
            if x is not None:
                computed = estimator.log_prob_unit(u[those], x).astype(np.float64)
                nat[those], known[those] = _residual(stored[those], computed), True
    return Residuals(keys, nat, known)


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
