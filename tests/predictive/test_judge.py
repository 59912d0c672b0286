"""Yields, their intervals, and what stands beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from automind_data.predictive.compare import Compared
from automind_data.predictive.distances import DISTANCES
from automind_data.predictive.judge import (
    Share,
    Verdict,
    against_claim,
    exact_interval,
    judge,
    mean_yield,
)
from automind_data.predictive.rows import FAILED, WHOLE
from tests.builders import BURST_COLUMNS
from tests.predictive.runs import (
    SAMPLES,
    bursts,
    compared,
    models,
    settings,
    write,
    write_burst_dgm,
)


def observed(
    distances: list[float],
    heldout: list[float],
    kinds: list[str] | None = None,
    reason: str | None = None,
) -> Compared:
    """Rows with these distances, those that are NaN failed."""
    values = np.array(distances, float)
    kind = tuple(kinds or [SAMPLES] * len(values))
    ranked = np.isfinite(values) & np.array([each != "gt_resim" for each in kind])
    rank = np.zeros(len(values), np.int64)
    rank[np.flatnonzero(ranked)[np.argsort(values[ranked])]] = np.arange(1, ranked.sum() + 1)
    return Compared(
        "a",
        reason,
        np.arange(len(values)),
        kind,
        np.where(np.isfinite(values), WHOLE, FAILED).astype(np.uint8),
        dict.fromkeys(DISTANCES, values),
        "log10_mae",
        rank,
        np.sort(np.array(heldout, float)),
    )


def test_the_yield_counts_what_is_as_near_as_the_nearest_of_the_prior() -> None:
    heldout = [*np.linspace(1, 2, 10), *np.linspace(50, 90, 90)]
    verdict = judge(observed([0.5, 2, 2.0001, 3, np.nan], heldout), settings())
    assert (verdict.heldout, verdict.near, verdict.tolerance) == (100, 10, 2)
    assert verdict.matching is not None
    assert (verdict.matching.count, verdict.matching.n, verdict.matching.value) == (2, 5, 0.4)
    assert verdict.counts["failed"] == 1 and verdict.counts["whole"] == 4
    assert verdict.best is not None and verdict.best["log10_mae"] == 0.5


def test_a_twentieth_of_the_prior_is_at_least_so_many() -> None:
    verdict = judge(observed([1], list(range(20))), settings(near=0.05, near_at_least=7))
    assert (verdict.near, verdict.tolerance) == (7, 6)


def test_only_samples_count_for_the_yield() -> None:
    kinds = ["gt_resim", "NPE_map", "NPE_mean", SAMPLES, SAMPLES]
    verdict = judge(observed([1, 1, 1, 3, 900], list(range(100)), kinds), settings())
    assert (verdict.models, verdict.samples) == (4, 2)
    assert verdict.matching is not None and verdict.matching.value == 0.5
    assert verdict.noise_floor is not None and verdict.noise_floor["log10_mae"] == 1
    assert verdict.within_noise_floor == 0
    assert verdict.best is not None and verdict.best["log10_mae"] == 1


def test_without_a_row_simulated_once_more_there_is_no_noise_floor() -> None:
    for kinds, distance in ((None, 1.0), (["gt_resim", SAMPLES], np.nan)):
        rows = observed([distance, 2.0], list(range(100)), kinds)
        verdict = judge(rows, settings())
        assert verdict.noise_floor is None and verdict.within_noise_floor is None


def test_no_whole_model_is_a_yield_of_nothing_with_a_width() -> None:
    verdict = judge(observed([np.nan] * 4, list(range(100))), settings())
    assert verdict.best is None and verdict.matching is not None
    assert (verdict.matching.value, verdict.matching.bootstrap) == (0, (0, 0))
    assert verdict.matching.exact == pytest.approx((0, 0.6024), abs=1e-4)


def test_too_few_heldout_simulations_give_no_yield() -> None:
    verdict = judge(observed([1, 2], [1, 2, 3, 4]), settings(near_at_least=5))
    assert verdict.tolerance is None and verdict.matching is None
    assert mean_yield([verdict]) is None and against_claim(None) is None


def test_an_observation_without_target_has_counts_only() -> None:
    verdict = judge(observed([np.nan, np.nan], [], reason="missing"), settings())
    assert verdict.matching is None and verdict.best is None and verdict.counts["failed"] == 2


def test_the_bootstrap_is_the_plain_one() -> None:
    rng = np.random.default_rng(1)
    distances, heldout = rng.gamma(2, 1, 30), rng.gamma(2, 2, 60)
    rows = observed(distances.tolist(), heldout.tolist())
    quick = judge(rows, settings(bootstrap=20_000, near=0.2)).replicates
    near = judge(rows, settings(near=0.2)).near
    again = rng.choice(distances, (20_000, 30))
    ends = np.sort(rng.choice(heldout, (20_000, 60)), axis=1)[:, near - 1]
    plain = (again <= ends[:, None]).mean(axis=1)
    assert quick.mean() == pytest.approx(plain.mean(), abs=0.005)
    assert quick.std() == pytest.approx(plain.std(), rel=0.05)
    for share in (0.025, 0.25, 0.5, 0.75, 0.975):
        assert np.quantile(quick, share) == pytest.approx(np.quantile(plain, share), abs=0.034)


def test_the_bootstrap_depends_on_the_seed_and_the_observation_alone() -> None:
    rng = np.random.default_rng(1)
    rows = observed(rng.gamma(2, 1, 30).tolist(), rng.gamma(2, 2, 60).tolist())
    one, other = (judge(rows, settings(seed=seed)).replicates for seed in (1, 2))
    assert np.array_equal(one, judge(rows, settings(seed=1)).replicates)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(("count", "n"), [(0, 4), (4, 4), (3, 10), (120, 2500)])
def test_the_exact_interval_is_that_of_clopper_and_pearson(count: int, n: int) -> None:
    ends = binomtest(count, n).proportion_ci(0.95, method="exact")
    assert exact_interval(count, n) == pytest.approx((ends.low, ends.high), abs=1e-9)


@pytest.mark.parametrize(
    ("bootstrap", "exact", "said"),
    [
        ((0.0, 0.0), (0.0, 0.6), "compatible"),
        ((0.0, 0.04), (0.01, 0.049), "below"),
        ((0.3, 0.4), (0.26, 0.5), "above"),
        ((0.3, 0.4), (0.2, 0.5), "compatible"),
        ((0.1, 0.2), (0.08, 0.22), "compatible"),
    ],
)
def test_a_yield_is_apart_from_the_claim_only_by_both_intervals(
    bootstrap: tuple[float, float], exact: tuple[float, float], said: str
) -> None:
    assert against_claim(Share(0.1, 1, 10, bootstrap, exact)) == said


def test_a_yield_of_the_prior_is_what_it_is_said_to_be(tmp_path: Path) -> None:
    """Models drawn as the held-out simulations are match in m / N of all cases."""
    of = write_burst_dgm(tmp_path / "dgm")
    rng = np.random.default_rng(4)
    keys = [str(number) for number in range(40)]
    targets = {
        key: dict.fromkeys(BURST_COLUMNS, float(value))
        for key, value in zip(keys, np.exp(rng.normal(size=40)), strict=True)
    }
    rows = models(bursts(np.exp(rng.normal(size=4000))), np.repeat(keys, 100).tolist())
    heldout = models(bursts(np.exp(rng.normal(size=2000))), [""] * 2000)
    made = compared(
        write(tmp_path / "m.parquet", rows), of, targets, write(tmp_path / "h.parquet", heldout)
    )
    verdicts: list[Verdict] = [judge(each, settings()) for each in made.observations]
    share = mean_yield(verdicts)
    assert share is not None and share.n == 4000
    assert share.bootstrap[0] < 0.1 < share.bootstrap[1]
    assert share.value == pytest.approx(0.1, abs=0.015)
