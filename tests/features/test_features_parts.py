"""Each part beside a plain implementation of the same definition."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.signal
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from automind_data.common.errors import AutomindError
from automind_data.features import Recording, Settings, compute_features
from automind_data.features.bursts import COLUMNS, burst_features, find_bursts
from automind_data.features.isi import STATISTICS, isi_features, isi_statistics
from automind_data.features.pca import pca_features
from automind_data.features.peaks import find_peaks, local_maxima, peak_widths
from automind_data.features.psd import welch
from automind_data.features.rates import (
    bin_of,
    gaussian,
    number_of_bins,
    population_rate,
    smoothed,
)
from tests.features.recordings import bursting

LEVELS = arrays.arrays(np.float64, st.integers(1, 60), elements=st.integers(0, 6).map(float))


def recording(**changes: Any) -> Recording:
    return Recording.from_arrays(bursting(**changes), changes.get("t_end", 60.0), fs=12500)


@given(LEVELS)
def test_local_maxima_are_those_of_scipy(curve: np.ndarray) -> None:
    assert local_maxima(curve).tolist() == scipy.signal.find_peaks(curve)[0].tolist()


@settings(deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(1, 12),
    st.one_of(st.none(), st.floats(0.1, 2)),
    st.one_of(st.none(), st.floats(0.1, 2)),
    st.integers(0, 30),
    st.floats(0.01, 0.99),
)
def test_peaks_and_widths_are_those_of_scipy(
    seed: int,
    distance: float,
    height: float | None,
    prominence: float | None,
    window: int,
    share: float,
) -> None:
    curve = np.random.default_rng(seed).normal(size=80).cumsum() / 3
    found = find_peaks(curve, distance, height, prominence, window)
    wlen = window if window >= 2 else None
    wanted, said = scipy.signal.find_peaks(
        curve, height, distance=distance, prominence=prominence or (None, None), wlen=wlen
    )
    assert found[0].tolist() == wanted.tolist()
    stands, left, right = said["prominences"], said["left_bases"], said["right_bases"]
    assert found[1].tolist() == stands.tolist()
    assert [each.tolist() for each in found[2:]] == [left.tolist(), right.tolist()]
    made = peak_widths(curve, *found, share)
    _, _, start, end = scipy.signal.peak_widths(curve, wanted, share, (stands, left, right))
    np.testing.assert_allclose(made, (start, end), rtol=1e-12)


@settings(deadline=None)
@given(
    arrays.arrays(np.float64, st.integers(0, 50), elements=st.floats(0, 3)),
    st.sampled_from([0.001, 0.0002, 0.01, 0.1, 0.3]),
    st.sampled_from([1.1, 2.0, 2.5, 3.0]),
    st.booleans(),
)
def test_bins_are_those_of_a_histogram(
    times: np.ndarray, step: float, t_end: float, tied: bool
) -> None:
    if tied:
        times = np.round(times / step) * step + step / 2
    stamps = np.arange(0.0, t_end + step, step)
    edges = stamps - step / 2
    assert number_of_bins(t_end, step) == len(stamps) - 1
    counts, _ = np.histogram(times, edges)
    np.testing.assert_array_equal(population_rate(times, 3, t_end, step), counts / step / 3)


@pytest.mark.parametrize("step", [0.001, 0.0002, 0.01, 0.1, 0.3])
def test_spikes_on_an_edge_fall_as_in_a_histogram(step: float) -> None:
    edges = np.arange(0.0, 3.0 + step, step) - step / 2
    for times in (edges[1:], np.nextafter(edges[1:], 0), np.nextafter(edges[1:], 9)):
        counts, _ = np.histogram(times, edges)
        np.testing.assert_array_equal(population_rate(times, 1, 3.0, step), counts / step)


def test_the_published_numbers_of_bins() -> None:
    wanted = {(200.1, 0.001): 200100, (200.1, 0.0002): 1000500, (250.0, 0.001): 250000}
    wanted |= {(10.1, 0.001): 10100, (30.1, 0.001): 30101, (1.1, 0.01): 111}
    assert {pair: number_of_bins(*pair) for pair in wanted} == wanted


def test_spikes_after_the_last_bin_are_dropped() -> None:
    assert bin_of(np.array([0.0, 0.9996, 1.0]), 0.001, 1000).tolist() == [0, 1000, 1000]
    assert population_rate(np.array([0.0, 0.9996, 1.0]), 1, 1.0, 0.001).sum() == 1000


@pytest.mark.parametrize(("window", "least"), [((0.1, None), 3), ((5.0, 30.0), 4), ((0, None), 0)])
def test_isi_beside_one_cell_at_a_time(window: tuple[float, float | None], least: int) -> None:
    made = Recording.from_arrays(
        [*bursting(), [5.0, 9.0], [], [12500 * 6.0], np.arange(1, 7) * 62500], 60.0, fs=12500
    )
    table = isi_statistics(made.times, made.offsets, window, least)
    for cell, row in enumerate(table):
        times = made.times[made.offsets[cell] : made.offsets[cell + 1]]
        times = times[(times >= window[0]) & (times < (window[1] or math.inf))]
        assert row[0] == len(times)
        if len(times) < max(least, 2):
            assert np.isnan(row[1:]).all()
            continue
        steps = np.diff(times)
        quartiles = np.percentile(steps, [25, 50, 75])
        wanted = [steps.mean(), steps.std(), *quartiles, steps.std() / steps.mean()]
        np.testing.assert_allclose(row[1:], wanted, rtol=1e-12)
    features = isi_features(table)
    for column, name in enumerate(STATISTICS):
        known = table[~np.isnan(table[:, column]), column]
        assert features[f"isi_{name}_mu"] == pytest.approx(known.mean(), rel=1e-12)
        assert features[f"isi_{name}_sigma"] == pytest.approx(known.std(ddof=1), rel=1e-12)


def test_isi_without_enough_spikes() -> None:
    row = isi_features(isi_statistics(np.zeros(0), np.zeros(4, np.int64)))
    assert (row["isi_numspks_mu"], row["isi_numspks_sigma"]) == (0, 0)
    assert all(math.isnan(value) for name, value in row.items() if "numspks" not in name)
    one = isi_features(isi_statistics(np.array([1.0, 2, 4]), np.array([0, 3])))
    assert one["isi_mean_mu"] == 1.5 and math.isnan(one["isi_mean_sigma"])


def test_channels_counted_twice_as_in_the_organoid_table() -> None:
    table = isi_statistics(*(lambda r: (r.times, r.offsets))(recording(cells=10)))
    once, twice = isi_features(table), isi_features(table, doubled=True)
    for name in STATISTICS:
        assert twice[f"isi_{name}_mu"] == once[f"isi_{name}_mu"]
        share = math.sqrt(2 * 9 / 19)
        assert twice[f"isi_{name}_sigma"] == pytest.approx(once[f"isi_{name}_sigma"] * share)


def test_smoothing_is_as_published_and_centred_when_corrected() -> None:
    assert len(gaussian(0.02, 0.001)) == 140 and len(gaussian(0.02, 0.001, centred=True)) == 141
    pulse = np.zeros(1001)
    pulse[500] = 1.0
    at = np.arange(1001)
    published = smoothed(pulse, gaussian(0.02, 0.001))
    assert (published * at).sum() == pytest.approx(500.5)
    corrected = smoothed(pulse, gaussian(0.02, 0.001, centred=True))
    assert (corrected * at).sum() == pytest.approx(500.0)
    window = scipy.signal.windows.gaussian(140, 20)
    np.testing.assert_allclose(gaussian(0.02, 0.001), window / window.sum(), rtol=1e-12)


@pytest.mark.parametrize("length", [200, 201])
def test_the_spectrum_is_that_of_scipy(length: int) -> None:
    rate = np.random.default_rng(0).poisson(3, 5000).astype(float)
    made = welch(rate, 1000.0, length, length // 2)
    wanted = scipy.signal.welch(rate, 1000.0, nperseg=length, noverlap=length // 2)
    np.testing.assert_allclose(made, wanted, rtol=1e-9, atol=1e-18)


@pytest.mark.parametrize("cells", [5, 40])
def test_pca_is_exact(cells: int) -> None:
    made = recording(cells=cells, t_end=33.3)
    row = pca_features(made.times, made.offsets, 33.3, 0.01, 0.05, 10)
    window, bins = gaussian(0.05, 0.01), number_of_bins(33.3, 0.01)
    columns = []
    for cell in range(cells):
        times = made.times[made.offsets[cell] : made.offsets[cell + 1]]
        counts = population_rate(times, 1, 33.3, 0.01) * 0.01
        columns.append(np.convolve(counts, window, "same") / 0.01)
    rates = np.array(columns).T
    assert rates.shape == (bins, cells)
    assert row["pca_total"] == pytest.approx(rates.var(axis=0).mean(), rel=1e-12)
    singular = np.linalg.svd(rates - rates.mean(axis=0), compute_uv=False) ** 2
    wanted = (singular / singular.sum())[:10]
    made_shares = [row[f"pca_{number + 1}"] for number in range(10)]
    np.testing.assert_allclose(made_shares[: len(wanted)], wanted, rtol=1e-9)
    assert np.isnan(made_shares[len(wanted) :]).all()


def test_spearman_beside_scipy_with_ties() -> None:
    made = recording()
    features = compute_features(made, families=["burst"])
    assert features.bursts is not None
    interval, height = features.bursts.interval, features.bursts.height
    next_peak = scipy.stats.spearmanr(interval, height[1:]).statistic
    previous = scipy.stats.spearmanr(interval, height[:-1]).statistic
    assert features.row["burst_corr_interval2nextpeak"] == pytest.approx(next_peak)
    assert features.row["burst_corr_interval2prevpeak"] == pytest.approx(previous)
    assert features.row["burst_num"] == len(height) > 5


def bumps(*at: float, seconds: float = 20.0) -> np.ndarray:
    """A rate with equal bumps, 1 kHz."""
    time = np.arange(0, seconds, 0.001)
    return sum(10 * np.exp(-(((time - each) / 0.1) ** 2) / 2) for each in at) + np.zeros(len(time))


def test_fewer_than_two_kernels_leave_no_value_as_published() -> None:
    chosen = Settings(burst_max_window=(0.0, None))
    for rate in (bumps(), bumps(10.0), bumps(0.2, 10.0)):
        row = burst_features(find_bursts(rate, chosen), chosen)
        assert list(row) == list(COLUMNS) and all(map(math.isnan, row.values()))
    row = burst_features(find_bursts(bumps(5.0, 10.0), chosen), chosen)
    assert (row["burst_num"], row["burst_interval_std"], row["burst_corr_std"]) == (2, 0, 0)
    assert math.isnan(row["burst_corr_interval2nextpeak"])


def test_corrected_counts_them() -> None:
    chosen = Settings(burst_max_window=(0.0, None), corrected=True)
    for rate, number in ((bumps(), 0), (bumps(10.0), 1), (bumps(0.2, 10.0), 2)):
        row = burst_features(find_bursts(rate, chosen), chosen)
        assert row["burst_num"] == number
        assert math.isnan(row["burst_width_mean"]) == (number == 0)
    published = replace(chosen, corrected=False)
    rate = bumps(5.0, 10.0, 15.0)
    rows = [burst_features(find_bursts(rate, each), each) for each in (published, chosen)]
    assert rows[0]["burst_mean_fr_mean"] < 1 < rows[1]["burst_mean_fr_mean"] < 10
    assert rows[1]["burst_mean_fr_mean"] == pytest.approx(rows[0]["burst_mean_fr_mean"] * 10, 1e-3)


def test_a_burst_without_a_subpeak_counts_minus_one_as_published() -> None:
    rate = np.zeros(20000)
    rate[[5000, 10000, 15000]] = 10.0
    for corrected, wanted in ((False, -1.0), (True, 0.0)):
        chosen = Settings(burst_max_window=(0, None), burst_rel_height=0.1, corrected=corrected)
        found = find_bursts(rate, chosen)
        assert found.subpeaks is not None
        assert set(found.subpeaks.tolist()) <= {wanted}


def test_without_subpeak_settings_four_columns_are_left_out() -> None:
    chosen = Settings(min_subpeak_prom_ratio=None)
    assert len(burst_features(find_bursts(bumps(5.0, 10.0, 15.0), chosen), chosen)) == 16


def test_height_mode() -> None:
    chosen = Settings(use_burst_prominence=False, burst_max_window=(0.0, None))
    found = find_bursts(bumps(5.0, 10.0, 15.0), chosen)
    np.testing.assert_allclose(found.peak, [5, 10, 15], atol=0.002)


def test_a_rate_below_the_least_height_has_no_bursts() -> None:
    assert len(find_bursts(bumps(5.0, 10.0) * 0.05, Settings()).peak) == 0


def test_the_seed_decides_only_between_equal_samples() -> None:
    made = recording()
    one, other = (compute_features(made, Settings(seed=seed)).row for seed in (0, 1))
    for column, value in one.items():
        assert other[column] == pytest.approx(value, rel=1e-4, abs=1e-9, nan_ok=True), column
    assert any(other[column] != value for column, value in one.items())
    assert compute_features(made, Settings(seed=1)).row.items() >= {
        (column, value) for column, value in other.items() if not math.isnan(value)
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"smooth_std": 0.0005}, "a Gaussian of 0.0005 s cannot be sampled in steps of 0.001 s"),
        ({"smooth_std": 20.0}, "smoothing needs 140 s, there are 60 s"),
        ({"nperseg_ratio": 100.0}, "a spectrum needs 100 s, there are 59.9 s"),
        ({"pca_smooth_std": 20.0}, "needs 140 s, there are 60 s"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(AutomindError, match="cannot be analysed") as caught:
        compute_features(recording(), replace(Settings(), **changes))
    assert said in str(caught.value)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AutomindError, match="knows no pipeline mine"):
        compute_features(recording(), pipeline="mine")
    with pytest.raises(AutomindError, match="gets no family psd from the pipeline notebook"):
        compute_features(recording(), pipeline="notebook", families=["psd"])
