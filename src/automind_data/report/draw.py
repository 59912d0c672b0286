"""From numbers to the geometry of charts: path data, ticks and labels, no markup.

Charts are stretched to the width they are given, so coordinates run from 0 to
`WIDTH` and 0 to `HEIGHT` and positions of labels are percentages. Everything
is rounded, so that equal inputs give equal text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automind_data.report.gather import Features, Marginal, Spectrum

__all__ = [
    "HEIGHT",
    "WIDTH",
    "Panel",
    "SpectrumChart",
    "Strip",
    "StripChart",
    "Tick",
    "draw_features",
    "draw_marginals",
    "draw_spectrum",
    "number",
]

WIDTH = 1000
HEIGHT = 500
PANEL_WIDTH = 100
PANEL_HEIGHT = 40
NARROW_BANDS = 120
MOST_OTHERS = 24
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tick:
    """A label at a share of an axis, in percent from the left or from the top."""

    at: float
    label: str
    power: int | None = None


@dataclass(frozen=True)
class SpectrumChart:
    """Log power over log frequency: the target, `n_others` others, and the ticks of both axes."""

    line: str
    others: str
    n_others: int
    x: tuple[Tick, ...]
    y: tuple[Tick, ...]


@dataclass(frozen=True)
class Strip:
    """One feature: where the observation lies, in percent, and dots for the others.

    `absent` counts others without a positive value.
    """

    name: str
    label: str
    unit: str
    value: str
    at: float | None
    dots: str
    absent: int


@dataclass(frozen=True)
class StripChart:
    """Features on one logarithmic axis."""

    strips: tuple[Strip, ...]
    x: tuple[Tick, ...]
    n_others: int


@dataclass(frozen=True)
class Panel:
    """One marginal: the histogram's outline, the height of the prior, the median and interval."""

    marginal: Marginal
    outline: str
    prior: float
    median: float
    interval: tuple[float, float]


def number(value: float) -> str:
    """Write a number with three significant digits for people.

    >>> number(0.056), number(-48.23), number(11443.2), number(2.5e-7), number(3.0)
    ('0.056', '−48.2', '11443', '2.5e−7', '3')
    """
    if not math.isfinite(value):
        return "not a number"
    size = abs(value)
    if size >= 1e6 or 0 < size < 1e-3:
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        mantissa = mantissa.rstrip("0").rstrip(".")
        text = f"{mantissa}e{int(exponent)}"
    elif size >= 100:
        text = f"{value:.0f}"
    else:
        text = f"{value:.3g}"
    return ("0" if text == "-0" else text).replace("-", "−")


def draw_spectrum(spectrum: Spectrum) -> SpectrumChart | None:
    """Draw power over frequency, both logarithmic; None without two positive powers.

    At most `MOST_OTHERS` others are drawn, evenly chosen, as means of the log
    power over narrow bands.
    """
    x, y = np.log10(spectrum.frequency), _log(spectrum.power)
    if np.isfinite(y).sum() < 2 or not x[-1] > x[0]:
        return None
    share = (x - x[0]) / (x[-1] - x[0])
    narrow = np.unique(np.round(share * NARROW_BANDS), return_inverse=True)[1]
    n_others = min(len(spectrum.others), MOST_OTHERS)
    chosen = np.linspace(0, len(spectrum.others) - 1, n_others).round().astype(int)
    smooth = [_band_means(_log(spectrum.others[row]), narrow) for row in chosen]
    bottom, top = _padded(np.concatenate([y, *smooth]))

    def path(across: Floats, values: Floats) -> str:
        return _path(across * WIDTH, (top - values) / (top - bottom) * HEIGHT)

    middles = _band_means(share, narrow)
    return SpectrumChart(
        line=path(share, y),
        others="".join(path(middles, values) for values in smooth),
        n_others=n_others,
        x=_log_ticks(float(x[0]), float(x[-1]), from_top=False),
        y=_log_ticks(bottom, top, from_top=True),
    )


def _log(power: Floats) -> Floats:
    logs = np.full(power.shape, np.nan)
    np.log10(power, out=logs, where=power > 0)
    return np.where(np.isfinite(logs), logs, np.nan)


def _band_means(values: Floats, band: NDArray[np.intp]) -> Floats:
    """Average the finite `values` of each band; a band without any is NaN."""
    known = np.isfinite(values)
    count = np.bincount(band[known], minlength=band.max() + 1)
    total = np.bincount(band[known], values[known], minlength=band.max() + 1)
    means = np.full(len(total), np.nan)
    np.divide(total, count, out=means, where=count > 0)
    return means


