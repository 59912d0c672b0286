"""Density estimators against the numbers that the original software produced."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score
from threadpoolctl import threadpool_limits

from automind_data.common.archive import MEMBER_KINDS, find_members, open_member
from automind_data.common.layout import ARCHIVES, DATASETS, OBSERVATION_TABLES, Dataset
from automind_data.common.observations import read_observations
from automind_data.dgm import DGM, load
from automind_data.pickles.convert import convert_posterior


@pytest.fixture(scope="module", params=["psd", "burst"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def reference(golden: Path, name: str) -> tuple[pd.DataFrame, np.ndarray, list[str]]:
    vectors = np.load(golden / f"c_logprob_{name}_x.npz")
    table = pd.read_csv(golden / f"c_logprob_{name}.csv")
    return table, vectors["x"], [str(key) for key in vectors["keys"]]


def differences(dgm: DGM, table: pd.DataFrame, x: np.ndarray) -> np.ndarray:
    found = []
    for index, rows in table.groupby("x_idx"):
        ours = dgm.log_prob_unit(rows[list(dgm.names)].to_numpy(), x[int(index)])
        theirs = rows["log_prob_unnorm"].to_numpy()
        inside = np.isfinite(theirs)
        assert (np.isneginf(ours) == ~inside).all()
        found.append(np.abs(ours[inside] - theirs[inside]))
    return np.concatenate(found)


def test_log_prob(dgms: Path, golden: Path, name: str) -> None:
    table, x, _ = reference(golden, name)
    assert np.isneginf(table["log_prob_unnorm"]).any()
    for how in ({}, {"plain": True}, {"dtype": np.float64}):
        apart = differences(load(dgms / name, **how), table, x)
        assert len(apart) > 150
        assert apart.max() < 4e-4
        assert np.median(apart) < 2e-5


def test_acceptance(dgms: Path, golden: Path, name: str) -> None:
    dgm = load(dgms / name)
    _, x, keys = reference(golden, name)
    said = json.loads((golden / f"c_acceptance_{name}.json").read_text())
    assert set(said) & set(keys)
    for key, vector in zip(keys, x, strict=True):
        draws = dgm.draw(vector, 1, seed=1, stream=key, at_least=20_000)
        theirs = said[key]["acceptance_20k"]
        error = np.hypot(draws.acceptance_se, np.sqrt(theirs * (1 - theirs) / 20_000))
        assert abs(draws.acceptance - theirs) < 4 * error


def steps(u: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Round down to 128 equal steps from low to high, as the reference samples are kept."""
    return np.clip(np.floor((u - low) / (high - low) * 128), 0, 127)


def c2st(one: np.ndarray, other: np.ndarray) -> float:
    """Cross-validated accuracy of a classifier that tells two sets of samples apart."""
    features = np.concatenate([one, other])
    labels = np.repeat([0, 1], [len(one), len(other)])
    folds = StratifiedKFold(5, shuffle=True, random_state=1)
    classifier = HistGradientBoostingClassifier(max_iter=40, random_state=1)
    with threadpool_limits(1):
        return float(cross_val_score(classifier, features, labels, cv=folds).mean())


@pytest.mark.parametrize("index", range(3))
def test_samples_are_those_of_the_original(dgms: Path, golden: Path, name: str, index: int) -> None:
    kept = np.load(golden / f"d_samples_{name}.npz")
    x, low, high = (kept[part][index] for part in ("x", "low", "high"))
    theirs = kept["samples"][index].astype(float)
    dgm = load(dgms / name)
    ours = steps(dgm.sample_unit(x, len(theirs), seed=3), low, high)
    p_values = np.sort([ks_2samp(a, b).pvalue for a, b in zip(ours.T, theirs.T, strict=True)])
    assert (p_values * np.arange(len(p_values), 0, -1)).min() > 0.01
    assert 0.47 < c2st(ours, theirs) < 0.53


def test_the_comparison_of_samples_is_sharp(dgms: Path, golden: Path) -> None:
    kept = np.load(golden / "d_samples_burst.npz")
    x, low, high = (kept[part][0] for part in ("x", "low", "high"))
    theirs = kept["samples"][0].astype(float)
    other = steps(load(dgms / "burst").sample_unit(x + 0.3, len(theirs), seed=3), low, high)
    assert c2st(other, theirs) > 0.53
    p_values = [ks_2samp(a, b).pvalue for a, b in zip(other.T, theirs.T, strict=True)]
    assert len(p_values) * min(p_values) < 0.01


@pytest.mark.parametrize(
    ("dgm_name", "table", "vectors"),
    [
        ("psd", "allenvc_summary", "b_x_mouse_psd"),
        ("psd", "synthetic_summary", "b_x_synthetic_psd"),
        ("burst", "synthetic_summary", "b_x_synthetic_burst"),
        ("burst", "organoid_summary", "b_x_organoids_burst"),
    ],
)
def test_conditioning(
    dgms: Path, release: Path, golden: Path, dgm_name: str, table: str, vectors: str
) -> None:
    dgm = load(dgms / dgm_name)
    rows = read_observations(release / f"observations/{table}.csv", dgm.recipe.columns)
    theirs = np.load(golden / f"{vectors}.npz")
    compared = 0
    for key, x, status in zip(theirs["keys"], theirs["x"], theirs["status"], strict=True):
        if str(key) not in rows:
            continue
        ours = dgm.conditioning(rows[str(key)])
        assert np.isfinite(ours).all() == (str(status) == "ok")
        np.testing.assert_allclose(ours, x, rtol=0, atol=2e-6, equal_nan=True)
        compared += 1
    assert compared >= 15


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: dataset.name)
def test_stored_log_prob_of_discovered_rows(
    dataset: Dataset, release: Path, tmp_path: Path
) -> None:
    """The published log-prob of each row is ours plus one constant per data set.

    The original keeps the leakage factor of the first observation after a MAP search.
    """
    archive = release / ARCHIVES[dataset.name].path
    convert_posterior(archive, tmp_path / "dgm")
    dgm = load(tmp_path / "dgm")
    observations = release / OBSERVATION_TABLES[dataset.observations].path
    rows = read_observations(observations, dgm.recipe.columns)
    (member,) = find_members(archive, MEMBER_KINDS["table"])
    with open_member(archive, member) as stream:
        table = pd.read_csv(stream, dtype={"x_o": str})
    constants = []
    for key, group in table.groupby("x_o"):
        ours = dgm.log_prob_unit(
            dgm.to_unit(group[list(dgm.names)].to_numpy()), dgm.conditioning(rows[str(key)])
        )
        constants.append(group["infer.log_prob"].to_numpy() - ours)
    everything = np.concatenate(constants)
    assert len(everything) == len(table)
    assert np.abs(everything - np.median(everything)).max() < 4e-4
    first = rows[str(table["x_o"].iloc[0])]
    draws = dgm.draw(dgm.conditioning(first), 1, seed=1, at_least=10_000)
    assert abs(np.median(everything) + np.log(draws.acceptance)) < 0.06
