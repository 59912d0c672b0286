"""From a recording to one row of features: the two published ways, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from automind_data.common.errors import AutomindError
from automind_data.features.bursts import Bursts, burst_features, find_bursts
from automind_data.features.isi import isi_features, isi_statistics
from automind_data.features.pca import pca_features
from automind_data.features.psd import psd_features
from automind_data.features.rates import decimated, gaussian, population_rate, smoothed
from automind_data.features.recording import Recording
from automind_data.features.settings import Settings

__all__ = ["FAMILIES", "PIPELINES", "Features", "compute_features"]

FAMILIES = ("isi", "burst", "pca", "psd")
"""Families of feature columns, in the order of the published tables."""


@dataclass(frozen=True)
class Features:
    """What was computed from one recording.

    Attributes
    ----------
    row
        Feature columns by their published names; NaN for what cannot be computed.
    rate
        Population rate, not smoothed, one sample each `dt_poprate`, Hz per cell; None in
        the pipeline `notebook`.
    smooth
        The rate in which bursts were looked for.
    bursts
        They.
    """

    row: dict[str, float]
    rate: NDArray[np.float64] | None = field(default=None, repr=False)
    smooth: NDArray[np.float64] | None = field(default=None, repr=False)
    bursts: Bursts | None = field(default=None, repr=False)


def compute_features(
    recording: Recording,
    settings: Settings | None = None,
    pipeline: str = "tables",
    families: Sequence[str] | None = None,
) -> Features:
    """Compute the features of a recording.

    Parameters
    ----------
    recording
        Spikes of one population.
    settings
        Analysis parameters; default: those of the sample release.
    pipeline
        One of `PIPELINES`. `tables` made the published tables, so the density estimators
        were trained on it. `notebook` takes a recording to a conditioning vector in the
        published notebook; it has no `pca` and no `psd`.
    families
        Some of `FAMILIES`; default: all that the pipeline has.

    Notes
    -----
    Matrix products run on one thread each: on more they give other last digits.

    Raises
    ------
    AutomindError
        There is no such pipeline or family, or the recording is too short for one.

    Examples
    --------
    >>> recording = Recording.from_arrays([np.arange(1, 60) / 4, np.arange(1, 30) / 2], 15.0)
    >>> compute_features(recording, families=["isi"]).row["isi_mean_mu"]
    0.375
    """
    settings = settings or Settings()
    if pipeline not in PIPELINES:
        step = f"use one of {', '.join(PIPELINES)}"
        raise AutomindError(recording.name, f"knows no pipeline {pipeline}", step)
    run, offered = PIPELINES[pipeline]
    wanted = offered if families is None else tuple(families)
    for family in wanted:
        if family not in offered:
            rule = f"gets no family {family} from the pipeline {pipeline}"
            raise AutomindError(recording.name, rule, f"use some of {', '.join(offered)}")
    from threadpoolctl import threadpool_limits

    try:
        with threadpool_limits(1, "blas"):
            return run(recording, settings, wanted)
    except ValueError as error:
        step = "choose families that need less, or a longer recording"
        raise AutomindError(recording.name, f"cannot be analysed: {error}", step) from None


def _tables(recording: Recording, settings: Settings, families: Sequence[str]) -> Features:
    cells, step = len(recording.cells), settings.dt_poprate
    row = _isi(recording, settings) if "isi" in families else {}
    rate = smooth = bursts = None
    if "burst" in families or "psd" in families:
        rate = population_rate(recording.times, cells, recording.t_end, step)
    if rate is not None and "burst" in families:
        smooth = _smooth(rate, step, settings)
        bursts = find_bursts(smooth, settings)
        row |= burst_features(bursts, settings)
    if "pca" in families:
        row |= pca_features(
            recording.times,
            recording.offsets,
            recording.t_end,
            settings.pca_bin_width,
            settings.pca_smooth_std,
            settings.n_pcs,
        )
    if rate is not None and "psd" in families:
        window = settings.analysis_window
        segment, overlap = settings.nperseg_ratio, settings.noverlap_ratio
        row |= psd_features(rate, step, window, segment, overlap)
    return Features(row, rate, smooth, bursts)


def _notebook(recording: Recording, settings: Settings, families: Sequence[str]) -> Features:
    row = _isi(recording, settings) if "isi" in families else {}
    smooth = bursts = None
    if "burst" in families:
        step = settings.dt
        fine = population_rate(recording.times, len(recording.cells), recording.t_end, step)
        fine = _smooth(fine, step, settings)
        smooth = decimated(fine, int(settings.dt_poprate / step))
        bursts = find_bursts(smooth, settings)
        row |= burst_features(bursts, settings)
    return Features(row, None, smooth, bursts)


def _isi(recording: Recording, settings: Settings) -> dict[str, float]:
    return isi_features(
        isi_statistics(
            recording.times,
            recording.offsets,
            settings.analysis_window,
            settings.min_num_spikes,
        )
    )


def _smooth(rate: NDArray[np.float64], step: float, settings: Settings) -> NDArray[np.float64]:
    window = gaussian(settings.smooth_std, step, settings.corrected)
    if len(rate) < len(window):
        raise ValueError(
            f"smoothing needs {len(window) * step:g} s, there are {len(rate) * step:g} s"
        )
    return smoothed(rate, window)


_Run = Callable[[Recording, Settings, Sequence[str]], Features]

PIPELINES: dict[str, tuple[_Run, tuple[str, ...]]] = {
    "tables": (_tables, FAMILIES),
    "notebook": (_notebook, ("isi", "burst")),
}
"""Name → how it is run, and the families that it has."""
