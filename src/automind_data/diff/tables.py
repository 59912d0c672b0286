"""What changed in one table: from digests and profiles, and from cells only where rows differ."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from automind_data.common.errors import AutomindError
from automind_data.common.layout import ARCHIVES, OBSERVATION_TABLES
from automind_data.diff.cells import column_change, differing, ks_distance, numbers_differ
from automind_data.diff.changes import ColumnChange, Gap, Keys, Retyped, TableChange
from automind_data.diff.matching import Digests, Match, keys_at, match_rows, same_content
from automind_data.diff.place import Place, Unread, same_bytes
from automind_data.diff.table_file import ParquetTable, Positions
from automind_data.tables.digests import (
    DIGEST,
    read_digests,
    row_digests,
    row_key,
)
from automind_data.tables.profile import read_profile

__all__ = ["BATCH_BYTES", "TABLES", "TableSource", "compare_table"]

BATCH_BYTES = 32 << 20
"""Cells read from each side at a time."""

ROWS = "which rows changed"
CELLS = "how the changed rows changed"


@dataclass(frozen=True)
class TableSource:
    """A table: its name, its Parquet file, and the published file that it comes from."""

    name: str
    path: str
    published: str

    @property
    def profile(self) -> str:
        """The path of its profile."""
        return f"{self.path.removesuffix('.parquet')}.profile.json"

    @property
    def digests(self) -> str:
        """The path of its digests."""
        return f"{self.path.removesuffix('.parquet')}.digests.parquet"


TABLES: tuple[TableSource, ...] = (
    *(
        TableSource(name, f"derived/tables/{name}.parquet", archive.path)
        for name, archive in ARCHIVES.items()
    ),
    *(
        TableSource(name, f"derived/observations/{name}.parquet", table.path)
        for name, table in OBSERVATION_TABLES.items()
    ),
)


class _TableSide:
    """The table of one revision, of which only what is asked for is read."""

    def __init__(self, place: Place, source: TableSource) -> None:
        self.place = place
        self.source = source
        self.gaps: list[Gap] = []
        self._parquet: ParquetTable | None = None

    @property
    def there(self) -> bool:
        return self.place.there(self.source.path)

    @cached_property
    def beside(self) -> bool:
        """Do profile and digests, if there, belong to the table as it stands."""
        return self.place.as_pinned(self.source.path)

    @cached_property
    def profile(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self._beside(self.source.profile, _read_profile)
        return found

    @property
    def profiled(self) -> dict[str, Any]:
        """What the profile says of each column; nothing where there is none."""
        return self.profile["columns"] if self.profile else {}

    @cached_property
    def digests(self) -> pa.Table:
        found = self._beside(self.source.digests, read_digests)
        if found is not None and self.profile and found.num_rows != self.profile["rows"]:
            rule = f"has {found.num_rows} rows where the profile has {self.profile['rows']}"
            self._aside(self.source.digests, rule, "make it again with `dvc repro`")
            found = None
        return self.parquet(ROWS).digested() if found is None else found

    def parquet(self, unknown: str) -> ParquetTable:
        """Return the table itself; `unknown` is what is not known without it."""
        if self._parquet is None:
            path = self.source.path
            self._parquet = ParquetTable(
                self.place.require(path, unknown),
                lambda rule: Unread(self.place.damaged(path, unknown, rule)),
            )
        return self._parquet

    @cached_property
    def columns(self) -> dict[str, str]:
        if self.profile:
            return {name: said["type"] for name, said in self.profiled.items()}
        return self.parquet(ROWS).columns

    def rows(self) -> int | None:
        """Return the number of rows where it is known without a pull."""
        revision = self.place.revision
        found = revision.find(self.source.path)
        try:
            if found:
                return int(pq.read_metadata(found).num_rows)
            beside = revision.find(self.source.profile)
            return int(_read_profile(beside)["rows"]) if beside else None
        except (pa.ArrowInvalid, OSError, AutomindError):
            return None

    def keyed_digests(self, key: tuple[str, ...]) -> pa.Table:
        """Return the digests with these key columns, which the table has."""
        digests = self.digests
        if set(key) <= set(digests.column_names):
            return digests
        table = self.parquet(ROWS)
        return table.take(list(key), np.arange(table.rows)).append_column(DIGEST, digests[DIGEST])

    def _beside(self, path: str, how: Any) -> Any:
        if not self.beside or not self.place.there(path):
            return None
        found = self.place.find(path)
        if found is None:
            return None
        try:
            return how(found)
        except AutomindError as error:
            self._aside(path, error.rule, error.next_step)
            return None

    def _aside(self, path: str, rule: str, step: str) -> None:
        """Say that a file beside the table is of no use."""
        rule = f"of {self.place.name} {rule}, so the table itself was read"
        sentence = str(AutomindError(path, rule, step))
        self.gaps.append(Gap(self.place.name, path, False, sentence))


def _read_profile(path: Any) -> dict[str, Any]:
    said = read_profile(path)
    columns, rows = said["columns"], said.get("rows")
    whole = isinstance(columns, dict) and isinstance(rows, int)
    if not whole or not all(isinstance(each, dict) and "type" in each for each in columns.values()):
        raise AutomindError(path, "has not the form of a profile", "make it again with `dvc repro`")
    return said


def compare_table(
    source: TableSource, old: Place, new: Place
) -> Generator[float, None, TableChange | None]:
    """Compare one table of two revisions.

    Parameters
    ----------
    source
        Which table.
    old, new
        The revisions.

    Yields
    ------
    float
        The share that is done.

    Returns
    -------
    TableChange or None
        None where neither revision has the table.
    """
    one, other = _TableSide(old, source), _TableSide(new, source)
    if not one.there and not other.there:
        return None
    found = TableChange(
        source.name, source.path, source.published, "same",
        None, None, (), None, None, None, False, (), (), (), (), (),
    )  # fmt: skip
    if not one.there or not other.there:
        found = replace(found, state="added" if other.there else "removed")
    elif not _same(one, other):
        found = yield from _Comparison(one, other, found).run()
    if found.old_rows is None and one.there:
        found = replace(found, old_rows=one.rows())
    if found.new_rows is None and other.there:
        found = replace(found, new_rows=other.rows())
    return found


def _same(one: _TableSide, other: _TableSide) -> bool:
    source = one.source
    if same_bytes(one.place, other.place, source.path):
        return True
    if not one.beside or not other.beside:
        return False
    beside = (source.digests, source.profile)
    return all(same_bytes(one.place, other.place, path) for path in beside)


class _Comparison:
    """The comparison of two tables that have other bytes."""

    def __init__(self, old: _TableSide, new: _TableSide, blank: TableChange) -> None:
        self.old, self.new = old, new
        self.found = blank
        self.gaps: list[Gap] = []

    def run(self) -> Generator[float, None, TableChange]:
        try:
            yield from self._run()
        except Unread as unread:
            self.gaps.append(unread.gap)
        gaps = (*self.old.gaps, *self.new.gaps, *self.gaps)
        return replace(self.found, state=self._state(), gaps=gaps)

    def _state(self) -> Any:
        found = self.found
        rows = (found.added, found.removed, found.changed)
        columns = found.new_columns or found.lost_columns or found.retyped
        if columns or found.moved or any(rows):
            return "changed"
        return "unknown" if None in rows else "same"

    def _run(self) -> Iterator[float]:
        self._compare_columns()
        before, after = self.old.columns, self.new.columns
        key = row_key(name for name in before if name in after)
        one, other = self.old.keyed_digests(key), self.new.keyed_digests(key)
        self.found = replace(self.found, key=key, old_rows=one.num_rows, new_rows=other.num_rows)
        yield 0.1
        match = match_rows(one, other, key)
        if key:
            self._set_rows(one, other, key, match)
        digests = self._common_digests(one, other)
        yield 0.2
        if not key and same_content(*digests):
            moved = bool((digests[0] != digests[1]).any())
            none = keys_at(one, key, np.arange(0))
            self.found = replace(
                self.found, added=none, removed=none, changed=none, columns=(), moved=moved
            )
            return
        self._set_rows(one, other, key, match)
        at = np.flatnonzero(digests[0][match.old] != digests[1][match.new])
        changed = keys_at(one, key, match.old[at])
        self.found = replace(self.found, changed=changed, columns=None if len(at) else ())
        self._compare_retyped(match)
        if len(at):
            rows = (match.old[at], match.new[at])
            rest = (digests[0][rows[0]], digests[1][rows[1]])
            yield from self._compare_cells(rows, rest, changed)

    def _set_rows(self, one: pa.Table, other: pa.Table, key: tuple[str, ...], match: Match) -> None:
        self.found = replace(
            self.found,
            added=keys_at(other, key, match.added),
            removed=keys_at(one, key, match.removed),
            moved=match.moved,
        )

    def _compare_columns(self) -> None:
        before, after = self.old.columns, self.new.columns
        self.found = replace(
            self.found,
            new_columns=tuple((name, kind) for name, kind in after.items() if name not in before),
            lost_columns=tuple((name, kind) for name, kind in before.items() if name not in after),
            retyped=tuple(
                Retyped(name, kind, after[name], None)
                for name, kind in before.items()
                if name in after and after[name] != kind
            ),
        )

    def _common_digests(self, one: pa.Table, other: pa.Table) -> tuple[Digests, Digests]:
        """Return digests over the columns that both have in one type."""
        retyped = [each.name for each in self.found.retyped]
        found = []
        for side, table, columns in (
            (self.old, one, self.found.lost_columns),
            (self.new, other, self.found.new_columns),
        ):
            digests = np.array(table[DIGEST].combine_chunks())
            if only := [name for name, _ in columns] + retyped:
                digests -= side.parquet(ROWS).digests_of(only)
            found.append(digests)
        return found[0], found[1]

    def _compare_retyped(self, match: Match) -> None:
        counted = [
            replace(
                each,
                changed=numbers_differ(
                    self.old.parquet(CELLS).take([each.name], match.old)[each.name],
                    self.new.parquet(CELLS).take([each.name], match.new)[each.name],
                ),
            )
            for each in self.found.retyped
        ]
        self.found = replace(self.found, retyped=tuple(counted))

    def _compare_cells(
        self, rows: tuple[Positions, Positions], rest: tuple[Digests, Digests], keys: Keys
    ) -> Iterator[float]:
        """Find the changed columns; stop when they explain the digests of all changed rows."""
        left = np.arange(len(keys))
        waiting, hopeful = self._waiting()
        total, changes = len(waiting), {}
        while len(left) and waiting:
            names = waiting[: hopeful or self._width(rows[0][left])]
            names = names[: self._width(rows[0][left])]
            hopeful = max(0, hopeful - len(names))
            del waiting[: len(names)]
            one = self.old.parquet(CELLS).take(names, rows[0][left])
            other = self.new.parquet(CELLS).take(names, rows[1][left])
            for name in names:
                flags = differing(one[name], other[name])
                if flags.any():
                    changes[name] = self._column(name, one, other, flags, left, keys)
            rest[0][left] -= row_digests(one)
            rest[1][left] -= row_digests(other)
            left = left[rest[0][left] != rest[1][left]]
            yield 0.2 + 0.8 * (1 - len(waiting) / total)
        if len(left):
            rule = f"does not fit its digests in {len(left)} rows"
            self.gaps.append(self.new.place.damaged(self.new.source.path, CELLS, rule))
        order = [name for name in self.old.columns if name in changes]
        self.found = replace(self.found, columns=tuple(changes[name] for name in order))

    def _waiting(self) -> tuple[list[str], int]:
        """Return the columns to look at, and how many at their start have another profile."""
        same_type = [
            name for name, kind in self.old.columns.items() if self.new.columns.get(name) == kind
        ]
        others = [name for name in same_type if name not in self.found.key]
        before, after = self.old.profiled, self.new.profiled
        first = [name for name in others if before and after and before[name] != after[name]]
        chosen = set(first)
        return [*first, *(name for name in others if name not in chosen)], len(first)

    def _width(self, rows: Positions) -> int:
        """Return how many columns to read at a time."""
        return max(1, BATCH_BYTES // (8 * self.old.parquet(CELLS).size_of_groups(rows)))

    def _column(
        self,
        name: str,
        one: pa.Table,
        other: pa.Table,
        flags: Any,
        left: Positions,
        keys: Keys,
    ) -> ColumnChange:
        at = pa.array(np.flatnonzero(flags))
        names = left[flags]
        return column_change(
            name,
            one[name].take(at),
            other[name].take(at),
            lambda some: Keys(keys.table.take(pa.array(names[some]))).rows(),
            ks_distance(self.old.parquet(CELLS).column(name), self.new.parquet(CELLS).column(name)),
        )
