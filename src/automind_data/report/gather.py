"""What the report shows, as plain values: read from the release's record and from `derived/`."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pyarrow import parquet

from automind_data.common.errors import AutomindError
from automind_data.common.layout import ARCHIVES, DATASETS, OBSERVATION_TABLES
from automind_data.common.typed import AGAIN, read_typed
from automind_data.params import ReportParams
from automind_data.report.calibration import Calibrated, read_calibration
from automind_data.report.inputs import (
    Finding,
    Release,
    SampledObservation,
    Samples,
    Summary,
    read_findings,
)
from automind_data.report.robustness import Robust, read_robustness
from automind_data.report.sets import SetReport, gather_set

__all__ = ["ParameterRow", "Report", "gather"]


@dataclass(frozen=True)
class ParameterRow:
    """One free parameter: name, TeX symbol, meaning and the prior of the training archive."""

    name: str
    symbol: str
    unit: str
    low: float
    high: float
    meaning: str


@dataclass(frozen=True)
class Report:
    """Everything on the page.

    `rows` counts the rows of `archive`, `observations` and `samples` tables
    by name; None where the number is not known.
    """

    release: Release
    summary: Summary | None
    findings: tuple[Finding, ...]
    sets: tuple[SetReport, ...]
    rows: dict[str, dict[str, int | None]]
    parameters: tuple[ParameterRow, ...]
    robustness: tuple[Robust, ...]
    calibration: tuple[Calibrated, ...]


def gather(root: str | Path, params: ReportParams) -> Report:
    """Read what the report shows.

    Parameters
    ----------
    root
        The folder that holds `datasets/` and `derived/`.
    params
        Which observation to show first.

    Returns
    -------
    Report
        Missing derived files leave their place empty, with a sentence.

    Raises
    ------
    AutomindError
        `datasets/release.json` is missing, a file does not have the agreed
        form, or the observation to show is not one of a data set.
    """
    root = Path(root)
    release_path = root / "datasets" / "release.json"
    release = read_typed(release_path, Release)
    if release is None:
        raise AutomindError(
            release_path, "is not there, so the release has no name", "run `automind-data import`"
        )
    derived = root / "derived"
    sets = _gather_sets(derived, params)
    summary = read_typed(derived / "validation" / "summary.json", Summary)
    return Report(
        release=release,
        summary=summary,
        findings=read_findings(derived / "validation" / "findings.jsonl") or (),
        sets=sets,
        rows=_count_rows(derived, summary),
        parameters=_parameters(derived / "parameters.csv"),
        robustness=read_robustness(derived),
        calibration=read_calibration(derived),
    )


def _gather_sets(derived: Path, params: ReportParams) -> tuple[SetReport, ...]:
    recorded = {
        name: read_typed(derived / "samples" / f"{name}.json", Samples) for name in DATASETS
    }
    known = {name: samples for name, samples in recorded.items() if samples is not None}
    chosen = {name: _choose(params.observation, name, samples) for name, samples in known.items()}
    wanted = params.observation
    if isinstance(wanted, str) and wanted != "first" and len(known) == len(DATASETS):
        shown = {record.x_o for record in chosen.values() if record}
        if wanted not in shown:
            raise _no_such("report.observation", wanted, known.values())
    return tuple(
        gather_set(derived, dataset, recorded[name], _key(chosen.get(name)))
        for name, dataset in DATASETS.items()
    )


def _key(record: SampledObservation | None) -> str | None:
    return record.x_o if record else None


def _choose(wanted: str | dict[str, str], name: str, samples: Samples) -> SampledObservation | None:
    """Choose the observation to show: the one asked for, else the first sampled one."""
    key = wanted if isinstance(wanted, str) else wanted.get(name, "first")
    for record in samples.observations:
        if record.x_o == key:
            return record
    if not isinstance(wanted, str) and key != "first":
        raise _no_such(f"report.observation.{name}", key, [samples])
    first = [record for record in samples.observations if record.status == "sampled"]
    return next(iter([*first, *samples.observations]), None)


def _no_such(where: str, key: str, recorded: Iterable[Samples]) -> AutomindError:
    some = "; ".join(
        f"{samples.dataset}: {', '.join(record.x_o for record in samples.observations[:3])}"
        for samples in recorded
    )
    return AutomindError(
        "params.yaml",
        f"{where} is '{key}', which is not among the observations that sampling looked at",
        f"use `first` or one of them ({some}, …)",
    )


def _count_rows(derived: Path, summary: Summary | None) -> dict[str, dict[str, int | None]]:
    counted = summary.rows if summary is not None else {}
    return {
        "archive": {name: counted.get(name) for name in (*ARCHIVES, *counted)},
        "observations": _stored_rows(derived / "observations", OBSERVATION_TABLES),
        "samples": _stored_rows(derived / "samples", DATASETS),
    }


def _stored_rows(folder: Path, names: Iterable[str]) -> dict[str, int | None]:
    paths = {name: folder / f"{name}.parquet" for name in names}
    return {
        name: parquet.read_metadata(path).num_rows if path.exists() else None
        for name, path in paths.items()
    }


def _parameters(path: Path) -> tuple[ParameterRow, ...]:
    if not path.exists():
        return ()
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    try:
        return tuple(
            ParameterRow(
                row["name"], row["symbol"], row["unit"],
                float(row["low"]), float(row["high"]), row["meaning"],
            )
            for row in rows
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise AutomindError(path, f"does not have the agreed form ({error})", AGAIN) from None
