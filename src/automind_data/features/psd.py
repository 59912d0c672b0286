"""Power spectrum of the population rate by Welch's method."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["psd_features", "welch"]

Floats = NDArray[np.float64]


def welch(rate: Floats, frequency: float, length: int, overlap: int) -> tuple[Floats, Floats]:
    """Average the periodograms of overlapping segments.

    Parameters
    ----------
    rate
        At least `length` samples, Hz.
    frequency
        Samples per s.
    length, overlap
        Of the segments, in samples. Each loses its mean and is weighted by a periodic
        Hann window; what is left over at the end is ignored.

    Returns
    -------
    (frequencies, density)
        Hz, and Hz²/Hz, one-sided.

    References
    ----------
    P. Welch, IEEE Trans. Audio Electroacoust. 15 (1967) 70; scaled as SciPy's `welch` does.
    """
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    views = np.lib.stride_tricks.sliding_window_view(rate, length)[:: length - overlap]
    segments = views - views.mean(axis=1, keepdims=True)
    segments *= window
    spectra = np.fft.rfft(segments, axis=1)
    power = spectra.real**2
    power += spectra.imag**2
    density = power.mean(axis=0) / (frequency * (window**2).sum())
    density[1 : None if length % 2 else -1] *= 2
    return np.fft.rfftfreq(length, 1 / frequency).astype(np.float64), density


def psd_features(
    rate: Floats, step: float, window: tuple[float, float | None], segment: float, overlap: float
) -> dict[str, float]:
    """Compute the columns `psd_<f>` of a rate that is not smoothed.

    Parameters
    ----------
    rate, step
        Population rate, Hz, and its sampling step, s.
    window
        Start and end (None: the rate's own) of what is looked at, s.
    segment, overlap
        Length of a segment, s, and the share of it that the next one overlaps.

    Raises
    ------
    ValueError
        What is looked at is shorter than one segment.
    """
    frequency = 1 / step
    length = int(frequency * segment)
    start = int(window[0] * frequency)
    end = len(rate) if window[1] is None else int(window[1] * frequency)
    seen = rate[start:end]
    if len(seen) < length:
        raise ValueError(f"a spectrum needs {length * step:g} s, there are {len(seen) * step:g} s")
    frequencies, density = welch(seen, frequency, length, int(length * overlap))
    return {
        f"psd_{at}": value for at, value in zip(frequencies.tolist(), density.tolist(), strict=True)
    }
