"""What a user does with a density estimator: condition, evaluate, sample, keep."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from automind_data.common.errors import AutomindError
from automind_data.common.observations import read_observations
from automind_data.dgm import DGM, load


@pytest.fixture(scope="module")
def dgm(dgms: Path) -> DGM:
    return load(dgms / "psd")


@pytest.fixture(scope="module")
def x(dgm: DGM, release: Path) -> np.ndarray:
    table = release / "observations/allenvc_summary.csv"
    rows = read_observations(table, dgm.recipe.columns)
    return dgm.conditioning(next(iter(rows.values())))


def test_same_numbers_for_any_threads_and_any_n(dgm: DGM, x: np.ndarray) -> None:
    one = dgm.draw(x, 3000, seed=5, threads=1)
    three = dgm.draw(x, 3000, seed=5, threads=3)
    assert one.u.tobytes() == three.u.tobytes()
    assert one.log_prob.tobytes() == three.log_prob.tobytes()
    assert (one.drawn, one.accepted) == (three.drawn, three.accepted)
    fewer = dgm.draw(x, 700, seed=5, threads=2)
    assert fewer.u.tobytes() == one.u[:700].tobytes()
    assert not np.array_equal(dgm.draw(x, 10, seed=6).u, one.u[:10])
    assert not np.array_equal(dgm.draw(x, 10, seed=5, stream="other").u, one.u[:10])


def test_draws_are_inside_and_counted_exactly(dgm: DGM, x: np.ndarray) -> None:
    draws = dgm.draw(x, 2500, seed=1, at_least=10_000)
    assert draws.drawn == 10_000
    assert draws.u.shape == (2500, 28) and draws.u.dtype == np.float32
    assert (draws.u >= 0).all() and (draws.u <= 1).all()
    assert (np.diff(draws.draw) > 0).all()
    everything = dgm.draw(x, draws.accepted, seed=1)
    assert everything.drawn == 10_000 and everything.accepted == draws.accepted
    assert 0 < draws.acceptance < 1


def test_log_prob_of_a_draw_is_that_of_its_evaluation(dgm: DGM, x: np.ndarray) -> None:
    draws = dgm.draw(x, 2000, seed=2)
    again = dgm.log_prob_unit(draws.u, x)
    assert np.abs(draws.log_prob - again).max() < 4e-4


def test_oversampling_keeps_the_densest(dgm: DGM, x: np.ndarray) -> None:
    plain = dgm.draw(x, 600, seed=3)
    pruned = dgm.draw(x, 60, seed=3, oversample=10)
    order = np.lexsort((plain.draw, -plain.log_prob))[:60]
    assert np.array_equal(pruned.draw, plain.draw[order])
    assert np.array_equal(pruned.u, plain.u[order])
    assert (np.diff(pruned.log_prob) <= 0).all()


def test_outside_the_box_has_no_density(dgm: DGM, x: np.ndarray) -> None:
    u = np.full((3, 28), 0.5)
    u[1, 4] = 1.0000001
    u[2, 7] = -1e-7
    log_prob = dgm.log_prob_unit(u, x.reshape(1, -1))
    assert np.isfinite(log_prob[0]) and np.isneginf(log_prob[1:]).all()


def test_physical_and_unit_densities_differ_by_the_volume(dgm: DGM, x: np.ndarray) -> None:
    theta = dgm.sample(x, 50, seed=4)
    assert theta.dtype == np.float64
    assert (theta >= dgm.low).all() and (theta <= dgm.high).all()
    volume = np.log(dgm.high.astype(float) - dgm.low.astype(float)).sum()
    unit = dgm.log_prob_unit(dgm.to_unit(theta), x)
    np.testing.assert_allclose(dgm.log_prob(theta, x), unit - volume)


def test_bad_vectors_are_refused(dgm: DGM, x: np.ndarray) -> None:
    with pytest.raises(AutomindError, match="takes 990"):
        dgm.sample_unit(x[:-1], 1)
    broken = x.copy()
    broken[3] = np.nan
    with pytest.raises(AutomindError, match="1 values that are not finite"):
        dgm.log_prob_unit(np.full((1, 28), 0.5), broken)


def test_a_cap_on_draws(dgm: DGM, x: np.ndarray) -> None:
    with pytest.raises(AutomindError, match="of 2000 draws fell inside the prior box"):
        dgm.draw(x, 100_000, seed=1, stream="leaky", at_most=2000)


def test_damaged_folders_are_refused(dgms: Path, tmp_path: Path) -> None:
    def copy(name: str) -> Path:
        return Path(shutil.copytree(dgms / "burst", tmp_path / name))

    with pytest.raises(AutomindError, match="is not there"):
        load(tmp_path / "nowhere")
    cut = copy("cut") / "dgm.safetensors"
    cut.write_bytes(cut.read_bytes()[:1000])
    with pytest.raises(AutomindError, match="damaged"):
        load(cut.parent)
    newer = copy("newer") / "dgm.json"
    newer.write_text(json.dumps({**json.loads(newer.read_text()), "format": 99}))
    with pytest.raises(AutomindError, match="format 99"):
        load(newer.parent)
    empty = copy("empty") / "dgm.json"
    empty.write_text('{"format": 1}')
    with pytest.raises(AutomindError, match="incomplete"):
        load(empty.parent)
