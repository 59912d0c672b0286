"""The models of a discovered table, each with its distances to its target, ranked."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automind_data.common.observations import observation_key
from automind_data.predictive.distances import DISTANCES, Target
from automind_data.predictive.rows import WHOLE, Estimator, Rows, column_types, read_rows

__all__ = ["KEY", "KIND", "RESIMULATED", "Compared", "Comparison", "compare_table", "is_sample"]

KEY, KIND = "x_o", "inference.type"
RESIMULATED = "gt_resim"
"""The type of the rows that are the observation's own parameters, simulated once more."""

Floats = NDArray[np.float64]


def is_sample(kind: str) -> bool:
    """Say whether rows of a type are samples, not the densest point or a mean.

    >>> is_sample("NPE_samples_prune_50"), is_sample("NPE_map"), is_sample("gt_resim")
    (True, False, False)
    """
    return "samples" in kind


@dataclass(frozen=True)
class Compared:
    """The rows of one observation.

    Attributes
    ----------
    x_o
        Its key.
    reason
        Why nothing can be compared with it; None if something can.
    row
        Number of each row in the table, ascending, (n,).
    kind
        `inference.type` of each row.
    status
        Index into `STATUSES`, (n,).
    distance
        Name → distances (n,), NaN where there is none.
    ranked_by
        The distance that ranks.
    rank
        1 for the nearest whole model; 0 for rows that are not ranked, (n,).
    heldout
        The same distance of every held-out simulation, ascending.
    """

    x_o: str
    reason: str | None
    row: NDArray[np.int64]
    kind: tuple[str, ...]
    status: NDArray[np.uint8]
    distance: dict[str, Floats]
    ranked_by: str
    rank: NDArray[np.int64]
    heldout: Floats

    @property
    def resimulated(self) -> NDArray[np.bool_]:
        """Which rows are `gt_resim`, (n,)."""
        return np.array([kind == RESIMULATED for kind in self.kind], bool)

    @property
    def samples(self) -> NDArray[np.bool_]:
        """Which rows are samples, (n,)."""
        return np.array([is_sample(kind) for kind in self.kind], bool)

    def best(self, k: int, chosen: NDArray[np.bool_] | None = None) -> NDArray[np.intp]:
        """Return the places of the k nearest rows in rank order, of those chosen only."""
        place = np.flatnonzero(self.rank > 0 if chosen is None else (self.rank > 0) & chosen)
        return place[np.argsort(self.rank[place])][:k]


@dataclass(frozen=True)
class Comparison:
    """A discovered table.

    Attributes
    ----------
    path
        Where it is.
    columns
        The features that are compared.
    observations
        In the order of the table.
    keyless
        Rows without `x_o` or type, which are left out.
    """

    path: Path
    columns: tuple[str, ...]
    observations: tuple[Compared, ...]
    keyless: int


def compare_table(
    path: str | Path,
    estimator: Estimator,
    observations: Mapping[str, Mapping[str, Any]],
    heldout: str | Path | None,
    ranked_by: str,
    heldout_key: tuple[str, ...] = (),
) -> Generator[dict[str, Any], None, Comparison]:
    """Measure and rank the models of a discovered table.

    Parameters
    ----------
    path
        The table, Parquet: the published columns.
    estimator
        Whose features are compared.
    observations
        Key → row of features.
    heldout
        Table of simulations from the prior that pass the training filters are taken
        from; None: there are none.
    ranked_by
        One of `DISTANCES`. Ties keep the order of the table.
    heldout_key
        Columns of `heldout` that make the key of an observation drawn from it: an
        observation is never compared with itself.

    Yields
    ------
    dict
        `path`, `done` and `total`: rows read.

    Returns
    -------
    Comparison
        Observations in the order of the table.

    Raises
    ------
    AutomindError
        A table cannot be read, or a column is missing or of the wrong type.
    """
    if ranked_by not in DISTANCES:
        raise ValueError(ranked_by)
    path = Path(path)
    targets: dict[str, Target | str] = {}
    parts: dict[str, list[_Part]] = {}
    keyless, total = 0, _count(path) + (_count(heldout) if heldout is not None else 0)
    done = 0
    for rows in read_rows(path, estimator, (KEY, KIND)):
        keyless += _take(rows, estimator, observations, targets, parts)
        done += len(rows.status)
        yield {"path": str(path), "done": done, "total": total}
    near: dict[str, list[Floats]] = {key: [] for key in targets}
    if heldout is not None:
        for rows in read_rows(heldout, estimator, heldout_key):
            _measure(rows, targets, near, ranked_by, heldout_key)
            done += len(rows.status)
            yield {"path": str(heldout), "done": done, "total": total}
    compared = [_ranked(key, targets[key], parts[key], near[key], ranked_by) for key in parts]
    return Comparison(path, estimator.recipe.columns, tuple(compared), keyless)


