"""What `derived/calibration/` says about each density estimator, as plain values."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from automind_data.common.errors import AutomindError
from automind_data.common.layout import DGMS, OBSERVATION_TABLES
from automind_data.common.typed import AGAIN, read_typed
from automind_data.report.words import number

__all__ = [
    "READING",
    "Calibrated",
    "CalibrationRecord",
    "calibration_view",
    "likeness",
    "read_calibration",
]

MOST_SIMULATIONS = 600
EDGES = ("rank", "lower", "upper")
Verdict = Literal["pass", "fail", "undecided"]
Columns = dict[str, list[Any]]

READING = {
    "sbc": (
        "Ranks of the true parameters (SBC)",
        "Each line is one parameter and must stay inside the band: up on the left and down on the"
        " right says too narrow, the reverse too wide, all on one side shifted.",
    ),
    "coverage": (
        "Expected coverage by highest density",
        "The line must stay inside the band: below it the posterior is too narrow"
        " (overconfident), above it too wide.",
    ),
    "tarp": (
        "Coverage around random points (TARP)",
        "The band is that of the line itself and must hold the diagonal: it sees faults in how"
        " parameters go together, which the ranks of single parameters cannot show.",
    ),
    "log_prob": (
        "Held-out log-density",
        "Each dot is one held-out simulation: left of 0 the posterior gives its true parameters"
        " less density than the prior does, and a usable posterior has its mean clearly right.",
    ),
    "shrinkage": (
        "What is claimed and what is achieved",
        "Each dot is one parameter: below the diagonal the posterior claims to know it better"
        " than it does, and at 0 on both axes nothing was learned.",
    ),
    "misspecification": (
        "Real observations among the training simulations",
        "Each dot is one observation: left of the line hardly any simulation is as odd, and what"
        " the posterior says of it should not be trusted.",
    ),
}
"""Title of each picture, and how to read it in one sentence."""


class Number(msgspec.Struct, frozen=True):
    """A number with its Monte Carlo error, and what it must be."""

    value: float | None
    error: float | None = None
    must_be: float | None = None
    give_or_take: float | None = None


class Check(msgspec.Struct, frozen=True):
    """One check of one density estimator."""

    verdict: Verdict
    said: str
    n: int
    seed: int
    p: float | None = None
    numbers: dict[str, Number] = {}


class Counted(msgspec.Struct, frozen=True):
    """Rows of a table of simulations."""

    rows: int
    usable: int
    taken: int


class CalibrationRecord(msgspec.Struct, frozen=True):
    """`derived/calibration/<dgm>/record.json`, as far as the report needs it."""

    dgm: str
    usable: Verdict
    simulations: dict[str, Counted]
    checks_made: dict[str, Check]


@dataclass(frozen=True)
class Calibrated:
    """One density estimator: its record and its tables, column by column."""

    name: str
    record: CalibrationRecord
    tables: dict[str, Columns]


def read_calibration(derived: Path) -> tuple[Calibrated, ...]:
    """Read what was derived about each density estimator; those without a record are left out.

    Raises
    ------
    AutomindError
        A file does not have the agreed form.
    """
    found = []
    for name in DGMS:
        folder = derived / "calibration" / name
        record = read_typed(folder / "record.json", CalibrationRecord)
        if record is not None:
            tables = {
                each: _read(folder / f"{each}.csv", needed) for each, needed in TABLES.items()
            }
            found.append(Calibrated(name, record, tables))
    return tuple(found)


TABLES = {
    "sbc": EDGES,
    "ranks": ("rank",),
    "coverage": ("level", "lower", "upper", "covered"),
    "tarp": ("level", "lower", "upper", "covered"),
    "parameters": ("parameter", "p", "z_mean", "z_square", "shrinkage", "achieved"),
    "simulations": ("x_o", "log_prob"),
    "observations": ("table", "x_o"),
}
TEXTS = ("parameter", "x_o", "table", "status", "outside")


def calibration_view(calibrated: Calibrated) -> dict[str, Any]:
    """One density estimator for the page: checks as text, curves in thousandths."""
    tables = calibrated.tables
    sbc, ranks = tables["sbc"], tables["ranks"]
    simulations = _thinned(tables["simulations"])
    observations = tables["observations"]
    scores = [each.removesuffix("_p") for each in observations if each.endswith("_p")]
    real = [at for at, name in enumerate(observations["table"]) if _is_recorded(name)]
    return {
        "name": calibrated.name,
        "checks": [_check_row(name, each) for name, each in calibrated.record.checks_made.items()],
        "sbc": {
            "edges": {name: _thousandths(sbc[name]) for name in EDGES},
            "curves": {
                name: _thousandths(values) for name, values in ranks.items() if name != "rank"
            },
        },
        "curves": {
            name: {each: _thousandths(tables[name][each]) for each in TABLES[name]}
            for name in ("coverage", "tarp")
        },
        "simulations": {
            name: _thousandths(simulations[name])
            for name in ("log_prob", "gaussian")
            if name in simulations
        },
        "n_simulations": len(tables["simulations"]["x_o"]),
        "gain": {
            name: each.numbers["gain"].value
            for name in ("prior", "gaussian")
            if (each := calibrated.record.checks_made.get(name)) and "gain" in each.numbers
        },
        "parameters": {name: tables["parameters"][name] for name in TABLES["parameters"]},
        "observations": {
            "keys": [observations["x_o"][at] for at in real],
            "scores": {name: [observations[f"{name}_p"][at] for at in real] for name in scores},
        },
        "rows": _parameter_rows(tables["parameters"]),
    }


def likeness(calibrated: Calibrated | None, table: str, key: str) -> str:
    """Say whether an observation is like the simulations that an estimator was trained on."""
    listed = calibrated.tables["observations"] if calibrated is not None else {}
    names = [each.removesuffix("_p") for each in listed if each.endswith("_p")]
    places = zip(listed.get("table", ()), listed.get("x_o", ()), strict=True)
    at = next((at for at, place in enumerate(places) if place == (table, key)), None)
    known = [] if at is None else [name for name in names if listed[f"{name}_p"][at] is not None]
    if at is None or not known:
        return "not compared"
    said = ", ".join(f"{number(listed[f'{name}_p'][at])} by {name}" for name in known)
    outside = listed.get("outside", [""] * (at + 1))[at] == "True"
    return f"{'no: it lies outside' if outside else 'yes'} (p {said})"


def _is_recorded(table: str) -> bool:
    """Say whether the observations of a table were recorded, not simulated."""
    known = OBSERVATION_TABLES.get(table)
    return known is None or known.drawn_from is None


def _check_row(name: str, check: Check) -> dict[str, Any]:
    numbers = [
        [
            each.replace("_", " "),
            *map(_signed, (found.value, found.error, found.must_be, found.give_or_take)),
        ]
        for each, found in check.numbers.items()
    ]
    return {
        "name": CHECKS.get(name, name.replace("_", " ")),
        "verdict": check.verdict,
        "said": check.said,
        "n": check.n,
        "seed": check.seed,
        "p": "–" if check.p is None else "< 0.0001" if check.p < 1e-4 else number(check.p),
        "numbers": numbers,
    }


CHECKS = {
    "sbc": "ranks (SBC)",
    "coverage": "coverage",
    "tarp": "TARP",
    "log_prob": "log-density, itself",
    "prior": "log-density, prior",
    "gaussian": "log-density, Gaussian",
    "paired": "log-density, paired",
}


def _parameter_rows(table: Columns) -> list[list[str]]:
    wanted = ("p", "z_mean", "z_square", "shrinkage", "achieved")
    cells = zip(*(table[name] for name in wanted), strict=True)
    return [[_signed(value) for value in row] for row in cells]


def _signed(value: float | None) -> str:
    return "–" if value is None else number(value)


def _read(path: Path, needed: tuple[str, ...]) -> Columns:
    """Read a CSV by columns: numbers, None where a cell is empty; no rows if it is not there."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
            names = list(reader.fieldnames or ())
    except FileNotFoundError:
        return {name: [] for name in needed}
    if not rows:
        return {name: [] for name in dict.fromkeys([*names, *needed])}
    for name in needed:
        if name not in names:
            raise AutomindError(path, f"has no column {name}", AGAIN)
    try:
        return {
            name: [row[name] if name in TEXTS else _number(row[name]) for row in rows]
            for name in names
        }
    except (TypeError, ValueError) as error:
        raise AutomindError(path, f"does not have the agreed form ({error})", AGAIN) from None


def _number(cell: str) -> float | None:
    value = float(cell) if cell else math.nan
    return value if math.isfinite(value) else None


def _thinned(table: Columns) -> Columns:
    n = len(table["x_o"])
    if n <= MOST_SIMULATIONS:
        return table
    places = [round(at * (n - 1) / (MOST_SIMULATIONS - 1)) for at in range(MOST_SIMULATIONS)]
    return {name: [values[place] for place in places] for name, values in table.items()}


def _thousandths(values: list[float | None]) -> list[int | None]:
    return [None if value is None else round(value * 1000) for value in values]
