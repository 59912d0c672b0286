"""The ranked models of `derived/predictive/`, and how many match their target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from pyarrow import parquet

from automind_data.common.errors import AutomindError
from automind_data.common.typed import AGAIN, read_typed
from automind_data.report.features import Floats
from automind_data.report.models import KEYS, TYPE, Reduce
from automind_data.report.words import count, number

__all__ = ["Predicted", "Ranked", "Ranking", "Yield", "ranked_view", "ranking_said", "read_ranking"]

PREFIX = "predict."
MOST_RANKED = 25
MOST_FEATURES = 10
STATUSES = (
    ("whole", "compared"),
    ("discarded", "outside the training filters"),
    ("incomplete", "without a feature"),
    ("failed", "failed"),
    ("early_stopped", "stopped early"),
)


class Yield(msgspec.Struct, frozen=True):
    """A share of samples that match, with two 95 % intervals."""

    value: float
    count: int
    n: int
    bootstrap: tuple[float, float]
    exact: tuple[float, float]


class Predicted(msgspec.Struct, frozen=True):
    """What the predictive checks found for one observation."""

    x_o: str
    reason: str | None = None
    whole: int = 0
    discarded: int = 0
    incomplete: int = 0
    failed: int = 0
    early_stopped: int = 0
    noise_floor: dict[str, float] | None = None
    heldout: int = 0
    near: int = 0
    tolerance: float | None = None
    yield_: Yield | None = msgspec.field(default=None, name="yield")
    within_noise_floor: float | None = None


class Record(msgspec.Struct, frozen=True):
    """`derived/predictive/checks/<dataset>.json`."""

    ranked_by: str
    k: int
    observations: tuple[Predicted, ...]
    yield_: Yield | None = msgspec.field(default=None, name="yield")
    claimed: tuple[float, float] | None = None
    against_claim: str | None = None


@dataclass(frozen=True)
class Ranked:
    """The closest models of one observation, in rank order.

    Attributes
    ----------
    predicted
        What became of all its models; None where it is not recorded.
    columns
        Names of the columns that can be copied.
    rows
        Their cells, one row per model.
    features
        (n, m): features of each model, reduced.
    theta
        (n, 28): its parameters, physical units.
    """

    predicted: Predicted | None
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    features: Floats
    theta: Floats


@dataclass(frozen=True)
class Ranking:
    """The models of a data set, ranked; observation → its closest models."""

    record: Record
    observations: dict[str, Ranked]


def read_ranking(
    derived: Path,
    name: str,
    parameters: Sequence[str],
    columns: Sequence[str],
    reduce: Reduce,
) -> Ranking | None:
    """Read the ranked models of a data set; None when they are not derived.

    Parameters
    ----------
    derived
        The folder of derived outputs.
    name
        Of the data set.
    parameters, columns
        Names of the parameters, and of the features that `reduce` takes.

    Raises
    ------
    AutomindError
        A file does not have the agreed form.
    """
    record_path = derived / "predictive" / "checks" / f"{name}.json"
    path = derived / "predictive" / f"{name}.parquet"
    record = read_typed(record_path, Record)
    if record is None or not path.exists():
        return None
    distances = [f"{PREFIX}{record.ranked_by}"]
    present = parquet.read_schema(path).names
    distances += [each for each in _distances(present) if each not in distances]
    own = (f"{PREFIX}rank", f"{PREFIX}row", *KEYS, "x_o", TYPE, "infer.log_prob", *distances)
    for column in (*own, *parameters, *columns):
        if column not in present:
            raise AutomindError(path, f"has no column {column}", AGAIN)
    table = parquet.read_table(path, columns=list(dict.fromkeys([*own, *parameters, *columns])))
    ranks = table[f"{PREFIX}rank"].to_numpy()
    keys = np.array(table["x_o"].to_pylist(), dtype=object)
    predicted = {each.x_o: each for each in record.observations}
    copied = (*own, *parameters)
    found = {}
    for key in dict.fromkeys([*predicted, *keys]):
        rows = np.flatnonzero(keys == key)
        rows = rows[np.argsort(ranks[rows], kind="stable")][:MOST_RANKED]
        some = table.take(rows)
        features = np.column_stack([some[each].to_numpy() for each in columns]).astype(np.float64)
        theta = np.column_stack([some[each].to_numpy() for each in parameters]).astype(np.float64)
        cells = zip(*(some[each].to_pylist() for each in copied), strict=True)
        found[str(key)] = Ranked(
            predicted.get(key),
            tuple(each.removeprefix(PREFIX) for each in copied),
            tuple(tuple(_finite(cell) for cell in row) for row in cells),
            reduce(features)[0],
            theta,
        )
    return Ranking(record, found)


def ranked_view(ranked: Ranked, record: Record, low: Floats, width: Floats) -> dict[str, Any]:
    """One observation's ranking for the explorer; `low` and `width` are those of the prior."""
    predicted = ranked.predicted
    tolerance = predicted.tolerance if predicted else None
    at = {name: place for place, name in enumerate(ranked.columns)}
    numbers = []
    for row in ranked.rows:
        distance = row[at[record.ranked_by]]
        matches = "–"
        if tolerance is not None and distance is not None:
            matches = "yes" if distance <= tolerance else "no"
        numbers.append(
            [
                str(row[at["rank"]]),
                f"{row[at[KEYS[0]]]}, {row[at[KEYS[1]]]}",
                str(row[at[TYPE]]),
                "–" if distance is None else number(distance),
                matches,
            ]
        )
    unit = (ranked.theta - low) / width
    return {
        "columns": ranked.columns,
        "rows": ranked.rows,
        "numbers": numbers,
        "features": [_per_decade(row) for row in ranked.features[:MOST_FEATURES]],
        "unit": np.round(np.nan_to_num(unit[:MOST_FEATURES], nan=-1.0), 3).tolist(),
        "said": _said(predicted, record),
    }


