"""Network bursts: peaks of the smoothed population rate, and twenty numbers about them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automind_data.features.peaks import find_peaks, peak_widths
from automind_data.features.settings import Settings

__all__ = ["COLUMNS", "SUBPEAK_COLUMNS", "Bursts", "burst_features", "find_bursts"]

Floats = NDArray[np.float64]

NOISE = 1e-7
"""Standard deviation of the noise that decides between equal samples, Hz."""

SUBPEAK_COLUMNS = (
    "burst_numsubpeaks_mean",
    "burst_numsubpeaks_std",
    "burst_mean_fr_mean",
    "burst_mean_fr_std",
)

COLUMNS = (
    "burst_num",
    "burst_interval_mean",
    "burst_interval_std",
    "burst_interval_cv",
    "burst_peak_fr_mean",
    "burst_peak_fr_std",
    "burst_width_mean",
    "burst_width_std",
    "burst_onset_time_mean",
    "burst_onset_time_std",
    "burst_offset_time_mean",
    "burst_offset_time_std",
    "burst_corr_mean",
    "burst_corr_std",
    "burst_corr_interval2nextpeak",
    "burst_corr_interval2prevpeak",
    *SUBPEAK_COLUMNS,
)


@dataclass(frozen=True)
class Bursts:
    """The bursts of one recording.

    Attributes
    ----------
    peak, start, end
        Times of the peak and of the crossings beside it, (n,), s.
    height
        Population rate at the peak, (n,), Hz per cell.
    interval
        From each peak to the next, (n - 1,), s.
    kernels
        Pieces of rate around those peaks that are not too close to an end, (k, samples).
    threshold
        What peaks are held to, Hz.
    subpeaks, level
        Sub-peaks beside the first, and mean rate, of each burst that lasts at least a
        sample; None without sub-peak settings. The published mean rate is a share of
        the height.
    """

    peak: Floats
    start: Floats
    end: Floats
    height: Floats
    interval: Floats
    kernels: Floats
    threshold: float
    subpeaks: Floats | None
    level: Floats | None


def find_bursts(rate: Floats, settings: Settings) -> Bursts:
    """Detect bursts in a smoothed population rate.

    Parameters
    ----------
    rate
        One sample each `settings.dt_poprate`, Hz per cell.
    settings
        The burst settings are used, and `corrected` and `seed`.

    Notes
    -----
    The original adds noise of 1e-7 Hz that differs from run to run. Here it comes from
    NumPy's legacy generator with `settings.seed`, drawn in the original's order.
    """
    frequency = 1 / settings.dt_poprate
    random = np.random.RandomState(settings.seed)
    threshold = _threshold(rate, frequency, settings)
    if threshold is None:
        none = np.zeros(0)
        nothing = None if settings.min_subpeak_prom_ratio is None else none
        return Bursts(none, none, none, none, none, np.zeros((0, 0)), 0.0, nothing, nothing)
    noisy = rate + random.standard_normal(len(rate)) * NOISE
    distance = settings.min_burst_distance * frequency
    if settings.use_burst_prominence:
        window = int(settings.burst_wlen * frequency)
        found = find_peaks(noisy, distance, None, threshold, window)
    else:
        found = find_peaks(noisy, distance, threshold, None)
    peaks, stands, left, right = found
    first, last = peak_widths(noisy, peaks, stands, left, right, settings.burst_rel_height)
    times, start, end = peaks / frequency, first / frequency, last / frequency
    interval = np.diff(peaks) / frequency if settings.corrected else np.diff(times)
    height = rate[peaks]
    low, high = (int(each * frequency) for each in settings.burst_win)
    inside = peaks[(peaks + low >= 0) & (peaks + high <= len(rate))]
    kernels = rate[inside[:, None] + np.arange(low, high)]
    subpeaks = level = None
    if settings.min_subpeak_prom_ratio is not None:
        limits = (first, last) if settings.corrected else (start * frequency, end * frequency)
        subpeaks, level = _inside(rate, *limits, height, settings, random)
    return Bursts(times, start, end, height, interval, kernels, threshold, subpeaks, level)


def _threshold(rate: Floats, frequency: float, settings: Settings) -> float | None:
    """Return what peaks are held to; None for a rate that never reaches the least height."""
    begin, end = settings.burst_max_window
    first = int(begin * frequency)
    last = int(end * frequency) if end else len(rate)
    seen = rate[first:last]
    most = float(seen.max()) if seen.size else 0.0
    if most < settings.min_burst_height or most <= 0:
        return None
    return settings.min_burst_height_ratio * most


def _inside(
    rate: Floats,
    first: Floats,
    last: Floats,
    height: Floats,
    settings: Settings,
    random: np.random.RandomState,
) -> tuple[Floats, Floats]:
    subpeaks, level = [], []
    ratio = settings.min_subpeak_prom_ratio or 0.0
    distance = settings.min_subpeak_distance / settings.dt_poprate
    for begin, end, top in zip(first.tolist(), last.tolist(), height.tolist(), strict=True):
        piece = rate[int(begin) : int(end)]
        if not piece.size:
            continue
        piece = piece + random.standard_normal(len(piece)) * NOISE
        peaks, *_ = find_peaks(piece, distance, None, ratio * float(piece.max()))
        further = len(peaks) - 1
        subpeaks.append(max(further, 0) if settings.corrected else further)
        level.append(float(piece.mean()) / (1.0 if settings.corrected else top))
    return np.array(subpeaks, np.float64), np.array(level)


def burst_features(bursts: Bursts, settings: Settings) -> dict[str, float]:
    """Sum up the bursts of one recording.

    Parameters
    ----------
    bursts
        What `find_bursts` gave.
    settings
        `corrected` counts bursts even where there are fewer than two kernels; published
        tables then have no value in any burst column.

    Returns
    -------
    dict
        `COLUMNS`, NaN where there is nothing to sum up; standard deviations divide by n.
        Without sub-peak settings and with bursts, the four of `SUBPEAK_COLUMNS` are left out.
    """
    made = dict.fromkeys(COLUMNS, float("nan"))
    if not settings.corrected and len(bursts.kernels) < 2:
        return made
    made["burst_num"] = float(len(bursts.peak))
    if not len(bursts.peak):
        return made
    pairs = {
        "burst_interval": bursts.interval,
        "burst_peak_fr": bursts.height,
        "burst_width": bursts.end - bursts.start,
        "burst_onset_time": bursts.start - bursts.peak,
        "burst_offset_time": bursts.end - bursts.peak,
        "burst_corr": _correlations(bursts.kernels),
        "burst_numsubpeaks": bursts.subpeaks,
        "burst_mean_fr": bursts.level,
    }
    for name, values in pairs.items():
        if values is None:
            del made[f"{name}_mean"], made[f"{name}_std"]
        elif len(values):
            made[f"{name}_mean"], made[f"{name}_std"] = float(values.mean()), float(values.std())
    made["burst_onset_time_mean"] = -made["burst_onset_time_mean"]
    if len(bursts.interval):
        made["burst_interval_cv"] = made["burst_interval_std"] / made["burst_interval_mean"]
    made["burst_corr_interval2nextpeak"] = _spearman(bursts.interval, bursts.height[1:])
    made["burst_corr_interval2prevpeak"] = _spearman(bursts.interval, bursts.height[:-1])
    return made


def _correlations(kernels: Floats) -> Floats:
    """Correlate each pair of rows, (k, samples) → (k (k - 1) / 2,); NaN for a flat row."""
    if len(kernels) < 2:
        return np.zeros(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        matrix = np.asarray(np.corrcoef(kernels))
        return matrix[np.triu_indices(len(kernels), 1)]


def _spearman(one: Floats, other: Floats) -> float:
    if len(one) < 2:
        return float("nan")
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _ranks(values: Floats) -> Floats:
    """Rank from 1 on; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]
