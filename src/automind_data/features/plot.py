"""A recording on one page: raster, population rate with its bursts, spectrum."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from automind_data.common.errors import AutomindError
from automind_data.common.files import atomic_path
from automind_data.features.recording import Recording

if TYPE_CHECKING:
    from automind_data.features.pipelines import Features

__all__ = ["plot_recording"]

ENDINGS = (".png", ".svg", ".pdf")
MOST_DOTS = 400_000
INK, MARK, SHADE = "#1f2933", "#b4431f", "#f2d9cf"


def plot_recording(recording: Recording, features: Features, out: str | Path) -> None:
    """Draw what was computed from a recording.

    Parameters
    ----------
    recording, features
        What `compute_features` took and gave; what it did not compute is left out.
    out
        `.png`, `.svg` or `.pdf`. Equal inputs give equal files.

    Raises
    ------
    AutomindError
        `out` has another ending.
    """
    out = Path(out)
    if out.suffix not in ENDINGS:
        rule = f"has none of the endings {', '.join(ENDINGS)}"
        raise AutomindError(out, rule, "choose one of them")
    import matplotlib
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {"svg.hashsalt": "automind-data", "font.size": 9, "axes.edgecolor": INK}
    with matplotlib.rc_context(style):
        spectrum = any(column.startswith("psd_") for column in features.row)
        shown = [_raster]
        if features.smooth is not None:
            shown.append(_rate)
        figure = Figure(figsize=(9, 2.2 * (len(shown) + spectrum)), layout="constrained")
        axes = figure.subplots(len(shown) + spectrum, 1, squeeze=False)[:, 0]
        for draw, axis in zip(shown, axes, strict=False):
            draw(axis, recording, features)
            axis.set_xlim(0, recording.t_end)
        axes[len(shown) - 1].set_xlabel("time (s)")
        if spectrum:
            _spectrum(axes[-1], features)
        axes[0].set_title(f"{recording.name}: {len(recording.cells)} cells", loc="left")
        for axis in axes:
            axis.spines[["top", "right"]].set_visible(False)
        dates = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
        with atomic_path(out) as part:
            figure.savefig(part, format=out.suffix[1:], dpi=150, metadata=dates.get(out.suffix, {}))


def _raster(axis: Any, recording: Recording, features: Features) -> None:
    times = recording.times
    cells = np.repeat(np.arange(len(recording.cells)), np.diff(recording.offsets))
    every = max(1, -(-len(times) // MOST_DOTS))
    axis.plot(times[::every], cells[::every], "|", color=INK, ms=2, mew=0.4, rasterized=True)
    share = f", each {every}th spike" if every > 1 else ""
    axis.set_ylabel(f"cell{share}")
    axis.set_ylim(-1, len(recording.cells))


def _rate(axis: Any, recording: Recording, features: Features) -> None:
    rate, bursts = features.smooth, features.bursts
    if rate is None or bursts is None:
        return
    at = np.arange(len(rate)) * (recording.t_end / len(rate))
    for start, end in zip(bursts.start, bursts.end, strict=True):
        axis.axvspan(start, end, color=SHADE, lw=0)
    axis.plot(at, rate, color=INK, lw=0.6)
    label = f"{len(bursts.peak)} bursts, peak and width"
    axis.plot(bursts.peak, bursts.height, "v", color=MARK, ms=4, label=label)
    axis.set_ylim(bottom=0)
    axis.set_ylabel("rate (Hz per cell)")
    axis.legend(loc="upper right", frameon=False)


def _spectrum(axis: Any, features: Features) -> None:
    pairs = [
        (float(column.removeprefix("psd_")), value)
        for column, value in features.row.items()
        if column.startswith("psd_")
    ]
    frequency, power = np.array(pairs[1:]).T
    seen = power > 0
    axis.loglog(frequency[seen], power[seen], color=INK, lw=0.8)
    axis.set_xlabel("frequency (Hz)")
    axis.set_ylabel("power (Hz²/Hz)")
