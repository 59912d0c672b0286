"""What the overview figure shows, as plain values: which panels, and the curves in each.

The figure is that of the release, drawn from tables. Recordings and simulations of
single spikes are not in them, so bursts are shown by their summary features.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from automind_data.common.errors import AutomindError
from automind_data.common.layout import DATASETS, psd_frequency
from automind_data.common.observations import Row, read_observations
from automind_data.predictive.compare import Compared, Comparison
from automind_data.predictive.write import read_picked

__all__ = [
    "AREAS",
    "CONDITIONS",
    "NEAREST",
    "BurstPanel",
    "Overview",
    "SpectrumPanel",
    "gather_overview",
    "pick_areas",
    "pick_wells",
]

WEEKS = (9, 12, 17, 21, 27, 32, 36, 40)
"""Weeks of the published panels."""

AREAS = ("CA1", "CA3", "DG", "ProS", "VISp", "VISam", "VISpm", "LP")
CONDITIONS = ("spont", "flash off", "flash on")
PUBLISHED_AREAS = (
    *(f"{area}-{condition}" for area in AREAS[:-1] for condition in CONDITIONS[:2]),
    "VISpm-flash on",
    "LP-spont",
)
MICE = ("mouse-hc", "mouse-vis")
MOST_MICE, MOST_RUNS = 16, 25
DRAWN = (1.0, 450.0)
LINES, NEAREST, IN_BAND = 30, 10, 100
"""Thin lines of spectra, dots and strips of bursts, and models that a band sums up."""

SPECTRUM_ORDER, BURST_ORDER = "standardized_mse", "log10_mae"
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
        The same of all samples that have them, (n, d).
    nearest
        The same of the nearest of these, the nearest first.
    drawn
        How many samples there are.
    """

    title: str
    names: tuple[str, ...]
    target: Floats
    models: Floats
    nearest: Floats
    drawn: int


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
    lines
        The nearest models, the nearest first, (m, n).
    low, median, high
        5 %, 50 % and 95 % of the nearest `summed` models, (n,); None without a model.
    resimulated
        The observation's own parameters simulated once more, (n,).
    """

    title: str
    frequency: Floats
    target: Floats
    lines: Floats
    low: Floats | None
    median: Floats | None
    high: Floats | None
    summed: int
    resimulated: Floats | None


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


def gather_overview(root: str | Path, comparisons: Mapping[str, Comparison]) -> Overview:
    """Choose the panels and read what they show.

    Parameters
    ----------
    root
        The folder that holds `datasets/` and `derived/`.
    comparisons
        Data set → its ranked models.

    Raises
    ------
    AutomindError
        `datasets/release.json` or a table is missing or cannot be read.
    """
    root = Path(root)
    path = root / "datasets" / "release.json"
    try:
        release = msgspec.json.decode(path.read_bytes(), type=_Release)
    except FileNotFoundError:
        raise AutomindError(path, "is not there", "run `automind-data import`") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        rule = f"does not have the agreed form: {error}"
        raise AutomindError(path, rule, "run `automind-data import`") from None
    wells = _observations(root, "organoids", comparisons["organoids"])
    areas = [
        (compared, comparisons[name], row)
        for name in MICE
        for compared, row in _drawable(
            comparisons[name], _observations(root, name, comparisons[name])
        )
    ]
    runs = _drawable(
        comparisons["synthetic"], _observations(root, "synthetic", comparisons["synthetic"])
    )
    return Overview(
        release.release,
        release.sample,
        tuple(
            _bursts(title, compared, comparisons["organoids"], row)
            for title, compared, row in pick_wells(
                _drawable(comparisons["organoids"], wells), list(wells.values())
            )
        ),
        tuple(
            _spectra(str(row["area"]), compared, comparison, row)
            for compared, comparison, row in pick_areas(areas)
        ),
        tuple(
            _spectra("", compared, comparisons["synthetic"], row)
            for compared, row in runs[:MOST_RUNS]
        ),
    )


def pick_wells(
    drawable: Sequence[tuple[Compared, Row]], rows: Sequence[Row]
) -> list[tuple[str, Compared, Row]]:
    """Choose the well nearest to each published week; all, in order of age, if they are few.

    Weeks count from the first date among `rows`, the whole table. A well without a
    readable date has its key for a title.
    """
    first = min((day for row in rows if (day := _date(row)) is not None), default=None)
    weeks: list[float] = []
    for _, row in drawable:
        day = _date(row)
        weeks.append(math.inf if day is None or first is None else round((day - first).days / 7))
    chosen = sorted(range(len(drawable)), key=lambda place: weeks[place])
    if len(chosen) > len(WEEKS):
        left, chosen = chosen, []
        for wanted in WEEKS:
            chosen.append(min(left, key=lambda place: abs(weeks[place] - wanted)))
            left.remove(chosen[-1])
        chosen.sort(key=lambda place: weeks[place])
    return [
        (f"Week {weeks[at]}" if math.isfinite(weeks[at]) else drawable[at][0].x_o, *drawable[at])
        for at in chosen
    ]


def pick_areas(
    mice: Sequence[tuple[Compared, Comparison, Row]],
) -> list[tuple[Compared, Comparison, Row]]:
    """Choose one recording of each area and condition, those of the published figure first."""
    first: dict[str, tuple[Compared, Comparison, Row]] = {}
    for each in mice:
        first.setdefault(str(each[2]["area"]), each)
    labels = sorted(first, key=lambda label: (label not in PUBLISHED_AREAS, *_place(label)))
    return [first[label] for label in sorted(labels[:MOST_MICE], key=_place)]


def _place(label: str) -> tuple[int, str, int, str]:
    area, _, condition = label.partition("-")
    known = AREAS.index(area) if area in AREAS else len(AREAS)
    when = CONDITIONS.index(condition) if condition in CONDITIONS else len(CONDITIONS)
    return known, area, when, condition


def _date(row: Row) -> datetime.date | None:
    """Read the date of a recording from its label, YYMMDD with or without a suffix."""
    try:
        return datetime.datetime.strptime(str(row["date"]).partition("_")[0], "%y%m%d").date()
    except ValueError:
        return None


def _observations(root: Path, name: str, comparison: Comparison) -> dict[str, Row]:
    dataset = DATASETS[name]
    path = root / "derived" / "observations" / f"{dataset.observations}.parquet"
    return read_observations(path, comparison.columns, dataset)


def _drawable(comparison: Comparison, rows: Mapping[str, Row]) -> list[tuple[Compared, Row]]:
    return [(each, rows[each.x_o]) for each in comparison.observations if each.reason is None]


def _bursts(title: str, compared: Compared, comparison: Comparison, row: Row) -> BurstPanel:
    place = _nearest(compared, compared.samples, BURST_ORDER)
    models = _logs(comparison, compared.row[place], comparison.columns)
    target = np.log10([row[name] for name in comparison.columns])
    drawn = int(compared.samples.sum())
    return BurstPanel(title, comparison.columns, target, models, models[:NEAREST], drawn)


def _spectra(title: str, compared: Compared, comparison: Comparison, row: Row) -> SpectrumPanel:
    """Read the spectra over the band of the density estimator, and keep what is drawn."""
    columns = comparison.columns
    hertz = np.array([psd_frequency(name) for name in columns], np.float64)
    drawn = (hertz >= DRAWN[0]) & (hertz <= DRAWN[1])

    def curves(rows: NDArray[np.int64]) -> Floats:
        logs = _logs(comparison, rows, columns)
        return (logs - logs.mean(axis=1, keepdims=True))[:, drawn]

    logs = np.log10([row[name] for name in columns])
    place = _nearest(compared, compared.samples, SPECTRUM_ORDER)[:IN_BAND]
    models = curves(compared.row[place])
    low, median, high = np.quantile(models, [0.05, 0.5, 0.95], axis=0) if len(place) else [None] * 3
    again = compared.resimulated & np.isfinite(compared.distance[SPECTRUM_ORDER])
    return SpectrumPanel(
        title=title,
        frequency=hertz[drawn],
        target=(logs - logs.mean())[drawn],
        lines=models[:LINES],
        low=low,
        median=median,
        high=high,
        summed=len(place),
        resimulated=curves(compared.row[again][:1])[0] if again.any() else None,
    )


def _nearest(compared: Compared, chosen: NDArray[np.bool_], name: str) -> NDArray[np.intp]:
    """Return the places of ranked rows in the order of the figure's own distance."""
    place = np.flatnonzero(chosen & (compared.rank > 0))
    return place[np.argsort(compared.distance[name][place], kind="stable")]


def _logs(comparison: Comparison, rows: NDArray[np.int64], columns: Sequence[str]) -> Floats:
    table = read_picked(comparison.path, rows, columns)
    cells = [column.to_numpy() for column in table.columns]
    return np.log10(np.column_stack(cells)) if len(rows) else np.empty((0, len(columns)))
