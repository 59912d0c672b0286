"""The baseline that has to be beaten, and the scores of odd features."""

from __future__ import annotations

import numpy as np
import pytest

from automind_data.calibration.baseline import fit_gaussian
from automind_data.calibration.misfit import SCORES, find_misfit


def test_the_baseline_learns_what_is_linear_and_only_that() -> None:
    generator = np.random.default_rng(1)
    x = generator.normal(size=(600, 30)) @ generator.normal(size=(30, 30))
    u = generator.random((600, 3))
    u[:, 0] = np.clip(0.5 + 0.2 * x[:, 0] / x[:, 0].std() + 0.05 * generator.normal(size=600), 0, 1)
    fitted = fit_gaussian(u[:300], x[:300])
    gain = np.array([fitted.log_prob(u[row][None], x[row])[0] for row in range(300, 600)])
    assert 0.3 < gain.mean() < np.log(1 / (0.05 * np.sqrt(2 * np.pi * np.e)))
    assert (fitted.widths[1:] > 0.4).all() and fitted.widths[0] < 0.25


def test_the_density_of_the_baseline_is_one() -> None:
    generator = np.random.default_rng(2)
    x = generator.normal(size=(100, 4))
    fitted = fit_gaussian(generator.beta(2, 5, (100, 1)), x)
    grid = (np.arange(2000) + 0.5)[:, None] / 2000
    assert np.exp(fitted.log_prob(grid, x[0])).mean() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("width", [4, 300])
def test_features_like_those_of_training_are_not_odd(name: str, width: int) -> None:
    generator = np.random.default_rng(3)
    mixing = generator.normal(size=(6, width)) if width > 6 else np.eye(width)
    made = generator.normal(size=(700, len(mixing))) @ mixing + 0.1 * generator.normal(
        size=(700, width)
    )
    misfit = find_misfit(made[:200], name)
    p = misfit.of(made[200:]).p
    assert p.min() >= 1 / 201 and p.max() <= 1
    for share in (0.05, 0.5):
        assert (p <= share).mean() == pytest.approx(share, abs=0.1)
    away = misfit.of(np.stack([np.full(width, 9.0), made[200]]))
    assert away.p[0] == pytest.approx(1 / 201) and away.score[0] > away.score[1]


def test_the_density_score_looks_beyond_the_main_directions() -> None:
    """A vector that is average along all components, and elsewhere where no simulation is."""
    generator = np.random.default_rng(4)
    x = np.outer(generator.normal(size=200), np.ones(50)) + 0.01 * generator.normal(size=(200, 50))
    strange = np.tile([0.3, -0.3], 25)[None]
    assert find_misfit(x, "density").of(strange).p[0] == pytest.approx(1 / 201)
