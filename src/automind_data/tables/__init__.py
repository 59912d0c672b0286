"""Tables of the release: from CSV, plain or inside an archive, to typed Parquet.

The text is streamed: a block is inflated, parsed and written while the next
one is read, and neither the CSV nor the table is ever whole in memory or on
disk. Numbers keep every bit, keys every letter, rows and columns their order.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from automind_data.common.archive import MEMBER_KINDS, find_members, open_member, read_plan
from automind_data.common.errors import AutomindError
from automind_data.common.files import atomic_path
from automind_data.common.layout import PARAMETER_NAMES, column_family
from automind_data.tables.background import Md5
from automind_data.tables.csv_blocks import BLOCK, ROW_GROUP, Header, read_blocks, read_header
from automind_data.tables.digests import DigestFile
from automind_data.tables.plain_rows import PlainRows, Rows
from automind_data.tables.profile import Profiler, profile_text
from automind_data.tables.refusals import shown
from automind_data.tables.row_groups import Reader, RowGroups
from automind_data.tables.summary import summary_of_profile

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ROW_GROUP", "column_names", "read_table", "tabulate"]

KEY_LETTERS = 1 << 24
"""Of all observations in a table; the published ones have less than a thousand."""
DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def tabulate(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    observations_list: str | os.PathLike[str] | None = None,
    *,
    profile: str | os.PathLike[str] | None = None,
    digests: str | os.PathLike[str] | None = None,
    metrics: str | os.PathLike[str] | None = None,
    release: str | None = None,
    block: int = BLOCK,
) -> Iterator[dict[str, Any]]:
    """Write a CSV table, or the summary tables inside an archive, as one Parquet file.

    Parameters
    ----------
    source
        A CSV file, or a `.zip` with one or more summary tables of the same columns;
        several are put together in the order of their names.
    out
        The Parquet file. Column types follow `layout.column_family`; an empty cell is
        null; an unnamed first column (a pandas index) is left out. Its metadata name the
        source, its md5, the columns that the layout does not know, and the release.
    observations_list
        Also write the keys `x_o` in the table, in order of first appearance, as JSON.
    profile
        Also write the table's profile as JSON; see `tables.profile`.
    digests
        Also write key and digest of each row as Parquet; see `tables.digests`.
    metrics
        Also write the profile's summary as JSON; see `tables.summary`.
    release
        The release that the source belongs to, if known.
    block
        Bytes of text parsed at a time; the written bytes do not depend on it.

    Yields
    ------
    dict
        `path` being read, `done` and `total` bytes of text.

    Raises
    ------
    AutomindError
        No table, no rows, a repeated or missing column, rows of different lengths, a
        cell of the wrong kind, some of the 28 parameters missing, a damaged archive, a
        full disk, or an output that stands in for another or for the source. No output is
        then touched: all of them are whole before the first is put in place, and the
        table is the last.
    """
    source = Path(source)
    texts = (metrics, profile, observations_list)
    _require_places(source, [each for each in (out, digests, *texts) if each is not None])
    archived = source.suffix.lower() == ".zip"
    tables, total = _tables(source) if archived else ([str(source)], _size(source))
    seen: dict[str | None, None] = {}
    rows = done = 0
    header: Header | None = None
    profiler: Profiler | None = None
    with _refusing_a_full_disk(out), contextlib.ExitStack() as outs:
        part = outs.enter_context(atomic_path(out))
        digests_part, metrics_part, profile_part, list_part = (
            outs.enter_context(atomic_path(each)) if each is not None else None
            for each in (digests, *texts)
        )
        with Md5(source) as md5, contextlib.ExitStack() as files:
            writer: RowGroups | None = None
            for table in tables:
                name = f"{source}:{table}" if archived else table
                with _open(source, table, archived) as stream:
                    found = read_header(stream, name)
                    if header is None or writer is None:
                        _require_parameters(found, name, needed=archived)
                        readers: list[Reader] = []
                        if profile is not None or metrics is not None:
                            profiler = Profiler(found.columns)
                            readers.append(profiler.add)
                        if digests_part is not None:
                            digest_file = DigestFile(digests_part, found.columns)
                            readers.append(files.enter_context(digest_file).add)
                        writer = RowGroups(part, found.schema, readers, ROW_GROUP)
                        files.enter_context(writer)
                        header = found
                    _require_same_columns(tables[0], header.columns, name, found.columns)
                    before = done
                    for text_done, batch in read_blocks(stream, found, name, block, ROW_GROUP):
                        writer.add(batch, name)
                        rows += batch.height
                        if observations_list is not None:
                            seen.update(dict.fromkeys(_keys(batch)))
                            _require_few_keys(seen, name)
                        done = before + text_done
                        yield {"path": table, "done": done, "total": total}
            if header is None or writer is None or not rows:
                raise AutomindError(source, "has a header but no rows", "look at the file")
            writer.describe(_origin(source, md5.hexdigest(), header, release))
        if profiler is not None:
            said = profiler.profile()
            _write(profile_part, profile_text(said))
            _write(metrics_part, _json_text(summary_of_profile(said)))
        _write(list_part, _json_text({"x_o": [key for key in seen if key is not None]}))


def read_table(path: str | os.PathLike[str], columns: list[str] | None = None) -> pd.DataFrame:
    """Read a table that `tabulate` wrote.

    Parameters
    ----------
    path
        The Parquet file.
    columns
        Only these are read, in this order; all if not given.

    Returns
    -------
    pandas.DataFrame
        Numbers as float64 and int64, keys as str, flags as bool.

    Raises
    ------
    AutomindError
        There is no such file, it is no Parquet file, or it has no such column.
    """
    with _parquet(path) as file:
        table = file.read(columns)
    if columns is not None:
        there = set(table.column_names)
        missing = [shown(name) for name in columns if name not in there]
        if missing:
            rule = f"has no column {', '.join(missing[:5])}"
            raise AutomindError(path, rule, "look at its columns")
        table = table.select(columns)
    return table.to_pandas()


def column_names(path: str | os.PathLike[str]) -> list[str]:
    """Return the column names of a Parquet table, in its order.

    Raises
    ------
    AutomindError
        There is no such file or it is no Parquet file.
    """
    with _parquet(path) as file:
        return list(file.schema_arrow.names)


@contextlib.contextmanager
def _parquet(path: str | os.PathLike[str]) -> Iterator[pq.ParquetFile]:
    again = "make it again with `automind-data tabulate`"
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except FileNotFoundError:
        raise AutomindError(path, "is not there", again) from None
    except (pa.ArrowInvalid, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise AutomindError(path, "is no Parquet file", again) from None


def _keys(rows: Rows) -> list[str | None]:
    """Return the observation keys in some rows, in order of first appearance."""
    if isinstance(rows, PlainRows) or "x_o" not in rows.columns:
        return []
    return rows["x_o"].unique(maintain_order=True).to_list()


def _write(part: Path | None, text: str) -> None:
    if part is not None:
        part.write_text(text, encoding="utf-8")


def _require_places(source: Path, outs: Sequence[str | os.PathLike[str]]) -> None:
    taken = {source.resolve()}
    for out in outs:
        place = Path(out).resolve()
        if place in taken:
            rule = "would be written over the source or over another output"
            raise AutomindError(out, rule, "choose another path")
        if place.is_dir():
            raise AutomindError(out, "is a folder where a file belongs", "choose another path")
        taken.add(place)


def _json_text(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _tables(source: Path) -> tuple[list[str], int]:
    tables = find_members(source, MEMBER_KINDS["table"])
    if not tables:
        rule = f"holds no summary table ({MEMBER_KINDS['table']})"
        raise AutomindError(source, rule, "look at what is in it with `unzip -l`")
    sizes = {member.path: member.size for member in read_plan(source).members}
    return tables, sum(sizes[table] for table in tables)


def _size(source: Path) -> int:
    if not source.is_file():
        raise AutomindError(source, "is not there", "look at the path")
    return source.stat().st_size


@contextlib.contextmanager
def _open(source: Path, table: str, archived: bool) -> Iterator[BinaryIO]:
    with open_member(source, table) if archived else source.open("rb") as stream:
        yield stream


@contextlib.contextmanager
def _refusing_a_full_disk(out: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        rule = "cannot be written, the disk is full"
        raise AutomindError(out, rule, "make room and run it again") from None


def _origin(source: Path, md5: str, header: Header, release: str | None) -> dict[str, str]:
    unknown = [name for name in header.columns if column_family(name)[0] == "unknown"]
    return {
        "automind.source": source.name,
        "automind.source_md5": md5,
        "automind.unknown_columns": json.dumps(unknown, ensure_ascii=False),
        **({"automind.release": release} if release is not None else {}),
    }


def _require_few_keys(keys: Iterable[str | None], table: str) -> None:
    if sum(len(key or "") for key in keys) > KEY_LETTERS:
        rule = f"has more than {KEY_LETTERS} letters in different keys x_o"
        raise AutomindError(table, rule, "look at that column")


def _require_parameters(header: Header, table: str, needed: bool) -> None:
    missing = [name for name in PARAMETER_NAMES if name not in header.columns]
    if missing and (needed or len(missing) < len(PARAMETER_NAMES)):
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        rule = (
            f"has no column {', '.join(missing[:5])}{more},"
            f" a table of parameter configurations has all {len(PARAMETER_NAMES)}"
        )
        raise AutomindError(table, rule, "get the table again from where it was published")


def _require_same_columns(
    first: str, expected: tuple[str, ...], table: str, found: tuple[str, ...]
) -> None:
    if found == expected:
        return
    lacks = [name for name in expected if name not in found]
    has = [name for name in found if name not in expected]
    if lacks or has:
        parts = [f"lacks {', '.join(map(shown, lacks[:5]))}"] if lacks else []
        parts += [f"has {', '.join(map(shown, has[:5]))} besides"] if has else []
        what = " and ".join(parts)
    else:
        place = next(
            i for i, pair in enumerate(zip(expected, found, strict=True)) if len({*pair}) > 1
        )
        what = f"has {shown(found[place])} where the other has {shown(expected[place])}"
    rule = f"does not have the columns of {first} beside it: it {what}"
    raise AutomindError(table, rule, "leave one of the tables in the archive")
