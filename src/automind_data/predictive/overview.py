"""What the overview figure shows, as plain values: the curves and points of each panel.

The figure is that of the release, drawn from tables. Recordings and simulations of
single spikes are not in them, so bursts are shown by their summary features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from automind_data.common.errors import AutomindError
from automind_data.common.layout import psd_frequency
from automind_data.common.observations import Row
from automind_data.predictive.choice import Shown, pick_areas, pick_wells
from automind_data.predictive.compare import Compared, Comparison
from automind_data.predictive.write import read_picked

__all__ = [
    "IN_BAND",
    "LINES",
    "NEAREST",
    "BurstPanel",
    "Overview",
    "SpectrumPanel",
    "gather_overview",
]

ORGANOIDS, MICE, RUNS = "organoids", ("mouse-hc", "mouse-vis"), "synthetic"
MOST_RUNS = 25
DRAWN = (1.0, 450.0)
LINES, NEAREST, IN_BAND = 30, 10, 100
"""Thin lines of spectra, dots and strips of bursts, and models that a band sums up."""

SPECTRUM_ORDER, BURST_ORDER = "standardized_mse", "log10_mae"
"""The figure's own order of models; that of spectra is equation (5) on de-meaned log power."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BurstPanel:
    """Bursts of one observation and of its models.

    Attributes
    ----------
    title
        Its week.
    names
        Columns of the features that the density estimator is conditioned on.
    target
        Features of the observation, log10, (d,).
    models
        The same of all ranked samples, the nearest first, (n, d).
    drawn
        How many samples there are.
    """

    title: str
    names: tuple[str, ...]
    target: Floats
    models: Floats
    drawn: int

    @property
    def nearest(self) -> Floats:
        """The nearest models, the nearest first, (m, d)."""
        return self.models[:NEAREST]


@dataclass(frozen=True)
class SpectrumPanel:
    """Spectra of one observation and of its models: log10 power minus its mean over the band.

    Attributes
    ----------
    title
        The area of a mouse; empty for simulations.
    frequency
        Hz, (n,).
    target
        (n,).
    models
        The ranked samples that are summed up, the nearest first, (m, n).
    resimulated
        The observation's own parameters simulated once more, (n,).
    """

    title: str
    frequency: Floats
    target: Floats
    models: Floats
    resimulated: Floats | None

    @property
    def spread(self) -> tuple[Floats, Floats, Floats] | None:
        """5 %, 50 % and 95 % of the models at each frequency, (n,) each; None without any."""
        if not len(self.models):
            return None
        low, median, high = np.quantile(self.models, [0.05, 0.5, 0.95], axis=0)
        return low, median, high


@dataclass(frozen=True)
class Overview:
    """The figure: the name of the release, whether it is sample data, and three blocks."""

    release: str
    sample: bool
    organoids: tuple[BurstPanel, ...]
    mice: tuple[SpectrumPanel, ...]
    runs: tuple[SpectrumPanel, ...]


class _Release(msgspec.Struct):
    release: str
    sample: bool = False


def gather_overview(
    release: str | Path,
    comparisons: Mapping[str, Comparison],
    observations: Mapping[str, Mapping[str, Row]],
) -> Overview:
    """Choose the panels and read what they show.

    Parameters
    ----------
    release
        `datasets/release.json`.
    comparisons
        Data set → its ranked models.
    observations
        Data set → key → row of features.

    Raises
    ------
    AutomindError
        `release` is missing or cannot be read.
    """
    named = _read_release(Path(release))
    shown = {
        name: [
            Shown(name, str(rows[each.x_o].get("area", each.x_o)), each, rows[each.x_o])
            for each in comparisons[name].observations
            if each.reason is None
        ]
        for name, rows in observations.items()
    }
    wells = pick_wells(shown[ORGANOIDS], observations[ORGANOIDS].values())
    mice = pick_areas(each for name in MICE for each in shown[name])
    runs = shown[RUNS][:MOST_RUNS]
    logs = {
        name: _Logs(comparison, [each for each in (*wells, *mice, *runs) if each.dataset == name])
        for name, comparison in comparisons.items()
    }
    return Overview(
        named.release,
        named.sample,
        tuple(_bursts(each, logs[each.dataset]) for each in wells),
        tuple(_spectra(each, logs[each.dataset], each.title) for each in mice),
        tuple(_spectra(each, logs[each.dataset], "") for each in runs),
    )


def _read_release(path: Path) -> _Release:
    step = "make it with `automind-data import`"
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Release)
    except FileNotFoundError:
        raise AutomindError(path, "is not there, so the release has no name", step) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AutomindError(path, f"does not have the agreed form: {error}", step) from None


class _Logs:
    """Logarithms of the compared features of all rows of one table that are shown."""

    def __init__(self, comparison: Comparison, shown: Sequence[Shown]) -> None:
        self.columns = comparison.columns
        wanted = [rows for each in shown for rows in (_models(each), _resimulated(each.compared))]
        self._rows = np.unique(np.concatenate([np.empty(0, np.int64), *wanted]))
        self._logs = np.empty((0, len(self.columns)))
        if len(self._rows):
            table = read_picked(comparison.path, self._rows, self.columns)
            cells = [cells.to_numpy() for cells in table.columns]
            self._logs = np.log10(np.column_stack(cells))

    def of(self, rows: NDArray[np.int64]) -> Floats:
        """Return those of rows by their number, (n, d)."""
        logs: Floats = self._logs[np.searchsorted(self._rows, rows)]
        return logs


def _models(shown: Shown) -> NDArray[np.int64]:
    """Return the rows of the samples of a panel in the order of the figure."""
    bursts = shown.dataset == ORGANOIDS
    compared, name = shown.compared, BURST_ORDER if bursts else SPECTRUM_ORDER
    place = np.flatnonzero(compared.samples & (compared.rank > 0))
    place = place[np.argsort(compared.distance[name][place], kind="stable")]
    return compared.row[place if bursts else place[:IN_BAND]]


def _resimulated(compared: Compared) -> NDArray[np.int64]:
    again = compared.resimulated & np.isfinite(compared.distance[SPECTRUM_ORDER])
    rows: NDArray[np.int64] = compared.row[again]
    return rows[:1]


def _bursts(shown: Shown, logs: _Logs) -> BurstPanel:
    target = np.log10([shown.row[name] for name in logs.columns])
    models = logs.of(_models(shown))
    return BurstPanel(shown.title, logs.columns, target, models, int(shown.compared.samples.sum()))


def _spectra(shown: Shown, logs: _Logs, title: str) -> SpectrumPanel:
    hertz = np.array([psd_frequency(name) for name in logs.columns], np.float64)
    drawn = (hertz >= DRAWN[0]) & (hertz <= DRAWN[1])

    def centred(rows: Floats) -> Floats:
        """Take off the mean over the band of the density estimator; keep what is drawn."""
        kept: Floats = (rows - rows.mean(axis=1, keepdims=True))[:, drawn]
        return kept

    target = np.log10([[shown.row[name] for name in logs.columns]])
    again = centred(logs.of(_resimulated(shown.compared)))
    return SpectrumPanel(
        title=title,
        frequency=hertz[drawn],
        target=centred(target)[0],
        models=centred(logs.of(_models(shown))),
        resimulated=again[0] if len(again) else None,
    )
