"""Contracts about the rows of one table: how parameters are spread, and what rows are good for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from automind_data.contracts.registry import Found, contract
from automind_data.contracts.subjects import Table

__all__ = ["LEVEL", "kolmogorov_p"]

LEVEL = 0.001
"""A release of uniform parameters is called not uniform once in a thousand tables."""

TERMS = 101


@contract("not-uniform", "warning", Table)
def parameters_are_uniform_under_the_prior(table: Table) -> Iterator[Found]:
    """Parameters drawn from the prior are uniform in it (Kolmogorov and Smirnov, Bonferroni)."""
    if not table.uniform or table.prior is None:
        return
    odd: list[dict[str, Any]] = []
    for bound in table.prior:
        if table.schema.get(bound.name) != pl.Float64 or bound.low is None or bound.high is None:
            continue
        column = table.frame.select(bound.name).drop_nulls().collect(engine="streaming")
        unit = (column[bound.name].to_numpy() - bound.low) / (bound.high - bound.low)
        unit = np.sort(np.clip(unit[np.isfinite(unit)], 0, 1))
        distance = _distance(unit)
        p = kolmogorov_p(distance, len(unit)) * len(table.prior)
        if p < LEVEL:
            odd.append({"parameter": bound.name, "distance": round(distance, 4), "p": f"{p:.1e}"})
    if odd:
        names = ", ".join(case["parameter"] for case in odd[:3])
        yield Found(
            f"{len(odd)} parameters are not uniform in their prior ({names})", len(odd), tuple(odd)
        )


@contract("psd-silent", "info", Table)
def spectra_are_not_silent(table: Table) -> Iterator[Found]:
    """Flat spectra (variance of log10 power below 0.0007, range below 0.14) are counted."""
    yield from _limit(table, "silent")


@contract("psd-hyperactive", "info", Table)
def spectra_are_not_hyperactive(table: Table) -> Iterator[Found]:
    """Extreme spectra (variance of log10 power over 6.5, range over 13) are counted."""
    yield from _limit(table, "hyperactive")


@contract("rows-usable", "info", Table)
def rows_are_of_use(table: Table) -> Iterator[Found]:
    """Rows that meet the conditions of each density estimator's own training are counted."""
    if not table.uses or not table.spectra.usable:
        return
    rows = table.stats.rows
    said = ", ".join(
        f"on {kind} {usable} ({100 * usable / max(rows, 1):.1f} %)"
        for kind, usable in table.spectra.usable.items()
    )
    message = f"of {rows} rows meet the training conditions of the density estimator conditioned"
    yield Found(f"{message} {said}", rows)


def kolmogorov_p(distance: float, n: int) -> float:
    """Return the probability of a larger distance between n draws and what they are drawn from.

    The asymptotic series with the correction of Stephens (1970, Journal of the Royal
    Statistical Society B 32); good to a few per cent of itself from n = 5 on.

    >>> round(kolmogorov_p(0.136, 100), 3), kolmogorov_p(0.0, 100)
    (0.045, 1.0)
    """
    root = math.sqrt(n)
    scaled = (root + 0.12 + 0.11 / root) * distance if n else 0.0
    if scaled < 0.2:
        return 1.0
    terms = ((-1) ** (k - 1) * math.exp(-2 * (k * scaled) ** 2) for k in range(1, TERMS))
    return float(min(max(2 * sum(terms), 0.0), 1.0))


def _distance(unit: np.ndarray) -> float:
    """Return the largest distance between a sorted sample of the unit interval and its diagonal."""
    if not len(unit):
        return 0.0
    steps = np.arange(len(unit) + 1) / len(unit)
    return float(max((steps[1:] - unit).max(), (unit - steps[:-1]).max()))


def _limit(table: Table, kind: str) -> Iterator[Found]:
    count = table.spectra.kinds[kind]
    if count:
        yield Found(
            f"{count} rows have a {kind} spectrum", count, tuple(table.spectra.examples[kind])
        )
