"""The overview figure: three blocks of panels, as SVG and PNG with the same bytes each time.

Only the font that comes with matplotlib is used, as outlines, and no setting of the user.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automind_data.common.files import atomic_path
from automind_data.predictive.overview import IN_BAND, LINES, NEAREST, Overview
from automind_data.predictive.panels import (
    LABELS,
    area_colours,
    draw_features,
    draw_spectrum,
    draw_trains,
    limits,
    run_colours,
    week_colours,
)
from automind_data.predictive.pictograms import PICTOGRAMS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["HEIGHT", "WIDTH", "draw_overview", "grid"]

WIDTH, HEIGHT, DPI = 2106, 826, 300
"""Pixels of the PNG, as published, and how many make an inch."""

STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 5,
    "axes.linewidth": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.labelpad": 1.5,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 1.5,
    "ytick.major.size": 1.5,
    "xtick.major.pad": 1,
    "ytick.major.pad": 1,
    "svg.fonttype": "path",
    "svg.hashsalt": "automind-data",
}
TITLES = ("Human iPSC brain organoid", "Mouse cortex & hippocampus", "Network simulations")
FULL = ((2, 4), (4, 4), (5, 5))
"""Rows and columns of the published blocks."""

BLOCKS = ((0.047, 0.32), (0.375, 0.655), (0.71, 0.99))
BOTTOM, TOP, HEAD = 0.2, 0.86, 0.94
NARROW = 0.08
"""A panel of less than this share of the width has smaller letters."""

POWER = "log₁₀ power [Hz²/Hz]"


@dataclass(frozen=True)
class Box:
    """A part of the figure, in shares of its width and height."""

    left: float
    bottom: float
    width: float
    height: float

    def part(self, low: float, high: float) -> Box:
        """Return the part between two shares of its height."""
        bottom = self.bottom + low * self.height
        return Box(self.left, bottom, self.width, (high - low) * self.height)

    def axes(self, figure: Figure) -> Any:
        """Add axes that fill it."""
        return figure.add_axes((self.left, self.bottom, self.width, self.height))


def draw_overview(overview: Overview, svg: str | Path, png: str | Path) -> None:
    """Draw the overview figure.

    Parameters
    ----------
    overview
        What it shows.
    svg, png
        The files to write. Equal input gives equal bytes.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, facecolor="white")
        FigureCanvasAgg(figure)
        for title, picture, (left, _) in zip(TITLES, PICTOGRAMS, BLOCKS, strict=True):
            axes = Box(left - 0.012, HEAD, 0.022, 0.055).axes(figure)
            axes.set(xlim=(0, 1), ylim=(0, 1))
            axes.set_axis_off()
            picture(axes)
            figure.text(left + 0.014, HEAD + 0.027, title, size=6.5, va="center")
        _organoids(figure, overview)
        _mice(figure, overview)
        _runs(figure, overview)
        _notes(figure, overview)
        with atomic_path(svg) as part:
            figure.savefig(part, format="svg", metadata={"Date": None})
        with atomic_path(png) as part:
            figure.savefig(part, format="png", metadata={"Software": None})


def grid(n: int, full: tuple[int, int]) -> tuple[int, int]:
    """Choose rows and columns for n panels: as published, or fewer where most would be empty.

    >>> grid(25, (5, 5)), grid(6, (4, 4)), grid(3, (2, 4)), grid(0, (2, 4))
    ((5, 5), (2, 3), (2, 2), (1, 1))
    """
    rows, columns = full
    if 2 * n > rows * columns:
        return full
    columns = max(1, math.ceil(math.sqrt(n)))
    return max(1, math.ceil(n / columns)), columns


