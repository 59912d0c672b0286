"""Calibrate density estimators and write what was found."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from automind_data.calibration.baseline import fit_gaussian
from automind_data.calibration.judge import (
    FEW,
    LEVEL,
    Check,
    ParameterCheck,
    judge,
    judge_parameters,
    usable,
)
from automind_data.calibration.measure import Measured, Settings, Truths, measure
from automind_data.calibration.misfit import SCORES, Misfit, Oddness, find_misfit
from automind_data.calibration.observations import (
    Observed,
    accept_observations,
    judge_misfit,
    tables_for,
)
from automind_data.calibration.reference import REFERENCE, write_reference
from automind_data.calibration.rows import Simulations, read_simulations
from automind_data.calibration.tables import (
    coverage_table,
    parameter_table,
    sbc_table,
    simulation_table,
    write_csv,
)
from automind_data.common.files import atomic_folder, write_json
from automind_data.dgm.model import DGM, load

__all__ = ["Calibrated", "calibrate", "write_calibrated"]

ENOUGH = 10
"""With fewer training rows there is no baseline and no score of misspecification."""
METRICS = "metrics.json"


@dataclass(frozen=True)
class Calibrated:
    """What was found about one density estimator.

    Attributes
    ----------
    name
        Of its folder.
    dgm
        It.
    training, heldout
        The simulations that it was trained on and those it was held to.
    found, checks, parameters
        What was counted, what it means, and the same for each parameter.
    observed, oddness, misfits
        Each observation, how odd the usable ones are by each score, and the scores.
    settings
        Seed and numbers of draws.
    """

    name: str
    dgm: DGM
    training: Simulations
    heldout: Simulations
    found: Measured
    checks: tuple[Check, ...]
    parameters: tuple[ParameterCheck, ...]
    observed: tuple[Observed, ...]
    oddness: Mapping[str, Oddness]
    misfits: Mapping[str, Misfit]
    settings: Settings

    @property
    def outside(self) -> list[tuple[str, str]]:
        """Table and key of each recorded observation that lies outside by any score."""
        seen = [each for each in self.observed if each.x is not None]
        return [
            (each.table, each.x_o)
            for at, each in enumerate(seen)
            if each.real and any(bool(odd.outside[at]) for odd in self.oddness.values())
        ]


def calibrate(
    folder: str | Path,
    training: str | Path,
    heldout: str | Path,
    observations: Sequence[str | Path],
    settings: Settings,
    *,
    against: str | Path | None = None,
) -> Generator[dict[str, Any], None, Calibrated]:
    """Hold one density estimator to simulations that it was not trained on.

    Parameters
    ----------
    folder
        The density estimator, as in `derived/dgms/psd`.
    training, heldout
        Tables of simulations as Parquet; rows that its training filters leave out are left out.
    observations
        Tables of observations; those without the features that it needs are passed over.
    settings
        Seed and numbers of draws.
    against
        Another density estimator of the same parameters and features, to compare with
        pair by pair.

    Yields
    ------
    dict
        `path` (key of an observation), `done` and `total` observations of this part.

    Raises
    ------
    AutomindError
        A file is missing or is not what it should be.
    """
    folder = Path(folder)
    dgm = load(folder)
    known = read_simulations(training, dgm, settings.training_rows, settings.seed)
    new = read_simulations(heldout, dgm, settings.heldout_rows, settings.seed)
    enough = len(known.u) >= ENOUGH
    pairs = [Truths(key, x, u[None]) for key, x, u in zip(new.keys, new.x, new.u, strict=True)]
    found = yield from measure(
        dgm,
        pairs,
        settings,
        width=len(dgm.names),
        gaussian=fit_gaussian(known.u, known.x) if enough else None,
        other=load(against) if against is not None else None,
    )
    observed = yield from accept_observations(dgm, tables_for(dgm, observations), settings)
    seen = [each for each in observed if each.x is not None]
    x = np.array([each.x for each in seen]).reshape(len(seen), len(dgm.recipe.columns))
    real = np.array([each.real for each in seen], bool)
    misfits = {name: find_misfit(known.x, name) for name in SCORES} if enough else {}
    oddness = {name: misfit.of(x) for name, misfit in misfits.items()}
    recorded = {
        name: Oddness(odd.score[real], odd.p[real], odd.outside[real])
        for name, odd in oddness.items()
    }
    accepted = [each.acceptance for each in seen if each.acceptance is not None]
    checks = judge(found, accepted, names=dgm.names, settings=settings)
    checks.append(judge_misfit(misfits, new.x, recorded))
    parameters = judge_parameters(found, dgm.names)
    return Calibrated(
        folder.name,
        dgm,
        known,
        new,
        found,
        tuple(checks),
        tuple(parameters),
        tuple(observed),
        oddness,
        misfits,
        settings,
    )


def write_calibrated(out: str | Path, each: Sequence[Calibrated]) -> None:
    """Write a folder for each density estimator, and `metrics.json` for all.

    A folder has `record.json`, one CSV for each plot (see `docs/calibration.md`), and the
    reference that `sample` compares observations with.
    """
    out = Path(out)
    for one in each:
        with atomic_folder(out / one.name) as part:
            write_json(part / "record.json", _rounded(_record(one)))
            _write_tables(part, one)
            if "density" in one.misfits:
                write_reference(part / REFERENCE, one.misfits["density"], one.dgm)
    write_json(out / METRICS, _rounded({one.name: _metrics(one) for one in each}))


def _write_tables(part: Path, one: Calibrated) -> None:
    curves = coverage_table(one.found, one.settings)
    short, ranks = sbc_table(one.found, one.dgm.names)
    write_csv(part / "sbc.csv", ["rank", "lower", "upper", "lowest", "highest"], short)
    write_csv(part / "ranks.csv", ["rank", *one.dgm.names], ranks)
    for name, rows in curves.items():
        write_csv(part / f"{name}.csv", ["level", "calibrated", "lower", "upper", "covered"], rows)
    rows = parameter_table(one.parameters)
    write_csv(part / "parameters.csv", rows[0] if rows else ["parameter"], rows)
    rows = simulation_table(one.heldout.keys, one.found)
    write_csv(part / "simulations.csv", rows[0] if rows else ["x_o"], rows)
    rows = _observations(one)
    write_csv(part / "observations.csv", rows[0] if rows else ["x_o"], rows)


def _observations(one: Calibrated) -> list[dict[str, Any]]:
    rows, place, n = [], 0, len(one.training.u)
    for each in one.observed:
        row: dict[str, Any] = {
            "table": each.table,
            "x_o": each.x_o,
            "status": "usable" if each.x is not None else "features missing or out of bounds",
            "acceptance": each.acceptance and each.acceptance.share,
            "acceptance_error": each.acceptance and each.acceptance.error,
            "outside": None,
        }
        for name in SCORES:
            row |= dict.fromkeys((name, f"{name}_p", f"{name}_p_error"))
        if each.x is not None and one.oddness:
            row["outside"] = any(bool(odd.outside[place]) for odd in one.oddness.values())
            for name, odd in one.oddness.items():
                p = float(odd.p[place])
                row[name], row[f"{name}_p"] = float(odd.score[place]), p
                row[f"{name}_p_error"] = math.sqrt(p * (1 - p) / (n + 1))
        place += each.x is not None
        rows.append(row)
    return rows


def _record(one: Calibrated) -> dict[str, Any]:
    seed = one.settings.seed
    return {
        "dgm": one.name,
        "source": one.dgm.description.get("source"),
        "usable": usable(one.checks),
        "settings": asdict(one.settings),
        "level": LEVEL,
        "few": FEW,
        "simulations": {
            name: {"rows": each.rows, "usable": each.usable, "taken": len(each.keys)}
            for name, each in (("training", one.training), ("heldout", one.heldout))
        },
        "checks_made": {
            check.name: {
                "verdict": check.verdict,
                "said": check.said,
                "n": check.n,
                "seed": seed,
                "p": _probability(check.p),
                "numbers": {name: asdict(number) for name, number in check.numbers.items()},
            }
            for check in one.checks
        },
        "parameters": [
            {**asdict(each), "n": one.found.n, "seed": seed, "p": _probability(each.p)}
            for each in one.parameters
        ],
        "observations": _observations(one),
    }


def _metrics(one: Calibrated) -> dict[str, Any]:
    counted = {
        verdict: sum(check.verdict == verdict for check in one.checks)
        for verdict in ("pass", "fail", "undecided")
    }
    return {
        "usable": int(usable(one.checks) == "pass"),
        "pairs": one.found.n,
        "seed": one.settings.seed,
        "checks": counted,
        **{
            check.name: {
                **({} if check.p is None else {"p": _probability(check.p)}),
                **{
                    name: {
                        "value": number.value,
                        "standard_error": number.error,  # of metrics with `error`, dvc warns
                        "must_be": number.must_be,
                    }
                    for name, number in check.numbers.items()
                },
            }
            for check in one.checks
        },
    }


def _probability(p: float | None) -> float | None:
    return None if p is None else round(p, 6)


def _rounded(value: Any) -> Any:
    """Keep six digits, so that the last bits of a processor's arithmetic do not show."""
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
