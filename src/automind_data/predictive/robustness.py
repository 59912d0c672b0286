"""Do discovered models still match their targets when they are simulated with other seeds?

A configuration is one row of the discovered table, found again among simulated runs by its
exact 28 parameters. Its runs differ by their random seeds alone. A run matches by the
criterion of `judge`: its distance is at most the tolerance of the observation. Stopped and
failed runs count as runs that do not match.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automind_data.common.arrow import column, text_column
from automind_data.common.errors import AutomindError
from automind_data.common.files import atomic_path, write_json
from automind_data.common.layout import PARAMETER_NAMES
from automind_data.params import PredictiveParams
from automind_data.predictive.compare import Compared, Comparison, compare_table
from automind_data.predictive.judge import Verdict, exact_interval, judge
from automind_data.predictive.rows import STATUSES, WHOLE, Estimator, column_types

__all__ = [
    "Configuration",
    "Robustness",
    "find_runs",
    "holds_some_of",
    "robustness_of",
    "write_robustness",
]

NAME, RECORD, SUMMARY = "robustness", "simulate.json", "summary_data_merged.parquet"
LEVEL = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Configuration:
    """One configuration and its runs.

    Attributes
    ----------
    x_o, kind
        Key of its target, and `inference.type`.
    row, rank
        Of the published run in the discovered table; -1 and 0 where there is none.
    published
        Distance of the published run; NaN where there is none.
    counts
        Status → number of runs.
    distances
        Of the whole runs, ascending.
    tolerance, noise_floor
        Of the target; NaN where it has none. The floor is the distance of the target's
        own parameters simulated once more.
    """

    x_o: str
    kind: str
    row: int
    rank: int
    published: float
    counts: dict[str, int]
    distances: Floats
    tolerance: float
    noise_floor: float

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return sum(self.counts.values())

    @property
    def matching(self) -> int:
        """How many runs match; 0 without a tolerance."""
        return int((self.distances <= self.tolerance).sum())

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of Clopper and Pearson for the share that matches."""
        return exact_interval(self.matching, self.runs)


@dataclass(frozen=True)
class Robustness:
    """All configurations of a data set that were simulated again.

    Attributes
    ----------
    ranked_by
        The distance.
    configurations
        In the order of the discovered table, those that are not in it last.
    share, low, high
        Mean share of matching runs over configurations with a tolerance, and its 95 %
        interval: configurations drawn anew, and the runs of each. NaN where there is none.
    """

    ranked_by: str
    configurations: tuple[Configuration, ...]
    share: float
    low: float
    high: float

    def metrics(self) -> dict[str, int | float]:
        """Sum it up in flat numbers; what is not known is left out."""
        judged = [each for each in self.configurations if np.isfinite(each.tolerance)]
        matched = [each for each in judged if each.published <= each.tolerance]
        again = [each for each in matched if 2 * each.matching >= each.runs]
        within = [
            each.distances[0] <= each.published <= each.distances[-1]
            for each in self.configurations
            if len(each.distances) and np.isfinite(each.published)
        ]
        found: dict[str, int | float] = {
            "configurations": len(self.configurations),
            "runs": sum(each.runs for each in self.configurations),
            **{
                status: sum(each.counts[status] for each in self.configurations)
                for status in STATUSES
            },
        }
        if judged:
            found |= {"share_matching": self.share, "low": self.low, "high": self.high}
            found |= {"matched_as_published": len(matched), "match_again": len(again)}
        if within:
            found["published_within_range"] = int(sum(within))
        return {name: round(value, 6) for name, value in found.items()}