@dataclass(frozen=True)
class _Part:
    """The rows of one observation in one block."""

    row: NDArray[np.int64]
    kind: list[str]
    status: NDArray[np.uint8]
    distance: dict[str, Floats]


def _count(path: str | Path) -> int:
    from pyarrow import parquet

    column_types(path)
    return int(parquet.read_metadata(path).num_rows)


def _take(
    rows: Rows,
    estimator: Estimator,
    observations: Mapping[str, Mapping[str, Any]],
    targets: dict[str, Target | str],
    parts: dict[str, list[_Part]],
) -> int:
    """Add the rows of a block to their observations; return how many have none."""
    places: dict[str, list[int]] = {}
    for place, (key, kind) in enumerate(zip(rows.texts[KEY], rows.texts[KIND], strict=True)):
        if key is not None and kind is not None:
            places.setdefault(key, []).append(place)
    for key, listed in places.items():
        if key not in targets:
            targets[key] = _target(estimator, observations.get(key))
        where, target = np.array(listed), targets[key]
        distance = {name: np.full(len(where), np.nan) for name in DISTANCES}
        if isinstance(target, Target):
            for name in DISTANCES:
                measured = target.distances(rows.logs[where], name)
                distance[name] = np.where(np.isfinite(measured), measured, np.nan)
        kinds = [str(rows.texts[KIND][place]) for place in listed]
        part = _Part(where + rows.start, kinds, rows.status[where], distance)
        parts.setdefault(key, []).append(part)
    return len(rows.status) - sum(map(len, places.values()))


def _target(estimator: Estimator, row: Mapping[str, Any] | None) -> Target | str:
    """Return the target, or why there is none."""
    if row is None:
        return "the observation table has no such row"
    recipe = estimator.recipe
    x = recipe.conditioning(row)
    unusable = [
        name for name, value in zip(recipe.columns, x, strict=True) if not math.isfinite(value)
    ]
    if unusable:
        some = ", ".join(unusable[:3]) + (", …" if len(unusable) > 3 else "")
        return f"{len(unusable)} of {len(x)} features are missing or out of bounds: {some}"
    return Target.of(recipe, np.array([row[name] for name in recipe.columns], np.float64))


def _measure(
    rows: Rows,
    targets: Mapping[str, Target | str],
    near: dict[str, list[Floats]],
    ranked_by: str,
    key_columns: tuple[str, ...],
) -> None:
    """Add the distances of a block of held-out simulations to every target."""
    whole = np.flatnonzero(rows.status == WHOLE)
    logs = rows.logs[whole]
    cells = [{name: rows.texts[name][place] for name in key_columns} for place in whole]
    keys = np.array([observation_key(row, key_columns) for row in cells], dtype=object)
    for key, target in targets.items():
        if isinstance(target, Target):
            distance = target.distances(logs, ranked_by)
            near[key].append(distance[keys != key] if key_columns else distance)


def _ranked(
    key: str, target: Target | str, parts: list[_Part], near: list[Floats], ranked_by: str
) -> Compared:
    row = np.concatenate([part.row for part in parts])
    status = np.concatenate([part.status for part in parts])
    kind = tuple(kind for part in parts for kind in part.kind)
    distance = {name: np.concatenate([part.distance[name] for part in parts]) for name in DISTANCES}
    models = np.array([each != RESIMULATED for each in kind], bool)
    place = np.flatnonzero((status == WHOLE) & models & np.isfinite(distance[ranked_by]))
    order = place[np.lexsort((row[place], distance[ranked_by][place]))]
    rank = np.zeros(len(row), np.int64)
    rank[order] = np.arange(1, len(order) + 1)
    heldout = np.sort(np.concatenate(near)) if near else np.empty(0)
    reason = None if isinstance(target, Target) else target
    return Compared(key, reason, row, kind, status, distance, ranked_by, rank, heldout)
