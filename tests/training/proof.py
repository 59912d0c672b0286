"""How good trained density estimators are, as a table.

    python -m tests.training.proof [--rows N] [--seeds N]

First on a simulator whose posterior is known: a linear Gaussian one with a box prior.
Then on the tracked tables, with the defaults of `params.yaml`: held-out log-density in
the unit cube, where the prior has 0, and the paired difference to the released density
estimator. Needs `dvc pull`. Held-out rows are read after the training only.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np

from automind_data.calibration.measure import Settings
from automind_data.calibration.run import calibrate
from automind_data.dgm import load
from automind_data.params import read_params
from automind_data.training.fit import Fit
from automind_data.training.inputs import recipe_of_columns, recipe_of_dgm
from automind_data.training.network import Architecture
from automind_data.training.run import Training, settings_of, train
from tests.training.simulators import FEATURES, simulate, true_log_prob, write_prior, write_table

ROOT = Path(__file__).parents[2]
ALLOWED = 0.1


def finished(work: Generator[dict[str, Any], None, Any]) -> Any:
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def known(estimator: str, rows: int, pairs: int, scratch: Path) -> tuple[float, float, int]:
    """Mean and standard error of truth minus estimate, nat, and the epochs it took."""
    settings = Training(
        Architecture(estimator, transforms=2, z_score_x=True),  # type: ignore[arg-type]
        Fit(batch=200, learning_rate=2e-3, patience=10, max_epochs=40),
        validation=0.1,
    )
    table = write_table(scratch / "table.parquet", rows)
    recipe = recipe_of_columns(FEATURES, write_prior(scratch / "prior.csv"))
    record = finished(train([table], scratch / estimator, recipe, settings))
    dgm = load(scratch / estimator)
    u, x = simulate(pairs, seed=2)
    estimates = []
    for here, features in zip(u, x, strict=True):
        vector = dgm.conditioning(dict(zip(FEATURES, features, strict=True)))
        share = dgm.draw(vector, 1, 0, at_least=1000).acceptance
        estimates.append(float(dgm.log_prob_unit(here[None], vector)[0]) - np.log(share))
    apart = true_log_prob(u, x) - np.array(estimates)
    return apart.mean(), apart.std(ddof=1) / np.sqrt(pairs), record["epochs"]


def released(name: str, seed: int, scratch: Path) -> tuple[np.ndarray, np.ndarray]:
    """Held-out log-density of each pair, and how much more than the released one gives."""
    asked = read_params(ROOT / "params.yaml").train
    settings = settings_of(asked, seed=seed)
    folder, tables = ROOT / "derived/dgms" / name, ROOT / "derived/tables"
    out = scratch / f"{name}{seed}"
    finished(train([tables / "training.parquet"], out, recipe_of_dgm(folder), settings))
    found = finished(
        calibrate(
            out,
            tables / "training.parquet",
            tables / "heldout.parquet",
            [],
            Settings(seed=1, n_samples=99, acceptance_draws=10_000),
            against=folder,
        )
    ).found
    return found.log_prob, found.other


def said(values: np.ndarray) -> str:
    return f"{values.mean():8.3f} ± {values.std(ddof=1) / np.sqrt(len(values)):.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--estimator", choices=["nsf", "maf"], default="nsf")
    parser.add_argument("--only", choices=["known", "released"])
    asked = parser.parse_args()
    first = read_params(ROOT / "params.yaml").train.seed
    with tempfile.TemporaryDirectory() as folder:
        if asked.only != "released":
            print(f"known posterior, {asked.rows} rows, {asked.pairs} pairs: truth minus estimate")
            mean, error, epochs = known(asked.estimator, asked.rows, asked.pairs, Path(folder))
            verdict = "within" if mean < ALLOWED else "NOT within"
            print(
                f"{asked.estimator:6} {mean:8.3f} ± {error:.3f} nat, {epochs} epochs,"
                f" {verdict} {ALLOWED}",
                flush=True,
            )
        if asked.only != "known":
            print("sample release, held-out rows (nat; prior: 0)")
            print("recipe   seed  pairs  log-density         minus that of the released one")
            for name in ("psd", "burst"):
                for seed in range(first, first + asked.seeds):
                    density, more = released(name, seed, Path(folder))
                    print(
                        f"{name:6} {seed:6} {len(density):6}  {said(density)}    {said(more)}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
