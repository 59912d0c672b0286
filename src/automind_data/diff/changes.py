"""What changed between two revisions, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

__all__ = [
    "Cell",
    "ColumnChange",
    "DgmChange",
    "Difference",
    "FileChange",
    "Files",
    "FindingChange",
    "Gap",
    "Keys",
    "LogProbShift",
    "MetricChange",
    "Part",
    "PriorChange",
    "Retyped",
    "SettingChange",
    "Side",
    "TableChange",
    "Twin",
]

Whether = Literal["same", "changed", "added", "removed", "unknown"]


@dataclass(frozen=True)
class Side:
    """One revision: its name, its commit (None: the working tree), its release.

    `release`, `kind` and `sample` are None where the revision does not state them.
    """

    name: str
    commit: str | None
    release: str | None
    kind: str | None
    sample: bool | None


@dataclass(frozen=True)
class Gap:
    """Something that could not be compared, why, and what to do: one sentence.

    `missing` says that bytes are not on this disk; otherwise a file is damaged.
    """

    revision: str
    path: str
    missing: bool
    sentence: str


@dataclass(frozen=True)
class FileChange:
    """A published file that came, went or has other bytes; sizes in bytes."""

    path: str
    state: Literal["added", "removed", "replaced"]
    old_size: int | None
    new_size: int | None


@dataclass(frozen=True)
class Files:
    """The published files that changed, and how many are identical."""

    changes: tuple[FileChange, ...]
    identical: int


@dataclass(frozen=True)
class Keys:
    """Keys of some rows of a table, one row each.

    The columns are the key columns, or `row` (from 0) in a table without a key. Where
    keys repeat, `occurrence` (from 1) belongs to the key.
    """

    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.table.column_names)

    def rows(self, limit: int | None = None) -> list[tuple[Any, ...]]:
        """Return the keys, the first `limit` if given."""
        some = self.table if limit is None else self.table.slice(0, limit)
        columns = [column.to_pylist() for column in some.columns]
        return list(zip(*columns, strict=True))


@dataclass(frozen=True)
class Cell:
    """One changed cell; None is null."""

    key: tuple[Any, ...]
    old: Any
    new: Any


@dataclass(frozen=True)
class ColumnChange:
    """A column whose values changed in rows that both tables have.

    Attributes
    ----------
    name, type
        As in the tables; `type` is `float64`, `int64`, `bool` or `text`.
    rows
        Number of rows in which it changed.
    transitions
        How many cells went from which kind to which, as `null → value`; kinds are
        `value`, `null`, `NaN` and `inf`. They add up to `rows`.
    largest_absolute
        Of |new - old| over cells that are finite in both, in the column's unit.
    largest_relative
        Of |new - old| / |old| over those of them where old is not 0.
    old_zero
        Number of those cells where old is 0.
    ratio
        new / old, where it is the same in all changed rows and these are two or more.
    ks
        Kolmogorov-Smirnov distance between all old and all new values of the column,
        null and NaN left out. None for text and where one side has no value.
    examples
        The first changed cells.
    """

    name: str
    type: str
    rows: int
    transitions: dict[str, int]
    largest_absolute: float | None
    largest_relative: float | None
    old_zero: int
    ratio: float | None
    ks: float | None
    examples: tuple[Cell, ...]


@dataclass(frozen=True)
class Retyped:
    """A column of another type than before.

    `changed` counts rows with another number; None where types do not compare.
    """

    name: str
    old: str
    new: str
    changed: int | None


@dataclass(frozen=True)
class TableChange:
    """What changed in one table.

    `added`, `removed` and `changed` are None where they could not be found out, and
    `columns` where the rows that changed could not be read. `moved` says that rows are
    in another order. Columns are (name, type).
    """

    name: str
    path: str
    published: str
    state: Whether
    old_rows: int | None
    new_rows: int | None
    key: tuple[str, ...]
    added: Keys | None
    removed: Keys | None
    changed: Keys | None
    moved: bool
    new_columns: tuple[tuple[str, str], ...]
    lost_columns: tuple[tuple[str, str], ...]
    retyped: tuple[Retyped, ...]
    columns: tuple[ColumnChange, ...] | None
    gaps: tuple[Gap, ...]


@dataclass(frozen=True)
class PriorChange:
    """A parameter whose bounds, unit, symbol or meaning changed, or that came or went.

    `what` is `bounds`, `unit`, `symbol`, `meaning`, `parameter` or `order`; bounds are
    `{"low", "high", "unit"}`. `places` are the archives and density estimators where it
    changed like this.
    """

    parameter: str
    what: str
    old: Any
    new: Any
    places: tuple[str, ...]


@dataclass(frozen=True)
class SettingChange:
    """An entry of the simulation or analysis dictionary that changed; None: not there."""

    entry: str
    old: Any
    new: Any
    places: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """One thing in the description of a density estimator that changed, in words."""

    what: str
    old: str
    new: str


@dataclass(frozen=True)
class LogProbShift:
    """How far log-densities moved at the fixed points, in nat.

    `largest` is over points that are finite in both; `finite_changed` counts those
    that are finite in one only.
    """

    largest: float | None
    points: int
    finite_changed: int


@dataclass(frozen=True)
class DgmChange:
    """What changed in one density estimator.

    `source` is the published file that it comes from. Where the log-densities do not
    compare, `log_prob` is None and `incomparable` says why.
    """

    name: str
    source: str
    state: Whether
    architecture: tuple[Part, ...]
    conditioning: tuple[Part, ...]
    tensors: int | None
    tensors_changed: int
    tensors_added: int
    tensors_removed: int
    log_prob: LogProbShift | None
    incomparable: str | None
    gaps: tuple[Gap, ...]


@dataclass(frozen=True)
class Twin:
    """The posterior inside an archive became, or is no longer, the published one."""

    archive: str
    published: str
    old: bool
    new: bool


@dataclass(frozen=True)
class FindingChange:
    """A validation finding that appeared or went away, or whose count or severity changed."""

    state: Literal["appeared", "went away", "changed"]
    id: str
    file: str
    dataset: str | None
    message: str
    old_severity: str | None
    new_severity: str | None
    old_count: int
    new_count: int


@dataclass(frozen=True)
class MetricChange:
    """A metric before and after; None: not there."""

    path: str
    name: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Difference:
    """Everything that changed between two revisions."""

    old: Side
    new: Side
    files: Files
    tables: tuple[TableChange, ...]
    priors: tuple[PriorChange, ...]
    settings: tuple[SettingChange, ...]
    dgms: tuple[DgmChange, ...]
    twins: tuple[Twin, ...]
    findings: tuple[FindingChange, ...]
    metrics: tuple[MetricChange, ...]
    gaps: tuple[Gap, ...]

    @property
    def sample(self) -> bool:
        """Say whether one of the two releases is sample data."""
        return bool(self.old.sample or self.new.sample)

    @property
    def all_gaps(self) -> tuple[Gap, ...]:
        """Everything that could not be compared, each once."""
        tables = (gap for table in self.tables for gap in table.gaps)
        dgms = (gap for dgm in self.dgms for gap in dgm.gaps)
        return tuple(dict.fromkeys((*tables, *dgms, *self.gaps)))

    @property
    def same(self) -> bool:
        """Say whether nothing differs, as far as it could be compared."""
        return not (
            self.files.changes
            or any(table.state != "same" for table in self.tables)
            or any(dgm.state != "same" for dgm in self.dgms)
            or any((self.priors, self.settings, self.twins, self.findings, self.metrics))
            or (self.old.release, self.old.kind) != (self.new.release, self.new.kind)
        )
