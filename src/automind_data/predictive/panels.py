"""The panels of the overview figure, drawn into axes of matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automind_data.predictive.choice import AREAS, CONDITIONS
from automind_data.predictive.overview import LINES, BurstPanel, SpectrumPanel

__all__ = [
    "Colour",
    "area_colours",
    "draw_features",
    "draw_spectrum",
    "draw_trains",
    "limits",
    "run_colours",
    "week_colours",
]

Colour = Any
Floats = NDArray[np.float64]

SECONDS = 90
TRAIN = ("burst_interval_mean", "burst_width_mean")
BAR, DOTS = 0.62, 0.3
LABELS = {
    "burst_interval_mean": "interval",
    "burst_interval_cv": "CV",
    "burst_width_mean": "width",
    "burst_offset_time_mean": "offset",
}
HUES, FREE = (0, 1, 2, 3, 5, 6, 8, 4), (7, 9)
"""Pairs of `tab20` for the areas of the published figure (LP is purple), and for others."""
DARK_RED = "darkred"
"""Flashes that come on."""


def week_colours(n: int) -> list[Colour]:
    """Return n colours along `plasma`, dark blue to yellow."""
    from matplotlib import colormaps

    return [colormaps["plasma"](place) for place in np.linspace(0.02, 0.92, n)]


def area_colours(labels: Sequence[str]) -> list[Colour]:
    """Return a colour for each area and condition: one hue per area, light for flashes off."""
    from matplotlib import color_sequences

    pairs = color_sequences["tab20"]
    hues = dict(zip(AREAS, HUES, strict=True))
    colours: list[Colour] = []
    for label in labels:
        area, _, condition = label.partition("-")
        if area not in hues:
            hues[area] = FREE[len(hues) % len(FREE)]
        if condition == CONDITIONS[2]:
            colours.append(DARK_RED)
        else:
            colours.append(pairs[2 * hues[area] + (condition == CONDITIONS[1])])
    return colours


def run_colours(n: int) -> list[Colour]:
    """Return n colours of `tab10`, one after the other."""
    from matplotlib import color_sequences

    cycle = color_sequences["tab10"]
    return [cycle[number % len(cycle)] for number in range(n)]


def limits(curves: Sequence[Floats | None]) -> tuple[float, float]:
    """Return the range of what is finite, with a margin."""
    shown = [np.ravel(each) for each in curves if each is not None]
    values = np.concatenate([np.empty(0), *shown])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (-1.0, 1.0)
    margin = max(0.05 * (high - low), 0.05)
    return low - margin, high + margin


def draw_features(axes: Any, panel: BurstPanel, colour: Colour, span: tuple[float, float]) -> None:
    """Draw the features of bursts: bar 5 to 95 %, median, nearest models, the observation."""
    for place, target in enumerate(panel.target):
        models, nearest = panel.models[:, place], panel.nearest[:, place]
        if len(models):
            low, median, high = np.quantile(models, [0.05, 0.5, 0.95])
            axes.fill_between(
                (place - BAR / 2, place + BAR / 2), low, high, color=colour, alpha=0.3, lw=0
            )
            axes.plot((place - BAR / 2, place + BAR / 2), (median, median), color=colour, lw=0.8)
            across = place + DOTS * (np.arange(len(nearest)) * 0.618034 % 1 - 0.5)
            axes.plot(across, nearest, "o", color=colour, ms=1.2, mew=0)
        axes.plot(place, target, "_", color="black", ms=5, mew=0.9)
    axes.set_xlim(-0.6, len(panel.target) - 0.4)
    axes.set_ylim(span)
    axes.set_xticks(range(len(panel.target)), [""] * len(panel.target))
    axes.tick_params(axis="x", length=0)


def draw_trains(axes: Any, panel: BurstPanel, colour: Colour, most: int) -> None:
    """Draw strips of bursts as long as their mean width, apart by their mean interval.

    The observation is on top; there is room for `most` models. Nothing but the two means
    is drawn: all intervals are equal.
    """
    if not set(TRAIN) <= set(panel.names):
        return
    interval, width = (panel.names.index(name) for name in TRAIN)
    strips = [panel.target, *panel.nearest[:most]]
    for number, strip in enumerate(strips):
        every, long = 10.0 ** strip[interval], 10.0 ** strip[width]
        starts = np.arange(every / 2, SECONDS, every)[:1000]
        shown = [(start, min(long, SECONDS - start)) for start in starts]
        axes.broken_barh(shown, (-number - 0.8, 0.8), color=colour if number else "black", lw=0)
        axes.plot((0, 0), (-number - 0.8, -number), color="black", lw=1.2, solid_capstyle="butt")
    axes.set_xlim(0, SECONDS)
    axes.set_ylim(-most - 1, 0.1)
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])
    axes.set_xticks((0, SECONDS / 2, SECONDS), ("0", "", f"{SECONDS}"))


def draw_spectrum(
    axes: Any, panel: SpectrumPanel, colour: Colour, span: tuple[float, float]
) -> None:
    """Draw the spectra of models as thin lines, their median and band, and the observation."""
    x, spread = panel.frequency, panel.spread
    if spread is not None:
        low, median, high = spread
        axes.fill_between(x, low, high, color=colour, alpha=0.25, lw=0, rasterized=True)
        for line in panel.models[:LINES]:
            axes.plot(x, line, color=colour, alpha=0.2, lw=0.3, rasterized=True)
        axes.plot(x, median, color=colour, lw=0.8)
    if panel.resimulated is not None:
        axes.plot(x, panel.resimulated, color="0.45", lw=0.5, ls=(0, (2, 1)))
    axes.plot(x, panel.target, color="black", lw=0.5)
    axes.set_xscale("log")
    axes.set_xlim(1, 450)
    axes.set_ylim(span)
    axes.set_xticks((1, 10, 100), ("", "", ""))
    axes.minorticks_off()
    axes.set_yticks([])
