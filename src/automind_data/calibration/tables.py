"""The curves of calibration as small tables, ready to be plotted."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from automind_data.calibration.judge import LEVEL, ParameterCheck
from automind_data.calibration.measure import Measured, Settings
from automind_data.calibration.uniformity import Uniformity, bootstrap_band
from automind_data.common.files import write_text

__all__ = ["coverage_table", "parameter_table", "sbc_table", "simulation_table", "write_csv"]

Rows = list[dict[str, Any]]


def sbc_table(found: Measured, names: Sequence[str]) -> tuple[Rows, Rows]:
    """Return how far ranks are from uniform, cut by cut: in short, and for each parameter.

    The band from `lower` to `upper` holds everywhere and for all parameters at once;
    `highest` and `lowest` are the outermost of the curves.
    """
    if not found.n:
        return [], []
    even = Uniformity(found.n, found.draws + 1)
    lower, upper = even.band(LEVEL / len(names))
    curves = np.stack([even.deviations(column) for column in found.ranks.T])
    edges = zip(even.shares, lower, upper, curves.min(axis=0), curves.max(axis=0), strict=True)
    short = [
        {
            "rank": share,
            "lower": one - share,
            "upper": other - share,
            "lowest": low,
            "highest": high,
        }
        for share, one, other, low, high in edges
    ]
    each = [
        {"rank": share, **dict(zip(names, column, strict=True))}
        for share, column in zip(even.shares, curves.T, strict=True)
    ]
    return short, each


def coverage_table(found: Measured, settings: Settings) -> dict[str, Rows]:
    """Return the curves of `coverage` and `tarp`: share of true parameters inside, by level.

    The band of `coverage` lies around what is right, that of `tarp` around what was found.
    """
    if not found.n:
        return {"coverage": [], "tarp": []}
    even = Uniformity(found.n, found.draws + 1)
    bands = {
        "coverage": (found.denser, even.band(LEVEL)),
        "tarp": (
            found.nearer,
            bootstrap_band(found.nearer, even, LEVEL, settings.bootstrap, settings.seed),
        ),
    }
    return {
        name: [
            {"level": level, "calibrated": level, "lower": low, "upper": high, "covered": share}
            for level, low, high, share in zip(
                even.shares, lower, upper, even.shares + even.deviations(ranks), strict=True
            )
        ]
        for name, (ranks, (lower, upper)) in bands.items()
    }


def parameter_table(parameters: Sequence[ParameterCheck]) -> Rows:
    """Return one row for each parameter."""
    return [
        {
            "parameter": each.name,
            "p": each.p,
            "z_mean": each.z_mean.value,
            "z_mean_error": each.z_mean.error,
            "z_square": each.z_square.value,
            "z_square_error": each.z_square.error,
            "z_square_give_or_take": each.z_square.give_or_take,
            "shrinkage": each.shrinkage.value,
            "shrinkage_error": each.shrinkage.error,
            "achieved": each.achieved.value,
            "achieved_error": each.achieved.error,
            "achieved_give_or_take": each.achieved.give_or_take,
        }
        for each in parameters
    ]


def simulation_table(keys: Sequence[str], found: Measured) -> Rows:
    """Return one row for each held-out simulation, its log-density and what it must be."""
    shares = {each.key: each for each in found.acceptances}
    sampled = [key for key in keys if shares[key].share is not None]
    return [
        {
            "x_o": key,
            "acceptance": shares[key].share,
            "acceptance_error": shares[key].error,
            "log_prob": found.log_prob[row],
            "must_be": found.own_log_prob[row],
            "gaussian": found.log_prob[row] - found.gain[row],
            "denser": found.denser[row] / found.draws,
            "nearer": found.nearer[row] / found.draws,
        }
        for row, key in enumerate(sampled)
    ]


def write_csv(path: Path, columns: Iterable[str], rows: Rows) -> None:
    """Write rows with a heading, numbers to six digits."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    write_text(path, text.getvalue())


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, str | bool):
        return value
    return f"{float(value):.6g}"
