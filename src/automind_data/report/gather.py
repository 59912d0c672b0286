"""What the report shows, as plain values: read from the release's record and from `derived/`."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyarrow import parquet

from automind_data.common.errors import AutomindError
from automind_data.common.layout import (
    ARCHIVES,
    DATASETS,
    OBSERVATION_TABLES,
    Dataset,
    psd_frequency,
)
from automind_data.common.observations import Row, read_observations
from automind_data.params import ReportParams
from automind_data.report.inputs import (
    Bound,
    Conditioning,
    Estimator,
    Finding,
    Gate,
    Release,
    SampledObservation,
    Samples,
    Summary,
    read_findings,
    read_json,
)

__all__ = [
    "Features",
    "Marginal",
    "ParameterRow",
    "Report",
    "SetReport",
    "Spectrum",
    "gather",
]

Floats = NDArray[np.float64]
AGAIN = "make it again with `dvc repro`"


@dataclass(frozen=True)
class Spectrum:
    """Power of one observation over the band, and of the other observations of its set.

    Attributes
    ----------
    frequency
        (n,), Hz, ascending.
    power
        (n,), Hz²/Hz.
    others
        (m, n): the power of the others, in the table's order.
    """

    frequency: Floats
    power: Floats
    others: Floats


@dataclass(frozen=True)
class Features:
    """Conditioning features of one observation against the others of its set.

    Attributes
    ----------
    names
        Column names, in the order of the density estimator.
    value
        (k,): the observation's values.
    others
        (m, k): the values of the others, in the table's order.
    """

    names: tuple[str, ...]
    value: Floats
    others: Floats


@dataclass(frozen=True)
class Marginal:
    """Samples of one parameter.

    Attributes
    ----------
    bound
        The parameter and its prior bounds, physical units.
    unit
        (n,) samples in the unit interval of the prior.
    median
        Physical units.
    interval
        5 % and 95 % quantile in the unit interval.
    """

    bound: Bound
    unit: Floats
    median: float
    interval: tuple[float, float]

    @property
    def width(self) -> float:
        """Width of the 90 % interval as a share of the prior's range."""
        return self.interval[1] - self.interval[0]


@dataclass(frozen=True)
class SetReport:
    """One data set; `missing` says which inputs are not there, one sentence each."""

    dataset: Dataset
    samples: Samples | None
    estimator: Estimator | None
    chosen: SampledObservation | None
    target: Spectrum | Features | None
    marginals: tuple[Marginal, ...]
    kind: str | None
    missing: tuple[str, ...]

    @property
    def key(self) -> str | None:
        """The observation shown."""
        return self.chosen.x_o if self.chosen else None

    @property
    def picks(self) -> bool:
        """Are the rows top-density picks, not posterior draws."""
        return self.samples is not None and self.samples.oversample > 1

    @property
    def sampled(self) -> tuple[SampledObservation, ...]:
        """The observations that have samples."""
        records = self.samples.observations if self.samples else ()
        return tuple(record for record in records if record.status == "sampled")

    @property
    def skipped(self) -> tuple[SampledObservation, ...]:
        """The observations without samples."""
        records = self.samples.observations if self.samples else ()
        return tuple(record for record in records if record.status == "skipped")


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


