"""Numbers, values, counts and keys as people read them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from automind_data.diff.changes import Keys

__all__ = [
    "cell_says",
    "count",
    "key_lines",
    "listed",
    "metric_step",
    "number",
    "plain",
    "size",
    "value_says",
]

LABELS = {
    "params_settings.batch_seed": ("batch seed", "batch seeds"),
    "params_settings.random_seed": ("random seed", "random seeds"),
    "date": ("date", "dates"),
    "well": ("well", "wells"),
    "mouse": ("mouse", "mice"),
    "area": ("area", "areas"),
    "row": ("row", "rows"),
}
OCCURRENCE = "occurrence"
LONGEST_CELL = 40


def plain(text: object) -> str:
    """Return text on one line without characters that a terminal would obey.

    >>> plain("a" + chr(27) + "[31m")
    'a\\\\x1b[31m'
    """
    said = str(text)
    if said.isprintable():
        return said
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in said
    )


def number(value: float | int | None, digits: int = 4) -> str:
    """Return a number as people read it.

    >>> number(0.20000000000000004), number(1416), number(None), number(-1e-09)
    ('0.2', '1,416', '–', '-1e-09')
    """
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.{digits}g}"


def size(many: int | None) -> str:
    """Return a number of bytes, every digit: releases may differ by few.

    >>> size(2009631), size(None)
    ('2,009,631 bytes', '–')
    """
    return "–" if many is None else count(many, "byte")


def count(many: int, noun: str) -> str:
    """Return a count with its noun.

    >>> count(1, "row"), count(1234, "row")
    ('1 row', '1,234 rows')
    """
    return f"{many:,} {noun if many == 1 else noun + 's'}"


def listed(parts: Iterable[str]) -> str:
    """Join words as a sentence does.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    words = list(parts)
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def value_says(value: Any, other: Any = None) -> str:
    """Return a value of a file; numbers with seven digits, or all where `other` needs them.

    >>> value_says({"value": 0.005, "unit": "s"}), value_says([0.949999988079071, 1])
    ('0.005 s', '0.95 to 1')
    """
    if isinstance(value, dict) and set(value) == {"value", "unit"}:
        unit = "" if value["unit"] in ("1", None) else f" {plain(value['unit'])}"
        against = other.get("value") if isinstance(other, dict) else None
        return f"{value_says(value['value'], against)}{unit}"
    if value is None:
        return "none"
    if isinstance(value, float):
        short = f"{value:.7g}"
        clash = isinstance(other, float) and other != value and f"{other:.7g}" == short
        return repr(value) if clash else short
    if isinstance(value, bool | str | int):
        return plain(value)
    if isinstance(value, list) and all(isinstance(each, int | float) for each in value):
        alike = isinstance(other, list) and len(other) == len(value)
        against = other if alike else [None] * len(value)
        return (" to " if len(value) == 2 else ", ").join(map(value_says, value, against))
    return plain(json.dumps(value, ensure_ascii=False))


def cell_says(value: Any) -> str:
    """Return the value of a cell.

    >>> cell_says(None), cell_says(float("nan")), cell_says(1.25), cell_says("VISp")
    ('null', 'NaN', '1.25', 'VISp')
    """
    if value is None:
        return "null"
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else f"{value:.7g}"
    text = plain(value)
    return text if len(text) <= LONGEST_CELL else f"{text[:LONGEST_CELL]}…"


def metric_step(old: Any, new: Any) -> str:
    """Return the difference of two numbers with its sign; nothing for other values.

    >>> metric_step(120, 140), metric_step(None, 1), metric_step(0.5, 0.25)
    ('+20', '', '-0.25')
    """
    return f"{new - old:+,.6g}" if {type(old), type(new)} <= {int, float} else ""


def key_lines(keys: Keys, limit: int) -> list[str]:
    """Say the keys of some rows, those with equal first columns in one line.

    Parameters
    ----------
    keys
        The keys.
    limit
        How many keys to say; the rest is counted.

    Examples
    --------
    >>> import pyarrow as pa
    >>> key_lines(Keys(pa.table({"date": ["1", "1", "2"], "well": [6, 7, 1]})), 2)
    ['date 1, wells 6, 7', 'and 1 more']
    """
    names = [name for name in keys.columns if name != OCCURRENCE]
    last = len(names) - 1
    lines = []
    for first, group in groupby(keys.rows(limit), lambda row: row[:last]):
        words = [f"{_label(name)} {_key(part)}" for name, part in zip(names, first, strict=False)]
        lasts = [_key(row[last]) + _occurrence(row[last + 1 :]) for row in group]
        label = _label(names[last], several=len(lasts) > 1)
        lines.append(", ".join([*words, f"{label} {', '.join(lasts)}"]))
    if len(keys) > limit:
        lines.append(f"and {len(keys) - limit:,} more")
    return lines


def _label(column: str, several: bool = False) -> str:
    return LABELS.get(column, (column, column))[several]


def _occurrence(number: tuple[int, ...]) -> str:
    """Say the number of a row among those of its key, from the second on."""
    return f" (occurrence {number[0]})" if number and number[0] > 1 else ""


def _key(part: Any) -> str:
    return "null" if part is None else plain(part) or "(empty)"
