"""Reading a CSV stream block by block into typed Arrow tables.

A block ends at a line's end, so a text with a line break inside is refused;
every cell has the type that the layout gives its column; a refusal names the
line.
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections import Counter
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from automind_data.common.errors import AutomindError
from automind_data.common.layout import column_family

__all__ = ["BLOCK", "Header", "read_blocks", "read_header"]

BLOCK = 8 << 20
LONGEST_LINE = 64 << 20
LOOK = "look at that line"
TYPES = {"float64": pa.float64(), "int64": pa.int64(), "bool": pa.bool_(), "text": pa.string()}
KINDS = {"float64": "a number", "int64": "a whole number", "bool": "True or False", "text": "text"}
INTEGER = r"^[+-]?[0-9]+(\.0+)?$"
NUMBER = re.compile(
    r"[ \t]*[+-]?([0-9]+\.?[0-9]*(e[+-]?[0-9]+)?|\.[0-9]+(e[+-]?[0-9]+)?|nan|inf(inity)?)[ \t]*",
    re.I,
)


@dataclass(frozen=True)
class Header:
    """The columns of a table; `indexed` if a first column without a name was left out.

    `length` is the number of bytes of the line.
    """

    columns: tuple[str, ...]
    indexed: bool
    length: int

    @cached_property
    def kinds(self) -> dict[str, str]:
        """The type that the layout gives each column, by its name there."""
        return {name: column_family(name)[1] for name in self.columns}

    @property
    def schema(self) -> pa.Schema:
        """The same as Arrow types."""
        return pa.schema([(name, TYPES[kind]) for name, kind in self.kinds.items()])


def read_header(stream: BinaryIO, file: str) -> Header:
    """Read the first line.

    Parameters
    ----------
    stream, file
        The text and what to call it.

    Raises
    ------
    AutomindError
        The file is empty, or a column has no name or the name of another.
    """
    line = stream.readline(LONGEST_LINE)
    if not line.strip():
        raise AutomindError(file, "is empty", "get it again from where it was published")
    try:
        names = next(csv.reader([line.decode("utf-8-sig")], strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise AutomindError(file, "line 1 is no header of a CSV table", LOOK) from None
    indexed = names[0] in ("", "Unnamed: 0")
    columns = tuple(names[1:] if indexed else names)
    twice = [name for name, times in Counter(columns).items() if times > 1 and name]
    if twice:
        raise AutomindError(file, f"line 1 names {', '.join(twice[:5])} more than once", LOOK)
    if "" in columns or not columns:
        raise AutomindError(file, "line 1 has a column without a name", LOOK)
    return Header(columns, indexed, len(line))


def read_blocks(
    stream: BinaryIO, header: Header, file: str, block: int = BLOCK
) -> Iterator[tuple[int, pa.Table]]:
    """Read what follows the header.

    Parameters
    ----------
    stream, header, file
        The text after its first line, the columns, and what to call the text.
    block
        Bytes parsed at a time.

    Yields
    ------
    (done, rows)
        Bytes of text read so far, and rows with the columns of `header`.

    Raises
    ------
    AutomindError
        A row has another number of cells than the header, or a cell is not of
        its column's kind; the line is named.
    """
    done, line = header.length, 2
    with contextlib.closing(_one_ahead(_cut_at_lines(stream, file, block))) as blocks:
        for text in blocks:
            done += len(text)
            if text.strip(b"\r\n"):
                try:
                    rows = _parse(text, header)
                except pa.ArrowInvalid as error:
                    raise _explain(text, header, file, line, str(error)) from None
                yield done, rows
            line += text.count(b"\n")


def _cut_at_lines(stream: BinaryIO, file: str, block: int) -> Iterator[bytes]:
    rest = b""
    while chunk := stream.read(block):
        rest += chunk
        cut = rest.rfind(b"\n") + 1
        if cut:
            yield rest[:cut]
            rest = rest[cut:]
        elif len(rest) > LONGEST_LINE:
            raise AutomindError(file, f"has a line of more than {LONGEST_LINE} bytes", LOOK)
    if rest:
        yield rest


def _one_ahead(items: Iterator[bytes]) -> Generator[bytes, None, None]:
    """Fetch the next item in a thread while the one before is worked on."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


def _parse(text: bytes, header: Header) -> pa.Table:
    names = ["", *header.columns] if header.indexed else header.columns
    read_as = {
        name: TYPES["float64" if kind == "float64" else "text"]
        for name, kind in header.kinds.items()
    }
    rows = pa_csv.read_csv(
        pa.BufferReader(text),
        pa_csv.ReadOptions(column_names=names, block_size=len(text) + 1),
        convert_options=pa_csv.ConvertOptions(
            include_columns=header.columns,
            column_types=read_as,
            null_values=[""],
            strings_can_be_null=True,
        ),
    )
    for place, (name, kind) in enumerate(header.kinds.items()):
        if kind != "float64":
            rows = rows.set_column(place, name, _convert(rows[name], kind))
    return rows


def _convert(cells: pa.ChunkedArray, kind: str) -> pa.ChunkedArray:
    if kind == "text":
        _require(pc.invert(pc.match_substring_regex(cells, r"[\r\n]")))
        return cells
    cells = pc.utf8_trim(cells, " \t")
    if kind == "bool":
        _require(pc.is_in(pc.drop_null(cells), value_set=pa.array(["True", "False"])))
        return pc.equal(cells, "True")
    _require(pc.match_substring_regex(cells, INTEGER))
    return pc.cast(pc.replace_substring_regex(cells, r"^\+|\.0+$", ""), pa.int64())


def _require(holds: pa.ChunkedArray) -> None:
    if pc.all(holds).as_py() is False:
        raise pa.ArrowInvalid("a cell is not of its column's kind")


def _explain(text: bytes, header: Header, file: str, line: int, reason: str) -> AutomindError:
    """Find the first line that cannot be read, the slow way."""
    names = ["", *header.columns] if header.indexed else list(header.columns)
    lines = csv.reader(io.StringIO(text.decode("utf-8", "surrogateescape"), newline=""))
    with contextlib.suppress(csv.Error):
        for cells in lines:
            last = line + lines.line_num - 1
            if not cells:
                continue
            if len(cells) != len(names):
                rule = f"line {last} has {len(cells)} cells where the header has {len(names)}"
                return AutomindError(file, rule, LOOK)
            for name, cell in zip(names[header.indexed :], cells[header.indexed :], strict=True):
                kind = header.kinds[name]
                if not _fits(cell, kind):
                    shown = repr(cell if len(cell) <= 40 else cell[:40] + "…")
                    rule = f"line {last}, column {name}: {shown} where {KINDS[kind]} belongs"
                    return AutomindError(file, rule, LOOK)
    return AutomindError(file, f"cannot be read from line {line} on: {reason}", LOOK)


def _fits(cell: str, kind: str) -> bool:
    match kind:
        case "text":
            return not re.search(r"[\r\n\udc80-\udcff]", cell)
        case "bool":
            return cell.strip(" \t") in ("", "True", "False")
        case "int64":
            whole = re.fullmatch(INTEGER, cell.strip(" \t"))
            return not cell or (bool(whole) and abs(int(cell.split(".")[0])) < 2**63)
        case _:
            return not cell or NUMBER.fullmatch(cell) is not None