def gather(root: str | Path, params: ReportParams) -> Report:
    """Read what the report shows.

    Parameters
    ----------
    root
        The folder that holds `datasets/` and `derived/`.
    params
        Which observation to show.

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
    release = read_json(release_path, Release)
    if release is None:
        raise AutomindError(
            release_path, "is not there, so the release has no name", "run `automind-data import`"
        )
    derived = root / "derived"
    sets = _gather_sets(derived, params)
    summary = read_json(derived / "validation" / "summary.json", Summary)
    return Report(
        release=release,
        summary=summary,
        findings=read_findings(derived / "validation" / "findings.jsonl") or (),
        sets=sets,
        rows=_count_rows(derived, summary),
        parameters=_parameters(derived / "parameters.csv"),
    )


def _gather_sets(derived: Path, params: ReportParams) -> tuple[SetReport, ...]:
    recorded = {name: read_json(derived / "samples" / f"{name}.json", Samples) for name in DATASETS}
    known = {name: samples for name, samples in recorded.items() if samples is not None}
    chosen = {name: _choose(params.observation, name, samples) for name, samples in known.items()}
    wanted = params.observation
    if isinstance(wanted, str) and wanted != "first" and len(known) == len(DATASETS):
        shown = {record.x_o for record in chosen.values() if record}
        if wanted not in shown:
            raise _no_such("report.observation", wanted, known.values())
    return tuple(
        _gather_set(derived, dataset, recorded[name], chosen.get(name))
        for name, dataset in DATASETS.items()
    )


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


def _gather_set(
    derived: Path,
    dataset: Dataset,
    samples: Samples | None,
    chosen: SampledObservation | None,
) -> SetReport:
    estimator_path = derived / "dgms" / dataset.dgm / "dgm.json"
    samples_path = derived / "samples" / f"{dataset.name}.parquet"
    observations_path = derived / "observations" / f"{dataset.observations}.parquet"
    needed = (samples_path.with_suffix(".json"), samples_path, estimator_path, observations_path)
    missing = [
        f"derived/{path.relative_to(derived).as_posix()} is not there."
        for path in needed
        if not path.exists()
    ]
    gate = read_json(derived / "validation" / "gate" / f"{dataset.name}.json", Gate)
    closed = gate is not None and gate.verdict == "closed"
    if gate is not None and closed:
        reasons = ", ".join(gate.errors) or "no reason is recorded"
        missing.insert(0, f"Validation stopped the sampling of this data set: {reasons}.")

    estimator = read_json(estimator_path, Estimator)
    target: Spectrum | Features | None = None
    marginals: tuple[Marginal, ...] = ()
    kind = None
    if chosen is not None and estimator is not None and not closed:
        if observations_path.exists():
            target = _target(observations_path, dataset, chosen.x_o, estimator.conditioning)
        if samples_path.exists():
            marginals, kind = _marginals(samples_path, chosen.x_o, estimator.parameters)
    return SetReport(dataset, samples, estimator, chosen, target, marginals, kind, tuple(missing))


def _target(
    path: Path, dataset: Dataset, key: str, conditioning: Conditioning
) -> Spectrum | Features | None:
    """Read the observation `key` and those beside it; None when it is not in the table."""
    columns = conditioning.columns
    rows = read_observations(path, columns, dataset)
    if key not in rows:
        return None
    others = [name for name in rows if name != key]
    value, beside = _values(rows, [key], columns)[0], _values(rows, others, columns)
    if conditioning.kind == "burst":
        return Features(columns, value, beside)
    frequency = [psd_frequency(column) for column in columns]
    order = np.argsort(np.array(frequency, dtype=np.float64))
    return Spectrum(np.array(frequency, dtype=np.float64)[order], value[order], beside[:, order])


def _values(rows: dict[str, Row], keys: list[str], columns: tuple[str, ...]) -> Floats:
    values = [[rows[key][column] for column in columns] for key in keys]
    return np.array(values, dtype=np.float64).reshape(len(keys), len(columns))


def _marginals(
    path: Path, key: str, bounds: tuple[Bound, ...]
) -> tuple[tuple[Marginal, ...], str | None]:
    """Read the samples of one observation: one marginal per parameter, and the rows' type."""
    columns = [column for bound in bounds for column in (bound.name, f"unit.{bound.name}")]
    present = parquet.read_schema(path).names
    for column in ("x_o", "inference.type", *columns):
        if column not in present:
            raise AutomindError(path, f"has no column {column}", AGAIN)
    table = parquet.read_table(
        path, columns=["inference.type", *columns], filters=[("x_o", "=", key)]
    )
    if not table.num_rows:
        return (), None
    marginals = []
    for bound in bounds:
        unit = table[f"unit.{bound.name}"].to_numpy().astype(np.float64)
        low, high = np.quantile(unit, [0.05, 0.95])
        median = float(np.median(table[bound.name].to_numpy()))
        marginals.append(Marginal(bound, unit, median, (float(low), float(high))))
    return tuple(marginals), table["inference.type"][0].as_py()


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
