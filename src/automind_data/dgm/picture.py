"""Marginals of samples beside the prior, drawn by matplotlib."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from automind_data.dgm.model import DGM

__all__ = ["draw_marginals"]

COLUMNS, BINS = 7, 30
OURS, PRIOR = "#3b6ea5", "#b0b0b0"


def draw_marginals(dgm: DGM, theta: ArrayLike) -> Figure:
    """Draw one panel for each parameter: a histogram of samples over the range of the prior.

    Parameters
    ----------
    dgm
        The density estimator, which knows names, units and bounds.
    theta
        Samples in physical units, (n, 28).

    Returns
    -------
    matplotlib.figure.Figure
        Heights are densities relative to the prior's, which is uniform: it is the grey
        area of height 1. An axis ends at the bounds of the prior.
    """
    from matplotlib import pyplot

    values = np.asarray(theta, float)
    rows = -(-len(dgm.names) // COLUMNS)
    figure, axes = pyplot.subplots(
        rows, COLUMNS, figsize=(1.75 * COLUMNS, 1.5 * rows), layout="constrained", squeeze=False
    )
    for number, axis in enumerate(axes.flat):
        if number >= len(dgm.names):
            axis.set_axis_off()
            continue
        _panel(axis, dgm, number, values[:, number])
    figure.supylabel("density relative to the prior", fontsize=8)
    return figure


def _panel(axis: Any, dgm: DGM, number: int, values: np.ndarray[Any, Any]) -> None:
    low, high = float(dgm.low[number]), float(dgm.high[number])
    counts, edges = np.histogram(values, BINS, (low, high))
    height = counts * BINS / max(len(values), 1)
    axis.fill_between([low, high], 1, color=PRIOR, alpha=0.5, linewidth=0)
    axis.stairs(height, edges, color=OURS, linewidth=1.2)
    unit = dgm.description["parameters"][number]["unit"]
    name = dgm.names[number].removeprefix("params_")
    axis.set_title(name if unit == "1" else f"{name} [{unit}]", fontsize=8)
    axis.set_xlim(low, high)
    axis.set_ylim(0, max(1.5, math.ceil(2 * height.max(initial=0)) / 2))
    axis.set_xticks([low, high], [f"{low:.4g}", f"{high:.4g}"])
    left, right = axis.get_xticklabels()
    left.set_horizontalalignment("left")
    right.set_horizontalalignment("right")
    axis.tick_params(labelsize=7, length=2)
