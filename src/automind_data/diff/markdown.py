"""The difference as Markdown that also reads well in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from automind_data.diff.changes import DgmChange, Difference, TableChange
from automind_data.diff.sentences import (
    KS,
    SAMPLE,
    column_order,
    column_says,
    dgm_says,
    file_says,
    files_say,
    finding_says,
    places_say,
    prior_says,
    retyped_says,
    revision_says,
    table_says,
    title,
    twin_says,
)
from automind_data.diff.words import key_lines, metric_step, number, plain, size, value_says

__all__ = ["markdown"]

MOST_KEYS = 20
MOST_COLUMNS = 20


def markdown(difference: Difference) -> str:
    """Return a difference as Markdown; what is left out here is in the JSON."""
    return "\n".join(_lines(difference)) + "\n"


def _lines(difference: Difference) -> Iterator[str]:
    yield f"# {plain(title(difference))}"
    yield ""
    if difference.sample:
        yield f"> {SAMPLE}"
        yield ""
    old, new = difference.old, difference.new
    rows = [
        ("revision", revision_says(old), revision_says(new)),
        ("release", old.release or "not stated", new.release or "not stated"),
        ("kind", old.kind or "not stated", new.kind or "not stated"),
    ]
    yield from _table(("", "old", "new"), rows)
    if difference.same:
        yield ""
        yield "No difference." if not difference.all_gaps else "No difference in what was compared."
    else:
        yield from _sections(difference)
    if difference.all_gaps:
        yield from ("", "## Not compared", "")
        yield from (f"- {plain(gap.sentence)}" for gap in difference.all_gaps)


def _sections(difference: Difference) -> Iterator[str]:
    yield from ("", "## Published files", "", files_say(difference.files))
    if difference.files.changes:
        yield ""
        rows = [
            (each.path, file_says(each), size(each.old_size), size(each.new_size))
            for each in difference.files.changes
        ]
        yield from _table(("file", "change", "before", "after"), rows, right=(2, 3))
    yield from ("", "## Tables")
    for table in difference.tables:
        if table.state not in ("same", "unknown"):
            yield from _one_table(table)
    yield from _same(table.name for table in difference.tables if table.state == "same")
    if any(table.columns for table in difference.tables):
        yield from ("", KS)
    yield from ("", "## Parameters", "")
    yield from _parameters(difference)
    yield from ("", "## Density estimators")
    for dgm in difference.dgms:
        if dgm.state not in ("same", "unknown"):
            yield from _one_dgm(dgm)
    yield from _same(dgm.name for dgm in difference.dgms if dgm.state == "same")
    if difference.twins:
        yield ""
        yield from (twin_says(twin) for twin in difference.twins)
    yield from ("", "## Validation findings", "")
    yield from _findings(difference)
    yield from ("", "## Metrics", "")
    yield from _metrics(difference)


def _one_table(table: TableChange) -> Iterator[str]:
    yield from ("", f"### {plain(table.name)}", "")
    yield f"`{table.published}`: {table_says(table)}"
    if table.retyped:
        yield ""
        yield from (f"- {retyped_says(each)}" for each in table.retyped)
    for keys, what in (
        (table.added, "Added"),
        (table.removed, "Removed"),
        (table.changed, "Changed"),
    ):
        if keys:
            yield from ("", f"{what}:", "")
            yield from (f"- {line}" for line in key_lines(keys, MOST_KEYS))
    if table.columns:
        rows = [
            (
                _code(each.name),
                number(each.rows),
                number(each.largest_relative),
                number(each.largest_absolute),
                number(each.ks),
                column_says(each),
            )
            for each in column_order(table.columns)[:MOST_COLUMNS]
        ]
        yield ""
        names = ("changed column", "rows", "largest relative", "largest absolute", "KS", "")
        yield from _table(names, rows, right=(1, 2, 3, 4))
        if len(table.columns) > MOST_COLUMNS:
            yield from ("", f"and {len(table.columns) - MOST_COLUMNS:,} more columns")


def _parameters(difference: Difference) -> Iterator[str]:
    if difference.priors:
        rows = [
            (_code(each.parameter), each.what, *prior_says(each), places_say(each.places))
            for each in difference.priors
        ]
        yield from _table(("parameter", "what", "before", "after", "in"), rows)
    if difference.settings:
        yield from ("",) if difference.priors else ()
        settings = [
            (
                _code(each.entry),
                value_says(each.old, each.new),
                value_says(each.new, each.old),
                places_say(each.places),
            )
            for each in difference.settings
        ]
        yield from _table(("setting", "before", "after", "in"), settings)
    if not difference.priors and not difference.settings:
        yield "No prior, unit or setting changed."


def _one_dgm(dgm: DgmChange) -> Iterator[str]:
    yield from ("", f"### {plain(dgm.name)}", "", f"`{dgm.source}`: {dgm_says(dgm)}")
    if dgm.architecture or dgm.conditioning:
        yield ""
        rows = [(each.what, each.old, each.new) for each in (*dgm.architecture, *dgm.conditioning)]
        yield from _table(("what", "before", "after"), rows)


def _findings(difference: Difference) -> Iterator[str]:
    if not difference.findings:
        yield "None appeared or went away."
    for each in difference.findings:
        where = f"{_code(each.id)} in {_code(each.file)}"
        yield f"- {finding_says(each)}: {where}: {plain(each.message)}"


def _metrics(difference: Difference) -> Iterator[str]:
    if not difference.metrics:
        yield "None changed."
        return
    rows = [
        (
            plain(each.path),
            _code(each.name),
            value_says(each.old, each.new),
            value_says(each.new, each.old),
            metric_step(each.old, each.new),
        )
        for each in difference.metrics
    ]
    yield from _table(("file", "metric", "before", "after", "change"), rows, right=(2, 3, 4))


def _same(names: Iterable[str]) -> Iterator[str]:
    if said := ", ".join(names):
        yield from ("", f"Same in both: {said}.")


def _code(text: str) -> str:
    return f"`{plain(text).replace('`', chr(39))}`"


def _table(
    names: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()
) -> Iterator[str]:
    """Give the lines of a table, its columns padded to one width."""
    cells = [[plain(cell).replace("|", "\\|") for cell in row] for row in (names, *rows)]
    widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
    rules = [
        "-" * (width - 1) + ":" if at in right else "-" * width for at, width in enumerate(widths)
    ]
    for row in (cells[0], rules, *cells[1:]):
        padded = [
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield f"| {' | '.join(padded)} |"
