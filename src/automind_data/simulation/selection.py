"""Which configurations are simulated: rows of a table, draws of a posterior or of the prior."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from automind_data.common.errors import AutomindError
from automind_data.common.layout import PARAMETER_NAMES, PARAMETERS
from automind_data.simulation.configuration import Configuration, require_inside
from automind_data.simulation.rows import ABOUT, BATCH, OTHERS, SEED

__all__ = ["from_observations", "from_prior", "from_table", "seeded"]

RANK = "predict.rank"
KIND = "NPE_samples"
PRIOR = "prior"
Prior = Mapping[str, tuple[float, float]]


def from_table(
    path: str | Path,
    prior: Prior | None,
    *,
    best: int | None = None,
    keys: Sequence[str] = (),
    rows: Sequence[int] = (),
) -> list[Configuration]:
    """Take configurations from a table.

    Parameters
    ----------
    path
        Parquet or CSV with the 28 parameters, such as `derived/predictive/mouse-hc.parquet`.
    prior
        Bounds; None: any.
    best
        Only the best so many of each observation, by `predict.rank`.
    keys
        Only rows of these observations.
    rows
        Only these rows, counted from 0.

    Raises
    ------
    AutomindError
        The table cannot be read, has no such row or column, or a configuration is refused.
    """
    import polars

    path = Path(path)
    try:
        table = polars.read_parquet(path) if path.suffix == ".parquet" else polars.read_csv(path)
    except FileNotFoundError:
        raise AutomindError(path, "is not there", "check the path") from None
    except (polars.exceptions.PolarsError, UnicodeDecodeError):
        raise AutomindError(path, "is no Parquet or CSV table", "check the file") from None
    wanted = {"x_o": bool(keys), RANK: best is not None} | dict.fromkeys(PARAMETER_NAMES, True)
    for name, needed in wanted.items():
        if needed and name not in table.columns:
            step = "give a table of `automind-data predict`" if name == RANK else "add it"
            raise AutomindError(path, f"has no column {name}", step)
    late = [row for row in rows if row >= table.height]
    if late:
        raise AutomindError(path, f"has {table.height} rows, no row {late[0]}", "choose others")
    named = [name for name in (*ABOUT, RANK, BATCH, SEED) if name in table.columns]
    listed = table.select([*named, *PARAMETER_NAMES]).to_dicts()
    missing = [key for key in keys if key not in {str(row["x_o"]) for row in listed}]
    if missing:
        raise AutomindError(path, f"has no row of observation {missing[0]}", "choose another")
    chosen: list[Configuration] = []
    for number in rows or range(len(listed)):
        row = listed[number]
        if keys and str(row["x_o"]) not in keys:
            continue
        if best is not None and not (row[RANK] is not None and row[RANK] <= best):
            continue
        about = {name: row[name] for name in ABOUT if row.get(name) is not None}
        about |= {new: row[old] for new, old in zip(OTHERS, (BATCH, SEED), strict=False)
                  if row.get(old) is not None}  # fmt: skip
        values = require_inside(f"{path}, row {number}", row, prior)
        chosen.append(Configuration(values, 0, about))
    if not chosen:
        raise AutomindError(path, "has no row that was asked for", "choose others")
    return chosen


def from_prior(prior: Prior, number: int, seed: int) -> list[Configuration]:
    """Draw configurations from the prior, which is uniform; the first ones do not depend on number.

    Raises
    ------
    AutomindError
        The prior lacks a parameter.
    """
    for name in PARAMETER_NAMES:
        if name not in prior:
            raise AutomindError("the prior", f"has no bounds of {name}", "convert it again")
    low, high = (np.array([prior[each.name][side] for each in PARAMETERS]) for side in (0, 1))
    unit = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 28])))
    theta = low + (high - low) * unit.random((number, len(low)))
    return [Configuration(tuple(row), 0, {}) for row in theta.tolist()]


def from_observations(
    path: str | Path, dgm: str | Path, number: int, seed: int, *, keys: Sequence[str] = ()
) -> list[Configuration]:
    """Draw configurations from the posterior of observations.

    Parameters
    ----------
    path
        Table of observations.
    dgm
        Folder of the density estimator.
    number, seed
        Draws per observation, and what fixes them.
    keys
        Only these observations.

    Raises
    ------
    AutomindError
        There is no such observation or density estimator, or one cannot be sampled.
    """
    from automind_data.common.observations import read_observations
    from automind_data.dgm import load

    estimator = load(dgm)
    rows = read_observations(path, estimator.recipe.columns)
    made = []
    for key in keys or rows:
        if key not in rows:
            raise AutomindError(path, f"has no observation {key}", "choose another")
        x = estimator.conditioning(rows[key])
        theta = estimator.sample(x, number, seed)
        densities = np.asarray(estimator.log_prob(theta, x), np.float64)
        for values, density in zip(theta.tolist(), densities.tolist(), strict=True):
            about = dict(zip(ABOUT, (key, KIND, density), strict=True))
            made.append(Configuration(tuple(values), 0, about))
    return made


def seeded(chosen: Iterable[Configuration], seeds: int, seed: int) -> Iterator[Configuration]:
    """Give each configuration its random seeds.

    A seed of 48 bits is a digest of the parameters, `seed` and the number of the replicate: the
    same run has the same seed wherever it is selected. A configuration that comes twice, for
    two observations, say, gets other seeds the second time.

    Parameters
    ----------
    chosen
        Configurations.
    seeds
        How many replicates of each.
    seed
        Other numbers, other seeds.
    """
    times: dict[tuple[float, ...], int] = {}
    for each in chosen:
        before = times.get(each.values, 0)
        times[each.values] = before + seeds
        for replicate in range(before, before + seeds):
            text = np.array(each.values, "<f8").tobytes() + f"{seed} {replicate}".encode()
            drawn = int.from_bytes(hashlib.sha256(text).digest()[:6], "big")
            about: dict[str, Any] = {**each.about, OTHERS[2]: replicate - before}
            yield replace(each, random_seed=drawn, about=about)
