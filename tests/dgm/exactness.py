"""How exact density estimators and samples are, as tables.

    python -m tests.dgm.exactness

The first table compares with numbers of the original software in `tests/golden`; the
second with the log-densities that the tracked release stores, and needs `dvc pull`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import ks_2samp
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score
from threadpoolctl import threadpool_limits

from automind_data.common.layout import DATASETS, DGMS
from automind_data.common.observations import read_observations
from automind_data.contracts.inputs import Probe, read_input
from automind_data.contracts.residuals import USUAL, residuals_of, whose_leakage
from automind_data.dgm import DGM, load

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/golden"
WAYS: dict[str, dict[str, Any]] = {
    "kernels, float32": {},
    "torch, float32": {"plain": True},
    "torch, float64": {"dtype": np.float64},
}
CONDITIONED = (
    ("psd", "allenvc_summary", "b_x_mouse_psd"),
    ("psd", "synthetic_summary", "b_x_synthetic_psd"),
    ("burst", "synthetic_summary", "b_x_synthetic_burst"),
    ("burst", "organoid_summary", "b_x_organoids_burst"),
)


def conditioning(dgm: DGM, table: Path, vectors: str) -> Iterator[tuple[str, float, bool]]:
    """Key, largest difference, and whether both say alike that it can be used."""
    rows = read_observations(table, dgm.recipe.columns)
    theirs = np.load(GOLDEN / f"{vectors}.npz")
    for key, x, status in zip(theirs["keys"], theirs["x"], theirs["status"], strict=True):
        if str(key) in rows:
            ours = dgm.conditioning(rows[str(key)])
            same = bool((np.isnan(ours) == np.isnan(x)).all())
            alike = same and np.isfinite(ours).all() == (str(status) == "ok")
            apart = np.abs(ours - x)[np.isfinite(x)]
            yield str(key), float(apart.max(initial=0)), bool(alike)


def reference(name: str) -> tuple[pd.DataFrame, np.ndarray, list[str]]:
    vectors = np.load(GOLDEN / f"c_logprob_{name}_x.npz")
    table = pd.read_csv(GOLDEN / f"c_logprob_{name}.csv")
    return table, vectors["x"], [str(key) for key in vectors["keys"]]


def differences(dgm: DGM, name: str) -> np.ndarray:
    """Differences of the unnormalised log-densities; outside the cube there is none."""
    table, x, _ = reference(name)
    found = []
    for index, rows in table.groupby("x_idx"):
        ours = dgm.log_prob_unit(rows[list(dgm.names)].to_numpy(), x[int(index)])
        theirs = rows["log_prob_unnorm"].to_numpy()
        inside = np.isfinite(theirs)
        assert (np.isneginf(ours) == ~inside).all()
        found.append(np.abs(ours[inside] - theirs[inside]))
    return np.concatenate(found)


def acceptances(dgm: DGM, name: str) -> Iterator[tuple[str, float, float, float]]:
    """Key, our acceptance, the original's, and the standard error of the difference."""
    _, x, keys = reference(name)
    said = json.loads((GOLDEN / f"c_acceptance_{name}.json").read_text())
    for key, vector in zip(keys, x, strict=True):
        draws = dgm.draw(vector, 1, seed=1, stream=key, at_least=20_000)
        theirs = said[key]["acceptance_20k"]
        error = np.hypot(draws.acceptance_se, np.sqrt(theirs * (1 - theirs) / 20_000))
        yield key, draws.acceptance, theirs, float(error)