def draw_features(features: Features) -> StripChart | None:
    """Draw one strip per feature on a common logarithmic axis; None without a positive value."""
    logs = _log(np.vstack([features.value, features.others]))
    if not np.isfinite(logs).any():
        return None
    low, high = _padded(logs)

    def across(value: float) -> float | None:
        if not math.isfinite(value) or value <= 0:
            return None
        return round((math.log10(value) - low) / (high - low) * 100, 2)

    strips = []
    for column, name in enumerate(features.names):
        at = [across(float(value)) for value in features.others[:, column]]
        inside = [place for place in at if place is not None]
        label, unit = _feature_label(name)
        value = float(features.value[column])
        strips.append(
            Strip(
                name, label, unit, number(value), across(value),
                "".join(
                    f"M{_short(place * WIDTH / 100)} {_short(_scatter(index))}h0"
                    for index, place in enumerate(inside)
                ),
                len(at) - len(inside),
            )
        )  # fmt: skip
    ticks = _log_ticks(low, high, from_top=False)
    return StripChart(tuple(strips), ticks, len(features.others))


def draw_marginals(marginals: Sequence[Marginal]) -> tuple[Panel, ...]:
    """Draw one histogram per parameter, all on the same density scale.

    The number of bins grows with the number of samples (10 to 40). The prior
    is the density 1 on the unit interval.
    """
    if not marginals:
        return ()
    bins = int(np.clip(2 * np.cbrt(len(marginals[0].unit)), 10, 40))
    densities = [
        np.histogram(marginal.unit, bins, range=(0, 1))[0] * bins / len(marginal.unit)
        for marginal in marginals
    ]
    top = max(float(density.max()) for density in densities) * 1.05
    edges = np.repeat(np.linspace(0, PANEL_WIDTH, bins + 1), 2)[1:-1]
    panels = []
    for marginal, density in zip(marginals, densities, strict=True):
        height = PANEL_HEIGHT * (1 - np.repeat(density, 2) / top)
        middle = float(np.median(marginal.unit))
        panels.append(
            Panel(
                marginal,
                f"M0 {PANEL_HEIGHT}L" + _path(edges, height)[1:] + f"L{PANEL_WIDTH} {PANEL_HEIGHT}",
                round(PANEL_HEIGHT * (1 - 1 / top), 1),
                round(middle * 100, 1),
                (round(marginal.interval[0] * 100, 1), round(marginal.interval[1] * 100, 1)),
            )
        )
    return tuple(panels)


def _short(value: float) -> str:
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def _path(x: Floats, y: Floats) -> str:
    """Join points by lines; a point that is not finite leaves a gap."""
    out, pen = [], "M"
    for right, down in zip(x.tolist(), y.tolist(), strict=True):
        if math.isfinite(right) and math.isfinite(down):
            out.append(f"{pen}{_short(right)} {_short(down)}")
            pen = "L"
        else:
            pen = "M"
    return "".join(out)


def _padded(logs: Floats) -> tuple[float, float]:
    low, high = float(np.nanmin(logs)), float(np.nanmax(logs))
    margin = max(0.04 * (high - low), 0.02)
    return low - margin, high + margin


def _scatter(index: int) -> float:
    """Spread dots over the height of a strip, evenly and always alike."""
    return 20 + 60 * (index * 0.6180339887 % 1)


def _log_ticks(low: float, high: float, *, from_top: bool) -> tuple[Tick, ...]:
    """Ticks at powers of ten; where fewer than three fit, also at 2 and 5 times them."""
    first, last = math.ceil(low), math.floor(high)
    step = max(1, math.ceil((last - first + 1) / 7))
    powers = [power for power in range(first, last + 1) if power % step == 0]
    places = [(float(power), power) for power in powers]
    if len(places) < 3:
        places = [
            (math.log10(factor) + power, power)
            for power in range(math.floor(low), math.ceil(high) + 1)
            for factor in (1, 2, 5)
            if low <= math.log10(factor) + power <= high
        ]
    ticks = []
    for place, power in places:
        share = (place - low) / (high - low)
        at = round(100 * (1 - share if from_top else share), 2)
        value = 10.0**place
        plain = 1e-2 <= value < 1e4 or not place.is_integer()
        ticks.append(Tick(at, number(value), None if plain else power))
    return tuple(ticks)


def _feature_label(name: str) -> tuple[str, str]:
    """Return a readable name and the unit of a burst feature column.

    >>> _feature_label("burst_interval_mean"), _feature_label("burst_interval_cv")
    (('interval, mean', 's'), ('interval, CV', '1'))
    """
    words = name.removeprefix("burst_").replace("_time_", "_").split("_")
    last = {"cv": "CV", "std": "SD"}.get(words[-1], words[-1])
    label = f"{' '.join(words[:-1])}, {last}" if len(words) > 1 else words[0]
    timed = words[0] in {"interval", "width", "onset", "offset"} and words[-1] != "cv"
    return label, "s" if timed else "1"
