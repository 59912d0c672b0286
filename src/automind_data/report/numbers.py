"""The pictures of the explorer as rows of text: what reads without a picture."""

from __future__ import annotations

import numpy as np

from automind_data.report.explorer import View
from automind_data.report.inputs import Bound
from automind_data.report.sets import Draws, Shown, Targets
from automind_data.report.words import count, number

__all__ = ["marginal_rows", "narrowest", "sentences", "target_rows"]

LISTED_HZ = (1, 2, 5, 10, 20, 50, 100, 200, 400)
NONE = "–"
Rows = list[list[str]]


def target_rows(shown: Shown, targets: Targets | None, view: View) -> Rows:
    """Name, target, models' median, 5 % and 95 %: one row per feature, or per listed frequency."""
    if targets is None or shown.target is None:
        return []
    quantiles = (view["models"] or {}).get("quantiles")
    chosen = [quantiles[at] for at in (2, 0, 4)] if quantiles else [[]] * 3
    target = view["target"] or []
    if targets.bands is None:
        return [
            [number(float(shown.target[at])), *(_power(row, at) for row in chosen)]
            for at in range(len(targets.columns))
        ]
    hz = targets.bands.middles
    rows = []
    for wanted in LISTED_HZ:
        at = int(np.argmin(np.abs(np.log(hz / wanted))))
        if abs(np.log(hz[at] / wanted)) < 0.1:
            rows.append([f"{wanted}", *(_decades(row, at) for row in (target, *chosen))])
    return rows


def marginal_rows(draws: Draws | None, bounds: tuple[Bound, ...]) -> Rows:
    """Median, 5 %, 95 % in physical units, and that interval's share of the prior's range."""
    if draws is None:
        return []
    low, middle, high = draws.physical.tolist()
    share = np.quantile(draws.unit.astype(np.float64), [0.05, 0.95], axis=0)
    widths = (share[1] - share[0]).tolist()
    return [
        [number(middle[at]), number(low[at]), number(high[at]), f"{100 * widths[at]:.0f}"]
        for at in range(len(bounds))
    ]


def narrowest(draws: Draws | None, most: int) -> list[int]:
    """Positions of the parameters with the narrowest 5 % to 95 % intervals."""
    if draws is None:
        return []
    share = np.quantile(draws.unit.astype(np.float64), [0.05, 0.95], axis=0)
    order: list[int] = np.argsort(share[1] - share[0], kind="stable")[:most].tolist()
    return order


def _power(row: list[int | None], at: int) -> str:
    return number(10 ** (value / 1000)) if row and (value := row[at]) is not None else NONE


def _decades(row: list[int | None], at: int) -> str:
    value = row[at] if row else None
    return NONE if value is None else f"{value / 1000:.2f}".replace("-", "−")


def sentences(view: View, picks: bool) -> dict[str, str]:
    """What the page says about one observation in words, by the name of its place."""
    return {
        "acceptance": _acceptance(view),
        "made": (
            f"{count(view['made'])} made, {count(view['accepted'])} inside the bounds"
            if view["made"] is not None
            else "none recorded"
        ),
        "kept": (
            f"{count(view['draws']['n'])} of type {view['draws']['kind']}" if view["draws"] else "0"
        ),
        "rows": count(view["draws"]["n"] if view["draws"] else 0),
        "empty": f"There are no samples to show for {view['key']}"
        + (f": {view['reason']}." if view["reason"] else "."),
        "models": _models(view),
        "status": f"Showing {view['key']}: "
        + (
            f"{count(view['draws']['n'])} {'picks' if picks else 'posterior draws'}"
            if view["draws"]
            else "no samples"
        )
        + f", {count(view['models']['usable'] if view['models'] else 0)} models.",
    }


def _acceptance(view: View) -> str:
    if view["acceptance"] is None:
        return "not recorded"
    spread = view["acceptance_se"]
    return f"{view['acceptance']:.3f}" + (f" ± {spread:.3f}" if spread is not None else "")


def _models(view: View) -> str:
    models = view["models"]
    if models is None:
        return "The release has no discovered models of this observation."
    said = (
        f"{count(models['drawn'])} discovered models were simulated again:"
        f" {count(models['stopped'])} stopped early, {count(models['unusable'])} without these"
        f" features, {count(models['usable'])} shown."
    )
    if models["noise"]:
        said += (
            " The dashed line is the target’s own parameters with another seed: the noise floor."
        )
    return said
