"""Contracts about a table and the same table in the release before, by their profiles."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from automind_data.common.layout import column_family
from automind_data.contracts.before import rounded
from automind_data.contracts.registry import Found, contract
from automind_data.contracts.subjects import Drift

__all__ = ["SHIFT", "STEPS"]

STEPS, SHIFT = 5.0, 0.1
"""A mean has shifted if it moved by this many standard errors and this share of its spread."""

NUMBERS = ("nulls", "min", "max", "mean", "sd")


@contract("rows-changed", "info", Drift)
def the_number_of_rows_is_as_before(drift: Drift) -> Iterator[Found]:
    """Tables have as many rows as in the release before."""
    before, now = drift.old["rows"], drift.new["rows"]
    if before != now:
        yield Found(f"has {now} rows where {drift.before} had {before}", abs(now - before))


@contract("column-gone", "warning", Drift)
def no_column_is_gone(drift: Drift) -> Iterator[Found]:
    """Every column of the release before is there."""
    gone = [name for name in drift.old["columns"] if name not in drift.new["columns"]]
    if gone:
        message = f"{len(gone)} columns of {drift.before} are gone ({', '.join(gone[:3])})"
        yield Found(message, len(gone), tuple({"column": name} for name in gone))


@contract("column-new", "hint", Drift)
def no_column_is_new(drift: Drift) -> Iterator[Found]:
    """Every column was in the release before."""
    new = [name for name in drift.new["columns"] if name not in drift.old["columns"]]
    if new:
        many = f"{len(new)} columns were" if len(new) > 1 else "1 column was"
        message = f"{many} not in {drift.before} ({', '.join(new[:3])})"
        yield Found(message, len(new), tuple({"column": name} for name in new))


@contract("column-type-changed", "warning", Drift)
def every_column_has_the_type_it_had(drift: Drift) -> Iterator[Found]:
    """Every column has the type that it had in the release before."""
    cases = tuple(
        {"column": name, drift.before: old["type"], "now": new["type"]}
        for name, old, new in _both(drift)
        if old["type"] != new["type"]
    )
    if cases:
        yield Found(
            f"{len(cases)} columns have another type than in {drift.before}", len(cases), cases
        )


@contract("values-changed", "info", Drift)
def values_are_as_before(drift: Drift) -> Iterator[Found]:
    """Tables with as many rows as before have the same values, as far as profiles tell."""
    if drift.old["rows"] != drift.new["rows"]:
        return
    cases: list[dict[str, Any]] = []
    for name, old, new in _both(drift):
        here = rounded(new)
        moved = [number for number in NUMBERS if old.get(number) != here.get(number)]
        if moved:
            first = moved[-1] if moved[-1] != "sd" or len(moved) == 1 else moved[-2]
            case = {
                "column": name,
                "of": first,
                drift.before: old.get(first),
                "now": here.get(first),
            }
            cases.append(case)
    if cases:
        names = ", ".join(case["column"] for case in cases[:3])
        many = f"{len(cases)} columns" if len(cases) > 1 else "1 column"
        message = f"values changed since {drift.before} in {many} ({names})"
        yield Found(message, len(cases), tuple(cases))


@contract("distribution-shift", "warning", Drift)
def no_distribution_shifted(drift: Drift) -> Iterator[Found]:
    """No mean moved by five standard errors, and no share of empty cells by more than chance."""
    cases: list[dict[str, Any]] = []
    for name, old, new in _both(drift):
        moved = _mean_moved(drift, old, new) or _nulls_moved(drift, old, new)
        if moved and column_family(name)[0] != "key":
            cases.append({"column": name, **moved})
    if cases:
        names = ", ".join(case["column"] for case in cases[:3])
        message = f"{len(cases)} columns are spread otherwise than in {drift.before} ({names})"
        yield Found(message, len(cases), tuple(cases))


def _both(drift: Drift) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    now = drift.new["columns"]
    for name, old in drift.old["columns"].items():
        if name in now:
            yield name, old, now[name]


def _mean_moved(
    drift: Drift, old: Mapping[str, Any], new: Mapping[str, Any]
) -> dict[str, Any] | None:
    counts = [rows - side["nulls"] for rows, side in _sides(drift, old, new)]
    mean, sd, mean_now, sd_now = (side.get(of) for side in (old, new) for of in ("mean", "sd"))
    if mean is None or sd is None or mean_now is None or sd_now is None or min(counts) < 2:
        return None
    error = math.hypot(sd / math.sqrt(counts[0]), sd_now / math.sqrt(counts[1]))
    step = abs(mean_now - mean)
    if step > STEPS * error and step > SHIFT * max(sd, sd_now):
        return {"of": "mean", drift.before: mean, "now": rounded(new)["mean"]}
    return None


def _sides(
    drift: Drift, old: Mapping[str, Any], new: Mapping[str, Any]
) -> tuple[tuple[int, Mapping[str, Any]], ...]:
    return (drift.old["rows"], old), (drift.new["rows"], new)


def _nulls_moved(
    drift: Drift, old: Mapping[str, Any], new: Mapping[str, Any]
) -> dict[str, Any] | None:
    before, now = old["nulls"] / drift.old["rows"], new["nulls"] / drift.new["rows"]
    share = (old["nulls"] + new["nulls"]) / (drift.old["rows"] + drift.new["rows"])
    error = math.sqrt(share * (1 - share) * (1 / drift.old["rows"] + 1 / drift.new["rows"]))
    if abs(now - before) > STEPS * error:
        return {"of": "share of empty cells", drift.before: round(before, 4), "now": round(now, 4)}
    return None
