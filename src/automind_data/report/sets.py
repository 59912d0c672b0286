"""One data set of the report: its observations, their targets, posterior draws and models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import parquet

from automind_data.common.errors import AutomindError
from automind_data.common.layout import Dataset
from automind_data.common.observations import read_observations
from automind_data.common.typed import AGAIN, read_typed
from automind_data.report.features import BESIDE, Bands, Floats, log10
from automind_data.report.inputs import (
    Bound,
    Estimator,
    Gate,
    SampledObservation,
    Samples,
)
from automind_data.report.models import TYPE, Models, read_models
from automind_data.report.ranking import Ranking, read_ranking

__all__ = ["Draws", "SetReport", "Shown", "Targets", "gather_set"]


@dataclass(frozen=True)
class Targets:
    """The observations of a set as a density estimator sees them.

    Attributes
    ----------
    columns
        Feature columns, in the order of the density estimator; then those beside them.
    values
        Observation → (k,): as in the table.
    bands
        How spectra are averaged; None where the features are not a spectrum.
    n_conditioned
        How many of the columns the density estimator is conditioned on.
    """

    columns: tuple[str, ...]
    values: Mapping[str, Floats]
    bands: Bands | None
    n_conditioned: int

    def reduce(self, features: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Reduce (r, k) features to (r, m) that can be drawn; (r,) which rows are usable."""
        if self.bands is not None:
            return self.bands(features)
        logs = log10(features)
        usable = np.isfinite(logs[:, : self.n_conditioned])
        return logs, np.logical_and.reduce(usable, axis=1)


@dataclass(frozen=True)
class Draws:
    """Posterior samples of one observation.

    Attributes
    ----------
    unit
        (n, 28) in the unit cube of the prior.
    physical
        (3, 28): quantiles 5 %, 50 % and 95 %, physical units.
    kind
        `inference.type` of the rows.
    """

    unit: NDArray[np.float32]
    physical: Floats
    kind: str


@dataclass(frozen=True)
class Shown:
    """One observation; what is not there is None."""

    key: str
    record: SampledObservation | None
    target: Floats | None
    draws: Draws | None
    models: Models | None


@dataclass(frozen=True)
class SetReport:
    """One data set; `missing` says which inputs are not there, one sentence each.

    `ranking` is None when it is not derived; `chosen` is the key of the observation that is
    shown first.
    """

    dataset: Dataset
    samples: Samples | None
    estimator: Estimator | None
    targets: Targets | None
    ranking: Ranking | None
    chosen: str | None
    observations: tuple[Shown, ...]
    missing: tuple[str, ...]

    @property
    def shown(self) -> Shown | None:
        """The observation that is shown first."""
        return next((each for each in self.observations if each.key == self.chosen), None)

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


def gather_set(
    derived: Path, dataset: Dataset, samples: Samples | None, chosen: str | None
) -> SetReport:
    """Read one data set from `derived`; a closed gate shows no samples, targets or models.

    Raises
    ------
    AutomindError
        A file does not have the agreed form.
    """
    estimator_path = derived / "dgms" / dataset.dgm / "dgm.json"
    samples_path = derived / "samples" / f"{dataset.name}.parquet"
    observations_path = derived / "observations" / f"{dataset.observations}.parquet"
    needed = (samples_path.with_suffix(".json"), samples_path, estimator_path, observations_path)
    missing = [
        f"derived/{path.relative_to(derived).as_posix()} is not there."
        for path in needed
        if not path.exists()
    ]
    gate = read_typed(derived / "validation" / "gate" / f"{dataset.name}.json", Gate)
    closed = gate is not None and gate.verdict == "closed"
    if gate is not None and closed:
        reasons = ", ".join(gate.errors) or "no reason is recorded"
        missing.insert(0, f"Validation stopped the sampling of this data set: {reasons}.")

    estimator = read_typed(estimator_path, Estimator)
    targets, ranking, draws, models = None, None, {}, {}
    if estimator is not None and not closed:
        if observations_path.exists():
            targets = _targets(observations_path, dataset, estimator)
            found = read_models(
                derived / "tables" / f"{dataset.name}.parquet", targets.columns, targets.reduce
            )
            if isinstance(found, str):
                missing.append(found)
            else:
                models = found
            ranking = read_ranking(
                derived,
                dataset.name,
                [bound.name for bound in estimator.parameters],
                targets.columns,
                targets.reduce,
            )
        if samples_path.exists():
            draws = _draws(samples_path, estimator.parameters)
    records = {record.x_o: record for record in samples.observations} if samples else {}
    keys = dict.fromkeys([*records, *models, *draws])
    observations = tuple(
        Shown(
            key,
            records.get(key),
            targets.values.get(key) if targets else None,
            draws.get(key),
            models.get(key),
        )
        for key in keys
    )
    chosen = chosen or next(iter(keys), None)
    return SetReport(
        dataset, samples, estimator, targets, ranking, chosen, observations, tuple(missing)
    )


def _targets(path: Path, dataset: Dataset, estimator: Estimator) -> Targets:
    conditioning = estimator.conditioning
    columns = tuple(conditioning.columns)
    if conditioning.kind == "burst":
        present = set(parquet.read_schema(path).names)
        columns += tuple(name for name in BESIDE if name in present and name not in columns)
    rows = read_observations(path, columns, dataset)
    values = {
        key: np.array([row[column] for column in columns], dtype=np.float64)
        for key, row in rows.items()
    }
    bands = Bands.of(conditioning) if conditioning.kind == "psd" else None
    return Targets(columns, values, bands, len(conditioning.columns))


def _draws(path: Path, bounds: tuple[Bound, ...]) -> dict[str, Draws]:
    """Read the samples of every observation of a set."""
    units = [f"unit.{bound.name}" for bound in bounds]
    physical = [bound.name for bound in bounds]
    present = parquet.read_schema(path).names
    for column in ("x_o", TYPE, *physical, *units):
        if column not in present:
            raise AutomindError(path, f"has no column {column}", AGAIN)
    table = parquet.read_table(path, columns=["x_o", TYPE, *physical, *units])
    found = {}
    for key in pc.unique(table["x_o"]).to_pylist():
        rows = table.filter(pc.equal(table["x_o"], key))
        kinds = [str(kind) for kind in rows[TYPE].to_pylist()]
        drawn = np.array(["_samples" in kind for kind in kinds])
        if drawn.any():
            theta = _columns(rows, physical)[drawn]
            quantiles = np.quantile(theta, [0.05, 0.5, 0.95], axis=0)
            unit = _columns(rows, units)[drawn].astype(np.float32)
            kind = kinds[int(np.argmax(drawn))]
            found[str(key)] = Draws(unit, quantiles, kind)
    return found


def _columns(table: pa.Table, names: list[str]) -> Floats:
    return np.column_stack([table[name].to_numpy() for name in names]).astype(np.float64)
