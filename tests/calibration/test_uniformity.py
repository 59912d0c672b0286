"""The bands hold as often as they say, and a bootstrap is one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from automind_data.calibration.uniformity import Uniformity, bootstrap_band


@pytest.mark.parametrize(("n", "cells"), [(1, 4), (3, 4), (4, 5)])
def test_the_p_value_is_exact(n: int, cells: int) -> None:
    """Of all outcomes, each as likely, a share p looks as bad as one with p-value p."""
    even = Uniformity(n, cells)
    p = np.array([even.p_value(np.array(r)) for r in itertools.product(range(cells), repeat=n)])
    for value in np.unique(p):
        assert (p <= value + 1e-9).mean() == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize(("n", "cells"), [(46, 1000), (400, 100)])
def test_uniform_ranks_leave_the_band_as_often_as_said(n: int, cells: int) -> None:
    even, generator = Uniformity(n, cells), np.random.default_rng(1)
    lower, upper = even.band(0.1)
    ranks = generator.integers(0, cells, (2000, n))
    covered = np.stack([even.counts(row) for row in ranks]) / n
    left = ((covered < lower - 1e-12) | (covered > upper + 1e-12)).any(axis=1)
    assert left.mean() == pytest.approx(0.1, abs=0.025)
    p = np.array([even.p_value(row) for row in ranks[:300]])
    assert ((p < 0.1) == left[:300]).mean() > 0.98


def test_what_is_not_uniform_is_seen() -> None:
    even, generator = Uniformity(500, 100), np.random.default_rng(1)
    assert even.p_value(generator.integers(0, 100, 500)) > 0.01
    assert even.p_value(generator.integers(0, 85, 500)) < 1e-6
    assert even.p_value((100 * generator.beta(2, 2, 500)).astype(int)) < 1e-6


def test_bands_of_a_bootstrap_hold_the_truth() -> None:
    generator, held = np.random.default_rng(1), []
    for seed in range(200):
        even = Uniformity(200, 100)
        ranks = (100 * generator.beta(2, 1, 200)).astype(int)
        lower, upper = bootstrap_band(ranks, even, 0.1, 200, seed)
        truth = even.shares**2
        held.append(((truth >= lower - 1e-9) & (truth <= upper + 1e-9)).all())
    assert np.mean(held) == pytest.approx(0.9, abs=0.07)