def ranking_said(record: Record) -> str:
    """Say how many samples of a data set match."""
    if record.yield_ is None:
        return "No yield is known: there are too few held-out simulations."
    share = record.yield_
    said = (
        f"In the whole data set {count(share.count)} of {count(share.n)} samples match, on average"
        f" {_percent(share.value)} of an observation's ({_intervals(share)})."
    )
    if record.claimed is not None:
        said += (
            f" The published notebook says {_percent(record.claimed[0])} to"
            f" {_percent(record.claimed[1])}, judged by eye"
        )
        said += f"; {_AGAINST.get(record.against_claim or '', 'nothing is said about ours')}."
    return said


_AGAINST = {
    "below": "ours is below it",
    "above": "ours is above it",
    "compatible": "ours is compatible with it",
}


def _said(predicted: Predicted | None, record: Record) -> str:
    if predicted is None:
        return "The predictive checks do not know this observation."
    if predicted.reason:
        return f"Nothing was compared: {predicted.reason}."
    counts = [
        f"{count(getattr(predicted, name))} {words}"
        for name, words in STATUSES
        if getattr(predicted, name) or name == "whole"
    ]
    said = f"Models: {', '.join(counts)}."
    share = predicted.yield_
    if share is not None and predicted.tolerance is not None:
        said += (
            f" {count(share.count)} of {count(share.n)} samples match ({_percent(share.value)},"
            f" {_intervals(share)}). A model matches when it is as near as the nearest"
            f" {count(predicted.near)} of {count(predicted.heldout)} held-out simulations from the"
            f" prior: {record.ranked_by} at most {number(predicted.tolerance)}."
        )
    if predicted.noise_floor and record.ranked_by in predicted.noise_floor:
        floor = number(predicted.noise_floor[record.ranked_by])
        said += f" The target’s own parameters with another seed are at {floor}: the noise floor."
    return said


def _intervals(share: Yield) -> str:
    drawn, exact = ([_percent(end) for end in ends] for ends in (share.bootstrap, share.exact))
    return f"95 % interval {drawn[0]} to {drawn[1]} by bootstrap, {exact[0]} to {exact[1]} exact"


def _distances(names: Sequence[str]) -> list[str]:
    return [each for each in names if each.startswith(PREFIX) and each.endswith(("_mse", "_mae"))]


def _finite(cell: object) -> object:
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _per_decade(row: Floats) -> list[int | None]:
    return [int(value) if np.isfinite(value) else None for value in np.round(row * 1000).tolist()]
