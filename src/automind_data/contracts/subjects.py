"""What contracts are about: files, archives, tables, density estimators, observations."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import polars as pl

from automind_data.common.archive import DEFAULT_LIMITS, Limits, Plan, read_plan
from automind_data.common.layout import DATASETS, ObservationTable
from automind_data.common.observations import observation_key
from automind_data.contracts.inputs import Bound, Conditioning, Release
from automind_data.tables import column_names

__all__ = [
    "ArchiveFile",
    "Copies",
    "Discovered",
    "Estimator",
    "NotDerived",
    "Observations",
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

    `prior` are the bounds that its parameters were drawn from, if known;
    `configurations` says that it must have the parameters.
    """

    path: Path
    prior: tuple[Bound, ...] | None = None
    configurations: bool = False

    @cached_property
    def frame(self) -> pl.LazyFrame:
        """The rows; nothing is read before it is asked for."""
        return pl.scan_parquet(self.path)

    @cached_property
    def columns(self) -> list[str]:
        """Column names in the file's order."""
        return column_names(self.path)


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
    """The observation keys in the table of a discovered archive, and those that there are."""

    path: Path
    observations: str
    known: frozenset[str] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Copies(Subject):
    """The posterior inside an archive and the published file that it should be."""

    published: str
    md5_inside: str
    md5_published: str
