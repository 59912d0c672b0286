"""A simulator whose posterior is known, as a table that can be trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.stats import multivariate_normal

NAMES = ("params_net.a", "params_net.b", "params_net.c")
FEATURES = ("burst_x", "burst_y", "burst_z")
SPECTRUM = ("psd_1.0", "psd_2.0", "psd_3.0")
"""The same features once more: x is the decadic logarithm of the power."""
LOW, HIGH = np.array([-1.0, 0.0, 2.0]), np.array([1.0, 4.0, 3.0])
MIXING = np.array([[1.0, 0.4, 0.0], [0.0, 1.0, -0.5], [0.3, 0.0, 0.8]])
NOISE = 0.15
"""In the unit cube x is MIXING u plus normal noise of this standard deviation."""


def simulate(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit-cube parameters and features, (n, 3) each."""
    rng = np.random.default_rng(seed)
    u = rng.random((n, 3))
    return u, u @ MIXING.T + NOISE * rng.standard_normal((n, 3))


def true_log_prob(u: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Log-density of the posterior in the unit cube: a Gaussian that is cut to it."""
    covariance = np.linalg.inv(MIXING.T @ MIXING / NOISE**2)
    means = np.linalg.solve(MIXING, x.T).T
    found = []
    for here, mean in zip(u, means, strict=True):
        normal = multivariate_normal(mean, covariance)
        inside = normal.cdf(np.ones(3), lower_limit=np.zeros(3))
        found.append(normal.logpdf(here) - np.log(inside))
    return np.array(found)


def write_table(
    path: Path,
    n: int,
    seed: int = 1,
    *,
    release: str | None = None,
    batch: int = 1,
    **columns: object,
) -> Path:
    """A table of simulations with keys; `columns` replaces some."""
    u, x = simulate(n, seed)
    theta = (u * (HIGH - LOW) + LOW).astype(np.float32).astype(np.float64)
    cells = {
        "params_settings.batch_seed": np.full(n, batch),
        "params_settings.random_seed": np.arange(n),
        "params_analysis.early_stopped": np.zeros(n, bool),
        **dict(zip(NAMES, theta.T, strict=True)),
        **dict(zip(FEATURES, x.T, strict=True)),
        **dict(zip(SPECTRUM, 10**x.T, strict=True)),
        **columns,
    }
    table = pa.table({name: value for name, value in cells.items() if value is not None})
    if release is not None:
        table = table.replace_schema_metadata({"automind.release": release})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


def write_prior(path: Path) -> Path:
    """The prior as a CSV."""
    rows = zip(NAMES, LOW, HIGH, strict=True)
    lines = ["name,unit,low,high", *(f"{name},1,{low},{high}" for name, low, high in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path
