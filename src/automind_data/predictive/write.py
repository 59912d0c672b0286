"""The files of predictive checks: the best models, every distance, what it comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automind_data.common.arrow import column, text_column
from automind_data.common.files import atomic_path, write_json
from automind_data.predictive.compare import KEY, KIND, Comparison
from automind_data.predictive.distances import DISTANCES
from automind_data.predictive.judge import CLAIM, Verdict, against_claim, mean_yield
from automind_data.predictive.rows import STATUSES

__all__ = ["PREFIX", "metrics_of", "read_picked", "write_best", "write_distances", "write_record"]

PREFIX = "predict."
"""Columns of ours begin with it."""


def read_picked(path: str | Path, rows: NDArray[np.int64], columns: Sequence[str]) -> Any:
    """Read some rows of a Parquet table, one row group at a time.

    Parameters
    ----------
    path
        The table.
    rows
        Row numbers, in the order wanted.
    columns
        Column names.

    Returns
    -------
    pyarrow.Table
        The rows in the order of `rows`.
    """
    import pyarrow
    from pyarrow import parquet

    file = parquet.ParquetFile(path)
    ascending = np.unique(rows)
    found, start = [file.schema_arrow.empty_table().select(list(columns))], 0
    for number in range(file.num_row_groups):
        end = start + file.metadata.row_group(number).num_rows
        here = ascending[(ascending >= start) & (ascending < end)]
        if len(here):
            group = file.read_row_group(number, columns=list(columns))
            found.append(group.select(list(columns)).take(column(here - start)))
        start = end
    order = np.searchsorted(ascending, rows)
    return pyarrow.concat_tables(found).take(column(order))


def write_best(out: str | Path, comparison: Comparison, k: int) -> int:
    """Write the k nearest models of each observation and return how many there are.

    The published columns come first, as published; then rank, row in the published table
    and distances. An observation with fewer ranked models has fewer rows.
    """
    from pyarrow import parquet

    best = [each.best(k) for each in comparison.observations]
    rows = _joined(
        [each.row[place] for each, place in zip(comparison.observations, best, strict=True)],
        np.int64,
    )
    names = parquet.read_schema(comparison.path).names
    table = read_picked(
        comparison.path, rows, [name for name in names if not name.startswith(PREFIX)]
    ).replace_schema_metadata(None)
    ours: dict[str, NDArray[Any]] = {
        "rank": _joined(
            [each.rank[place] for each, place in zip(comparison.observations, best, strict=True)],
            np.int64,
        ),
        "row": rows,
    }
    for name in DISTANCES:
        parts = [
            each.distance[name][place]
            for each, place in zip(comparison.observations, best, strict=True)
        ]
        ours[name] = _joined(parts, np.float64)
    for name, values in ours.items():
        table = table.append_column(f"{PREFIX}{name}", column(values))
    _write_table(out, table)
    return len(rows)


def write_distances(out: str | Path, comparison: Comparison, verdicts: list[Verdict]) -> None:
    """Write what became of every row: status, rank, distances, and whether it matches.

    Rank and distances are empty where there is none, `matches` where there is no tolerance.
    """
    import pyarrow

    observations = comparison.observations
    sizes = [len(each.row) for each in observations]
    status = _joined([each.status for each in observations], np.uint8)
    rank = _joined([each.rank for each in observations], np.int64)
    keys = [each.x_o for each, size in zip(observations, sizes, strict=True) for _ in range(size)]
    columns: dict[str, Any] = {
        "row": column(_joined([each.row for each in observations], np.int64)),
        KEY: text_column(keys),
        KIND: text_column([kind for each in observations for kind in each.kind]),
        "status": text_column([STATUSES[code] for code in status]),
        "rank": column(rank, rank > 0),
    }
    for name in DISTANCES:
        values = _joined([each.distance[name] for each in observations], np.float64)
        columns[name] = column(values, ~np.isnan(values))
    within = [
        np.full(size, np.nan)
        if verdict.tolerance is None
        else (each.rank > 0) & (each.distance[each.ranked_by] <= verdict.tolerance)
        for each, size, verdict in zip(observations, sizes, verdicts, strict=True)
    ]
    matches = _joined(within, np.float64)
    columns["matches"] = column(matches == 1, ~np.isnan(matches))
    _write_table(out, pyarrow.table(columns))


def write_record(
    out: str | Path, about: Mapping[str, Any], comparison: Comparison, verdicts: list[Verdict]
) -> None:
    """Write what was found for each observation as JSON, `about` the whole first."""
    share = mean_yield(verdicts)
    said = {
        **about,
        "rows_without_key": comparison.keyless,
        "yield": None if share is None else asdict(share),
        "claimed": list(CLAIM) if about["recordings"] else None,
        "against_claim": against_claim(share) if about["recordings"] else None,
        "observations": [_told(each) for each in verdicts],
    }
    write_json(out, said)


def metrics_of(verdicts: list[Verdict], recordings: bool) -> dict[str, int | float]:
    """Sum up a data set in flat numbers; what is not known is left out."""
    compared = [each for each in verdicts if each.reason is None]
    models = sum(each.models for each in verdicts)
    found: dict[str, int | float] = {
        "observations": len(verdicts),
        "compared": len(compared),
        "models": models,
    }
    for status in STATUSES:
        count = sum(each.counts[status] for each in verdicts)
        found[f"share_{status}"] = count / models if models else 0.0
    share = mean_yield(verdicts)
    if share is not None:
        found |= {
            "samples": share.n,
            "yield": share.value,
            "yield_low": share.bootstrap[0],
            "yield_high": share.bootstrap[1],
            "yield_exact_low": share.exact[0],
            "yield_exact_high": share.exact[1],
            "yield_of_prior": _mean([e.near / e.heldout for e in compared if e.heldout]),
        }
    if recordings:
        found |= {"claimed_low": CLAIM[0], "claimed_high": CLAIM[1]}
    floors = [each.within_noise_floor for each in verdicts if each.within_noise_floor is not None]
    if floors:
        found["share_within_noise_floor"] = _mean(floors)
    return {name: round(value, 6) for name, value in found.items()}


def _told(verdict: Verdict) -> dict[str, Any]:
    said = {
        "x_o": verdict.x_o,
        "status": "skipped" if verdict.reason else "compared",
        "reason": verdict.reason,
        "models": verdict.models,
        "samples": verdict.samples,
        **verdict.counts,
        "best": verdict.best,
        "noise_floor": verdict.noise_floor,
        "heldout": verdict.heldout,
        "near": verdict.near,
        "tolerance": verdict.tolerance,
        "yield": None if verdict.matching is None else asdict(verdict.matching),
        "within_noise_floor": verdict.within_noise_floor,
    }
    return said


def _mean(values: list[float]) -> float:
    return float(np.mean(values))


def _joined(parts: list[NDArray[Any]], kind: type[Any]) -> NDArray[Any]:
    return np.concatenate([np.empty(0, kind), *(part.astype(kind) for part in parts)])


def _write_table(out: str | Path, table: Any) -> None:
    from pyarrow import parquet

    with atomic_path(out) as part:
        parquet.write_table(
            table,
            part,
            compression="zstd",
            row_group_size=16384,
            use_dictionary=False,
            write_statistics=False,
        )
