"""The difference as JSON, everything in it."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from automind_data.diff.changes import Difference, Keys

__all__ = ["FORMAT", "record"]

FORMAT = 1


def record(difference: Difference) -> dict[str, Any]:
    """Return a difference as values that JSON has.

    Parameters
    ----------
    difference
        What `Comparison` found.

    Returns
    -------
    dict
        `format`, `same`, `sample`, and the fields of `Difference` in their order. Keys of
        rows are `{"columns", "rows"}`, all of them. Numbers that are not finite are text.
    """
    said = {"format": FORMAT, "same": difference.same, "sample": difference.sample}
    gaps = {"gaps": [_plain(gap) for gap in difference.all_gaps]}
    return {**said, **_plain(difference), **gaps}


def _plain(value: Any) -> Any:
    if isinstance(value, Keys):
        return {"columns": list(value.columns), "rows": [_plain(row) for row in value.rows()]}
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return {field.name: _plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
