"""How often simulations that are like those of training are said to lie outside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from automind_data.calibration.misfit import Misfit, Oddness, find_misfit
from automind_data.calibration.observations import judge_misfit
from automind_data.calibration.rows import read_simulations
from automind_data.dgm import load


@pytest.mark.parametrize(("name", "splits"), [("psd", 30), ("burst", 80)])
def test_one_in_a_hundred_simulations_lies_outside(
    dgms: Path, tables: Path, name: str, splits: int
) -> None:
    """Simulations of both tables in random order: none differs from those it is held to."""
    dgm = load(dgms / name)
    training, heldout = (
        read_simulations(tables / f"{table}.parquet", dgm, 4000, 0).x
        for table in ("training", "heldout")
    )
    rows, n = np.concatenate([training, heldout]), len(training)
    generator, outside = np.random.default_rng(0), []
    for _ in range(splits):
        mixed = rows[generator.permutation(len(rows))]
        outside.append(find_misfit(mixed[:n], "density").of(mixed[n:]).outside.mean())
    error = np.std(outside) / np.sqrt(splits)
    assert np.mean(outside) == pytest.approx(0.01, abs=max(3 * error, 0.004))
    assert np.mean(outside) < 0.02


def made(n: int) -> Misfit:
    return find_misfit(np.random.default_rng(n).normal(size=(n, 3)), "density")


@pytest.mark.parametrize(("n", "few"), [(20, 1), (99, 1), (198, 1), (199, 2), (699, 7)])
def test_how_odd_a_row_must_be(n: int, few: int) -> None:
    misfit = made(n)
    assert misfit.outside_of == (few, n + 1)
    odd = misfit.of(np.random.default_rng(0).normal(size=(2000, 3)) * 2)
    assert np.array_equal(odd.outside, odd.p <= max(0.01, 1 / (n + 1)) + 1e-12)
    assert misfit.of(np.full((1, 3), 99.0)).outside.all()


def test_the_training_rows_at_hand_are_a_matter_of_chance_too() -> None:
    """Four of 78 look like far too many for one in a hundred, and are not for 215 rows."""
    misfit, quiet = made(215), np.zeros(78, bool)
    flags = quiet.copy()
    flags[:4] = True
    check = judge_misfit(
        {"density": misfit},
        np.zeros((0, 3), np.float32),
        {"density": Oddness(np.zeros(78), np.ones(78), flags)},
    )
    number = check.numbers["observations_outside_density"]
    assert check.p == pytest.approx(stats.betabinom.sf(3, 78, 2, 214)) and check.p > 0.01
    assert stats.binom.sf(3, 78, 0.01) < 0.01
    assert check.verdict == "pass" and number.must_be == 2 / 216
    assert number.give_or_take == pytest.approx(4 / 78 - 2 / 216)
    assert stats.betabinom.sf(4, 78, 2, 214) <= 0.01
    flags[4] = True
    check = judge_misfit(
        {"density": misfit},
        np.zeros((0, 3), np.float32),
        {"density": Oddness(np.zeros(78), np.ones(78), flags)},
    )
    assert check.verdict == "fail"
