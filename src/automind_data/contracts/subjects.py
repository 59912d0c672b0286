"""What contracts are about: files, archives, tables, density estimators, observations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from automind_data.common.archive import DEFAULT_LIMITS, Limits, Plan, read_plan
from automind_data.common.layout import DATASETS, Dataset, ObservationTable
from automind_data.common.observations import observation_key
from automind_data.contracts.inputs import Bound, Release
from automind_data.contracts.residuals import Residuals, residuals_of
from automind_data.contracts.rowwise import Spectra, look_at_rows
from automind_data.contracts.scan import Stats, scan
from automind_data.dgm.filters import Conditioning
from automind_data.tables import column_names

__all__ = [
    "Analyses",
    "Apart",
    "ArchiveFile",
    "Attested",
    "Copies",
    "Discovered",
    "Drawn",
    "Drift",
    "Estimator",
    "NotDerived",
    "Observations",
    "Priors",
    "Published",
    "Refused",
    "Subject",
    "Table",
]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Something that contracts are about; `file` is what findings call it."""

    file: str
    dataset: str | None = None


@dataclass(frozen=True, kw_only=True)
class Published(Subject):
    """The published files below `folder` and what `release.json` says of them."""

    folder: Path
    release: Release


@dataclass(frozen=True, kw_only=True)
class ArchiveFile(Subject):
    """One zip. `needs` and `may_hold` are kinds of members (`archive.MEMBER_KINDS`)."""

    path: Path
    needs: tuple[str, ...]
    limits: Limits = DEFAULT_LIMITS

    @cached_property
    def plan(self) -> Plan:
        """What is in it and what speaks against it."""
        return read_plan(self.path, self.limits)


@dataclass(frozen=True, kw_only=True)
class NotDerived(Subject):
    """A published file without the output that its checks would read."""

    output: str


@dataclass(frozen=True, kw_only=True)
class Refused(Subject):
    """A file that could not be read, with the sentence that said so."""

    sentence: str


@dataclass(frozen=True, kw_only=True)
class Table(Subject):
    """One typed table.

    `prior` are the bounds that its parameters were drawn from, if known, and
    `uniform` says that they were drawn from all of it; `configurations` says that
    it must have the parameters, `holds` which families of features; `uses` is what
    the density estimators are conditioned on that its rows are for.
    """

    path: Path
    prior: tuple[Bound, ...] | None = None
    uniform: bool = False
    configurations: bool = False
    holds: tuple[str, ...] = ()
    uses: tuple[Conditioning, ...] = ()

    @cached_property
    def frame(self) -> pl.LazyFrame:
        """The rows; nothing is read before it is asked for."""
        return pl.scan_parquet(self.path)

    @cached_property
    def columns(self) -> list[str]:
        """Column names in the file's order."""
        return column_names(self.path)

    @cached_property
    def schema(self) -> pl.Schema:
        """The type of each column."""
        return self.frame.collect_schema()

    @cached_property
    def stats(self) -> Stats:
        """What one pass over all columns says."""
        return scan(self.frame)

    @cached_property
    def spectra(self) -> Spectra:
        """What one pass over the rows of features says."""
        return look_at_rows(self.path, self.schema, self.uses)


@dataclass(frozen=True, kw_only=True)
class Estimator(Subject):
    """A density estimator beside the prior of the archive that it is used for."""

    parameters: tuple[Bound, ...]
    conditioning: Conditioning
    prior: tuple[Bound, ...]


@dataclass(frozen=True, kw_only=True)
class Observations(Subject):
    """An observation table; with a data set, the rows of its areas; `features` must be there."""

    path: Path
    table: ObservationTable
    features: tuple[str, ...] = ()

    @cached_property
    def columns(self) -> list[str]:
        """Column names in the file's order."""
        return column_names(self.path)

    @cached_property
    def keys(self) -> list[str | None]:
        """The key of each row, None where a part of it is missing; none without key columns."""
        wanted = self.table.key_columns
        if not set(wanted) <= set(self.columns):
            return []
        rows = pl.read_parquet(self.path, columns=list(wanted)).iter_rows(named=True)
        return [
            None if None in row.values() else observation_key(row, wanted)
            for row in rows
            if self.dataset is None or DATASETS[self.dataset].has_area(str(row.get("area", "")))
        ]


@dataclass(frozen=True, kw_only=True)
class Discovered(Subject):
    """The observation keys in the table of a discovered archive, and those that there are.

    `simulated` says that the observations are runs, whose parameters are known.
    """

    path: Path
    observations: str
    known: frozenset[str] = field(repr=False)
    simulated: bool = False


@dataclass(frozen=True, kw_only=True)
class Copies(Subject):
    """The posterior inside an archive and the published file that it should be.

    The networks are the digests of their parts, empty where they are not known.
    """

    published: str
    md5_inside: str
    md5_published: str
    network_inside: Mapping[str, str] = field(default_factory=dict)
    network_published: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Priors(Subject):
    """The prior of each archive, by its name."""

    of: Mapping[str, tuple[Bound, ...]]


@dataclass(frozen=True, kw_only=True)
class Analyses(Subject):
    """The parameters of each archive as key → value, and where its own batches differ."""

    of: Mapping[str, Mapping[str, Any]]
    within: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Apart(Subject):
    """The held-out table and the training table, which share no run."""

    path: Path
    training: Path


@dataclass(frozen=True, kw_only=True)
class Drawn(Subject):
    """Observations that are runs, and the table of the archive that they were drawn from."""

    path: Path
    key: tuple[str, ...]
    archive: Path
    drawn_from: str


@dataclass(frozen=True, kw_only=True)
class Attested(Subject):
    """A discovered table, the density estimator inside its archive, and its observations."""

    path: Path
    dgm: Path
    observations: Path
    of: Dataset

    @cached_property
    def residuals(self) -> Residuals:
        """How far the stored log-densities are from the density estimator's own."""
        return residuals_of(self.path, self.dgm, self.observations, self.of)


@dataclass(frozen=True, kw_only=True)
class Drift(Subject):
    """The profile of a table, and that of the same table in the release before."""

    before: str
    old: Mapping[str, Any] = field(repr=False)
    new: Mapping[str, Any] = field(repr=False)
