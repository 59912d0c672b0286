"""Features as a density estimator compares them: log10, spectra by their shape."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from automind_data.common.layout import psd_frequency
from automind_data.report.inputs import Conditioning

__all__ = ["BESIDE", "Bands", "Floats", "log10"]

Floats = NDArray[np.float64]
NARROW_BANDS = 120
BESIDE = (
    "burst_num",
    "burst_peak_fr_mean",
    "isi_numspks_mu",
    "isi_mean_mu",
    "isi_cv_mu",
)
"""Features that are shown below those that a density estimator of bursts is conditioned on."""


def log10(values: Floats) -> Floats:
    """Take the logarithm; what is not positive and finite is NaN."""
    logs = np.full(values.shape, np.nan)
    np.log10(values, out=logs, where=values > 0)
    return np.where(np.isfinite(logs), logs, np.nan)


@dataclass(frozen=True)
class Bands:
    """Narrow bands, evenly spaced over the logarithm of the frequency.

    Attributes
    ----------
    hz
        (n,): the frequency of each column, Hz.
    demean
        Whether spectra are compared by their shape: log10 minus its mean over all columns.
    """

    hz: Floats
    demean: bool

    @classmethod
    def of(cls, conditioning: Conditioning) -> Bands:
        """Bands for the columns that a density estimator is conditioned on."""
        hz = np.array([psd_frequency(name) for name in conditioning.columns], dtype=np.float64)
        return cls(hz, conditioning.standardize.kind.startswith("demean"))

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """The columns with a frequency above zero, ascending."""
        order = np.argsort(self.hz, kind="stable")
        return order[self.hz[order] > 0]

    @cached_property
    def starts(self) -> NDArray[np.intp]:
        """Where each band starts among the ordered columns."""
        logs = np.log10(self.hz[self.order])
        share = (logs - logs[0]) / max(float(np.ptp(logs)), 1e-9)
        return np.unique(np.round(share * NARROW_BANDS), return_index=True)[1]

    @property
    def middles(self) -> Floats:
        """(b,): the geometric mean frequency of each band, Hz."""
        middles: Floats = 10 ** self._means(np.log10(self.hz[self.order])[None])[0]
        return middles

    def __call__(self, power: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Average spectra over the bands.

        Parameters
        ----------
        power
            (r, n): Hz²/Hz, in the order of the columns.

        Returns
        -------
        (values, whole)
            (r, b) log10 power, minus its row's mean where shapes are compared; (r,)
            whether every power of the row is positive and finite.
        """
        logs = log10(power[:, self.order])
        whole = np.logical_and.reduce(np.isfinite(logs), axis=1)
        if self.demean:
            with np.errstate(invalid="ignore"):
                known = np.isfinite(logs).sum(axis=1, keepdims=True)
                logs -= np.nansum(logs, axis=1, keepdims=True) / np.maximum(known, 1)
        return self._means(logs), whole

    def _means(self, values: Floats) -> Floats:
        known = np.isfinite(values)
        total = np.add.reduceat(np.where(known, values, 0.0), self.starts, axis=1)
        counted = np.add.reduceat(known, self.starts, axis=1, dtype=np.int64)
        means = np.full(total.shape, np.nan)
        np.divide(total, counted, out=means, where=counted > 0)
        return means