def samples(dgm: DGM, name: str, index: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Our samples of one observation and the original's, both in its 128 equal steps."""
    kept = np.load(GOLDEN / f"d_samples_{name}.npz")
    x, low, high = (kept[part][index] for part in ("x", "low", "high"))
    theirs = kept["samples"][index].astype(float)
    u = dgm.sample_unit(x + shift, len(theirs), seed=3)
    return np.clip(np.floor((u - low) / (high - low) * 128), 0, 127), theirs


def c2st(one: np.ndarray, other: np.ndarray) -> float:
    """Cross-validated accuracy of a classifier that tells two sets of samples apart."""
    features = np.concatenate([one, other])
    labels = np.repeat([0, 1], [len(one), len(other)])
    folds = StratifiedKFold(5, shuffle=True, random_state=1)
    classifier = HistGradientBoostingClassifier(max_iter=40, random_state=1)
    with threadpool_limits(1):
        return float(cross_val_score(classifier, features, labels, cv=folds).mean())


def smallest_p(one: np.ndarray, other: np.ndarray) -> float:
    """Smallest p of a Kolmogorov-Smirnov test for each marginal, by Holm's correction."""
    p = np.sort([ks_2samp(a, b).pvalue for a, b in zip(one.T, other.T, strict=True)])
    return float(min(1.0, (p * np.arange(len(p), 0, -1)).min()))


def golden_table() -> Iterator[str]:
    """Against the original software."""
    dgms = {name: load(ROOT / "derived/dgms" / name) for name in DGMS}
    yield "| conditioning vectors | observations | status differs | largest difference |"
    yield "|---|---|---|---|"
    for name, table, vectors in CONDITIONED:
        path = ROOT / f"derived/observations/{table}.parquet"
        rows = list(conditioning(dgms[name], path, vectors))
        wrong, most = sum(not alike for _, _, alike in rows), max(apart for _, apart, _ in rows)
        yield f"| {name}, {table} | {len(rows)} | {wrong} | {most:.1e} |"
    yield "\n| log-densities, in nat | n | largest difference | median |\n|---|---|---|---|"
    for name in DGMS:
        for way, how in WAYS.items():
            apart = differences(load(ROOT / "derived/dgms" / name, **how), name)
            yield f"| {name}, {way} | {len(apart)} | {apart.max():.1e} | {np.median(apart):.1e} |"
    yield "\n| acceptance | ours | original | difference, standard errors |\n|---|---|---|---|"
    for name, dgm in dgms.items():
        for key, ours, theirs, error in acceptances(dgm, name):
            yield f"| {name}, {key} | {ours:.4f} | {theirs:.4f} | {(ours - theirs) / error:+.1f} |"
    yield "\n| 5,000 samples against 5,000 | C2ST | smallest p of 28 KS, by Holm |\n|---|---|---|"
    for name, dgm in dgms.items():
        for index, key in enumerate(np.load(GOLDEN / f"d_samples_{name}.npz")["keys"]):
            pair = samples(dgm, name, index)
            yield f"| {name}, {key} | {c2st(*pair):.3f} | {smallest_p(*pair):.2f} |"


def attestation_table() -> Iterator[str]:
    """Against the log-densities that the release stores."""
    head = ["data set", "rows", "largest residual", f"below {USUAL:g}", "observation", "constant"]
    head += ["our leakage", "error", "leakage of", "network as in dgms/"]
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    derived = ROOT / "derived"
    for dataset in DATASETS.values():
        inside, published = (derived / "dgms" / name for name in (dataset.name, dataset.dgm))
        found = residuals_of(
            derived / f"tables/{dataset.name}.parquet",
            inside,
            derived / f"observations/{dataset.observations}.parquet",
            dataset,
        )
        size = np.abs(found.nat[found.known])
        probes = [read_input(folder / "probe.json", Probe) for folder in (inside, published)]
        same = "yes" if probes[0] == probes[1] else "no"
        whose = whose_leakage(found.constants) if found.constants else None
        first = [dataset.name, f"{len(size)}", f"{size.max():.1e}", f"{(size < USUAL).mean():.1%}"]
        last = [whose or "neither", same]
        for place, each in enumerate(found.constants):
            numbers = [f"{value:.4f}" for value in (each.nat, each.leakage, each.error)]
            row = [*(first if not place else [""] * 4), each.x_o, *numbers]
            yield f"| {' | '.join([*row, *(last if not place else ['', ''])])} |"


def main() -> None:
    for table in (golden_table, attestation_table):
        print(f"{table.__doc__}\n")
        for line in table():
            print(line, flush=True)
        print()


if __name__ == "__main__":
    main()