def find_runs(path: str | Path) -> Path | None:
    """Find the table of simulated runs in a folder of `simulate`; None where that is off.

    Raises
    ------
    AutomindError
        There is neither.
    """
    path = Path(path)
    if path.is_file():
        return path
    record, table = path / RECORD, path / SUMMARY
    try:
        said = json.loads(record.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        said = {}
    if isinstance(said, dict) and said.get("status") == "off":
        return None
    if not table.is_file():
        raise AutomindError(path, f"holds no {SUMMARY}", "make it with `automind-data simulate`")
    return table


def robustness_of(
    simulated: str | Path,
    models: str | Path,
    estimator: Estimator,
    observations: Mapping[str, Mapping[str, Any]],
    heldout: str | Path | None,
    params: PredictiveParams,
    heldout_key: tuple[str, ...] = (),
    *,
    only_known: bool = False,
) -> Generator[dict[str, Any], None, Robustness]:
    """Compare simulated runs of discovered configurations with their targets.

    Parameters
    ----------
    simulated
        Parquet with the published columns, x_o and inference.type among them.
    models
        The discovered table that the configurations come from.
    estimator, observations, heldout, heldout_key
        As for `compare_table`. Without held-out simulations there is no tolerance.
    params
        What is near, the bootstrap and its seed, the distance.
    only_known
        Leave out runs whose configuration is not in the discovered table.

    Yields
    ------
    dict
        `path`, `done` and `total`: rows read.

    Raises
    ------
    AutomindError
        A table cannot be read, or a column is missing or of the wrong type.
    """
    by: str = getattr(params.ranked_by, estimator.recipe.kind)
    published = yield from compare_table(models, estimator, observations, heldout, by, heldout_key)
    again = yield from compare_table(simulated, estimator, observations, None, by)
    verdicts = {each.x_o: judge(each, params) for each in published.observations}
    places = _places(published)
    theta, known = _theta(again.path), _theta(published.path)
    first: dict[tuple[str, bytes], int] = {}
    for place in sorted(places):
        first.setdefault((places[place][0].x_o, known[place]), place)
    found: list[Configuration] = []
    for each in again.observations:
        groups: dict[bytes, list[int]] = {}
        for place, row in enumerate(each.row.tolist()):
            groups.setdefault(theta[row], []).append(place)
        for key, members in groups.items():
            row = first.get((each.x_o, key))
            if row is None and only_known:
                continue
            before = None if row is None else places[row]
            found.append(_configuration(each, members, verdicts.get(each.x_o), row, before))
    found.sort(key=lambda each: (each.row < 0, each.row))
    return Robustness(by, tuple(found), *_mean_share(found, params))


def holds_some_of(models: str | Path, simulated: str | Path) -> bool:
    """Say whether some simulated run is of a configuration that stands in a table of models.

    Raises
    ------
    AutomindError
        A table cannot be read, or lacks a column of parameters.
    """
    return not set(_theta(Path(models))).isdisjoint(_theta(Path(simulated)))


def write_robustness(
    out: str | Path, found: Mapping[str, Robustness], simulated: bool = True
) -> None:
    """Write `robustness.parquet`, a row for each configuration, and `robustness.json`.

    Parameters
    ----------
    out
        The folder.
    found
        Name of the data set → what was found.
    simulated
        Whether anything was simulated; if not, the table has no row.
    """
    import pyarrow
    from pyarrow import parquet

    rows = [(name, robust.ranked_by, each) for name, robust in found.items()
            for each in robust.configurations]  # fmt: skip
    each = [row[2] for row in rows]
    judged = np.array([np.isfinite(one.tolerance) for one in each], bool)
    intervals = np.array([one.interval for one in each], np.float64).reshape(-1, 2)
    runs = np.array([one.runs for one in each], np.int64)
    matching = np.array([one.matching for one in each], np.int64)
    places = np.array([one.row for one in each], np.int64)
    ranks = np.array([one.rank for one in each], np.int64)
    ends = np.cumsum([0, *(len(one.distances) for one in each)])
    columns: dict[str, Any] = {
        "dataset": text_column([row[0] for row in rows]),
        "x_o": text_column([one.x_o for one in each]),
        "inference.type": text_column([one.kind for one in each]),
        "row": column(places, places >= 0),
        "rank": column(ranks, ranks > 0),
        "ranked_by": text_column([row[1] for row in rows]),
        "runs": column(runs),
        **{
            status: column(np.array([one.counts[status] for one in each], np.int64))
            for status in STATUSES
        },
        "matching": column(matching, judged),
        "share": column(matching / np.maximum(runs, 1), judged),
        "share_low": column(intervals[:, 0], judged),
        "share_high": column(intervals[:, 1], judged),
        "published": _filled([one.published for one in each]),
        "median": _filled([_at(one.distances, np.median) for one in each]),
        "lowest": _filled([_at(one.distances, np.min) for one in each]),
        "highest": _filled([_at(one.distances, np.max) for one in each]),
        "tolerance": _filled([one.tolerance for one in each]),
        "noise_floor": _filled([one.noise_floor for one in each]),
        "within_noise_floor": _filled([_within(one) for one in each]),
        "distances": pyarrow.ListArray.from_arrays(
            column(ends.astype(np.int64)).cast(pyarrow.int32()),
            column(np.concatenate([np.empty(0), *(one.distances for one in each)])),
        ),
    }
    with atomic_path(Path(out) / f"{NAME}.parquet") as part:
        parquet.write_table(
            pyarrow.table(columns), part, compression="zstd", use_dictionary=False,
            write_statistics=False,
        )  # fmt: skip
    said = {name: robust.metrics() for name, robust in found.items()}
    write_json(Path(out) / f"{NAME}.json", {"simulated": int(simulated), **said})


def _filled(listed: list[float]) -> Any:
    values = np.array(listed, np.float64)
    return column(values, ~np.isnan(values))


def _at(distances: Floats, where: Callable[[Floats], Any]) -> float:
    return float(where(distances)) if len(distances) else np.nan


def _within(one: Configuration) -> float:
    """Return the share of runs that are at least as near as the noise floor."""
    if not np.isfinite(one.noise_floor):
        return np.nan
    return float((one.distances <= one.noise_floor).sum() / one.runs)


def _places(comparison: Comparison) -> dict[int, tuple[Compared, int]]:
    """Row of the table → its observation, and its place there."""
    return {
        row: (each, place)
        for each in comparison.observations
        for place, row in enumerate(each.row.tolist())
    }


def _theta(path: Path) -> list[bytes]:
    """Give the exact parameters of each row as bytes."""
    from pyarrow import parquet

    missing = [name for name in PARAMETER_NAMES if name not in column_types(path)]
    if missing:
        raise AutomindError(path, f"has no column {missing[0]}", "choose a table of models")
    table = parquet.read_table(path, columns=list(PARAMETER_NAMES))
    columns = [np.asarray(table[name].to_numpy(), np.float64) for name in PARAMETER_NAMES]
    return [row.tobytes() for row in np.ascontiguousarray(np.column_stack(columns))]


def _configuration(
    again: Compared,
    members: list[int],
    verdict: Verdict | None,
    row: int | None,
    published: tuple[Compared, int] | None,
) -> Configuration:
    status = again.status[members]
    distance = again.distance[again.ranked_by][members]
    counts = np.bincount(status, minlength=len(STATUSES)).tolist()
    floor = verdict.noise_floor[again.ranked_by] if verdict and verdict.noise_floor else None
    before = (np.nan, 0)
    if row is not None and published is not None:
        compared, place = published
        whole = compared.status[place] == WHOLE
        before = (
            float(compared.distance[again.ranked_by][place]) if whole else np.nan,
            int(compared.rank[place]),
        )
    return Configuration(
        x_o=again.x_o,
        kind=again.kind[members[0]],
        row=-1 if row is None else row,
        rank=before[1],
        published=before[0],
        counts=dict(zip(STATUSES, counts, strict=True)),
        distances=np.sort(distance[(status == WHOLE) & np.isfinite(distance)]),
        tolerance=np.nan if verdict is None or verdict.tolerance is None else verdict.tolerance,
        noise_floor=np.nan if floor is None else floor,
    )


def _mean_share(found: list[Configuration], params: PredictiveParams) -> tuple[float, float, float]:
    judged = [each for each in found if np.isfinite(each.tolerance)]
    if not judged:
        return np.nan, np.nan, np.nan
    runs = np.array([each.runs for each in judged])
    shares = np.array([each.matching for each in judged]) / runs
    rng = np.random.Generator(np.random.Philox(key=params.seed))
    drawn = rng.integers(0, len(judged), (params.bootstrap, len(judged)))
    replicates = (rng.binomial(runs[drawn], shares[drawn]) / runs[drawn]).mean(axis=1)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(replicates, [tail, 1 - tail])
    return float(shares.mean()), float(low), float(high)
