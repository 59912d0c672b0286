"""Density estimators against the numbers that the original software produced."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automind_data.common.archive import MEMBER_KINDS, find_members, open_member
from automind_data.common.layout import ARCHIVES, DATASETS, OBSERVATION_TABLES, Dataset
from automind_data.common.observations import read_observations
from automind_data.dgm import load
from automind_data.pickles.convert import convert_posterior
from tests.dgm.exactness import (
    CONDITIONED,
    WAYS,
    acceptances,
    c2st,
    conditioning,
    differences,
    reference,
    samples,
    smallest_p,
)


@pytest.fixture(scope="module", params=["psd", "burst"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_log_prob(dgms: Path, name: str) -> None:
    assert np.isneginf(reference(name)[0]["log_prob_unnorm"]).any()
    for how in WAYS.values():
        apart = differences(load(dgms / name, **how), name)
        assert len(apart) > 150
        assert apart.max() < 4e-4
        assert np.median(apart) < 2e-5


def test_acceptance(dgms: Path, name: str) -> None:
    rows = list(acceptances(load(dgms / name), name))
    assert len(rows) == 5
    for _, ours, theirs, error in rows:
        assert abs(ours - theirs) < 4 * error


@pytest.mark.parametrize("index", range(3))
def test_samples_are_those_of_the_original(dgms: Path, name: str, index: int) -> None:
    pair = samples(load(dgms / name), name, index)
    assert smallest_p(*pair) > 0.01
    assert 0.47 < c2st(*pair) < 0.53


def test_the_comparison_of_samples_is_sharp(dgms: Path) -> None:
    pair = samples(load(dgms / "burst"), "burst", 0, shift=0.3)
    assert c2st(*pair) > 0.53
    assert smallest_p(*pair) < 0.01


@pytest.mark.parametrize(("dgm_name", "table", "vectors"), CONDITIONED)
def test_conditioning(dgms: Path, release: Path, dgm_name: str, table: str, vectors: str) -> None:
    observations = release / f"observations/{table}.csv"
    rows = list(conditioning(load(dgms / dgm_name), observations, vectors))
    assert len(rows) >= 15
    assert all(alike and apart <= 2e-6 for _, apart, alike in rows)


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
