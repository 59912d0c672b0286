"""What changed in priors and in the dictionaries of simulation and analysis."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from automind_data.common.errors import AutomindError
from automind_data.common.layout import ARCHIVES, DATASETS, DGMS
from automind_data.diff.changes import Gap, PriorChange, SettingChange
from automind_data.diff.place import Place, Unread, same_bytes

__all__ = ["DGM", "TABLE", "compare_parameters", "flat", "parameter_paths", "read_object"]

DGM = "DGM "
"""Starts the names of places that are density estimators."""

TABLE = "derived/parameters.csv"
DICTIONARIES = ("simulation", "analysis")
PriorKey = tuple[str, str, str, str]


def parameter_paths() -> dict[str, str]:
    """Return what priors stand in: the place's name, and its file."""
    archives = {f"{name}.zip": f"derived/params/{name}.json" for name in ARCHIVES}
    dgms = {f"{DGM}{name}": f"derived/dgms/{name}/dgm.json" for name in (*DGMS, *DATASETS)}
    return archives | dgms


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises
    ------
    AutomindError
        It does not.
    """
    try:
        said = json.loads(path.read_bytes())
    except ValueError:
        raise AutomindError(path, "is no JSON", "make it again with `dvc repro`") from None
    if not isinstance(said, dict):
        raise AutomindError(path, "holds no JSON object", "make it again with `dvc repro`")
    return said


def compare_parameters(
    old: Place, new: Place
) -> tuple[tuple[PriorChange, ...], tuple[SettingChange, ...], tuple[Gap, ...]]:
    """Compare what each archive and density estimator says of parameters.

    Returns
    -------
    (priors, settings, gaps)
        Equal changes at several places are one change.
    """
    priors: dict[PriorKey, list[str]] = {}
    settings: dict[tuple[str, str, str], list[str]] = {}
    gaps: list[Gap] = []
    for place, path in parameter_paths().items():
        if not old.there(path) or not new.there(path) or same_bytes(old, new, path):
            continue
        try:
            before, after = (
                side.read(path, f"whether parameters of {place} changed", read_object)
                for side in (old, new)
            )
            one, other = (_prior(side, path, said) for side, said in ((old, before), (new, after)))
        except Unread as unread:
            gaps.append(unread.gap)
            continue
        for name, what, was, now in _prior_changes(one, other):
            priors.setdefault((name, what, json.dumps(was), json.dumps(now)), []).append(place)
        for entry, was, now in _setting_changes(before, after):
            settings.setdefault((entry, json.dumps(was), json.dumps(now)), []).append(place)
    table, table_gaps = _compare_table(old, new)
    return (
        (
            *(
                PriorChange(name, what, json.loads(was), json.loads(now), tuple(places))
                for (name, what, was, now), places in priors.items()
            ),
            *table,
        ),
        tuple(
            SettingChange(entry, json.loads(was), json.loads(now), tuple(places))
            for (entry, was, now), places in settings.items()
        ),
        (*gaps, *table_gaps),
    )


def _prior(side: Place, path: str, said: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return name → bound of a prior, in its order."""
    bounds = said.get("prior", said.get("parameters"))
    keys = {"name", "unit", "low", "high"}
    whole = isinstance(bounds, list) and all(
        isinstance(bound, dict) and keys <= set(bound) for bound in bounds
    )
    if not whole:
        raise Unread(side.damaged(path, "whether its prior changed", "holds no prior"))
    return {str(bound["name"]): bound for bound in bounds or ()}


def _prior_changes(
    before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]
) -> Iterator[tuple[str, str, Any, Any]]:
    for name in dict.fromkeys((*before, *after)):
        one, other = before.get(name), after.get(name)
        if one is None or other is None:
            yield name, "parameter", one and _said(one), other and _said(other)
            continue
        if (one["low"], one["high"]) != (other["low"], other["high"]):
            yield name, "bounds", _said(one), _said(other)
        if one["unit"] != other["unit"]:
            yield name, "unit", one["unit"], other["unit"]
    orders = [
        [name for name in side if name in before and name in after] for side in (before, after)
    ]
    if orders[0] != orders[1]:
        moved = [name for name, now in zip(*orders, strict=True) if name != now]
        yield f"{len(moved)} parameters", "order", orders[0], orders[1]


def _said(bound: dict[str, Any]) -> dict[str, Any]:
    return {key: bound[key] for key in ("low", "high", "unit")}


def _setting_changes(
    before: dict[str, Any], after: dict[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    for name in DICTIONARIES:
        one, other = (dict(flat(said.get(name, {}))) for said in (before, after))
        for entry in dict.fromkeys((*one, *other)):
            if one.get(entry) != other.get(entry):
                yield f"{name}.{entry}", one.get(entry), other.get(entry)


def flat(said: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Give the dotted path and the value of each entry of nested dictionaries.

    A value with its unit is one entry.

    >>> list(flat({"a": {"b": 1, "c": {"value": 2, "unit": "s"}}}))
    [('a.b', 1), ('a.c', {'value': 2, 'unit': 's'})]
    """
    if not isinstance(said, dict) or set(said) == {"value", "unit"} or not said:
        yield above, said
        return
    for name, value in said.items():
        yield from flat(value, f"{above}.{name}" if above else str(name))


def _compare_table(old: Place, new: Place) -> tuple[tuple[PriorChange, ...], tuple[Gap, ...]]:
    """Compare symbols and meanings; bounds and units are compared where they come from."""
    if not old.there(TABLE) or not new.there(TABLE) or same_bytes(old, new, TABLE):
        return (), ()
    unknown = "whether symbols or meanings of parameters changed"
    try:
        one, other = (side.read(TABLE, unknown, _read_rows) for side in (old, new))
    except Unread as unread:
        return (), (unread.gap,)
    return tuple(
        PriorChange(name, what, one[name].get(what), other[name].get(what), (TABLE,))
        for name in one
        if name in other
        for what in ("symbol", "meaning")
        if one[name].get(what) != other[name].get(what)
    ), ()


def _read_rows(path: Path) -> dict[str, dict[str, str]]:
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    except (UnicodeDecodeError, csv.Error):
        rows = []
    if not rows or any("name" not in row for row in rows):
        raise AutomindError(path, "is no table of parameters", "make it again with `dvc repro`")
    return {row["name"]: row for row in rows}