def _boxes(figure: Figure, block: int, n: int, gap: tuple[float, float]) -> list[Box]:
    """Return n boxes of a block, row by row; without any, say so."""
    left, right = BLOCKS[block]
    rows, columns = grid(n, FULL[block])
    width = (right - left - gap[0] * (columns - 1)) / columns
    height = (TOP - BOTTOM - gap[1] * (rows - 1)) / rows
    if not n:
        figure.text(left, TOP, "Nothing to compare.", color="0.4", va="top")
    return [
        Box(
            left + (number % columns) * (width + gap[0]),
            TOP - (number // columns + 1) * height - (number // columns) * gap[1],
            width,
            height,
        )
        for number in range(n)
    ]


def _corner(boxes: list[Box]) -> int:
    """Return the box at the bottom left."""
    return min(range(len(boxes)), key=lambda number: (boxes[number].bottom, boxes[number].left))


def _organoids(figure: Figure, overview: Overview) -> None:
    panels = overview.organoids
    boxes = _boxes(figure, 0, len(panels), (0.022, 0.13))
    span = limits([values for each in panels for values in (each.target, each.models)])
    most = max((len(panel.nearest) for panel in panels), default=0)
    for number, (panel, box, colour) in enumerate(
        zip(panels, boxes, week_colours(len(panels)), strict=True)
    ):
        narrow = box.width < NARROW
        axes = box.part(0.58, 1).axes(figure)
        draw_features(axes, panel, colour, span)
        first = box.left == BLOCKS[0][0]
        if not first:
            axes.tick_params(labelleft=False)
        if number == _corner(boxes):
            axes.set_ylabel("log₁₀ value", size=4.5)
        for place, name in enumerate(panel.names):
            label = LABELS.get(name, name)[: 3 if narrow else None]
            axes.text(place, span[0], label, size=3.2, ha="center", va="top")
        axes.set_title(panel.title, size=5, pad=6)
        valid = f"{len(panel.models)} valid / {panel.drawn} drawn"
        size = 2.6 if narrow else 3.8
        axes.text(0.5, 1.03, valid, size=size, ha="center", transform=axes.transAxes)
        trains = box.part(0, 0.46).axes(figure)
        draw_trains(trains, panel, colour, most)
        if number == 0:
            for label, at in (("Data", -0.4), ("Model", -1 - most / 2)):
                trains.text(
                    -4, at, label, size=4, ha="right", va="center",
                    rotation=0 if label == "Data" else 90,
                )  # fmt: skip
        if number == _corner(boxes):
            trains.set_xlabel("Time [s]")
        else:
            trains.tick_params(labelbottom=False)


def _mice(figure: Figure, overview: Overview) -> None:
    panels = overview.mice
    boxes = _boxes(figure, 1, len(panels), (0.008, 0.05))
    span = limits([curve for panel in panels for curve in (panel.target, *(panel.spread or ()))])
    colours = area_colours([panel.title for panel in panels])
    for number, (panel, box, colour) in enumerate(zip(panels, boxes, colours, strict=True)):
        axes = box.axes(figure)
        draw_spectrum(axes, panel, colour, span)
        axes.set_title(panel.title, size=4 if box.width < NARROW else 5, pad=1.5)
        if number == 0:
            axes.plot([], [], color="black", lw=0.5, label="Data")
            axes.fill_between([], [], [], color="tab:blue", alpha=0.4, lw=0, label="Models")
            axes.legend(loc="lower left", frameon=False, fontsize=3.8, borderpad=0, handlelength=1)
        if number == _corner(boxes):
            _label_spectrum(axes)


def _runs(figure: Figure, overview: Overview) -> None:
    panels = overview.runs
    boxes = _boxes(figure, 2, len(panels), (0.008, 0.025))
    colours = run_colours(len(panels))
    for number, (panel, box, colour) in enumerate(zip(panels, boxes, colours, strict=True)):
        axes = box.axes(figure)
        span = limits([panel.target, *(panel.spread or ()), panel.resimulated])
        draw_spectrum(axes, panel, colour, span)
        if number == _corner(boxes):
            _label_spectrum(axes)


def _label_spectrum(axes: Any) -> None:
    axes.set_xticks((1, 10, 100), ("1", "10", "100"))
    axes.set_xlabel("Frequency [Hz]", loc="left")
    axes.set_ylabel(POWER, loc="bottom")


def _notes(figure: Figure, overview: Overview) -> None:
    """Say below the panels what is drawn, of how many models, and of which release."""
    sample = "SAMPLE DATA, not the published release. " if overview.sample else ""
    spectra = (*overview.mice, *overview.runs)
    summed = [len(panel.models) for panel in spectra] or [0]
    most = f"{min(summed)} to {max(summed)}" if min(summed) != max(summed) else f"{summed[0]}"
    lines = (
        f"{sample}Release {overview.release}, drawn from its tables.",
        "Bursts: black, recording; bar and line, 5–95 % and median of the valid samples; dots,"
        f" the {NEAREST} nearest; features: interval, its CV, width, offset. Strips: bursts of mean"
        " width at the mean interval, not spikes.",
        "Spectra, each minus its mean: black, data; thin lines, the nearest models (at most"
        f" {LINES}); thick line and band, median and 5–95 % of the nearest {IN_BAND} (here {most});"
        " grey dashes, the same parameters simulated once more.",
    )
    for number, line in enumerate(lines):
        figure.text(0.01, 0.075 - 0.028 * number, line, size=3.8, color="0.25")
    if overview.sample:
        figure.text(0.99, 0.075, "SAMPLE DATA", size=6, color="0.25", ha="right")
