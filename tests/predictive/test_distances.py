"""Distances against the equations of the published code, written out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from automind_data.predictive.distances import DISTANCES, Target, log_features
from tests.predictive.runs import spectra, write_burst_dgm, write_psd_dgm


def test_burst_distances_are_those_of_the_equations(tmp_path: Path) -> None:
    recipe = write_burst_dgm(tmp_path / "dgm").recipe
    rng = np.random.default_rng(0)
    target, rows = np.exp(rng.normal(size=4)), np.exp(rng.normal(size=(5, 4)))
    logs = log_features(recipe, rows)
    got = {name: Target.of(recipe, target).distances(logs, name) for name in DISTANCES}
    for number, row in enumerate(rows):
        apart = [np.log10(one) - np.log10(other) for one, other in zip(row, target, strict=True)]
        mean = {"mse": sum(a * a for a in apart) / 4, "mae": sum(map(abs, apart)) / 4}
        assert got["log10_mse"][number] == pytest.approx(mean["mse"], rel=1e-12)
        assert got["log10_mae"][number] == pytest.approx(mean["mae"], rel=1e-12)
        assert got["standardized_mse"][number] == pytest.approx(mean["mse"] / 4, rel=1e-5)
        assert got["standardized_mae"][number] == pytest.approx(mean["mae"] / 2, rel=1e-5)


def test_standardised_spectra_are_the_conditioning_vectors_bit_for_bit(tmp_path: Path) -> None:
    recipe = write_psd_dgm(tmp_path / "dgm").recipe
    table = spectra(6, 0)
    values = table.select(recipe.columns).to_numpy()
    logs = log_features(recipe, values)
    x = np.array([recipe.conditioning(row) for row in table.iter_rows(named=True)])
    assert np.array_equal(recipe.standardized(logs.astype(np.float32)), x)
    distance = Target.of(recipe, values[0]).distances(logs, "standardized_mse")
    apart = x.astype(np.float64) - x[0].astype(np.float64)
    assert distance == pytest.approx((apart**2).mean(axis=1), rel=1e-12, abs=0)
    assert distance[0] == 0


def test_power_as_a_whole_plays_no_part_in_the_standardised_space(tmp_path: Path) -> None:
    recipe = write_psd_dgm(tmp_path / "dgm").recipe
    values = spectra(1, 0).select(recipe.columns).to_numpy()
    logs = log_features(recipe, 100 * values)
    target = Target.of(recipe, values[0])
    assert target.distances(logs, "log10_mae")[0] == pytest.approx(2)
    assert target.distances(logs, "standardized_mae")[0] < 1e-6


def test_a_feature_without_a_logarithm_has_no_distance(tmp_path: Path) -> None:
    recipe = write_burst_dgm(tmp_path / "dgm").recipe
    rows = np.array([[1.0, 0.0, 1, 1], [1, np.nan, 1, 1], [1, -1, 1, 1], [1, 2, 1, 1]])
    target = Target.of(recipe, np.ones(4))
    for name in DISTANCES:
        finite = np.isfinite(target.distances(log_features(recipe, rows), name))
        assert finite.tolist() == [False, False, False, True]


def test_bounds_of_the_estimator_do_not_change_a_distance(tmp_path: Path) -> None:
    recipe = write_burst_dgm(tmp_path / "dgm", bounds=[[0.1, 10.0]] * 4).recipe
    logs = log_features(recipe, np.full((1, 4), 1000.0))
    assert Target.of(recipe, np.ones(4)).distances(logs, "log10_mae")[0] == pytest.approx(3)


def test_how_rows_lie_in_memory_changes_no_bit(tmp_path: Path) -> None:
    recipe = write_psd_dgm(tmp_path / "dgm").recipe
    values = np.ascontiguousarray(spectra(6, 0).select(recipe.columns).to_numpy())
    target = Target.of(recipe, values[0])
    for name in DISTANCES:
        plain = target.distances(log_features(recipe, values), name)
        across = target.distances(log_features(recipe, np.asfortranarray(values)), name)
        alone = [target.distances(log_features(recipe, row[None]), name)[0] for row in values]
        assert plain.tobytes() == across.tobytes() == np.array(alone).tobytes()
