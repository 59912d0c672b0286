"""What `derived/predictive/robustness.*` says about models that were simulated again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyarrow import parquet

from automind_data.common.errors import AutomindError
from automind_data.common.layout import DATASETS
from automind_data.common.typed import AGAIN, read_typed
from automind_data.report.words import count, number

__all__ = ["Robust", "read_robustness", "robust_view"]

MOST_SHOWN = 40
MOST_DOTS = 200
NUMBERS = (
    "runs", "matching", "share_low", "share_high", "published", "median", "lowest", "highest",
    "tolerance", "noise_floor", "rank", "row",
)  # fmt: skip
TEXTS = ("dataset", "x_o", "ranked_by")
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Robust:
    """The configurations of one data set that were simulated again, and all of them in numbers."""

    name: str
    rows: tuple[Row, ...]
    numbers: Mapping[str, int | float]


def read_robustness(derived: Path) -> tuple[Robust, ...]:
    """Read what was found for each data set; nothing where nothing is simulated.

    Raises
    ------
    AutomindError
        A file does not have the agreed form.
    """
    folder = derived / "predictive"
    said = read_typed(folder / "robustness.json", dict[str, int | dict[str, int | float]])
    path = folder / "robustness.parquet"
    if said is None or not path.exists():
        return ()
    present = parquet.read_schema(path).names
    for name in (*TEXTS, *NUMBERS, "distances"):
        if name not in present:
            raise AutomindError(path, f"has no column {name}", AGAIN)
    rows = parquet.read_table(path).to_pylist()
    found = []
    for name in DATASETS:
        numbers, mine = said.get(name), tuple(row for row in rows if row["dataset"] == name)
        if isinstance(numbers, dict) and mine:
            found.append(Robust(name, mine, numbers))
    return tuple(found)


def robust_view(robust: Robust) -> dict[str, Any]:
    """Make what the page shows of a data set: sentences, a table, and a picture's numbers."""
    shown = robust.rows[:MOST_SHOWN]
    return {
        "name": robust.name,
        "said": _said(robust),
        "ranked_by": robust.rows[0]["ranked_by"],
        "left_out": len(robust.rows) - len(shown),
        "numbers": [_cells(row) for row in shown],
        "rows": [
            {
                "key": row["x_o"],
                "rank": row["rank"],
                "distances": [_round(each) for each in _thinned(row["distances"])],
                **{
                    name: _round(row[name])
                    for name in ("published", "median", "tolerance", "noise_floor")
                },
            }
            for row in shown
        ],
    }


def _said(robust: Robust) -> str:
    numbers = robust.numbers
    runs, models = int(numbers["runs"]), int(numbers["configurations"])
    text = f"{count(runs)} runs of {count(models)} models with other random seeds."
    if "share_matching" in numbers:
        share, low, high = (numbers[name] for name in ("share_matching", "low", "high"))
        text += (
            f" On average {_percent(share)} of a model’s runs match its target"
            f" (95 % interval {_percent(low)} to {_percent(high)})."
            f" Of {count(int(numbers['matched_as_published']))} models that matched as published,"
            f" {count(int(numbers['match_again']))} match again in at least half of their runs."
        )
    stopped = int(numbers["early_stopped"]) + int(numbers["failed"])
    if stopped:
        text += f" {count(stopped)} runs were stopped or failed; they count as not matching."
    return text


def _cells(row: Row) -> list[str]:
    share = "–"
    if row["share_low"] is not None:
        low, high = _percent(row["share_low"]), _percent(row["share_high"])
        share = f"{row['matching']} of {row['runs']} ({low} to {high})"
    reach = "–"
    if row["lowest"] is not None:
        reach = f"{number(row['median'])} ({number(row['lowest'])} to {number(row['highest'])})"
    rank = "–" if row["rank"] is None else str(row["rank"])
    return [rank, share, reach, *(_number(row[name]) for name in ("published", "noise_floor"))]


def _thinned(values: Sequence[float]) -> Sequence[float]:
    n = len(values)
    if n <= MOST_DOTS:
        return values
    return [values[round(at * (n - 1) / (MOST_DOTS - 1))] for at in range(MOST_DOTS)]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _number(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else number(value)


def _round(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.4g}")
