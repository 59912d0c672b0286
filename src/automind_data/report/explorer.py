"""What the explorer draws: each observation as plain values, rounded to what a picture can show."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from automind_data.report.features import Floats
from automind_data.report.models import Models
from automind_data.report.sets import Draws, SetReport, Shown, Targets
from automind_data.report.words import feature_label

__all__ = ["island", "observation_view", "points_each", "set_view"]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MOST_OTHERS = 24
MOST_DOTS = 200
MOST_POINTS, FEWEST_POINTS = 400, 60
BYTES_OF_POINTS = 3_000_000
PER_DECADE = 1000
View = dict[str, Any]


def island(value: object) -> Markup:
    """Write a value as JSON that can stand inside a `<script>` element of any page.

    >>> print(island({"a": "</script><!--"}))
    {"a":"\\u003c/script\\u003e\\u003c!--"}
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for mark in "<>&\u2028\u2029":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return Markup(text)  # noqa: S704  no mark that HTML knows is left


def points_each(observations: int) -> int:
    """Choose how many draws of each observation can be drawn as points."""
    share = BYTES_OF_POINTS // (28 * max(observations, 1))
    return min(MOST_POINTS, max(FEWEST_POINTS, share))


def set_view(shown: SetReport) -> View:
    """Everything that the observations of a set have in common."""
    targets, estimator = shown.targets, shown.estimator
    bounds = estimator.parameters if estimator else ()
    view: View = {
        "name": shown.dataset.name,
        "title": shown.dataset.title,
        "dgm": shown.dataset.dgm,
        "picks": shown.picks,
        "chosen": shown.chosen,
        "keys": [each.key for each in shown.observations],
        "bounds": [
            {"name": bound.name, "low": bound.low, "high": bound.high, "unit": _unit(bound.unit)}
            for bound in bounds
        ],
        "kind": None,
        "shape": False,
    }
    if targets is None:
        return view
    everyone = list(targets.values)
    some = np.linspace(0, len(everyone) - 1, min(len(everyone), MOST_OTHERS + 1))
    chosen = [everyone[at] for at in some.round().astype(int)]
    view["others"] = {
        key: _per_decade(targets.reduce(targets.values[key][None])[0][0]) for key in chosen
    }
    view["n_everyone"] = len(everyone)
    if targets.bands is not None:
        view |= {
            "kind": "spectrum",
            "shape": targets.bands.demean,
            "hz": [_rounded(value) for value in targets.bands.middles],
            "n_powers": targets.n_conditioned,
            "range": [float(targets.bands.hz.min()), float(targets.bands.hz.max())],
        }
    else:
        labels = [feature_label(name) for name in targets.columns]
        view |= {
            "kind": "features",
            "features": [
                {
                    "name": name,
                    "label": label,
                    "unit": _unit(unit),
                    "conditioned": at < targets.n_conditioned,
                }
                for at, (name, (label, unit)) in enumerate(
                    zip(targets.columns, labels, strict=True)
                )
            ],
        }
    return view


def observation_view(shown: Shown, targets: Targets | None, most_points: int) -> View:
    """One observation: its target, its models against it, and its posterior draws."""
    record = shown.record
    view: View = {
        "key": shown.key,
        "status": record.status if record else "absent",
        "reason": record.reason if record else None,
        "accepted": record.accepted if record else None,
        "made": record.draws if record else None,
        "acceptance": record.acceptance if record else None,
        "acceptance_se": record.acceptance_se if record else None,
        "target": None,
        "models": None,
        "draws": _draws_view(shown.draws, most_points) if shown.draws else None,
    }
    if targets is not None and shown.target is not None:
        reduced, usable = targets.reduce(shown.target[None])
        if np.isfinite(reduced[0]).sum() > 1:
            view["target"] = _per_decade(reduced[0])
            view["usable"] = bool(usable[0])
        if targets.bands is None:
            view["values"] = [_rounded(value) for value in shown.target]
    if shown.models is not None:
        view["models"] = _models_view(shown.models, lines=targets is None or targets.bands is None)
    return view


def _models_view(models: Models, *, lines: bool) -> View:
    view: View = {
        "usable": len(models.values),
        "drawn": models.drawn,
        "stopped": models.stopped,
        "unusable": models.unusable,
        "quantiles": None,
        "noise": [_per_decade(row) for row in models.noise[:3]],
    }
    if len(models.values):
        view["quantiles"] = [_per_decade(row) for row in _quantiles(models.values)]
        if lines:
            kept = models.values[_thinned(len(models.values), MOST_DOTS)]
            view["dots"] = [_per_decade(column) for column in kept.T]
            view["absent"] = np.isnan(models.values).sum(axis=0).tolist()
    return view


def _quantiles(values: NDArray[np.float32]) -> Floats:
    """Quantiles of each column among its finite values; NaN where there is none."""
    known = np.isfinite(values)
    quantiles = np.full((len(QUANTILES), values.shape[1]), np.nan)
    if known.all():
        quantiles[:] = np.quantile(values.astype(np.float64), QUANTILES, axis=0)
        return quantiles
    for column in np.flatnonzero(known.any(axis=0)):
        quantiles[:, column] = np.quantile(
            values[known[:, column], column].astype(np.float64), QUANTILES
        )
    return quantiles


def _draws_view(draws: Draws, most_points: int) -> View:
    """Histograms on the unit interval, quantiles, and some of the draws as bytes."""
    unit = draws.unit.astype(np.float64)
    bins = int(np.clip(2 * np.cbrt(len(unit)), 10, 40))
    low, middle, high = np.quantile(unit, [0.05, 0.5, 0.95], axis=0)
    points = unit[_thinned(len(unit), most_points)]
    coarse = np.clip(np.round(points * 255), 0, 255).astype(np.uint8)
    return {
        "n": len(unit),
        "kind": draws.kind,
        "physical": [[_rounded(value, 5) for value in row] for row in draws.physical],
        "unit": [_thousandths(low), _thousandths(middle), _thousandths(high)],
        "bins": bins,
        "counts": [np.histogram(column, bins, range=(0, 1))[0].tolist() for column in unit.T],
        "n_points": len(coarse),
        "points": base64.b64encode(coarse.tobytes()).decode("ascii"),
    }


def _thinned(n: int, most: int) -> NDArray[np.intp]:
    """Row numbers, at most `most`, evenly chosen."""
    return np.linspace(0, n - 1, min(n, most)).round().astype(np.intp)


def _per_decade(logs: Floats | NDArray[np.float32]) -> list[int | None]:
    """Round logarithms to thousandths of a decade; NaN is None."""
    rounded = np.round(np.asarray(logs, dtype=np.float64) * PER_DECADE)
    return [int(value) if np.isfinite(value) else None for value in rounded.tolist()]


def _thousandths(shares: Floats) -> list[float]:
    return [round(value, 3) for value in shares.tolist()]


def _rounded(value: float, digits: int = 4) -> float | None:
    return float(f"{value:.{digits}g}") if np.isfinite(value) else None


def _unit(unit: str) -> str:
    return "" if unit == "1" else unit
