"""Differences in sentences that the Markdown and the page share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from automind_data.common.layout import FILES
from automind_data.diff.changes import (
    ColumnChange,
    DgmChange,
    Difference,
    FileChange,
    Files,
    FindingChange,
    PriorChange,
    Retyped,
    Side,
    TableChange,
    Twin,
)
from automind_data.diff.parameters import DGM, parameter_paths
from automind_data.diff.words import cell_says, count, listed, number, plain, value_says

__all__ = [
    "KS",
    "SAMPLE",
    "column_order",
    "column_says",
    "dgm_says",
    "file_says",
    "files_say",
    "finding_says",
    "places_say",
    "prior_says",
    "retyped_says",
    "revision_says",
    "table_says",
    "title",
    "twin_says",
]

SAMPLE = "Sample data: small stand-ins in the published formats, not science."
KS = (
    "Relative: |new - old| / |old|. KS: Kolmogorov-Smirnov distance, 0 to 1, between all old and"
    " all new values of the column."
)
STATES = ("replaced", "added", "removed")
MOST_NAMES = 10


def title(difference: Difference) -> str:
    """Return the headline."""
    old, new = (side.release or "not stated" for side in (difference.old, difference.new))
    if old == new:
        return f"What changed in release {new}"
    return f"What changed from release {old} to {new}"


def revision_says(side: Side) -> str:
    """Return the name of a revision, and its commit where the name does not say it."""
    if side.commit is None or side.commit.startswith(side.name):
        return side.name
    return f"{side.name} ({side.commit[:12]})"


def files_say(files: Files) -> str:
    """Sum up the published files."""
    counts = {state: sum(each.state == state for each in files.changes) for state in STATES}
    said = [f"{many} {state}" for state, many in counts.items() if many]
    return f"{listed([*said, f'{files.identical} identical'])}, of {len(FILES)} published files."


def file_says(change: FileChange) -> str:
    """Say how a file changed."""
    if change.state == "replaced" and change.old_size == change.new_size:
        return "replaced, same size"
    return change.state


def table_says(table: TableChange) -> str:
    """Sum up one table in a sentence."""
    if table.state in ("added", "removed"):
        rows = table.new_rows if table.state == "added" else table.old_rows
        held = "" if rows is None else f", {count(rows, 'row')}"
        return f"table {table.state}{held}."
    said = []
    if table.old_rows is not None and table.new_rows is not None:
        before = "" if table.old_rows == table.new_rows else f"{table.old_rows:,} → "
        said.append(before + count(table.new_rows, "row"))
    for what in ("added", "removed", "changed"):
        if keys := getattr(table, what):
            said.append(f"{len(keys):,} {what}")
    if table.changed is not None and not table.changed and (table.added or table.removed):
        said.append("no other row changed")
    if table.moved:
        said.append("rows in another order")
    return "; ".join(filter(None, (", ".join(said), *_columns_say(table)))) + "."


def _columns_say(table: TableChange) -> Iterator[str]:
    for columns, what in ((table.new_columns, "added"), (table.lost_columns, "removed")):
        if columns:
            names = [f"{plain(name)} ({kind})" for name, kind in columns[:MOST_NAMES]]
            names += [f"{len(columns) - MOST_NAMES} more"] if len(columns) > MOST_NAMES else []
            yield f"{'column' if len(columns) == 1 else 'columns'} {listed(names)} {what}"


def retyped_says(retyped: Retyped) -> str:
    """Say that a column has another type."""
    values = "same numbers"
    if retyped.changed is None:
        values = "values of these types are not compared"
    elif retyped.changed:
        values = f"another number in {count(retyped.changed, 'row')}"
    return f"{plain(retyped.name)} is {retyped.new}, was {retyped.old}: {values}"


def column_order(columns: Iterable[ColumnChange]) -> list[ColumnChange]:
    """Return changed columns, the largest shift of the whole column first."""
    return sorted(columns, key=lambda each: (-(each.ks or 0), -each.rows))


def column_says(column: ColumnChange) -> str:
    """Say what the numbers of a changed column do not: a common ratio, cells without a value."""
    said = []
    if column.ratio is not None:
        said.append(f"new = {number(column.ratio, 6)} × old in all {column.rows:,} rows")
    elif column.rows == 1:
        (cell,) = column.examples
        said.append(f"{cell_says(cell.old)} → {cell_says(cell.new)}")
    if column.rows > 1:
        kinds = column.transitions.items()
        said += [f"{went} in {many:,}" for went, many in kinds if went != "value → value"]
        said += [f"old is 0 in {column.old_zero:,}"] if column.old_zero else []
    return "; ".join(said)


def prior_says(change: PriorChange) -> tuple[str, str]:
    """Return what a parameter was and is."""
    if change.what == "order":
        return "in one order", "in another"
    return _prior(change.old, change.new), _prior(change.new, change.old)


def _prior(value: Any, other: Any) -> str:
    if isinstance(value, dict):
        unit = "" if value["unit"] == "1" else f" {plain(value['unit'])}"
        against = [other["low"], other["high"]] if isinstance(other, dict) else None
        return f"{value_says([value['low'], value['high']], against)}{unit}"
    return "not there" if value is None else value_says(value, other)


def places_say(places: tuple[str, ...]) -> str:
    """Say where something changed; all places of one kind are one word."""
    dgms = [name for name in parameter_paths() if name.startswith(DGM)]
    archives = [name for name in parameter_paths() if name not in dgms]
    left = list(places)
    said = []
    for group, what in ((archives, "all archives"), (dgms, "all density estimators")):
        if set(group) <= set(left):
            said.append(what)
            left = [place for place in left if place not in group]
    return listed([*said, *left])


def dgm_says(dgm: DgmChange) -> str:
    """Sum up one density estimator in sentences."""
    if dgm.state in ("added", "removed"):
        return f"density estimator {dgm.state}."
    said = ["other architecture." if dgm.architecture else "same architecture."]
    if dgm.conditioning:
        said.append("Another conditioning recipe.")
    if dgm.tensors is None:
        said.append("Whether weights changed is not known." if dgm.gaps else "Same weights.")
        return " ".join(said)
    said.append(_weights_say(dgm, dgm.tensors))
    if dgm.incomparable:
        said.append(f"Log-densities do not compare: {dgm.incomparable}.")
    elif dgm.log_prob:
        shift = dgm.log_prob
        by = f"moved by up to {number(shift.largest)} nat"
        by = "nowhere finite in both" if shift.largest is None else by
        said.append(f"Log-density at {shift.points:,} fixed points {by}.")
        if shift.finite_changed:
            said.append(f"Finite in one of the two only: {count(shift.finite_changed, 'point')}.")
    return " ".join(said)


def _weights_say(dgm: DgmChange, tensors: int) -> str:
    moved = [f"changed in {dgm.tensors_changed} of {count(tensors, 'tensor')}"]
    moved = moved if dgm.tensors_changed else []
    for many, what in ((dgm.tensors_added, "added"), (dgm.tensors_removed, "removed")):
        moved += [f"{count(many, 'tensor')} {what}"] if many else []
    return f"Weights: {', '.join(moved)}." if moved else "Same weights."


def twin_says(twin: Twin) -> str:
    """Say that the posterior inside an archive became, or is no longer, the published one."""
    archive = twin.archive.rpartition("/")[2]
    if twin.new:
        return f"{archive}: the posterior inside is now {twin.published}; it was another one."
    return f"{archive}: the posterior inside is no longer {twin.published}."


def finding_says(change: FindingChange) -> str:
    """Say what became of a validation finding, but for its message."""
    if change.state != "changed":
        return f"{change.new_severity or change.old_severity} {change.state}"
    said = str(change.new_severity)
    if change.old_severity != change.new_severity:
        said = f"{change.old_severity} → {said}"
    if change.old_count != change.new_count:
        said += f", {change.old_count:,} → {count(change.new_count, 'case')}"
    return said
