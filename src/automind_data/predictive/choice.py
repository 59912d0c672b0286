"""Which observations the overview figure shows, and in which order."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from automind_data.common.observations import Row
from automind_data.predictive.compare import Compared

__all__ = ["AREAS", "CONDITIONS", "Shown", "pick_areas", "pick_wells"]

WEEKS = (9, 12, 17, 21, 27, 32, 36, 40)
"""Weeks of the published panels."""

AREAS = ("CA1", "CA3", "DG", "ProS", "VISp", "VISam", "VISpm", "LP")
CONDITIONS = ("spont", "flash off", "flash on")
PUBLISHED = (
    *(f"{area}-{condition}" for area in AREAS[:-1] for condition in CONDITIONS[:2]),
    "VISpm-flash on",
    "LP-spont",
)
"""Areas and conditions of the published panels, in their order."""


@dataclass(frozen=True)
class Shown:
    """One panel: its data set and title, the ranked models, the features of the observation."""

    dataset: str
    title: str
    compared: Compared
    row: Row


def pick_wells(wells: Sequence[Shown], rows: Iterable[Row]) -> list[Shown]:
    """Choose the well nearest to each published week; all, in order of age, if they are few.

    Weeks count from the first date among `rows`, the whole table, and become the title. A
    well without a readable date keeps its own.
    """
    first = min((day for row in rows if (day := _date(row)) is not None), default=None)
    weeks: list[float] = []
    for well in wells:
        day = _date(well.row)
        weeks.append(math.inf if day is None or first is None else round((day - first).days / 7))
    chosen = sorted(range(len(wells)), key=lambda place: weeks[place])
    if len(chosen) > len(WEEKS):
        left, chosen = chosen, []
        for wanted in WEEKS:
            chosen.append(min(left, key=lambda place: abs(weeks[place] - wanted)))
            left.remove(chosen[-1])
        chosen.sort(key=lambda place: weeks[place])
    return [
        replace(wells[place], title=f"Week {weeks[place]}")
        if math.isfinite(weeks[place])
        else wells[place]
        for place in chosen
    ]


def pick_areas(mice: Iterable[Shown]) -> list[Shown]:
    """Choose the first recording of each area and condition, those of the figure before others.

    Titles are labels such as `CA1-spont`; the result is in the order of the published panels.
    """
    first: dict[str, Shown] = {}
    for each in mice:
        first.setdefault(each.title, each)
    labels = sorted(first, key=lambda label: (label not in PUBLISHED, *_place(label)))
    return [first[label] for label in sorted(labels[: len(PUBLISHED)], key=_place)]


def _place(label: str) -> tuple[int, str, int, str]:
    area, _, condition = label.partition("-")
    known = AREAS.index(area) if area in AREAS else len(AREAS)
    when = CONDITIONS.index(condition) if condition in CONDITIONS else len(CONDITIONS)
    return known, area, when, condition


def _date(row: Row) -> datetime.date | None:
    """Read the date of a recording from its label, YYMMDD with or without a suffix."""
    digits = str(row["date"]).partition("_")[0]
    try:
        return datetime.date(2000 + int(digits[:-4]), int(digits[-4:-2]), int(digits[-2:]))
    except ValueError:
        return None
